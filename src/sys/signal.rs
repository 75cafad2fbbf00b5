//! A shield for signals that writing raises: SIGPIPE from a TLS peer that reset, SIGXFSZ at a file-size limit. Their
//! default action kills the host.
//!
//! Blocks them in the calling thread only, and on the way out takes back what arrived meanwhile, so that the host's own
//! handlers and dispositions are neither changed nor called.
//!
//! # Signals and threads
//!
//! rustls writes with `writev`, where Rust does not suppress SIGPIPE; a file-size limit raises SIGXFSZ. Around network
//! and SQLite calls both are blocked in the calling thread, and what arrived meanwhile is taken back. No handler is
//! installed. The library's two threads, the one-shot background refresh and a look-up of a host name, block all
//! signals.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// SIGPIPE and SIGXFSZ are held off this thread until it is dropped.
pub struct BlockedSignals {
    before: libc::sigset_t,
    shielded: libc::sigset_t,
    /// A mask belongs to its thread.
    _thread: PhantomData<*const ()>,
}

impl BlockedSignals {
    pub fn new() -> BlockedSignals {
        let signals = [libc::SIGPIPE, libc::SIGXFSZ];
        let mut shielded = empty();
        let mut before = empty();
        // SAFETY: all sets are initialised; pthread_sigmask fails only for an unknown `how`.
        unsafe {
            for signal in signals {
                libc::sigaddset(&mut shielded, signal);
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, &shielded, &mut before);
            // One that was pending before is not ours to take back; only what the host blocks can have been.
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

    /// Blocks every signal in a thread that the library itself starts: the host's handlers are not for it.
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
        // SAFETY: all sets are valid; sigtimedwait may be interrupted, and is then asked again.
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
