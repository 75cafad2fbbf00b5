//! An account and its credentials: what a name leads to, and the rules of registering, parents, removal and restoring.
//!
//! The rules run inside a store's change of its accounts, and know nothing of how that is made.

mod rules;

pub use rules::{leads_to, put_back, register, remove, replace_all, set_current, set_parent};

use crate::clock::Deadline;
use crate::credential::{CredentialKey, Row};
use crate::error::Result;
use crate::names::{self, ACCESS_TOKEN};
use crate::options::Options;
use crate::platform::{Recipe, Value};
use crate::store::{self, Account, ChangeMark, Store};

/// One credential of an account, with its state.
#[derive(Clone, Debug)]
pub struct Credential {
    pub account: Account,
    pub recipe: &'static Recipe,
    pub key: CredentialKey,
    pub row: Row,
    /// How the store was when this was read, where it can tell.
    pub mark: Option<ChangeMark>,
}

impl Credential {
    /// The name that leads here.
    pub fn name(&self) -> String {
        name_of(&self.account, self.recipe)
    }

    /// The secret that a refusal of the fetch is blamed on.
    pub fn blamable(&self) -> &str {
        blamable(&self.account, self.recipe)
    }
}

/// The name that leads to an account's credential.
pub fn name_of(account: &Account, recipe: &Recipe) -> String {
    if recipe.credential == ACCESS_TOKEN {
        return account.name.clone();
    }
    names::join(&account.name, recipe.credential)
}

/// The fingerprint of the secret that a refusal of a credential's fetch is blamed on; empty where the fetch takes none.
pub fn blamable<'a>(account: &'a Account, recipe: &Recipe) -> &'a str {
    match recipe.takes(Value::Secret) {
        true => &account.fingerprint,
        false => "",
    }
}

/// The key of an account's credential, for a handle with these options.
pub fn key_of(account: &Account, recipe: &Recipe, options: &Options) -> CredentialKey {
    account.key(recipe, recipe.base_url(options))
}

/// What a look for a credential finds.
pub enum Lookup {
    NoAccount,
    /// The account's kind has no such credential.
    NoCredential(Account),
    Found(Box<Credential>),
}

/// A credential of the account of this name (None: the current one) with its row, of one moment.
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
