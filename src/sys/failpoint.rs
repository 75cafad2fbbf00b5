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
    /// A secret, what was put or what came to replace it is sealed; the transaction that saves it has not begun.
    Sealed,
    /// In the transaction that saves the token, before its commit.
    Saving,
    /// The token is in the store; the lock is still held.
    Saved,
    /// What was sealed has been found; the key file is not read yet.
    Opening,
    /// A thread has asked for a file of the store to be synced.
    Syncing,
}

/// This process has come to a moment.
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

    /// The point that holds threads; 0 for none, and [`NOT_TOLD`] before the variable has been looked at.
    static HOLDS_AT: AtomicI32 = AtomicI32::new(NOT_TOLD);
    const NOT_TOLD: i32 = -1;
    /// How many more it holds.
    static TO_HOLD: AtomicUsize = AtomicUsize::new(0);
    static HELD: AtomicUsize = AtomicUsize::new(0);

    /// The first thread of this process that comes to `point` sends itself `signal`: SIGKILL, SIGSTOP, or one with a handler.
    pub fn arm(point: Failpoint, signal: i32) {
        SIGNAL.store(signal, Ordering::Relaxed);
        POINT.store(point as i32, Ordering::Release);
    }

    /// The next threads that come to `point`, so many, stay there until [`let_go`]. The variable TEST_HOLD does the same for a
    /// process of another program: the number of the point, a blank, and how many.
    pub fn hold(point: Failpoint, threads: usize) {
        HELD.store(0, Ordering::Relaxed);
        TO_HOLD.store(threads, Ordering::Relaxed);
        HOLDS_AT.store(point as i32, Ordering::Release);
    }

    /// How many threads have been held.
    pub fn held() -> usize {
        HELD.load(Ordering::Relaxed)
    }

    /// Every thread that is held goes on, and none is held from now on.
    pub fn let_go() {
        HOLDS_AT.store(0, Ordering::Release);
    }

    /// This process has come to a moment.
    pub fn hit_failpoint(point: Failpoint) {
        let armed = POINT.compare_exchange(point as i32, 0, Ordering::AcqRel, Ordering::Relaxed);
        if armed.is_ok() {
            // SAFETY: a signal to this very thread, by the test that armed it.
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
            // No lock: a child that is forked meanwhile would find it locked for ever.
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
