//! Background refreshes: one-shot threads, which are counted so that freeing a handle can wait for them.

use std::sync::Arc;

use crate::clock::Deadline;
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError, lock};
use crate::sys::BlockedSignals;

/// The refreshes of a handle that run on their own threads.
#[derive(Default)]
pub struct Background {
    running: Mutex<usize>,
    ended: Condvar,
}

impl Background {
    /// Runs `work` on a thread. Fails if none can be started.
    pub fn start(
        self: &Arc<Background>,
        work: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<()> {
        *self.running() += 1;
        // The count goes down when the thread ends, or at once if no thread could be started and the closure is
        // dropped.
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

    /// Waits until no refresh is running, or until the deadline.
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

/// A guard that counts one refresh as ended, even after a panic.
struct CountOut(Arc<Background>);

impl Drop for CountOut {
    fn drop(&mut self) {
        *self.0.running() -= 1;
        self.0.ended.notify_all();
    }
}
