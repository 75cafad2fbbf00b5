//! A store in memory, for tests: what the trait promises, in the fewest lines. Its clock stands where a test sets it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{
    Access, Account, Accounts, Commit, Inbox, KeeperChannel, LeaderLock, Message, NotSent, Read,
    Store, StoreName, UnknownAccount,
};
use crate::clock::{Deadline, Now};
use crate::credential::{CredentialKey, Row};
use crate::error::{Error, Result};

/// One process's way to a place that several share.
#[derive(Clone)]
pub struct MemoryStore {
    name: StoreName,
    place: Arc<Place>,
}

struct Place {
    state: Mutex<State>,
    locked: Mutex<HashSet<(CredentialKey, i64)>>,
    mail: Mutex<Option<Vec<Message>>>,
    now: Mutex<Now>,
}

#[derive(Clone, Default)]
struct State {
    accounts: BTreeMap<String, Account>,
    unknown: BTreeMap<String, UnknownAccount>,
    current: Option<String>,
    removed: BTreeSet<String>,
    rows: Vec<(CredentialKey, Row)>,
}

impl MemoryStore {
    pub fn new() -> MemoryStore {
        let now = Now {
            wall_ms: 1_800_000_000_000,
            steady_ms: 1_000_000,
            epoch: "memory",
        };
        MemoryStore {
            name: StoreName::File("/memory".into()),
            place: Arc::new(Place {
                state: Mutex::default(),
                locked: Mutex::default(),
                mail: Mutex::default(),
                now: Mutex::new(now),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.place.state.lock().unwrap()
    }
}

impl Store for MemoryStore {
    fn name(&self) -> &StoreName {
        &self.name
    }

    fn read(&self, _by: &Deadline, look: &mut dyn FnMut(&dyn Read) -> Result<()>) -> Result<()> {
        let state = self.state().clone();
        look(&state)
    }

    fn change_row(
        &self,
        key: &CredentialKey,
        _by: &Deadline,
        change: &mut dyn FnMut(&mut Row) -> Result<Commit>,
    ) -> Result<()> {
        loop {
            let before = self.state().row(key)?;
            let mut row = before.clone().unwrap_or_default();
            if change(&mut row)? == Commit::No {
                return Ok(());
            }
            let mut state = self.state();
            // Compare and set, as a store on another host has to.
            if state.row(key)? != before {
                continue;
            }
            match state.rows.iter_mut().find(|(known, _)| known == key) {
                Some((_, place)) => *place = row,
                None => state.rows.push((key.clone(), row)),
            }
            return Ok(());
        }
    }

    fn change_accounts(
        &self,
        _by: &Deadline,
        change: &mut dyn FnMut(&mut dyn Accounts) -> Result<Commit>,
    ) -> Result<()> {
        let mut state = self.state();
        let mut changed = state.clone();
        if change(&mut changed)? == Commit::Yes {
            *state = changed;
        }
        Ok(())
    }

    fn delete_row(&self, key: &CredentialKey, _by: &Deadline) -> Result<()> {
        self.state().rows.retain(|(known, _)| known != key);
        Ok(())
    }

    fn try_lead(&self, key: &CredentialKey, slot: i64) -> Result<Option<LeaderLock<'_>>> {
        let taken = (key.clone(), slot);
        let is_ours = self.place.locked.lock().unwrap().insert(taken.clone());
        Ok(is_ours.then(|| LeaderLock {
            slot,
            release: Box::new(move || {
                self.place.locked.lock().unwrap().remove(&taken);
            }),
        }))
    }

    fn now(&self) -> Now {
        *self.place.now.lock().unwrap()
    }

    fn access(&self) -> Access {
        Access::Writer
    }

    fn why_reader(&self, _: &Deadline) -> Option<Error> {
        None
    }

    fn keeper_channel(&self) -> &dyn KeeperChannel {
        self
    }

    fn close_idle(&self) {}
}

impl Read for State {
    fn account(&self, name: Option<&str>) -> Result<Option<Account>> {
        let Some(name) = name.or(self.current.as_deref()) else {
            return Ok(None);
        };
        if let Some(unknown) = self.unknown.get(name) {
            return Err(unknown.error());
        }
        Ok(self.accounts.get(name).map(|account| {
            let mut account = account.clone();
            account.current = self.current.as_ref() == Some(&account.name);
            if let Some(parent) = &mut account.parent {
                let there = self.accounts.get(&parent.name);
                parent.there = there.map(|there| (there.kind, there.id.clone()));
            }
            account
        }))
    }

    fn has_account(&self, name: &str) -> Result<bool> {
        Ok(self.accounts.contains_key(name) || self.unknown.contains_key(name))
    }

    fn some_names(&self, most: usize) -> Result<Vec<String>> {
        let mut names: Vec<&String> = self.accounts.keys().chain(self.unknown.keys()).collect();
        names.sort();
        Ok(names.into_iter().take(most).cloned().collect())
    }

    fn accounts(&self) -> Result<Vec<Account>> {
        let names = self.accounts.keys();
        let accounts = names.filter_map(|name| self.account(Some(name)).transpose());
        accounts.collect()
    }

    fn unknown_accounts(&self) -> Result<Vec<UnknownAccount>> {
        let all = self.unknown.values().cloned().map(|mut account| {
            account.current = self.current.as_ref() == Some(&account.name);
            account
        });
        Ok(all.collect())
    }

    fn accounts_of(&self, id: &str) -> Result<Vec<Account>> {
        let mut accounts = self.accounts()?;
        accounts.retain(|account| account.id == id);
        Ok(accounts)
    }

    fn removed(&self) -> Result<Vec<String>> {
        Ok(self.removed.iter().cloned().collect())
    }

    fn row(&self, key: &CredentialKey) -> Result<Option<Row>> {
        let found = self.rows.iter().find(|(known, _)| known == key);
        Ok(found.map(|(_, row)| row.clone()))
    }

    fn rows(&self) -> Result<Vec<(CredentialKey, Row)>> {
        Ok(self.rows.clone())
    }

    fn rows_of(&self, id: &str) -> Result<Vec<(CredentialKey, Row)>> {
        let all = self.rows.iter();
        Ok(all.filter(|(key, _)| key.id == id).cloned().collect())
    }
}

impl Accounts for State {
    fn is_removed(&self, name: &str) -> Result<bool> {
        Ok(self.removed.contains(name))
    }

    fn put(&mut self, account: &Account) -> Result<()> {
        self.unknown.remove(&account.name);
        self.accounts.insert(account.name.clone(), account.clone());
        Ok(())
    }

    fn put_unknown(&mut self, account: &UnknownAccount) -> Result<()> {
        self.accounts.remove(&account.name);
        self.unknown.insert(account.name.clone(), account.clone());
        Ok(())
    }

    fn remove(&mut self, name: &str, _at_wall_ms: i64) -> Result<()> {
        self.accounts.remove(name);
        self.unknown.remove(name);
        self.current.take_if(|current| current == name);
        self.removed.insert(name.into());
        Ok(())
    }

    fn clear_removed(&mut self, name: &str) -> Result<()> {
        self.removed.remove(name);
        Ok(())
    }

    fn set_current(&mut self, name: &str) -> Result<()> {
        if self.has_account(name)? {
            self.current = Some(name.into());
        }
        Ok(())
    }
}

impl KeeperChannel for MemoryStore {
    fn send(&self, message: &Message) -> Result<(), NotSent> {
        let mut mail = self.place.mail.lock().unwrap();
        let mail = mail.as_mut().ok_or(NotSent::NoKeeper)?;
        mail.push(message.clone());
        Ok(())
    }

    fn is_listened_to(&self) -> Option<bool> {
        Some(self.place.mail.lock().unwrap().is_some())
    }

    fn keeper_user(&self) -> String {
        "the test".into()
    }

    fn place(&self) -> String {
        "memory".into()
    }

    fn listen(&self) -> Result<Box<dyn Inbox>> {
        let (silent, _) = UnixStream::pair().map_err(|e| Error::store(e.to_string()))?;
        *self.place.mail.lock().unwrap() = Some(Vec::new());
        Ok(Box::new(MemoryInbox {
            place: self.place.clone(),
            silent,
        }))
    }
}

struct MemoryInbox {
    place: Arc<Place>,
    /// Nothing polls here: a socket that stays silent stands for the descriptor.
    silent: UnixStream,
}

impl Inbox for MemoryInbox {
    fn fd(&self) -> BorrowedFd<'_> {
        self.silent.as_fd()
    }

    fn is_in_place(&self) -> bool {
        true
    }

    fn read(&mut self, most: usize) -> Vec<Message> {
        let mut mail = self.place.mail.lock().unwrap();
        let Some(mail) = mail.as_mut() else {
            return Vec::new();
        };
        mail.drain(..most.min(mail.len())).collect()
    }
}

impl Drop for MemoryInbox {
    fn drop(&mut self) {
        *self.place.mail.lock().unwrap() = None;
    }
}
