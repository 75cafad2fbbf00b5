//! What a call needs on its slow path, and its dealings with the store that are no fetch: look, put, put back, reject.

use std::sync::Arc;

use crate::account::{self, Credential, Lookup};
use crate::clock::{Deadline, Now, boot_ms};
use crate::credential::{CredentialKey, Freshness, Row, StoredSecret};
use crate::error::{Error, Hint, Result, Status};
use crate::names::{self, ACCESS_TOKEN};
use crate::options::{LogLevel, Options};
use crate::platform::{FetchSecrets, PushedSecret, Value};
use crate::process::Background;
use crate::process::cache::CachedToken;
use crate::process::{View, last_known};
use crate::secrets::{Label, Secret, Vault, fingerprint};
use crate::store::{
    self, Access, Account, Accounts, Commit, KeeperChannel, Message, NotSent, Store, StoreName,
    token_fingerprint,
};
use crate::sys;

/// How often a keeper is asked for the same.
const ASK_MS: i64 = 500;
/// How long it may take a keeper to note a rejection.
const TOLD_MS: i64 = 2000;

/// One call on its slow path; cheap to clone into a background thread.
#[derive(Clone)]
pub struct Session {
    pub view: &'static View,
    pub options: Arc<Options>,
    pub vault: Vault,
    pub deadline: Deadline,
    pub background: Arc<Background>,
    /// For a keeper, a token is to be refreshed a little earlier than for all others.
    pub is_keeper: bool,
}

impl Session {
    pub fn store(&self) -> &'static dyn Store {
        &*self.view.shared.store
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
                "wxtoken[{}] {name}: {message}\n",
                std::process::id()
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
        if self.may_know_more(account, &loaded) {
            self.restore_accounts()?;
            loaded = find(&self.deadline)?;
        }
        if let Lookup::Found(found) = &mut loaded
            && self.view.shared.apply_unsaved(&found.key, &mut found.row)
        {
            self.save_unsaved(found, deadline);
        }
        Ok(loaded)
    }

    /// Tries to write what was kept in memory; another look tries again.
    fn save_unsaved(&self, found: &Credential, by: &Deadline) {
        let shared = self.view.shared;
        let written = self.store().change_row(&found.key, by, &mut |row| {
            Ok(Commit::when(shared.apply_unsaved(&found.key, row)))
        });
        if written.is_ok() {
            shared.clear_unsaved(&found.key);
        }
    }

    /// Whether something is missing that this process may know.
    fn may_know_more(&self, name: Option<&str>, loaded: &Lookup) -> bool {
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

    /// Puts back what this process knows and the store has lost.
    pub fn restore_accounts(&self) -> Result<()> {
        let known = last_known(self.store_name(), |known| known.accounts());
        if known.is_empty() {
            return Ok(());
        }
        let lost = store::read(self.store(), &self.deadline, |there| {
            let mut lost = Vec::new();
            for account in &known {
                if there.account(Some(&account.name))?.is_none() {
                    lost.push(account.clone());
                }
            }
            Ok(lost)
        })?;
        if lost.is_empty() {
            return Ok(());
        }
        self.store()
            .change_accounts(&self.deadline, &mut |accounts| {
                let mut any = Commit::No;
                for account in &lost {
                    // One whose key is gone stays out: a process that knows it under the new key puts it back.
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

    pub fn no_account(&self, name: Option<&str>) -> Error {
        let store = self.store_name();
        let Some(name) = name else {
            let what = format!("store {store} has no current account");
            return Error::new(Status::Account, what).hint(Hint::ChooseCurrent);
        };
        let what = format!("account \"{name}\" not found in store {store}");
        let accounts = store::read(self.store(), &self.deadline, |there| there.accounts());
        let accounts = accounts.unwrap_or_default();
        let names = accounts.iter().map(|account| account.name.as_str());
        Error::new(Status::Account, what).hint(match names::nearest(name, names) {
            Some(near) => Hint::Do(format!("Did you mean \"{near}\"?")),
            None => Hint::Register {
                account: name.into(),
            },
        })
    }

    pub fn freshness(&self, row: &Row) -> Freshness {
        self.freshness_at(row, self.now())
    }

    pub fn freshness_at(&self, row: &Row, now: Now) -> Freshness {
        if self.is_keeper {
            return row.keeper_freshness(now);
        }
        row.freshness(now)
    }

    /// Whether this process must leave it to others to fetch: it may not read the key, or not write the store.
    pub fn is_reader(&self) -> bool {
        self.vault.is_unreadable() || self.store().access() == Access::Reader
    }

    fn keeper(&self) -> &'static dyn KeeperChannel {
        self.store().keeper_channel()
    }

    /// Asks a keeper to fetch, at most every [`ASK_MS`]. False when there is none to ask.
    pub fn ask_keeper(&self, found: &Credential, asked_at: &mut Option<i64>) -> bool {
        let now = boot_ms();
        if asked_at.is_some_and(|asked| now - asked < ASK_MS) {
            return true;
        }
        *asked_at = Some(now);
        match self.keeper().send(&Message::Wanted(found.name())) {
            // Where the channel is full a keeper is there, and has much to read.
            Ok(()) | Err(NotSent::Full) => true,
            Err(NotSent::Refused | NotSent::NoKeeper) => false,
        }
    }

    /// Why nobody fetches for a reader, and what to do, for its error.
    pub fn no_keeper(&self) -> (String, Option<Hint>) {
        let keeper = self.keeper();
        match keeper.is_listened_to() {
            Some(true) => ("the keeper was asked".into(), None),
            Some(false) => {
                let user = Some(keeper.keeper_user());
                let why = "no keeper is running on this store".into();
                (why, Some(Hint::Keep { user }))
            }
            None => {
                let mailbox = keeper.place();
                let why = format!("this process may not write to the keeper's mailbox, {mailbox}");
                (why, None)
            }
        }
    }

    /// Has a keeper note that the API refused the token, and waits until it has.
    fn reject_by_keeper(&self, found: &Credential, token: &str, why: Error) -> Result<()> {
        let name = found.name();
        let told = self.keeper().send(&Message::Rejected {
            fingerprint: token_fingerprint(&name, token),
            name: name.clone(),
        });
        if let Err(e) = told {
            let (reason, hint) = match e {
                NotSent::Full => {
                    let look = "See whether the keeper hangs, or somebody floods its mailbox.";
                    let reason = "the keeper's mailbox is full".into();
                    (reason, Some(Hint::Do(look.into())))
                }
                _ => self.no_keeper(),
            };
            let what = format!("cannot record that the token of {name} was refused");
            let error = Error::new(why.status, what).because(format!("{reason}; {why}"));
            return Err(Error {
                hint: why.hint,
                ..error
            }
            .hint_if(hint));
        }
        let deadline = Deadline::after(self.left_ms().min(TOLD_MS));
        loop {
            let now = self.read_credential(Some(&name))?.row;
            if now.rejected || now.token.as_deref() != Some(token) {
                return Ok(());
            }
            deadline.pause(
                2,
                8,
                &format!("waiting for the keeper to record that the token of {name} was refused"),
            )?;
        }
    }

    pub fn serve(&self, row: &Row) -> Option<CachedToken> {
        CachedToken::from_row(row, self.now())
    }

    /// Notes that the API refused the token. Kept in memory when the store cannot be written, unless this process could
    /// not fetch another one either: then it is for somebody else to know, and the caller is told that they do not.
    pub fn note_rejection(&self, found: &Credential, token: &str) -> Result<()> {
        let shared = self.view.shared;
        let noted = self.change_row(&found.key, |row| {
            shared.apply_unsaved(&found.key, row);
            Commit::when(row.reject(token))
        });
        match noted {
            Ok(()) => {
                shared.clear_unsaved(&found.key);
                Ok(())
            }
            Err(e) if e.status == Status::Store && self.has_keeper() => {
                self.reject_by_keeper(found, token, e)
            }
            Err(e) if e.status == Status::Store && self.fetch_secrets(found).is_ok() => {
                let mut row = found.row.clone();
                row.reject(token);
                shared.keep_unsaved(&found.key, row, &e);
                Ok(())
            }
            Err(e) if e.status == Status::Store => self.reject_by_keeper(found, token, e),
            Err(e) => Err(e),
        }
    }

    /// Whether this process is a reader for whom somebody fetches.
    pub fn has_keeper(&self) -> bool {
        self.is_reader() && self.keeper().is_listened_to() == Some(true)
    }

    /// What secrets the credential's fetch takes.
    pub fn fetch_secrets(&self, found: &Credential) -> Result<FetchSecrets> {
        let takes_secret = found.recipe.takes(Value::Secret);
        let secret = takes_secret.then(|| self.open_secret(&found.account));
        let put = found
            .recipe
            .put
            .as_ref()
            .map(|put| self.open_pushed_secret(found, put));
        Ok(FetchSecrets {
            secret: secret.transpose()?,
            put: put.transpose()?,
        })
    }

    fn open_secret(&self, account: &Account) -> Result<Secret> {
        match &account.sealed {
            Some(sealed) => self.vault.open(
                &Label::secret(&account.name, account.kind.name(), &account.id),
                sealed,
            ),
            None => Err(Error::new(
                Status::Secret,
                format!("no secret is stored for account \"{}\"", account.name),
            )
            .hint(Hint::RegisterAgain {
                account: account.name.clone(),
                kind: account.kind.name().into(),
                id: account.id.clone(),
                before: Some("With its secret,".into()),
            })),
        }
    }

    /// What was put. A store that has lost it gets it back from a live handle.
    fn open_pushed_secret(&self, found: &Credential, put: &PushedSecret) -> Result<Secret> {
        let kept = match &found.row.put {
            Some(kept) => Some(kept.clone()),
            None => self.restore_secret(found)?,
        };
        let kept = kept.ok_or_else(|| never_put(found, put))?;
        self.vault.open(&put_label(found, put), &kept.sealed)
    }

    /// What is stored then. What was sealed with a key that is gone stays out, for a better copy to come in.
    fn restore_secret(&self, found: &Credential) -> Result<Option<StoredSecret>> {
        let Some(known) = last_known(self.store_name(), |known| known.pushed(&found.key)) else {
            return Ok(None);
        };
        let mut stored = None;
        self.change_row(&found.key, |row| {
            let may_come = row.put.is_none() && !self.has_lost_key_of(&known);
            let changed = may_come && row.put(known.clone());
            stored.clone_from(&row.put);
            Commit::when(changed)
        })?;
        Ok(stored)
    }

    fn has_lost_key_of(&self, kept: &StoredSecret) -> bool {
        self.vault.has_key_of(&kept.sealed) == Ok(false)
    }

    /// Takes a secret in that was put. What comes back is what is stored of it.
    pub fn store_secret(
        &self,
        found: &Credential,
        put: &PushedSecret,
        value: &str,
    ) -> Result<StoredSecret> {
        let label = put_label(found, put);
        let mut kept = StoredSecret {
            sealed: self.vault.seal(&label, value)?,
            at: self.now().wall_ms,
            put_fingerprint: fingerprint(&found.key.owner(), value),
        };
        let mut stored = kept.clone();
        self.change_row(&found.key, |row| {
            self.reseal_if_rotated(&label, value, &mut kept.sealed);
            // What no key opens is not there, though the same was put.
            row.put.take_if(|known| self.has_lost_key_of(known));
            let changed = row.put(kept.clone());
            stored.clone_from(row.put.as_ref().unwrap_or(&kept));
            Commit::when(changed)
        })?;
        Ok(stored)
    }

    /// What was put for an account, in the clear, by the name of its field; with `_before` what it replaced.
    pub fn read_secret(&self, account: &Account, field: &str) -> Result<CachedToken> {
        let (field, before) = match field.strip_suffix("_before") {
            Some(field) => (field, true),
            None => (field, false),
        };
        let put = account.kind.token().put.as_ref();
        let Some(put) = put.filter(|put| put.field == field) else {
            return Err(no_credential(account, field));
        };
        let name = format!("{}/{ACCESS_TOKEN}", account.name);
        let mut found = self.read_credential(Some(&name))?;
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
            return Ok(CachedToken::uncached(&secret, 0));
        }
        let at = found.row.put.as_ref().map_or(0, |kept| kept.at);
        let secret = self.open_pushed_secret(&found, put)?;
        let ends = if put.lifetime_s > 0 && at > 0 {
            at / 1000 + put.lifetime_s
        } else {
            0
        };
        Ok(CachedToken::uncached(&secret, ends))
    }

    /// Inside a transaction: the key may have been changed since the value was sealed.
    pub fn reseal_if_rotated(&self, label: &Label, value: &str, sealed: &mut Vec<u8>) {
        if !self.vault.is_current(sealed).unwrap_or(true)
            && let Ok(anew) = self.vault.seal(label, value)
        {
            *sealed = anew;
        }
    }

    pub fn left_ms(&self) -> i64 {
        i64::try_from(self.deadline.left().as_millis()).unwrap_or(0)
    }

    /// Puts an account in. A failure of what it was before is no reason not to ask with what it is now.
    pub fn register(
        &self,
        mut account: Account,
        label: &Label,
        secret: Option<&str>,
    ) -> Result<Account> {
        let stored = self.change_accounts(|accounts| {
            if let (Some(secret), Some(sealed)) = (secret, &mut account.sealed) {
                self.reseal_if_rotated(label, secret, sealed);
            }
            let stored = account::register(accounts, account.clone())?;
            Ok((Commit::Yes, stored))
        })?;
        let rows = store::read(self.store(), &self.deadline, |there| {
            there.rows_of(&account.id)
        })?;
        for (key, _) in rows.iter().filter(|(_, row)| row.failures > 0) {
            self.change_row(key, |row| {
                row.clear_failures();
                Commit::Yes
            })?;
        }
        Ok(stored)
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

pub fn never_put(found: &Credential, put: &PushedSecret) -> Error {
    Error::new(
        Status::Secret,
        format!(
            "no {} has been put for account \"{}\" ({} {})",
            put.field, found.account.name, found.recipe.id_name, found.account.id
        ),
    )
    .because(put.source)
    .hint(Hint::Put {
        account: found.account.name.clone(),
        field: put.field.into(),
        before: None,
    })
}

pub fn put_label(found: &Credential, put: &PushedSecret) -> Label {
    Label::put(&found.account.name, put.field, &found.key.owner())
}

fn no_credential(account: &Account, credential: &str) -> Error {
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
