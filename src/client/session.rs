//! What a call needs on its slow path, and its looks at the store.

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

/// Of how many accounts the nearest name is looked for: one that is not there costs no more in a large store.
const NEAREST_OF: usize = 1000;

/// What any call of a handle needs on its slow path, be its store here or at a server.
pub struct CallOfHandle {
    pub state: Arc<HandleState>,
    pub options: Arc<Options>,
    pub deadline: Deadline,
    pub background: Arc<Background>,
}

/// One call on a store, on its slow path; cheap to clone into a background thread.
#[derive(Clone)]
pub struct Session {
    pub state: Arc<HandleState>,
    pub store: &'static dyn Store,
    pub options: Arc<Options>,
    pub vault: Vault,
    pub deadline: Deadline,
    pub background: Arc<Background>,
    /// For a keeper, a token is to be refreshed a little earlier than for all others.
    pub is_keeper: bool,
    /// For a bridge: the store that it brings tokens from.
    pub upstream: Option<Arc<Client>>,
    /// For a server: a token that lives no longer is as good as spent, where another fetch can help.
    pub min_life_ms: i64,
}

impl Session {
    /// One of a store that is here. Fails where a server has it.
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

    /// What time it is, by the store's clock.
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

    /// A credential and its row as they are now; what live handles registered is put back if it is gone.
    pub fn read_credential(&self, name: Option<&str>) -> Result<Box<Credential>> {
        match self.load(name, &self.deadline)? {
            Lookup::Found(found) => Ok(found),
            Lookup::NoAccount => Err(self.no_account(names::split(name)?.0)),
            Lookup::NoCredential(account) => Err(no_credential(&account, names::split(name)?.1)),
        }
    }

    /// The same, with a time limit of its own on reading, and what there is instead.
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

    /// Tries to write what was kept in memory; another look tries again.
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

    /// What this caller may do with a credential's row now.
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

    /// Whether a caller in this process has rejected the token.
    fn has_rejected(&self, key: &CredentialKey, row: &Row) -> bool {
        let token = row.token.as_deref();
        token.is_some_and(|token| self.state.shared.rejected.has(key, token))
    }

    pub fn serve(&self, row: &Row) -> Option<CachedToken> {
        CachedToken::from_row(row, self.now())
    }

    /// The reason why no secret is to be put into the store.
    pub fn why_not_trusted(&self) -> Option<Error> {
        let store = self.store().why_not_trusted();
        store.or_else(|| self.vault.why_not_trusted())
    }

    /// Fails where there is such a reason.
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
