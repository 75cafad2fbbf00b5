//! The failures of a call on the SQLite store, sorted by what to do about each, and their messages.
//!
//! A failure is made with the fork lock held, so it is kept small. Its message asks the system for users' names, so
//! it is made without the lock.

use std::path::Path;

use rusqlite::ErrorCode;

use super::schema::NewerSchema;
use crate::error::{Error, Hint};
use crate::sys;

/// The failure of one attempt at a call.
pub enum SqliteError {
    /// Another process is writing. Wait and try again.
    Busy,
    /// SQLite found the file malformed. Repair it and try again.
    Damaged,
    /// Some of our tables are missing. Create them and try again.
    Unfinished,
    /// The file at the path is no longer the one that is open. Try again.
    Moved,
    /// The host program has closed the descriptor of a file. Try again.
    Lost,
    /// The action that failed, and the reason.
    Cannot(&'static str, String),
    /// The action that failed, the reason, and the advice.
    Advised(&'static str, String, &'static str),
    /// The system reported an I/O error, with this code of SQLite's.
    Io(i32),
    /// A journal was left there, and only a process that may write can play it back.
    LeftJournal,
    /// The file is not ours. The texts are the reason for thinking so, and the advice.
    Refused(String, Option<String>),
    /// A file could not be created. The texts are the reason and the advice.
    NotMade(String, Option<String>),
    /// Another process has brought the store to this schema, which is newer than ours.
    Newer(i64),
    /// A failure that has its own message.
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
    /// Turns a failure that no further try can end into the caller's error. Returns the others unchanged.
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

/// The error of an I/O failure: the file system lacks a feature, or the disk is at fault.
fn io_error(store: &Path, code: i32) -> Error {
    let directory = store.parent().unwrap_or(Path::new("/"));
    if let Some(lack) = sys::probe(directory).unwrap_or_default().first() {
        let why = format!(
            "its file system ({}) has no {}",
            sys::fs_type(store),
            lack.name()
        );
        return cannot("use", store, &why)
            .advise("Keep the store on a local disk, such as ext4 or XFS.");
    }
    // The extended code names the system call. SQLite's text says only “disk I/O error”.
    let why = format!("the system reported an I/O error (SQLite code {code})");
    cannot("use", store, &why).advise("Check the disk, its free space, and the file-size limit.")
}

/// The error of an action on a store, with its reason, the file's owner and mode, and the user of this process.
fn cannot(what: &str, store: &Path, why: &str) -> Error {
    let directory = store.parent().unwrap_or(Path::new("/"));
    let place = if store.exists() { store } else { directory };
    Error::store(format!("cannot {what} store {}", store.display())).because(format!(
        "{why}; {} is {}",
        place.display(),
        sys::describe(place),
    ))
}

/// SQLite's own message, without the statement that rusqlite may append.
fn plain(e: &rusqlite::Error) -> String {
    match e {
        rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
        rusqlite::Error::SqliteFailure(failure, None) => failure.to_string(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}
