//! A shield against signals that a write raises: SIGPIPE from a TLS peer that reset, SIGXFSZ at a file-size limit.
//! Their default action kills the host program.
//!
//! The shield blocks them in the calling thread only, and at the end removes those that arrived meanwhile. So the host
//! program's own handlers and dispositions are neither changed nor called.
//!
//! # Signals and threads
//!
//! rustls writes with `writev`, for which Rust does not suppress SIGPIPE. A file-size limit raises SIGXFSZ. Both are
//! blocked in the calling thread during network and SQLite calls, and those that arrived are removed. No handler is
//! installed. The library's own two threads block all signals: the one-shot background refresh, and the look-up of a
//! host name.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// A guard that blocks SIGPIPE and SIGXFSZ in this thread until it is dropped.
pub struct BlockedSignals {
    before: libc::sigset_t,
    shielded: libc::sigset_t,
    /// Makes the guard stay on its thread, to which the signal mask belongs.
    _thread: PhantomData<*const ()>,
}

impl BlockedSignals {
    pub fn new() -> BlockedSignals {
        let signals = [libc::SIGPIPE, libc::SIGXFSZ];
        let mut shielded = empty();
        let mut before = empty();
        // SAFETY: all sets are initialised. pthread_sigmask fails only for an unknown `how`.
        unsafe {
            for signal in signals {
                libc::sigaddset(&mut shielded, signal);
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, &shielded, &mut before);
            // A signal that was pending before must not be removed. That is only possible for one that the host program
            // blocks.
            if signals.iter().any(|s| libc::sigismember(&before, *s) == 1) {
                let pending = pending();
                for signal in signals {
                    if libc::sigismember(&pending, signal) == 1
                        && libc::sigismember(&before, signal) == 1
                    {
                        libc::sigdelset(&mut shielded, signal);
                    }
                }
            }
        }
        BlockedSignals {
            before,
            shielded,
            _thread: PhantomData,
        }
    }

    /// Blocks every signal in a thread of the library, so that the host program's handlers do not run on it.
    pub fn block_all_in_library_thread() {
        // SAFETY: `all` is initialised by sigfillset before it is read.
        unsafe {
            let mut all = MaybeUninit::uninit();
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), std::ptr::null_mut());
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        let no_wait = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: all sets are valid. An interrupted sigtimedwait is called again.
        unsafe {
            loop {
                let taken = libc::sigtimedwait(&self.shielded, std::ptr::null_mut(), &no_wait);
                let interrupted = taken == -1
                    && std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR);
                if taken == -1 && !interrupted {
                    break;
                }
            }
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, std::ptr::null_mut());
        }
    }
}

fn empty() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the whole set.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    }
}

fn pending() -> libc::sigset_t {
    let mut set = empty();
    // SAFETY: the set is valid to write to.
    unsafe { libc::sigpending(&mut set) };
    set
}
