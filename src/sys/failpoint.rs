//! Points at which a test can stop or kill the process, or hold its thread. A signal from outside would not hit them.
//!
//! They exist only with the feature `failpoints`, which the tests turn on. Without it, [`hit_failpoint`] does nothing.

/// One point. The first ones are in the order in which a leader reaches them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Failpoint {
    /// The process has read the row, and a fetch is due.
    Looked = 1,
    /// The leader has the lock, and has not yet written its intent.
    Locked,
    /// The intent is in the store, and the request has not been sent.
    Claimed,
    /// The deadline has been checked for the last time before the request is sent.
    Sending,
    /// The platform has answered, and the token is only in this process.
    Replied,
    /// A secret is sealed: one that was registered or put, or one that the platform sent. The transaction that saves it
    /// has not begun.
    Sealed,
    /// The token is in the transaction that saves it, before the commit.
    Saving,
    /// The token is in the store, and the lock is still held.
    Saved,
    /// A sealed value has been read, and the key file has not.
    Opening,
    /// A thread is about to sync a file of the store.
    Syncing,
}

/// Marks that this process has reached a point. Does nothing in this build.
#[cfg(not(feature = "failpoints"))]
pub fn hit_failpoint(_point: Failpoint) {}

#[cfg(feature = "failpoints")]
pub use armed::{arm, held, hit_failpoint, hold, let_go};

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

    use super::Failpoint;

    static POINT: AtomicI32 = AtomicI32::new(0);
    static SIGNAL: AtomicI32 = AtomicI32::new(0);

    /// The point that holds threads. It is 0 for none, and [`NOT_TOLD`] before the variable has been read.
    static HOLDS_AT: AtomicI32 = AtomicI32::new(NOT_TOLD);
    const NOT_TOLD: i32 = -1;
    /// The number of threads that are still to be held.
    static TO_HOLD: AtomicUsize = AtomicUsize::new(0);
    static HELD: AtomicUsize = AtomicUsize::new(0);

    /// Makes the first thread that reaches `point` send itself `signal`: SIGKILL, SIGSTOP, or one with a handler.
    pub fn arm(point: Failpoint, signal: i32) {
        SIGNAL.store(signal, Ordering::Relaxed);
        POINT.store(point as i32, Ordering::Release);
    }

    /// Holds the next `threads` threads that reach `point`, until [`let_go`]. In another program the variable TEST_HOLD
    /// does this: the number of the point, a space, and the number of threads.
    pub fn hold(point: Failpoint, threads: usize) {
        HELD.store(0, Ordering::Relaxed);
        TO_HOLD.store(threads, Ordering::Relaxed);
        HOLDS_AT.store(point as i32, Ordering::Release);
    }

    /// Returns how many threads have been held.
    pub fn held() -> usize {
        HELD.load(Ordering::Relaxed)
    }

    /// Releases every held thread, and holds no more.
    pub fn let_go() {
        HOLDS_AT.store(0, Ordering::Release);
    }

    /// Marks that this process has reached a point.
    pub fn hit_failpoint(point: Failpoint) {
        let armed = POINT.compare_exchange(point as i32, 0, Ordering::AcqRel, Ordering::Relaxed);
        if armed.is_ok() {
            // SAFETY: the signal goes to this very thread, and the test that armed the point expects it.
            unsafe { libc::raise(SIGNAL.load(Ordering::Relaxed)) };
        }
        if HOLDS_AT.load(Ordering::Relaxed) == NOT_TOLD {
            let (at, threads) = told().unwrap_or((0, 0));
            TO_HOLD.store(threads, Ordering::Relaxed);
            HOLDS_AT.store(at, Ordering::Release);
        }
        let is_here = || HOLDS_AT.load(Ordering::Acquire) == point as i32;
        let one_less = |left: usize| left.checked_sub(1);
        let (relaxed, update) = (Ordering::Relaxed, &TO_HOLD);
        if is_here() && update.fetch_update(relaxed, relaxed, one_less).is_ok() {
            HELD.fetch_add(1, Ordering::Relaxed);
            // No lock is used: a child that is forked meanwhile would find it locked for ever.
            while is_here() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
    }

    fn told() -> Option<(i32, usize)> {
        let told = std::env::var("TEST_HOLD").ok()?;
        let (point, threads) = told.split_once(' ')?;
        Some((point.parse().ok()?, threads.parse().ok()?))
    }
}
