//! Whose file it is, and what makes it ours: migration, or the import of the script's database.

use std::sync::atomic::Ordering;

use rusqlite::Connection;

use super::SqliteStore;
use super::error::SqliteError;
use super::legacy_import;
use super::schema::{self, FileKind};
use crate::error::Result;
use crate::sys;

impl SqliteStore {
    /// Makes the file ours if it is nobody's or the script's; refuses a stranger's.
    pub(super) fn adopt(&self, conn: &mut Connection, read_only: bool) -> Result<(), SqliteError> {
        // In one read transaction: between two of its questions another process may make the file its own.
        let kind = schema::file_kind(&*conn.transaction()?)?;
        match kind {
            FileKind::Current => {}
            // A process that had it open goes on reading.
            FileKind::Newer { version } if self.was_ours.load(Ordering::Relaxed) => {
                self.newer_schema.store(version, Ordering::Relaxed);
                return Ok(());
            }
            FileKind::Newer { version } => {
                let why = format!(
                    "it has schema {version}, newer than this library's {}",
                    schema::newest()
                );
                return Err(SqliteError::Refused(
                    why,
                    Some("Upgrade libwxtoken.".into()),
                ));
            }
            FileKind::Planted { what } => {
                let why = format!("it has {what} in the place of a table, as no store has");
                let advice = "Find out where it comes from, and name another path.";
                return Err(SqliteError::Refused(why, Some(advice.into())));
            }
            FileKind::Foreign => {
                return Err(SqliteError::Refused(
                    "it belongs to another program".into(),
                    Some("Name another path.".into()),
                ));
            }
            FileKind::Legacy | FileKind::NeedsMigration if read_only => {
                return Err(SqliteError::Cannot(
                    "set up",
                    "this process may only read it".into(),
                ));
            }
            FileKind::NeedsMigration => {
                self.prepare_journal()?;
                schema::migrate(conn)?;
            }
            FileKind::Legacy => {
                // The script left it 0644, with clear secrets in it; whoever is killed from here on leaves it private.
                sys::make_private(&self.path)
                    .map_err(|e| SqliteError::Cannot("protect", sys::os_message(&e)))?;
                legacy_import::import(conn, &self.opening)?;
            }
        }
        if !read_only {
            self.prepare_journal()?;
        }
        self.newer_schema.store(0, Ordering::Relaxed);
        self.was_ours.store(true, Ordering::Relaxed);
        Ok(())
    }
}
