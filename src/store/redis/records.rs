//! A closure's view of the store: each record as it is when the closure asks for it.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::RedisStore;
use super::codec::{Fields, Stored, account_of, row_key, row_of, set_of};
use super::question::{Question, Role, Trouble};
use super::resp::Reply;
use super::script::{ACCOUNT, ALL_FIELDS, GET};
use crate::clock::Deadline;
use crate::credential::{CredentialKey, Row};
use crate::error::Result;
use crate::store::account_set::AccountSet;
use crate::store::{Account, Accounts, Read, RedisUrl, Store, StoreSnapshot, UnknownAccount};
use crate::sync::{Mutex, lock};

/// The number of rows in one question.
const ROWS_AT_ONCE: usize = 256;

/// The records that this process has seen last. A look returns them while the server is away.
#[derive(Default)]
pub struct Remembered {
    /// Accounts by the name that was asked for. The empty name is the current account.
    accounts: Mutex<HashMap<String, Found>>,
    /// Rows by their key on the server.
    rows: Mutex<HashMap<String, Vec<u8>>>,
}

impl Remembered {
    /// Notes a row that this process has written or found.
    pub fn note_row(&self, row_key: &str, bytes: &[u8]) {
        lock(&self.rows).insert(row_key.into(), bytes.to_vec());
    }

    /// Forgets the accounts, because they have changed.
    pub fn forget_accounts(&self) {
        lock(&self.accounts).clear();
    }

    /// Every record that was asked for. Unreadable records are left out: their error was reported when they were
    /// read.
    pub fn snapshot(&self, url: &RedisUrl) -> StoreSnapshot {
        let found = lock(&self.accounts).clone();
        let mut names: Vec<&Found> = found.values().filter(|one| !one.text.is_empty()).collect();
        names.sort_by(|a, b| a.name.cmp(&b.name));
        names.dedup_by(|a, b| a.name == b.name);
        let accounts = names.into_iter().filter_map(|one| {
            let stored = account_of(url, &one.name, &one.text).ok().flatten();
            let mut account = stored.and_then(Stored::known)?;
            account.current = one.current == one.name;
            Some(account)
        });
        let rows = lock(&self.rows).clone();
        let rows = rows
            .values()
            .filter_map(|bytes| row_of(url, bytes).ok().flatten());
        StoreSnapshot {
            accounts: accounts.collect(),
            unknown: Vec::new(),
            rows: rows.collect(),
            clients: None,
        }
    }
}

/// The result of a look-up of an account. Its text is empty if the account does not exist.
#[derive(Clone)]
struct Found {
    name: String,
    text: Vec<u8>,
    current: String,
}

/// A read of the store.
pub struct Look<'a> {
    pub store: &'a RedisStore,
    pub by: &'a Deadline,
}

impl Look<'_> {
    fn ask(&self, questions: &[Question]) -> Result<Vec<Vec<Reply>>, Trouble> {
        self.store
            .server
            .ask(questions, Role::Any, self.by, "cannot read")
    }

    /// Looks an account up, together with the name of the current one.
    fn find(&self, name: &str) -> Result<Found> {
        let key = self.store.accounts_key();
        let question = Question::script(&ACCOUNT, &key, &[name.as_bytes()]);
        let remembered = &self.store.remembered.accounts;
        match self.ask(&[question]) {
            Ok(values) => {
                let mut parts = values.into_iter().flatten();
                let mut text = || parts.next().and_then(Reply::bytes).unwrap_or_default();
                let string = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap_or_default();
                let found = Found {
                    name: string(text()),
                    text: text(),
                    current: string(text()),
                };
                lock(remembered).insert(name.into(), found.clone());
                Ok(found)
            }
            Err(trouble) => match lock(remembered).get(name) {
                Some(known) => Ok(known.clone()),
                None => Err(trouble.into()),
            },
        }
    }

    /// The row's bytes on the server, or those that were seen last, and whether they are from memory.
    pub fn row_bytes(&self, row_key: &str) -> Result<(Vec<u8>, bool)> {
        let remembered = &self.store.remembered.rows;
        match self.ask(&[Question::script(&GET, row_key, &[])]) {
            Ok(values) => {
                let bytes = values.into_iter().flatten().next();
                let bytes = bytes.and_then(Reply::bytes).unwrap_or_default();
                self.store.remembered.note_row(row_key, &bytes);
                Ok((bytes, false))
            }
            Err(trouble) => match lock(remembered).get(row_key) {
                Some(known) => Ok((known.clone(), true)),
                None => Err(trouble.into()),
            },
        }
    }

    /// Returns every field of the accounts.
    pub fn fields(&self, role: Role) -> Result<Fields> {
        let question = Question::script(&ALL_FIELDS, &self.store.accounts_key(), &[]);
        let server = &self.store.server;
        let values = server.ask(&[question], role, self.by, "cannot read")?;
        let list = values.into_iter().flatten().next();
        let Some(Reply::List(items)) = list else {
            return Ok(Fields::new());
        };
        let mut items = items.into_iter();
        let mut fields = Fields::new();
        while let (Some(field), Some(value)) = (items.next(), items.next()) {
            if let (Some(field), Some(value)) = (field.text(), value.bytes()) {
                fields.insert(field, value);
            }
        }
        Ok(fields)
    }

    fn set(&self) -> Result<AccountSet> {
        let set = set_of(&self.store.server.url, &self.fields(Role::Any)?)?;
        let is_sealed = |account: &Account| account.sealed.is_some();
        let has_secrets = set.accounts.values().any(is_sealed);
        self.store.has_secrets.store(has_secrets, Ordering::Relaxed);
        Ok(set)
    }
}

impl Read for Look<'_> {
    fn account(&self, name: Option<&str>) -> Result<Option<Account>> {
        let url = &self.store.server.url;
        let found = self.find(name.unwrap_or_default())?;
        let mut account = match account_of(url, &found.name, &found.text)? {
            Some(Stored::Known(account)) => account,
            Some(Stored::Unknown(account)) => return Err(account.error()),
            None => return Ok(None),
        };
        account.current = found.current == found.name;
        self.store.note_secret(&account);
        if let Some(parent) = &mut account.parent {
            let found = self.find(&parent.name)?;
            let there = account_of(url, &parent.name, &found.text)?;
            parent.there = there
                .and_then(Stored::known)
                .map(|there| (there.kind, there.id));
        }
        Ok(Some(account))
    }

    fn some_names(&self, most: usize) -> Result<Vec<String>> {
        Ok(self.set()?.some_names(most))
    }

    fn has_account(&self, name: &str) -> Result<bool> {
        Ok(!self.find(name)?.text.is_empty())
    }

    fn accounts(&self) -> Result<Vec<Account>> {
        Ok(self.set()?.all())
    }

    fn unknown_accounts(&self) -> Result<Vec<UnknownAccount>> {
        Ok(self.set()?.all_unknown())
    }

    fn accounts_of(&self, id: &str) -> Result<Vec<Account>> {
        Ok(self.set()?.of_id(id))
    }

    fn removed(&self) -> Result<Vec<String>> {
        Ok(self.set()?.removed_names())
    }

    fn row(&self, key: &CredentialKey) -> Result<Option<Row>> {
        let name = row_key(self.store.prefix(), key);
        let (bytes, is_from_memory) = self.row_bytes(&name)?;
        let found = row_of(&self.store.server.url, &bytes)?;
        let mut row = match found {
            Some((_, row)) => row,
            None => Row::default(),
        };
        let now = self.store.now();
        self.store.lease_watch.judge(&name, &mut row, now);
        let id = self.store.id().unwrap_or_default();
        let mut is_given_back = self.store.kept_secrets.give_back(&name, &id, &mut row);
        // If the server answers, the next change tells whether it has the row that this host has fetched meanwhile.
        is_given_back |= is_from_memory && self.store.kept_rows.apply(&name, &mut row);
        self.store.token_watch.judge(&name, &mut row, now);
        Ok((is_given_back || !bytes.is_empty()).then_some(row))
    }

    fn rows(&self) -> Result<Vec<(CredentialKey, Row)>> {
        let list = Question::plain(&["ZRANGE", &self.store.rows_key(), "0", "-1"]);
        let listed = self.ask(&[list])?.into_iter().flatten().next();
        let Some(Reply::List(keys)) = listed else {
            return Ok(Vec::new());
        };
        let keys: Vec<String> = keys.into_iter().filter_map(Reply::text).collect();
        let mut rows = Vec::new();
        for keys in keys.chunks(ROWS_AT_ONCE) {
            let questions: Vec<Question> = keys
                .iter()
                .map(|key| Question::script(&GET, key, &[]))
                .collect();
            for value in self.ask(&questions)?.into_iter().flatten() {
                // A row that is listed and missing was deleted, or its first write did not finish.
                let bytes = value.bytes().unwrap_or_default();
                let Some((key, mut row)) = row_of(&self.store.server.url, &bytes)? else {
                    continue;
                };
                let name = row_key(self.store.prefix(), &key);
                self.store
                    .token_watch
                    .judge(&name, &mut row, self.store.now());
                rows.push((key, row));
            }
        }
        Ok(rows)
    }

    fn rows_of(&self, id: &str) -> Result<Vec<(CredentialKey, Row)>> {
        let mut rows = self.rows()?;
        rows.retain(|(key, _)| key.id == id);
        Ok(rows)
    }

    fn clients(&self) -> Result<Option<String>> {
        self.store.clients_record(self.by)
    }
}

/// A change of the accounts. The accounts are in memory, and rows are read from the server.
pub struct Change<'a> {
    pub look: Look<'a>,
    pub set: AccountSet,
}

impl Read for Change<'_> {
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
        self.look.row(key)
    }

    fn rows(&self) -> Result<Vec<(CredentialKey, Row)>> {
        self.look.rows()
    }

    fn rows_of(&self, id: &str) -> Result<Vec<(CredentialKey, Row)>> {
        self.look.rows_of(id)
    }

    fn clients(&self) -> Result<Option<String>> {
        self.look.clients()
    }
}

impl Accounts for Change<'_> {
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
