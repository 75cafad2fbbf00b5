//! An account as a store keeps it.

use crate::credential::CredentialKey;
use crate::error::{Error, Status};
use crate::platform::{Kind, Recipe, Scope};

/// A registered account, its secret sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub kind: Kind,
    /// appid or corpid.
    pub id: String,
    /// None when the script's database held no secret for it.
    pub sealed: Option<Vec<u8>>,
    pub fingerprint: String,
    pub current: bool,
    pub parent: Option<ParentLink>,
}

/// What stands before the name of a store in the place of a fingerprint, where an account's tokens come from that store.
const FROM: &str = "from:";

/// The account that another one's token is fetched with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentLink {
    pub name: String,
    /// Its kind and id, which a store looks up as it reads; None when no account of that name is there.
    pub there: Option<(Kind, String)>,
}

/// An account of a kind that this version does not know, as a newer one may leave. It is copied, sealed anew and removed
/// like any other; nothing is fetched for it.
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
    /// Why nothing can be done with it here.
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

    /// The store that a bridge brings this account's tokens from.
    pub fn origin(&self) -> Option<&str> {
        self.fingerprint.strip_prefix(FROM)
    }

    /// The key of one of this account's credentials, at a platform's base URL. Where a bridge brings it, the name at its
    /// origin is all that tells it from others, and no base URL counts.
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

    /// Whether this account names a parent that is not there.
    pub fn lacks_parent(&self) -> bool {
        self.parent
            .as_ref()
            .is_some_and(|parent| parent.there.is_none())
    }
}
