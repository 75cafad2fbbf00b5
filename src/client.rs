//! A handle's calls, as a person would tell them.
//!
//! ```text
//!  fresh in this process ─────────────────────────────────────────────► copy
//!    else fresh in the store ─────────────────────────────────────────► copy
//!      else still valid, past its refresh time: try to lead
//!         leader → fetch → save → copy            others → the token they have, at once
//!      else expired, absent or rejected: wait to lead or for the row, to the deadline
//!    fetch failed → noted in the store → a still valid token is served; else the error, shared by all
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::background::Background;
use crate::cache::{Outset, Served};
use crate::clock::{Deadline, Now};
use crate::error::{Error, Result, Status};
use crate::names;
use crate::options::{LogLevel, Options};
use crate::process::{self, View, share};
use crate::refresh::Obtained;
use crate::report;
use crate::session::Session;
use crate::store::{self, Account, Registration};
use crate::sys::{AtomicRef, Gate, Gated, generation};
use crate::token::{Freshness, Row};
use crate::vault::{Vault, fingerprint};
use crate::wechat::{self, Kind, MAX_TOKEN};

/// How long a look at the store may take while there is a good token from before.
const LOOK_MS: i64 = 100;

/// One open store with its options. What it knows beyond that is shared by every handle of the process.
pub struct Client {
    handle: u64,
    path: PathBuf,
    /// Where this handle's cache lies; none, or of an older generation, until the next call looks it up.
    view: AtomicRef<View>,
    revalidate_ms: AtomicI64,
    settings: Gated<Settings>,
}

struct Settings {
    options: Arc<Options>,
    background: Arc<Background>,
    background_generation: u64,
}

impl Client {
    pub fn open(store: Option<&str>) -> Result<Client> {
        {
            // ring and SQLite set themselves up once; here no fork can come in between.
            let _gate = Gate::enter();
            crate::vault::warm_up();
        }
        let options = Options::from_environment()?;
        wechat::roots(&options)?;
        let client = Client {
            handle: process::new_handle(),
            path: names::store_path(store)?,
            view: AtomicRef::none(),
            revalidate_ms: AtomicI64::new(0),
            settings: Gated::new(Settings {
                options: Arc::new(options),
                background: Arc::default(),
                background_generation: generation(),
            }),
        };
        client.session().map(|session| {
            client
                .revalidate_ms
                .store(session.options.revalidate_ms, Ordering::Relaxed);
        })?;
        Ok(client)
    }

    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        let mut trial = (*self.options()).clone();
        trial.set(name, value)?;
        if name == "ca_file" {
            // Reads the file, so not with the gate held.
            wechat::roots(&trial)?;
        }
        let gate = Gate::enter();
        let mut settings = self.settings.borrow(&gate);
        // Another thread may have set another option meanwhile: this one goes on top.
        let mut options = (*settings.options).clone();
        options.set(name, value)?;
        self.revalidate_ms
            .store(options.revalidate_ms, Ordering::Relaxed);
        settings.options = Arc::new(options);
        // Other base URLs are other tokens.
        self.view.set(None);
        Ok(())
    }

    /// Registers or updates an account; nothing is written when nothing has changed.
    pub fn account(&self, name: &str, kind: &str, id: &str, secret: &str) -> Result<()> {
        names::check_account(name)?;
        let kind = Kind::named(kind).ok_or_else(|| {
            Error::argument(format!("unknown kind: the kinds are {}", Kind::names()))
        })?;
        names::check_id(kind.recipe().id_name, id)?;
        names::check_secret(secret)?;

        let session = self.session()?;
        let known = session.store().load(Some(name), session.call())?;
        let known = known.map(|found| found.account);
        let unchanged = known.filter(|account| {
            account.kind == kind
                && account.id == id
                && account.sealed.as_ref().is_some_and(|sealed| {
                    let opened = session.vault.open(name, id, sealed);
                    opened.is_ok_and(|stored| *stored == secret)
                })
        });
        let account = match unchanged {
            Some(account) => account,
            None => {
                let account = Account {
                    name: name.into(),
                    kind,
                    id: id.into(),
                    sealed: Some(session.vault.seal(id, secret)?),
                    fingerprint: fingerprint(id, secret),
                    current: false,
                };
                session
                    .store()
                    .register(&account, Registration::Update, session.call())?;
                session.view.shared.forget();
                session.log(LogLevel::Info, &format!("registered account \"{name}\""));
                account
            }
        };
        process::remember(self.handle, &self.path, account);
        Ok(())
    }

    pub fn put(&self, name: &str, field: &str, value: Option<&str>) -> Result<()> {
        names::check_account(name)?;
        if field != "current" {
            return Err(Error::argument(
                "unknown field: the accounts of this version have one, current",
            ));
        }
        if !matches!(value, None | Some("1")) {
            return Err(Error::argument(
                "field current takes the value 1 or NULL: it makes this account the current one",
            ));
        }
        let session = self.session()?;
        // A look puts back what live handles registered.
        session.look(Some(name))?;
        if !session.store().set_current(name, session.call())? {
            return Err(session.no_account(Some(name)));
        }
        process::remember_current(&self.path, name);
        session.view.shared.forget();
        Ok(())
    }

    /// Hands the token to `give` if this process knows a fresh one. A name that leads to one is known to be sound.
    pub fn hit<R>(&self, name: Option<&[u8]>, give: impl FnOnce(&Served) -> R) -> Option<R> {
        let revalidate_ms = self.revalidate_ms.load(Ordering::Relaxed);
        self.view()?.cache.hit(name, revalidate_ms, give)
    }

    /// A token that is valid now, when there was no hit. `None` is the current account.
    pub fn get(&self, name: Option<&str>) -> Result<Served> {
        if let Some(name) = name {
            names::check_credential(name)?;
        }
        self.get_from_store(&self.session()?, name)
    }

    fn get_from_store(&self, session: &Session, name: Option<&str>) -> Result<Served> {
        let cache = &session.view.cache;
        let outset = cache.set_out();
        // With a good token at hand nobody waits for a store that somebody holds.
        let patience = if cache.has_valid(name) {
            Deadline::after(LOOK_MS.min(session.options.timeout_ms))
        } else {
            session.deadline
        };
        let looked = match session.look_within(name, &patience) {
            Err(e) if e.status == Status::Store || e.status == Status::Timeout => {
                // A store out of order is no reason to withhold a token that is good.
                match cache.last_resort(name) {
                    Some(token) => return Ok(token),
                    // It was rejected meanwhile: then there is all the time to look.
                    None if e.status == Status::Timeout => session.look(name),
                    None => Err(e),
                }
            }
            other => other,
        };
        let found = looked.inspect_err(|_| cache.clear(name))?;
        let token = session.serve(&found.row);
        match (session.freshness(&found.row), token) {
            (Freshness::Spent, _) | (_, None) => {
                cache.clear(name);
                self.wait_for_token(session, name, found)
            }
            (freshness, Some(token)) => {
                cache.publish(name, outset, &token);
                let next = match freshness {
                    Freshness::Usable => self.refresh_early(session, name, found),
                    _ => None,
                };
                Ok(next.unwrap_or(token))
            }
        }
    }

    /// Leads a refresh while the old token is good, if nobody else does; an error there is not the caller's.
    fn refresh_early(
        &self,
        session: &Session,
        name: Option<&str>,
        found: store::View,
    ) -> Option<Served> {
        if found
            .row
            .standing_failure(Now::read(), session.options.timeout_ms)
            .is_some()
        {
            return None;
        }
        if session.options.background_refresh {
            self.refresh_in_background(session, found);
            return None;
        }
        let _flight = session.view.shared.flights.try_begin(&found.identity)?;
        let outset = session.view.cache.set_out();
        match session.refresh_early(found) {
            Ok(row) => self.publish(session, name, outset, &row?),
            Err(e) => {
                session.log(LogLevel::Debug, &format!("not refreshed: {}", e.message));
                None
            }
        }
    }

    /// The one thread of the library, for one refresh; none if one is running or none can start.
    fn refresh_in_background(&self, session: &Session, found: store::View) {
        let view = session.view;
        let Some(flight) = view.shared.flights.try_begin(&found.identity) else {
            return;
        };
        let of_thread = Session {
            deadline: Deadline::after(session.options.timeout_ms),
            ..session.clone()
        };
        let started = self.background().start(move || {
            let _flight = flight;
            if matches!(of_thread.refresh_early(found), Ok(Some(_))) {
                // Every name that leads to this token is to see the new one.
                view.shared.forget();
            }
        });
        if !started {
            let why =
                "no thread for a background refresh: raise the limit of processes (ulimit -u)";
            session.log(LogLevel::Error, why);
        }
    }

    fn wait_for_token(
        &self,
        session: &Session,
        name: Option<&str>,
        mut found: store::View,
    ) -> Result<Served> {
        loop {
            if let Some(error) = found
                .row
                .standing_failure(Now::read(), session.options.timeout_ms)
            {
                return Err(error);
            }
            let identity = found.identity;
            let flights = &session.view.shared.flights;
            let Some(_flight) = flights.begin(&identity, &session.deadline)? else {
                // Somebody has landed: those who waited look all at once, and not one after another.
                let outset = session.view.cache.set_out();
                found = session.look(name)?;
                if session.freshness(&found.row) != Freshness::Spent
                    && let Some(token) = self.publish(session, name, outset, &found.row)
                {
                    return Ok(token);
                }
                continue;
            };
            let outset = session.view.cache.set_out();
            match session.obtain(name, &identity)? {
                Obtained::MovedTo(other) => found = other,
                Obtained::Row(row) => {
                    return self.publish(session, name, outset, &row).ok_or_else(|| {
                        session
                            .deadline
                            .error("the token expired before it could be handed out")
                    });
                }
            }
        }
    }

    fn publish(
        &self,
        session: &Session,
        name: Option<&str>,
        outset: Outset,
        row: &Row,
    ) -> Option<Served> {
        let token = session.serve(row)?;
        session.view.cache.publish(name, outset, &token);
        Some(token)
    }

    /// “The API refused this token.” A no-op unless it is still the stored one.
    pub fn reject(&self, name: Option<&str>, token: &str) -> Result<()> {
        if let Some(name) = name {
            names::check_credential(name)?;
        }
        if token.is_empty() || token.len() > MAX_TOKEN {
            return Err(Error::argument(format!(
                "a token has 1 to {MAX_TOKEN} bytes: pass the one that wxtoken_get gave"
            )));
        }
        let session = self.session()?;
        let found = session.look(name)?;
        if found.row.token.as_deref() == Some(token) && !found.row.rejected {
            session.reject(&found, token)?;
        }
        // Whoever rejects has seen something: the next get looks at the store even if it was an older token.
        session.view.shared.forget();
        Ok(())
    }

    pub fn report(&self) -> Result<String> {
        let session = self.session()?;
        session.put_back()?;
        report::write(&session)
    }

    /// Waits for background refreshes, so that no thread of this handle outlives it by more than the deadline.
    pub fn close(self) {
        process::forget_handle(self.handle);
        let deadline = Deadline::after(self.options().timeout_ms);
        self.background().wait(&deadline);
    }

    fn background(&self) -> Arc<Background> {
        let gate = Gate::enter();
        let mut settings = self.settings.borrow(&gate);
        if settings.background_generation != generation() {
            // The parent's threads are not here, and its mutex may be held by one of them.
            std::mem::forget(std::mem::take(&mut settings.background));
            settings.background_generation = generation();
        }
        settings.background.clone()
    }

    /// This handle's cache in this process; None before the first call, and in a child just forked.
    fn view(&self) -> Option<&'static View> {
        let view = self.view.get();
        view.filter(|view| view.shared.generation == generation())
    }

    fn options(&self) -> Arc<Options> {
        let gate = Gate::enter();
        self.settings.borrow(&gate).options.clone()
    }

    /// What a slow path needs, with its deadline running.
    fn session(&self) -> Result<Session> {
        let options = self.options();
        let vault = Vault::at(names::key_path(&options, &self.path));
        let deadline = Deadline::after(options.timeout_ms);
        // Another thread may have set other base URLs since the view was looked up.
        let view = match self.view().filter(|view| view.serves(&options)) {
            Some(view) => view,
            None => {
                let call = store::Call {
                    options: &options,
                    vault: &vault,
                    deadline: &deadline,
                };
                let view = share(&self.path, call)?.view(&options);
                self.view.set(Some(view));
                view
            }
        };
        Ok(Session {
            view,
            options,
            vault,
            deadline,
        })
    }
}
