//! The reasons why a process may only read a store, each with its remedy.
//!
//! Such a process is a reader, and leaves fetching to a keeper. Otherwise it would fetch for itself alone, or create
//! files that shut the owner out.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::SqliteStore;
use super::leader_lock::lock_path;
use super::repair::with_suffix;
use super::schema;
use crate::error::Error;
use crate::sys::{self, NotGiven};

/// The remedy for a file of another user.
const OWN_DIRECTORY: &str = "keep the store in a directory that belongs to the service";

/// One reason why a process may not write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// Another process has brought the store to a schema that is newer than ours.
    NewerSchema(i64),
    /// The file system of the store does not lock.
    NoLocks,
    /// The lock file is missing, and one that this process creates would shut the owner out.
    NotOurLock,
    /// The file system is mounted read-only.
    ReadOnly,
    /// This file may not be written.
    Denied(PathBuf),
    /// The system protects this file, which lies in a sticky directory.
    Protected(PathBuf),
    /// This file is missing, and its directory may not be written.
    NoFile(PathBuf),
}

/// The path of a store's journal.
pub(super) fn journal_path(store: &Path) -> PathBuf {
    with_suffix(store, "-journal")
}

impl SqliteStore {
    /// The reason why this process may not write, as far as it can be told without trying.
    pub(super) fn obstacle(&self) -> Option<Obstacle> {
        let version = self.newer_schema.load(Ordering::Relaxed);
        if version > 0 {
            return Some(Obstacle::NewerSchema(version));
        }
        if self.lacks_locks.load(Ordering::Relaxed) {
            return Some(Obstacle::NoLocks);
        }
        if self.cannot_give_lock.load(Ordering::Relaxed) && !lock_path(&self.path).exists() {
            return Some(Obstacle::NotOurLock);
        }
        let journal = journal_path(&self.path);
        of_file(&self.path)
            .or_else(|| of_file(&lock_path(&self.path)))
            .or_else(|| of_file(&journal))
            // The system (fs.protected_regular) guards an open that may create the file, which is how SQLite opens a
            // journal. A new journal belongs to the store's owner. The store and the lock are not opened in that way.
            .or_else(|| {
                let guarded = if journal.exists() {
                    &journal
                } else {
                    &self.path
                };
                sys::is_protected(guarded).then(|| Obstacle::Protected(journal.clone()))
            })
    }

    /// The error that describes an obstacle, with its remedy.
    pub(super) fn describe_obstacle(&self, obstacle: &Obstacle) -> Error {
        let (why, advice) = obstacle.told(&self.path);
        let error = Error::store(format!(
            "this process may only read store {}",
            self.path.display()
        ))
        .because(why);
        match advice {
            Some(advice) => error.advise(advice),
            None => error,
        }
    }
}

impl SqliteStore {
    /// The error of a write that an obstacle prevents.
    pub(super) fn refuse_write(&self, obstacle: &Obstacle) -> Error {
        let error = self.describe_obstacle(obstacle);
        match obstacle {
            Obstacle::ReadOnly => error.advise("Do this where it is mounted writable."),
            _ if error.hint.is_some() => error,
            _ => error.advise(format!("Run this as {}.", sys::owner_name(&self.path))),
        }
    }
}

/// The reason why this process may not write this file.
fn of_file(path: &Path) -> Option<Obstacle> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    if !path.exists() {
        if sys::is_writable(directory) {
            return None;
        }
        return Some(if sys::is_read_only(directory) {
            Obstacle::ReadOnly
        } else {
            Obstacle::NoFile(path.to_owned())
        });
    }
    if !sys::is_writable(path) {
        return Some(if sys::is_read_only(path) {
            Obstacle::ReadOnly
        } else {
            Obstacle::Denied(path.to_owned())
        });
    }
    None
}

impl Obstacle {
    /// The cause, and the remedy if a keeper alone does not help.
    fn told(&self, store: &Path) -> (String, Option<String>) {
        let owner = || sys::owner_name(store);
        match self {
            Obstacle::NewerSchema(version) => (
                format!(
                    "another process has brought it to schema {version}, newer than this library's {}",
                    schema::newest()
                ),
                Some("Upgrade libwxtoken, and restart this process.".into()),
            ),
            Obstacle::NoLocks => (
                format!(
                    "its file system ({}) has no {}",
                    sys::fs_type(store),
                    sys::Lack::Locks.name()
                ),
                Some("Keep the store on a local disk, such as ext4 or XFS.".into()),
            ),
            Obstacle::NotOurLock => (
                format!(
                    "a lock file of this process would not belong to {}, and would shut that user out",
                    owner()
                ),
                Some(format!("Run this as {}.", owner())),
            ),
            Obstacle::ReadOnly => (
                "its file system is mounted read-only".into(),
                Some(format!(
                    "Run `wxtoken keep` as {}, where it is writable.",
                    owner()
                )),
            ),
            Obstacle::Denied(path) if path == store => {
                (format!("it is {}", sys::describe(path)), None)
            }
            Obstacle::Denied(path) => {
                let why = format!("{} is {}", path.display(), sys::describe(path));
                let is_owners = sys::owner_uid(path).ok() == sys::owner_uid(store).ok();
                let advice = format!("As root: chown {} {}", owner(), path.display());
                (why, (!is_owners).then_some(advice))
            }
            Obstacle::Protected(path) => (
                format!(
                    "in a sticky directory the system (fs.protected_regular) lets only {} write to {}; this process runs as {}",
                    owner(),
                    path.display(),
                    sys::me()
                ),
                Some(format!("Run this as {}, or {OWN_DIRECTORY}.", owner())),
            ),
            Obstacle::NoFile(path) => {
                let directory = path.parent().unwrap_or(Path::new("/"));
                (
                    format!(
                        "it may not make {}; its directory is {}",
                        path.display(),
                        sys::describe(directory)
                    ),
                    None,
                )
            }
        }
    }
}

/// The remedy for a file next to a store that could not be created or opened.
pub(super) fn remedy(e: &std::io::Error) -> Option<String> {
    if let Some(owner) = NotGiven::owner_in(e) {
        return Some(format!("Run this as {owner}."));
    }
    match (e.raw_os_error(), e.kind()) {
        (Some(libc::EROFS), _) => {
            Some("Mount it writable, or run `wxtoken keep` where it is writable.".into())
        }
        (_, std::io::ErrorKind::Unsupported) => {
            Some("Keep the store on a local disk, such as ext4 or XFS.".into())
        }
        _ => None,
    }
}
