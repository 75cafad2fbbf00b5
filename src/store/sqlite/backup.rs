//! A backup: a file with the accounts and pushed secrets, sealed, and with a server's clients, but without tokens. So a
//! restored backup never brings a superseded token back.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::connection::{configure, open_file};
use super::repair::is_whole;
use super::schema::{self, FileKind};
use super::sql;
use crate::clock::Deadline;
use crate::credential::Row;
use crate::error::{Error, Result, Status};
use crate::store::StoreSnapshot;
use crate::sys::{self, ForkLock};

/// Writes a snapshot to a new file. Fails if the file exists.
pub fn write_backup(to: &Path, snapshot: &StoreSnapshot) -> Result<()> {
    let cannot = |e: String| {
        Error::store(format!("cannot write backup {}", to.display()))
            .because(e)
            .advise("Name a new file in a directory that you may write to.")
    };
    sys::create_private(to).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => cannot("its directory does not exist".into()),
        _ => cannot(sys::os_message(&e)),
    })?;
    let held = ForkLock::enter();
    let written = open_draft(to).and_then(|mut conn| {
        let transaction = conn.transaction()?;
        schema::create(&transaction)?;
        write(&transaction, snapshot)?;
        transaction.commit()
    });
    drop(held);
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
    sql::put_clients(conn, snapshot.clients.as_deref())
}

/// Reads a backup in memory. A backup of an older version is migrated there, so its file does not change, and no file
/// is created. A malicious file causes an error, by the deadline at the latest.
pub fn read_backup(from: &Path, by: &Deadline) -> Result<StoreSnapshot> {
    let what = || format!("cannot restore from {}", from.display());
    let cannot = |e: String| Error::store(what()).because(e);
    let bytes = read_file(from).map_err(cannot)?;
    // No child may be forked while SQLite computes.
    let held = ForkLock::enter();
    let read = open_in_memory(&bytes, by).and_then(|mut conn| {
        drop(bytes);
        let kind = schema::file_kind(&conn)?;
        // A page that several others point to could be read without end.
        let is_whole = is_whole(&conn)?;
        if is_whole && kind == FileKind::NeedsMigration && from_us(&conn) {
            schema::migrate(&mut conn)?;
        }
        let read = match kind {
            FileKind::Current | FileKind::NeedsMigration if from_us(&conn) && is_whole => {
                Some(snapshot_of(&conn)?)
            }
            _ => None,
        };
        Ok((kind, is_whole, read))
    });
    drop(held);
    match read {
        Ok((_, _, Some(snapshot))) => Ok(snapshot),
        Ok((FileKind::Newer { version }, ..)) => Err(cannot(format!(
            "it has schema {version}, newer than this version's {}",
            schema::newest()
        ))
        .advise("Upgrade libwxtoken.")),
        Ok((FileKind::Planted { what }, ..)) => Err(cannot(format!(
            "it has {what} in the place of a table, which no backup has"
        ))),
        Ok((_, false, _)) => Err(cannot("it is damaged".into())),
        Ok(_) => Err(cannot("it is not a backup of a store".into())),
        Err(_) if by.has_passed() => Err(Error::new(Status::Timeout, what())
            .because("it was not read within timeout_ms")
            .advise("Raise timeout_ms, if it is a backup of yours.")),
        Err(e) => Err(cannot(e.to_string())),
    }
}

/// The size limit of a backup, and of a text or value in one.
const MAX_BACKUP: u64 = 256 << 20;
const MAX_VALUE: i32 = 1 << 20;

fn read_file(from: &Path) -> Result<Vec<u8>, String> {
    let os = |e: io::Error| sys::os_message(&e);
    sys::require_readable_file(from).map_err(os)?;
    let file = File::open(from).map_err(os)?;
    let size = file.metadata().map_err(os)?.len();
    let mut bytes = Vec::new();
    if size <= MAX_BACKUP {
        file.take(MAX_BACKUP + 1)
            .read_to_end(&mut bytes)
            .map_err(os)?;
    }
    match bytes.len() as u64 {
        _ if size > MAX_BACKUP => Err("it is larger than any backup".into()),
        MAX_BACKUP.. => Err("it is larger than any backup".into()),
        0 => Err("it is empty".into()),
        _ => Ok(bytes),
    }
}

fn open_in_memory(bytes: &[u8], by: &Deadline) -> rusqlite::Result<Connection> {
    /// The number of SQLite's steps between two looks at the clock.
    const STEPS: i32 = 1000;
    let mut conn = Connection::open_in_memory()?;
    configure(&conn)?;
    conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE)?;
    let by = *by;
    conn.progress_handler(STEPS, Some(move || by.has_passed()))?;
    conn.deserialize_read_exact("main", bytes, bytes.len(), false)?;
    Ok(conn)
}

fn snapshot_of(conn: &Connection) -> rusqlite::Result<StoreSnapshot> {
    Ok(StoreSnapshot {
        accounts: sql::accounts(conn)?,
        unknown: sql::unknown_accounts(conn)?,
        rows: sql::rows(conn)?,
        clients: sql::clients(conn)?,
    })
}

fn open_draft(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let conn = open_file(path, flags)?;
    // With the journal in memory, the backup is complete in one file.
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
