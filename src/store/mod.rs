//! Where accounts and rows are kept, behind one trait. No policy: a store reads records, changes one row or the accounts
//! at a time, lends locks, and says what time it is. What a row means is `credential`'s business, and what registering an
//! account means is `account`'s.
//!
//! # What a store promises
//!
//! - **One change, one record.** A change is of one row, of the accounts, or of the clients, and of one only: it is all
//!   there or not at all, whatever is killed. A change that spans more is an order of steps above the store, each of which can be cut off
//!   and done again.
//! - **Compare and set.** A closure that changes a record sees it as it is. If another process has written meanwhile, the
//!   closure runs again on what that wrote; so it may run more than once, and its last run counts.
//! - **A read is whole by the record.** A store of one file reads all in one state. Another may read each record by itself.
//! - **A mark stands for a state.** Two equal marks of one store: nothing in it was changed between. A store need not have marks.
//! - **One clock.** `now` is the same clock for all who use the store; leases and ages count by it.
//! - **A lock is a shortcut.** It dies with its process, so that the next leader need not wait for the lease's end. What
//!   excludes is the lease in the row.
//!
//! `contract` has each of these promises as a test over `dyn Store`. A new store is a folder here, a variant of
//! [`StoreName`], and an arm of [`open`].

#[cfg(any(test, feature = "redis"))]
mod account_set;
#[cfg(test)]
mod contract;
mod keeper_channel;
#[cfg(test)]
pub mod memory;
mod name;
mod record;
#[cfg(feature = "redis")]
mod redis;
mod redis_url;
mod server_check;
mod server_url;
mod sqlite;

pub use keeper_channel::{Inbox, KeeperChannel, Message, NotSent, token_fingerprint};
pub use name::{StoreName, check_path};
pub use record::{Account, ParentLink, UnknownAccount};
#[cfg(feature = "redis")]
pub use redis_url::RedisUrl;
pub use server_check::{Replica, ServerCheck, ServerReport};
pub use server_url::ServerUrl;
pub use sqlite::{
    ChangeMark, Condition, QUARANTINED, condition, lock_path, mailbox_path, read_backup,
    write_backup,
};

use std::sync::Arc;

use crate::clock::{Deadline, Now};
use crate::credential::{CredentialKey, Row};
use crate::error::{Error, Result, Status};
use crate::options::Options;
use crate::secrets::Vault;

/// Whether a closure that changes something wants it written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    Yes,
    No,
}

impl Commit {
    pub fn when(changed: bool) -> Commit {
        if changed { Commit::Yes } else { Commit::No }
    }
}

/// What this process may do with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Writer,
    Reader,
}

/// See [the module](self).
pub trait Store: Send + Sync {
    /// The same for two spellings of one place. Shown in messages, so never with a password.
    fn name(&self) -> &StoreName;

    /// Runs `look` over what is there, within the deadline.
    fn read(&self, by: &Deadline, look: &mut dyn FnMut(&dyn Read) -> Result<()>) -> Result<()>;

    /// How the store is now, at next to no cost and without waiting. None where only a read can tell.
    fn mark(&self) -> Option<ChangeMark> {
        None
    }

    /// Changes one row; one that is not there is an empty one.
    fn change_row(
        &self,
        key: &CredentialKey,
        by: &Deadline,
        change: &mut dyn FnMut(&mut Row) -> Result<Commit>,
    ) -> Result<()>;

    /// Changes accounts, all at once or not at all.
    fn change_accounts(
        &self,
        by: &Deadline,
        change: &mut dyn FnMut(&mut dyn Accounts) -> Result<Commit>,
    ) -> Result<()>;

    /// Changes the record of a server's clients, [`Read::clients`]; None is no record.
    fn change_clients(
        &self,
        by: &Deadline,
        change: &mut dyn FnMut(&mut Option<String>) -> Result<Commit>,
    ) -> Result<()>;

    /// Takes a row out, whatever it holds.
    fn delete_row(&self, key: &CredentialKey, by: &Deadline) -> Result<()>;

    /// Takes one of a credential's leader locks; None when another process has it. Within a process, threads are told apart
    /// by the flight and not by this.
    fn try_lead(&self, key: &CredentialKey, slot: i64) -> Result<Option<LeaderLock<'_>>>;

    /// Keeps a row that could not be written for the other processes of this host. A store that is on this host has no need of it.
    fn keep_for_host(&self, _key: &CredentialKey, _row: &Row) {}

    /// What was kept so.
    fn kept_for_host(&self, _key: &CredentialKey) -> Option<Row> {
        None
    }

    /// Waits a moment for the leader of a credential whose row names this slot: until the leader may be gone, or the row may
    /// have changed. Fails when the deadline has passed.
    fn await_leader(
        &self,
        _key: &CredentialKey,
        _slot: i64,
        by: &Deadline,
        doing: &str,
    ) -> Result<()> {
        by.pause(2, 8, doing)
    }

    /// What time it is, for all who use this store.
    fn now(&self) -> Now;

    /// The last step of that clock that this process has seen, of a store whose clock is another host's.
    fn clock_step(&self) -> Option<ClockStep> {
        None
    }

    /// What this process has seen of the store last, of a store whose server may be away.
    fn last_seen(&self) -> Option<StoreSnapshot> {
        None
    }

    /// Whether this process has seen accounts here whose secrets another host may have sealed, with a key that must be brought
    /// from there.
    fn has_secrets_of_other_hosts(&self) -> bool {
        false
    }

    /// What tells this store from all others wherever it is, for a store that is not a file. Its secrets are sealed for it.
    fn id(&self) -> Option<String> {
        None
    }

    /// What this process may do here, as of now.
    fn access(&self) -> Access;

    /// The reason why this process may only read, with the remedy. None for a writer. Looks closer than [`Store::access`].
    fn why_reader(&self, by: &Deadline) -> Option<Error>;

    /// The reason why accounts and secrets are not to be put in: a stranger may have made the store, or may change it.
    fn why_not_trusted(&self) -> Option<Error> {
        None
    }

    /// How a reader reaches a keeper.
    fn keeper_channel(&self) -> &dyn KeeperChannel;

    /// The server of a store that has one, in a few words.
    fn report_server(&self, _by: &Deadline) -> Option<Result<ServerReport>> {
        None
    }

    /// The server of a store that has one, at length.
    fn check_server(&self, _by: &Deadline) -> Option<Result<ServerCheck>> {
        None
    }

    /// Lets files and connections go until the next call, unless a lock is held on one.
    fn close_idle(&self);
}

/// A clock that was set, or another server's in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStep {
    /// When, by the clock as it is after it.
    pub at_wall_ms: i64,
    pub by_ms: i64,
}

/// What is in a store. Every call may fail with the store; the closure passes that on.
pub trait Read {
    /// The account of this name; None is the current one. Fails for one of a kind that this version does not know.
    fn account(&self, name: Option<&str>) -> Result<Option<Account>>;
    fn has_account(&self, name: &str) -> Result<bool> {
        Ok(self.account(Some(name))?.is_some())
    }
    /// The names of some accounts, at most so many.
    fn some_names(&self, most: usize) -> Result<Vec<String>>;
    /// Every account of a kind that this version knows, by name.
    fn accounts(&self) -> Result<Vec<Account>>;
    /// Every other account, by name.
    fn unknown_accounts(&self) -> Result<Vec<UnknownAccount>>;
    /// Whether an account is the current one, be it of a kind that this version does not know.
    fn has_current(&self) -> Result<bool> {
        let unknown = self.unknown_accounts()?;
        Ok(unknown.iter().any(|account| account.current) || self.account(None)?.is_some())
    }
    /// The known accounts of an appid, corpid and so on, by name.
    fn accounts_of(&self, id: &str) -> Result<Vec<Account>>;
    /// The names of accounts that an operator has removed.
    fn removed(&self) -> Result<Vec<String>>;
    fn row(&self, key: &CredentialKey) -> Result<Option<Row>>;
    /// Every row, the oldest first.
    fn rows(&self) -> Result<Vec<(CredentialKey, Row)>>;
    /// The rows of an appid, corpid and so on.
    fn rows_of(&self, id: &str) -> Result<Vec<(CredentialKey, Row)>>;
    /// The record of a server's clients (`server_clients`): a text that no two writes have alike. None where none was ever
    /// written: an empty set is a record, too.
    fn clients(&self) -> Result<Option<String>>;
    /// How the store is at this read, to be compared with [`Store::mark`] later on.
    fn mark(&self) -> Option<ChangeMark> {
        None
    }
}

/// The accounts, to be changed. What is read here is as changed so far; of rows, as they were.
pub trait Accounts: Read {
    fn is_removed(&self, name: &str) -> Result<bool>;
    /// Writes an account as it is, but for being the current one, which stays with whichever has it.
    fn put(&mut self, account: &Account) -> Result<()>;
    /// Writes an account of a kind that this version does not know. As [`Accounts::put`].
    fn put_unknown(&mut self, account: &UnknownAccount) -> Result<()>;
    /// Takes an account out, of whatever kind, and notes that an operator did.
    fn remove(&mut self, name: &str, at_wall_ms: i64) -> Result<()>;
    /// Forgets that an operator has removed the account of this name.
    fn clear_removed(&mut self, name: &str) -> Result<()>;
    /// Makes an account the current one, in the place of another.
    fn set_current(&mut self, name: &str) -> Result<()>;
}

/// Every account and every row, and the clients, as they are at one moment.
pub struct StoreSnapshot {
    pub accounts: Vec<Account>,
    /// Those of a kind that this version does not know.
    pub unknown: Vec<UnknownAccount>,
    pub rows: Vec<(CredentialKey, Row)>,
    /// As [`Read::clients`].
    pub clients: Option<String>,
}

impl StoreSnapshot {
    pub fn of(store: &dyn Store, by: &Deadline) -> Result<StoreSnapshot> {
        read(store, by, StoreSnapshot::read)
    }

    pub fn read(there: &dyn Read) -> Result<StoreSnapshot> {
        Ok(StoreSnapshot {
            accounts: there.accounts()?,
            unknown: there.unknown_accounts()?,
            rows: there.rows()?,
            clients: there.clients()?,
        })
    }
}

/// A leader's lock, given back when dropped; the system gives it back when the process dies.
pub struct LeaderLock<'a> {
    pub slot: i64,
    release: Box<dyn Fn() + 'a>,
}

impl Drop for LeaderLock<'_> {
    fn drop(&mut self) {
        (self.release)();
    }
}

/// What a process opens a store with, beside its name.
pub struct Opening {
    /// The key that an import of the script's database seals with, and whose file shows that a damaged store was one.
    pub vault: Vault,
    /// How a server is reached, and the base URL that the script's token belongs to.
    pub options: Arc<Options>,
}

/// Opens a store, creating it when absent.
pub fn open(name: &StoreName, opening: Opening, by: &Deadline) -> Result<Box<dyn Store>> {
    match name {
        StoreName::File(path) => Ok(Box::new(sqlite::SqliteStore::open(path, opening, by)?)),
        #[cfg(feature = "redis")]
        StoreName::Redis(url) => Ok(Box::new(redis::RedisStore::open(url, opening, by)?)),
        #[cfg(not(feature = "redis"))]
        StoreName::Redis(url) => Err(Error::argument(format!("cannot open store {url}"))
            .because("this library was built without stores in Redis")
            .advise("Name the path of a file, or build the library with its feature redis.")),
        StoreName::Server(url) => Err(belongs_to_server(url)),
    }
}

/// The error of what is done where the store is, and not by a client of its server.
pub fn belongs_to_server(url: &ServerUrl) -> Error {
    Error::argument(format!("{url} is a wxtoken server"))
        .because("its accounts, secrets and store are managed on the server's own host")
        .advise("Run the command there, on the server's store.")
}

/// [`Store::read`] for a look that has a result.
pub fn read<T>(
    store: &dyn Store,
    by: &Deadline,
    mut look: impl FnMut(&dyn Read) -> Result<T>,
) -> Result<T> {
    let mut found = None;
    store.read(by, &mut |there| {
        found = Some(look(there)?);
        Ok(())
    })?;
    found.ok_or_else(not_run)
}

/// [`Store::change_accounts`] for a change that has a result.
pub fn change_accounts<T>(
    store: &dyn Store,
    by: &Deadline,
    mut change: impl FnMut(&mut dyn Accounts) -> Result<(Commit, T)>,
) -> Result<T> {
    let mut outcome = None;
    store.change_accounts(by, &mut |accounts| {
        let (commit, result) = change(accounts)?;
        outcome = Some(result);
        Ok(commit)
    })?;
    outcome.ok_or_else(not_run)
}

/// [`Store::change_clients`] for a change that has a result.
pub fn change_clients<T>(
    store: &dyn Store,
    by: &Deadline,
    mut change: impl FnMut(&mut Option<String>) -> Result<(Commit, T)>,
) -> Result<T> {
    let mut outcome = None;
    store.change_clients(by, &mut |record| {
        let (commit, result) = change(record)?;
        outcome = Some(result);
        Ok(commit)
    })?;
    outcome.ok_or_else(not_run)
}

/// A store that succeeds has run the closure: the contract suite says so.
fn not_run() -> Error {
    Error::new(Status::Internal, "a store left a call undone")
}
