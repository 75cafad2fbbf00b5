//! A handle: its options, and what each call does with it. What a get is stands in `get`.

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

/// One open store with its options. What it knows beyond that is shared by every handle of the process.
pub struct Client {
    handle: HandleId,
    store: StoreName,
    /// Where this handle's cache lies; none, or of an older generation, until the next call looks it up.
    state: KeptRef<HandleState>,
    revalidate_ms: AtomicI64,
    settings: ForkGuarded<Settings>,
    /// For a bridge: the store that it brings tokens from.
    upstream: OnceLock<Arc<Client>>,
    /// A report that did not fit, for the call that follows.
    unfit_report: ForkGuarded<Option<(Deadline, String)>>,
}

/// How long a report that did not fit is kept.
const UNFIT_REPORT_MS: i64 = 5000;

struct Settings {
    options: Arc<Options>,
    background: Arc<Background>,
    background_generation: u64,
}

impl Client {
    pub fn open(store: Option<&str>) -> Result<Client> {
        {
            // ring and SQLite set themselves up once; here no fork can come in between.
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
            // Reads the file, so not with the fork lock held.
            platform::own_roots(&trial)?;
        }
        let held = ForkLock::enter();
        let mut settings = self.settings.borrow(&held);
        // Another thread may have set another option meanwhile: this one goes on top.
        let mut options = (*settings.options).clone();
        options.set(name, value)?;
        self.revalidate_ms
            .store(options.revalidate_ms, Ordering::Relaxed);
        settings.options = Arc::new(options);
        // Other base URLs are other tokens.
        self.state.clear();
        Ok(())
    }

    /// Hands the token to `give` if this process knows a fresh one. A name that leads to one is known to be sound.
    #[inline(always)]
    pub fn hit<R>(&self, name: Option<&[u8]>, give: impl FnOnce(&CachedToken) -> R) -> Option<R> {
        let revalidate_ms = self.revalidate_ms.load(Ordering::Relaxed);
        self.state()?.cache.hit(name, revalidate_ms, give)
    }

    /// The same for a caller that does not go on to [`Client::get`] where there is none.
    #[inline(always)]
    pub fn known<R>(&self, name: Option<&[u8]>, give: impl FnOnce(&CachedToken) -> R) -> Option<R> {
        let revalidate_ms = self.revalidate_ms.load(Ordering::Relaxed);
        self.state()?.cache.known(name, revalidate_ms, give)
    }

    /// A token that is valid now, when there was no hit. `None` is the current account.
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

    /// A token that lives at least this long, when there was no hit. One that does not is fetched again first; where the
    /// platform has given no more than that, it is handed out all the same.
    pub fn get_with_life(&self, name: &str, min_life_ms: i64) -> Result<CachedToken> {
        names::split(Some(name))?;
        let session = Session {
            min_life_ms,
            ..self.session()?
        };
        session.get(Some(name))
    }

    /// “The API refused this token.” A no-op unless it is still the stored one.
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

    /// Every account of a kind that this version knows, by name.
    pub fn accounts(&self) -> Result<Vec<Account>> {
        let session = self.session()?;
        session.restore_accounts()?;
        store::read(session.store(), &session.deadline, |there| there.accounts())
    }

    pub fn report(&self) -> Result<Report> {
        report::gather(&self.session()?)
    }

    /// As `wxtoken_report` writes it, into so many bytes with its NUL. One that does not fit is the same when it is asked for
    /// again a moment later: it holds times that change.
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

    /// What a call needs where a server has the store; None where it is here.
    fn at_server(&self) -> Result<Option<AtServer>> {
        if !matches!(self.store, StoreName::Server(_)) {
            return Ok(None);
        }
        self.begin_call(&self.vault()).map(AtServer::of)
    }

    /// Waits for background refreshes, so that no thread of this handle outlives it by more than the deadline.
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
            // The parent's threads are not here, and its mutex may be held by one of them.
            std::mem::forget(std::mem::take(&mut settings.background));
            settings.background_generation = generation();
        }
        (settings.options.clone(), settings.background.clone())
    }

    /// This handle's cache in this process; None before the first call, and in a child just forked.
    #[inline(always)]
    fn state(&self) -> Option<&HandleState> {
        let state = self.state.get();
        state.filter(|state| state.shared.generation == generation())
    }

    /// [`Store::mark`] of the store, where this process has it open.
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

    /// The same for a keeper.
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

    /// What a call on a store needs on its slow path, with its deadline running. Fails where a server has the store.
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
