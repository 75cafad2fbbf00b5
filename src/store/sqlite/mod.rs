//! The SQLite store. Each process has one connection. It is opened, repaired and reopened as the state of the file
//! requires.
//!
//! One thread of the process uses the connection at a time. The others wait for their turn, up to their deadlines
//! (`turn`). SQLite computes with the fork lock held, and makes its system calls outside it (`sys::vfs`). A forked
//! child never touches this struct, and makes its own. The store must be on a local filesystem, because the locks do
//! not reach across hosts.
//!
//! # Journal, waiting, repair, import
//!
//! The tables are STRICT: `weixin_account`, `weixin_token`, `weixin_removed` and `weixin_client` (`schema`). An
//! `application_id` and a `user_version` mark the file. Migrations are an append-only list on `user_version`. All of
//! them run when a table is missing, so each must be safe to run again. A newer version, or a database that is not
//! ours, is refused before anything is written, including the journal mode.
//!
//! - **Journal.** `journal_mode=TRUNCATE`, `synchronous=FULL`. A few writes an hour need no write-ahead log. Its
//!   shared-memory file causes signals on truncation, and trouble for readers without rights.
//! - **Waiting.** SQLite's busy timeout is 0. A thread that finds the store busy gives its turn back, sleeps 1 to 5
//!   ms, and tries again until the deadline.
//! - **Committing.** A commit that meets readers keeps its turn and waits up to 20 ms (`COMMIT_MS`). While it waits,
//!   SQLite lets no new reader in. A commit that gave up at once would let them in, and under many readers no writer
//!   would ever get its turn.
//! - **A slow disk.** It delays the thread that waits for it, and the threads that wait for its turn, up to their
//!   deadlines. A look with a good token to fall back on waits 100 ms. Forks and other stores are not delayed.
//! - **A lost descriptor.** A host program that closes descriptors which are not its own also closes the store's. The
//!   file is then opened again, and the call is tried again.
//! - **The owner's files.** The lock, the journal, the key and the mailbox belong to the owner of the store,
//!   whichever process creates them. Where that is impossible, the call fails. A store that root creates belongs to
//!   the owner of its directory.
//! - **An older process.** Each write checks `user_version` in its own transaction. A process that is older than the
//!   schema reads the parts that it understands, and does not write (`obstacle`).
//! - **Private files.** SQLite would create its files 0644. So the store creates them first: 0600, exclusively, and
//!   without following links. A link, a FIFO or a directory in their place is refused.
//! - **Repair.** Before each call, the inode at the path is compared with the open one. Missing tables are created
//!   again. A corrupt file is checked once more under a lock (`REPAIR_BYTE`), then renamed with its journal to
//!   `.corrupt-<time>-<pid>`, and rebuilt. Nothing is deleted. A file that is not a database, with neither a key nor
//!   a lock file next to it, was never a store. It is refused and left as it is.
//! - **Access.** A store that is created again is open to its owner alone. Each process that saw the file before it
//!   remembers that file's group and mode, and gives them to the new one.
//! - **Import.** The two tables of the script (`legacy_import`) are recognised by their columns. The file is made
//!   private and rewritten (`VACUUM`), then converted in one transaction with `secure_delete`. This erases the clear
//!   secrets from it. The commit is the last step, so an import that is killed is repeated. A second process finds it
//!   done.

mod adopt;
mod backup;
mod change_watch;
mod connection;
mod error;
mod inspect;
mod leader_lock;
mod legacy_import;
mod mailbox;
mod obstacle;
mod records;
mod repair;
mod schema;
mod sql;
mod trust;
mod turn;

pub use backup::{read_backup, write_backup};
pub use change_watch::ChangeMark;
pub use inspect::{Condition, condition};
pub use leader_lock::lock_path;
pub use mailbox::mailbox_path;
pub use repair::QUARANTINED;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64};

use self::change_watch::ChangeWatch;
use self::connection::{Open, ReadTransaction, Seen, begin_write, commit};
use self::mailbox::Mailbox;
use self::records::Records;
use self::turn::Turn;
use super::{Access, Accounts, Commit, KeeperChannel, LeaderLock, Opening, Read, Store, StoreName};
use crate::clock::{Deadline, Now};
use crate::credential::{CredentialKey, Row};
use crate::error::{Error, Result};
use crate::sync::{ArcSwapOption, Mutex, lock};
use crate::sys::{ForkLock, LockFile};

pub struct SqliteStore {
    name: StoreName,
    path: PathBuf,
    opening: Opening,
    mailbox: Mailbox,
    /// Whether this process has seen that the file is a store.
    was_ours: AtomicBool,
    /// The schema of the store if another process has brought it to one newer than ours, else 0.
    newer_schema: AtomicI64,
    /// Whether the file system has refused to lock at all.
    lacks_locks: AtomicBool,
    /// Whether this process would make a lock that shuts the owner out.
    cannot_give_lock: AtomicBool,
    files: Turn<Files>,
    /// The watch on the file that the connection has open.
    watch: ArcSwapOption<ChangeWatch>,
    lock: Mutex<Lock>,
}

#[derive(Default)]
struct Files {
    open: Option<Open>,
    /// The file that this process last saw at the path, with its owner, group and mode.
    seen: Option<Seen>,
}

#[derive(Default)]
struct Lock {
    file: Option<LockFile>,
    held: usize,
}

impl SqliteStore {
    /// Opens the store at an absolute path. Creates it if it does not exist.
    pub fn open(path: &Path, opening: Opening, by: &Deadline) -> Result<SqliteStore> {
        let store = SqliteStore {
            name: StoreName::File(path.to_owned()),
            path: path.to_owned(),
            opening,
            mailbox: Mailbox::of(path),
            was_ours: AtomicBool::new(false),
            newer_schema: AtomicI64::new(0),
            lacks_locks: AtomicBool::new(false),
            cannot_give_lock: AtomicBool::new(false),
            files: Turn::new(Files::default()),
            watch: ArcSwapOption::default(),
            lock: Mutex::default(),
        };
        store.with_connection(by, false, |_| Ok(()))?;
        Ok(store)
    }

    /// Closes the connection. SQLite computes here too, so this takes the fork lock.
    fn close(&self, files: &mut Files) {
        self.watch.store(None);
        let _held = ForkLock::enter();
        files.open = None;
    }

    fn about(&self, what: &str) -> String {
        format!("{what} store {}", self.path.display())
    }
}

impl Store for SqliteStore {
    fn name(&self) -> &StoreName {
        &self.name
    }

    fn read(&self, by: &Deadline, look: &mut dyn FnMut(&dyn Read) -> Result<()>) -> Result<()> {
        self.with_connection(by, false, |conn| {
            // The transaction makes a look see one moment.
            let transaction = ReadTransaction::begin(conn)?;
            let watch = self.watch.load();
            let records = Records::marked(transaction.conn(), watch.as_deref());
            let looked = look(&records);
            records.mark();
            records.settle(looked)
        })?
    }

    fn change_row(
        &self,
        key: &CredentialKey,
        by: &Deadline,
        change: &mut dyn FnMut(&mut Row) -> Result<Commit>,
    ) -> Result<()> {
        self.with_connection(by, true, |conn| {
            let transaction = begin_write(conn)?;
            let mut row = sql::row(&transaction, key)?.unwrap_or_default();
            match change(&mut row) {
                Ok(Commit::Yes) => {
                    sql::put_row(&transaction, key, &row)?;
                    commit(transaction)?;
                    Ok(Ok(()))
                }
                Ok(Commit::No) => Ok(Ok(())),
                Err(e) => Ok(Err(e)),
            }
        })?
    }

    fn change_accounts(
        &self,
        by: &Deadline,
        change: &mut dyn FnMut(&mut dyn Accounts) -> Result<Commit>,
    ) -> Result<()> {
        self.with_connection(by, true, |conn| {
            let transaction = begin_write(conn)?;
            let mut records = Records::of(&transaction);
            let changed = change(&mut records);
            let changed = records.settle(changed)?;
            if changed == Ok(Commit::Yes) {
                commit(transaction)?;
            }
            Ok(changed.map(|_| ()))
        })?
    }

    fn change_clients(
        &self,
        by: &Deadline,
        change: &mut dyn FnMut(&mut Option<String>) -> Result<Commit>,
    ) -> Result<()> {
        self.with_connection(by, true, |conn| {
            let transaction = begin_write(conn)?;
            let mut record = sql::clients(&transaction)?;
            let changed = change(&mut record);
            if changed == Ok(Commit::Yes) {
                sql::put_clients(&transaction, record.as_deref())?;
                commit(transaction)?;
            }
            Ok(changed.map(|_| ()))
        })?
    }

    fn delete_row(&self, key: &CredentialKey, by: &Deadline) -> Result<()> {
        self.with_connection(by, true, |conn| {
            let transaction = begin_write(conn)?;
            sql::delete_row(&transaction, key)?;
            commit(transaction)
        })
    }

    fn try_lead(&self, key: &CredentialKey, slot: i64) -> Result<Option<LeaderLock<'_>>> {
        self.try_lock(key, slot)
    }

    fn mark(&self) -> Option<ChangeMark> {
        self.watch.load().as_ref()?.mark()
    }

    fn now(&self) -> Now {
        Now::of_host()
    }

    fn access(&self) -> Access {
        match self.obstacle() {
            None => Access::Writer,
            Some(_) => Access::Reader,
        }
    }

    fn why_reader(&self, by: &Deadline) -> Option<Error> {
        self.look_for_newer_schema(by);
        let obstacle = self.obstacle()?;
        Some(self.describe_obstacle(&obstacle))
    }

    fn why_not_trusted(&self) -> Option<Error> {
        self.distrust()
    }

    fn keeper_channel(&self) -> &dyn KeeperChannel {
        &self.mailbox
    }

    fn close_idle(&self) {
        let mut lock = lock(&self.lock);
        let Some(mut files) = self.files.try_take().filter(|_| lock.held == 0) else {
            return;
        };
        self.close(&mut files);
        lock.file = None;
    }
}
