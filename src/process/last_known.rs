//! The accounts and pushed secrets, sealed, that this process last knew of a store. A store that is lost gets them
//! back.
//!
//! An existing account is never overwritten. An account that an operator has removed stays removed. A secret that was
//! sealed with a deleted key is not restored: another process that has it under the new key restores it. Restoring
//! never changes which account is the current one.
//!
//! An entry lives as long as one of the handles that brought it. The entries are behind the fork lock, since the
//! handles of a forked child are live too.

use std::collections::{HashMap, HashSet};

use crate::credential::{CredentialKey, StoredSecret};
use crate::store::{Account, ParentLink, StoreName};
use crate::sys::{ForkGuarded, ForkLock};

/// The number of a handle. It is unique in this process and its children.
pub type HandleId = u64;

static KNOWN: ForkGuarded<Vec<(StoreName, LastKnown)>> = ForkGuarded::new(Vec::new());

/// The entries of one store.
#[derive(Default)]
pub struct LastKnown {
    accounts: HashMap<String, Entry<Account>>,
    pushed: HashMap<CredentialKey, Entry<StoredSecret>>,
}

struct Entry<T> {
    value: T,
    holders: HashSet<HandleId>,
}

impl<T> Entry<T> {
    fn of(holder: HandleId, value: T) -> Entry<T> {
        Entry {
            value,
            holders: HashSet::from([holder]),
        }
    }

    /// Removes a holder. Returns false if none is left.
    fn release(&mut self, holder: HandleId) -> bool {
        self.holders.remove(&holder);
        !self.holders.is_empty()
    }
}

/// Runs `work` on what this process knows about a store.
pub fn last_known<T>(store: &StoreName, work: impl FnOnce(&mut LastKnown) -> T) -> T {
    let held = ForkLock::enter();
    let mut known = KNOWN.borrow(&held);
    let place = known.iter().position(|(name, _)| name == store);
    let place = place.unwrap_or_else(|| {
        known.push((store.clone(), LastKnown::default()));
        known.len() - 1
    });
    work(&mut known[place].1)
}

impl LastKnown {
    /// Records an account that a handle has registered, or has found registered in the same way.
    pub fn record_account(&mut self, holder: HandleId, mut account: Account) {
        match self.accounts.get_mut(&account.name) {
            Some(entry) => {
                if account.parent.is_none() {
                    account.parent = entry.value.parent.take();
                }
                entry.value = account;
                entry.holders.insert(holder);
            }
            None => {
                let name = account.name.clone();
                self.accounts.insert(name, Entry::of(holder, account));
            }
        }
    }

    /// Records which account is the current one.
    pub fn record_current(&mut self, name: &str) {
        for entry in self.accounts.values_mut() {
            entry.value.current = entry.value.name == name;
        }
    }

    /// Records an account's parent.
    pub fn record_parent(&mut self, name: &str, parent: &str) {
        if let Some(entry) = self.accounts.get_mut(name) {
            entry.value.parent = Some(ParentLink {
                name: parent.into(),
                there: None,
            });
        }
    }

    /// Records a secret that a handle has put.
    pub fn record_pushed(&mut self, holder: HandleId, key: &CredentialKey, kept: StoredSecret) {
        match self.pushed.get_mut(key) {
            Some(entry) => {
                entry.value = kept;
                entry.holders.insert(holder);
            }
            None => {
                self.pushed.insert(key.clone(), Entry::of(holder, kept));
            }
        }
    }

    /// Records that the platform has replaced a pushed secret.
    pub fn rotate_pushed(&mut self, key: &CredentialKey, kept: &StoredSecret) {
        if let Some(entry) = self.pushed.get_mut(key) {
            entry.value.clone_from(kept);
        }
    }

    /// Replaces everything that a handle holds. A keeper passes all that it has seen in the store, now or earlier.
    pub fn record_all(
        &mut self,
        holder: HandleId,
        accounts: &HashMap<String, Account>,
        pushed: &HashMap<CredentialKey, StoredSecret>,
    ) {
        self.release(holder);
        for account in accounts.values() {
            self.record_account(holder, account.clone());
        }
        for (key, kept) in pushed {
            self.record_pushed(holder, key, kept.clone());
        }
    }

    /// Forgets an account that an operator has removed, so that it is not put back.
    pub fn forget_account(&mut self, name: &str) {
        self.accounts.remove(name);
    }

    /// Releases everything that a handle holds, after the handle has been freed.
    fn release(&mut self, holder: HandleId) {
        self.accounts.retain(|_, entry| entry.release(holder));
        self.pushed.retain(|_, entry| entry.release(holder));
    }

    /// Returns the accounts, sorted by name.
    pub fn accounts(&self) -> Vec<Account> {
        let known = self.accounts.values();
        let mut accounts: Vec<Account> = known.map(|entry| entry.value.clone()).collect();
        accounts.sort_by(|a, b| a.name.cmp(&b.name));
        accounts
    }

    /// Returns whether an account is known. None stands for the current account.
    pub fn has_account(&self, name: Option<&str>) -> bool {
        match name {
            Some(name) => self.accounts.contains_key(name),
            None => self.accounts.values().any(|entry| entry.value.current),
        }
    }

    /// Returns the last pushed secret of a credential.
    pub fn pushed(&self, key: &CredentialKey) -> Option<StoredSecret> {
        self.pushed.get(key).map(|entry| entry.value.clone())
    }
}

/// Releases everything that a handle holds of any store, after the handle has been freed.
pub fn release_handle(holder: HandleId) {
    let held = ForkLock::enter();
    for (_, known) in &mut *KNOWN.borrow(&held) {
        known.release(holder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Kind;

    fn account(name: &str, id: &str) -> Account {
        Account {
            name: name.into(),
            kind: Kind::named("official").unwrap(),
            id: id.into(),
            sealed: None,
            fingerprint: String::new(),
            current: false,
            parent: None,
        }
    }

    fn key() -> CredentialKey {
        CredentialKey {
            endpoint: "e".into(),
            base_url: "u".into(),
            id: "i".into(),
            discriminator: String::new(),
        }
    }

    fn secret(at: i64) -> StoredSecret {
        StoredSecret {
            sealed: vec![1],
            at,
            put_fingerprint: "f".into(),
        }
    }

    #[test]
    fn an_entry_lives_as_long_as_one_holder_and_keeps_the_last_value() {
        let mut known = LastKnown::default();
        known.record_account(1, account("a", "old"));
        known.record_account(2, account("a", "new"));
        known.record_pushed(1, &key(), secret(1));
        known.release(2);
        assert_eq!(known.accounts()[0].id, "new");
        assert!(known.has_account(Some("a")) && !known.has_account(None));
        known.rotate_pushed(&key(), &secret(2));
        assert_eq!(known.pushed(&key()), Some(secret(2)));
        known.release(1);
        assert!(known.accounts().is_empty());
        assert_eq!(known.pushed(&key()), None);
    }

    #[test]
    fn the_current_account_and_the_parents_are_known_too() {
        let mut known = LastKnown::default();
        known.record_account(1, account("a", "wx1"));
        known.record_account(1, account("b", "wx2"));
        known.record_current("b");
        known.record_parent("a", "b");
        known.record_account(1, account("a", "wx1"));
        let accounts = known.accounts();
        assert!(!accounts[0].current && accounts[1].current && known.has_account(None));
        assert_eq!(accounts[0].parent.as_ref().unwrap().name, "b");
        known.forget_account("b");
        assert!(!known.has_account(Some("b")));
    }

    #[test]
    fn a_keeper_holds_what_it_saw_last_and_nothing_older() {
        let mut known = LastKnown::default();
        known.record_account(1, account("a", "wx1"));
        known.record_account(2, account("b", "wx2"));
        let seen = HashMap::from([("b".to_owned(), account("b", "wx2"))]);
        known.record_all(1, &seen, &HashMap::from([(key(), secret(1))]));
        assert_eq!(known.accounts().len(), 1);
        known.release(2);
        assert!(known.has_account(Some("b")));
        assert_eq!(known.pushed(&key()), Some(secret(1)));
    }
}
