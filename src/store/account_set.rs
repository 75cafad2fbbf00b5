//! The accounts of a store, held in memory. A store that changes all its accounts at once uses this.

use std::collections::BTreeMap;

use super::{Account, UnknownAccount};
use crate::error::Result;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountSet {
    /// Accounts by name. Their own `current` and `parent.there` are not used here; `account` fills them in.
    pub accounts: BTreeMap<String, Account>,
    /// Accounts of kinds that this version does not know.
    pub unknown: BTreeMap<String, UnknownAccount>,
    pub current: Option<String>,
    /// Accounts that an operator has removed, each with the time of its removal.
    pub removed: BTreeMap<String, i64>,
}

impl AccountSet {
    /// Returns the account of this name with its parent looked up. `None` names the current account.
    pub fn account(&self, name: Option<&str>) -> Result<Option<Account>> {
        let Some(name) = name.or(self.current.as_deref()) else {
            return Ok(None);
        };
        match self.unknown.get(name) {
            Some(unknown) => Err(unknown.error()),
            None => Ok(self.accounts.get(name).map(|account| self.whole(account))),
        }
    }

    fn whole(&self, account: &Account) -> Account {
        let mut account = account.clone();
        account.current = self.is_current(&account.name);
        if let Some(parent) = &mut account.parent {
            let there = self.accounts.get(&parent.name);
            parent.there = there.map(|there| (there.kind, there.id.clone()));
        }
        account
    }

    fn is_current(&self, name: &str) -> bool {
        self.current.as_deref() == Some(name)
    }

    pub fn has(&self, name: &str) -> bool {
        self.accounts.contains_key(name) || self.unknown.contains_key(name)
    }

    pub fn all(&self) -> Vec<Account> {
        let all = self.accounts.values();
        all.map(|account| self.whole(account)).collect()
    }

    pub fn all_unknown(&self) -> Vec<UnknownAccount> {
        let all = self.unknown.values().cloned();
        all.map(|account| UnknownAccount {
            current: self.is_current(&account.name),
            ..account
        })
        .collect()
    }

    pub fn of_id(&self, id: &str) -> Vec<Account> {
        let mut accounts = self.all();
        accounts.retain(|account| account.id == id);
        accounts
    }

    pub fn some_names(&self, most: usize) -> Vec<String> {
        let mut names: Vec<&String> = self.accounts.keys().chain(self.unknown.keys()).collect();
        names.sort();
        names.into_iter().take(most).cloned().collect()
    }

    pub fn removed_names(&self) -> Vec<String> {
        self.removed.keys().cloned().collect()
    }

    pub fn put(&mut self, account: &Account) {
        self.unknown.remove(&account.name);
        self.accounts.insert(account.name.clone(), account.clone());
    }

    pub fn put_unknown(&mut self, account: &UnknownAccount) {
        self.accounts.remove(&account.name);
        self.unknown.insert(account.name.clone(), account.clone());
    }

    pub fn remove(&mut self, name: &str, at_wall_ms: i64) {
        self.accounts.remove(name);
        self.unknown.remove(name);
        self.current.take_if(|current| current == name);
        self.removed.insert(name.into(), at_wall_ms);
    }

    pub fn set_current(&mut self, name: &str) {
        if self.has(name) {
            self.current = Some(name.into());
        }
    }
}
