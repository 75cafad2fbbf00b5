//! Retrying early: a person or a program ends the back-off of an account's credentials.

use std::collections::HashMap;

use super::Client;
use super::session::Session;
use crate::account::{leads_to, name_of};
use crate::credential::{CredentialKey, Row};
use crate::error::{Error, Result};
use crate::names;
use crate::options::LogLevel;
use crate::store::{self, Account, Commit, Message};

/// A credential whose last fetch failed.
struct Failed {
    name: String,
    key: CredentialKey,
}

impl Client {
    /// Ends every back-off of an account, or of all accounts, as often as it is called. Returns the names of the
    /// credentials.
    pub fn retry(&self, account: Option<&str>) -> Result<Vec<String>> {
        let session = self.session()?;
        let failed = match account {
            Some(name) => {
                names::check_account(name)?;
                session.failed_of(&session.read_credential(Some(name))?.account)?
            }
            None => session.failed_of_all()?,
        };
        let mut ended = Vec::new();
        for one in failed {
            if session.end_backoff(&one, &mut |row| Ok(row.end_backoff()))? == Ok(true) {
                ended.push(one.name);
            }
        }
        Ok(ended)
    }

    /// Ends the back-offs of an account for a program, each at most once a minute.
    pub(super) fn put_retry(
        &self,
        session: &Session,
        account: &Account,
        value: Option<&str>,
    ) -> Result<()> {
        if !matches!(value, None | Some("1")) {
            return Err(
                Error::argument("invalid value of field retry").because("must be 1 or NULL")
            );
        }
        let mut ended = false;
        let mut wait_ms: Option<i64> = None;
        for one in session.failed_of(account)? {
            let end = &mut |row: &mut Row| row.end_backoff_for_program(session.now());
            match session.end_backoff(&one, end)? {
                Ok(this) => ended |= this,
                Err(ms) => wait_ms = Some(wait_ms.map_or(ms, |least| least.min(ms))),
            }
        }
        let Some(wait_ms) = wait_ms.filter(|_| !ended) else {
            return Ok(());
        };
        let mut error = Error::argument(format!(
            "the back-off of account \"{}\" goes on",
            account.name
        ))
        .because("a program may end it once a minute")
        .advise(format!("Wait {} s.", (wait_ms + 999) / 1000));
        error.retry_after_ms = wait_ms;
        Err(error)
    }
}

impl Session {
    fn failed_of(&self, account: &Account) -> Result<Vec<Failed>> {
        let mut rows = store::read(self.store(), &self.deadline, |there| {
            there.rows_of(&account.id)
        })?;
        self.state.shared.unsaved.apply_all(&mut rows);
        Ok(self.failed_among(rows, std::slice::from_ref(account)))
    }

    fn failed_of_all(&self) -> Result<Vec<Failed>> {
        let (accounts, mut rows) = store::read(self.store(), &self.deadline, |there| {
            Ok((there.accounts()?, there.rows()?))
        })?;
        self.state.shared.unsaved.apply_all(&mut rows);
        Ok(self.failed_among(rows, &accounts))
    }

    /// Returns the rows that have failed and belong to one of these accounts.
    fn failed_among(&self, rows: Vec<(CredentialKey, Row)>, accounts: &[Account]) -> Vec<Failed> {
        let mut by_id: HashMap<&str, Vec<&Account>> = HashMap::new();
        for account in accounts {
            by_id.entry(&account.id).or_default().push(account);
        }
        let failed = rows.into_iter().filter(|(_, row)| row.failures > 0);
        let named = failed.filter_map(|(key, _)| {
            let name = by_id.get(key.id.as_str())?.iter().find_map(|account| {
                let mut recipes = account.kind.recipes();
                let recipe = recipes.find(|recipe| recipe.endpoint == key.endpoint)?;
                leads_to(account, &key).then(|| name_of(account, recipe))
            })?;
            Some(Failed { name, key })
        });
        named.collect()
    }

    /// Ends one back-off with `end`, and tells a keeper.
    fn end_backoff(
        &self,
        failed: &Failed,
        end: &mut dyn FnMut(&mut Row) -> Result<bool, i64>,
    ) -> Result<Result<bool, i64>> {
        let unsaved = &self.state.shared.unsaved;
        let mut ended = Ok(false);
        self.change_row(&failed.key, |row| {
            unsaved.apply(&failed.key, row);
            ended = end(row);
            Commit::when(ended == Ok(true))
        })?;
        if ended == Ok(true) {
            unsaved.clear(&failed.key);
            self.log(
                LogLevel::Info,
                &format!("ended the back-off of \"{}\"", failed.name),
            );
            // A keeper that watches the store notices the change without this message too.
            let _ = self.keeper().send(&Message::Wanted(failed.name.clone()));
        }
        Ok(ended)
    }
}
