//! What this process knows: for each account name the token it may hand out without looking at the store. The hot path.
//!
//! A snapshot is good for `revalidate_ms` after it was read; then one thread looks at the store while the others go on
//! with it. A snapshot of an older epoch (something was rejected or changed here) is good for nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::clock::Now;
use crate::token::Row;

/// A token as it is handed out.
#[derive(Debug)]
pub struct Served {
    pub value: String,
    pub expires_at_s: i64,
    expires_wall_ms: i64,
    expires_boot_ms: i64,
}

impl Served {
    /// The token of a row that is fresh or usable.
    pub fn from_row(row: &Row, now: Now, boot_id: &str) -> Option<Served> {
        let left = row.left_ms(now, boot_id);
        Some(Served {
            value: row.token.clone().filter(|_| left > 0)?,
            expires_at_s: row.expires_at.div_euclid(1000),
            expires_wall_ms: row.expires_at,
            expires_boot_ms: now.boot_ms + left,
        })
    }

    pub fn is_valid(&self, now: Now) -> bool {
        now.wall_ms < self.expires_wall_ms && now.boot_ms < self.expires_boot_ms
    }
}

/// The names of one set of base URLs.
#[derive(Default)]
pub struct Cache {
    epoch: AtomicU64,
    current: Slot,
    named: RwLock<HashMap<String, Arc<Slot>>>,
}

#[derive(Default)]
struct Slot {
    /// When a thread set out to look at the store, on the boot clock; 0 when none is looking.
    looking_since_ms: AtomicI64,
    snapshot: RwLock<Option<Snapshot>>,
}

struct Snapshot {
    epoch: u64,
    looked_boot_ms: i64,
    token: Arc<Served>,
}

/// A look that has not come back after this long is lost, and another thread may set out.
const LOOK_MS: i64 = 1000;

impl Slot {
    /// Whether this thread is the one to look; the others go on with what is known.
    fn set_out_to_look(&self, now_boot_ms: i64) -> bool {
        let since = self.looking_since_ms.load(Ordering::Acquire);
        let is_free = since == 0 || now_boot_ms - since > LOOK_MS;
        is_free
            && self
                .looking_since_ms
                .compare_exchange(since, now_boot_ms, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    fn has_looked(&self) {
        self.looking_since_ms.store(0, Ordering::Release);
    }
}

impl Cache {
    /// The token, if this process may hand it out now. None sends the caller to the store.
    pub fn hit(&self, name: Option<&str>, revalidate_ms: i64) -> Option<Arc<Served>> {
        let Some(name) = name else {
            return self.hit_slot(&self.current, revalidate_ms);
        };
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        self.hit_slot(named.get(name)?, revalidate_ms)
    }

    fn hit_slot(&self, slot: &Slot, revalidate_ms: i64) -> Option<Arc<Served>> {
        let snapshot = slot.snapshot.read().unwrap_or_else(PoisonError::into_inner);
        let snapshot = snapshot.as_ref()?;
        let now = Now::read();
        if snapshot.epoch != self.epoch.load(Ordering::Acquire) || !snapshot.token.is_valid(now) {
            return None;
        }
        let due = now.boot_ms - snapshot.looked_boot_ms >= revalidate_ms;
        // Nothing is written unless it is due: a hit must not write to a shared cache line.
        if due && slot.set_out_to_look(now.boot_ms) {
            return None;
        }
        Some(snapshot.token.clone())
    }

    /// A valid token from before, whatever its age in this cache, for when the store cannot be read now.
    pub fn last_resort(&self, name: Option<&str>) -> Option<Arc<Served>> {
        let slot = self.known_slot(name)?;
        let mut snapshot = slot
            .snapshot
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        slot.has_looked();
        let snapshot = snapshot.as_mut()?;
        // This was a look; the next is due as if it had found something.
        snapshot.looked_boot_ms = Now::read().boot_ms;
        let usable = snapshot.epoch == self.epoch.load(Ordering::Acquire)
            && snapshot.token.is_valid(Now::read());
        usable.then(|| snapshot.token.clone())
    }

    /// Whether a look at the store may fail without harm.
    pub fn has_valid(&self, name: Option<&str>) -> bool {
        self.known_slot(name).is_some_and(|slot| {
            let snapshot = slot.snapshot.read().unwrap_or_else(PoisonError::into_inner);
            snapshot.as_ref().is_some_and(|snapshot| {
                snapshot.epoch == self.epoch() && snapshot.token.is_valid(Now::read())
            })
        })
    }

    /// The epoch to hand to [`Cache::publish`], read before looking at the store.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Keeps what a look at the store found.
    pub fn publish(&self, name: Option<&str>, epoch: u64, token: Arc<Served>) {
        let slot = self.slot(name);
        *slot
            .snapshot
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(Snapshot {
            epoch,
            looked_boot_ms: Now::read().boot_ms,
            token,
        });
        slot.has_looked();
    }

    /// A look that found no token. A name that never had one leaves no trace.
    pub fn clear(&self, name: Option<&str>) {
        let Some(slot) = self.known_slot(name) else {
            return;
        };
        *slot
            .snapshot
            .write()
            .unwrap_or_else(PoisonError::into_inner) = None;
        slot.has_looked();
    }

    /// From now on everybody looks at the store first.
    pub fn forget(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    fn known_slot(&self, name: Option<&str>) -> Option<SlotRef<'_>> {
        let Some(name) = name else {
            return Some(SlotRef::Current(&self.current));
        };
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        named.get(name).map(|slot| SlotRef::Named(slot.clone()))
    }

    fn slot(&self, name: Option<&str>) -> SlotRef<'_> {
        if let Some(slot) = self.known_slot(name) {
            return slot;
        }
        let name = name.unwrap_or_default();
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        SlotRef::Named(named.entry(name.to_owned()).or_default().clone())
    }
}

enum SlotRef<'a> {
    Current(&'a Slot),
    Named(Arc<Slot>),
}

impl std::ops::Deref for SlotRef<'_> {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        match self {
            SlotRef::Current(slot) => slot,
            SlotRef::Named(slot) => slot,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(value: &str, left_ms: i64) -> Arc<Served> {
        let now = Now::read();
        let row = Row {
            token: Some(value.into()),
            fetched_at: now.wall_ms,
            expires_at: now.wall_ms + left_ms,
            ..Row::default()
        };
        Arc::new(Served::from_row(&row, now, "boot").unwrap())
    }

    fn hit(cache: &Cache, revalidate_ms: i64) -> Option<String> {
        let token = cache.hit(Some("shop"), revalidate_ms)?;
        Some(token.value.clone())
    }

    #[test]
    fn a_published_token_is_a_hit_until_something_is_forgotten() {
        let cache = Cache::default();
        assert_eq!(hit(&cache, 60_000), None);
        cache.publish(Some("shop"), cache.epoch(), served("A", 60_000));
        assert_eq!(hit(&cache, 60_000).as_deref(), Some("A"));
        cache.forget();
        assert_eq!(hit(&cache, 60_000), None);
    }

    #[test]
    fn what_was_read_before_a_change_is_no_hit_after_it() {
        let cache = Cache::default();
        let epoch = cache.epoch();
        cache.forget();
        cache.publish(Some("shop"), epoch, served("A", 60_000));
        assert_eq!(hit(&cache, 60_000), None);
    }

    #[test]
    fn one_thread_looks_while_the_others_go_on() {
        let cache = Cache::default();
        cache.publish(Some("shop"), 0, served("A", 60_000));
        assert_eq!(hit(&cache, 0), None, "this one is to look");
        assert_eq!(hit(&cache, 0).as_deref(), Some("A"));
        cache.publish(Some("shop"), 0, served("B", 60_000));
        assert_eq!(hit(&cache, 60_000).as_deref(), Some("B"));
        assert_eq!(hit(&cache, 0), None, "the next look");
        cache.clear(Some("shop"));
        assert_eq!(hit(&cache, 60_000), None);
    }

    #[test]
    fn a_look_that_never_came_back_is_replaced() {
        let slot = Slot::default();
        assert!(slot.set_out_to_look(5000));
        assert!(!slot.set_out_to_look(6000));
        assert!(slot.set_out_to_look(6001));
    }
}
