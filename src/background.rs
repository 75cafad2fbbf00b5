//! Background refreshes: one-shot threads, counted, so that freeing a handle can wait for them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::clock::Deadline;
use crate::sys::Shield;

/// The refreshes that a handle has running on threads of their own.
#[derive(Default)]
pub struct Background {
    running: Mutex<usize>,
    done: Condvar,
}

impl Background {
    /// Runs `work` on a thread; false when none can be had.
    pub fn start(self: &Arc<Background>, work: impl FnOnce() + Send + 'static) -> bool {
        *self.running() += 1;
        // Moved into the thread, or dropped with the closure when there is none: counted out either way.
        let done = Done(self.clone());
        std::thread::Builder::new()
            .name("wxtoken-refresh".into())
            .spawn(move || {
                Shield::block_all_in_own_thread();
                let _done = done;
                work();
            })
            .is_ok()
    }

    /// Waits until none is running, or until the deadline.
    pub fn wait(&self, deadline: &Deadline) {
        let mut running = self.running();
        while *running > 0 && !deadline.has_passed() {
            (running, _) = self
                .done
                .wait_timeout(running, deadline.left())
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn running(&self) -> MutexGuard<'_, usize> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts one refresh out, at its end or its panic.
struct Done(Arc<Background>);

impl Drop for Done {
    fn drop(&mut self) {
        *self.0.running() -= 1;
        self.0.done.notify_all();
    }
}
