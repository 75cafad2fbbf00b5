//! Stand-ins: texts that clients get instead of an account's access token, if the server forwards their calls.
//!
//! A stand-in is `wxs_` and a text in base64url. The text says which client may use it, for which account and until
//! when, under a MAC. The key of the MAC comes from the store's key file, and the hash of the client's newest key goes
//! into it. So no store keeps stand-ins, every server of a store knows them, and they end with the client's key. A
//! backup does not allow anyone to make them, since it lacks the key file.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::key::{StoredKey, is_equal};
use super::{ClientSet, ServerClient};

/// The prefix of every stand-in, which tells it from a platform's token.
pub const STAND_IN_PREFIX: &str = "wxs_";
/// The life of a stand-in in seconds.
pub const STAND_IN_LIFE_S: i64 = 7200;
/// The seconds for which an expired stand-in is still accepted, since a client's clock may be slow.
const GRACE_S: i64 = 60;
const VERSION: u8 = 1;
const EXPIRY_BYTES: usize = 8;
const MAC_BYTES: usize = 16;
/// The length in bytes of the longest text that is parsed.
const MAX_LENGTH: usize = 512;

/// The reason why a stand-in is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandInFlaw {
    /// No current key of a client has made it.
    Unknown,
    /// The stand-in has expired.
    Expired,
}

/// The keys that make and verify stand-ins. They are derived from a store's key file, and the first one makes new
/// stand-ins.
#[derive(Clone)]
pub struct StandInKeys(Vec<hmac::Key>);

impl StandInKeys {
    /// The purpose for which the keys are derived.
    pub(crate) const PURPOSE: &str = "stand-in";

    pub(crate) fn new(derived: Vec<hmac::Key>) -> StandInKeys {
        StandInKeys(derived)
    }
}

impl std::fmt::Debug for StandInKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StandInKeys")
    }
}

/// The client and the account that a stand-in names.
#[derive(Debug)]
pub struct StandIn<'a> {
    /// The client's name.
    pub name: &'a str,
    /// The client.
    pub client: &'a ServerClient,
    /// The account whose token it stands for.
    pub account: String,
}

impl ServerClient {
    /// Makes a stand-in for the token of an account, valid from this second on. Returns None for a client without a
    /// key.
    pub fn stand_in(&self, keys: &StandInKeys, account: &str, now_s: i64) -> Option<String> {
        let key = self.keys.last()?;
        let mut bytes = vec![VERSION];
        bytes.extend((now_s + STAND_IN_LIFE_S).to_be_bytes());
        bytes.extend(key.id.as_bytes());
        bytes.push(b'/');
        bytes.extend(account.as_bytes());
        let mac = mac(keys.0.first()?, key, &bytes);
        bytes.extend(&mac.as_ref()[..MAC_BYTES]);
        Some(STAND_IN_PREFIX.to_owned() + &URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl ClientSet {
    /// Returns the client and the account that a stand-in names. The caller must check that the client may still see
    /// the account.
    pub fn of_stand_in(
        &self,
        keys: &StandInKeys,
        text: &str,
        now_s: i64,
    ) -> Result<StandIn<'_>, StandInFlaw> {
        self.found_by_stand_in(keys, text, now_s)
            .unwrap_or(Err(StandInFlaw::Unknown))
    }

    fn found_by_stand_in(
        &self,
        keys: &StandInKeys,
        text: &str,
        now_s: i64,
    ) -> Option<Result<StandIn<'_>, StandInFlaw>> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let text = text.strip_prefix(STAND_IN_PREFIX)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (signed, mac_of_it) = bytes.split_at_checked(bytes.len().checked_sub(MAC_BYTES)?)?;
        let rest = signed.strip_prefix(&[VERSION])?;
        let (expiry, rest) = rest.split_first_chunk::<EXPIRY_BYTES>()?;
        let (id, account) = std::str::from_utf8(rest).ok()?.split_once('/')?;
        let (name, client) = self.all().find(|(_, client)| {
            let own = client.keys.iter().filter(|key| key.id == id);
            let mut expected = own.flat_map(|own| keys.0.iter().map(|key| mac(key, own, signed)));
            expected.any(|one| is_equal(&one.as_ref()[..MAC_BYTES], mac_of_it))
        })?;
        if now_s > i64::from_be_bytes(*expiry) + GRACE_S {
            return Some(Err(StandInFlaw::Expired));
        }
        Some(Ok(StandIn {
            name,
            client,
            account: account.to_owned(),
        }))
    }
}

fn mac(key: &hmac::Key, of_client: &StoredKey, signed: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(of_client.sha256.as_bytes());
    context.update(signed);
    context.sign()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_clients::Verb;

    const NOW: i64 = 1_800_000_000;

    fn keys(of: &[u8]) -> StandInKeys {
        let keys = of
            .iter()
            .map(|byte| hmac::Key::new(hmac::HMAC_SHA256, &[*byte; 32]));
        StandInKeys::new(keys.collect())
    }

    fn set() -> ClientSet {
        let mut set = ClientSet::default();
        for name in ["web", "crm"] {
            set.add(name, None, &[Verb::Forward], 1).unwrap();
        }
        set
    }

    fn stand_in(set: &ClientSet, name: &str, account: &str) -> String {
        let (_, client) = set.named(name).unwrap();
        client.stand_in(&keys(&[1]), account, NOW).unwrap()
    }

    #[test]
    fn a_stand_in_leads_to_its_client_and_account_for_two_hours() {
        let set = set();
        let text = stand_in(&set, "crm", "店");
        let found = set.of_stand_in(&keys(&[1]), &text, NOW).unwrap();
        assert_eq!((found.name, &*found.account), ("crm", "店"));
        let end = NOW + STAND_IN_LIFE_S;
        assert!(set.of_stand_in(&keys(&[1]), &text, end).is_ok());
        assert_eq!(
            set.of_stand_in(&keys(&[1]), &text, end + GRACE_S + 1).err(),
            Some(StandInFlaw::Expired)
        );
        assert!(text.len() < 200 && text.is_ascii());
        assert!(
            text[4..]
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        );
    }

    #[test]
    fn nothing_else_is_a_stand_in() {
        let set = set();
        let text = stand_in(&set, "web", "shop");
        let (_, web) = set.named("web").unwrap();
        let mut flipped = URL_SAFE_NO_PAD.decode(&text[4..]).unwrap();
        for at in 0..flipped.len() {
            flipped[at] ^= 1;
            let wrong = STAND_IN_PREFIX.to_owned() + &URL_SAFE_NO_PAD.encode(&flipped);
            assert!(
                set.of_stand_in(&keys(&[1]), &wrong, NOW).is_err(),
                "byte {at}"
            );
            flipped[at] ^= 1;
        }
        for wrong in [
            String::new(),
            STAND_IN_PREFIX.into(),
            text[4..].into(),
            text[..text.len() - 1].into(),
            format!("{text}A"),
            format!("{text}="),
            format!("{STAND_IN_PREFIX}{}", "A".repeat(100_000)),
            format!("{STAND_IN_PREFIX}{}", web.keys[0].sha256),
        ] {
            let flaw = set.of_stand_in(&keys(&[1]), &wrong, NOW).err();
            assert_eq!(flaw, Some(StandInFlaw::Unknown), "{wrong}");
        }
    }

    #[test]
    fn a_stand_in_ends_with_the_key_that_it_was_made_by() {
        let mut set = set();
        let old = stand_in(&set, "web", "shop");
        set.rotate("web", 2).unwrap();
        let new = stand_in(&set, "web", "shop");
        assert!(
            set.of_stand_in(&keys(&[1]), &old, NOW).is_ok()
                && set.of_stand_in(&keys(&[1]), &new, NOW).is_ok()
        );
        set.finish_rotation("web").unwrap();
        assert!(
            set.of_stand_in(&keys(&[1]), &old, NOW).is_err()
                && set.of_stand_in(&keys(&[1]), &new, NOW).is_ok()
        );
        set.remove("web").unwrap();
        assert!(set.of_stand_in(&keys(&[1]), &new, NOW).is_err());
        set.add("web", None, &[Verb::Forward], 3).unwrap();
        assert!(
            set.of_stand_in(&keys(&[1]), &new, NOW).is_err(),
            "another of that name"
        );
    }

    #[test]
    fn a_stand_in_is_known_by_the_key_file_that_made_it_alone() {
        let set = set();
        let text = stand_in(&set, "web", "shop");
        let is_known = |of: &[u8]| set.of_stand_in(&keys(of), &text, NOW).is_ok();
        assert!(
            is_known(&[1]) && is_known(&[2, 1]),
            "while keys are changed, both"
        );
        assert!(!is_known(&[2]) && !is_known(&[]));
        let (_, web) = set.named("web").unwrap();
        assert!(web.stand_in(&keys(&[]), "shop", NOW).is_none());
    }
}
