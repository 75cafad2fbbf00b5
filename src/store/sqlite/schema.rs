//! The tables, an append-only list of migrations on `user_version`, and the kinds of file: ours, the script's, and others.
//!
//! A file with a newer `user_version` is refused untouched, and an older one is migrated in place. Our
//! `application_id` marks a file as ours. The script's two tables are recognised by their columns.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

/// The store's `application_id` in SQLite: “wxtk”.
pub const APPLICATION_ID: i64 = 0x7778_746b;

type Migration = fn(&Connection) -> rusqlite::Result<()>;

const MIGRATIONS: &[Migration] = &[
    accounts_and_tokens,
    parents_and_puts,
    removals,
    refusals,
    clients,
];

/// Creates the first tables. Their names follow the script's. The library does not use `id` of a token row; it is for
/// people who want to point at a row.
fn accounts_and_tokens(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(
        "
    CREATE TABLE IF NOT EXISTS weixin_account (
        id          INTEGER PRIMARY KEY,
        name        TEXT NOT NULL UNIQUE,
        kind        TEXT NOT NULL,
        appid       TEXT NOT NULL,
        secret      BLOB,
        fingerprint TEXT NOT NULL,
        current     INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE UNIQUE INDEX IF NOT EXISTS weixin_account_current ON weixin_account (current) WHERE current = 1;
    CREATE TABLE IF NOT EXISTS weixin_token (
        id              INTEGER PRIMARY KEY,
        endpoint        TEXT NOT NULL,
        base_url        TEXT NOT NULL,
        appid           TEXT NOT NULL,
        fingerprint     TEXT NOT NULL,
        access_token    TEXT,
        fetched_at      INTEGER NOT NULL,
        expires_at      INTEGER NOT NULL,
        refresh_at      INTEGER NOT NULL,
        fetched_boot    INTEGER NOT NULL,
        boot_id         TEXT NOT NULL,
        fetched_by      TEXT NOT NULL,
        fetches         INTEGER NOT NULL,
        rejects         INTEGER NOT NULL,
        rejected        INTEGER NOT NULL,
        reissued        INTEGER NOT NULL,
        reject_tried    INTEGER NOT NULL,
        reject_fetch_at INTEGER NOT NULL,
        force_day       INTEGER NOT NULL,
        forces          INTEGER NOT NULL,
        failures        INTEGER NOT NULL,
        failed_at       INTEGER NOT NULL,
        backoff_ms      INTEGER NOT NULL,
        failed_budget_ms INTEGER NOT NULL,
        last_status     INTEGER NOT NULL,
        last_errcode    INTEGER NOT NULL,
        last_error      TEXT NOT NULL,
        lease_owner     INTEGER NOT NULL,
        lease_until     INTEGER NOT NULL,
        lease_slot      INTEGER NOT NULL,
        UNIQUE (endpoint, base_url, appid, fingerprint)
    ) STRICT;
",
    )
}

/// Adds the account with whose token another account's is fetched, and the pushed secrets. Since this migration,
/// `fingerprint` of a token row is the key's discriminator: the secret's fingerprint, or the parent's id.
fn parents_and_puts(conn: &Connection) -> rusqlite::Result<()> {
    add_column(conn, "weixin_account", "parent", "TEXT")?;
    add_column(conn, "weixin_token", "put", "BLOB")?;
    add_column(conn, "weixin_token", "put_at", "INTEGER NOT NULL DEFAULT 0")?;
    add_column(
        conn,
        "weixin_token",
        "put_fingerprint",
        "TEXT NOT NULL DEFAULT ''",
    )?;
    add_column(conn, "weixin_token", "put_before", "BLOB")
}

/// Adds the names of accounts that an operator has removed. Live handles do not put them back.
fn removals(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(
        "CREATE TABLE IF NOT EXISTS weixin_removed (name TEXT PRIMARY KEY, removed_at INTEGER NOT NULL) STRICT;",
    )
}

/// Adds the refused secrets and the history of rejections, both as JSON, and the secret by which the last token was
/// fetched.
fn refusals(conn: &Connection) -> rusqlite::Result<()> {
    let text = "TEXT NOT NULL DEFAULT ''";
    add_column(conn, "weixin_token", "refusals", text)?;
    add_column(conn, "weixin_token", "secret_worked", text)?;
    add_column(conn, "weixin_token", "rejections", text)
}

/// Adds the clients of a server: one record, in one row.
fn clients(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(
        "CREATE TABLE IF NOT EXISTS weixin_client (id INTEGER PRIMARY KEY CHECK (id = 1), clients TEXT NOT NULL) STRICT;",
    )
}

fn add_column(conn: &Connection, table: &str, column: &str, of: &str) -> rusqlite::Result<()> {
    if has_column(conn, table, column)? {
        return Ok(());
    }
    conn.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column} {of}"))
}

/// The owner of the file that a connection has open.
#[derive(Debug, PartialEq, Eq)]
pub enum FileKind {
    /// The file is ours and up to date.
    Current,
    /// The file is nobody's yet, or ours with tables or migrations missing.
    NeedsMigration,
    Legacy,
    Newer {
        version: i64,
    },
    /// The file is marked as ours but has something else in the place of a table. It was made to trick this library
    /// into opening it.
    Planted {
        what: String,
    },
    Foreign,
}

pub fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

pub fn file_kind(conn: &Connection) -> rusqlite::Result<FileKind> {
    let application = pragma(conn, "application_id")?;
    let version = pragma(conn, "user_version")?;
    if application == APPLICATION_ID && version > newest() {
        return Ok(FileKind::Newer { version });
    }
    let tables = tables(conn)?;
    if application == APPLICATION_ID {
        if let Some(what) = in_place_of_a_table(conn)? {
            return Ok(FileKind::Planted { what });
        }
        let is_whole = version == newest() && has_all(&tables);
        return Ok(if is_whole {
            FileKind::Current
        } else {
            FileKind::NeedsMigration
        });
    }
    if application != 0 || version != 0 {
        return Ok(FileKind::Foreign);
    }
    if tables.is_empty() {
        return Ok(FileKind::NeedsMigration);
    }
    if looks_like_legacy(conn, &tables)? {
        return Ok(FileKind::Legacy);
    }
    Ok(FileKind::Foreign)
}

pub fn version(conn: &Connection) -> rusqlite::Result<i64> {
    pragma(conn, "user_version")
}

/// An error that passes through SQLite's error type: the store's schema is newer than ours.
#[derive(Debug)]
pub struct NewerSchema(pub i64);

impl std::fmt::Display for NewerSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "schema {} is newer than {}", self.0, newest())
    }
}

impl std::error::Error for NewerSchema {}

/// Fails if another process has migrated the store to a schema that this process does not know.
pub fn require_known(conn: &Connection) -> rusqlite::Result<()> {
    let version = conn
        .prepare_cached("PRAGMA user_version")?
        .query_row([], |row| row.get(0))?;
    if version > newest() {
        let newer = Box::new(NewerSchema(version));
        return Err(rusqlite::Error::ToSqlConversionFailure(newer));
    }
    Ok(())
}

/// Creates what is missing, in one transaction. It takes the intent lock first, so that of two processes only one
/// does it.
pub fn migrate(conn: &mut Connection) -> rusqlite::Result<()> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // The kind is checked again with the lock held, since another process may have migrated the file meanwhile.
    if file_kind(&transaction)? != FileKind::NeedsMigration {
        return Ok(());
    }
    create(&transaction)?;
    transaction.commit()
}

/// Creates the tables and the marks, inside the caller's transaction. If a table is missing, every migration runs
/// again over the ones that are left, so each must be safe to run again.
pub fn create(conn: &Connection) -> rusqlite::Result<()> {
    let done = if has_all(&tables(conn)?) {
        usize::try_from(pragma(conn, "user_version")?).unwrap_or(0)
    } else {
        0
    };
    for migration in MIGRATIONS.iter().skip(done) {
        migration(conn)?;
    }
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    conn.pragma_update(None, "user_version", newest())
}

fn pragma(conn: &Connection, name: &str) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, name, |row| row.get(0))
}

/// The view, index or virtual table that has the name of one of our tables. A read from a view can take for ever.
fn in_place_of_a_table(conn: &Connection) -> rusqlite::Result<Option<String>> {
    let query = "SELECT type FROM sqlite_schema
                 WHERE lower(name) IN ('weixin_account', 'weixin_token', 'weixin_removed', 'weixin_client')
                 AND NOT (type = 'table' AND rootpage > 0) LIMIT 1";
    let found = conn.query_row(query, [], |row| row.get::<_, String>(0));
    Ok(found.optional()?.map(|kind| match kind.as_str() {
        "table" => "a virtual table".into(),
        "index" => "an index".into(),
        other => format!("a {other}"),
    }))
}

/// The names of all tables and views except SQLite's own.
fn tables(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    conn.prepare_cached("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn has_all(tables: &[String]) -> bool {
    let has = |name: &&str| tables.iter().any(|table| table == name);
    let ours = [
        "weixin_account",
        "weixin_token",
        "weixin_removed",
        "weixin_client",
    ];
    ours.iter().all(has)
}

/// Whether the tables look like the script's. The script made its two tables without constraints, and either may be
/// missing. A companion script counted its messages in a third table, which is left as it is.
fn looks_like_legacy(conn: &Connection, tables: &[String]) -> rusqlite::Result<bool> {
    const SCRIPT: [(&str, &[&str]); 3] = [
        ("weixin_account", &["corpid", "secret"]),
        ("weixin_token", &["access_token", "expires_on"]),
        ("weixin_limit", &[]),
    ];
    if tables.iter().all(|table| table == "weixin_limit") {
        return Ok(false);
    }
    for table in tables {
        let Some((_, columns)) = SCRIPT.iter().find(|(name, _)| name == table) else {
            return Ok(false);
        };
        for column in *columns {
            if !has_column(conn, table, column)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

pub fn has_column(conn: &Connection, table: &str, column: &str) -> rusqlite::Result<bool> {
    conn.query_row(
        "SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2",
        [table, column],
        |_| Ok(()),
    )
    .optional()
    .map(|found| found.is_some())
}
