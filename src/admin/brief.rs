//! The lookup by which a server learns which account a forwarded call is about.

use std::collections::HashMap;
use std::sync::Arc;

use crate::account::key_of;
use crate::client::Client;
use crate::client::session::Session;
use crate::clock::Deadline;
use crate::error::{Result, Status};
use crate::store::{self, Account, Read};
use crate::sync::{Mutex, lock};

/// The time in milliseconds that a look may take if an earlier result is known.
pub const LOOK_MS: i64 = 100;
/// The number of results that each lookup remembers.
const MOST: usize = 4096;

/// A short description of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountBrief {
    /// The account's name.
    pub name: String,
    /// The account's kind, such as `official`.
    pub kind: &'static str,
    /// The account's appid, corpid and so on.
    pub id: String,
    /// The name of the account's parent, if one is set.
    pub parent: Option<String>,
}

impl From<Account> for AccountBrief {
    fn from(account: Account) -> AccountBrief {
        AccountBrief {
            name: account.name,
            kind: account.kind.name(),
            id: account.id,
            parent: account.parent.map(|parent| parent.name),
        }
    }
}

/// A server's lookup of accounts. Each call reads the store. If the store cannot be read, the call returns what the
/// last one returned.
pub struct AccountLookup {
    client: Arc<Client>,
    by_id: Mutex<HashMap<String, Vec<AccountBrief>>>,
    by_token: Mutex<HashMap<String, Vec<AccountBrief>>>,
}

impl AccountLookup {
    pub(crate) fn new(client: Arc<Client>) -> AccountLookup {
        AccountLookup {
            client,
            by_id: Mutex::default(),
            by_token: Mutex::default(),
        }
    }

    /// Returns the accounts with this appid, corpid and so on.
    pub fn of_id(&self, id: &str) -> Result<Vec<AccountBrief>> {
        self.look(&self.by_id, id, |there, _| there.accounts_of(id))
    }

    /// Returns the accounts whose access token this is.
    pub fn of_token(&self, token: &str) -> Result<Vec<AccountBrief>> {
        self.look(&self.by_token, token, |there, session| {
            let mut accounts = there.accounts()?;
            let rows = there.rows()?;
            accounts.retain(|account| {
                let own = key_of(account, account.kind.token(), &session.options);
                rows.iter()
                    .any(|(key, row)| *key == own && row.token.as_deref() == Some(token))
            });
            Ok(accounts)
        })
    }

    fn look(
        &self,
        remembered: &Mutex<HashMap<String, Vec<AccountBrief>>>,
        what: &str,
        find: impl Fn(&dyn Read, &Session) -> Result<Vec<Account>>,
    ) -> Result<Vec<AccountBrief>> {
        let last = lock(remembered).get(what).cloned();
        let session = self.client.session()?;
        let by = patience(&session, last.is_some());
        match store::read(session.store(), &by, |there| find(there, &session)) {
            Ok(found) => {
                let found: Vec<AccountBrief> = found.into_iter().map(AccountBrief::from).collect();
                let mut remembered = lock(remembered);
                if remembered.len() >= MOST {
                    remembered.clear();
                }
                // An empty result is not remembered: anyone may ask for any id or token, and would fill the memory.
                if found.is_empty() {
                    remembered.remove(what);
                } else {
                    remembered.insert(what.into(), found.clone());
                }
                Ok(found)
            }
            Err(e) if matches!(e.status, Status::Store | Status::Timeout) => last.ok_or(e),
            Err(e) => Err(e),
        }
    }
}

/// Returns the deadline of a look at the store. It is short if an earlier result is known, so that no caller waits for
/// a store that cannot be reached.
pub fn patience(session: &Session, has_earlier: bool) -> Deadline {
    match has_earlier {
        true => Deadline::after(LOOK_MS.min(session.options.timeout_ms)),
        false => session.deadline,
    }
}
