//! What a call needs on its slow path, and its dealings with the store that are no fetch: look, put back, reject.

use std::sync::Arc;

use crate::cache::Served;
use crate::clock::{Deadline, Now};
use crate::error::{Error, Result, Status};
use crate::options::{LogLevel, Options};
use crate::process::{View, remembered};
use crate::store::{self, Account, Call, Registration, Store};
use crate::sys;
use crate::token::{Freshness, Row};
use crate::vault::{Secret, Vault};

/// One call on its slow path; cheap to clone into a background thread.
#[derive(Clone)]
pub struct Session {
    pub view: &'static View,
    pub options: Arc<Options>,
    pub vault: Vault,
    pub deadline: Deadline,
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

    /// The account and its row as they are now; what live handles registered is put back if it is gone.
    pub fn look(&self, name: Option<&str>) -> Result<store::View> {
        self.look_within(name, &self.deadline)
    }

    /// The same, with a time limit of its own on reading.
    pub fn look_within(&self, name: Option<&str>, deadline: &Deadline) -> Result<store::View> {
        let call = Call {
            deadline,
            ..self.call()
        };
        let mut found = self.store().load(name, call)?;
        if found.is_none() {
            self.put_back()?;
            found = self.store().load(name, self.call())?;
        }
        let Some(mut found) = found else {
            return Err(self.no_account(name));
        };
        if self.view.shared.overlay(&found.identity, &mut found.row) {
            self.write_back(&found, call);
        }
        Ok(found)
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

    /// Notes that the API refused the token. Kept in memory when the store cannot be written, unless this process could
    /// not fetch another one either: then it is for somebody else to know, and the caller is told that they do not.
    pub fn reject(&self, found: &store::View, token: &str) -> Result<()> {
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
            Err(e) if e.status == Status::Store && self.open_secret(&found.account).is_ok() => {
                let mut row = found.row.clone();
                row.reject(token);
                shared.keep(&found.identity, row, &e);
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    pub fn open_secret(&self, account: &Account) -> Result<Secret> {
        match &account.sealed {
            Some(sealed) => self.vault.open(&account.name, &account.id, sealed),
            None => Err(Error::new(
                Status::Secret,
                format!(
                    "no secret is stored for account \"{}\": register it again with its secret",
                    account.name
                ),
            )),
        }
    }

    pub fn left_ms(&self) -> i64 {
        i64::try_from(self.deadline.left().as_millis()).unwrap_or(0)
    }

    pub fn boot_id(&self) -> String {
        self.store().boot_id()
    }
}
