//! A reference that is read without a lock, to something that others may hold too. Everything that it has ever referred
//! to lives as long as it does: a reader may still use the old value after another thread has set a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::{ForkGuarded, ForkLock};

/// A reference that is read without a lock. See [the module](self).
pub struct KeptRef<T> {
    now: AtomicPtr<T>,
    kept: ForkGuarded<Vec<Arc<T>>>,
}

impl<T: Send + Sync> KeptRef<T> {
    pub const fn none() -> KeptRef<T> {
        KeptRef {
            now: AtomicPtr::new(std::ptr::null_mut()),
            kept: ForkGuarded::new(Vec::new()),
        }
    }

    #[inline(always)]
    pub fn get(&self) -> Option<&T> {
        // SAFETY: the pointer is null or that of an `Arc` in `kept`, from which nothing is removed before `self` is
        // dropped.
        unsafe { self.now.load(Ordering::Acquire).as_ref() }
    }

    /// Returns the current value as a reference that can be held longer than this one.
    pub fn get_shared(&self) -> Option<Arc<T>> {
        let now = self.get()?;
        let held = ForkLock::enter();
        let kept = self.kept.borrow(&held);
        kept.iter()
            .find(|one| std::ptr::eq(Arc::as_ptr(one), now))
            .cloned()
    }

    pub fn set(&self, value: Arc<T>) {
        let held = ForkLock::enter();
        let mut kept = self.kept.borrow(&held);
        let pointer = Arc::as_ptr(&value).cast_mut();
        if !kept.iter().any(|one| Arc::ptr_eq(one, &value)) {
            kept.push(value);
        }
        self.now.store(pointer, Ordering::Release);
    }

    pub fn clear(&self) {
        self.now.store(std::ptr::null_mut(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lives_as_long_as_the_reference_that_held_it() {
        let (first, second) = (Arc::new(1), Arc::new(2));
        let it = KeptRef::none();
        assert!(it.get().is_none() && it.get_shared().is_none());
        it.set(first.clone());
        let held = it.get().unwrap();
        it.set(second.clone());
        it.set(first.clone());
        it.set(second.clone());
        assert_eq!((*held, it.get()), (1, Some(&2)));
        assert!(Arc::ptr_eq(&it.get_shared().unwrap(), &second));
        it.clear();
        assert!(it.get().is_none());
        assert_eq!(
            (Arc::strong_count(&first), Arc::strong_count(&second)),
            (2, 2)
        );
        drop(it);
        assert_eq!(
            (Arc::strong_count(&first), Arc::strong_count(&second)),
            (1, 1)
        );
    }
}
