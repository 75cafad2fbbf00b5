//! Removing an account, and restoring all of them. Each is a sequence of steps that can be interrupted and repeated.

use std::collections::HashSet;

use super::{Progress, Removed, told};
use crate::account::{self, leads_to};
use crate::clock::Deadline;
use crate::credential::CredentialKey;
use crate::error::Result;
use crate::store::{self, Account, Commit, Read, Store, StoreSnapshot};

/// Removes an account, and the rows that no other account uses. The rows go first, so that a removal that is killed can
/// be repeated.
pub fn remove(store: &dyn Store, name: &str, by: &Deadline) -> Result<Option<Removed>> {
    let Some(id) = store::read(store, by, |there| id_of(there, name))? else {
        return Ok(None);
    };
    let mut keys = delete_rows_of(store, name, &id, by)?;
    let at_wall_ms = store.now().wall_ms;
    let gone = store::change_accounts(store, by, |accounts| {
        let gone = account::remove(accounts, name, at_wall_ms)?;
        Ok((Commit::when(gone.is_some()), gone))
    })?;
    let Some((was_current, children)) = gone else {
        return Ok(None);
    };
    // A process may have fetched in between.
    keys.extend(delete_rows_of(store, name, &id, by)?);
    Ok(Some(Removed {
        credentials: keys.len(),
        was_current,
        children,
    }))
}

/// Returns the appid, corpid and so on of an account of any kind.
fn id_of(there: &dyn Read, name: &str) -> Result<Option<String>> {
    let unknown = there.unknown_accounts()?;
    match unknown.into_iter().find(|unknown| unknown.name == name) {
        Some(unknown) => Ok(Some(unknown.id)),
        None => Ok(there.account(Some(name))?.map(|account| account.id)),
    }
}

/// Deletes the rows of an account's id that no other account uses, including those of an earlier secret, parent or
/// kind. A credential that was refused recently leaves a row that remembers the failure. A later removal of another
/// account deletes that row. An account of an unknown kind keeps every row of its id, since it may use any of them.
fn delete_rows_of(
    store: &dyn Store,
    name: &str,
    id: &str,
    by: &Deadline,
) -> Result<HashSet<CredentialKey>> {
    let now = store.now();
    let (unshared, old) = store::read(store, by, |there| {
        let others = there.accounts()?.into_iter();
        let others: Vec<Account> = others.filter(|other| other.name != name).collect();
        let unknown = there.unknown_accounts()?.into_iter();
        let unknown: Vec<String> = unknown
            .filter(|other| other.name != name)
            .map(|other| other.id)
            .collect();
        let keys = there.rows_of(id)?.into_iter().map(|(key, _)| key);
        let is_shared = |key: &CredentialKey| {
            unknown.contains(&key.id) || others.iter().any(|other| leads_to(other, key))
        };
        let unshared: HashSet<CredentialKey> = keys.filter(|key| !is_shared(key)).collect();
        let mut ids: HashSet<&str> = others.iter().map(|other| other.id.as_str()).collect();
        ids.extend(unknown.iter().map(String::as_str));
        ids.insert(id);
        let mut old = there.rows()?;
        old.retain(|(key, row)| {
            !ids.contains(key.id.as_str()) && row.memory_of_failures(now).is_none()
        });
        Ok((unshared, old))
    })?;
    for key in &unshared {
        let mut is_remembered = false;
        store.change_row(key, by, &mut |row| {
            let memory = row.memory_of_failures(now);
            is_remembered = memory.is_some();
            let is_less = memory.as_ref().is_some_and(|memory| memory != row);
            if let Some(memory) = memory {
                *row = memory;
            }
            Ok(Commit::when(is_less))
        })?;
        if !is_remembered {
            store.delete_row(key, by)?;
        }
    }
    for (key, _) in &old {
        store.delete_row(key, by)?;
    }
    Ok(unshared)
}

/// Replaces everything in a store with what a backup holds: the accounts, then the rows, then the clients. A restore
/// that was killed can be repeated.
pub fn restore(
    store: &dyn Store,
    backup: &StoreSnapshot,
    by: &Deadline,
    tell: &Progress,
) -> Result<()> {
    let at_wall_ms = store.now().wall_ms;
    store.change_accounts(by, &mut |accounts| {
        account::replace_all(accounts, backup, at_wall_ms)?;
        Ok(Commit::Yes)
    })?;
    let there = store::read(store, by, |there| there.rows())?;
    for (key, _) in &there {
        store.delete_row(key, by)?;
    }
    for (key, kept) in told(backup.rows.iter(), tell) {
        store.change_row(key, by, &mut |row| {
            row.clone_from(kept);
            Ok(Commit::Yes)
        })?;
    }
    // A backup of an older version, without clients, leaves the clients as they are.
    let Some(clients) = &backup.clients else {
        return Ok(());
    };
    store.change_clients(by, &mut |record| {
        *record = Some(clients.clone());
        Ok(Commit::Yes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::{Row, StoredSecret};
    use crate::platform::Kind;
    use crate::store::UnknownAccount;
    use crate::store::memory::MemoryStore;

    fn by() -> Deadline {
        Deadline::after(60_000)
    }

    fn account(name: &str, id: &str, fingerprint: &str) -> Account {
        Account {
            name: name.into(),
            kind: Kind::named("work").unwrap(),
            id: id.into(),
            sealed: None,
            fingerprint: fingerprint.into(),
            current: false,
            parent: None,
        }
    }

    fn key(id: &str, fingerprint: &str) -> CredentialKey {
        let work = account("", id, fingerprint);
        work.key(work.kind.token(), "https://qyapi.weixin.qq.com")
    }

    /// A store in memory with these accounts and a row for each, with a pushed secret or without.
    fn store_of(accounts: &[Account]) -> MemoryStore {
        let store = MemoryStore::new();
        for account in accounts {
            store::change_accounts(&store, &by(), |all| {
                account::register(all, account.clone())?;
                Ok((Commit::Yes, ()))
            })
            .unwrap();
            fetched(&store, &key(&account.id, &account.fingerprint));
        }
        store
    }

    fn fetched(store: &MemoryStore, key: &CredentialKey) {
        store
            .change_row(key, &by(), &mut |row| {
                row.token = Some("T".into());
                Ok(Commit::Yes)
            })
            .unwrap();
    }

    fn keys(store: &MemoryStore) -> Vec<CredentialKey> {
        let rows = StoreSnapshot::of(store, &by()).unwrap().rows;
        rows.into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn rows_that_only_this_account_uses_go_with_it() {
        let store = store_of(&[
            account("a", "corp", "f1"),
            account("twin", "corp", "f2"),
            account("other", "corp2", "f3"),
        ]);
        // The row of an earlier secret of the account.
        fetched(&store, &key("corp", "f0"));
        let removed = remove(&store, "a", &by()).unwrap().unwrap();
        assert_eq!(removed.credentials, 2);
        assert!(removed.was_current && removed.children.is_empty());
        assert_eq!(keys(&store), [key("corp", "f2"), key("corp2", "f3")]);
        assert!(remove(&store, "a", &by()).unwrap().is_none());
    }

    #[test]
    fn rows_that_an_unknown_kind_may_use_stay() {
        let store = store_of(&[account("a", "corp", "f1"), account("b", "corp2", "f2")]);
        let newer = |name: &str, id: &str| UnknownAccount {
            name: name.into(),
            kind: "work_v9".into(),
            id: id.into(),
            sealed: None,
            fingerprint: String::new(),
            current: false,
            parent: None,
        };
        store::change_accounts(&store, &by(), |accounts| {
            accounts.put_unknown(&newer("newer", "corp9"))?;
            accounts.put_unknown(&newer("same", "corp2"))?;
            Ok((Commit::Yes, ()))
        })
        .unwrap();
        fetched(&store, &key("corp9", "f9"));
        for name in ["a", "b"] {
            remove(&store, name, &by()).unwrap().unwrap();
        }
        assert_eq!(keys(&store), [key("corp2", "f2"), key("corp9", "f9")]);
        let gone = remove(&store, "newer", &by()).unwrap().unwrap();
        assert_eq!(gone.credentials, 1);
        assert_eq!(keys(&store), [key("corp2", "f2")]);
        assert!(remove(&store, "newer", &by()).unwrap().is_none());
    }

    #[test]
    fn a_recent_refusal_outlives_its_account() {
        let store = store_of(&[account("a", "corp", "f1"), account("b", "corp2", "f2")]);
        let refused = |key: &CredentialKey, failed_at: i64| {
            let change = &mut |row: &mut Row| {
                (row.failures, row.failed_at, row.backoff_ms) = (1, failed_at, 60_000);
                Ok(Commit::Yes)
            };
            store.change_row(key, &by(), change).unwrap();
        };
        let now = store.now().wall_ms;
        refused(&key("corp", "f1"), now);
        assert_eq!(remove(&store, "a", &by()).unwrap().unwrap().credentials, 1);
        assert_eq!(keys(&store), [key("corp", "f1"), key("corp2", "f2")]);
        let rows = StoreSnapshot::of(&store, &by()).unwrap().rows;
        assert_eq!((rows[0].1.failures, &rows[0].1.token), (1, &None));
        // An old row of this kind goes with the next account that is removed.
        refused(&key("corp", "f1"), now - 3_600_000);
        remove(&store, "b", &by()).unwrap();
        assert!(keys(&store).is_empty());
    }

    #[test]
    fn a_removal_that_was_cut_off_is_done_again() {
        let store = store_of(&[account("a", "corp", "f1")]);
        delete_rows_of(&store, "a", "corp", &by()).unwrap();
        // The removal was interrupted here, and a process has fetched since.
        fetched(&store, &key("corp", "f1"));
        let removed = remove(&store, "a", &by()).unwrap().unwrap();
        assert_eq!(removed.credentials, 1);
        assert!(keys(&store).is_empty());
    }

    #[test]
    fn a_restore_replaces_all_and_can_be_done_again() {
        let store = store_of(&[account("a", "corp", "f1"), account("b", "corp2", "f2")]);
        let kept = Row {
            pushed: Some(StoredSecret {
                sealed: vec![1],
                at: 1,
                put_fingerprint: String::new(),
            }),
            ..Row::default()
        };
        let backup = StoreSnapshot {
            accounts: vec![account("b", "corp3", "f3")],
            unknown: Vec::new(),
            rows: vec![(key("corp3", "f3"), kept.clone())],
            clients: Some("{}".into()),
        };
        for _ in 0..2 {
            restore(&store, &backup, &by(), &|_, _| {}).unwrap();
            let there = StoreSnapshot::of(&store, &by()).unwrap();
            assert_eq!(there.accounts, backup.accounts);
            assert_eq!(there.clients, backup.clients);
            assert_eq!(there.rows, [(key("corp3", "f3"), kept.clone())]);
            // The restore was interrupted after the accounts: the old rows are still there.
            fetched(&store, &key("corp", "f1"));
        }
    }
}
