//! Background refreshes: one-shot threads, counted, so that freeing a handle can wait for them.

use std::sync::Arc;

use crate::clock::Deadline;
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError, lock};
use crate::sys::BlockedSignals;

/// The refreshes that a handle has running on threads of their own.
#[derive(Default)]
pub struct Background {
    running: Mutex<usize>,
    ended: Condvar,
}

impl Background {
    /// Runs `work` on a thread; fails when none can be had.
    pub fn start(
        self: &Arc<Background>,
        work: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<()> {
        *self.running() += 1;
        // Moved into the thread, or dropped with the closure when there is none: counted out either way.
        let count_out = CountOut(self.clone());
        std::thread::Builder::new()
            .name("wxtoken-refresh".into())
            .spawn(move || {
                BlockedSignals::block_all_in_library_thread();
                let _count_out = count_out;
                work();
            })
            .map(drop)
    }

    /// Waits until none is running, or until the deadline.
    pub fn wait(&self, deadline: &Deadline) {
        let mut running = self.running();
        while *running > 0 && !deadline.has_passed() {
            let waited = self.ended.wait_timeout(running, deadline.left());
            running = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn running(&self) -> MutexGuard<'_, usize> {
        lock(&self.running)
    }
}

/// Counts one refresh out, at its end or its panic.
struct CountOut(Arc<Background>);

impl Drop for CountOut {
    fn drop(&mut self) {
        *self.0.running() -= 1;
        self.0.ended.notify_all();
    }
}
