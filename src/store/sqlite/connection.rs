//! The connection. It is reopened when another file lies at the path, and tried again while another process holds the
//! store.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::change_watch::ChangeWatch;
use super::error::SqliteError;
use super::leader_lock::lock_path;
use super::obstacle::{Obstacle, journal_path, remedy};
use super::turn::Taken;
use super::{Files, SqliteStore, schema};
use crate::clock::Deadline;
use crate::error::{Error, Hint, Result};
use crate::sys::{self, BlockedSignals, FileId, ForkLock, NotGiven, OWNER_ONLY, OwnFile, Owner};

/// The number of times that one call may find the store damaged and repair it.
const MAX_REPAIRS: u32 = 3;

pub(super) struct Open {
    pub(super) conn: Connection,
    file: FileId,
    read_only: bool,
}

/// A file at the store's path, and its owner, group and mode. It includes the time of birth, since the inode of a
/// deleted file is soon used again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    file: FileId,
    born: Option<SystemTime>,
    owner: u32,
    group: u32,
    mode: u32,
}

impl Seen {
    fn of(meta: &Metadata) -> Seen {
        Seen {
            file: FileId::of(meta),
            born: meta.created().ok(),
            owner: meta.uid(),
            group: meta.gid(),
            mode: meta.permissions().mode() & 0o7777,
        }
    }

    fn is_same_file(&self, other: &Seen) -> bool {
        (self.file, self.born) == (other.file, other.born)
    }
}

impl SqliteStore {
    /// Runs `work` on the connection. Waits, repairs and reopens the store as needed.
    pub(super) fn with_connection<T>(
        &self,
        by: &Deadline,
        writes: bool,
        mut work: impl FnMut(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        if writes && let Some(obstacle) = self.obstacle() {
            return Err(self.refuse_write(&obstacle));
        }
        let mut repairs = 0;
        loop {
            let error = match self.attempt(&mut *self.take_files(by)?, writes, &mut work) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if let SqliteError::Newer(version) = error {
                self.newer_schema.store(version, Ordering::Relaxed);
                return Err(self.describe_obstacle(&Obstacle::NewerSchema(version)));
            }
            let error = match error.into_error(&self.path) {
                Ok(error) => return Err(error),
                Err(passing) => passing,
            };
            if repairs == MAX_REPAIRS && !matches!(error, SqliteError::Busy | SqliteError::Lost) {
                let what = format!(
                    "store {} is still damaged after {MAX_REPAIRS} repairs",
                    self.path.display()
                );
                let before = Some("Move it away, and".into());
                return Err(Error::store(what).hint(Hint::RegisterAll { before }));
            }
            match error {
                SqliteError::Busy => {
                    by.pause(1, 5, &self.about("waiting for another process to release"))?;
                }
                SqliteError::Unfinished => {
                    repairs += 1;
                    let files = &mut *self.take_files(by)?;
                    let migrated = self.attempt(files, true, &mut schema::migrate);
                    if let Err(Ok(error)) = migrated.map_err(|t| t.into_error(&self.path)) {
                        return Err(error);
                    }
                }
                SqliteError::Lost => {
                    by.pause(
                        0,
                        1,
                        &self.about("while this program closed the descriptors of"),
                    )?;
                }
                SqliteError::Damaged => {
                    repairs += 1;
                    self.repair(by)?;
                }
                _ => repairs += 1,
            }
        }
    }

    /// Notes whether another process has migrated the store. A process that has not written since would not know.
    pub(super) fn look_for_newer_schema(&self, by: &Deadline) {
        let version = self.with_connection(by, false, |conn| schema::version(conn));
        if let Ok(version) = version {
            let newer = if version > schema::newest() {
                version
            } else {
                0
            };
            self.newer_schema.store(newer, Ordering::Relaxed);
        }
    }

    /// Takes this thread's turn at the files.
    pub(super) fn take_files(&self, by: &Deadline) -> Result<Taken<'_, Files>> {
        let waiting = || by.error(&self.about("waiting for another thread to release"));
        self.files.take(by).ok_or_else(waiting)
    }

    fn attempt<T>(
        &self,
        files: &mut Files,
        writes: bool,
        work: &mut impl FnMut(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, SqliteError> {
        let _shield = BlockedSignals::new();
        let there = std::fs::symlink_metadata(&self.path).ok();
        let stale = files.open.as_ref().is_some_and(|open| {
            there.as_ref().map(FileId::of) != Some(open.file)
                // A rollback failed for lack of memory, so every later call on this connection would fail too.
                || !open.conn.is_autocommit()
                || (writes && open.read_only && sys::is_writable(&self.path))
                || self.is_rewritten(there.as_ref())
        });
        self.require_own_journal(there.as_ref())?;
        sys::take_lost();
        if stale {
            self.close(files);
        }
        let there = match files.open {
            Some(_) => there,
            None => {
                let open = self.connect().map_err(lost_or)?;
                let watch = sys::file_of(&open.conn).map(|file| ChangeWatch::of(&self.path, file));
                self.watch.store(watch.map(Arc::new));
                files.open = Some(open);
                std::fs::symlink_metadata(&self.path).ok()
            }
        };
        // Access is kept only for a file that is known to be ours.
        if let Some(meta) = there {
            self.keep_access(&mut files.seen, &meta);
        }
        let Some(open) = &mut files.open else {
            return Err(SqliteError::Moved);
        };
        let held = ForkLock::enter();
        let done = work(&mut open.conn);
        drop(held);
        let is_lost = sys::take_lost();
        let done = match done {
            // A commit stands even if a descriptor was lost. A read may have been of another file.
            Ok(done) if writes || !is_lost => Ok(done),
            Err(e) if !is_lost => Err(SqliteError::from(e)),
            _ => Err(SqliteError::Lost),
        };
        if writes && let Some(watch) = self.watch.load().as_ref() {
            watch.mark_cached();
        }
        let done = match done {
            // Another SQLite has turned on a write-ahead log since.
            Err(e) if !matches!(e, SqliteError::Busy) && self.has_got_log() => {
                Err(SqliteError::Moved)
            }
            done => done,
        };
        // A connection is not used again after an I/O error.
        if is_lost || matches!(done, Err(SqliteError::Io(_) | SqliteError::Moved)) {
            self.close(files);
        }
        done
    }

    fn connect(&self) -> Result<Open, SqliteError> {
        sys::require_plain_file(&self.path).map_err(|e| match e.kind() {
            io::ErrorKind::InvalidInput => SqliteError::Refused(e.to_string(), self.other_name()),
            _ => SqliteError::Cannot("open", sys::os_message(&e)),
        })?;
        if sys::is_mount_point(&self.path) {
            let why = "it is a mount of its own, apart from its journal, its lock and its key";
            let advice = "Mount its directory in place of the one file.";
            return Err(SqliteError::Refused(why.into(), Some(advice.into())));
        }
        self.create_if_absent()?;
        let read_only = !sys::is_writable(&self.path);
        let access = if read_only {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        } else {
            OpenFlags::SQLITE_OPEN_READ_WRITE
        };
        let flags = access | OpenFlags::SQLITE_OPEN_NOFOLLOW | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let before = FileId::at(&self.path);
        let had_log = has_write_ahead_log(&self.path);
        let _held = ForkLock::enter();
        let mut conn = open_with_log(&self.path, flags, had_log)?;
        let now = sys::outside(|| FileId::at(&self.path));
        let Some(file) = now.filter(|now| Some(*now) == before) else {
            return Err(SqliteError::Moved);
        };
        self.adopt(&mut conn, read_only)?;
        // This can rewrite a header, so it must wait until the file is known not to belong to another program.
        conn.pragma_update_and_check(None, "journal_mode", "TRUNCATE", |_| Ok(()))
            .and_then(|()| conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false))?;
        if had_log && !has_write_ahead_log(&self.path) {
            // The file has no write-ahead log any more, so it is opened again like all others.
            return Err(SqliteError::Moved);
        }
        Ok(Open {
            conn,
            file,
            read_only,
        })
    }

    fn has_got_log(&self) -> bool {
        self.watch.load().is_some() && has_write_ahead_log(&self.path)
    }

    fn is_rewritten(&self, there: Option<&Metadata>) -> bool {
        let watch = self.watch.load();
        watch
            .as_ref()
            .zip(there)
            .is_some_and(|(watch, there)| watch.is_rewritten(there))
    }

    fn create_if_absent(&self) -> Result<(), SqliteError> {
        let cannot = |e: &io::Error| match sys::is_lost(e) {
            true => SqliteError::Lost,
            false => SqliteError::NotMade(sys::os_message(e), remedy(e)),
        };
        match sys::create_private(&self.path) {
            Ok(file) => match self.path.parent().and_then(Owner::of_directory) {
                Some(owner) => file
                    .get()
                    .and_then(|file| sys::give(file, &owner, OWNER_ONLY))
                    .map_err(|e| {
                        let _ = std::fs::remove_file(&self.path);
                        cannot(&e)
                    }),
                None => Ok(()),
            },
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            // A file without the right mode would be readable by others, so it is deleted.
            Err(e) if e.kind() == io::ErrorKind::Unsupported => {
                let _ = std::fs::remove_file(&self.path);
                Err(cannot(&e))
            }
            // An existing store may be read even where no file may be created.
            Err(_) if self.path.exists() => Ok(()),
            Err(e) => Err(cannot(&e)),
        }
    }

    /// The advice to name a link's target instead of the link.
    fn other_name(&self) -> Option<String> {
        let meta = std::fs::symlink_metadata(&self.path).ok()?;
        let target = sys::link_target(&self.path);
        meta.is_symlink()
            .then(|| format!("Name the file itself: {}", target.display()))
    }

    /// Creates the journal before SQLite does. SQLite would leave it in its creator's group, closed to the group of
    /// the store.
    pub(super) fn prepare_journal(&self) -> Result<(), SqliteError> {
        sys::outside(|| self.create_journal())
    }

    fn create_journal(&self) -> Result<(), SqliteError> {
        let path = journal_path(&self.path);
        let Some(owner) = Owner::of(&self.path).filter(|_| !path.exists()) else {
            return Ok(());
        };
        let made = sys::create_private(&path).and_then(|file| {
            let given = sys::give(file.get()?, &owner, owner.journal_mode());
            given.inspect_err(|_| {
                let _ = std::fs::remove_file(&path);
            })
        });
        match made {
            Err(e) if NotGiven::owner_in(&e).is_some() => {
                let why = format!("of {}: {}", path.display(), sys::os_message(&e));
                Err(SqliteError::NotMade(why, remedy(&e)))
            }
            // Another process was faster, or SQLite will report the failure.
            _ => Ok(()),
        }
    }

    /// Gives a store the owner, group and mode of the one before it. This is for a store that was created again after
    /// loss or damage, and is open to its owner alone. The access to a file that stayed the same is the operator's
    /// choice.
    fn keep_access(&self, seen: &mut Option<Seen>, meta: &Metadata) {
        let now = Seen::of(meta);
        match *seen {
            Some(before)
                if (before.mode, before.owner, before.group)
                    != (now.mode, now.owner, now.group)
                    && now.mode == OWNER_ONLY
                    && !now.is_same_file(&before) =>
            {
                // If this fails, readers see it, and their error names mode and owner.
                let _ = sys::give_access(
                    &self.path,
                    now.file,
                    before.owner,
                    before.group,
                    before.mode,
                );
                // The file may be gone by now, and the next one must get this access too.
                *seen = Some(Seen {
                    owner: before.owner,
                    group: before.group,
                    mode: before.mode,
                    ..now
                });
            }
            _ => {
                if *seen != Some(now) {
                    self.open_to_writers(meta);
                }
                *seen = Some(now);
            }
        }
    }

    /// Opens the lock and the journal to the group, if the group may write the store.
    fn open_to_writers(&self, store: &Metadata) {
        let owner = Owner::of_file(store);
        if owner.lock_mode() != OWNER_ONLY {
            sys::follow(&journal_path(&self.path), &owner, owner.journal_mode());
            sys::follow(&lock_path(&self.path), &owner, owner.lock_mode());
        }
    }
}

/// Opens a file with SQLite and configures the connection.
pub(super) fn open_file(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    open_with_log(path, flags, has_write_ahead_log(path))
}

/// Opens a file. `has_log` says whether the file has a write-ahead log, which our VFS does not support.
fn open_with_log(path: &Path, flags: OpenFlags, has_log: bool) -> rusqlite::Result<Connection> {
    let conn = if has_log {
        Connection::open_with_flags(path, flags)?
    } else {
        Connection::open_with_flags_and_vfs(path, flags, sys::store_vfs())?
    };
    configure(&conn)?;
    Ok(conn)
}

/// Whether a database's header says that it has a write-ahead log.
fn has_write_ahead_log(path: &Path) -> bool {
    let mut versions = [0; 2];
    let read = sys::outside(|| {
        OwnFile::open_for_reading(path).and_then(|own| own.get()?.read_exact_at(&mut versions, 18))
    });
    read.is_ok() && versions.contains(&2)
}

/// Returns `Lost` if this thread has met a lost descriptor, else the error.
fn lost_or(error: SqliteError) -> SqliteError {
    if sys::take_lost() {
        SqliteError::Lost
    } else {
        error
    }
}

pub(super) fn configure(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(Duration::ZERO)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // A store has no views and no triggers. If another program has put some into the file, they do nothing.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    // Closing must not delete the write-ahead log of another program's file.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.set_prepared_statement_cache_capacity(16);
    conn.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON;
         PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;",
    )
}

/// Begins a transaction that writes. Fails if another process has migrated the store to a newer schema since it was
/// opened.
pub(super) fn begin_write(conn: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    schema::require_known(&transaction)?;
    Ok(transaction)
}

/// The longest wait of a commit, in ms, for readers that are at the store. Readers finish quickly.
const COMMIT_MS: u64 = 20;

/// Commits. While a commit waits for readers, SQLite lets no new reader in. A commit that gave up at once would let
/// them in, and under many readers no writer would ever get its turn.
pub(super) fn commit(transaction: rusqlite::Transaction) -> rusqlite::Result<()> {
    transaction.busy_timeout(Duration::from_millis(COMMIT_MS))?;
    let done = transaction.execute_batch("COMMIT");
    transaction.busy_timeout(Duration::ZERO)?;
    done
}

/// A read transaction with prepared statements. rusqlite's own compiles BEGIN and ROLLBACK each time, which takes a
/// tenth of a look's time.
pub(super) struct ReadTransaction<'a>(&'a Connection);

impl<'a> ReadTransaction<'a> {
    pub(super) fn begin(conn: &'a Connection) -> rusqlite::Result<ReadTransaction<'a>> {
        conn.prepare_cached("BEGIN")?.execute([])?;
        Ok(ReadTransaction(conn))
    }

    pub(super) fn conn(&self) -> &'a Connection {
        self.0
    }
}

impl Drop for ReadTransaction<'_> {
    fn drop(&mut self) {
        // If SQLite has already rolled back, as after a disk error, the ROLLBACK fails and nothing is left to do.
        let _ = self
            .0
            .prepare_cached("ROLLBACK")
            .and_then(|mut rollback| rollback.execute([]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database that a stranger made can reach every feature that is compiled in. .cargo/config.toml says what is
    /// left out.
    #[test]
    fn sqlite_has_no_more_than_a_store_needs() {
        let conn = Connection::open_in_memory().unwrap();
        let mut asked = conn.prepare("PRAGMA compile_options").unwrap();
        let options = asked.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let options: Vec<String> = options.map(Result::unwrap).collect();
        let has = |word: &str| options.iter().any(|option| option.contains(word));
        for left_out in [
            "FTS3",
            "FTS5",
            "RTREE",
            "DBSTAT",
            "STAT4",
            "SOUNDEX",
            "COLUMN_METADATA",
        ] {
            assert!(!has(left_out), "{options:?}");
        }
        for left_out in [
            "OMIT_LOAD_EXTENSION",
            "OMIT_JSON",
            "OMIT_SHARED_CACHE",
            "OMIT_DECLTYPE",
            "DEFAULT_MEMSTATUS=0",
        ] {
            assert!(has(left_out), "{options:?}");
        }
    }
}
