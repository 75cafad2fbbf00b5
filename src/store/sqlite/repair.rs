//! What to do about a damaged store: set it aside with its journal under a name that says when, and never delete it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::clock::Now;

/// What a damaged store is called from then on: this follows its name, and then when and by whom.
pub const QUARANTINED: &str = ".corrupt-";

/// What SQLite says of every page. An error may be a sign of damage, too.
pub fn is_whole(conn: &Connection) -> rusqlite::Result<bool> {
    let verdict: String = conn.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
    Ok(verdict == "ok")
}

/// Renames the store and its journal. Another process may have done so already.
pub fn quarantine(store: &Path) -> io::Result<PathBuf> {
    let stamp = Now::read().wall_ms;
    let aside = with_suffix(
        store,
        &format!("{QUARANTINED}{stamp}-{}", std::process::id()),
    );
    // The journal goes first: a new store must not find the old one's.
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
