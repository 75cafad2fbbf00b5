//! The clients of `wxtoken serve`: the business servers that may ask it for tokens, each with its keys and rights. This
//! module is pure.
//!
//! All clients of a store are one record, a JSON text (`store::Read::clients`). A change replaces the whole record. A
//! key is shown once, when it is made, and the record holds only its SHA-256. A plain hash is safe, because a key is
//! long and random. Fields from a newer version are kept as they are.

mod key;
mod stand_in;

pub use key::{GivenKey, NewKey};
pub use stand_in::{STAND_IN_LIFE_S, STAND_IN_PREFIX, StandIn, StandInFlaw, StandInKeys};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result, Status};
use crate::names;
use key::StoredKey;

/// A right of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Get tokens and tickets.
    Get,
    /// Report that the API refused a token.
    Reject,
    /// See the report of its accounts.
    Status,
    /// Put pushed secrets: tickets and refresh tokens.
    Put,
    /// Have its calls forwarded to the platform.
    Forward,
}

impl Verb {
    /// Every right.
    pub const ALL: [Verb; 5] = [
        Verb::Get,
        Verb::Reject,
        Verb::Status,
        Verb::Put,
        Verb::Forward,
    ];

    /// Returns the right's name in the record, on the command line and in the audit.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::Reject => "reject",
            Verb::Status => "status",
            Verb::Put => "put",
            Verb::Forward => "forward",
        }
    }
}

/// The length of the longest name of a client in bytes.
const MAX_NAME: usize = 64;

/// One client, with its keys and rights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerClient {
    /// The time when the client was added, in Unix milliseconds.
    pub added_at: i64,
    /// The accounts that the client may see. None stands for all accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Vec<String>>,
    /// The names of the client's rights.
    pub allow: Vec<String>,
    keys: Vec<StoredKey>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl ServerClient {
    /// Returns whether the client has this right.
    pub fn may(&self, verb: Verb) -> bool {
        self.allow.iter().any(|allowed| allowed == verb.name())
    }

    /// Returns whether the client may see this account.
    pub fn sees(&self, account: &str) -> bool {
        let accounts = self.accounts.as_ref();
        accounts.is_none_or(|accounts| accounts.iter().any(|one| one == account))
    }

    /// Returns the account that the client may see, if it is exactly one.
    pub fn only_account(&self) -> Option<&str> {
        match self.accounts.as_deref() {
            Some([only]) => Some(only),
            _ => None,
        }
    }

    /// Returns when each of the client's keys was made, in Unix milliseconds. During a rotation there are two keys.
    pub fn keys_made_at(&self) -> impl Iterator<Item = i64> {
        self.keys.iter().map(|key| key.made_at)
    }
}

/// All clients of a store, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSet {
    /// A random mark of this write. No two writes have the same, so a comparison tells them apart.
    write: String,
    clients: BTreeMap<String, ServerClient>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl ClientSet {
    /// Parses a record of clients. Without a record the set is empty.
    pub(crate) fn of_text(text: Option<&str>) -> Result<ClientSet> {
        let Some(text) = text else {
            return Ok(ClientSet::default());
        };
        // The text of the JSON error would quote the record.
        serde_json::from_str(text).map_err(|_| {
            Error::store("cannot read the server's clients")
                .because("their record is not what this library writes")
                .advise("Upgrade libwxtoken, or restore the store from a backup.")
        })
    }

    /// Returns the record to write.
    pub(crate) fn to_text(&self) -> Result<String> {
        let marked = ClientSet {
            write: key::random_hex(8)?,
            ..self.clone()
        };
        serde_json::to_string(&marked)
            .map_err(|e| Error::store("cannot write the server's clients").because(e.to_string()))
    }

    /// Returns every client with its name, sorted by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &ServerClient)> {
        self.clients
            .iter()
            .map(|(name, client)| (name.as_str(), client))
    }

    /// Returns the client of this name.
    pub fn named(&self, name: &str) -> Option<(&str, &ServerClient)> {
        let (name, client) = self.clients.get_key_value(name)?;
        Some((name, client))
    }

    /// Returns the client with this key. Takes the same time whether or not there is one.
    pub fn of_key(&self, key: &str) -> Option<(&str, &ServerClient)> {
        self.of_given_key(&GivenKey::parse(key)?)
    }

    /// Returns the client with a key that was given earlier. Takes the same time whether or not there is one.
    pub fn of_given_key(&self, given: &GivenKey) -> Option<(&str, &ServerClient)> {
        let mut found = None;
        for (name, client) in self.all() {
            for known in &client.keys {
                if given.is(known) {
                    found = Some((name, client));
                }
            }
        }
        found
    }

    /// Adds a client, and returns its key.
    pub(crate) fn add(
        &mut self,
        name: &str,
        accounts: Option<Vec<String>>,
        allow: &[Verb],
        now_ms: i64,
    ) -> Result<NewKey> {
        check_name(name)?;
        if self.clients.contains_key(name) {
            return Err(
                Error::argument(format!("client \"{name}\" is there already"))
                    .advise("Give it a new key by rotating it, or remove it first."),
            );
        }
        let (key, stored) = NewKey::make(now_ms)?;
        let client = ServerClient {
            added_at: now_ms,
            accounts,
            allow: names_of(allow),
            keys: vec![stored],
            others: Map::new(),
        };
        self.clients.insert(name.into(), client);
        Ok(key)
    }

    /// Changes a client's rights. The keys stay, and so does each property that is None.
    pub(crate) fn change(
        &mut self,
        name: &str,
        accounts: Option<Option<Vec<String>>>,
        allow: Option<&[Verb]>,
    ) -> Result<()> {
        let client = self.client_to_change(name)?;
        if let Some(accounts) = accounts {
            client.accounts = accounts;
        }
        if let Some(allow) = allow {
            client.allow = names_of(allow);
        }
        Ok(())
    }

    /// Adds a second key to a client, and returns it. The first key stays valid until the rotation is finished.
    pub(crate) fn rotate(&mut self, name: &str, now_ms: i64) -> Result<NewKey> {
        let client = self.client_to_change(name)?;
        if client.keys.len() > 1 {
            return Err(
                Error::argument(format!("client \"{name}\" has two keys already"))
                    .advise("Finish the rotation first. That ends the older key."),
            );
        }
        let (key, stored) = NewKey::make(now_ms)?;
        client.keys.push(stored);
        Ok(key)
    }

    /// Removes every key of a client but the newest. Returns whether there was one to remove.
    pub(crate) fn finish_rotation(&mut self, name: &str) -> Result<bool> {
        let keys = &mut self.client_to_change(name)?.keys;
        let ended = keys.len().saturating_sub(1);
        keys.drain(..ended);
        Ok(ended > 0)
    }

    /// Removes a client.
    pub(crate) fn remove(&mut self, name: &str) -> Result<()> {
        self.client_to_change(name)?;
        self.clients.remove(name);
        Ok(())
    }

    fn client_to_change(&mut self, name: &str) -> Result<&mut ServerClient> {
        let known: Vec<String> = self.clients.keys().cloned().collect();
        match self.clients.get_mut(name) {
            Some(client) => Ok(client),
            None => {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let what = format!("there is no client{}", names::repeated(name));
                let error = Error::new(Status::Argument, what);
                Err(match known[..] {
                    [] => error.because("the store has none"),
                    _ => error.hint(names::choose(name, &known, "The clients are")),
                })
            }
        }
    }
}

fn names_of(verbs: &[Verb]) -> Vec<String> {
    verbs.iter().map(|verb| verb.name().to_owned()).collect()
}

/// Checks a name. Names are also used in certificates and in logs.
fn check_name(name: &str) -> Result<()> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(is_allowed) {
        return Ok(());
    }
    Err(
        Error::argument(format!("invalid name of a client{}", names::repeated(name)))
            .because(format!(
                "must be 1 to {MAX_NAME} letters, digits, dots, hyphens and underscores"
            ))
            .advise("Name it after the business server, such as shop-web or crm.example.com."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_with(names: &[&str]) -> (ClientSet, Vec<NewKey>) {
        let mut set = ClientSet::default();
        let keys = names
            .iter()
            .map(|name| set.add(name, None, &[Verb::Get], 1).unwrap())
            .collect();
        (set, keys)
    }

    fn holder<'a>(set: &'a ClientSet, key: &str) -> Option<&'a str> {
        set.of_key(key).map(|(name, _)| name)
    }

    #[test]
    fn a_key_leads_to_its_client_and_nothing_else_does() {
        let (set, keys) = set_with(&["a", "b"]);
        assert_eq!(holder(&set, &keys[0].text), Some("a"));
        assert_eq!(holder(&set, &keys[1].text), Some("b"));
        let key = &*keys[0].text;
        let (id, secret) = key[4..].split_once('_').unwrap();
        let (_, other) = keys[1].text[4..].split_once('_').unwrap();
        for wrong in [
            String::new(),
            "wxk_".into(),
            format!("wxk_{id}_"),
            format!("wxk_{id}_{other}"),
            format!("wxk_{id}_{secret}x"),
            format!(" {key}"),
            format!("{key}\n"),
            key.to_uppercase(),
            key[..key.len() - 1].into(),
            "x".repeat(100_000),
        ] {
            assert_eq!(holder(&set, &wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_record_holds_no_key_and_comes_back_as_it_was() {
        let (set, keys) = set_with(&["a"]);
        let text = set.to_text().unwrap();
        let (_, secret) = keys[0].text[4..].split_once('_').unwrap();
        assert!(!text.contains(secret), "{text}");
        let back = ClientSet::of_text(Some(&text)).unwrap();
        assert_eq!(back.clients, set.clients);
        assert_ne!(back.to_text().unwrap(), text, "each write has its mark");
        assert_eq!(ClientSet::of_text(None).unwrap(), ClientSet::default());
        let error = ClientSet::of_text(Some("[\"hush\"]")).unwrap_err();
        assert!(!error.to_string().contains("hush"));
    }

    #[test]
    fn fields_of_a_newer_version_are_kept() {
        let (mut set, _) = set_with(&["a"]);
        let text = set.to_text().unwrap();
        let newer = text.replacen('{', "{\"of_later\":[1],", 1).replace(
            "\"allow\":[\"get\"]",
            "\"allow\":[\"get\",\"fly\"],\"quota\":7",
        );
        set = ClientSet::of_text(Some(&newer)).unwrap();
        set.rotate("a", 2).unwrap();
        let text = set.to_text().unwrap();
        for kept in ["\"of_later\":[1]", "\"fly\"", "\"quota\":7"] {
            assert!(text.contains(kept), "{text}");
        }
    }

    #[test]
    fn both_keys_hold_until_the_rotation_is_finished() {
        let (mut set, keys) = set_with(&["a"]);
        let old = &keys[0].text;
        let new = set.rotate("a", 2).unwrap();
        assert_eq!(holder(&set, old), Some("a"));
        assert_eq!(holder(&set, &new.text), Some("a"));
        assert!(set.rotate("a", 3).is_err(), "a third key is one too many");
        let given = GivenKey::parse(old).unwrap();
        let kept = |set: &ClientSet| set.of_given_key(&given).map(|(name, _)| name.to_owned());
        assert_eq!(kept(&set), Some("a".into()));
        assert!(set.finish_rotation("a").unwrap());
        assert_eq!(holder(&set, old), None);
        assert_eq!(
            kept(&set),
            None,
            "one that was given earlier has ended, too"
        );
        assert_eq!(holder(&set, &new.text), Some("a"));
        assert!(!set.finish_rotation("a").unwrap());
        set.remove("a").unwrap();
        assert_eq!(holder(&set, &new.text), None);
        assert!(set.remove("a").is_err());
    }

    #[test]
    fn rights_are_what_was_given_and_no_more() {
        let mut set = ClientSet::default();
        set.add("all", None, &Verb::ALL, 1).unwrap();
        set.add("one", Some(vec!["shop".into()]), &[Verb::Get], 1)
            .unwrap();
        set.add("none", Some(Vec::new()), &[], 1).unwrap();
        let of = |name: &str| set.named(name).unwrap().1;
        assert!(Verb::ALL.iter().all(|verb| of("all").may(*verb)));
        assert!(of("all").sees("anything"));
        assert!(of("one").may(Verb::Get) && !of("one").may(Verb::Reject));
        assert!(of("one").sees("shop") && !of("one").sees("shop2"));
        let mut changed = set.clone();
        changed
            .change("one", Some(None), Some(&[Verb::Put]))
            .unwrap();
        let (_, one) = changed.named("one").unwrap();
        assert!(one.sees("shop2") && one.may(Verb::Put) && !one.may(Verb::Get));
        assert_eq!(one.keys, of("one").keys);
        changed.change("one", None, None).unwrap();
        assert!(changed.named("one").unwrap().1.may(Verb::Put));
        assert!(!of("none").may(Verb::Get) && !of("none").sees("shop"));
    }

    #[test]
    fn a_name_is_fit_for_logs_and_certificates() {
        let mut set = ClientSet::default();
        for name in ["shop-web", "crm.example.com", "A_1"] {
            set.add(name, None, &[], 1).unwrap();
        }
        let long = "n".repeat(65);
        for name in ["", "a b", "店", "a\n", "a/b", "\"", &long, "shop-web"] {
            assert!(set.add(name, None, &[], 1).is_err(), "{name}");
        }
    }
}
