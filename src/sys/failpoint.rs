//! Moments at which a test can stop or kill the process, or hold up its thread: no signal from outside would hit them.
//!
//! Only with the feature `failpoints`, which the tests turn on; otherwise [`hit_failpoint`] is nothing.

/// One moment; the first ones in the order in which a leader reaches them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Failpoint {
    /// It has looked, and found that somebody should fetch.
    Looked = 1,
    /// It has the lock, and has not written its intent.
    Locked,
    /// The intent is in the store, the request not yet sent.
    Claimed,
    /// The deadline has been looked at for the last time before the request leaves.
    Sending,
    /// The platform has answered; the token is nowhere but here.
    Replied,
    /// What came to replace what was put is sealed; the transaction that saves it has not begun.
    Sealed,
    /// In the transaction that saves the token, before its commit.
    Saving,
    /// The token is in the store; the lock is still held.
    Saved,
    /// A thread has asked for a file of the store to be synced.
    Syncing,
}

/// This process has come to a moment.
#[cfg(not(feature = "failpoints"))]
pub fn hit_failpoint(_point: Failpoint) {}

#[cfg(feature = "failpoints")]
pub use armed::{arm, hit_failpoint};

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::atomic::{AtomicI32, Ordering};

    use super::Failpoint;

    static POINT: AtomicI32 = AtomicI32::new(0);
    static SIGNAL: AtomicI32 = AtomicI32::new(0);

    /// The first thread of this process that comes to `point` sends itself `signal`: SIGKILL, SIGSTOP, or one with a handler.
    pub fn arm(point: Failpoint, signal: i32) {
        SIGNAL.store(signal, Ordering::Relaxed);
        POINT.store(point as i32, Ordering::Release);
    }

    /// This process has come to a moment.
    pub fn hit_failpoint(point: Failpoint) {
        let armed = POINT.compare_exchange(point as i32, 0, Ordering::AcqRel, Ordering::Relaxed);
        if armed.is_ok() {
            // SAFETY: a signal to this very thread, by the test that armed it.
            unsafe { libc::raise(SIGNAL.load(Ordering::Relaxed)) };
        }
    }
}
