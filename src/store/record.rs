//! An account as a store keeps it.

use crate::credential::CredentialKey;
use crate::error::{Error, Status};
use crate::platform::{Kind, Recipe, Scope};

/// A registered account, its secret sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub kind: Kind,
    /// The appid, corpid or other id of the account.
    pub id: String,
    /// The sealed secret. None if the script's database held none for this account.
    pub sealed: Option<Vec<u8>>,
    pub fingerprint: String,
    pub current: bool,
    pub parent: Option<ParentLink>,
}

/// The prefix of a fingerprint that is a store's name. An account whose tokens come from another store has one.
const FROM: &str = "from:";

/// The account with whose token another one is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentLink {
    pub name: String,
    /// The parent's kind and id, which a store looks up at each read. None if no account of that name exists.
    pub there: Option<(Kind, String)>,
}

/// An account of a kind that this version does not know, left by a newer version. It is copied, sealed again and
/// removed like any other account, but nothing is fetched for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownAccount {
    pub name: String,
    pub kind: String,
    pub id: String,
    pub sealed: Option<Vec<u8>>,
    pub fingerprint: String,
    pub current: bool,
    /// The name of its parent.
    pub parent: Option<String>,
}

impl UnknownAccount {
    /// The error of every operation on it in this version.
    pub fn error(&self) -> Error {
        let what = format!("account \"{}\" cannot be used by this version", self.name);
        let why = format!("it does not know the kind \"{}\"", self.kind);
        Error::new(Status::Account, what)
            .because(why)
            .advise("Upgrade libwxtoken.")
    }
}

impl Account {
    /// An account whose tokens a bridge brings from the store of this name. It has no secret here.
    pub fn from_store(origin: &str, name: &str, kind: Kind, id: &str) -> Account {
        Account {
            name: name.into(),
            kind,
            id: id.into(),
            sealed: None,
            fingerprint: format!("{FROM}{origin}"),
            current: false,
            parent: None,
        }
    }

    /// The store from which a bridge brings this account's tokens.
    pub fn origin(&self) -> Option<&str> {
        self.fingerprint.strip_prefix(FROM)
    }

    /// The key of one of this account's credentials, at a platform's base URL. If a bridge brings the credential, the
    /// key holds its name at the origin and no base URL.
    pub fn key(&self, recipe: &Recipe, base_url: &str) -> CredentialKey {
        if self.origin().is_some() {
            return CredentialKey {
                endpoint: recipe.endpoint.into(),
                base_url: String::new(),
                id: self.id.clone(),
                discriminator: format!("{}:{}", self.fingerprint, self.name),
            };
        }
        let scope = match recipe.scope {
            Scope::AsToken => self.kind.token().scope,
            other => other,
        };
        let parent_id = || Some(self.parent.as_ref()?.there.as_ref()?.1.clone());
        CredentialKey {
            endpoint: recipe.endpoint.into(),
            base_url: base_url.into(),
            id: self.id.clone(),
            discriminator: match scope {
                Scope::Secret => self.fingerprint.clone(),
                Scope::Parent => parent_id().unwrap_or_default(),
                Scope::Nothing | Scope::AsToken => String::new(),
            },
        }
    }

    /// Whether this account names a parent that does not exist.
    pub fn lacks_parent(&self) -> bool {
        self.parent
            .as_ref()
            .is_some_and(|parent| parent.there.is_none())
    }
}
