//! What a store's file is, by reading alone: nothing is made, repaired, imported or quarantined. For `wxtoken doctor`.
//!
//! On a connection of its own, before this process opens the store: of a file with a write-ahead log, closing it would cost
//! another one its locks.

use std::path::Path;
use std::time::Duration;

use rusqlite::OpenFlags;

use super::connection::open_file;
use super::error::SqliteError;
use super::repair::is_whole;
use super::schema::{self, FileKind};
use crate::error::{Error, Result, Status};

/// How long a writer may keep us from reading.
const PATIENCE: Duration = Duration::from_secs(8);

/// What reading a store's file shows, before it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Opening it changes nothing.
    Sound,
    /// There is nothing in it.
    Empty,
    /// Of an earlier version, or the script's: opening it makes the tables that it lacks.
    Unfinished,
    /// Or no store: opening it may set it aside.
    Damaged,
}

pub fn condition(path: &Path) -> Result<Condition> {
    let error = match read(path) {
        Ok(condition) => return Ok(condition),
        Err(SqliteError::Damaged) => return Ok(Condition::Damaged),
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
