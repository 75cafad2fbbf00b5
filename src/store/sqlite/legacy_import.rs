//! Takes over the database of the Python script that this library descends from.
//!
//! Its two tables have no constraints, so any row may be half there; what can be kept is kept: each account as a `work`
//! account with its secret sealed, the current one, and the token in use if it has time left. The clear secrets leave
//! the file's bytes: freed pages are zeroed as they are freed, and a VACUUM rewrites the file.

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

/// A WeCom token lives two hours; a date further off is a mistake of the script's host clock.
const LONGEST_MS: i64 = 7_200_000;

/// Turns the file into ours. Everything or nothing; a second process finds it done.
pub fn import(conn: &mut Connection, opening: &Opening) -> Result<(), SqliteError> {
    // Pages that the script freed were never zeroed; those that this import frees are, by secure_delete. Done first, so
    // that the commit is the last step: whoever is killed before it leaves the script's database, to be imported again.
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

/// Text as well as it can be had: the script's columns take any bytes.
fn lossy(row: &rusqlite::Row, index: usize) -> rusqlite::Result<String> {
    Ok(match row.get_ref(index)? {
        rusqlite::types::ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    })
}

/// The column's name, or NULL where an early script had none.
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
        // The script inserted its account again whenever it found none: the same one twice is one.
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
        // Only one can be the current one; the script read the first.
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

/// The row's name, made into one that the API takes.
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

/// The token in use, if it has time left: of several, the one that lives longest.
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

/// Python's `str(datetime)`, in this host's local time. A time that the clock skipped is none; of one that it showed
/// twice, the earlier is the safe one. A secure program takes none: the token is fetched anew.
fn local_time_ms(text: &str) -> Option<i64> {
    // The time zone is the environment's to name, by a file of its choice.
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
