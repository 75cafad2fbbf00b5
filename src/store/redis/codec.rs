//! The encoding of accounts and rows: one JSON text each.

use std::collections::{BTreeMap, HashMap};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::credential::{CredentialKey, Row, bytes_of, text_of};
use crate::error::{Error, Result};
use crate::platform::Kind;
use crate::store::account_set::AccountSet;
use crate::store::{Account, ParentLink, RedisUrl, UnknownAccount};
use crate::sys::random;

/// A row as it is stored, with its key and the mark of its write.
#[derive(Serialize, Deserialize)]
struct StoredRow {
    /// The mark of this write. Two processes that make the same change write different bytes, and each knows its own.
    write: String,
    key: CredentialKey,
    row: Row,
}

#[derive(Serialize, Deserialize)]
struct Sealed(#[serde(serialize_with = "text_of", deserialize_with = "bytes_of")] Vec<u8>);

#[derive(Serialize, Deserialize)]
struct StoredAccount {
    kind: String,
    id: String,
    sealed: Option<Sealed>,
    fingerprint: String,
    parent: Option<String>,
}

/// The key of a credential's row on the server. It is a hash, since names and URLs may hold anything.
pub fn row_key(prefix: &str, key: &CredentialKey) -> String {
    let text = format!("{}\0{}", key.key_text(), key.base_url);
    let hash = digest(&SHA256, text.as_bytes());
    let hex: String = hash.as_ref()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{prefix}:{{row:{hex}}}")
}

pub fn row_to_bytes(key: &CredentialKey, row: &Row) -> Result<Vec<u8>> {
    let stored = StoredRow {
        write: random().iter().map(|byte| format!("{byte:02x}")).collect(),
        key: key.clone(),
        row: row.clone(),
    };
    serde_json::to_vec(&stored)
        .map_err(|e| Error::store("cannot write a row").because(e.to_string()))
}

/// Decodes a row. Returns None for no bytes.
pub fn row_of(url: &RedisUrl, bytes: &[u8]) -> Result<Option<(CredentialKey, Row)>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    match serde_json::from_slice::<StoredRow>(bytes) {
        Ok(stored) => Ok(Some((stored.key, stored.row))),
        Err(_) => Err(damaged(url, "a row")),
    }
}

/// The error of a record that cannot be decoded. It does not repeat the decoder's message, which would quote the
/// record.
fn damaged(url: &RedisUrl, what: &str) -> Error {
    Error::store(format!("cannot read store {url}"))
        .because(format!(
            "{what} has a form that this library does not write"
        ))
        .advise("Restore the store from a backup, or name another prefix in the URL: ?prefix=NAME.")
}

/// An account as it is stored.
pub enum Stored {
    Known(Account),
    /// An account of a kind that this version does not know.
    Unknown(UnknownAccount),
}

impl Stored {
    pub fn known(self) -> Option<Account> {
        match self {
            Stored::Known(account) => Some(account),
            Stored::Unknown(_) => None,
        }
    }
}

fn to_bytes(stored: &StoredAccount) -> Result<Vec<u8>> {
    serde_json::to_vec(stored)
        .map_err(|e| Error::store("cannot write an account").because(e.to_string()))
}

pub fn account_to_bytes(account: &Account) -> Result<Vec<u8>> {
    to_bytes(&StoredAccount {
        kind: account.kind.name().into(),
        id: account.id.clone(),
        sealed: account.sealed.clone().map(Sealed),
        fingerprint: account.fingerprint.clone(),
        parent: account.parent.as_ref().map(|parent| parent.name.clone()),
    })
}

fn unknown_to_bytes(account: &UnknownAccount) -> Result<Vec<u8>> {
    to_bytes(&StoredAccount {
        kind: account.kind.clone(),
        id: account.id.clone(),
        sealed: account.sealed.clone().map(Sealed),
        fingerprint: account.fingerprint.clone(),
        parent: account.parent.clone(),
    })
}

/// Decodes an account. Returns None for no bytes.
pub fn account_of(url: &RedisUrl, name: &str, bytes: &[u8]) -> Result<Option<Stored>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let stored: StoredAccount =
        serde_json::from_slice(bytes).map_err(|_| damaged(url, &format!("account \"{name}\"")))?;
    let sealed = stored.sealed.map(|sealed| sealed.0);
    Ok(Some(match Kind::named(&stored.kind) {
        Some(kind) => Stored::Known(Account {
            name: name.into(),
            kind,
            id: stored.id,
            sealed,
            fingerprint: stored.fingerprint,
            current: false,
            parent: stored.parent.map(|name| ParentLink { name, there: None }),
        }),
        None => Stored::Unknown(UnknownAccount {
            name: name.into(),
            kind: stored.kind,
            id: stored.id,
            sealed,
            fingerprint: stored.fingerprint,
            current: false,
            parent: stored.parent,
        }),
    }))
}

/// The hash of accounts: a field for each account and for each removed name, the name of the current one, and a
/// version.
pub type Fields = HashMap<String, Vec<u8>>;

pub const VERSION: &str = "v";
const CURRENT: &str = "current";

pub fn account_field(name: &str) -> String {
    format!("a:{name}")
}

pub fn set_of(url: &RedisUrl, fields: &Fields) -> Result<AccountSet> {
    let mut set = AccountSet::default();
    for (field, value) in fields {
        if let Some(name) = field.strip_prefix("a:") {
            match account_of(url, name, value)? {
                Some(Stored::Known(account)) => set.put(&account),
                Some(Stored::Unknown(account)) => set.put_unknown(&account),
                None => {}
            }
        } else if let Some(name) = field.strip_prefix("r:") {
            let at = std::str::from_utf8(value).ok();
            let at = at.and_then(|text| text.parse().ok()).unwrap_or(0);
            set.removed.insert(name.into(), at);
        } else if field == CURRENT {
            set.current = String::from_utf8(value.clone()).ok();
        }
    }
    Ok(set)
}

/// The fields that differ between two sets of accounts, each with its new value. A field that is deleted has an empty
/// value.
pub fn changes(before: &AccountSet, after: &AccountSet) -> Result<BTreeMap<String, Vec<u8>>> {
    let fields_of = |set: &AccountSet| -> Result<BTreeMap<String, Vec<u8>>> {
        let mut fields = BTreeMap::new();
        for (name, account) in &set.accounts {
            fields.insert(account_field(name), account_to_bytes(account)?);
        }
        for (name, account) in &set.unknown {
            fields.insert(account_field(name), unknown_to_bytes(account)?);
        }
        for (name, at) in &set.removed {
            fields.insert(format!("r:{name}"), at.to_string().into_bytes());
        }
        if let Some(current) = &set.current {
            fields.insert(CURRENT.into(), current.clone().into_bytes());
        }
        Ok(fields)
    };
    let before = fields_of(before)?;
    let mut changed = fields_of(after)?;
    let gone: Vec<String> = before
        .keys()
        .filter(|field| !changed.contains_key(*field))
        .cloned()
        .collect();
    changed.retain(|field, value| before.get(field) != Some(value));
    changed.extend(gone.into_iter().map(|field| (field, Vec::new())));
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url() -> RedisUrl {
        RedisUrl::parse("redis://h").unwrap().unwrap()
    }

    fn account(name: &str, id: &str) -> Account {
        Account {
            name: name.into(),
            kind: Kind::named("official").unwrap(),
            id: id.into(),
            sealed: Some(vec![0, 255]),
            fingerprint: "f".into(),
            current: false,
            parent: None,
        }
    }

    #[test]
    fn a_change_touches_the_fields_that_differ_and_no_other() {
        let mut before = AccountSet::default();
        for name in ["a", "b", "c"] {
            before.put(&account(name, "wx"));
        }
        before.set_current("a");
        let mut after = before.clone();
        after.put(&account("b", "wx2"));
        after.remove("a", 7);
        let changed = changes(&before, &after).unwrap();
        let names: Vec<&str> = changed.keys().map(String::as_str).collect();
        assert_eq!(names, ["a:a", "a:b", "current", "r:a"]);
        assert!(changed["a:a"].is_empty() && changed["current"].is_empty());
        let mut fields: Fields = changes(&AccountSet::default(), &before)
            .unwrap()
            .into_iter()
            .collect();
        assert_eq!(set_of(&url(), &fields).unwrap(), before);
        fields.extend(changed);
        fields.retain(|_, value| !value.is_empty());
        assert_eq!(set_of(&url(), &fields).unwrap(), after);
        assert!(changes(&after, &after).unwrap().is_empty());
    }

    #[test]
    fn a_record_of_another_form_is_damage() {
        assert!(account_of(&url(), "n", b"[]").is_err());
        assert!(row_of(&url(), b"{}").is_err());
        assert!(account_of(&url(), "n", b"").unwrap().is_none());
    }

    #[test]
    fn each_key_has_its_own_hash_tag_and_shows_no_id() {
        let key = CredentialKey {
            endpoint: "token".into(),
            base_url: "https://h".into(),
            id: "wx123".into(),
            discriminator: String::new(),
        };
        let name = row_key("p", &key);
        assert!(name.starts_with("p:{row:") && name.ends_with('}'), "{name}");
        assert!(!name.contains("wx123"));
        // A key in an existing store keeps its name.
        assert_eq!(name.len(), "p:{row:}".len() + 32);
    }
}
