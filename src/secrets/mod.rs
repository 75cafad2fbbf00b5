//! Seals app secrets for the store and opens them again: AES-256-GCM with a key from a file of mode 0600.
//!
//! The key file is read when it is needed and not kept. A sealed secret names the key it was sealed with and is bound to
//! its account's id, so that a wrong key or a swapped row is told apart from damage.
//!
//! While keys are changed the file holds two, a line each: the first seals, both open.
//!
//! # Keys and messages
//!
//! Sealed by AES-256-GCM with a random nonce; the account's id (for what was put, the identity) is authenticated with
//! it, and the key's own id stands in front, so that a wrong key, a swapped row and damage are told apart. The key is
//! read when it is needed and not kept. It is written whole to a draft and linked into place, so nobody sees half a
//! key, and of two that race one wins.
//!
//! In memory a secret is `Zeroizing<String>`; what ureq makes of it for the length of a request is not wiped. The
//! errors of ureq and the texts of serde_json can quote what they were given: they are told apart and reworded, never
//! formatted. What the platform says is passed on in 300 bytes, and not at all where a gateway echoes a part of a
//! secret in it (`platform::echo`). A panic's text is not passed on either.
//!
//! **A new key.** While keys are changed the key file holds both, a line each: the first seals, both open. `rekey`
//! puts the new one in front, seals everything anew in one transaction, looks once more for what came late, and takes
//! the old one out, all with the store's write lock held; what a leader seals it compares with the file inside its own
//! transaction. Killed anywhere, both keys are there, and the next `rekey` ends it. A key file that is a symbolic link
//! is read, since keys are mounted so, but not changed: a new file would take the link's place, and the old key stay
//! at its end.

mod derive;
mod key_file;
mod seal;

pub use key_file::Vault;

use std::sync::atomic::{AtomicBool, Ordering};

use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use crate::error::Hint;
use key_file::KEY_LEN;
use seal::cipher;

/// A secret in the clear; wiped from memory when dropped.
pub type Secret = Zeroizing<String>;

/// What a sealed value is, and where it belongs: elsewhere it does not open.
pub struct Label {
    /// For messages: `the secret of account "shop"`.
    pub what: String,
    /// How to bring it back, if the key stays lost; None where its account's name is not known.
    again: Option<Hint>,
    place: String,
}

impl Label {
    /// The secret of an account.
    pub fn secret(account: &str, kind: &str, id: &str) -> Label {
        Label {
            what: format!("the secret of account \"{account}\""),
            again: Some(Hint::RegisterAgain {
                account: account.into(),
                kind: kind.into(),
                id: id.into(),
                before: None,
            }),
            place: format!("weixin_account.secret\0{id}"),
        }
    }

    /// A field that was put for an account; `owner` tells its credential from all others.
    pub fn put(account: &str, field: &str, owner: &str) -> Label {
        Label {
            what: format!("the {field} of account \"{account}\""),
            again: Some(Hint::Put {
                account: account.into(),
                field: field.into(),
                before: None,
            }),
            place: format!("weixin_token.put\0{owner}"),
        }
    }

    /// A field that was put for an account of this id, whose name is not known.
    pub fn put_for(id: &str, owner: &str) -> Label {
        Label {
            what: format!("what was put for {id}"),
            again: None,
            place: format!("weixin_token.put\0{owner}"),
        }
    }

    /// How to bring it back. `or`: what else does, as the beginning of a sentence.
    fn again(&self, or: Option<&str>) -> Hint {
        match (self.again.clone(), or) {
            (Some(again), Some(or)) => again.after(or),
            (Some(again), None) => again,
            (None, or) => Hint::Do(Hint::sentence(&or.map(Into::into), "put it again.")),
        }
    }
}

/// What tells two secrets of one id apart without telling either: a hash, safe because app secrets are random.
pub fn fingerprint(id: &str, secret: &str) -> String {
    let text = Zeroizing::new(format!("wxtoken secret\0{id}\0{secret}"));
    encode(&digest(&SHA256, text.as_bytes()).as_ref()[..8])
}

/// Runs the ciphers once, so that ring has looked at the processor before any fork or second thread can interrupt it.
pub fn warm_up() {
    static IS_WARM: AtomicBool = AtomicBool::new(false);
    if !IS_WARM.swap(true, Ordering::Relaxed) {
        let _ = cipher(&[0; KEY_LEN]);
        let _ = fingerprint("", "");
    }
}

pub(super) fn encode(bytes: &[u8]) -> String {
    let digit = |number: u8| char::from(b"0123456789abcdef"[usize::from(number)]);
    let digits = bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    digits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;
    use std::os::unix::fs::PermissionsExt;

    fn label(id: &str) -> Label {
        Label::secret("shop", "official", id)
    }

    fn vault() -> (tempfile::TempDir, Vault) {
        let directory = tempfile::tempdir().unwrap();
        let vault = Vault::at(directory.path().join("tokens.db.key"));
        (directory, vault)
    }

    #[test]
    fn what_was_sealed_opens_and_is_bound_to_its_id() {
        let (_directory, vault) = vault();
        let sealed = vault.seal(&label("wx1"), "hush").unwrap();
        assert!(!sealed.windows(4).any(|w| w == b"hush"));
        assert_eq!(*vault.open(&label("wx1"), &sealed).unwrap(), "hush");
        let error = vault.open(&label("wx2"), &sealed).unwrap_err();
        assert_eq!(error.status, Status::Secret);
        assert!(error.for_c().contains("damaged"), "{error}");
    }

    #[test]
    fn the_key_file_is_private_and_made_once() {
        let (_directory, vault) = vault();
        vault.seal(&label("wx1"), "a").unwrap();
        let first = std::fs::read(&vault.path).unwrap();
        vault.seal(&label("wx1"), "b").unwrap();
        assert_eq!(std::fs::read(&vault.path).unwrap(), first);
        let mode = std::fs::metadata(&vault.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert_eq!(
            std::fs::read_dir(vault.path.parent().unwrap())
                .unwrap()
                .count(),
            1
        );
    }

    #[test]
    fn another_key_is_named_as_the_reason() {
        let (_directory, vault) = vault();
        let sealed = vault.seal(&label("wx1"), "hush").unwrap();
        std::fs::remove_file(&vault.path).unwrap();
        let gone = vault.open(&label("wx1"), &sealed).unwrap_err();
        assert!(gone.for_c().contains("does not exist"), "{gone}");
        let hint =
            "hint: Restore the key file, or register the account again with wxtoken_register.";
        assert!(gone.for_c().ends_with(hint), "{gone}");
        vault.seal(&label("wx1"), "other").unwrap();
        let other = vault.open(&label("wx1"), &sealed).unwrap_err();
        assert!(other.for_c().contains("another key"), "{other}");
        std::fs::write(&vault.path, "not a key").unwrap();
        let garbage = vault.open(&label("wx1"), &sealed).unwrap_err();
        assert!(
            garbage.for_c().contains("64 hexadecimal digits"),
            "{garbage}"
        );
    }

    #[test]
    fn a_secret_does_not_open_as_what_was_put() {
        let (_directory, vault) = vault();
        let sealed = vault.seal(&label("wx1"), "hush").unwrap();
        let put = Label::put("shop", "refresh_token", "wx1");
        let error = vault.open(&put, &sealed).unwrap_err();
        let hint = "hint: Put the field refresh_token with wxtoken_put (see docs/credentials.md).";
        assert!(error.for_c().ends_with(hint), "{error}");
    }
}
