//! Signals read from a descriptor.

use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Blocks these signals in this thread and in the threads that it starts. Returns a descriptor that delivers them and
/// never blocks.
pub fn hold(signals: &SigSet) -> nix::Result<SignalFd> {
    signals.thread_block()?;
    SignalFd::with_flags(signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}
