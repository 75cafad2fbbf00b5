//! The SQL of accounts and token rows. It decides what is read and written, and never when.

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, ToSql, named_params, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::credential::{CredentialKey, Row, StoredSecret};
use crate::platform::Kind;
use crate::store::{Account, ParentLink, UnknownAccount};

/// Selects accounts, with the columns in the order that [`read_account`] expects. The compiler joins the SQL, because
/// its text is the key of the prepared statements.
macro_rules! accounts {
    () => {
        "SELECT name, kind, appid, secret, fingerprint, current, parent FROM weixin_account "
    };
}

/// The condition that selects one row.
macro_rules! is {
    () => {
        "endpoint = ?1 AND base_url = ?2 AND appid = ?3 AND fingerprint = ?4"
    };
}

/// Selects rows with their keys.
macro_rules! rows {
    () => {
        concat!(
            "SELECT endpoint, base_url, appid, fingerprint, ",
            token!(),
            " FROM weixin_token "
        )
    };
}

/// The columns in the order that [`read_row`] expects.
macro_rules! token {
    () => {
        "access_token, fetched_at, expires_at, refresh_at, fetched_boot, boot_id, fetched_by, fetches, rejects, rejected,
         reissued, reject_tried, reject_fetch_at, force_day, forces, failures, failed_at, backoff_ms, failed_budget_ms,
         last_status, last_errcode, last_error, lease_owner, lease_until, lease_slot, put, put_at, put_fingerprint, put_before,
         refusals, secret_worked, rejections"
    };
}

/// Reads a row from left to right. rusqlite finds a column by comparing its name with each, which costs more than the
/// query.
struct Columns<'a, 'row> {
    row: &'a rusqlite::Row<'row>,
    next: usize,
}

impl<'a, 'row> Columns<'a, 'row> {
    fn of(row: &'a rusqlite::Row<'row>) -> Columns<'a, 'row> {
        Columns { row, next: 0 }
    }

    fn next<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        self.next += 1;
        self.row.get(self.next - 1)
    }

    fn flag(&mut self) -> rusqlite::Result<bool> {
        Ok(self.next::<i64>()? != 0)
    }
}

/// An account of a kind that this version knows, or of another kind.
type AnyAccount = Result<Account, UnknownAccount>;

pub fn account(conn: &Connection, name: Option<&str>) -> rusqlite::Result<Option<AnyAccount>> {
    let found = match name {
        Some(name) => conn
            .prepare_cached(concat!(accounts!(), "WHERE name = ?1"))?
            .query_row([name], read_account)
            .optional()?,
        None => conn
            .prepare_cached(concat!(accounts!(), "WHERE current = 1"))?
            .query_row([], read_account)
            .optional()?,
    };
    let mut account = match found {
        Some(Ok(account)) => account,
        other => return Ok(other),
    };
    // The parent has its own query, because few accounts have one and the others need not pay for a join.
    if let Some(parent) = &mut account.parent {
        let there = conn
            .prepare_cached("SELECT kind, appid FROM weixin_account WHERE name = ?1")?
            .query_row([&parent.name], |row| {
                Ok((row.get::<_, String>(0)?, row.get(1)?))
            })
            .optional()?;
        parent.there = there.and_then(|(kind, id)| Kind::named(&kind).zip(Some(id)));
    }
    Ok(Some(Ok(account)))
}

pub fn has_account(conn: &Connection, name: &str) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM weixin_account WHERE name = ?1")?
        .exists([name])
}

pub fn some_names(conn: &Connection, most: usize) -> rusqlite::Result<Vec<String>> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    conn.prepare_cached("SELECT name FROM weixin_account ORDER BY name LIMIT ?1")?
        .query_map([most], |row| row.get(0))?
        .collect()
}

/// The accounts with this id (an appid, corpid and so on), sorted by name.
pub fn accounts_of(conn: &Connection, id: &str) -> rusqlite::Result<Vec<Account>> {
    let mut statement =
        conn.prepare_cached("SELECT name FROM weixin_account WHERE appid = ?1 ORDER BY name")?;
    let names: rusqlite::Result<Vec<String>> =
        statement.query_map([id], |row| row.get(0))?.collect();
    let mut accounts = Vec::new();
    for name in names? {
        accounts.extend(account(conn, Some(&name))?.and_then(Result::ok));
    }
    Ok(accounts)
}

pub fn accounts(conn: &Connection) -> rusqlite::Result<Vec<Account>> {
    let mut accounts = conn
        .prepare_cached(concat!(accounts!(), "ORDER BY name"))?
        .query_map([], read_account)?
        .filter_map(|read| read.map(Result::ok).transpose())
        .collect::<rusqlite::Result<Vec<Account>>>()?;
    for child in 0..accounts.len() {
        let Some(parent) = &accounts[child].parent else {
            continue;
        };
        let place = accounts.binary_search_by(|account| account.name.cmp(&parent.name));
        let there = place.ok().map(|place| &accounts[place]);
        let there = there.map(|there| (there.kind, there.id.clone()));
        if let Some(parent) = &mut accounts[child].parent {
            parent.there = there;
        }
    }
    Ok(accounts)
}

pub fn unknown_accounts(conn: &Connection) -> rusqlite::Result<Vec<UnknownAccount>> {
    let mut statement = conn.prepare_cached(concat!(accounts!(), "ORDER BY name"))?;
    let mut rows = statement.query([])?;
    let mut unknown = Vec::new();
    while let Some(row) = rows.next()? {
        // Such accounts are rare, so only the kind is read first.
        let kind = row.get_ref(1)?.as_str();
        if kind.is_ok_and(|kind| Kind::named(kind).is_none()) {
            unknown.extend(read_account(row)?.err());
        }
    }
    Ok(unknown)
}

fn read_account(row: &rusqlite::Row) -> rusqlite::Result<AnyAccount> {
    let mut columns = Columns::of(row);
    let name = columns.next()?;
    let kind: String = columns.next()?;
    let id = columns.next()?;
    let sealed = columns.next()?;
    let fingerprint = columns.next()?;
    let current = columns.flag()?;
    let parent: Option<String> = columns.next()?;
    Ok(match Kind::named(&kind) {
        Some(kind) => Ok(Account {
            name,
            kind,
            id,
            sealed,
            fingerprint,
            current,
            parent: parent.map(|name| ParentLink { name, there: None }),
        }),
        None => Err(UnknownAccount {
            name,
            kind,
            id,
            sealed,
            fingerprint,
            current,
            parent,
        }),
    })
}

/// Writes an account. The current account stays the same.
pub fn put_account(conn: &Connection, account: &Account) -> rusqlite::Result<()> {
    let parent = account.parent.as_ref().map(|parent| &parent.name);
    put_columns(
        conn,
        params![
            account.name,
            account.kind.name(),
            account.id,
            account.sealed,
            account.fingerprint,
            parent
        ],
    )
}

/// Writes an account of a kind that this version does not know. The current account stays the same.
pub fn put_unknown_account(conn: &Connection, account: &UnknownAccount) -> rusqlite::Result<()> {
    put_columns(
        conn,
        params![
            account.name,
            account.kind,
            account.id,
            account.sealed,
            account.fingerprint,
            account.parent
        ],
    )
}

fn put_columns(conn: &Connection, columns: &[&dyn ToSql]) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO weixin_account (name, kind, appid, secret, fingerprint, parent)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (name) DO UPDATE SET kind = ?2, appid = ?3, secret = ?4, fingerprint = ?5, parent = ?6",
    )?
    .execute(columns)?;
    Ok(())
}

/// Whether an operator has removed the account of this name.
pub fn is_removed(conn: &Connection, name: &str) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM weixin_removed WHERE name = ?1")?
        .exists([name])
}

pub fn removed(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    conn.prepare_cached("SELECT name FROM weixin_removed")?
        .query_map([], |row| row.get(0))?
        .collect()
}

pub fn clear_removed(conn: &Connection, name: &str) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM weixin_removed WHERE name = ?1")?
        .execute([name])?;
    Ok(())
}

/// Deletes an account and notes that it was removed.
pub fn remove_account(conn: &Connection, name: &str, at_wall_ms: i64) -> rusqlite::Result<()> {
    conn.execute("DELETE FROM weixin_account WHERE name = ?1", [name])?;
    conn.execute(
        "INSERT OR REPLACE INTO weixin_removed (name, removed_at) VALUES (?1, ?2)",
        params![name, at_wall_ms],
    )?;
    Ok(())
}

pub fn set_current(conn: &Connection, name: &str) -> rusqlite::Result<()> {
    let is_there = conn
        .prepare_cached("SELECT 1 FROM weixin_account WHERE name = ?1 AND current = 0")?
        .exists([name])?;
    if is_there {
        conn.execute(
            "UPDATE weixin_account SET current = 0 WHERE current = 1",
            [],
        )?;
        conn.execute(
            "UPDATE weixin_account SET current = 1 WHERE name = ?1",
            [name],
        )?;
    }
    Ok(())
}

pub fn row(conn: &Connection, key: &CredentialKey) -> rusqlite::Result<Option<Row>> {
    conn.prepare_cached(concat!(
        "SELECT ",
        token!(),
        " FROM weixin_token WHERE ",
        is!()
    ))?
    .query_row(
        [&key.endpoint, &key.base_url, &key.id, &key.discriminator],
        |row| read_row(&mut Columns::of(row)),
    )
    .optional()
}

pub fn rows(conn: &Connection) -> rusqlite::Result<Vec<(CredentialKey, Row)>> {
    conn.prepare_cached(concat!(rows!(), "ORDER BY id"))?
        .query_map([], read_key_and_row)?
        .collect()
}

pub fn rows_of(conn: &Connection, id: &str) -> rusqlite::Result<Vec<(CredentialKey, Row)>> {
    conn.prepare_cached(concat!(rows!(), "WHERE appid = ?1 ORDER BY id"))?
        .query_map([id], read_key_and_row)?
        .collect()
}

pub fn delete_row(conn: &Connection, key: &CredentialKey) -> rusqlite::Result<()> {
    conn.prepare_cached(concat!("DELETE FROM weixin_token WHERE ", is!()))?
        .execute([&key.endpoint, &key.base_url, &key.id, &key.discriminator])?;
    Ok(())
}

fn read_key_and_row(row: &rusqlite::Row) -> rusqlite::Result<(CredentialKey, Row)> {
    let mut columns = Columns::of(row);
    let key = CredentialKey {
        endpoint: columns.next()?,
        base_url: columns.next()?,
        id: columns.next()?,
        discriminator: columns.next()?,
    };
    Ok((key, read_row(&mut columns)?))
}

fn read_row(columns: &mut Columns) -> rusqlite::Result<Row> {
    Ok(Row {
        token: columns.next()?,
        fetched_at: columns.next()?,
        expires_at: columns.next()?,
        refresh_at: columns.next()?,
        fetched_steady: columns.next()?,
        epoch: columns.next()?,
        fetched_by: columns.next()?,
        fetches: columns.next()?,
        rejects: columns.next()?,
        rejected: columns.flag()?,
        same_token_reissued: columns.flag()?,
        replacement_attempted: columns.flag()?,
        reject_asked_at: columns.next()?,
        force_day: columns.next()?,
        forces: columns.next()?,
        failures: columns.next()?,
        failed_at: columns.next()?,
        backoff_ms: columns.next()?,
        failed_budget_ms: columns.next()?,
        last_status: columns.next()?,
        last_errcode: columns.next()?,
        last_error: columns.next()?,
        lease_id: columns.next()?,
        lease_until: columns.next()?,
        lease_slot: columns.next()?,
        pushed: read_put(columns)?,
        pushed_before: columns.next()?,
        refusals: read_json(columns)?,
        secret_worked: columns.next()?,
        rejections: read_json(columns)?,
    })
}

/// Reads a part of the row as JSON. Returns an empty value if a later version has written another form.
fn read_json<T: Default + DeserializeOwned>(columns: &mut Columns) -> rusqlite::Result<T> {
    let text: String = columns.next()?;
    Ok(match text.as_str() {
        "" => T::default(),
        json => serde_json::from_str(json).unwrap_or_default(),
    })
}

/// Encodes a part of the row as JSON. An empty part becomes an empty text.
fn write_json<T: Default + PartialEq + Serialize>(part: &T) -> String {
    match *part == T::default() {
        true => String::new(),
        false => serde_json::to_string(part).unwrap_or_default(),
    }
}

fn read_put(columns: &mut Columns) -> rusqlite::Result<Option<StoredSecret>> {
    let sealed: Option<Vec<u8>> = columns.next()?;
    let (at, put_fingerprint) = (columns.next()?, columns.next()?);
    Ok(sealed.map(|sealed| StoredSecret {
        sealed,
        at,
        put_fingerprint,
    }))
}

pub fn put_row(conn: &Connection, key: &CredentialKey, row: &Row) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO weixin_token (
             id, endpoint, base_url, appid, fingerprint, access_token, fetched_at, expires_at, refresh_at,
             fetched_boot, boot_id, fetched_by, fetches, rejects, rejected, reissued, reject_tried, reject_fetch_at,
             force_day, forces, failures, failed_at, backoff_ms, failed_budget_ms, last_status, last_errcode, last_error,
             lease_owner, lease_until, lease_slot, put, put_at, put_fingerprint, put_before,
             refusals, secret_worked, rejections)
         VALUES (
             (SELECT id FROM weixin_token WHERE endpoint = :endpoint AND base_url = :base_url
                 AND appid = :appid AND fingerprint = :fingerprint),
             :endpoint, :base_url, :appid, :fingerprint, :access_token, :fetched_at, :expires_at, :refresh_at,
             :fetched_boot, :boot_id, :fetched_by, :fetches, :rejects, :rejected, :reissued, :reject_tried, :reject_fetch_at,
             :force_day, :forces, :failures, :failed_at, :backoff_ms, :failed_budget_ms, :last_status, :last_errcode, :last_error,
             :lease_owner, :lease_until, :lease_slot, :put, :put_at, :put_fingerprint, :put_before,
             :refusals, :secret_worked, :rejections)",
    )?
    .execute(named_params! {
        ":endpoint": key.endpoint,
        ":base_url": key.base_url,
        ":appid": key.id,
        ":fingerprint": key.discriminator,
        ":access_token": row.token,
        ":fetched_at": row.fetched_at,
        ":expires_at": row.expires_at,
        ":refresh_at": row.refresh_at,
        ":fetched_boot": row.fetched_steady,
        ":boot_id": row.epoch,
        ":fetched_by": row.fetched_by,
        ":fetches": row.fetches,
        ":rejects": row.rejects,
        ":rejected": i64::from(row.rejected),
        ":reissued": i64::from(row.same_token_reissued),
        ":reject_tried": i64::from(row.replacement_attempted),
        ":reject_fetch_at": row.reject_asked_at,
        ":force_day": row.force_day,
        ":forces": row.forces,
        ":failures": row.failures,
        ":failed_at": row.failed_at,
        ":backoff_ms": row.backoff_ms,
        ":failed_budget_ms": row.failed_budget_ms,
        ":last_status": row.last_status,
        ":last_errcode": row.last_errcode,
        ":last_error": row.last_error,
        ":lease_owner": row.lease_id,
        ":lease_until": row.lease_until,
        ":lease_slot": row.lease_slot,
        ":put": row.pushed.as_ref().map(|put| &put.sealed),
        ":put_at": row.pushed.as_ref().map_or(0, |put| put.at),
        ":put_fingerprint": row.pushed.as_ref().map_or("", |put| &put.put_fingerprint),
        ":put_before": row.pushed_before,
        ":refusals": write_json(&row.refusals),
        ":secret_worked": row.secret_worked,
        ":rejections": write_json(&row.rejections),
    })?;
    Ok(())
}
/// The record of a server's clients.
pub fn clients(conn: &Connection) -> rusqlite::Result<Option<String>> {
    conn.prepare_cached("SELECT clients FROM weixin_client WHERE id = 1")?
        .query_row([], |row| row.get(0))
        .optional()
}

pub fn put_clients(conn: &Connection, record: Option<&str>) -> rusqlite::Result<()> {
    match record {
        Some(record) => conn
            .prepare_cached("INSERT OR REPLACE INTO weixin_client (id, clients) VALUES (1, ?1)")?
            .execute([record])?,
        None => conn.execute("DELETE FROM weixin_client", [])?,
    };
    Ok(())
}
