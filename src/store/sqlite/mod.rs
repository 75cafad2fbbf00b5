//! The SQLite store: one connection per process, opened, healed and reopened as the file beneath it needs.
//!
//! Locking: every SQLite call holds the fork gate, and SQLite itself never waits: a busy file lets the gate go, sleeps a
//! few milliseconds, and tries again to the caller's deadline. A forked child never touches this struct; it makes its
//! own. Filesystems: local ones only; POSIX locks and the lock file do not reach across hosts.
//!
//! # Journal, waiting, healing, import
//!
//! STRICT tables, `weixin_account`, `weixin_token` and `weixin_removed` (`schema`), marked by an `application_id` and
//! a `user_version`. Migrations are an append-only list on `user_version`; all of them run when a table is missing, so
//! each must be safe to run again. A newer version, or a database that is not ours, is refused before anything is
//! written, the journal mode included.
//!
//! - **Journal.** `journal_mode=TRUNCATE`, `synchronous=FULL`. A few writes an hour need no write-ahead log, whose
//!   shared-memory file brings signals on truncation and trouble for readers without rights.
//! - **Waiting.** SQLite's busy timeout is 0. A busy store lets the gate go, sleeps 1 to 5 ms, and is tried again to
//!   the deadline.
//! - **Committing.** A commit that meets readers waits up to 20 ms (`COMMIT_MS`), with the gate held: while it waits
//!   SQLite lets no new reader in. Giving up at once would, and under many readers no writer would ever get its turn.
//! - **Private files.** SQLite creates files 0644. So they are created first, 0600, exclusively, and without following
//!   links. A link, a FIFO or a directory in their place is refused.
//! - **Healing.** Before each call the inode at the path is compared with the open one; tables that are missing are
//!   made again. A file that is corrupt is checked once more under a lock (`REPAIR_BYTE`), then renamed with its
//!   journal to `.corrupt-<time>-<pid>`, and rebuilt. Nothing is deleted. A file that is no database, where neither a
//!   key nor a lock file lies beside it, was never a store: it is refused and left alone.
//! - **Accounts come back.** What live handles have registered, and which account they made the current one, is
//!   remembered, sealed, and put back through whichever handle calls next; never over what is there, and not if its
//!   key is gone: who knows it as it was sealed since puts it back. No account becomes the current one that was not.
//! - **Import.** The two tables of the script (`legacy_import`) are recognised by their columns. The file is made
//!   private and rewritten (`VACUUM`), then converted in one transaction with `secure_delete`, so that the clear
//!   secrets leave it. The commit is the last step: an import that is killed is done again. A second process that
//!   meets it finds it done.

mod admin;
mod error;
mod inspect;
mod legacy_import;
mod repair;
mod schema;
mod sql;

pub use inspect::{Condition, condition};
pub use repair::QUARANTINED;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ring::digest::{SHA256, digest};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use self::error::SqliteError;
use self::repair::{is_whole, quarantine};
use self::schema::FileKind;
use super::{Account, Call, Credential, LeaderLock, Lookup, Registration, Store, StoreSnapshot};
use crate::credential::{CredentialKey, Row};
use crate::error::{Error, Hint, Result};
use crate::names;
use crate::sys::{self, BlockedSignals, ForkGuarded, ForkLock, LockFile};

/// The byte of the lock file that whoever sets a damaged store aside holds; credentials use those from 256 on.
const REPAIR_BYTE: i64 = 0;
/// How often one call may find the store damaged and mend it.
const MAX_REPAIRS: u32 = 3;

pub struct SqliteStore {
    path: PathBuf,
    boot_id: OnceLock<String>,
    /// Whether this process has seen it to be a store.
    was_ours: AtomicBool,
    open: ForkGuarded<Option<Open>>,
    lock: ForkGuarded<Option<LockFile>>,
    locks_held: ForkGuarded<usize>,
}

struct Open {
    conn: Connection,
    inode: (u64, u64),
    read_only: bool,
}

impl SqliteStore {
    /// Opens the store at an absolute path, creating it when absent.
    pub fn open(path: PathBuf, call: Call) -> Result<SqliteStore> {
        let store = SqliteStore {
            path,
            boot_id: OnceLock::new(),
            was_ours: AtomicBool::new(false),
            open: ForkGuarded::new(None),
            lock: ForkGuarded::new(None),
            locks_held: ForkGuarded::new(0),
        };
        store.with_connection(call, false, |_| Ok(()))?;
        Ok(store)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes the files, unless a lock is held on one; they are opened again when they are needed.
    pub fn close_idle(&self) {
        let gate = ForkLock::enter();
        if *self.locks_held.borrow(&gate) > 0 {
            return;
        }
        drop(self.open.borrow(&gate).take());
        if let Some(lock) = self.lock.borrow(&gate).take() {
            lock.close(&gate);
        }
    }

    /// Runs `work` on the connection, waiting, mending and reopening as needed.
    fn with_connection<T>(
        &self,
        call: Call,
        writes: bool,
        mut work: impl FnMut(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let mut repairs = 0;
        loop {
            let error = match self.attempt(call, writes, &mut work) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let error = match error.into_error(&self.path) {
                Ok(error) => return Err(error),
                Err(passing) => passing,
            };
            if repairs == MAX_REPAIRS && !matches!(error, SqliteError::Busy) {
                let what = format!(
                    "store {} is still damaged after {MAX_REPAIRS} repairs",
                    self.path.display()
                );
                let before = Some("Move it away, and".into());
                return Err(Error::store(what).hint(Hint::RegisterAll { before }));
            }
            match error {
                SqliteError::Busy => {
                    call.deadline.pause(
                        1,
                        5,
                        &self.about("waiting for another process to release"),
                    )?;
                }
                SqliteError::Unfinished => {
                    repairs += 1;
                    let migrated = self.attempt(call, true, &mut schema::migrate);
                    if let Err(Ok(error)) = migrated.map_err(|t| t.into_error(&self.path)) {
                        return Err(error);
                    }
                }
                SqliteError::Damaged => {
                    repairs += 1;
                    self.repair(call)?;
                }
                _ => repairs += 1,
            }
        }
    }

    fn attempt<T>(
        &self,
        call: Call,
        writes: bool,
        work: &mut impl FnMut(&mut Connection) -> rusqlite::Result<T>,
    ) -> std::result::Result<T, SqliteError> {
        let gate = ForkLock::enter();
        let _shield = BlockedSignals::new();
        let mut open = self.open.borrow(&gate);
        let stale = open.as_ref().is_some_and(|open| {
            inode(&self.path) != Some(open.inode)
                // A rollback failed, for want of memory: whatever came next on this connection would too.
                || !open.conn.is_autocommit()
                || (writes && open.read_only && sys::is_writable(&self.path))
        });
        if stale {
            *open = None;
        }
        let connection = match &mut *open {
            Some(open) => &mut open.conn,
            none => &mut none.insert(self.connect(call)?).conn,
        };
        work(connection).map_err(SqliteError::from)
    }

    fn connect(&self, call: Call) -> std::result::Result<Open, SqliteError> {
        sys::require_plain_file(&self.path).map_err(|e| match e.kind() {
            io::ErrorKind::InvalidInput => SqliteError::Refused(e.to_string(), None),
            _ => SqliteError::Cannot("open", sys::os_message(&e)),
        })?;
        self.create_if_absent()?;
        let read_only = !sys::is_writable(&self.path);
        let access = if read_only {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        } else {
            OpenFlags::SQLITE_OPEN_READ_WRITE
        };
        let flags = access | OpenFlags::SQLITE_OPEN_NOFOLLOW | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let before = inode(&self.path);
        let mut conn = Connection::open_with_flags(&self.path, flags)
            .and_then(|conn| configure(&conn).map(|()| conn))?;
        let Some(inode) = inode(&self.path).filter(|now| Some(*now) == before) else {
            return Err(SqliteError::Moved);
        };
        self.adopt(&mut conn, read_only, call)?;
        // Only now: until here the file might have been a stranger's, and this can rewrite a header.
        conn.pragma_update_and_check(None, "journal_mode", "TRUNCATE", |_| Ok(()))
            .and_then(|()| conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false))?;
        Ok(Open {
            conn,
            inode,
            read_only,
        })
    }

    fn create_if_absent(&self) -> std::result::Result<(), SqliteError> {
        match sys::create_private(&self.path) {
            // The file is new, so no connection of this process has a lock to lose by this close.
            Ok(_) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            // A store that is there may be read where nothing may be created.
            Err(_) if self.path.exists() => Ok(()),
            Err(e) => Err(SqliteError::Cannot("create", sys::os_message(&e))),
        }
    }

    /// Makes the file ours if it is nobody's or the forebear's; refuses a stranger's.
    fn adopt(
        &self,
        conn: &mut Connection,
        read_only: bool,
        call: Call,
    ) -> std::result::Result<(), SqliteError> {
        // In one read transaction: between two of its questions another process may make the file its own.
        let kind = schema::file_kind(&*conn.transaction()?)?;
        match kind {
            FileKind::Current => {}
            FileKind::Newer { version } => {
                let why = format!(
                    "it has schema {version}, newer than this library's {}",
                    schema::newest()
                );
                return Err(SqliteError::Refused(why, Some("Upgrade libwxtoken.")));
            }
            FileKind::Foreign => {
                return Err(SqliteError::Refused(
                    "it belongs to another program".into(),
                    Some("Name another path."),
                ));
            }
            FileKind::Legacy | FileKind::NeedsMigration if read_only => {
                return Err(SqliteError::Cannot(
                    "set up",
                    "this process may only read it".into(),
                ));
            }
            FileKind::NeedsMigration => schema::migrate(conn)?,
            FileKind::Legacy => {
                // The script left it 0644, with clear secrets in it; whoever is killed from here on leaves it private.
                sys::make_private(&self.path)
                    .map_err(|e| SqliteError::Cannot("protect", sys::os_message(&e)))?;
                legacy_import::import(conn, call)?;
            }
        }
        self.was_ours.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Sets a damaged file aside, unless another process has done so by now. A file that nothing shows to have been a
    /// store is somebody else's, and left alone.
    fn repair(&self, call: Call) -> Result<()> {
        let is_known = self.was_ours.load(Ordering::Relaxed)
            || self.lock_path().exists()
            || call.vault.exists();
        if !is_known {
            let why = "it is not an SQLite database, and nothing shows that it was a store";
            let advice = "Move it away, or name another path.";
            return Err(self.error(SqliteError::Refused(why.into(), Some(advice))));
        }
        loop {
            let outcome = {
                let gate = ForkLock::enter();
                let _shield = BlockedSignals::new();
                drop(self.open.borrow(&gate).take());
                self.with_lock_file(&gate, |lock| {
                    if !lock.try_lock(REPAIR_BYTE)? {
                        return Ok(None);
                    }
                    let repaired = match self.is_sound() {
                        Some(true) => Ok(Some(())),
                        Some(false) => quarantine(&self.path).map(|_| Some(())),
                        None => Ok(None),
                    };
                    lock.unlock(REPAIR_BYTE);
                    repaired
                })
            };
            match outcome {
                Ok(Some(())) => return Ok(()),
                Ok(None) => call.deadline.pause(
                    1,
                    5,
                    &self.about("waiting for another process to release the damaged"),
                )?,
                Err(e) => {
                    let what = format!("cannot move damaged store {} aside", self.path.display());
                    let directory = self.path.parent().unwrap_or(Path::new("/"));
                    return Err(Error::store(what).because(format!(
                        "{}; {} is {}",
                        sys::os_message(&e),
                        directory.display(),
                        sys::describe(directory)
                    )));
                }
            }
        }
    }

    /// None when another process keeps us from finding out.
    fn is_sound(&self) -> Option<bool> {
        if sys::require_plain_file(&self.path).is_err() || !self.path.exists() {
            return Some(true);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let checked = Connection::open_with_flags(&self.path, flags).and_then(|conn| {
            configure(&conn)?;
            is_whole(&conn)
        });
        match checked.map_err(SqliteError::from) {
            Ok(is_whole) => Some(is_whole),
            Err(SqliteError::Damaged) => Some(false),
            Err(SqliteError::Busy) => None,
            // No sign of damage: whoever uses it next says what is wrong.
            Err(_) => Some(true),
        }
    }

    /// The caller's error, for one that ends the call.
    fn error(&self, error: SqliteError) -> Error {
        error
            .into_error(&self.path)
            .unwrap_or_else(|_| Error::store(self.about("cannot use")))
    }

    fn with_lock_file<T>(
        &self,
        gate: &ForkLock,
        work: impl FnOnce(&LockFile) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut lock = self.lock.borrow(gate);
        if let Some(stale) = lock.take_if(|lock| !lock.is_in_place()) {
            stale.close(gate);
        }
        let lock = match &mut *lock {
            Some(lock) => lock,
            none => none.insert(LockFile::open(&self.lock_path(), gate)?),
        };
        work(lock)
    }

    fn lock_path(&self) -> PathBuf {
        names::lock_path(&self.path)
    }

    fn about(&self, what: &str) -> String {
        format!("{what} store {}", self.path.display())
    }
}

/// How long a commit may wait for readers that are at it. It does so with the gate held, but they are done in a moment.
const COMMIT_MS: u64 = 20;

/// A commit that meets readers lets no new one in while it waits. Giving up at once would, and under many readers no writer
/// would ever get its turn.
fn commit(transaction: rusqlite::Transaction) -> rusqlite::Result<()> {
    transaction.busy_timeout(Duration::from_millis(COMMIT_MS))?;
    let done = transaction.execute_batch("COMMIT");
    transaction.busy_timeout(Duration::ZERO)?;
    done
}

/// A read transaction. rusqlite's own compiles its BEGIN and ROLLBACK anew each time, a tenth of what a look costs.
struct ReadTransaction<'a>(&'a Connection);

impl<'a> ReadTransaction<'a> {
    fn begin(conn: &'a Connection) -> rusqlite::Result<ReadTransaction<'a>> {
        conn.prepare_cached("BEGIN")?.execute([])?;
        Ok(ReadTransaction(conn))
    }
}

impl Drop for ReadTransaction<'_> {
    fn drop(&mut self) {
        // Where SQLite has already rolled back, as it does after a disk error, there is nothing left to do.
        let _ = self
            .0
            .prepare_cached("ROLLBACK")
            .and_then(|mut rollback| rollback.execute([]));
    }
}

impl Store for SqliteStore {
    fn load(&self, name: Option<&str>, credential: &str, call: Call) -> Result<Lookup> {
        self.with_connection(call, false, |conn| {
            // The account and its row are of one moment.
            let transaction = ReadTransaction::begin(conn)?;
            let Some(account) = sql::account(transaction.0, name)? else {
                return Ok(Lookup::NoAccount);
            };
            let Some(recipe) = account.kind.recipe(credential) else {
                return Ok(Lookup::NoCredential(account));
            };
            let identity = account.identity(recipe, call.options);
            let row = sql::token(transaction.0, &identity)?.unwrap_or_default();
            Ok(Lookup::Found(Box::new(Credential {
                account,
                recipe,
                identity,
                row,
            })))
        })
    }

    fn update(
        &self,
        identity: &CredentialKey,
        call: Call,
        change: &mut dyn FnMut(&mut Row) -> bool,
    ) -> Result<()> {
        self.with_connection(call, true, |conn| {
            let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut row = sql::token(&transaction, identity)?.unwrap_or_default();
            if change(&mut row) {
                sql::put_token(&transaction, identity, &row)?;
                commit(transaction)?;
            }
            Ok(())
        })
    }

    fn register(
        &self,
        account: &Account,
        how: Registration,
        call: Call,
    ) -> Result<Option<Account>> {
        self.with_connection(call, true, |conn| {
            let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let is_stale = |sealed: &Vec<u8>| call.vault.has_key_of(sealed) == Ok(false);
            if account.sealed.as_ref().is_some_and(is_stale) {
                return Ok(None);
            }
            let name = &account.name;
            let is_new = sql::account(&transaction, Some(name))?.is_none();
            let may_be_current = match how {
                Registration::PutBack => {
                    if !is_new || sql::is_removed(&transaction, name)? {
                        return Ok(None);
                    }
                    account.current
                }
                Registration::Update => {
                    sql::forget_removal(&transaction, name)?;
                    sql::clear_failures(&transaction, &account.id)?;
                    is_new
                }
            };
            sql::put_account(&transaction, account)?;
            if may_be_current {
                sql::set_current_if_none(&transaction, name)?;
            }
            let stored = sql::account(&transaction, Some(name))?;
            commit(transaction)?;
            Ok(stored)
        })
    }

    fn set_current(&self, name: &str, call: Call) -> Result<bool> {
        self.with_connection(call, true, |conn| {
            let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let known = sql::set_current(&transaction, name)?;
            commit(transaction)?;
            Ok(known)
        })
    }

    fn set_parent(&self, name: &str, parent: &str, call: Call) -> Result<bool> {
        self.with_connection(call, true, |conn| {
            let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let known = sql::set_parent(&transaction, name, parent)?;
            commit(transaction)?;
            Ok(known)
        })
    }

    fn all(&self, call: Call) -> Result<StoreSnapshot> {
        self.with_connection(call, false, |conn| {
            let transaction = conn.transaction()?;
            Ok(StoreSnapshot {
                accounts: sql::accounts(&transaction)?,
                tokens: sql::tokens(&transaction)?,
            })
        })
    }

    fn try_lock(&self, identity: &CredentialKey, slot: i64) -> Result<Option<LeaderLock<'_>>> {
        let byte = lock_byte(identity, slot);
        let gate = ForkLock::enter();
        let locked = self
            .with_lock_file(&gate, |lock| lock.try_lock(byte))
            .map_err(|e| {
                let path = self.lock_path();
                Error::store(format!("cannot use lock file {}", path.display())).because(format!(
                    "{}; it is {}; its directory is {}",
                    sys::os_message(&e),
                    sys::describe(&path),
                    sys::describe(path.parent().unwrap_or(Path::new("/"))),
                ))
            })?;
        if !locked {
            return Ok(None);
        }
        *self.locks_held.borrow(&gate) += 1;
        Ok(Some(LeaderLock {
            slot,
            release: Box::new(move || {
                let gate = ForkLock::enter();
                *self.locks_held.borrow(&gate) -= 1;
                if let Some(lock) = &*self.lock.borrow(&gate) {
                    lock.unlock(byte);
                }
            }),
        }))
    }

    fn boot_id(&self) -> String {
        if let Some(known) = self.boot_id.get() {
            return known.clone();
        }
        // Out of reach in a chroot without /proc, and for now where descriptors have run out.
        match std::fs::read_to_string("/proc/sys/kernel/random/boot_id") {
            Ok(id) => self.boot_id.get_or_init(|| id.trim().into()).clone(),
            Err(_) => String::new(),
        }
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }
}

fn configure(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(Duration::ZERO)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // A stranger's write-ahead log must outlive our look at it.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.set_prepared_statement_cache_capacity(16);
    conn.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON;
         PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;",
    )
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    Some((meta.dev(), meta.ino()))
}

/// One byte per credential and slot, from a hash, so that a rebuilt store locks the same bytes as the one before.
fn lock_byte(identity: &CredentialKey, slot: i64) -> i64 {
    let CredentialKey {
        endpoint,
        base_url,
        id,
        scope,
    } = identity;
    let text = format!("{endpoint}\0{base_url}\0{id}\0{scope}");
    let mut first = [0u8; 8];
    first.copy_from_slice(&digest(&SHA256, text.as_bytes()).as_ref()[..8]);
    let base = (i64::from_be_bytes(first) & 0x3fff_ffff_ffff_ff00) | 0x100;
    base + slot
}
