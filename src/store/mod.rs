//! Where accounts and tokens are kept, behind one small trait. No policy: a store loads rows, changes them one at a
//! time, and lends locks; what a row means is `token`'s business.

mod forebear;
mod heal;
mod rows;
mod schema;
mod sqlite;
mod trouble;

pub use sqlite::SqliteStore;

use crate::clock::Deadline;
use crate::error::Result;
use crate::options::Options;
use crate::token::{Identity, Row};
use crate::vault::Vault;
use crate::wechat::Kind;

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
}

impl Account {
    /// What this account's token belongs to, for a handle with these options.
    pub fn identity(&self, options: &Options) -> Identity {
        let recipe = self.kind.recipe();
        Identity {
            endpoint: recipe.endpoint.into(),
            base_url: recipe.base_url(options).into(),
            id: self.id.clone(),
            fingerprint: if recipe.keyed_by_secret {
                self.fingerprint.clone()
            } else {
                String::new()
            },
        }
    }
}

/// One account with the state of its token.
#[derive(Clone, Debug)]
pub struct View {
    pub account: Account,
    pub identity: Identity,
    pub row: Row,
}

/// How an account may be put into the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// The caller's word: replaces what is there, and forgives earlier failures when something changed.
    Update,
    /// A live handle's memory: fills a gap, and never overwrites.
    PutBack,
}

/// What a store call needs to know of its handle.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub options: &'a Options,
    pub vault: &'a Vault,
    pub deadline: &'a Deadline,
}

/// Every account and every token row.
pub type Everything = (Vec<Account>, Vec<(Identity, Row)>);

/// What a store is: implemented by SQLite here, by Redis later.
pub trait Store: Send + Sync {
    /// The account of this name (None: the current one) with its token's row.
    fn load(&self, name: Option<&str>, call: Call) -> Result<Option<View>>;

    /// Changes one row in a transaction; `change` says whether to write. It may run more than once.
    fn update(
        &self,
        identity: &Identity,
        call: Call,
        change: &mut dyn FnMut(&mut Row) -> bool,
    ) -> Result<()>;

    /// Puts an account in. The first one becomes the current one.
    fn register(&self, account: &Account, how: Registration, call: Call) -> Result<()>;

    /// Makes an account the current one. False when there is none of that name.
    fn set_current(&self, name: &str, call: Call) -> Result<bool>;

    /// Everything, for the report.
    fn all(&self, call: Call) -> Result<Everything>;

    /// Takes one of a credential's leader locks; None when another process has it.
    fn try_lock(&self, identity: &Identity, slot: i64) -> Result<Option<LeaderLock<'_>>>;

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
