//! What only an operator does with a store: take an account out, seal every secret anew, back up and restore.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use super::repair::with_suffix;
use super::schema::{self, FileKind};
use super::{SqliteStore, commit, configure, sql};
use crate::clock::Now;
use crate::credential::{CredentialKey, Row};
use crate::error::{Error, Result};
use crate::secrets::Label;
use crate::store::{Account, Call, Store, StoreSnapshot};
use crate::sys;

/// What went with an account.
pub struct RemovedAccount {
    pub account: Account,
    pub credentials: usize,
    pub children: Vec<String>,
}

impl SqliteStore {
    /// Takes an account out, with the rows that belong to no other. None when there is none of that name.
    pub fn remove(&self, name: &str, call: Call) -> Result<Option<RemovedAccount>> {
        self.with_connection(call, true, |conn| {
            let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let Some(account) = sql::account(&transaction, Some(name))? else {
                return Ok(None);
            };
            remove_account(&transaction, name, Now::read().wall_ms)?;
            let left = sql::accounts(&transaction)?;
            let mut credentials = 0;
            for (identity, _) in sql::tokens(&transaction)? {
                let is_shared = || left.iter().any(|left| leads_to(left, &identity, call));
                // Those of an earlier secret, parent or kind too.
                if identity.id == account.id && !is_shared() {
                    remove_token(&transaction, &identity)?;
                    credentials += 1;
                }
            }
            let is_child = |left: &&Account| left.parent.as_ref().is_some_and(|p| p.name == name);
            let children = left.iter().filter(is_child);
            let children = children.map(|child| child.name.clone()).collect();
            commit(transaction)?;
            Ok(Some(RemovedAccount {
                account,
                credentials,
                children,
            }))
        })
    }

    /// The names of accounts that an operator has removed.
    pub fn removed(&self, call: Call) -> Result<Vec<String>> {
        self.with_connection(call, false, |conn| sql::removed(conn))
    }

    /// Seals every secret with a new key. No other process writes meanwhile, so none seals with a key that is about to go.
    pub fn rekey(&self, call: Call) -> Result<usize> {
        let resealed = self.in_transaction(call, |conn| {
            call.vault.begin_rotation()?;
            reseal(conn, call)
        })?;
        // What was sealed with the old key before that transaction, and written after it, is caught here.
        loop {
            let late = self.in_transaction(call, |conn| {
                let late = reseal(conn, call)?;
                if late == 0 {
                    call.vault.finish_rotation()?;
                }
                Ok(late)
            })?;
            if late == 0 {
                return Ok(resealed);
            }
        }
    }

    /// Runs `work` in a transaction of its own, which its error ends.
    fn in_transaction<T>(
        &self,
        call: Call,
        mut work: impl FnMut(&Connection) -> std::result::Result<T, Failed>,
    ) -> Result<T> {
        self.with_connection(call, true, |conn| {
            let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            match work(&transaction) {
                Ok(done) => {
                    commit(transaction)?;
                    Ok(Ok(done))
                }
                Err(Failed::Sql(e)) => Err(e),
                Err(Failed::Other(e)) => Ok(Err(e)),
            }
        })?
    }

    /// Writes accounts, and what was put, to a file of their own. Tokens stay here: a backup that is restored brings none
    /// back that has been superseded since.
    pub fn backup(&self, to: &Path, call: Call) -> Result<()> {
        let StoreSnapshot { accounts, tokens } = Store::all(self, call)?;
        let cannot = |e: String| {
            Error::store(format!("cannot write backup {}", to.display()))
                .because(e)
                .advise("Name a new file in a directory that you may write to.")
        };
        sys::create_private(to).map_err(|e| cannot(sys::os_message(&e)))?;
        let written = open_draft(to).and_then(|mut conn| {
            let transaction = conn.transaction()?;
            schema::create(&transaction)?;
            write_all(&transaction, &accounts, &tokens)?;
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

    /// Puts accounts, and what was put, in the place of those there. Every secret must open with the key that is here.
    pub fn restore(&self, from: &Path, call: Call) -> Result<usize> {
        let StoreSnapshot { accounts, tokens } = self.read_backup(from)?;
        self.in_transaction(call, |conn| {
            open_all(&accounts, &tokens, call)?;
            // No live handle is to put one back that the backup does not have.
            for there in sql::accounts(conn)? {
                remove_account(conn, &there.name, Now::read().wall_ms)?;
            }
            remove_tokens(conn)?;
            write_all(conn, &accounts, &tokens)?;
            Ok(())
        })?;
        Ok(accounts.len())
    }

    /// Reads a copy of the backup, brought up to date: one that an older version wrote is left as it is.
    fn read_backup(&self, from: &Path) -> Result<StoreSnapshot> {
        let cannot =
            |e: String| Error::store(format!("cannot restore from {}", from.display())).because(e);
        let stamp = u64::from_ne_bytes(sys::random());
        let draft = Draft(with_suffix(self.path(), &format!(".{stamp:016x}.restore")));
        sys::require_readable_file(from)
            .and_then(|()| File::open(from))
            .and_then(|mut source| {
                let mut copy = sys::create_private(&draft.0)?;
                io::copy(&mut source, &mut copy)
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
            let tokens = sql::tokens(&conn)?;
            Ok(StoreSnapshot { accounts, tokens })
        });
        read.map_err(|e| cannot(e.to_string()))
    }
}

/// An error of SQLite's, which the store may mend, or another one, which ends the call.
enum Failed {
    Sql(rusqlite::Error),
    Other(Error),
}

impl From<rusqlite::Error> for Failed {
    fn from(e: rusqlite::Error) -> Failed {
        Failed::Sql(e)
    }
}

impl From<Error> for Failed {
    fn from(e: Error) -> Failed {
        Failed::Other(e)
    }
}

/// Whether an account has a part in a credential. One that lacks its parent may have one in each of its id, once that is back.
fn leads_to(account: &Account, identity: &CredentialKey, call: Call) -> bool {
    let parent = account.parent.as_ref();
    let lacks_parent = parent.is_some_and(|parent| parent.there.is_none());
    account.kind.recipes().any(|recipe| {
        let own = account.identity(recipe, call.options);
        own.endpoint == identity.endpoint
            && own.id == identity.id
            && (own.scope == identity.scope || lacks_parent)
    })
}

/// Fails at the first sealed value that does not open.
fn open_all(accounts: &[Account], tokens: &[(CredentialKey, Row)], call: Call) -> Result<()> {
    for account in accounts {
        if let Some(sealed) = &account.sealed {
            let label = Label::secret(&account.name, account.kind.name(), &account.id);
            call.vault.open(&label, sealed)?;
        }
    }
    for (identity, row) in tokens {
        let put = row.put.as_ref().map(|put| &put.sealed);
        for sealed in put.into_iter().chain(&row.put_before) {
            call.vault.open(&put_label(identity), sealed)?;
        }
    }
    Ok(())
}

fn put_label(identity: &CredentialKey) -> Label {
    Label::put_for(&identity.id, &identity.owner())
}

/// Seals what is not of the key that seals now. How many there were.
fn reseal(conn: &Connection, call: Call) -> std::result::Result<usize, Failed> {
    let mut resealed = 0;
    let mut again = |label: &Label, sealed: &[u8]| -> Result<Option<Vec<u8>>> {
        if call.vault.is_current(sealed)? {
            return Ok(None);
        }
        resealed += 1;
        let secret = call.vault.open(label, sealed)?;
        call.vault.seal(label, &secret).map(Some)
    };
    for account in sql::accounts(conn)? {
        let Some(sealed) = &account.sealed else {
            continue;
        };
        if let Some(sealed) = again(
            &Label::secret(&account.name, account.kind.name(), &account.id),
            sealed,
        )? {
            reseal_account(conn, &account.name, &sealed)?;
        }
    }
    for (identity, mut row) in sql::tokens(conn)? {
        let label = put_label(&identity);
        let put = row.put.as_ref().map(|put| again(&label, &put.sealed));
        let before = row.put_before.as_ref().map(|sealed| again(&label, sealed));
        let (put, before) = (put.transpose()?.flatten(), before.transpose()?.flatten());
        if put.is_none() && before.is_none() {
            continue;
        }
        if let (Some(sealed), Some(put)) = (put, &mut row.put) {
            put.sealed = sealed;
        }
        if let Some(sealed) = before {
            row.put_before = Some(sealed);
        }
        sql::put_token(conn, &identity, &row)?;
    }
    Ok(resealed)
}

fn write_all(
    conn: &Connection,
    accounts: &[Account],
    tokens: &[(CredentialKey, Row)],
) -> rusqlite::Result<()> {
    for account in accounts {
        sql::forget_removal(conn, &account.name)?;
        sql::put_account(conn, account)?;
    }
    for current in accounts.iter().filter(|account| account.current) {
        sql::set_current(conn, &current.name)?;
    }
    for (identity, row) in tokens.iter().filter(|(_, row)| row.put.is_some()) {
        let kept = Row {
            put: row.put.clone(),
            put_before: row.put_before.clone(),
            ..Row::default()
        };
        sql::put_token(conn, identity, &kept)?;
    }
    Ok(())
}

fn open_draft(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let conn = Connection::open_with_flags(path, flags)?;
    configure(&conn)?;
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
        Some(directory) => File::open(directory)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

/// Takes an account out and notes that it was removed. False when it was not there.
fn remove_account(conn: &Connection, name: &str, now_ms: i64) -> rusqlite::Result<bool> {
    let there = conn.execute("DELETE FROM weixin_account WHERE name = ?1", [name])? > 0;
    conn.execute(
        "INSERT OR REPLACE INTO weixin_removed (name, removed_at) VALUES (?1, ?2)",
        params![name, now_ms],
    )?;
    Ok(there)
}

fn remove_token(conn: &Connection, identity: &CredentialKey) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "DELETE FROM weixin_token WHERE endpoint = ?1 AND base_url = ?2 AND appid = ?3 AND fingerprint = ?4",
    )?
    .execute([
        &identity.endpoint,
        &identity.base_url,
        &identity.id,
        &identity.scope,
    ])?;
    Ok(())
}

fn remove_tokens(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute("DELETE FROM weixin_token", []).map(|_| ())
}

/// Gives an account's secret sealed anew.
fn reseal_account(conn: &Connection, name: &str, sealed: &[u8]) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE weixin_account SET secret = ?2 WHERE name = ?1")?
        .execute(params![name, sealed])?;
    Ok(())
}

/// A file that goes when this does.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
