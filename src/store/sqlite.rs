//! The SQLite store: one connection per process, opened, healed and reopened as the file beneath it needs.
//!
//! Locking: every SQLite call holds the fork gate, and SQLite itself never waits: a busy file lets the gate go, sleeps a
//! few milliseconds, and tries again to the caller's deadline. A forked child never touches this struct; it makes its
//! own. Filesystems: local ones only; POSIX locks and the lock file do not reach across hosts.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::forebear::{self, ImportError};
use super::heal::{set_aside, suffixed};
use super::schema::{self, Owner};
use super::{Account, Call, Everything, LeaderLock, Registration, Store, View, rows};
use crate::error::{Error, Result};
use crate::sys::{self, Gate, Gated, LockFile, Shield};
use crate::token::{Identity, Row};

/// The byte of the lock file that whoever sets a damaged store aside holds; credentials use those from 256 on.
const HEAL_BYTE: i64 = 0;
/// How often one call may find the store damaged and mend it.
const MENDS: u32 = 3;

pub struct SqliteStore {
    path: PathBuf,
    boot_id: String,
    open: Gated<Option<Open>>,
    lock: Gated<Option<LockFile>>,
    locks_held: Gated<usize>,
}

struct Open {
    conn: Connection,
    inode: (u64, u64),
    read_only: bool,
}

/// What stopped one attempt at a call.
enum Trouble {
    /// Another process writes.
    Busy,
    /// SQLite found the file malformed.
    Damaged,
    /// Our tables are not all there.
    Unfinished,
    /// The file under the connection is no longer the one at the path.
    Moved,
    /// No use in trying again.
    Failed(Error),
}

impl SqliteStore {
    /// Opens the store at an absolute path, creating it when absent.
    pub fn open(path: PathBuf, call: Call) -> Result<SqliteStore> {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        let store = SqliteStore {
            path,
            boot_id: boot_id.map(|id| id.trim().into()).unwrap_or_default(),
            open: Gated::new(None),
            lock: Gated::new(None),
            locks_held: Gated::new(0),
        };
        store.with(call, false, |_| Ok(()))?;
        Ok(store)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes the files, unless a lock is held on one; they are opened again when they are needed.
    pub fn rest(&self) {
        let gate = Gate::enter();
        if *self.locks_held.borrow(&gate) > 0 {
            return;
        }
        drop(self.open.borrow(&gate).take());
        if let Some(lock) = self.lock.borrow(&gate).take() {
            lock.close(&gate);
        }
    }

    /// Runs `work` on the connection, waiting, mending and reopening as needed.
    fn with<T>(
        &self,
        call: Call,
        writes: bool,
        mut work: impl FnMut(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let mut mends = 0;
        loop {
            let trouble = match self.attempt(call, writes, &mut work) {
                Ok(done) => return Ok(done),
                Err(trouble) => trouble,
            };
            match trouble {
                Trouble::Failed(error) => return Err(error),
                Trouble::Busy => {
                    call.deadline
                        .pause(1, 5, &self.about("waiting for a writer of"))?
                }
                _ if mends == MENDS => {
                    return Err(Error::store(self.about(
                        "mended more than once and still damaged: move it away and register the accounts again:",
                    )));
                }
                Trouble::Moved => mends += 1,
                Trouble::Unfinished => {
                    mends += 1;
                    self.attempt(call, true, &mut schema::migrate)
                        .or_else(|t| match t {
                            Trouble::Failed(error) => Err(error),
                            _ => Ok(()),
                        })?;
                }
                Trouble::Damaged => {
                    mends += 1;
                    self.mend(call)?;
                }
            }
        }
    }

    fn attempt<T>(
        &self,
        call: Call,
        writes: bool,
        work: &mut impl FnMut(&mut Connection) -> rusqlite::Result<T>,
    ) -> std::result::Result<T, Trouble> {
        let gate = Gate::enter();
        let _shield = Shield::raise();
        let mut open = self.open.borrow(&gate);
        let stale = open.as_ref().is_some_and(|open| {
            inode(&self.path) != Some(open.inode)
                || (writes && open.read_only && sys::is_writable(&self.path))
        });
        if stale {
            *open = None;
        }
        let connection = match &mut *open {
            Some(open) => &mut open.conn,
            none => &mut none.insert(self.connect(call)?).conn,
        };
        work(connection).map_err(|e| self.trouble(&e))
    }

    fn connect(&self, call: Call) -> std::result::Result<Open, Trouble> {
        sys::require_plain_file(&self.path).map_err(|e| self.refused(&e.to_string()))?;
        self.create_if_absent().map_err(Trouble::Failed)?;
        let read_only = !sys::is_writable(&self.path);
        let access = if read_only {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        } else {
            OpenFlags::SQLITE_OPEN_READ_WRITE
        };
        let flags = access | OpenFlags::SQLITE_OPEN_NOFOLLOW | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let before = inode(&self.path);
        let mut conn = Connection::open_with_flags(&self.path, flags)
            .and_then(|conn| configure(&conn).map(|()| conn))
            .map_err(|e| self.trouble(&e))?;
        let Some(inode) = inode(&self.path).filter(|now| Some(*now) == before) else {
            return Err(Trouble::Moved);
        };
        self.take_possession(&mut conn, read_only, call)?;
        // Only now: until here the file might have been a stranger's, and this can rewrite a header.
        conn.pragma_update_and_check(None, "journal_mode", "TRUNCATE", |_| Ok(()))
            .and_then(|()| conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false))
            .map_err(|e| self.trouble(&e))?;
        Ok(Open {
            conn,
            inode,
            read_only,
        })
    }

    fn create_if_absent(&self) -> Result<()> {
        match sys::create_private(&self.path) {
            // The file is new, so no connection of this process has a lock to lose by this close.
            Ok(_) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            // A store that is there may be read where nothing may be created.
            Err(_) if self.path.exists() => Ok(()),
            Err(e) => Err(self.cannot("create", &e.to_string())),
        }
    }

    /// Makes the file ours if it is nobody's or the forebear's; refuses a stranger's.
    fn take_possession(
        &self,
        conn: &mut Connection,
        read_only: bool,
        call: Call,
    ) -> std::result::Result<(), Trouble> {
        match schema::owner(conn).map_err(|e| self.trouble(&e))? {
            Owner::Us => Ok(()),
            Owner::NewerUs { version } => Err(self.refused(&format!(
                "its schema {version} is newer than this library's {}: upgrade libwxtoken",
                schema::newest()
            ))),
            Owner::Stranger => {
                Err(self.refused("is another program's database: name another path"))
            }
            Owner::Forebear | Owner::UsUnfinished if read_only => Err(Trouble::Failed(
                self.cannot("set up", "this process may only read it"),
            )),
            Owner::UsUnfinished => schema::migrate(conn).map_err(|e| self.trouble(&e)),
            Owner::Forebear => {
                forebear::import(conn, call).map_err(|e| match e {
                    ImportError::Sqlite(e) => self.trouble(&e),
                    ImportError::Seal(error) => Trouble::Failed(error),
                })?;
                // The script left it 0644; what is in it now is for its owner.
                sys::make_private(&self.path)
                    .map_err(|e| Trouble::Failed(self.cannot("protect", &e.to_string())))
            }
        }
    }

    /// Sets a damaged file aside, unless another process has done so by now.
    fn mend(&self, call: Call) -> Result<()> {
        loop {
            let gate = Gate::enter();
            let _shield = Shield::raise();
            drop(self.open.borrow(&gate).take());
            let outcome = self.with_lock_file(&gate, |lock| {
                if !lock.try_lock(HEAL_BYTE)? {
                    return Ok(None);
                }
                let mended = if self.is_sound() {
                    Ok(())
                } else {
                    set_aside(&self.path).map(drop)
                };
                lock.unlock(HEAL_BYTE);
                mended.map(Some)
            });
            match outcome {
                Ok(Some(())) => return Ok(()),
                Ok(None) => {}
                Err(e) => return Err(self.cannot("set the damaged file aside:", &e.to_string())),
            }
            drop(gate);
            call.deadline
                .pause(1, 5, &self.about("waiting for another process to mend"))?;
        }
    }

    fn is_sound(&self) -> bool {
        if sys::require_plain_file(&self.path).is_err() || !self.path.exists() {
            return true;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let checked = Connection::open_with_flags(&self.path, flags).and_then(|conn| {
            conn.pragma_query_value(None, "integrity_check", |row| row.get::<_, String>(0))
        });
        match checked {
            Ok(verdict) => verdict == "ok",
            Err(e) => !is_damage(&e),
        }
    }

    fn with_lock_file<T>(
        &self,
        gate: &Gate,
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
        suffixed(&self.path, ".lock")
    }

    fn trouble(&self, e: &rusqlite::Error) -> Trouble {
        let Some(failure) = e.sqlite_error() else {
            return Trouble::Failed(self.cannot("understand", &e.to_string()));
        };
        match failure.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Trouble::Busy,
            _ if is_damage(e) => Trouble::Damaged,
            _ if e.to_string().contains("no such table") => Trouble::Unfinished,
            ErrorCode::ReadOnly
                if failure.extended_code == rusqlite::ffi::SQLITE_READONLY_DBMOVED =>
            {
                Trouble::Moved
            }
            ErrorCode::DiskFull => Trouble::Failed(self.cannot(
                "write to",
                "no space is left: free some on its file system, or lift the file-size limit",
            )),
            ErrorCode::ReadOnly => {
                Trouble::Failed(self.cannot("write to", "this process may only read it"))
            }
            ErrorCode::SystemIoFailure => Trouble::Failed(self.cannot(
                "use",
                &format!(
                    "the system reported an I/O error (SQLite code {}): check the disk, its free space, and the file-size limit",
                    failure.extended_code
                ),
            )),
            _ => Trouble::Failed(self.cannot(
                "use",
                &format!("{} (SQLite code {})", plain(e), failure.extended_code),
            )),
        }
    }

    fn refused(&self, why: &str) -> Trouble {
        Trouble::Failed(Error::store(format!(
            "store {} is refused and was not changed: it {}",
            self.path.display(),
            why.trim_start_matches("it ")
        )))
    }

    fn cannot(&self, what: &str, why: &str) -> Error {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        let place = if self.path.exists() {
            &*self.path
        } else {
            directory
        };
        Error::store(format!(
            "cannot {what} store {}: {why}; {} is {}",
            self.path.display(),
            place.display(),
            sys::describe(place),
        ))
    }

    fn about(&self, what: &str) -> String {
        format!("{what} store {}", self.path.display())
    }
}

impl Store for SqliteStore {
    fn load(&self, name: Option<&str>, call: Call) -> Result<Option<View>> {
        self.with(call, false, |conn| {
            // One read transaction: the account and its row are of one moment.
            let transaction = conn.transaction()?;
            let Some(account) = rows::account(&transaction, name)? else {
                return Ok(None);
            };
            let identity = account.identity(call.options);
            let row = rows::token(&transaction, &identity)?.unwrap_or_default();
            Ok(Some(View {
                account,
                identity,
                row,
            }))
        })
    }

    fn update(
        &self,
        identity: &Identity,
        call: Call,
        change: &mut dyn FnMut(&mut Row) -> bool,
    ) -> Result<()> {
        self.with(call, true, |conn| {
            let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut row = rows::token(&transaction, identity)?.unwrap_or_default();
            if change(&mut row) {
                rows::put_token(&transaction, identity, &row)?;
                transaction.commit()?;
            }
            Ok(())
        })
    }

    fn register(&self, account: &Account, how: Registration, call: Call) -> Result<()> {
        self.with(call, true, |conn| {
            let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if how == Registration::PutBack
                && rows::account(&transaction, Some(&account.name))?.is_some()
            {
                return Ok(());
            }
            rows::put_account(&transaction, account)?;
            if how == Registration::Update {
                rows::forgive(&transaction, &account.id)?;
            }
            transaction.commit()
        })
    }

    fn set_current(&self, name: &str, call: Call) -> Result<bool> {
        self.with(call, true, |conn| {
            let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let known = rows::set_current(&transaction, name)?;
            transaction.commit()?;
            Ok(known)
        })
    }

    fn all(&self, call: Call) -> Result<Everything> {
        self.with(call, false, |conn| {
            let transaction = conn.transaction()?;
            Ok((rows::accounts(&transaction)?, rows::tokens(&transaction)?))
        })
    }

    fn try_lock(&self, identity: &Identity, slot: i64) -> Result<Option<LeaderLock<'_>>> {
        let byte = lock_byte(identity, slot);
        let gate = Gate::enter();
        let locked = self
            .with_lock_file(&gate, |lock| lock.try_lock(byte))
            .map_err(|e| {
                let path = self.lock_path();
                Error::store(format!(
                    "cannot use lock file {}: {e}; it is {}; its directory is {}",
                    path.display(),
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
                let gate = Gate::enter();
                *self.locks_held.borrow(&gate) -= 1;
                if let Some(lock) = &*self.lock.borrow(&gate) {
                    lock.unlock(byte);
                }
            }),
        }))
    }

    fn boot_id(&self) -> String {
        self.boot_id.clone()
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }
}

fn configure(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(std::time::Duration::ZERO)?;
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

fn is_damage(e: &rusqlite::Error) -> bool {
    matches!(
        e.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// SQLite's own words, without the statement that rusqlite may append.
fn plain(e: &rusqlite::Error) -> String {
    match e {
        rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
        rusqlite::Error::SqliteFailure(failure, None) => failure.to_string(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

/// One byte per credential and slot, from a hash, so that a rebuilt store locks the same bytes as the one before.
fn lock_byte(identity: &Identity, slot: i64) -> i64 {
    let Identity {
        endpoint,
        base_url,
        id,
        fingerprint,
    } = identity;
    let text = format!("{endpoint}\0{base_url}\0{id}\0{fingerprint}");
    let mut first = [0u8; 8];
    first.copy_from_slice(&digest(&SHA256, text.as_bytes()).as_ref()[..8]);
    let base = (i64::from_be_bytes(first) & 0x3fff_ffff_ffff_ff00) | 0x100;
    base + slot
}
