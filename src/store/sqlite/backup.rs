//! A backup: a file of its own with accounts and pushed secrets, sealed, and without tokens. One that is restored brings
//! no token back that has been superseded since.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::connection::open_file;
use super::schema::{self, FileKind};
use super::sql;
use crate::credential::Row;
use crate::error::{Error, Result};
use crate::store::StoreSnapshot;
use crate::sys;

/// Writes a snapshot to a file that must not exist yet.
pub fn write_backup(to: &Path, snapshot: &StoreSnapshot) -> Result<()> {
    let cannot = |e: String| {
        Error::store(format!("cannot write backup {}", to.display()))
            .because(e)
            .advise("Name a new file in a directory that you may write to.")
    };
    sys::create_private(to).map_err(|e| cannot(sys::os_message(&e)))?;
    let written = open_draft(to).and_then(|mut conn| {
        let transaction = conn.transaction()?;
        schema::create(&transaction)?;
        write(&transaction, snapshot)?;
        transaction.commit()
    });
    written
        .map_err(|e| e.to_string())
        .and_then(|()| persist(to).map_err(|e| sys::os_message(&e)))
        .map_err(|e| {
            let _ = std::fs::remove_file(to);
            cannot(e)
        })
}

fn write(conn: &Connection, snapshot: &StoreSnapshot) -> rusqlite::Result<()> {
    for account in &snapshot.accounts {
        sql::put_account(conn, account)?;
    }
    for account in &snapshot.unknown {
        sql::put_unknown_account(conn, account)?;
    }
    let known = snapshot.accounts.iter().map(|a| (&a.name, a.current));
    let unknown = snapshot.unknown.iter().map(|a| (&a.name, a.current));
    for (name, _) in known.chain(unknown).filter(|(_, current)| *current) {
        sql::set_current(conn, name)?;
    }
    for (key, row) in snapshot.rows.iter().filter(|(_, row)| row.pushed.is_some()) {
        let kept = Row {
            pushed: row.pushed.clone(),
            pushed_before: row.pushed_before.clone(),
            ..Row::default()
        };
        sql::put_row(conn, key, &kept)?;
    }
    Ok(())
}

/// Reads a copy of a backup, made in `scratch` and brought up to date: one that an older version wrote is left as it is.
pub fn read_backup(from: &Path, scratch: &Path) -> Result<StoreSnapshot> {
    let cannot =
        |e: String| Error::store(format!("cannot restore from {}", from.display())).because(e);
    let stamp = u64::from_ne_bytes(sys::random());
    let draft = Draft(scratch.join(format!(".wxtoken.{stamp:016x}.restore")));
    sys::require_readable_file(from)
        .and_then(|()| File::open(from))
        .and_then(|mut source| {
            let copy = sys::create_private(&draft.0)?;
            io::copy(&mut source, &mut copy.get()?)
        })
        .map_err(|e| cannot(sys::os_message(&e)))?;
    let mut conn = open_draft(&draft.0).map_err(|e| cannot(e.to_string()))?;
    match schema::file_kind(&conn).map_err(|e| cannot(e.to_string()))? {
        FileKind::Current => {}
        FileKind::NeedsMigration if from_us(&conn) => {
            schema::migrate(&mut conn).map_err(|e| cannot(e.to_string()))?;
        }
        FileKind::Newer { version } => {
            return Err(cannot(format!(
                "it has schema {version}, newer than this version's {}",
                schema::newest()
            ))
            .advise("Upgrade libwxtoken."));
        }
        _ => return Err(cannot("it is not a backup of a store".into())),
    }
    let read = sql::accounts(&conn).and_then(|accounts| {
        let rows = sql::rows(&conn)?;
        let unknown = sql::unknown_accounts(&conn)?;
        Ok(StoreSnapshot {
            accounts,
            unknown,
            rows,
        })
    });
    read.map_err(|e| cannot(e.to_string()))
}

fn open_draft(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let conn = open_file(path, flags)?;
    // One file, whole by itself.
    conn.pragma_update_and_check(None, "journal_mode", "MEMORY", |_| Ok(()))?;
    Ok(conn)
}

fn from_us(conn: &Connection) -> bool {
    let mark = conn.pragma_query_value(None, "application_id", |row| row.get::<_, i64>(0));
    mark.is_ok_and(|mark| mark == schema::APPLICATION_ID)
}

fn persist(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    match path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        Some(directory) => sys::sync_directory(directory),
        None => sys::sync_directory(Path::new(".")),
    }
}

/// A file that goes when this does.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
