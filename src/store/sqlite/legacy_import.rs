//! Imports the database of the Python script from which this library descends.
//!
//! Its two tables have no constraints, so any row may be incomplete. The import keeps what it can: each account as a
//! `work` account with a sealed secret, the current account, and the token in use if it has time left. The clear
//! secrets are erased from the file: `secure_delete` zeroes freed pages, and a VACUUM rewrites the file.

use std::collections::HashSet;

use chrono::{Local, NaiveDateTime, TimeZone};
use rusqlite::{Connection, TransactionBehavior};
use zeroize::Zeroizing;

use super::error::SqliteError;
use super::{schema, sql};
use crate::clock::Now;
use crate::credential::Row;
use crate::hosts::WORK;
use crate::platform::{Kind, MAX_TOKEN};
use crate::secrets::{Label, Secret, fingerprint};
use crate::store::{Account, Opening};
use crate::sys;

/// The longest life of a WeCom token, two hours. A later expiry is an error of the clock on the script's host.
const LONGEST_MS: i64 = 7_200_000;

/// Converts the file into a store, completely or not at all. A second process finds it done.
pub fn import(conn: &mut Connection, opening: &Opening) -> Result<(), SqliteError> {
    // VACUUM removes pages that the script freed and never zeroed. Pages that this import frees are zeroed by
    // secure_delete. VACUUM comes first, so that the commit is the last step. If the process is killed before it, the
    // script's database is still there, to be imported again.
    conn.execute_batch("VACUUM")?;
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if schema::file_kind(&transaction)? != schema::FileKind::Legacy {
        return Ok(());
    }
    let now = Now::of_host();
    let accounts = seal(read_accounts(&transaction)?, opening)?;
    let token = read_token(&transaction, now)?;

    transaction
        .execute_batch("DROP TABLE IF EXISTS weixin_account; DROP TABLE IF EXISTS weixin_token;")?;
    schema::create(&transaction)?;
    for account in &accounts {
        sql::put_account(&transaction, account)?;
    }
    let current = accounts.iter().find(|a| a.current).or(accounts.first());
    if let Some(account) = current {
        sql::set_current(&transaction, &account.name)?;
    }
    if let (Some(account), Some(token)) = (current, token) {
        sql::put_row(
            &transaction,
            &account.key(account.kind.token(), opening.options.base_url(&WORK)),
            &token,
        )?;
    }
    transaction.commit()?;
    Ok(())
}

struct Old {
    rowid: i64,
    name: String,
    corpid: String,
    secret: Secret,
    current: bool,
}

fn read_accounts(conn: &Connection) -> rusqlite::Result<Vec<Old>> {
    if !schema::has_column(conn, "weixin_account", "corpid")? {
        return Ok(Vec::new());
    }
    let name = optional_column(conn, "weixin_account", "name")?;
    let current = optional_column(conn, "weixin_account", "current")?;
    let sql = format!(
        "SELECT rowid, trim(CAST({name} AS TEXT)), trim(CAST(corpid AS TEXT)), CAST(secret AS TEXT),
                CAST({current} AS TEXT) IN ('1', 'True', 'true')
         FROM weixin_account ORDER BY rowid"
    );
    conn.prepare(&sql)?
        .query_map([], |row| {
            Ok(Old {
                rowid: row.get(0)?,
                name: lossy(row, 1)?,
                corpid: lossy(row, 2)?,
                secret: Zeroizing::new(lossy(row, 3)?),
                current: row.get::<_, Option<bool>>(4)?.unwrap_or(false),
            })
        })?
        .collect()
}

/// Reads a column as text, with invalid bytes replaced. The script's columns take any bytes.
fn lossy(row: &rusqlite::Row, index: usize) -> rusqlite::Result<String> {
    Ok(match row.get_ref(index)? {
        rusqlite::types::ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    })
}

/// The column's name, or NULL if an early script had no such column.
fn optional_column(
    conn: &Connection,
    table: &str,
    column: &'static str,
) -> rusqlite::Result<&'static str> {
    Ok(if schema::has_column(conn, table, column)? {
        column
    } else {
        "NULL"
    })
}

fn seal(old: Vec<Old>, opening: &Opening) -> Result<Vec<Account>, SqliteError> {
    let mut names = HashSet::new();
    let mut accounts: Vec<Account> = Vec::new();
    let Some(work) = Kind::named("work") else {
        return Ok(accounts);
    };
    for old in old {
        if old.corpid.is_empty() && old.secret.is_empty() {
            continue;
        }
        let print = fingerprint(&old.corpid, &old.secret);
        let repeats = |a: &&mut Account| {
            a.id == old.corpid
                && a.fingerprint == print
                && (old.name.is_empty() || base_name(&old) == a.name)
        };
        // The script inserted its account again whenever it did not find it, so equal accounts are merged.
        if let Some(twin) = accounts.iter_mut().find(repeats) {
            twin.current |= old.current;
            continue;
        }
        let sealed = if old.secret.is_empty() {
            None
        } else {
            let sealed = opening
                .vault
                .seal(&Label::secret(&old.name, "work", &old.corpid), &old.secret);
            Some(sealed.map_err(SqliteError::Failed)?)
        };
        // Only one account can be current, and the script read the first.
        let current = old.current && !accounts.iter().any(|a| a.current);
        accounts.push(Account {
            name: free_name(&old, &mut names),
            kind: work,
            id: old.corpid.clone(),
            sealed,
            fingerprint: print,
            current,
            parent: None,
        });
    }
    Ok(accounts)
}

/// The row's name, changed into one that the API accepts.
fn base_name(old: &Old) -> String {
    let clean: String = old
        .name
        .chars()
        .filter(|c| !c.is_control())
        .map(|c| if c == '/' { '_' } else { c })
        .take(24)
        .collect();
    if clean.is_empty() {
        format!("account-{}", old.rowid)
    } else {
        clean
    }
}

fn free_name(old: &Old, taken: &mut HashSet<String>) -> String {
    let base = base_name(old);
    let mut name = base.clone();
    let mut number = 2;
    while !taken.insert(name.clone()) {
        name = format!("{base}-{number}");
        number += 1;
    }
    name
}

/// The token in use, if it has time left. Of several, the one that expires last.
fn read_token(conn: &Connection, now: Now) -> rusqlite::Result<Option<Row>> {
    if !schema::has_column(conn, "weixin_token", "access_token")? {
        return Ok(None);
    }
    let in_use = optional_column(conn, "weixin_token", "is_expired")?;
    let lifetime = optional_column(conn, "weixin_token", "expires_in")?;
    let sql = format!(
        "SELECT CAST(access_token AS TEXT), CAST(expires_on AS TEXT), CAST({lifetime} AS INTEGER)
         FROM weixin_token
         WHERE {in_use} IS NULL OR CAST({in_use} AS TEXT) IN ('1', 'True', 'true')"
    );
    let rows = conn
        .prepare(&sql)?
        .query_map([], |row| {
            let token = lossy(row, 0)?;
            let expires_on = lossy(row, 1)?;
            let lifetime_s: Option<i64> = row.get(2)?;
            Ok(token_row(&token, &expires_on, lifetime_s, now))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(rows.into_iter().flatten().max_by_key(|row| row.expires_at))
}

fn token_row(token: &str, expires_on: &str, lifetime_s: Option<i64>, now: Now) -> Option<Row> {
    let usable =
        (1..=MAX_TOKEN).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
    let expires_at = local_time_ms(expires_on)?;
    let left = expires_at - now.wall_ms;
    if !usable || !(1..=LONGEST_MS).contains(&left) {
        return None;
    }
    let lifetime = lifetime_s
        .and_then(|s| s.checked_mul(1000))
        .filter(|ms| (left..=LONGEST_MS).contains(ms))
        .unwrap_or(LONGEST_MS);
    Some(Row {
        token: Some(token.to_owned()),
        fetched_at: expires_at - lifetime,
        expires_at,
        refresh_at: expires_at - lifetime / 10,
        fetched_by: "the script".into(),
        ..Row::default()
    })
}

/// Parses Python's `str(datetime)` in this host's local time. Returns None for a time that the clock skipped. Of a
/// time that it showed twice, the earlier one is safe. A secure program gets None, and its token is fetched again.
fn local_time_ms(text: &str) -> Option<i64> {
    // The environment names the time zone, and can make it any file.
    if sys::is_secure() {
        return None;
    }
    let naive = NaiveDateTime::parse_from_str(text.trim(), "%Y-%m-%d %H:%M:%S%.f").ok()?;
    Some(
        Local
            .from_local_datetime(&naive)
            .earliest()?
            .timestamp_millis(),
    )
}
