//! What a server looks up to know which account a call of WeChat's is about.

use crate::account::key_of;
use crate::client::Client;
use crate::error::Result;
use crate::store::{self, Account};

/// An account in brief.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountBrief {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// Its appid, corpid and so on.
    pub id: String,
    /// The name of its parent.
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

impl Client {
    pub fn accounts_of_id(&self, id: &str) -> Result<Vec<AccountBrief>> {
        let session = self.session()?;
        let accounts = store::read(session.store(), &session.deadline, |there| {
            there.accounts_of(id)
        })?;
        Ok(accounts.into_iter().map(AccountBrief::from).collect())
    }

    /// The accounts whose access token this is.
    pub fn accounts_of_token(&self, token: &str) -> Result<Vec<AccountBrief>> {
        let session = self.session()?;
        store::read(session.store(), &session.deadline, |there| {
            let mut found = Vec::new();
            for account in there.accounts()? {
                let key = key_of(&account, account.kind.token(), &session.options);
                let row = there.row(&key)?;
                if row.is_some_and(|row| row.token.as_deref() == Some(token)) {
                    found.push(AccountBrief::from(account));
                }
            }
            Ok(found)
        })
    }
}
