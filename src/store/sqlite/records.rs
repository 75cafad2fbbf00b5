//! A closure's view of the store inside a transaction.
//!
//! A closure returns an [`Error`], but only SQLite's own error tells a busy file from a damaged one. So these records
//! keep SQLite's error, and [`Records::settle`] returns it to the code that waits, repairs and tries again.

use std::cell::{OnceCell, RefCell};

use rusqlite::Connection;

use super::change_watch::{ChangeMark, ChangeWatch};
use super::sql;
use crate::credential::{CredentialKey, Row};
use crate::error::{Error, Result};
use crate::store::{Account, Accounts, Read, UnknownAccount};

pub struct Records<'a> {
    conn: &'a Connection,
    watch: Option<&'a ChangeWatch>,
    mark: OnceCell<Option<ChangeMark>>,
    failed: RefCell<Option<rusqlite::Error>>,
}

impl<'a> Records<'a> {
    pub fn of(conn: &'a Connection) -> Records<'a> {
        Records {
            conn,
            watch: None,
            mark: OnceCell::new(),
            failed: RefCell::new(None),
        }
    }

    /// The records of a transaction that only reads, and keeps writers out.
    pub fn marked(conn: &'a Connection, watch: Option<&'a ChangeWatch>) -> Records<'a> {
        Records {
            watch,
            ..Records::of(conn)
        }
    }

    /// The outcome of the closure, or SQLite's error if one occurred in it, even if the closure went on.
    pub fn settle<T>(self, outcome: Result<T>) -> rusqlite::Result<Result<T>> {
        match self.failed.into_inner() {
            Some(e) => Err(e),
            None => Ok(outcome),
        }
    }

    fn note<T>(&self, result: rusqlite::Result<T>) -> Result<T> {
        result.map_err(|e| {
            self.failed.borrow_mut().get_or_insert(e);
            // Only the closure sees this error.
            Error::store("the store cannot be used")
        })
    }
}

impl Read for Records<'_> {
    fn account(&self, name: Option<&str>) -> Result<Option<Account>> {
        let found = self.note(sql::account(self.conn, name))?;
        found.transpose().map_err(|unknown| unknown.error())
    }

    fn has_account(&self, name: &str) -> Result<bool> {
        self.note(sql::has_account(self.conn, name))
    }

    fn some_names(&self, most: usize) -> Result<Vec<String>> {
        self.note(sql::some_names(self.conn, most))
    }

    fn accounts(&self) -> Result<Vec<Account>> {
        self.note(sql::accounts(self.conn))
    }

    fn unknown_accounts(&self) -> Result<Vec<UnknownAccount>> {
        self.note(sql::unknown_accounts(self.conn))
    }

    fn accounts_of(&self, id: &str) -> Result<Vec<Account>> {
        self.note(sql::accounts_of(self.conn, id))
    }

    fn removed(&self) -> Result<Vec<String>> {
        self.note(sql::removed(self.conn))
    }

    fn row(&self, key: &CredentialKey) -> Result<Option<Row>> {
        self.note(sql::row(self.conn, key))
    }

    fn rows(&self) -> Result<Vec<(CredentialKey, Row)>> {
        self.note(sql::rows(self.conn))
    }

    fn rows_of(&self, id: &str) -> Result<Vec<(CredentialKey, Row)>> {
        self.note(sql::rows_of(self.conn, id))
    }

    fn mark(&self) -> Option<ChangeMark> {
        *self.mark.get_or_init(|| self.watch?.mark_cached())
    }

    fn clients(&self) -> Result<Option<String>> {
        self.note(sql::clients(self.conn))
    }
}

impl Accounts for Records<'_> {
    fn is_removed(&self, name: &str) -> Result<bool> {
        self.note(sql::is_removed(self.conn, name))
    }

    fn put(&mut self, account: &Account) -> Result<()> {
        self.note(sql::put_account(self.conn, account))
    }

    fn put_unknown(&mut self, account: &UnknownAccount) -> Result<()> {
        self.note(sql::put_unknown_account(self.conn, account))
    }

    fn remove(&mut self, name: &str, at_wall_ms: i64) -> Result<()> {
        self.note(sql::remove_account(self.conn, name, at_wall_ms))
    }

    fn clear_removed(&mut self, name: &str) -> Result<()> {
        self.note(sql::clear_removed(self.conn, name))
    }

    fn set_current(&mut self, name: &str) -> Result<()> {
        self.note(sql::set_current(self.conn, name))
    }
}
