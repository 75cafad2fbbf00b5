//! A store in memory, for tests. It keeps the promises of the trait in the fewest lines. A test sets its clock.

use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard};

use super::account_set::AccountSet;
use super::{
    Access, Account, Accounts, Commit, Inbox, KeeperChannel, LeaderLock, Message, NotSent, Read,
    Store, StoreName, UnknownAccount,
};
use crate::clock::{Deadline, Now};
use crate::credential::{CredentialKey, Row};
use crate::error::{Error, Result};

/// One process's handle to a place that several share.
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
    set: AccountSet,
    rows: Vec<(CredentialKey, Row)>,
    clients: Option<String>,
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
            // Compares and sets, as a store on another host must.
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

    fn change_clients(
        &self,
        _by: &Deadline,
        change: &mut dyn FnMut(&mut Option<String>) -> Result<Commit>,
    ) -> Result<()> {
        let mut state = self.state();
        let mut changed = state.clients.clone();
        if change(&mut changed)? == Commit::Yes {
            state.clients = changed;
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
        self.set.account(name)
    }

    fn has_account(&self, name: &str) -> Result<bool> {
        Ok(self.set.has(name))
    }

    fn some_names(&self, most: usize) -> Result<Vec<String>> {
        Ok(self.set.some_names(most))
    }

    fn accounts(&self) -> Result<Vec<Account>> {
        Ok(self.set.all())
    }

    fn unknown_accounts(&self) -> Result<Vec<UnknownAccount>> {
        Ok(self.set.all_unknown())
    }

    fn accounts_of(&self, id: &str) -> Result<Vec<Account>> {
        Ok(self.set.of_id(id))
    }

    fn removed(&self) -> Result<Vec<String>> {
        Ok(self.set.removed_names())
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

    fn clients(&self) -> Result<Option<String>> {
        Ok(self.clients.clone())
    }
}

impl Accounts for State {
    fn is_removed(&self, name: &str) -> Result<bool> {
        Ok(self.set.removed.contains_key(name))
    }

    fn put(&mut self, account: &Account) -> Result<()> {
        self.set.put(account);
        Ok(())
    }

    fn put_unknown(&mut self, account: &UnknownAccount) -> Result<()> {
        self.set.put_unknown(account);
        Ok(())
    }

    fn remove(&mut self, name: &str, at_wall_ms: i64) -> Result<()> {
        self.set.remove(name, at_wall_ms);
        Ok(())
    }

    fn clear_removed(&mut self, name: &str) -> Result<()> {
        self.set.removed.remove(name);
        Ok(())
    }

    fn set_current(&mut self, name: &str) -> Result<()> {
        self.set.set_current(name);
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
    /// A socket that stays silent, in place of a descriptor. Nothing polls it in these tests.
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
