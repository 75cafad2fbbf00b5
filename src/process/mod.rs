//! The state that handles on one store share in this process. It outlives the last handle, so that opening again is cheap,
//! and belongs to one fork generation: a child leaves it untouched and makes its own.

mod background;
pub mod cache;
#[cfg(all(test, loom))]
mod model;
pub mod once_map;
pub mod single_flight;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::credential::{CredentialKey, Row, StoredSecret};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::store::{Account, Call, ParentLink, SqliteStore};
use crate::sync::{Mutex, MutexGuard, lock};
use crate::sys::{ForkGuarded, ForkLock, generation};
pub use background::Background;
use cache::Cache;
use single_flight::SingleFlight;

/// One store as this process knows it.
pub struct Shared {
    pub generation: u64,
    pub store: SqliteStore,
    pub flights: SingleFlight,
    /// Rows that could not be written, and why: invariant 5's “go on from memory”.
    unwritten: Mutex<HashMap<CredentialKey, (Row, String)>>,
    views: Mutex<Vec<&'static View>>,
}

/// A store seen with one set of base URLs, which are part of a token's identity.
pub struct View {
    pub shared: &'static Shared,
    pub cache: Cache,
    base_urls: Vec<String>,
}

struct Registry {
    generation: u64,
    stores: Vec<(PathBuf, &'static Shared)>,
}

static REGISTRY: ForkGuarded<Registry> = ForkGuarded::new(Registry {
    generation: 0,
    stores: Vec::new(),
});

/// What each live handle has registered, so that a store that lost it gets it back from whichever handle calls next.
/// Behind the gate: a forked child's handles are live too.
static REGISTERED: ForkGuarded<Vec<Registered>> = ForkGuarded::new(Vec::new());

struct Registered {
    handle: u64,
    path: PathBuf,
    account: Account,
}

/// What was put through each live handle, for the same reason.
static PUT: ForkGuarded<Vec<RememberedPut>> = ForkGuarded::new(Vec::new());

struct RememberedPut {
    handle: u64,
    path: PathBuf,
    identity: CredentialKey,
    kept: StoredSecret,
}

/// A number for a new handle; unique in this process and its children.
pub fn new_handle() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Keeps what is needed to put an account back, as long as the handle lives.
pub fn remember(handle: u64, path: &Path, account: Account) {
    let gate = ForkLock::enter();
    let mut registered = REGISTERED.borrow(&gate);
    let same = registered
        .iter_mut()
        .find(|r| r.handle == handle && r.account.name == account.name);
    match same {
        Some(place) => {
            let known = &place.account;
            place.account = Account {
                parent: account.parent.or_else(|| known.parent.clone()),
                ..account
            };
        }
        None => registered.push(Registered {
            handle,
            path: path.to_owned(),
            account,
        }),
    }
}

/// Keeps what is needed to put these accounts back, and what was put, and nothing that this handle knew before.
pub fn remember_only<'a>(
    handle: u64,
    path: &Path,
    accounts: impl Iterator<Item = &'a Account>,
    puts: &HashMap<CredentialKey, StoredSecret>,
) {
    let gate = ForkLock::enter();
    let mut remembered = PUT.borrow(&gate);
    remembered.retain(|p| p.handle != handle);
    remembered.extend(puts.iter().map(|(identity, kept)| RememberedPut {
        handle,
        path: path.to_owned(),
        identity: identity.clone(),
        kept: kept.clone(),
    }));
    let mut registered = REGISTERED.borrow(&gate);
    registered.retain(|r| r.handle != handle);
    registered.extend(accounts.map(|account| Registered {
        handle,
        path: path.to_owned(),
        account: account.clone(),
    }));
}

/// The operator has removed it: no handle here is to put it back.
pub fn forget_account(path: &Path, name: &str) {
    let gate = ForkLock::enter();
    REGISTERED
        .borrow(&gate)
        .retain(|r| r.path != path || r.account.name != name);
}

/// Which account is the current one is worth putting back too.
pub fn remember_current(path: &Path, name: &str) {
    let gate = ForkLock::enter();
    for r in REGISTERED
        .borrow(&gate)
        .iter_mut()
        .filter(|r| r.path == path)
    {
        r.account.current = r.account.name == name;
    }
}

/// So is the parent that was put.
pub fn remember_parent(path: &Path, name: &str, parent: &str) {
    let gate = ForkLock::enter();
    let mut registered = REGISTERED.borrow(&gate);
    let same = |r: &&mut Registered| r.path == path && r.account.name == name;
    for r in registered.iter_mut().filter(same) {
        r.account.parent = Some(ParentLink {
            name: parent.into(),
            there: None,
        });
    }
}

/// And a secret that was put.
pub fn remember_put(handle: u64, path: &Path, identity: &CredentialKey, kept: &StoredSecret) {
    let gate = ForkLock::enter();
    let mut puts = PUT.borrow(&gate);
    puts.retain(|p| p.handle != handle || p.path != path || p.identity != *identity);
    puts.push(RememberedPut {
        handle,
        path: path.to_owned(),
        identity: identity.clone(),
        kept: kept.clone(),
    });
}

/// The platform has replaced it.
pub fn renew_put(path: &Path, identity: &CredentialKey, kept: &StoredSecret) {
    let gate = ForkLock::enter();
    let mut puts = PUT.borrow(&gate);
    let same = |p: &&mut RememberedPut| p.path == path && p.identity == *identity;
    for p in puts.iter_mut().filter(same) {
        p.kept = kept.clone();
    }
}

/// The latest that a live handle put.
pub fn remembered_put(path: &Path, identity: &CredentialKey) -> Option<StoredSecret> {
    let gate = ForkLock::enter();
    let puts = PUT.borrow(&gate);
    let mut here = puts.iter().rev();
    here.find(|p| p.path == path && p.identity == *identity)
        .map(|p| p.kept.clone())
}

/// The handle has been freed.
pub fn forget_handle(handle: u64) {
    let gate = ForkLock::enter();
    REGISTERED.borrow(&gate).retain(|r| r.handle != handle);
    PUT.borrow(&gate).retain(|p| p.handle != handle);
}

/// What the live handles on this store have registered, the oldest first.
pub fn remembered(path: &Path) -> Vec<Account> {
    let gate = ForkLock::enter();
    let registered = REGISTERED.borrow(&gate);
    let here = registered.iter().filter(|r| r.path == path);
    here.map(|r| r.account.clone()).collect()
}

/// From this many stores on, each new one lets the files of an old one go until that is used again.
const OPEN_STORES: usize = 8;

/// The state of the store at `path`, opened now if this process has not yet.
pub fn share(path: &Path, call: Call) -> Result<&'static Shared> {
    if let Some(known) = find(path) {
        return Ok(known);
    }
    let fresh = Shared {
        generation: generation(),
        store: SqliteStore::open(path.to_owned(), call)?,
        flights: SingleFlight::default(),
        unwritten: Mutex::default(),
        views: Mutex::default(),
    };
    let gate = ForkLock::enter();
    let mut registry = REGISTRY.borrow(&gate);
    // Another thread may have been faster.
    if let Some((_, known)) = registry.stores.iter().find(|(p, _)| p == path) {
        let known = *known;
        drop(registry);
        drop(gate);
        fresh.store.close_idle();
        return Ok(known);
    }
    let shared: &'static Shared = Box::leak(Box::new(fresh));
    registry.stores.push((path.to_owned(), shared));
    let idle = registry.stores.len().checked_sub(OPEN_STORES + 1);
    let idle = idle.map(|i| registry.stores[i].1);
    drop(registry);
    drop(gate);
    if let Some(idle) = idle {
        idle.store.close_idle();
    }
    Ok(shared)
}

fn find(path: &Path) -> Option<&'static Shared> {
    let gate = ForkLock::enter();
    let mut registry = REGISTRY.borrow(&gate);
    if registry.generation != generation() {
        // The parent's: its SQLite connections must be neither used nor closed here.
        std::mem::forget(std::mem::take(&mut registry.stores));
        registry.generation = generation();
    }
    let found = registry.stores.iter().find(|(p, _)| p == path);
    found.map(|(_, shared)| *shared)
}

impl View {
    pub fn serves(&self, options: &Options) -> bool {
        self.base_urls == options.base_urls
    }
}

impl Shared {
    pub fn view(&'static self, options: &Options) -> &'static View {
        let mut views = lock(&self.views);
        if let Some(view) = views.iter().find(|view| view.serves(options)) {
            return view;
        }
        let view: &'static View = Box::leak(Box::new(View {
            shared: self,
            cache: Cache::default(),
            base_urls: options.base_urls.clone(),
        }));
        views.push(view);
        view
    }

    /// Something changed that any name may lead to: nobody hands out a token before looking at the store.
    pub fn invalidate_all(&self) {
        for view in &*lock(&self.views) {
            view.cache.invalidate_all();
        }
    }

    /// Lays what was kept in memory over a stored row. Whether there was anything that the store does not know.
    pub fn apply_unsaved(&self, identity: &CredentialKey, stored: &mut Row) -> bool {
        let mut unwritten = self.unwritten();
        let Some((kept, _)) = unwritten.get(identity) else {
            return false;
        };
        if stored.includes(kept) {
            unwritten.remove(identity);
            return false;
        }
        stored.merge(kept);
        true
    }

    /// Keeps a row that the store did not take.
    pub fn keep_unsaved(&self, identity: &CredentialKey, row: Row, why: &Error) {
        self.unwritten()
            .insert(identity.clone(), (row, why.to_string()));
    }

    /// The store has taken this row: it is the truth again.
    pub fn clear_unsaved(&self, identity: &CredentialKey) {
        self.unwritten().remove(identity);
    }

    /// Why some token lives in this process's memory only.
    pub fn unsaved_reason(&self) -> Option<String> {
        let unwritten = self.unwritten();
        unwritten.values().next().map(|(_, why)| why.clone())
    }

    fn unwritten(&self) -> MutexGuard<'_, HashMap<CredentialKey, (Row, String)>> {
        lock(&self.unwritten)
    }
}

/// The rows that only this process has, over those of the store.
pub fn apply_all_unsaved(shared: &Shared, rows: &mut Vec<(CredentialKey, Row)>) {
    for (identity, row) in rows.iter_mut() {
        shared.apply_unsaved(identity, row);
    }
    for (identity, (row, _)) in &*shared.unwritten() {
        if !rows.iter().any(|(known, _)| known == identity) {
            rows.push((identity.clone(), row.clone()));
        }
    }
}
