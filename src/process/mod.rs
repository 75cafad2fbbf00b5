//! The state that handles on one store share in this process. It outlives the last handle, so that opening again is cheap,
//! and belongs to one fork generation: a child leaves it untouched and makes its own.

mod background;
pub mod cache;
mod last_known;
#[cfg(all(test, loom))]
mod model;
pub mod once_map;
mod rejected;
pub mod single_flight;
mod unsaved;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::clock::Deadline;
use crate::error::Result;
use crate::options::Options;
use crate::store::{self, Opening, Store, StoreName};
use crate::sync::{Mutex, lock};
use crate::sys::{ForkGuarded, ForkLock, generation};
pub use background::Background;
use cache::Cache;
pub use last_known::{HandleId, last_known, release_handle};
use rejected::RejectedHere;
use single_flight::{HeldSlots, SingleFlight};
use unsaved::Unsaved;

/// One store as this process knows it.
pub struct StoreState {
    pub generation: u64,
    pub store: Box<dyn Store>,
    pub flights: SingleFlight,
    pub slots: HeldSlots,
    /// Invariant 5's “go on from memory”.
    pub unsaved: Unsaved,
    pub rejected: RejectedHere,
    states: Mutex<Vec<&'static HandleState>>,
    /// When it was used last, by a count of uses.
    last_use: AtomicU64,
    /// Whether its files may be open.
    is_awake: AtomicBool,
}

/// A store seen with one set of base URLs, which are part of a token's key.
pub struct HandleState {
    pub shared: &'static StoreState,
    pub cache: Cache,
    base_urls: Vec<String>,
}

struct Registry {
    generation: u64,
    stores: Vec<(StoreName, &'static StoreState)>,
}

static REGISTRY: ForkGuarded<Registry> = ForkGuarded::new(Registry {
    generation: 0,
    stores: Vec::new(),
});

/// A number for a new handle; unique in this process and its children.
pub fn new_handle() -> HandleId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// So many stores may have their files open. A further one lets those of another go, until that is used again.
const OPEN_STORES: usize = 16;

/// The state of a store, opened now if this process has not yet.
pub fn open_shared(
    name: &StoreName,
    opening: Opening,
    by: &Deadline,
) -> Result<&'static StoreState> {
    if let Some(known) = find(name) {
        return Ok(known);
    }
    let fresh = StoreState {
        generation: generation(),
        store: store::open(name, opening, by)?,
        flights: SingleFlight::default(),
        slots: HeldSlots::default(),
        unsaved: Unsaved::default(),
        rejected: RejectedHere::default(),
        states: Mutex::default(),
        last_use: AtomicU64::new(0),
        is_awake: AtomicBool::new(false),
    };
    let held = ForkLock::enter();
    let mut registry = REGISTRY.borrow(&held);
    // Another thread may have been faster.
    if let Some((_, known)) = registry.stores.iter().find(|(known, _)| known == name) {
        let known = *known;
        drop(registry);
        drop(held);
        fresh.store.close_idle();
        return Ok(known);
    }
    let shared: &'static StoreState = Box::leak(Box::new(fresh));
    registry.stores.push((name.clone(), shared));
    Ok(shared)
}

/// Notes that a store is about to be used. If too many have their files open then, that which was used longest ago lets go.
pub fn wake(shared: &'static StoreState) {
    static USES: AtomicU64 = AtomicU64::new(0);
    let now = USES.fetch_add(1, Ordering::Relaxed) + 1;
    shared.last_use.store(now, Ordering::Relaxed);
    if shared.is_awake.swap(true, Ordering::Relaxed) {
        return;
    }
    let idle = {
        let held = ForkLock::enter();
        let registry = REGISTRY.borrow(&held);
        let stores = registry.stores.iter().map(|(_, store)| *store);
        let awake = stores.filter(|store| store.is_awake.load(Ordering::Relaxed));
        let awake: Vec<_> = awake.collect();
        let is_too_many = awake.len() > OPEN_STORES;
        let oldest = awake
            .into_iter()
            .min_by_key(|store| store.last_use.load(Ordering::Relaxed));
        oldest.filter(|_| is_too_many)
    };
    if let Some(idle) = idle {
        idle.is_awake.store(false, Ordering::Relaxed);
        idle.store.close_idle();
    }
}

fn find(name: &StoreName) -> Option<&'static StoreState> {
    let held = ForkLock::enter();
    let mut registry = REGISTRY.borrow(&held);
    if registry.generation != generation() {
        // The parent's: its SQLite connections must be neither used nor closed here.
        std::mem::forget(std::mem::take(&mut registry.stores));
        registry.generation = generation();
    }
    let found = registry.stores.iter().find(|(known, _)| known == name);
    found.map(|(_, shared)| *shared)
}

impl HandleState {
    pub fn matches_base_urls(&self, options: &Options) -> bool {
        self.base_urls == options.base_urls
    }
}

impl StoreState {
    pub fn state(&'static self, options: &Options) -> &'static HandleState {
        let mut states = lock(&self.states);
        if let Some(state) = states.iter().find(|state| state.matches_base_urls(options)) {
            return state;
        }
        let state: &'static HandleState = Box::leak(Box::new(HandleState {
            shared: self,
            cache: Cache::default(),
            base_urls: options.base_urls.clone(),
        }));
        states.push(state);
        state
    }

    /// Something changed that any name may lead to: nobody hands out a token before looking at the store.
    pub fn invalidate_all(&self) {
        for state in &*lock(&self.states) {
            state.cache.invalidate_all();
        }
    }
}
