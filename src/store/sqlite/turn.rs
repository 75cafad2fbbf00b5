//! A value that one thread of a process uses at a time. The other threads wait for it, up to their deadlines.

use std::ops::{Deref, DerefMut};

use crate::clock::Deadline;
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError, lock};

/// The value, and the queue of the threads that wait for it.
pub(super) struct Turn<T> {
    queue: Queue,
    value: Mutex<T>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<QueueState>,
    is_free: Condvar,
}

#[derive(Default)]
struct QueueState {
    is_taken: bool,
    waiting: usize,
}

impl<T> Turn<T> {
    pub(super) fn new(value: T) -> Turn<T> {
        Turn {
            queue: Queue::default(),
            value: Mutex::new(value),
        }
    }

    /// Takes the value, or waits for it. Returns None if the deadline passes first.
    pub(super) fn take(&self, by: &Deadline) -> Option<Taken<'_, T>> {
        let mut state = lock(&self.queue.state);
        while state.is_taken {
            let left = by.left();
            if left.is_zero() {
                return None;
            }
            state.waiting += 1;
            let waited = self.queue.is_free.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
        }
        state.is_taken = true;
        drop(state);
        Some(Taken {
            value: lock(&self.value),
            _place: Place(&self.queue),
        })
    }

    /// Takes the value if no thread has it.
    pub(super) fn try_take(&self) -> Option<Taken<'_, T>> {
        self.take(&Deadline::after(0))
    }
}

/// The value while one thread has it. It is given back when dropped, even by a panic.
pub(super) struct Taken<'a, T> {
    value: MutexGuard<'a, T>,
    /// This field is dropped last.
    _place: Place<'a>,
}

struct Place<'a>(&'a Queue);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.is_taken = false;
        if state.waiting > 0 {
            self.0.is_free.notify_one();
        }
    }
}

impl<T> Deref for Taken<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_has_the_value_and_others_wait_up_to_their_deadlines() {
        let turn = Turn::new(1);
        let mut taken = turn.take(&Deadline::after(0)).unwrap();
        *taken += 1;
        assert!(turn.try_take().is_none());
        assert!(turn.take(&Deadline::after(20)).is_none());
        std::thread::scope(|scope| {
            let next = scope.spawn(|| *turn.take(&Deadline::after(120_000)).unwrap());
            while lock(&turn.queue.state).waiting == 0 {
                std::thread::yield_now();
            }
            *taken += 1;
            drop(taken);
            assert_eq!(next.join().unwrap(), 3);
        });
        let given_up = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _taken = turn.try_take().unwrap();
            panic!("a panic gives it back");
        }));
        assert!(given_up.is_err() && turn.try_take().is_some());
    }
}
