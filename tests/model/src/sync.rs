//! Loom's types under the names of `src/sync.rs`. Each use of one is a point at which loom tries every other thread.

pub use loom::sync::{Condvar, Mutex, atomic};
pub use std::sync::Arc;

/// arc-swap's promise, by a lock: a load gives what the last store put there.
pub struct ArcSwapOption<T>(Mutex<Option<Arc<T>>>);

impl<T> ArcSwapOption<T> {
    pub fn load(&self) -> Option<Arc<T>> {
        self.0.lock().unwrap().clone()
    }

    pub fn store(&self, value: Option<Arc<T>>) {
        *self.0.lock().unwrap() = value;
    }
}

impl<T> Default for ArcSwapOption<T> {
    fn default() -> Self {
        ArcSwapOption(Mutex::new(None))
    }
}
