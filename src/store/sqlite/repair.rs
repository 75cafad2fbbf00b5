//! Sets a damaged store aside, with its journal, under a name that contains the time. It is never deleted.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use rusqlite::{Connection, OpenFlags};

use super::SqliteStore;
use super::connection::open_file;
use super::error::SqliteError;
use super::leader_lock::lock_path;
use crate::clock::{Deadline, Now};
use crate::error::{Error, Result};
use crate::sync;
use crate::sys::{self, BlockedSignals, ForkLock};

/// The byte of the lock file that is held while a damaged store is set aside. Credentials use bytes from 256 on.
const REPAIR_BYTE: i64 = 0;

/// The suffix of a damaged store's new name. The time and the process id follow.
pub const QUARANTINED: &str = ".corrupt-";

impl SqliteStore {
    /// Sets a damaged file aside, unless another process has already done so. If nothing shows that it was a store,
    /// it belongs to another program and is left as it is.
    pub(super) fn repair(&self, by: &Deadline) -> Result<()> {
        let is_known = self.was_ours.load(Ordering::Relaxed)
            || lock_path(&self.path).exists()
            || self.opening.vault.exists();
        if !is_known {
            let why = "it is not an SQLite database, and nothing shows that it was a store";
            let advice = "Move it away, or name another path.";
            return Err(self.error(SqliteError::Refused(why.into(), Some(advice.into()))));
        }
        loop {
            let outcome = {
                let mut files = self.take_files(by)?;
                let _shield = BlockedSignals::new();
                self.close(&mut files);
                self.with_lock_file(&mut sync::lock(&self.lock), |lock| {
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
                Ok(None) => by.pause(
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

    /// Whether the file is sound. None if another process prevents the check.
    fn is_sound(&self) -> Option<bool> {
        if sys::require_plain_file(&self.path).is_err() || !self.path.exists() {
            return Some(true);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        sys::take_lost();
        let held = ForkLock::enter();
        let checked = open_file(&self.path, flags).and_then(|conn| is_whole(&conn));
        drop(held);
        if sys::take_lost() {
            // The check may have read another file.
            return None;
        }
        match checked.map_err(SqliteError::from) {
            Ok(is_whole) => Some(is_whole),
            Err(SqliteError::Damaged) => Some(false),
            Err(SqliteError::Busy) => None,
            // This is not a sign of damage. The next use of the file will report what is wrong.
            Err(_) => Some(true),
        }
    }

    /// Turns an error that ends the call into the caller's error.
    fn error(&self, error: SqliteError) -> Error {
        error
            .into_error(&self.path)
            .unwrap_or_else(|_| Error::store(self.about("cannot use")))
    }
}

/// Whether SQLite finds every page sound. An error may be a sign of damage too.
pub fn is_whole(conn: &Connection) -> rusqlite::Result<bool> {
    let verdict: String = conn.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
    Ok(verdict == "ok")
}

/// Renames the store and its journal. Another process may have done so already.
pub fn quarantine(store: &Path) -> io::Result<PathBuf> {
    let stamp = Now::of_host().wall_ms;
    let aside = with_suffix(
        store,
        &format!("{QUARANTINED}{stamp}-{}", std::process::id()),
    );
    // The journal goes first, because a new store must not find the old one's.
    for side in ["-journal", "-wal", "-shm"] {
        rename_if_there(&with_suffix(store, side), &with_suffix(&aside, side))?;
    }
    rename_if_there(store, &aside)?;
    Ok(aside)
}

pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
