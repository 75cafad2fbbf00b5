//! What an operator does with a store, and what looks into its surroundings. For the command `wxtoken`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::account::{self, leads_to};
use crate::client::Client;
use crate::client::session::Session;
use crate::clock::Deadline;
use crate::credential::{CredentialKey, Row};
use crate::error::{Error, Result};
use crate::names;
use crate::options::{LogLevel, Options};
use crate::platform::{self, Probe};
use crate::process::last_known;
use crate::secrets::{Label, Vault};
use crate::store::{
    self, Account, Commit, Store, StoreName, StoreSnapshot, lock_path, mailbox_path, read_backup,
    write_backup,
};

/// The files of a store.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The SQLite file.
    pub store: PathBuf,
    /// The key that seals the secrets, by default `<store>.key`.
    pub key: PathBuf,
    /// `<store>.lock`.
    pub lock: PathBuf,
    /// `<store>.mailbox`, the FIFO that a keeper reads.
    pub mailbox: PathBuf,
}

/// What was removed with an account.
#[derive(Clone, Debug, Default)]
pub struct Removed {
    /// Tokens and tickets that no other account has.
    pub credentials: usize,
    /// It was the current one: now there is none.
    pub was_current: bool,
    /// Accounts whose parent it was.
    pub children: Vec<String>,
}

impl Client {
    /// The files of the store at `path`, whether they are there or not.
    pub fn locate(path: Option<&str>) -> Result<Paths> {
        let store = StoreName::parse(path)?;
        Ok(paths(&store, &Options::from_environment()?))
    }

    pub fn paths(&self) -> Paths {
        paths(self.store(), &self.options())
    }

    pub fn remove(&self, name: &str) -> Result<Removed> {
        names::check_account(name)?;
        let session = self.session()?;
        let Some(removed) = remove(&session, name)? else {
            return Err(session.no_account(Some(name)));
        };
        last_known(self.store(), |known| known.forget_account(name));
        session.view.shared.invalidate_all();
        session.log(LogLevel::Info, &format!("removed account \"{name}\""));
        Ok(removed)
    }

    pub fn rekey(&self) -> Result<usize> {
        let session = self.session()?;
        let resealed = rekey(session.store(), &session.vault, &session.deadline)?;
        session.log(LogLevel::Info, "sealed every secret with a new key");
        Ok(resealed)
    }

    pub fn backup(&self, to: &Path) -> Result<()> {
        let session = self.session()?;
        let snapshot = StoreSnapshot::of(session.store(), &session.deadline)?;
        write_backup(to, &snapshot)
    }

    pub fn restore(&self, from: &Path) -> Result<usize> {
        let session = self.session()?;
        // Where the key is, a file with sealed secrets is as safe as it.
        let key = self.paths().key;
        let snapshot = read_backup(from, key.parent().unwrap_or(Path::new(".")))?;
        open_all(&session.vault, &snapshot)?;
        restore(session.store(), &snapshot, &session.deadline)?;
        session.view.shared.invalidate_all();
        Ok(snapshot.accounts.len())
    }

    pub fn check_secrets(&self, name: &str) -> Result<()> {
        names::check_account(name)?;
        let session = self.session()?;
        let found = session.read_credential(Some(name))?;
        session.fetch_secrets(&found).map(|_| ())
    }

    pub fn base_urls_in_use(&self) -> Result<Vec<(&'static str, String)>> {
        let session = self.session()?;
        let accounts = store::read(session.store(), &session.deadline, |there| there.accounts())?;
        let mut in_use = Vec::new();
        for account in &accounts {
            let platform = account.kind.token().platform;
            let url = session.options.base_url(platform).to_owned();
            if !in_use.contains(&(platform.option, url.clone())) {
                in_use.push((platform.option, url));
            }
        }
        Ok(in_use)
    }

    pub fn probe(&self, base_url: &str) -> Result<Probe> {
        let options = self.options();
        let known = options.base_urls.iter().any(|known| known == base_url);
        if !known {
            return Err(Error::argument("no option holds this base URL"));
        }
        platform::probe(base_url, &options, &Deadline::after(options.timeout_ms))
    }
}

fn paths(store: &StoreName, options: &Options) -> Paths {
    let StoreName::File(path) = store;
    Paths {
        key: store.key_file(options),
        lock: lock_path(path),
        mailbox: mailbox_path(path),
        store: path.clone(),
    }
}

/// Takes an account out, with the rows that belong to no other. Its rows go first: killed before the end, it is there to be
/// removed again.
fn remove(session: &Session, name: &str) -> Result<Option<Removed>> {
    let (store, by) = (session.store(), &session.deadline);
    let account = store::read(store, by, |there| there.account(Some(name)))?;
    let Some(account) = account else {
        return Ok(None);
    };
    let mut keys = delete_rows_of(store, &account, by)?;
    let gone = session.change_accounts(|accounts| {
        let gone = account::remove(accounts, name, session.now().wall_ms)?;
        Ok((Commit::when(gone.is_some()), gone))
    })?;
    let Some((account, children)) = gone else {
        return Ok(None);
    };
    // What a process has fetched meanwhile.
    keys.extend(delete_rows_of(store, &account, by)?);
    Ok(Some(Removed {
        credentials: keys.len(),
        was_current: account.current,
        children,
    }))
}

/// Deletes the rows of an account's id that no other account leads to; those of an earlier secret, parent or kind too.
fn delete_rows_of(
    store: &dyn Store,
    account: &Account,
    by: &Deadline,
) -> Result<HashSet<CredentialKey>> {
    let unshared = store::read(store, by, |there| {
        let others = there.accounts()?.into_iter();
        let others: Vec<Account> = others.filter(|other| other.name != account.name).collect();
        let keys = there.rows_of(&account.id)?.into_iter().map(|(key, _)| key);
        let is_shared = |key: &CredentialKey| others.iter().any(|other| leads_to(other, key));
        Ok(keys.filter(|key| !is_shared(key)).collect::<HashSet<_>>())
    })?;
    for key in &unshared {
        store.delete_row(key, by)?;
    }
    Ok(unshared)
}

/// Seals every secret with a new key. Killed anywhere, both keys are in the file, and the next one ends it.
///
/// A change of keys begins and ends within a change of the accounts, when no other process of this host writes: none seals
/// with a key that is about to go.
fn rekey(store: &dyn Store, vault: &Vault, by: &Deadline) -> Result<usize> {
    store.change_accounts(by, &mut |_| {
        vault.begin_rotation()?;
        Ok(Commit::No)
    })?;
    let mut resealed = 0;
    loop {
        resealed += reseal_all(store, vault, by)?;
        // What was sealed with the old key before the beginning, and written after it, is caught here.
        let is_done = store::change_accounts(store, by, |accounts| {
            for account in accounts.accounts()? {
                if is_stale(vault, account.sealed.as_ref())? {
                    return Ok((Commit::No, false));
                }
            }
            for (_, row) in accounts.rows()? {
                if has_stale(vault, &row)? {
                    return Ok((Commit::No, false));
                }
            }
            vault.finish_rotation()?;
            Ok((Commit::No, true))
        })?;
        if is_done {
            return Ok(resealed);
        }
    }
}

/// Seals what is not of the key that seals now. How many there were.
fn reseal_all(store: &dyn Store, vault: &Vault, by: &Deadline) -> Result<usize> {
    let there = StoreSnapshot::of(store, by)?;
    let mut resealed = 0;
    let mut stale = Vec::new();
    for account in &there.accounts {
        if is_stale(vault, account.sealed.as_ref())? {
            stale.push(account.name.as_str());
        }
    }
    if !stale.is_empty() {
        resealed += store::change_accounts(store, by, |accounts| {
            let mut count = 0;
            for name in &stale {
                let Some(mut account) = accounts.account(Some(name))? else {
                    continue;
                };
                let label = Label::secret(&account.name, account.kind.name(), &account.id);
                if let Some(sealed) = &mut account.sealed {
                    count += reseal(vault, &label, sealed)?;
                    accounts.put(&account)?;
                }
            }
            Ok((Commit::when(count > 0), count))
        })?;
    }
    for (key, row) in &there.rows {
        if !has_stale(vault, row)? {
            continue;
        }
        let label = pushed_label(key);
        let mut count = 0;
        store.change_row(key, by, &mut |row| {
            count = 0;
            if let Some(put) = &mut row.put {
                count += reseal(vault, &label, &mut put.sealed)?;
            }
            if let Some(before) = &mut row.put_before {
                count += reseal(vault, &label, before)?;
            }
            Ok(Commit::when(count > 0))
        })?;
        resealed += count;
    }
    Ok(resealed)
}

/// Seals a value anew unless the key that seals now has sealed it. How many that were: one or none.
fn reseal(vault: &Vault, label: &Label, sealed: &mut Vec<u8>) -> Result<usize> {
    if vault.is_current(sealed)? {
        return Ok(0);
    }
    let secret = vault.open(label, sealed)?;
    *sealed = vault.seal(label, &secret)?;
    Ok(1)
}

fn has_stale(vault: &Vault, row: &Row) -> Result<bool> {
    let put = row.put.as_ref().map(|put| &put.sealed);
    Ok(is_stale(vault, put)? || is_stale(vault, row.put_before.as_ref())?)
}

fn is_stale(vault: &Vault, sealed: Option<&Vec<u8>>) -> Result<bool> {
    sealed.map_or(Ok(false), |sealed| Ok(!vault.is_current(sealed)?))
}

/// Fails at the first sealed value that does not open.
fn open_all(vault: &Vault, there: &StoreSnapshot) -> Result<()> {
    for account in &there.accounts {
        if let Some(sealed) = &account.sealed {
            vault.open(
                &Label::secret(&account.name, account.kind.name(), &account.id),
                sealed,
            )?;
        }
    }
    for (key, row) in &there.rows {
        let put = row.put.as_ref().map(|put| &put.sealed);
        for sealed in put.into_iter().chain(&row.put_before) {
            vault.open(&pushed_label(key), sealed)?;
        }
    }
    Ok(())
}

fn pushed_label(key: &CredentialKey) -> Label {
    Label::put_for(&key.id, &key.owner())
}

/// Puts what a backup holds in the place of all that is there: the accounts, then the rows. Killed between, it is done again.
fn restore(store: &dyn Store, backup: &StoreSnapshot, by: &Deadline) -> Result<()> {
    let at_wall_ms = store.now().wall_ms;
    store.change_accounts(by, &mut |accounts| {
        account::replace_all(accounts, &backup.accounts, at_wall_ms)?;
        Ok(Commit::Yes)
    })?;
    let there = store::read(store, by, |there| there.rows())?;
    for (key, _) in &there {
        store.delete_row(key, by)?;
    }
    for (key, kept) in &backup.rows {
        store.change_row(key, by, &mut |row| {
            row.clone_from(kept);
            Ok(Commit::Yes)
        })?;
    }
    Ok(())
}
