//! The context of one call on its slow path, and its looks at the store.

use std::sync::Arc;

use super::Client;
use crate::account::{self, Credential, Lookup};
use crate::characters::{Allowed, flaws, shown};
use crate::clock::{Deadline, Now};
use crate::credential::{CredentialKey, Freshness, Row};
use crate::error::{Error, Hint, Result, Status};
use crate::names;
use crate::options::{LogLevel, Options};
use crate::platform::Recipe;
use crate::process::cache::CachedToken;
use crate::process::{Background, HandleState};
use crate::secrets::Vault;
use crate::store::{self, Account, Accounts, Commit, Store, StoreName};
use crate::sys;

/// The number of accounts that are searched for a similar name. A name that does not exist costs no more in a large
/// store.
const NEAREST_OF: usize = 1000;

/// The context of one call of a handle on its slow path, whether the store is local or a server.
pub struct CallOfHandle {
    pub state: Arc<HandleState>,
    pub options: Arc<Options>,
    pub deadline: Deadline,
    pub background: Arc<Background>,
}

/// One call on a store, on its slow path. It is cheap to clone into a background thread.
#[derive(Clone)]
pub struct Session {
    pub state: Arc<HandleState>,
    pub store: &'static dyn Store,
    pub options: Arc<Options>,
    pub vault: Vault,
    pub deadline: Deadline,
    pub background: Arc<Background>,
    /// Whether the call is a keeper's. A keeper refreshes a token a little earlier than other processes.
    pub is_keeper: bool,
    /// The store that a bridge brings tokens from.
    pub upstream: Option<Arc<Client>>,
    /// The life in milliseconds that a server needs of a token. A token with less counts as spent if another fetch can
    /// help.
    pub min_life_ms: i64,
}

impl Session {
    /// Makes the context of a call on a local store. Fails if the store is a server.
    pub fn new(call: CallOfHandle, vault: Vault) -> Result<Session> {
        let store = call.state.shared.store()?;
        Ok(Session {
            vault: vault.sealing_for(store.id()),
            store,
            state: call.state,
            options: call.options,
            deadline: call.deadline,
            background: call.background,
            is_keeper: false,
            upstream: None,
            min_life_ms: 0,
        })
    }

    pub fn store(&self) -> &'static dyn Store {
        self.store
    }

    pub fn store_name(&self) -> &'static StoreName {
        self.store().name()
    }

    /// Returns the current time by the store's clock.
    pub fn now(&self) -> Now {
        self.store().now()
    }

    pub fn log(&self, level: LogLevel, message: &str) {
        if level <= self.options.log {
            let name = match level {
                LogLevel::Error => "error",
                LogLevel::Info => "info",
                _ => "debug",
            };
            sys::write_stderr(&format!(
                "wxtoken[{}] {name}: {}\n",
                std::process::id(),
                shown(message)
            ));
        }
    }

    /// Reads a credential and its row. If an account is missing that a live handle registered, it is put back first.
    pub fn read_credential(&self, name: Option<&str>) -> Result<Box<Credential>> {
        match self.load(name, &self.deadline)? {
            Lookup::Found(found) => Ok(found),
            Lookup::NoAccount => Err(self.no_account(names::split(name)?.0)),
            Lookup::NoCredential(account) => Err(no_credential(&account, names::split(name)?.1)),
        }
    }

    /// Looks a credential up, with a separate time limit for reading.
    pub fn load(&self, name: Option<&str>, deadline: &Deadline) -> Result<Lookup> {
        let (account, credential) = names::split(name)?;
        let find = |by| account::find(self.store(), account, credential, &self.options, by);
        let mut loaded = find(deadline)?;
        if let Some(step) = self.state.shared.new_clock_step() {
            self.log(
                LogLevel::Info,
                &format!(
                    "the clock of store {} has stepped by {} s: tokens live by the shorter time",
                    self.store_name(),
                    step.by_ms / 1000
                ),
            );
        }
        if self.may_know_more(account, &loaded) {
            self.restore_accounts()?;
            loaded = find(&self.deadline)?;
        }
        if let Lookup::Found(found) = &mut loaded
            && self.state.shared.unsaved.apply(&found.key, &mut found.row)
        {
            found.mark = None;
            self.save_unsaved(found, deadline);
        }
        Ok(loaded)
    }

    /// Tries to write what was kept in memory. If that fails, the next look tries again.
    fn save_unsaved(&self, found: &Credential, by: &Deadline) {
        let shared = self.state.shared;
        let written = self.store().change_row(&found.key, by, &mut |row| {
            Ok(Commit::when(shared.unsaved.apply(&found.key, row)))
        });
        if written.is_ok() {
            shared.unsaved.clear(&found.key);
        }
    }

    pub fn no_account(&self, name: Option<&str>) -> Error {
        let store = self.store_name();
        let Some(name) = name else {
            let what = format!("store {store} has no current account");
            return Error::new(Status::Account, what).hint(Hint::ChooseCurrent);
        };
        let what = format!("account \"{name}\" not found in store {store}");
        let known = store::read(self.store(), &self.deadline, |there| {
            there.some_names(NEAREST_OF)
        });
        let known = known.unwrap_or_default();
        let names = known.iter().map(String::as_str);
        let mut error = Error::new(Status::Account, what);
        if let Some(flaws) = flaws(name, Allowed::Text) {
            error = error.because(format!("the name has {flaws}"));
        }
        error.hint(match names::nearest(name, names) {
            Some(near) => Hint::Do(format!("Did you mean \"{near}\"?")),
            None => Hint::Register {
                account: name.into(),
            },
        })
    }

    /// Returns what this caller may do with a credential's token now.
    pub fn freshness(&self, of: &Credential) -> Freshness {
        self.freshness_at(of.recipe, &of.key, &of.row, self.now())
    }

    pub fn freshness_at(
        &self,
        recipe: &Recipe,
        key: &CredentialKey,
        row: &Row,
        now: Now,
    ) -> Freshness {
        if self.is_keeper {
            return row.keeper_freshness(now);
        }
        if row.lacks_life(self.min_life_ms, now) {
            return Freshness::Spent;
        }
        if row.rejected && recipe.check.is_some() && !self.has_rejected(key, row) {
            return row.freshness_for_bystander(now);
        }
        row.freshness(now)
    }

    /// Returns whether a caller in this process has rejected the token.
    fn has_rejected(&self, key: &CredentialKey, row: &Row) -> bool {
        let token = row.token.as_deref();
        token.is_some_and(|token| self.state.shared.rejected.has(key, token))
    }

    pub fn serve(&self, row: &Row) -> Option<CachedToken> {
        CachedToken::from_row(row, self.now())
    }

    /// Returns the reason why no secret may be put into the store, if there is one.
    pub fn why_not_trusted(&self) -> Option<Error> {
        let store = self.store().why_not_trusted();
        store.or_else(|| self.vault.why_not_trusted())
    }

    /// Fails if no secret may be put into the store.
    pub fn require_trusted(&self) -> Result<()> {
        self.why_not_trusted().map_or(Ok(()), Err)
    }

    pub fn left_ms(&self) -> i64 {
        i64::try_from(self.deadline.left().as_millis()).unwrap_or(0)
    }

    /// Changes accounts within the call's deadline.
    pub fn change_accounts<T>(
        &self,
        change: impl FnMut(&mut dyn Accounts) -> Result<(Commit, T)>,
    ) -> Result<T> {
        store::change_accounts(self.store(), &self.deadline, change)
    }

    /// Changes a row within the call's deadline.
    pub fn change_row(
        &self,
        key: &CredentialKey,
        mut change: impl FnMut(&mut Row) -> Commit,
    ) -> Result<()> {
        self.store()
            .change_row(key, &self.deadline, &mut |row| Ok(change(row)))
    }
}

pub(super) fn no_credential(account: &Account, credential: &str) -> Error {
    let kind = account.kind;
    let known: Vec<&str> = kind.recipes().map(|recipe| recipe.credential).collect();
    Error::argument(format!(
        "account \"{}\" of kind {} has no credential{}",
        account.name,
        kind.name(),
        names::repeated(credential)
    ))
    .hint(names::choose(credential, &known, "It has"))
}
