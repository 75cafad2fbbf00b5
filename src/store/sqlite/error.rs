//! What can stop a call on the SQLite store, told apart by what to do about it, and the words for it.
//!
//! Made with the fork lock held, so kept small; the message, which asks the system for users' names, is made without.

use std::path::Path;

use rusqlite::ErrorCode;

use super::schema::NewerSchema;
use crate::error::{Error, Hint};
use crate::sys;

/// What stopped one attempt at a call.
pub enum SqliteError {
    /// Another process writes: wait and try again.
    Busy,
    /// SQLite found the file malformed: mend it and try again.
    Damaged,
    /// Our tables are not all there: make them and try again.
    Unfinished,
    /// The file under the connection is no longer the one at the path: try again.
    Moved,
    /// The host has closed the descriptor of a file: try again.
    Lost,
    /// What could not be done, and why.
    Cannot(&'static str, String),
    /// What could not be done, why, and what to do.
    Advised(&'static str, String, &'static str),
    /// The system reported an I/O error, with this code of SQLite's.
    Io(i32),
    /// A journal is there that only a process that may write can play back.
    LeftJournal,
    /// The file is not ours: why we think so, and what to do.
    Refused(String, Option<String>),
    /// A file could not be made: why, and what to do.
    NotMade(String, Option<String>),
    /// Another process has brought the store to this schema, newer than ours.
    Newer(i64),
    /// A message of its own.
    Failed(Error),
}

impl From<rusqlite::Error> for SqliteError {
    fn from(e: rusqlite::Error) -> SqliteError {
        if let rusqlite::Error::ToSqlConversionFailure(cause) = &e
            && let Some(NewerSchema(version)) = cause.downcast_ref()
        {
            return SqliteError::Newer(*version);
        }
        let Some(failure) = e.sqlite_error() else {
            return SqliteError::Cannot("understand", e.to_string());
        };
        let code = failure.extended_code;
        match failure.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => SqliteError::Busy,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => SqliteError::Damaged,
            _ if e.to_string().contains("no such table") => SqliteError::Unfinished,
            ErrorCode::ReadOnly if code == rusqlite::ffi::SQLITE_READONLY_DBMOVED => {
                SqliteError::Moved
            }
            ErrorCode::ReadOnly if code == rusqlite::ffi::SQLITE_READONLY_ROLLBACK => {
                SqliteError::LeftJournal
            }
            ErrorCode::ReadOnly => {
                SqliteError::Cannot("write to", "this process may only read it".into())
            }
            ErrorCode::DiskFull => SqliteError::Advised(
                "write to",
                "no space is left".into(),
                "Free some on its file system, or lift the file-size limit.",
            ),
            ErrorCode::SystemIoFailure | ErrorCode::PermissionDenied => SqliteError::Io(code),
            _ => SqliteError::Cannot("use", format!("{} (SQLite code {code})", plain(&e))),
        }
    }
}

impl SqliteError {
    /// The caller's error, for what no further try can end; the other kinds come back as they are.
    pub fn into_error(self, store: &Path) -> Result<Error, SqliteError> {
        let shown = store.display();
        match self {
            SqliteError::Failed(error) => Ok(error),
            SqliteError::Refused(why, advice) => {
                let error = Error::store(format!("cannot use {shown} as a store"))
                    .because(format!("{why}; it was not changed"));
                Ok(match advice {
                    Some(advice) => error.advise(advice),
                    None => error,
                })
            }
            SqliteError::NotMade(why, advice) => {
                let error = cannot("create", store, &why);
                Ok(match advice {
                    Some(advice) => error.advise(advice),
                    None => error,
                })
            }
            SqliteError::Cannot(what, why) => Ok(cannot(what, store, &why)),
            SqliteError::Advised(what, why, advice) => Ok(cannot(what, store, &why).advise(advice)),
            SqliteError::Io(code) => Ok(io_error(store, code)),
            SqliteError::LeftJournal => {
                let why = "a process was killed while it wrote, and this process may only read it";
                let user = Some(sys::owner_name(store));
                Ok(cannot("read", store, why).hint(Hint::Keep { user }))
            }
            passing => Err(passing),
        }
    }
}

/// An I/O error: the file system lacks something, or the disk is at fault.
fn io_error(store: &Path, code: i32) -> Error {
    let directory = store.parent().unwrap_or(Path::new("/"));
    if let Some(lack) = sys::probe(directory).unwrap_or_default().first() {
        let why = format!(
            "its file system ({}) has no {}",
            sys::fs_type(store),
            lack.name()
        );
        return cannot("use", store, &why)
            .advise("Keep the store on a local disk, as ext4 or XFS.");
    }
    // The extended code names the system call; SQLite's text alone says “disk I/O error”.
    let why = format!("the system reported an I/O error (SQLite code {code})");
    cannot("use", store, &why).advise("Check the disk, its free space, and the file-size limit.")
}

/// What could not be done to a store and why, with whose it is and who is asking.
fn cannot(what: &str, store: &Path, why: &str) -> Error {
    let directory = store.parent().unwrap_or(Path::new("/"));
    let place = if store.exists() { store } else { directory };
    Error::store(format!("cannot {what} store {}", store.display())).because(format!(
        "{why}; {} is {}",
        place.display(),
        sys::describe(place),
    ))
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
