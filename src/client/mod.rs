//! A handle: its options, and what each call does with it. `get` describes what a get does.

mod ask;
mod at_server;
mod bridge;
mod fetch;
mod get;
mod lead;
mod parent;
mod put;
mod register;
mod reject;
pub mod report;
mod retry;
mod secrets;
pub mod session;

pub use put::put_field;
pub use register::check_new;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use self::at_server::AtServer;
use self::report::Report;
use self::session::{CallOfHandle, Session};
use crate::clock::Deadline;
use crate::error::{Error, Result};
use crate::names;
use crate::options::Options;
use crate::platform::{self, MAX_TOKEN};
use crate::process::cache::CachedToken;
use crate::process::{self, Background, HandleId, HandleState, open_shared, release_handle};
use crate::secrets::Vault;
use crate::store::{self, Account, ChangeMark, Opening, StoreName};
use crate::sys::{ForkGuarded, ForkLock, KeptRef, generation};

/// One open store with its options. Everything else that a handle knows is shared by all handles of the process.
pub struct Client {
    handle: HandleId,
    store: StoreName,
    /// The state with this handle's cache. It is looked up at the next call if there is none, or after a fork.
    state: KeptRef<HandleState>,
    revalidate_ms: AtomicI64,
    settings: ForkGuarded<Settings>,
    /// The store that a bridge brings tokens from.
    upstream: OnceLock<Arc<Client>>,
    /// The last report that did not fit into the caller's buffer, kept for the next call.
    unfit_report: ForkGuarded<Option<(Deadline, String)>>,
}

/// The time in milliseconds that a report is kept if it did not fit into the caller's buffer.
const UNFIT_REPORT_MS: i64 = 5000;

struct Settings {
    options: Arc<Options>,
    background: Arc<Background>,
    background_generation: u64,
}

impl Client {
    pub fn open(store: Option<&str>) -> Result<Client> {
        {
            // ring and SQLite initialize themselves once. With the lock held, no fork can interrupt that.
            let _held = ForkLock::enter();
            crate::secrets::warm_up();
        }
        let mut options = Options::from_environment()?;
        platform::own_roots(&options)?;
        let store = StoreName::parse(store)?;
        if store.is_on_a_server() {
            options.look_less_often();
        }
        let client = Client {
            handle: process::new_handle(),
            store,
            state: KeptRef::none(),
            revalidate_ms: AtomicI64::new(0),
            settings: ForkGuarded::new(Settings {
                options: Arc::new(options),
                background: Arc::default(),
                background_generation: generation(),
            }),
            upstream: OnceLock::new(),
            unfit_report: ForkGuarded::new(None),
        };
        let call = client.begin_call(&client.vault())?;
        let revalidate_ms = call.options.revalidate_ms;
        client.revalidate_ms.store(revalidate_ms, Ordering::Relaxed);
        Ok(client)
    }

    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        let mut trial = (*self.options()).clone();
        trial.set(name, value)?;
        if name == "ca_file" {
            // This reads the file, so the fork lock is not held.
            platform::own_roots(&trial)?;
        }
        let held = ForkLock::enter();
        let mut settings = self.settings.borrow(&held);
        // Another thread may have set another option meanwhile. This option is added to it.
        let mut options = (*settings.options).clone();
        options.set(name, value)?;
        self.revalidate_ms
            .store(options.revalidate_ms, Ordering::Relaxed);
        settings.options = Arc::new(options);
        // Other base URLs have other tokens.
        self.state.clear();
        Ok(())
    }

    /// Passes the token to `give` if this process knows a fresh one. The name is not checked: a name with a cached
    /// token is valid.
    #[inline(always)]
    pub fn hit<R>(&self, name: Option<&[u8]>, give: impl FnOnce(&CachedToken) -> R) -> Option<R> {
        let revalidate_ms = self.revalidate_ms.load(Ordering::Relaxed);
        self.state()?.cache.hit(name, revalidate_ms, give)
    }

    /// Passes the token to `give` if this process knows a fresh one. A look at the store that is due is left to another
    /// call, so the caller need not go on to [`Client::get`].
    #[inline(always)]
    pub fn known<R>(&self, name: Option<&[u8]>, give: impl FnOnce(&CachedToken) -> R) -> Option<R> {
        let revalidate_ms = self.revalidate_ms.load(Ordering::Relaxed);
        self.state()?.cache.known(name, revalidate_ms, give)
    }

    /// Returns a valid token after a cache miss. A name of `None` is the current account.
    pub fn get(&self, name: Option<&str>) -> Result<CachedToken> {
        names::split(name)?;
        if let Some(token) = self.state().and_then(|state| state.unchanged(name)) {
            return Ok(token);
        }
        match self.at_server()? {
            Some(server) => server.get(name),
            None => self.session()?.get(name),
        }
    }

    /// Returns a token with at least this much life left, after a cache miss. If the stored token has less, a new one
    /// is fetched first. If the platform's tokens never live that long, the token is returned with the life it has.
    pub fn get_with_life(&self, name: &str, min_life_ms: i64) -> Result<CachedToken> {
        names::split(Some(name))?;
        let session = Session {
            min_life_ms,
            ..self.session()?
        };
        session.get(Some(name))
    }

    /// Reports that the API refused this token. Does nothing if another token is stored by now.
    pub fn reject(&self, name: Option<&str>, token: &str) -> Result<()> {
        names::split(name)?;
        if token.is_empty() || token.len() > MAX_TOKEN {
            return Err(Error::argument("invalid token")
                .because(format!("must be 1 to {MAX_TOKEN} bytes"))
                .advise("Pass the token that the library gave."));
        }
        match self.at_server()? {
            Some(server) => server.reject(name, token),
            None => self.session()?.reject(name, token),
        }
    }

    /// Returns every account whose kind this version knows, sorted by name.
    pub fn accounts(&self) -> Result<Vec<Account>> {
        let session = self.session()?;
        session.restore_accounts()?;
        store::read(session.store(), &session.deadline, |there| there.accounts())
    }

    pub fn report(&self) -> Result<Report> {
        report::gather(&self.session()?)
    }

    /// Returns the report as `wxtoken_report` writes it, for a buffer of `cap` bytes including the NUL. A report that
    /// does not fit is kept for a moment, because it holds times that change. The next call returns the same text.
    pub fn report_for(&self, cap: usize) -> Result<String> {
        let unfit = {
            let held = ForkLock::enter();
            self.unfit_report.borrow(&held).take()
        };
        let report = match unfit.filter(|(until, _)| !until.has_passed()) {
            Some((_, report)) => report,
            None => self.report_json()?,
        };
        if report.len() >= cap {
            let until = Deadline::after(UNFIT_REPORT_MS);
            let held = ForkLock::enter();
            *self.unfit_report.borrow(&held) = Some((until, report.clone()));
        }
        Ok(report)
    }

    fn report_json(&self) -> Result<String> {
        match self.at_server()? {
            Some(server) => server.report_json(),
            None => self.report()?.to_json(),
        }
    }

    /// Returns the call's context if the store is a server, or None.
    fn at_server(&self) -> Result<Option<AtServer>> {
        if !matches!(self.store, StoreName::Server(_)) {
            return Ok(None);
        }
        self.begin_call(&self.vault()).map(AtServer::of)
    }

    /// Frees the handle, and waits for its background refreshes until the deadline.
    pub fn close(self) {
        release_handle(self.handle);
        let deadline = Deadline::after(self.options().timeout_ms);
        self.background().wait(&deadline);
    }

    fn background(&self) -> Arc<Background> {
        self.settings().1
    }

    fn settings(&self) -> (Arc<Options>, Arc<Background>) {
        let held = ForkLock::enter();
        let mut settings = self.settings.borrow(&held);
        if settings.background_generation != generation() {
            // The threads of the parent process are not here, and one of them may hold the mutex.
            std::mem::forget(std::mem::take(&mut settings.background));
            settings.background_generation = generation();
        }
        (settings.options.clone(), settings.background.clone())
    }

    /// Returns the state of this handle in this process. It is None before the first call, and in a child after a fork.
    #[inline(always)]
    fn state(&self) -> Option<&HandleState> {
        let state = self.state.get();
        state.filter(|state| state.shared.generation == generation())
    }

    /// Returns the store's change mark ([`Store::mark`]) if this process has the store open.
    ///
    /// [`Store::mark`]: crate::store::Store::mark
    pub fn store_mark(&self) -> Option<ChangeMark> {
        self.state()?.shared.store().ok()?.mark()
    }

    pub fn store(&self) -> &StoreName {
        &self.store
    }

    pub fn handle(&self) -> HandleId {
        self.handle
    }

    /// Returns the context of a keeper's call on a store.
    pub fn keeper_session(&self) -> Result<Session> {
        Ok(Session {
            is_keeper: true,
            ..self.session()?
        })
    }

    pub fn options(&self) -> Arc<Options> {
        let held = ForkLock::enter();
        self.settings.borrow(&held).options.clone()
    }

    /// Returns the context of one call on a store, with its deadline running. Fails if the store is a server.
    pub fn session(&self) -> Result<Session> {
        let vault = self.vault();
        Ok(Session {
            upstream: self.upstream.get().cloned(),
            ..Session::new(self.begin_call(&vault)?, vault)?
        })
    }

    fn vault(&self) -> Vault {
        let key_file = self.store.key_file(&self.options());
        match &self.store {
            StoreName::File(path) => Vault::of_store(key_file, path),
            StoreName::Redis(_) | StoreName::Server(_) => Vault::at(key_file),
        }
    }

    fn begin_call(&self, vault: &Vault) -> Result<CallOfHandle> {
        let (options, background) = self.settings();
        let deadline = Deadline::after(options.timeout_ms);
        // Another thread may have set other options since the state was looked up.
        let known = self
            .state
            .get_shared()
            .filter(|state| state.shared.generation == generation() && state.matches(&options));
        let state = match known {
            Some(state) => state,
            None => {
                let opening = Opening {
                    vault: vault.clone(),
                    options: options.clone(),
                };
                let state = open_shared(&self.store, opening, &deadline)?.state(&options);
                self.state.set(state.clone());
                state
            }
        };
        process::wake(state.shared);
        Ok(CallOfHandle {
            state,
            options,
            deadline,
            background,
        })
    }
}
