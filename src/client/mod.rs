//! A handle: its options, and what each call does with it. What a get is stands in `get`.

mod get;
mod lead;
pub mod report;
pub mod session;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::account::{self, Credential};
use crate::clock::Deadline;
use crate::error::{Error, Hint, Result};
use crate::hosts::WORK;
use crate::names;
use crate::options::{LogLevel, Options};
use crate::platform::{self, Kind, MAX_TOKEN, PushedSecret, Scope};
use crate::process::Background;
use crate::process::cache::CachedToken;
use crate::process::{self, HandleId, View, last_known, release_handle, share};
use crate::secrets::{Label, Vault, fingerprint};
use crate::store::{self, Account, Commit, Opening, StoreName};
use crate::sys::{AtomicRef, ForkGuarded, ForkLock, generation};
use report::Report;
use session::Session;

/// One open store with its options. What it knows beyond that is shared by every handle of the process.
pub struct Client {
    handle: HandleId,
    store: StoreName,
    /// Where this handle's cache lies; none, or of an older generation, until the next call looks it up.
    view: AtomicRef<View>,
    revalidate_ms: AtomicI64,
    settings: ForkGuarded<Settings>,
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
            let _gate = ForkLock::enter();
            crate::secrets::warm_up();
        }
        let options = Options::from_environment()?;
        platform::roots(&options)?;
        let client = Client {
            handle: process::new_handle(),
            store: StoreName::parse(store)?,
            view: AtomicRef::none(),
            revalidate_ms: AtomicI64::new(0),
            settings: ForkGuarded::new(Settings {
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
            platform::roots(&trial)?;
        }
        let gate = ForkLock::enter();
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
    pub fn register(&self, name: &str, kind: &str, id: &str, secret: Option<&str>) -> Result<()> {
        names::check_account(name)?;
        let kind =
            Kind::named(kind).ok_or_else(|| {
                let known: Vec<&str> = Kind::all().map(Kind::name).collect();
                Error::argument(format!("unknown kind{}", names::repeated(kind)))
                    .hint(names::choose(kind, &known, "The kinds are"))
            })?;
        names::check_id(kind.token().id_name, id)?;
        let secret = check_secret_of(kind, secret)?;

        let session = self.session()?;
        let label = Label::secret(name, kind.name(), id);
        let unchanged = load_account(&session, name)?.filter(|account| {
            let same_secret = match (&account.sealed, secret) {
                (Some(sealed), Some(secret)) => {
                    let opened = session.vault.open(&label, sealed);
                    opened.is_ok_and(|stored| *stored == secret)
                }
                (None, None) => true,
                _ => false,
            };
            account.kind == kind && account.id == id && same_secret
        });
        let account = match unchanged {
            Some(account) => account,
            None => {
                let mut account = Account {
                    name: name.into(),
                    kind,
                    id: id.into(),
                    sealed: None,
                    fingerprint: secret.map_or(String::new(), |secret| fingerprint(id, secret)),
                    current: false,
                    parent: None,
                };
                if let Some(secret) = secret {
                    account.sealed = Some(session.vault.seal(&label, secret)?);
                }
                let stored = session.register(account, &label, secret)?;
                session.view.shared.invalidate_all();
                session.log(LogLevel::Info, &format!("registered account \"{name}\""));
                stored
            }
        };
        last_known(&self.store, |known| {
            if account.current {
                known.record_current(name);
            }
            known.record_account(self.handle, account);
        });
        Ok(())
    }

    pub fn put(&self, name: &str, field: &str, value: Option<&str>) -> Result<()> {
        names::check_account(name)?;
        let session = self.session()?;
        // A look puts back what live handles registered.
        let found = session.read_credential(Some(name))?;
        let kind = found.account.kind;
        match (field, &kind.token().put) {
            ("current", _) => self.put_current(&session, name, value),
            ("parent", _) if kind.parent().is_some() => self.put_parent(&session, &found, value),
            (_, Some(put)) if put.field == field => self.put_secret(&session, &found, put, value),
            _ => Err(Error::argument(format!(
                "account \"{name}\" of kind {} has no field{}",
                kind.name(),
                names::repeated(field)
            ))
            .hint(names::choose(field, &kind.fields(), "It takes"))),
        }
    }

    fn put_current(&self, session: &Session, name: &str, value: Option<&str>) -> Result<()> {
        if !matches!(value, None | Some("1")) {
            return Err(
                Error::argument("invalid value of field current").because("must be 1 or NULL")
            );
        }
        let is_there = session.change_accounts(|accounts| {
            let is_there = account::set_current(accounts, name)?;
            Ok((Commit::when(is_there), is_there))
        })?;
        if !is_there {
            return Err(session.no_account(Some(name)));
        }
        last_known(&self.store, |known| known.record_current(name));
        session.view.shared.invalidate_all();
        Ok(())
    }

    fn put_parent(&self, session: &Session, found: &Credential, value: Option<&str>) -> Result<()> {
        let Some(parent) = value else {
            return Err(Error::argument("the value of field parent is NULL")
                .advise("Pass the name of an account."));
        };
        names::check_account(parent)?;
        let of = session.read_credential(Some(parent))?.account;
        let wanted = found.account.kind.parent();
        if Some(of.kind) != wanted {
            return Err(Error::argument(format!(
                "account \"{parent}\" cannot be the parent of account \"{}\"",
                found.account.name
            ))
            .because(format!(
                "it is of kind {}, not {}",
                of.kind.name(),
                wanted.map_or("", Kind::name)
            )));
        }
        let name = &found.account.name;
        let before = found.account.parent.as_ref();
        if before.is_none_or(|before| before.name != parent) {
            let is_there = session.change_accounts(|accounts| {
                let is_there = account::set_parent(accounts, name, parent)?;
                Ok((Commit::when(is_there), is_there))
            })?;
            if !is_there {
                return Err(session.no_account(Some(name)));
            }
            session.view.shared.invalidate_all();
        }
        last_known(&self.store, |known| known.record_parent(name, parent));
        Ok(())
    }

    fn put_secret(
        &self,
        session: &Session,
        found: &Credential,
        put: &PushedSecret,
        value: Option<&str>,
    ) -> Result<()> {
        let Some(value) = value else {
            return Err(
                Error::argument(format!("the value of field {} is NULL", put.field))
                    .advise("Pass a string."),
            );
        };
        names::check_secret(put.field, value)?;
        let lacks_parent = found.recipe.scope == Scope::Parent && found.key.scope.is_empty();
        if lacks_parent {
            let account = found.account.name.clone();
            let what = format!("no parent has been put for account \"{account}\"");
            return Err(Error::argument(what)
                .because(format!(
                    "its {} is valid with its {} only",
                    put.field,
                    found.account.kind.parent().map_or("parent", Kind::name)
                ))
                .hint(Hint::Put {
                    account,
                    field: "parent".into(),
                    before: Some("First,".into()),
                }));
        }
        let kept = session.store_secret(found, put, value)?;
        last_known(&self.store, |known| {
            known.record_pushed(self.handle, &found.key, kept);
        });
        Ok(())
    }

    /// Hands the token to `give` if this process knows a fresh one. A name that leads to one is known to be sound.
    pub fn hit<R>(&self, name: Option<&[u8]>, give: impl FnOnce(&CachedToken) -> R) -> Option<R> {
        let revalidate_ms = self.revalidate_ms.load(Ordering::Relaxed);
        self.view()?.cache.hit(name, revalidate_ms, give)
    }

    /// A token that is valid now, when there was no hit. `None` is the current account.
    pub fn get(&self, name: Option<&str>) -> Result<CachedToken> {
        names::split(name)?;
        self.session()?.get(name)
    }

    /// “The API refused this token.” A no-op unless it is still the stored one.
    pub fn reject(&self, name: Option<&str>, token: &str) -> Result<()> {
        names::split(name)?;
        if token.is_empty() || token.len() > MAX_TOKEN {
            return Err(Error::argument("invalid token")
                .because(format!("must be 1 to {MAX_TOKEN} bytes"))
                .advise("Pass the token that the library gave."));
        }
        self.session()?.reject(name, token)
    }

    pub fn report(&self) -> Result<Report> {
        let session = self.session()?;
        session.restore_accounts()?;
        report::gather(&session)
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
        let gate = ForkLock::enter();
        let mut settings = self.settings.borrow(&gate);
        if settings.background_generation != generation() {
            // The parent's threads are not here, and its mutex may be held by one of them.
            std::mem::forget(std::mem::take(&mut settings.background));
            settings.background_generation = generation();
        }
        (settings.options.clone(), settings.background.clone())
    }

    /// This handle's cache in this process; None before the first call, and in a child just forked.
    fn view(&self) -> Option<&'static View> {
        let view = self.view.get();
        view.filter(|view| view.shared.generation == generation())
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
        let gate = ForkLock::enter();
        self.settings.borrow(&gate).options.clone()
    }

    /// What a slow path needs, with its deadline running.
    pub fn session(&self) -> Result<Session> {
        let (options, background) = self.settings();
        let vault = Vault::at(self.store.key_file(&options));
        let deadline = Deadline::after(options.timeout_ms);
        // Another thread may have set other base URLs since the view was looked up.
        let view = match self.view().filter(|view| view.serves(&options)) {
            Some(view) => view,
            None => {
                let opening = Opening {
                    vault: vault.clone(),
                    work_base_url: options.base_url(&WORK).to_owned(),
                };
                let view = share(&self.store, opening, &deadline)?.view(&options);
                self.view.set(Some(view));
                view
            }
        };
        Ok(Session {
            view,
            options,
            vault,
            deadline,
            background,
            is_keeper: false,
        })
    }
}

/// The secret that a kind's accounts have, or none where they have none.
fn check_secret_of(kind: Kind, secret: Option<&str>) -> Result<Option<&str>> {
    match secret.filter(|secret| !secret.is_empty()) {
        Some(secret) if kind.has_secret() => {
            names::check_secret("secret", secret)?;
            Ok(Some(secret))
        }
        None if kind.has_secret() => {
            names::check_secret("secret", "")?;
            Ok(None)
        }
        None => Ok(None),
        Some(_) => Err(
            Error::argument(format!("accounts of kind {} have no secret", kind.name())).advise(
                format!(
                    "Register the account without one, and put {}.",
                    kind.fields()[1..].join(" and ")
                ),
            ),
        ),
    }
}

fn load_account(session: &Session, name: &str) -> Result<Option<Account>> {
    store::read(session.store(), &session.deadline, |there| {
        there.account(Some(name))
    })
}
