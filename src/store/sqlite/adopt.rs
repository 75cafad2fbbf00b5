//! Adopts a file: finds out to whom it belongs, and makes it ours by migration or by the import of the script's
//! database.

use std::sync::atomic::Ordering;

use rusqlite::Connection;

use super::SqliteStore;
use super::error::SqliteError;
use super::legacy_import;
use super::schema::{self, FileKind};
use crate::error::Result;
use crate::sys;

impl SqliteStore {
    /// Makes the file ours if it is nobody's or the script's. Refuses one that belongs to another program.
    pub(super) fn adopt(&self, conn: &mut Connection, read_only: bool) -> Result<(), SqliteError> {
        // These questions share one read transaction, since another process may adopt the file between two of them.
        let kind = schema::file_kind(&*conn.transaction()?)?;
        match kind {
            FileKind::Current => {}
            // A process that already had the store open keeps reading it.
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
                let why = format!("it has {what} in the place of a table, which no store has");
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
                // The script left the file 0644 with clear secrets in it. If this process is killed from here on, the
                // file stays private.
                sys::outside(|| sys::make_private(&self.path))
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
