//! The lookups by which a server learns which account a call is about.

use std::collections::HashMap;
use std::sync::Arc;

use crate::account::key_of;
use crate::client::Client;
use crate::client::session::Session;
use crate::clock::Deadline;
use crate::credential::CredentialKey;
use crate::error::{Result, Status};
use crate::store::{self, Account};
use crate::sync::{Mutex, lock};

/// The time in milliseconds that a look may take if an earlier result is known.
pub const LOOK_MS: i64 = 100;
/// The number of ids that a lookup remembers.
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

/// Accounts by their access token.
pub type TokenOwners = HashMap<String, Vec<AccountBrief>>;

/// A server's lookup of accounts. Each call reads the store.
pub struct AccountLookup {
    client: Arc<Client>,
    by_id: Mutex<HashMap<String, Vec<AccountBrief>>>,
    owners: Mutex<Option<Arc<TokenOwners>>>,
}

impl AccountLookup {
    pub(crate) fn new(client: Arc<Client>) -> AccountLookup {
        AccountLookup {
            client,
            by_id: Mutex::default(),
            owners: Mutex::default(),
        }
    }

    /// Returns the accounts with this appid, corpid and so on. If the store cannot be read, returns what the last call
    /// returned.
    pub fn of_id(&self, id: &str) -> Result<Vec<AccountBrief>> {
        let last = lock(&self.by_id).get(id).cloned();
        let session = self.client.session()?;
        let by = patience(&session, last.is_some());
        match store::read(session.store(), &by, |there| there.accounts_of(id)) {
            Ok(found) => {
                let found: Vec<AccountBrief> = found.into_iter().map(AccountBrief::from).collect();
                let mut remembered = lock(&self.by_id);
                if remembered.len() >= MOST {
                    remembered.clear();
                }
                // An empty result is not remembered: anyone may ask for any id, and would fill the memory.
                if found.is_empty() {
                    remembered.remove(id);
                } else {
                    remembered.insert(id.into(), found.clone());
                }
                Ok(found)
            }
            Err(e) if matches!(e.status, Status::Store | Status::Timeout) => last.ok_or(e),
            Err(e) => Err(e),
        }
    }

    /// Returns the owners of all access tokens. It reads every account and every row.
    pub fn owners(&self) -> Result<Arc<TokenOwners>> {
        let session = self.client.session()?;
        let (accounts, rows) = store::read(session.store(), &session.deadline, |there| {
            Ok((there.accounts()?, there.rows()?))
        })?;
        let tokens: HashMap<CredentialKey, String> = rows
            .into_iter()
            .filter_map(|(key, row)| Some((key, row.token?)))
            .collect();
        let mut owners = TokenOwners::new();
        for account in accounts {
            let own = key_of(&account, account.kind.token(), &session.options);
            if let Some(token) = tokens.get(&own) {
                let of_token = owners.entry(token.clone()).or_default();
                of_token.push(account.into());
            }
        }
        let owners = Arc::new(owners);
        *lock(&self.owners) = Some(owners.clone());
        Ok(owners)
    }

    /// Returns the result of the last [`AccountLookup::owners`]. Does not read the store.
    pub fn last_owners(&self) -> Option<Arc<TokenOwners>> {
        lock(&self.owners).clone()
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
