//! Registering accounts, and putting back accounts that this process knows and the store has lost.

use std::collections::BTreeSet;

use super::Client;
use super::session::Session;
use crate::account::{self, Lookup};
use crate::error::{Error, Result};
use crate::names;
use crate::options::LogLevel;
use crate::platform::{Kind, Swapped};
use crate::process::last_known;
use crate::secrets::{Label, fingerprint};
use crate::store::{self, Account, Commit};
use crate::sys::{self, Failpoint};

impl Client {
    /// Registers or updates an account. Writes nothing if nothing has changed. Returns whether anything has.
    pub fn register(&self, name: &str, kind: &str, id: &str, secret: Option<&str>) -> Result<bool> {
        let kind = check_new(name, kind, id)?;
        check_places(kind, name, id, secret)?;
        let secret = check_secret_of(kind, name, secret)?;
        if let Some(server) = self.at_server()? {
            return server.register(name, kind, id);
        }

        let session = self.session()?;
        let label = Label::secret(name, kind.name(), id);
        let there = load_account(&session, name)?;
        if let Some(account) = there.as_ref().filter(|there| there.origin().is_some()) {
            return require_same(account, kind, id).map(|()| false);
        }
        let is_new = there.is_none();
        let unchanged = there.filter(|account| {
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
        let changed = unchanged.is_none();
        let account = match unchanged {
            Some(account) => account,
            None => {
                session.require_trusted()?;
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
                    session.require_key()?;
                    account.sealed = Some(session.vault.seal(&label, secret)?);
                }
                let stored = session.register(account, &label, secret)?;
                if is_new && !stored.current {
                    session.state.shared.invalidate_if_had(&names_of(name));
                } else {
                    session.state.shared.invalidate_all();
                }
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
        Ok(changed)
    }
}

/// Returns every name of a credential that an account of any kind may have.
fn names_of(account: &str) -> Vec<String> {
    let recipes = Kind::all().flat_map(Kind::recipes);
    let credentials: BTreeSet<&str> = recipes.map(|recipe| recipe.credential).collect();
    let names = credentials
        .into_iter()
        .map(|credential| names::join(account, credential));
    names.chain([account.into()]).collect()
}

/// Checks a program's registration of an account that a bridge has brought. Fails if the program means another account.
/// The program's secret is not stored, since the upstream has its own.
fn require_same(there: &Account, kind: Kind, id: &str) -> Result<()> {
    if there.kind == kind && there.id == id {
        return Ok(());
    }
    let (name, id_name) = (&there.name, there.kind.token().id_name);
    let origin = there.origin().unwrap_or_default();
    let why = format!(
        "a bridge has brought one of kind {} with {id_name} {} from {origin}",
        there.kind.name(),
        there.id
    );
    Err(
        Error::argument(format!("account \"{name}\" is another one in this store"))
            .because(why)
            .advise("Take another name, or register the account at its origin."),
    )
}

impl Session {
    /// Fails on a host that would otherwise make a new key, while other hosts have sealed secrets with another one.
    pub fn require_key(&self) -> Result<()> {
        if self.store().id().is_none() || self.vault.exists() {
            return Ok(());
        }
        // The store learns from this look whether it has secrets of other hosts.
        store::read(self.store(), &self.deadline, |there| there.accounts())?;
        self.lacks_key().map_or(Ok(()), Err)
    }
}

/// Checks everything about a new account except the secret, before anyone is asked for that.
pub fn check_new(name: &str, kind: &str, id: &str) -> Result<Kind> {
    names::check_new_account(name)?;
    let kind = Kind::named(kind).ok_or_else(|| {
        let known: Vec<&str> = Kind::all().map(Kind::name).collect();
        Error::argument(format!("unknown kind{}", names::repeated(kind))).hint(names::choose(
            kind,
            &known,
            "The kinds are",
        ))
    })?;
    names::check_id(kind.token().id_name, name, id)?;
    check_places(kind, name, id, None)?;
    Ok(kind)
}

/// Fails if the id and the secret are swapped, and shows neither. An id is stored and shown in clear.
fn check_places(kind: Kind, name: &str, id: &str, secret: Option<&str>) -> Result<()> {
    let id_name = kind.token().id_name;
    let forms = kind.token().forms;
    let Some(swapped) = forms.swapped(id, secret) else {
        return Ok(());
    };
    let an_id = names::with_article(id_name);
    let begins = forms.id_begins.join(" or ");
    let why = match swapped {
        Swapped::SecretAsId => format!("it has the form of a secret; {an_id} begins with {begins}"),
        Swapped::IdAsSecret => format!(
            "the secret has the form of {an_id}, which begins with {begins}; the two are in each other's place"
        ),
    };
    Err(
        Error::argument(format!("invalid {id_name} of account \"{name}\""))
            .because(why)
            .advise(format!(
                "Give the {id_name} as the id. Reset a secret that others may have seen in its place."
            )),
    )
}

/// Checks that a secret is given exactly if accounts of this kind have one. Returns it.
pub(super) fn check_secret_of<'a>(
    kind: Kind,
    name: &str,
    secret: Option<&'a str>,
) -> Result<Option<&'a str>> {
    match secret.filter(|secret| !secret.is_empty()) {
        Some(secret) if kind.has_secret() => {
            names::check_secret("secret", name, secret)?;
            Ok(Some(secret))
        }
        None if kind.has_secret() => {
            names::check_secret("secret", name, "")?;
            Ok(None)
        }
        None => Ok(None),
        Some(_) => Err(
            Error::argument(format!("accounts of kind {} have no secret", kind.name())).advise(
                format!(
                    "Register the account without one, and put {}.",
                    kind.needs().collect::<Vec<_>>().join(" and ")
                ),
            ),
        ),
    }
}

pub(super) fn load_account(session: &Session, name: &str) -> Result<Option<Account>> {
    store::read(session.store(), &session.deadline, |there| {
        there.account(Some(name))
    })
}

impl Session {
    /// Registers an account. If its old secret was refused, the new secret may be tried at once.
    pub fn register(
        &self,
        mut account: Account,
        label: &Label,
        secret: Option<&str>,
    ) -> Result<Account> {
        sys::hit_failpoint(Failpoint::Sealed);
        let stored = self.change_accounts(|accounts| {
            if let (Some(secret), Some(sealed)) = (secret, &mut account.sealed) {
                self.reseal_if_rotated(label, secret, sealed)?;
            }
            let stored = account::register(accounts, account.clone())?;
            Ok((Commit::Yes, stored))
        })?;
        let rows = store::read(self.store(), &self.deadline, |there| {
            there.rows_of(&account.id)
        })?;
        let failed = rows.iter().filter(|(_, row)| row.failures > 0);
        for (key, _) in failed.filter(|(key, _)| account::leads_to(&stored, key)) {
            // The key contains the secret's fingerprint, so the failure is of this very secret.
            let is_same_secret =
                !key.discriminator.is_empty() && key.discriminator == stored.fingerprint;
            self.change_row(key, |row| {
                Commit::when(match is_same_secret {
                    true => row.shorten_backoff(),
                    false => {
                        let now = self.now();
                        let has_changed = row.note_change(now);
                        row.hold_new_secret(&stored.fingerprint, now);
                        has_changed
                    }
                })
            })?;
        }
        Ok(stored)
    }

    /// Returns whether a look found something missing that this process may know.
    pub(super) fn may_know_more(&self, name: Option<&str>, loaded: &Lookup) -> bool {
        let missing = match loaded {
            Lookup::NoAccount => name,
            Lookup::NoCredential(_) => return false,
            Lookup::Found(found) => {
                let parent = found.account.parent.as_ref();
                match parent.filter(|_| found.account.lacks_parent()) {
                    Some(parent) if found.account.kind.parent().is_some() => Some(&*parent.name),
                    _ => return false,
                }
            }
        };
        last_known(self.store_name(), |known| known.has_account(missing))
    }

    /// Puts back the accounts that this process knows and the store has lost.
    pub fn restore_accounts(&self) -> Result<()> {
        let known = last_known(self.store_name(), |known| known.accounts());
        if known.is_empty() {
            return Ok(());
        }
        let lost = store::read(self.store(), &self.deadline, |there| {
            let mut lost = Vec::new();
            for account in &known {
                if !there.has_account(&account.name)? {
                    lost.push(account.clone());
                }
            }
            Ok(lost)
        })?;
        if lost.is_empty() {
            return Ok(());
        }
        if let Err(why) = self.require_trusted() {
            self.log(LogLevel::Error, &why.for_c());
            return Ok(());
        }
        self.store()
            .change_accounts(&self.deadline, &mut |accounts| {
                let mut any = Commit::No;
                for account in &lost {
                    // An account whose key was deleted is not put back here. A process that has it under the new key
                    // does that.
                    let has_lost_key = |sealed| self.vault.has_key_of(sealed) == Ok(false);
                    if !account.sealed.as_deref().is_some_and(has_lost_key)
                        && account::put_back(accounts, account)? == Commit::Yes
                    {
                        any = Commit::Yes;
                    }
                }
                Ok(any)
            })
    }
}
