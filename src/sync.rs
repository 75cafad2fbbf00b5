//! The locks and atomics of threads. Under `cfg(loom)` they are the model checker's types, and `process::model` runs
//! the same code in every interleaving of a few threads.

#[cfg(loom)]
pub use loom::sync::{Condvar, Mutex, MutexGuard, atomic};
#[cfg(not(loom))]
pub use std::sync::{Condvar, Mutex, MutexGuard, atomic};

pub use std::sync::{Arc, PoisonError};

#[cfg(not(loom))]
pub use arc_swap::ArcSwapOption;

/// Locks a mutex, even after a panic. No critical section here is left half done by one.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A model of arc-swap, made of a lock: a load returns the value of the last store.
#[cfg(loom)]
pub struct ArcSwapOption<T>(Mutex<Option<Arc<T>>>);

#[cfg(loom)]
impl<T> ArcSwapOption<T> {
    pub fn load(&self) -> Option<Arc<T>> {
        lock(&self.0).clone()
    }

    pub fn store(&self, value: Option<Arc<T>>) {
        *lock(&self.0) = value;
    }
}

#[cfg(loom)]
impl<T> Default for ArcSwapOption<T> {
    fn default() -> Self {
        ArcSwapOption(Mutex::new(None))
    }
}
