//! What a call needs on its slow path, and its dealings with the store that are no fetch: look, put, put back, reject.

use std::sync::Arc;

use crate::background::Background;
use crate::cache::Served;
use crate::clock::{Deadline, Now};
use crate::error::{Error, Result, Status};
use crate::names;
use crate::options::{LogLevel, Options};
use crate::process::{View, remembered, remembered_put};
use crate::store::{self, Account, Call, Loaded, Registration, Store};
use crate::sys;
use crate::token::{Freshness, PutValue, Row};
use crate::vault::{Label, Secret, Vault, fingerprint};
use crate::wechat::{ACCESS_TOKEN, Ingredients, Kind, Put, Value};

/// One call on its slow path; cheap to clone into a background thread.
#[derive(Clone)]
pub struct Session {
    pub view: &'static View,
    pub options: Arc<Options>,
    pub vault: Vault,
    pub deadline: Deadline,
    pub background: Arc<Background>,
}

impl Session {
    pub fn store(&self) -> &'static dyn Store {
        &self.view.shared.store
    }

    pub fn call(&self) -> Call<'_> {
        Call {
            options: &self.options,
            vault: &self.vault,
            deadline: &self.deadline,
        }
    }

    pub fn log(&self, level: LogLevel, message: &str) {
        if level <= self.options.log {
            let name = match level {
                LogLevel::Error => "error",
                LogLevel::Info => "info",
                _ => "debug",
            };
            sys::write_stderr(&format!(
                "wxtoken[{}] {name}: {message}\n",
                std::process::id()
            ));
        }
    }

    /// A credential and its row as they are now; what live handles registered is put back if it is gone.
    pub fn look(&self, name: Option<&str>) -> Result<Box<store::View>> {
        match self.load(name, &self.deadline)? {
            Loaded::View(found) => Ok(found),
            Loaded::NoAccount => Err(self.no_account(names::split(name)?.0)),
            Loaded::NoCredential(account) => Err(no_credential(&account)),
        }
    }

    /// The same, with a time limit of its own on reading, and what there is instead.
    pub fn load(&self, name: Option<&str>, deadline: &Deadline) -> Result<Loaded> {
        let (account, credential) = names::split(name)?;
        let call = Call {
            deadline,
            ..self.call()
        };
        let mut loaded = self.store().load(account, credential, call)?;
        if is_incomplete(&loaded) {
            self.put_back()?;
            loaded = self.store().load(account, credential, self.call())?;
        }
        if let Loaded::View(found) = &mut loaded
            && self.view.shared.overlay(&found.identity, &mut found.row)
        {
            self.write_back(found, call);
        }
        Ok(loaded)
    }

    /// Tries to write what was kept in memory; another look tries again.
    fn write_back(&self, found: &store::View, call: Call) {
        let shared = self.view.shared;
        let written = self.store().update(&found.identity, call, &mut |row| {
            shared.overlay(&found.identity, row)
        });
        if written.is_ok() {
            shared.written(&found.identity);
        }
    }

    pub fn put_back(&self) -> Result<()> {
        let known = remembered(self.view.shared.store.path());
        if known.is_empty() {
            return Ok(());
        }
        let (stored, _) = self.store().all(self.call())?;
        for account in known {
            if !stored.iter().any(|there| there.name == account.name) {
                self.store()
                    .register(&account, Registration::PutBack, self.call())?;
                // Only where the store has lost its own choice.
                if account.current && !stored.iter().any(|there| there.current) {
                    self.store().set_current(&account.name, self.call())?;
                }
            }
        }
        Ok(())
    }

    pub fn no_account(&self, name: Option<&str>) -> Error {
        let what = match name {
            Some(name) => format!("no account \"{name}\""),
            None => "no account yet".into(),
        };
        Error::new(
            Status::Account,
            format!(
                "{what} in store {}: register it with wxtoken_account; wxtoken_report lists those there",
                self.store().location()
            ),
        )
    }

    pub fn freshness(&self, row: &Row) -> Freshness {
        row.freshness(Now::read(), &self.boot_id())
    }

    pub fn serve(&self, row: &Row) -> Option<Served> {
        Served::from_row(row, Now::read(), &self.boot_id())
    }

    /// Notes that the API refused the token. PutValue in memory when the store cannot be written, unless this process could
    /// not fetch another one either: then it is for somebody else to know, and the caller is told that they do not.
    pub fn note_rejection(&self, found: &store::View, token: &str) -> Result<()> {
        let shared = self.view.shared;
        let noted = self
            .store()
            .update(&found.identity, self.call(), &mut |row| {
                shared.overlay(&found.identity, row);
                row.reject(token)
            });
        match noted {
            Ok(()) => {
                shared.written(&found.identity);
                Ok(())
            }
            Err(e) if e.status == Status::Store && self.ingredients(found).is_ok() => {
                let mut row = found.row.clone();
                row.reject(token);
                shared.keep(&found.identity, row, &e);
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    /// What secrets the credential's fetch takes.
    pub fn ingredients(&self, found: &store::View) -> Result<Ingredients> {
        let takes_secret = found.recipe.takes(Value::Secret);
        let secret = takes_secret.then(|| self.open_secret(&found.account));
        let put = found
            .recipe
            .put
            .as_ref()
            .map(|put| self.open_put(found, put));
        Ok(Ingredients {
            secret: secret.transpose()?,
            put: put.transpose()?,
        })
    }

    fn open_secret(&self, account: &Account) -> Result<Secret> {
        match &account.sealed {
            Some(sealed) => self
                .vault
                .open(&Label::secret(&account.name, &account.id), sealed),
            None => Err(Error::new(
                Status::Secret,
                format!(
                    "no secret is stored for account \"{}\": register it again with its secret",
                    account.name
                ),
            )),
        }
    }

    /// What was put. A store that has lost it gets it back from a live handle.
    fn open_put(&self, found: &store::View, put: &Put) -> Result<Secret> {
        let remembered = || remembered_put(self.view.shared.store.path(), &found.identity);
        let Some(kept) = found.row.put.clone().or_else(remembered) else {
            return Err(Error::new(
                Status::Secret,
                format!(
                    "no {} has been put for account \"{}\" ({} {}): {}; hand it over with wxtoken_put, see docs/credentials.md",
                    put.field,
                    found.account.name,
                    found.recipe.id_name,
                    found.account.id,
                    put.source
                ),
            ));
        };
        if found.row.put.is_none() {
            self.store()
                .update(&found.identity, self.call(), &mut |row| {
                    row.put.is_none() && row.put(kept.clone())
                })?;
        }
        self.vault.open(&put_label(found, put), &kept.sealed)
    }

    /// Takes a secret in that was put. What comes back is what is stored of it.
    pub fn keep_put(&self, found: &store::View, put: &Put, value: &str) -> Result<PutValue> {
        let label = put_label(found, put);
        let kept = PutValue {
            sealed: self.vault.seal(&label, value)?,
            at: Now::read().wall_ms,
            put_fingerprint: fingerprint(&found.identity.owner(), value),
        };
        let mut stored = kept.clone();
        self.store()
            .update(&found.identity, self.call(), &mut |row| {
                let changed = row.put(kept.clone());
                stored.clone_from(row.put.as_ref().unwrap_or(&kept));
                changed
            })?;
        Ok(stored)
    }

    /// What was put for an account, in the clear, by the name of its field; with `_before` what it replaced.
    pub fn read_put(&self, account: &Account, field: &str) -> Result<Served> {
        let (field, before) = match field.strip_suffix("_before") {
            Some(field) => (field, true),
            None => (field, false),
        };
        let put = account.kind.token().put.as_ref();
        let Some(put) = put.filter(|put| put.field == field) else {
            return Err(no_credential(account));
        };
        let name = format!("{}/{ACCESS_TOKEN}", account.name);
        let mut found = self.look(Some(&name))?;
        let missing = || {
            let which = if before { "earlier " } else { "" };
            Error::new(
                Status::Secret,
                format!("account \"{}\" has no {which}{field}", account.name),
            )
        };
        if before {
            let sealed = found.row.put_before.take().ok_or_else(missing)?;
            let secret = self.vault.open(&put_label(&found, put), &sealed)?;
            return Ok(Served::uncached(&secret, 0));
        }
        let at = found.row.put.as_ref().map_or(0, |kept| kept.at);
        let secret = self.open_put(&found, put)?;
        let ends = if put.good_for_s > 0 && at > 0 {
            at / 1000 + put.good_for_s
        } else {
            0
        };
        Ok(Served::uncached(&secret, ends))
    }

    pub fn left_ms(&self) -> i64 {
        i64::try_from(self.deadline.left().as_millis()).unwrap_or(0)
    }

    pub fn boot_id(&self) -> String {
        self.store().boot_id()
    }
}

pub fn put_label(found: &store::View, put: &Put) -> Label {
    Label::put(&found.account.name, put.field, &found.identity.owner())
}

/// Whether something is missing that a live handle may remember.
fn is_incomplete(loaded: &Loaded) -> bool {
    match loaded {
        Loaded::NoAccount => true,
        Loaded::NoCredential(_) => false,
        Loaded::View(found) => {
            let parent = found.account.parent.as_ref();
            found.account.kind.parent().is_some()
                && parent.is_some_and(|parent| parent.there.is_none())
        }
    }
}

fn no_credential(account: &Account) -> Error {
    Error::argument(format!(
        "account \"{}\", of kind {}, has no such credential: it has {}",
        account.name,
        account.kind.name(),
        credentials(account.kind)
    ))
}

fn credentials(kind: Kind) -> String {
    let names: Vec<&str> = kind.recipes().map(|recipe| recipe.credential).collect();
    names.join(", ")
}
