//! Where accounts and tokens are kept, behind one small trait. No policy: a store loads rows, changes them one at a
//! time, and lends locks; what a row means is `token`'s business.

pub mod keeper_channel;
mod sqlite;

pub use sqlite::{Condition, QUARANTINED, SqliteStore, condition};

use crate::clock::Deadline;
use crate::credential::{CredentialKey, Row};
use crate::error::Result;
use crate::names::{self, ACCESS_TOKEN};
use crate::options::Options;
use crate::platform::{Kind, Recipe, Scope};
use crate::secrets::Vault;

/// A registered account, its secret sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub kind: Kind,
    /// appid or corpid.
    pub id: String,
    /// None when the forebear's database held no secret for it.
    pub sealed: Option<Vec<u8>>,
    pub fingerprint: String,
    pub current: bool,
    pub parent: Option<ParentLink>,
}

/// The account that another one's token is fetched with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentLink {
    pub name: String,
    /// Its kind and id; None when no account of that name is there.
    pub there: Option<(Kind, String)>,
}

impl Account {
    /// What a credential of this account belongs to, for a handle with these options.
    pub fn identity(&self, recipe: &Recipe, options: &Options) -> CredentialKey {
        let scope = match recipe.scope {
            Scope::AsToken => self.kind.token().scope,
            other => other,
        };
        let parent_id = || Some(self.parent.as_ref()?.there.as_ref()?.1.clone());
        CredentialKey {
            endpoint: recipe.endpoint.into(),
            base_url: recipe.base_url(options).into(),
            id: self.id.clone(),
            scope: match scope {
                Scope::Secret => self.fingerprint.clone(),
                Scope::Parent => parent_id().unwrap_or_default(),
                Scope::Nothing | Scope::AsToken => String::new(),
            },
        }
    }
}

/// One credential of an account, with its state.
#[derive(Clone, Debug)]
pub struct Credential {
    pub account: Account,
    pub recipe: &'static Recipe,
    pub identity: CredentialKey,
    pub row: Row,
}

impl Credential {
    /// The name that leads here.
    pub fn name(&self) -> String {
        if self.recipe.credential == ACCESS_TOKEN {
            return self.account.name.clone();
        }
        names::join(&self.account.name, self.recipe.credential)
    }
}

/// What a look for a credential finds.
pub enum Lookup {
    NoAccount,
    /// The account's kind has no such credential.
    NoCredential(Account),
    Found(Box<Credential>),
}

/// How an account may be put into the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// The caller's word: replaces what is there, and forgives earlier failures when something changed.
    Update,
    /// A live handle's memory: fills a gap, and never overwrites. It becomes the current one only if it was.
    PutBack,
}

/// What a store call needs to know of its handle.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub options: &'a Options,
    pub vault: &'a Vault,
    pub deadline: &'a Deadline,
}

/// Every account and every token row, as they are at one moment.
pub struct StoreSnapshot {
    pub accounts: Vec<Account>,
    pub tokens: Vec<(CredentialKey, Row)>,
}

/// What a store is: implemented by SQLite here, by Redis later.
pub trait Store: Send + Sync {
    /// A credential of the account of this name (None: the current one) with its row.
    fn load(&self, name: Option<&str>, credential: &str, call: Call) -> Result<Lookup>;

    /// Changes one row in a transaction; `change` says whether to write. It may run more than once.
    fn update(
        &self,
        identity: &CredentialKey,
        call: Call,
        change: &mut dyn FnMut(&mut Row) -> bool,
    ) -> Result<()>;

    /// Puts an account in, and gives it back as it is there. The first one becomes the current one. None when nothing was
    /// written: its secret was sealed with a key that is gone, and is to be sealed anew, or there is no gap for it to fill.
    fn register(&self, account: &Account, how: Registration, call: Call)
    -> Result<Option<Account>>;

    /// Makes an account the current one. False when there is none of that name.
    fn set_current(&self, name: &str, call: Call) -> Result<bool>;

    /// Names an account's parent. False when there is no account.
    fn set_parent(&self, name: &str, parent: &str, call: Call) -> Result<bool>;

    /// Everything, for the report.
    fn all(&self, call: Call) -> Result<StoreSnapshot>;

    /// Takes one of a credential's leader locks; None when another process has it.
    fn try_lock(&self, identity: &CredentialKey, slot: i64) -> Result<Option<LeaderLock<'_>>>;

    /// Which boot of the host lease times count in.
    fn boot_id(&self) -> String;

    /// Where this is, for messages and the report.
    fn location(&self) -> String;
}

/// A leader's lock, given back when dropped; the system gives it back when the process dies.
pub struct LeaderLock<'a> {
    pub slot: i64,
    release: Box<dyn Fn() + 'a>,
}

impl Drop for LeaderLock<'_> {
    fn drop(&mut self) {
        (self.release)();
    }
}
