//! The state that all handles on one store share in this process. It outlives the last handle, so that opening again is
//! cheap.
//!
//! The state belongs to one fork generation. A child leaves it untouched and makes its own.

mod background;
pub mod cache;
mod last_known;
#[cfg(all(test, loom))]
mod model;
pub mod once_map;
mod rejected;
pub mod single_flight;
mod unsaved;

use std::cmp::Reverse;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use zeroize::Zeroizing;

use crate::clock::Deadline;
use crate::error::Result;
use crate::options::Options;
use crate::remote::Remote;
use crate::store::{self, ClockStep, Opening, Store, StoreName, belongs_to_server};
use crate::sync::{Mutex, lock};
use crate::sys::{ForkGuarded, ForkLock, count_open, generation};
pub use background::Background;
use cache::{Cache, CachedToken};
pub use last_known::{HandleId, last_known, release_handle};
use rejected::RejectedHere;
use single_flight::{HeldSlots, SingleFlight};
use unsaved::Unsaved;

/// The state of one store in this process.
pub struct StoreState {
    pub generation: u64,
    pub backend: Backend,
    pub flights: SingleFlight,
    pub slots: HeldSlots,
    /// The rows that could not be written, for going on from memory.
    pub unsaved: Unsaved,
    pub rejected: RejectedHere,
    /// The time of the last step of the store's clock that was logged.
    told_step_ms: AtomicI64,
    states: Mutex<States>,
    /// The time of the last use, by a count of uses.
    last_use: AtomicU64,
}

/// The source of tokens.
pub enum Backend {
    /// A store that this process reads, and may fetch for.
    Store(Box<dyn Store>),
    /// A wxtoken server that holds the store.
    Server(Box<Remote>),
}

impl Backend {
    fn open(name: &StoreName, opening: Opening, by: &Deadline) -> Result<Backend> {
        Ok(match name {
            StoreName::Server(url) => {
                Backend::Server(Box::new(Remote::new(url, &opening.options)?))
            }
            _ => Backend::Store(store::open(name, opening, by)?),
        })
    }

    fn close_idle(&self) {
        match self {
            Backend::Store(store) => store.close_idle(),
            Backend::Server(remote) => remote.close_idle(),
        }
    }
}

/// The states of a store, one for each view.
#[derive(Default)]
struct States {
    /// The states that a handle or a thread holds, and those in `recent`.
    alive: Vec<Weak<HandleState>>,
    /// The states that outlive their handles, the one used last at the end.
    recent: Vec<Arc<HandleState>>,
}

/// The number of states that outlive their handles. So a program that gives each handle another view does not leak
/// more.
const RECENT_STATES: usize = 16;

/// One view of a store, with the cache of its tokens.
pub struct HandleState {
    pub shared: &'static StoreState,
    pub cache: Cache,
    view: View,
}

/// The options of a handle that decide which token a name leads to. These are the base URLs, which are part of a
/// token's key, and the key by which a server knows this program.
#[derive(PartialEq, Eq)]
struct View {
    base_urls: Vec<String>,
    server_key: Zeroizing<String>,
    server_key_file: Option<PathBuf>,
}

impl View {
    fn of(options: &Options) -> View {
        View {
            base_urls: options.base_urls.clone(),
            server_key: options.server_key.0.clone(),
            server_key_file: options.server_key_file.clone(),
        }
    }

    fn is_of(&self, options: &Options) -> bool {
        self.base_urls == options.base_urls
            && self.server_key == options.server_key.0
            && self.server_key_file == options.server_key_file
    }
}

struct Registry {
    generation: u64,
    stores: Vec<(StoreName, &'static StoreState)>,
}

static REGISTRY: ForkGuarded<Registry> = ForkGuarded::new(Registry {
    generation: 0,
    stores: Vec::new(),
});

/// Returns the number of a new handle. It is unique in this process and its children.
pub fn new_handle() -> HandleId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The number of stores that may have their files open: a database and a lock each.
const OPEN_STORES: usize = 16;

/// Returns the state of a store, and opens the store if this process has not yet.
pub fn open_shared(
    name: &StoreName,
    opening: Opening,
    by: &Deadline,
) -> Result<&'static StoreState> {
    if let Some(known) = find(name) {
        return Ok(known);
    }
    let fresh = StoreState::of(Backend::open(name, opening, by)?);
    let held = ForkLock::enter();
    let mut registry = REGISTRY.borrow(&held);
    // Another thread may have been faster.
    if let Some((_, known)) = registry.stores.iter().find(|(known, _)| known == name) {
        let known = *known;
        drop(registry);
        drop(held);
        fresh.backend.close_idle();
        return Ok(known);
    }
    let shared: &'static StoreState = Box::leak(Box::new(fresh));
    registry.stores.push((name.clone(), shared));
    Ok(shared)
}

/// Notes that a store is about to be used. If too many files are open, those of the stores that were used longest ago
/// are closed until they are used again. A store that is in use at that moment is left to a later call.
pub fn wake(shared: &'static StoreState) {
    static USES: AtomicU64 = AtomicU64::new(0);
    let now = USES.fetch_add(1, Ordering::Relaxed) + 1;
    shared.last_use.store(now, Ordering::Relaxed);
    if count_open() <= 2 * OPEN_STORES {
        return;
    }
    let mut stores: Vec<&'static StoreState> = {
        let held = ForkLock::enter();
        let registry = REGISTRY.borrow(&held);
        registry.stores.iter().map(|(_, store)| *store).collect()
    };
    stores.sort_by_cached_key(|store| Reverse(store.last_use.load(Ordering::Relaxed)));
    for idle in stores.into_iter().skip(OPEN_STORES) {
        idle.backend.close_idle();
    }
}

fn find(name: &StoreName) -> Option<&'static StoreState> {
    let held = ForkLock::enter();
    let mut registry = REGISTRY.borrow(&held);
    if registry.generation != generation() {
        // These states belong to the parent process. Their SQLite connections must be neither used nor closed here.
        std::mem::forget(std::mem::take(&mut registry.stores));
        registry.generation = generation();
    }
    let found = registry.stores.iter().find(|(known, _)| known == name);
    found.map(|(_, shared)| *shared)
}

impl HandleState {
    pub fn matches(&self, options: &Options) -> bool {
        self.view.is_of(options)
    }

    /// Returns the token of the last look if the store's mark, which costs almost nothing to read, has not changed.
    pub fn unchanged(&self, name: Option<&str>) -> Option<CachedToken> {
        let store = self.shared.store().ok()?;
        let is_all_stored = self.shared.unsaved.is_empty();
        is_all_stored
            .then(|| self.cache.unchanged(name, store.now(), || store.mark()))
            .flatten()
    }
}

impl StoreState {
    fn of(backend: Backend) -> StoreState {
        StoreState {
            generation: generation(),
            backend,
            flights: SingleFlight::default(),
            slots: HeldSlots::default(),
            unsaved: Unsaved::default(),
            rejected: RejectedHere::default(),
            told_step_ms: AtomicI64::new(0),
            states: Mutex::default(),
            last_use: AtomicU64::new(0),
        }
    }

    /// Returns the store. Fails if it is a server.
    pub fn store(&self) -> Result<&dyn Store> {
        match &self.backend {
            Backend::Store(store) => Ok(&**store),
            Backend::Server(remote) => Err(belongs_to_server(remote.url())),
        }
    }

    /// Returns a step of the store's clock that has not been logged yet.
    pub fn new_clock_step(&self) -> Option<ClockStep> {
        let step = self.store().ok()?.clock_step()?;
        let told = self.told_step_ms.swap(step.at_wall_ms, Ordering::Relaxed);
        (told != step.at_wall_ms).then_some(step)
    }

    pub fn state(&'static self, options: &Options) -> Arc<HandleState> {
        let mut states = lock(&self.states);
        let mut alive = states.alive.iter().filter_map(Weak::upgrade);
        let known = alive.find(|state| state.matches(options));
        let state = known.unwrap_or_else(|| {
            Arc::new(HandleState {
                shared: self,
                cache: Cache::default(),
                view: View::of(options),
            })
        });
        states.recent.retain(|recent| !Arc::ptr_eq(recent, &state));
        states.recent.push(state.clone());
        let is_full = states.recent.len() > RECENT_STATES;
        let oldest = is_full.then(|| states.recent.remove(0));
        drop(oldest);
        states.alive.retain(|alive| alive.strong_count() > 0);
        if !states
            .alive
            .iter()
            .any(|alive| alive.as_ptr() == Arc::as_ptr(&state))
        {
            states.alive.push(Arc::downgrade(&state));
        }
        state
    }

    /// Removes a token from this process's memory, under each of its names.
    pub fn forget_token(&self, token: &str) {
        let states = lock(&self.states);
        for state in states.alive.iter().filter_map(Weak::upgrade) {
            state.cache.forget_token(token);
        }
    }

    /// Makes every get look at the store first, if this process has had a token of one of these names.
    pub fn invalidate_if_had(&self, names: &[String]) {
        let states = lock(&self.states);
        for state in states.alive.iter().filter_map(Weak::upgrade) {
            if names.iter().any(|name| state.cache.has_had(name)) {
                state.cache.invalidate_all();
            }
        }
    }

    /// Makes every get look at the store first, after a change that may concern any name.
    pub fn invalidate_all(&self) {
        let states = lock(&self.states);
        for state in states.alive.iter().filter_map(Weak::upgrade) {
            state.cache.invalidate_all();
        }
    }
}

impl Drop for HandleState {
    fn drop(&mut self) {
        // In a child, a thread of the parent may have been using it.
        if self.shared.generation != generation() {
            std::mem::forget(std::mem::take(&mut self.cache));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    fn shared() -> &'static StoreState {
        /// Keeps the states reachable, since a leak checker would report them.
        static KEPT: std::sync::Mutex<Vec<&'static StoreState>> = std::sync::Mutex::new(Vec::new());
        let shared: &StoreState = {
            let memory = Box::new(MemoryStore::new());
            Box::leak(Box::new(StoreState::of(Backend::Store(memory))))
        };
        KEPT.lock().unwrap().push(shared);
        shared
    }

    fn with_url(number: usize) -> Options {
        let mut options = Options::default();
        options.base_urls[0] = format!("https://{number}.example.com");
        options
    }

    #[test]
    fn sets_of_base_urls_that_nobody_has_any_more_are_forgotten() {
        let shared = shared();
        let kept = shared.state(&with_url(0));
        for number in 1..1000 {
            shared.state(&with_url(number));
        }
        let states = lock(&shared.states);
        assert_eq!(states.recent.len(), RECENT_STATES);
        assert_eq!(states.alive.len(), RECENT_STATES + 1);
        drop(states);
        // A state that a handle holds is shared by all, and hears of changes. The same holds for a recent one.
        let same = |number: usize, state: &Arc<HandleState>| {
            Arc::ptr_eq(&shared.state(&with_url(number)), state)
        };
        assert!(same(0, &kept));
        let recent = shared.state(&with_url(999));
        let before = [&kept, &recent].map(|state| state.cache.revision());
        shared.invalidate_all();
        let after = [&kept, &recent].map(|state| state.cache.revision());
        assert!(before[0] < after[0] && before[1] < after[1]);
        assert!(same(999, &recent));
    }
}
