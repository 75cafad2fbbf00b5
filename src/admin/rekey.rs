//! Rotating the key: every sealed value is sealed again with a new key, while other processes go on.

use super::{Progress, told};
use crate::clock::Deadline;
use crate::credential::{CredentialKey, Row};
use crate::error::{Result, Status};
use crate::secrets::{Label, Vault};
use crate::store::{self, Commit, Store, StoreSnapshot, UnknownAccount};
use crate::sys::{self, Failpoint};

/// Seals every secret with a new key. Nothing is changed if a secret does not open. If the process is killed, both keys
/// stay in the file, and the next call completes the rotation.
///
/// The rotation begins and ends within a change of the accounts, when no other process of this host writes. So no
/// process seals with a key that is about to be deleted.
pub fn rekey(store: &dyn Store, vault: &Vault, by: &Deadline, tell: &Progress) -> Result<usize> {
    opened(store, by, |there| open_all(vault, there))?;
    store.change_accounts(by, &mut |_| {
        vault.begin_rotation()?;
        Ok(Commit::No)
    })?;
    let mut resealed = 0;
    loop {
        resealed += reseal_all(store, vault, by, tell)?;
        // A value that was sealed with the old key before the rotation began may be written after that. This check
        // finds it.
        let is_done = store::change_accounts(store, by, |accounts| {
            for account in accounts.accounts()? {
                if is_stale(vault, account.sealed.as_ref())? {
                    return Ok((Commit::No, false));
                }
            }
            for account in accounts.unknown_accounts()? {
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

/// Seals again every value that was not sealed with the current key. Returns how many there were.
fn reseal_all(store: &dyn Store, vault: &Vault, by: &Deadline, tell: &Progress) -> Result<usize> {
    let there = StoreSnapshot::of(store, by)?;
    let mut resealed = 0;
    let mut stale = Vec::new();
    for account in &there.accounts {
        if is_stale(vault, account.sealed.as_ref())? {
            stale.push(account.name.as_str());
        }
    }
    let mut are_unknown_stale = false;
    for account in &there.unknown {
        are_unknown_stale |= is_stale(vault, account.sealed.as_ref())?;
    }
    if !stale.is_empty() || are_unknown_stale {
        resealed += store::change_accounts(store, by, |accounts| {
            let mut count = 0;
            for name in told(stale.iter(), tell) {
                let Some(mut account) = accounts.account(Some(name))? else {
                    continue;
                };
                let label = Label::secret(&account.name, account.kind.name(), &account.id);
                if let Some(sealed) = &mut account.sealed {
                    count += reseal(vault, &label, sealed)?;
                    accounts.put(&account)?;
                }
            }
            for mut account in accounts.unknown_accounts()? {
                let label = label_of_unknown(&account);
                if let Some(sealed) = &mut account.sealed {
                    count += reseal(vault, &label, sealed)?;
                    accounts.put_unknown(&account)?;
                }
            }
            Ok((Commit::when(count > 0), count))
        })?;
    }
    for (key, row) in told(there.rows.iter(), tell) {
        if !has_stale(vault, row)? {
            continue;
        }
        let label = pushed_label(key);
        let mut count = 0;
        store.change_row(key, by, &mut |row| {
            count = 0;
            if let Some(put) = &mut row.pushed {
                count += reseal(vault, &label, &mut put.sealed)?;
            }
            if let Some(before) = &mut row.pushed_before {
                count += reseal(vault, &label, before)?;
            }
            Ok(Commit::when(count > 0))
        })?;
        resealed += count;
    }
    Ok(resealed)
}

/// Seals a value again if it was not sealed with the current key. Returns how many that were, 1 or 0.
pub fn reseal(vault: &Vault, label: &Label, sealed: &mut Vec<u8>) -> Result<usize> {
    if vault.is_current(sealed)? {
        return Ok(0);
    }
    let secret = vault.open(label, sealed)?;
    *sealed = vault.seal(label, &secret)?;
    Ok(1)
}

fn has_stale(vault: &Vault, row: &Row) -> Result<bool> {
    let put = row.pushed.as_ref().map(|put| &put.sealed);
    Ok(is_stale(vault, put)? || is_stale(vault, row.pushed_before.as_ref())?)
}

fn is_stale(vault: &Vault, sealed: Option<&Vec<u8>>) -> Result<bool> {
    sealed.map_or(Ok(false), |sealed| Ok(!vault.is_current(sealed)?))
}

/// Fails at the first sealed value that does not open.
pub fn open_all(vault: &Vault, there: &StoreSnapshot) -> Result<()> {
    for account in &there.accounts {
        if let Some(sealed) = &account.sealed {
            vault.open(
                &Label::secret(&account.name, account.kind.name(), &account.id),
                sealed,
            )?;
        }
    }
    for account in &there.unknown {
        if let Some(sealed) = &account.sealed {
            let opened = vault.open(&label_of_unknown(account), sealed);
            // A newer version may seal in another way.
            opened.map_err(|e| e.advise("Upgrade libwxtoken, and try again."))?;
        }
    }
    for (key, row) in &there.rows {
        let put = row.pushed.as_ref().map(|put| &put.sealed);
        for sealed in put.into_iter().chain(&row.pushed_before) {
            vault.open(&pushed_label(key), sealed)?;
        }
    }
    Ok(())
}

/// Returns a snapshot of a store, with each secret opened by `open`. A rotation may have deleted the key since the
/// snapshot was taken. So a missing key is an error only if a second snapshot holds the same sealed values.
pub fn opened(
    store: &dyn Store,
    by: &Deadline,
    open: impl Fn(&mut StoreSnapshot) -> Result<()>,
) -> Result<StoreSnapshot> {
    let mut failed_on = None;
    loop {
        let mut there = StoreSnapshot::of(store, by)?;
        let sealed = sealed_in(&there);
        sys::hit_failpoint(Failpoint::Opening);
        match open(&mut there) {
            Err(e) if e.status == Status::Secret && failed_on.as_ref() != Some(&sealed) => {
                failed_on = Some(sealed);
            }
            done => return done.map(|()| there),
        }
    }
}

/// Returns every sealed value of a snapshot.
fn sealed_in(there: &StoreSnapshot) -> Vec<Vec<u8>> {
    let accounts = there.accounts.iter().map(|account| &account.sealed);
    let unknown = there.unknown.iter().map(|account| &account.sealed);
    let rows = there.rows.iter().flat_map(|(_, row)| {
        let put = row.pushed.as_ref().map(|put| &put.sealed);
        put.into_iter().chain(&row.pushed_before)
    });
    let all = accounts.chain(unknown).flatten().chain(rows);
    all.cloned().collect()
}

pub fn label_of_unknown(account: &UnknownAccount) -> Label {
    Label::secret(&account.name, &account.kind, &account.id)
}

/// Seals every value again with the key of another store. If both vaults seal with the same key, each value is opened
/// and stays as it is.
pub fn seal_for(
    from: &Vault,
    to: &Vault,
    there: &mut StoreSnapshot,
    tell: &Progress,
) -> Result<()> {
    if from.seals_as(to) {
        return open_all(from, there);
    }
    let move_over = |label: &Label, sealed: &mut Vec<u8>| -> Result<()> {
        *sealed = to.seal(label, &from.open(label, sealed)?)?;
        Ok(())
    };
    for account in told(there.accounts.iter_mut(), tell) {
        let label = Label::secret(&account.name, account.kind.name(), &account.id);
        if let Some(sealed) = &mut account.sealed {
            move_over(&label, sealed)?;
        }
    }
    for account in &mut there.unknown {
        let label = label_of_unknown(account);
        if let Some(sealed) = &mut account.sealed {
            move_over(&label, sealed)?;
        }
    }
    for (key, row) in &mut there.rows {
        let label = pushed_label(key);
        let put = row.pushed.as_mut().map(|put| &mut put.sealed);
        for sealed in put.into_iter().chain(&mut row.pushed_before) {
            move_over(&label, sealed)?;
        }
    }
    Ok(())
}

pub fn pushed_label(key: &CredentialKey) -> Label {
    Label::put_for(&key.id, &key.key_text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::StoredSecret;
    use crate::platform::Kind;
    use crate::store::Account;
    use crate::store::memory::MemoryStore;

    fn quiet(_: usize, _: usize) {}

    fn by() -> Deadline {
        Deadline::after(60_000)
    }

    fn key() -> CredentialKey {
        CredentialKey {
            endpoint: "api_authorizer_token".into(),
            base_url: "https://api.weixin.qq.com".into(),
            id: "wx1".into(),
            discriminator: "wx2".into(),
        }
    }

    fn account_label() -> Label {
        Label::secret("shop", "official", "wx1")
    }

    /// Returns a store with one secret of each sort, and the vault that sealed them.
    fn sealed() -> (tempfile::TempDir, MemoryStore, Vault) {
        let directory = tempfile::tempdir().unwrap();
        let vault = Vault::at(directory.path().join("key"));
        let store = MemoryStore::new();
        let account = Account {
            name: "shop".into(),
            kind: Kind::named("official").unwrap(),
            id: "wx1".into(),
            sealed: Some(vault.seal(&account_label(), "secret").unwrap()),
            fingerprint: String::new(),
            current: false,
            parent: None,
        };
        store
            .change_accounts(&by(), &mut |accounts| {
                accounts.put(&account)?;
                Ok(Commit::Yes)
            })
            .unwrap();
        store
            .change_row(&key(), &by(), &mut |row| {
                row.pushed = Some(StoredSecret {
                    sealed: vault.seal(&pushed_label(&key()), "now").unwrap(),
                    at: 1,
                    put_fingerprint: String::new(),
                });
                row.pushed_before = Some(vault.seal(&pushed_label(&key()), "before").unwrap());
                Ok(Commit::Yes)
            })
            .unwrap();
        (directory, store, vault)
    }

    fn assert_all_open(store: &MemoryStore, vault: &Vault) {
        let there = StoreSnapshot::of(store, &by()).unwrap();
        open_all(vault, &there).unwrap();
        let sealed = there.accounts[0].sealed.as_ref().unwrap();
        assert_eq!(*vault.open(&account_label(), sealed).unwrap(), "secret");
        let row = &there.rows[0].1;
        let label = pushed_label(&key());
        let put = &row.pushed.as_ref().unwrap().sealed;
        assert_eq!(*vault.open(&label, put).unwrap(), "now");
        let before = row.pushed_before.as_ref().unwrap();
        assert_eq!(*vault.open(&label, before).unwrap(), "before");
    }

    #[test]
    fn every_value_is_sealed_again_and_the_old_key_is_deleted() {
        let (_directory, store, vault) = sealed();
        let old = StoreSnapshot::of(&store, &by()).unwrap();
        assert_eq!(rekey(&store, &vault, &by(), &quiet).unwrap(), 3);
        assert_all_open(&store, &vault);
        assert!(open_all(&vault, &old).is_err());
        let sealed = old.accounts[0].sealed.as_ref().unwrap();
        assert_eq!(vault.has_key_of(sealed), Ok(false));
    }

    #[test]
    fn an_interrupted_rotation_is_completed_by_the_next() {
        // The rotation is interrupted with both keys in the file: after the new key, after the accounts, or after
        // everything.
        for steps in 0..3 {
            let (_directory, store, vault) = sealed();
            vault.begin_rotation().unwrap();
            let there = StoreSnapshot::of(&store, &by()).unwrap();
            let mut account = there.accounts[0].clone();
            if steps > 0 {
                reseal(&vault, &account_label(), account.sealed.as_mut().unwrap()).unwrap();
                store
                    .change_accounts(&by(), &mut |accounts| {
                        accounts.put(&account)?;
                        Ok(Commit::Yes)
                    })
                    .unwrap();
            }
            if steps > 1 {
                reseal_all(&store, &vault, &by(), &quiet).unwrap();
            }
            assert_all_open(&store, &vault);
            assert_eq!(
                rekey(&store, &vault, &by(), &quiet).unwrap(),
                [3, 2, 0][steps]
            );
            assert_all_open(&store, &vault);
        }
    }

    fn put_newer(store: &MemoryStore, sealed: Vec<u8>) {
        let newer = UnknownAccount {
            name: "newer".into(),
            kind: "official_v9".into(),
            id: "wx9".into(),
            sealed: Some(sealed),
            fingerprint: String::new(),
            current: false,
            parent: None,
        };
        let put = &mut |accounts: &mut dyn store::Accounts| {
            accounts.put_unknown(&newer)?;
            Ok(Commit::Yes)
        };
        store.change_accounts(&by(), put).unwrap();
    }

    #[test]
    fn the_secret_of_an_account_of_an_unknown_kind_is_sealed_again_too() {
        let (_directory, store, vault) = sealed();
        let label = Label::secret("newer", "official_v9", "wx9");
        put_newer(&store, vault.seal(&label, "newer secret").unwrap());
        assert_eq!(rekey(&store, &vault, &by(), &quiet).unwrap(), 4);
        assert_all_open(&store, &vault);
        let there = StoreSnapshot::of(&store, &by()).unwrap();
        let sealed = there.unknown[0].sealed.as_ref().unwrap();
        assert_eq!(*vault.open(&label, sealed).unwrap(), "newer secret");
        assert_eq!(vault.is_current(sealed), Ok(true));
    }

    #[test]
    fn a_secret_of_a_newer_format_stops_a_rotation_before_any_change() {
        let (directory, store, vault) = sealed();
        put_newer(&store, vec![9; 60]);
        let key = || std::fs::read(directory.path().join("key")).unwrap();
        let (old_key, old) = (key(), StoreSnapshot::of(&store, &by()).unwrap());
        let said = rekey(&store, &vault, &by(), &quiet).unwrap_err().for_c();
        assert!(said.contains("newer") && said.contains("Upgrade"), "{said}");
        let there = StoreSnapshot::of(&store, &by()).unwrap();
        assert_eq!((key(), there.rows), (old_key, old.rows));
        assert_eq!(there.accounts, old.accounts);
    }

    #[test]
    fn a_value_that_does_not_open_keeps_both_keys() {
        let (_directory, store, vault) = sealed();
        let spoil = |row: &mut Row| {
            row.pushed_before = Some(vec![0; 40]);
            Ok(Commit::Yes)
        };
        store.change_row(&key(), &by(), &mut { spoil }).unwrap();
        let old = StoreSnapshot::of(&store, &by()).unwrap();
        assert!(rekey(&store, &vault, &by(), &quiet).is_err());
        let sealed = old.accounts[0].sealed.as_ref().unwrap();
        assert_eq!(vault.has_key_of(sealed), Ok(true), "the old key is there");
    }
}
