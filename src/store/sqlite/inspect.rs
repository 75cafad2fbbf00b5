//! Examines a store's file by reading alone, for `wxtoken doctor`. It creates, repairs, imports and quarantines
//! nothing.
//!
//! It uses a connection of its own, before this process opens the store. With a write-ahead log, closing this
//! connection would drop the locks of another one on the same file.

use std::path::Path;
use std::time::Duration;

use rusqlite::OpenFlags;

use super::connection::open_file;
use super::error::SqliteError;
use super::repair::is_whole;
use super::schema::{self, FileKind};
use crate::error::{Error, Result, Status};
use crate::sys;

/// The longest wait for a writer.
const PATIENCE: Duration = Duration::from_secs(8);

/// The condition of a store's file, as reading it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The store is sound, and opening it changes nothing.
    Sound,
    /// The file is empty.
    Empty,
    /// The store is of an earlier version, or the script's. Opening it creates the tables that it lacks.
    Unfinished,
    /// A process was killed while it wrote. Opening the store undoes its change.
    HalfWritten,
    /// The file is damaged or not a store. Opening it may set it aside.
    Damaged,
}

pub fn condition(path: &Path) -> Result<Condition> {
    let error = match read(path) {
        Ok(condition) => return Ok(condition),
        Err(SqliteError::Damaged) => return Ok(Condition::Damaged),
        // This look may only read, and the process may write.
        Err(SqliteError::LeftJournal) if sys::is_writable(path) => {
            return Ok(Condition::HalfWritten);
        }
        Err(error) => error,
    };
    let is_held = || format!("another process holds store {}", path.display());
    Err(error
        .into_error(path)
        .unwrap_or_else(|_| Error::new(Status::Timeout, is_held())))
}

fn read(path: &Path) -> Result<Condition, SqliteError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = open_file(path, flags)?;
    conn.busy_timeout(PATIENCE)?;
    let transaction = conn.transaction()?;
    let size: i64 = transaction.pragma_query_value(None, "page_count", |row| row.get(0))?;
    Ok(match schema::file_kind(&transaction)? {
        _ if size == 0 => Condition::Empty,
        FileKind::NeedsMigration | FileKind::Legacy => Condition::Unfinished,
        FileKind::Current if !is_whole(&transaction)? => Condition::Damaged,
        FileKind::Current
        | FileKind::Newer { .. }
        | FileKind::Planted { .. }
        | FileKind::Foreign => Condition::Sound,
    })
}
