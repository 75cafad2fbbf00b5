//! The place where accounts and rows are kept, behind one trait. A store has no policy: it reads records, changes one
//! row or the accounts at a time, lends locks, and tells the time. The meaning of a row belongs to `credential`, and
//! registration belongs to `account`.
//!
//! # What a store promises
//!
//! - **One change, one record.** A change is of one row, of the accounts, or of the clients, never of two of them. It
//!   is there completely or not at all, whichever process is killed. A change that spans several records is a
//!   sequence of steps above the store. Each step can be interrupted and repeated.
//! - **Compare and set.** A closure that changes a record sees the record as it is. If another process has written
//!   meanwhile, the closure runs again on the new record. So it may run more than once, and its last run counts.
//! - **A read is whole by the record.** A store of one file reads all records in one state. Another store may read
//!   each record separately.
//! - **A mark stands for a state.** If two marks of one store are equal, nothing in it was changed between them. A
//!   store need not have marks.
//! - **One clock.** `now` is the same clock for every process that uses the store. Leases and ages count by it.
//! - **A lock is a shortcut.** A lock dies with its process, so that the next leader need not wait until the lease
//!   ends. The lease in the row is what excludes others.
//!
//! `contract` has a test of each promise over `dyn Store`. A new store is a folder here, a variant of [`StoreName`],
//! and an arm of [`open`].

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

/// Whether a closure's change is to be written.
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

/// The access that this process has to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Writer,
    Reader,
}

/// A store. [The module](self) lists its promises.
pub trait Store: Send + Sync {
    /// The name of the store. Two spellings of one place have equal names. It is shown in messages, so it never shows
    /// a password.
    fn name(&self) -> &StoreName;

    /// Runs `look` over the records, within the deadline.
    fn read(&self, by: &Deadline, look: &mut dyn FnMut(&dyn Read) -> Result<()>) -> Result<()>;

    /// The mark of the store's present state, at next to no cost and without waiting. None if only a read can tell.
    fn mark(&self) -> Option<ChangeMark> {
        None
    }

    /// Changes one row. A row that is not there is passed as an empty one.
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

    /// Changes the record of a server's clients, [`Read::clients`]. The closure gets None if none was written, and sets
    /// None to delete the record.
    fn change_clients(
        &self,
        by: &Deadline,
        change: &mut dyn FnMut(&mut Option<String>) -> Result<Commit>,
    ) -> Result<()>;

    /// Deletes a row, whatever it holds.
    fn delete_row(&self, key: &CredentialKey, by: &Deadline) -> Result<()>;

    /// Takes one of a credential's leader locks. Returns None if another process has it. Threads of one process are
    /// told apart by the flight and not by this lock.
    fn try_lead(&self, key: &CredentialKey, slot: i64) -> Result<Option<LeaderLock<'_>>>;

    /// Keeps a row that could not be written, for the other processes of this host. A store on this host does not
    /// need it.
    fn keep_for_host(&self, _key: &CredentialKey, _row: &Row) {}

    /// The row that `keep_for_host` has kept for this credential.
    fn kept_for_host(&self, _key: &CredentialKey) -> Option<Row> {
        None
    }

    /// Waits a moment for the leader of a credential whose row names this slot. Returns when the leader may be gone
    /// or the row may have changed, and fails after the deadline.
    fn await_leader(
        &self,
        _key: &CredentialKey,
        _slot: i64,
        by: &Deadline,
        doing: &str,
    ) -> Result<()> {
        by.pause(2, 8, doing)
    }

    /// The store's time, which is the same for every process that uses it.
    fn now(&self) -> Now;

    /// The last step of the store's clock that this process has seen. None if that clock is this host's own.
    fn clock_step(&self) -> Option<ClockStep> {
        None
    }

    /// The records that this process has seen last. None for a store that has no server which may be away.
    fn last_seen(&self) -> Option<StoreSnapshot> {
        None
    }

    /// Whether this process has seen accounts here whose secrets may have been sealed on another host. Their key must
    /// then be brought from that host.
    fn has_secrets_of_other_hosts(&self) -> bool {
        false
    }

    /// The id that tells this store from all others, on every host. Its secrets are sealed for it. None for a file.
    fn id(&self) -> Option<String> {
        None
    }

    /// The access that this process has now.
    fn access(&self) -> Access;

    /// The reason why this process may only read, with the remedy. None for a writer. It looks closer than
    /// [`Store::access`].
    fn why_reader(&self, by: &Deadline) -> Option<Error>;

    /// The reason why accounts and secrets must not be put in: a stranger may have made the store, or may change it.
    fn why_not_trusted(&self) -> Option<Error> {
        None
    }

    /// The channel by which a reader reaches a keeper.
    fn keeper_channel(&self) -> &dyn KeeperChannel;

    /// Describes the server of the store in a few words. None for a store without a server.
    fn report_server(&self, _by: &Deadline) -> Option<Result<ServerReport>> {
        None
    }

    /// Describes the server of the store at length. None for a store without a server.
    fn check_server(&self, _by: &Deadline) -> Option<Result<ServerCheck>> {
        None
    }

    /// Closes files and connections until the next call, except those that hold a lock.
    fn close_idle(&self);
}

/// A step of the store's clock. The clock was set, or another server with another clock took over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStep {
    /// The time of the step, by the clock after it.
    pub at_wall_ms: i64,
    pub by_ms: i64,
}

/// The records of a store, to be read. Every call can fail with the store, and the closure passes that error on.
pub trait Read {
    /// The account of this name, or the current one for None. Fails if this version does not know its kind.
    fn account(&self, name: Option<&str>) -> Result<Option<Account>>;
    fn has_account(&self, name: &str) -> Result<bool> {
        Ok(self.account(Some(name))?.is_some())
    }
    /// The names of some accounts, at most `most` of them.
    fn some_names(&self, most: usize) -> Result<Vec<String>>;
    /// Every account of a kind that this version knows, sorted by name.
    fn accounts(&self) -> Result<Vec<Account>>;
    /// Every account of a kind that this version does not know, sorted by name.
    fn unknown_accounts(&self) -> Result<Vec<UnknownAccount>>;
    /// Whether an account is the current one. It may be of a kind that this version does not know.
    fn has_current(&self) -> Result<bool> {
        let unknown = self.unknown_accounts()?;
        Ok(unknown.iter().any(|account| account.current) || self.account(None)?.is_some())
    }
    /// The known accounts with this id (an appid, corpid and so on), sorted by name.
    fn accounts_of(&self, id: &str) -> Result<Vec<Account>>;
    /// The names of accounts that an operator has removed.
    fn removed(&self) -> Result<Vec<String>>;
    fn row(&self, key: &CredentialKey) -> Result<Option<Row>>;
    /// Every row, the oldest first.
    fn rows(&self) -> Result<Vec<(CredentialKey, Row)>>;
    /// The rows with this id (an appid, corpid and so on).
    fn rows_of(&self, id: &str) -> Result<Vec<(CredentialKey, Row)>>;
    /// The record of a server's clients (`server_clients`): a text that differs after every write. None if it was
    /// never written. An empty set of clients is a record too.
    fn clients(&self) -> Result<Option<String>>;
    /// The mark of the state that this read sees, to be compared with a later [`Store::mark`].
    fn mark(&self) -> Option<ChangeMark> {
        None
    }
}

/// The accounts, to be changed. Reads show accounts as changed so far, and rows as they were.
pub trait Accounts: Read {
    fn is_removed(&self, name: &str) -> Result<bool>;
    /// Writes an account. Its `current` is ignored: the current account stays the same.
    fn put(&mut self, account: &Account) -> Result<()>;
    /// Writes an account of a kind that this version does not know. The current account stays the same.
    fn put_unknown(&mut self, account: &UnknownAccount) -> Result<()>;
    /// Removes an account of any kind, and notes that an operator did so.
    fn remove(&mut self, name: &str, at_wall_ms: i64) -> Result<()>;
    /// Forgets that an operator has removed the account of this name.
    fn clear_removed(&mut self, name: &str) -> Result<()>;
    /// Makes this account the current one.
    fn set_current(&mut self, name: &str) -> Result<()>;
}

/// Every account, every row and the clients, as they are at one moment.
pub struct StoreSnapshot {
    pub accounts: Vec<Account>,
    /// Accounts of kinds that this version does not know.
    pub unknown: Vec<UnknownAccount>,
    pub rows: Vec<(CredentialKey, Row)>,
    /// The record of a server's clients. None if it was never written.
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

/// A leader's lock. It is released when dropped, and by the system when the process dies.
pub struct LeaderLock<'a> {
    pub slot: i64,
    release: Box<dyn Fn() + 'a>,
}

impl Drop for LeaderLock<'_> {
    fn drop(&mut self) {
        (self.release)();
    }
}

/// The parts, besides its name, with which a process opens a store.
pub struct Opening {
    /// The key with which an import of the script's database seals secrets. Its file also shows that a damaged store
    /// was a store.
    pub vault: Vault,
    /// The options that say how a server is reached, and which base URL the script's token belongs to.
    pub options: Arc<Options>,
}

/// Opens a store. Creates it if it does not exist.
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

/// The error of an operation that must run on the server's own host, and not through a client of the server.
pub fn belongs_to_server(url: &ServerUrl) -> Error {
    Error::argument(format!("{url} is a wxtoken server"))
        .because("its accounts, secrets and store are managed on the server's own host")
        .advise("Run the command there, on the server's store.")
}

/// [`Store::read`] for a closure that has a result.
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

/// [`Store::change_accounts`] for a closure that has a result.
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

/// [`Store::change_clients`] for a closure that has a result.
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

/// The error of a store that succeeded without running the closure. The contract's tests rule it out.
fn not_run() -> Error {
    Error::new(Status::Internal, "a store left a call undone")
}
