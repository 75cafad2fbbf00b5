//! An account and its credentials: looking a name up, and the rules of registering, parents, removal and restoring.
//!
//! The rules run inside a store's change of its accounts. They do not know how that change is made.

mod rules;

pub use rules::{leads_to, put_back, register, remove, replace_all, set_current, set_parent};

use crate::clock::Deadline;
use crate::credential::{CredentialKey, Row};
use crate::error::Result;
use crate::names::{self, ACCESS_TOKEN};
use crate::options::Options;
use crate::platform::{Recipe, Value};
use crate::store::{self, Account, ChangeMark, Store};

/// One credential of an account, with its key and its row.
#[derive(Clone, Debug)]
pub struct Credential {
    pub account: Account,
    pub recipe: &'static Recipe,
    pub key: CredentialKey,
    pub row: Row,
    /// The store's change mark when this was read, if the store has one.
    pub mark: Option<ChangeMark>,
}

impl Credential {
    /// Returns the name of this credential, such as `shop/jsapi_ticket`.
    pub fn name(&self) -> String {
        name_of(&self.account, self.recipe)
    }

    /// Returns the fingerprint of the secret that a refused fetch is blamed on, empty if the fetch takes no secret.
    pub fn blamable(&self) -> &str {
        blamable(&self.account, self.recipe)
    }
}

/// Returns the name of an account's credential, such as `shop/jsapi_ticket`.
pub fn name_of(account: &Account, recipe: &Recipe) -> String {
    if recipe.credential == ACCESS_TOKEN {
        return account.name.clone();
    }
    names::join(&account.name, recipe.credential)
}

/// Returns the fingerprint of the secret that a refused fetch of a credential is blamed on, empty if the fetch takes no
/// secret.
pub fn blamable<'a>(account: &'a Account, recipe: &Recipe) -> &'a str {
    match recipe.takes(Value::Secret) {
        true => &account.fingerprint,
        false => "",
    }
}

/// Returns the key of an account's credential under these options.
pub fn key_of(account: &Account, recipe: &Recipe, options: &Options) -> CredentialKey {
    account.key(recipe, recipe.base_url(options))
}

/// The result of looking a credential up.
pub enum Lookup {
    NoAccount,
    /// The account's kind has no such credential.
    NoCredential(Account),
    Found(Box<Credential>),
}

/// Looks up a credential of the named account, or of the current account for None, and its row in the same transaction.
pub fn find(
    store: &dyn Store,
    name: Option<&str>,
    credential: &str,
    options: &Options,
    by: &Deadline,
) -> Result<Lookup> {
    store::read(store, by, |there| {
        let Some(account) = there.account(name)? else {
            return Ok(Lookup::NoAccount);
        };
        let Some(recipe) = account.kind.recipe(credential) else {
            return Ok(Lookup::NoCredential(account));
        };
        let key = key_of(&account, recipe, options);
        let row = there.row(&key)?.unwrap_or_default();
        let mark = there.mark();
        Ok(Lookup::Found(Box::new(Credential {
            account,
            recipe,
            key,
            row,
            mark,
        })))
    })
}
