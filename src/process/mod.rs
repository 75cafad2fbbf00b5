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

use std::sync::atomic::{AtomicU64, Ordering};

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
use single_flight::SingleFlight;
use unsaved::Unsaved;

/// One store as this process knows it.
pub struct StoreState {
    pub generation: u64,
    pub store: Box<dyn Store>,
    pub flights: SingleFlight,
    /// Invariant 5's “go on from memory”.
    pub unsaved: Unsaved,
    pub rejected: RejectedHere,
    states: Mutex<Vec<&'static HandleState>>,
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

/// From this many stores on, each new one lets the files of an old one go until that is used again.
const OPEN_STORES: usize = 8;

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
        unsaved: Unsaved::default(),
        rejected: RejectedHere::default(),
        states: Mutex::default(),
    };
    let gate = ForkLock::enter();
    let mut registry = REGISTRY.borrow(&gate);
    // Another thread may have been faster.
    if let Some((_, known)) = registry.stores.iter().find(|(known, _)| known == name) {
        let known = *known;
        drop(registry);
        drop(gate);
        fresh.store.close_idle();
        return Ok(known);
    }
    let shared: &'static StoreState = Box::leak(Box::new(fresh));
    registry.stores.push((name.clone(), shared));
    let idle = registry.stores.len().checked_sub(OPEN_STORES + 1);
    let idle = idle.map(|i| registry.stores[i].1);
    drop(registry);
    drop(gate);
    if let Some(idle) = idle {
        idle.store.close_idle();
    }
    Ok(shared)
}

fn find(name: &StoreName) -> Option<&'static StoreState> {
    let gate = ForkLock::enter();
    let mut registry = REGISTRY.borrow(&gate);
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
