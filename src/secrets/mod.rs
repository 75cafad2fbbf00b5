//! Seals app secrets for the store and opens them again: AES-256-GCM with a key from a file of mode 0600.
//!
//! The key file is read when it is needed and not kept. A sealed secret names the key it was sealed with and is bound to
//! its account's id, so that a wrong key or a swapped row is told apart from damage.
//!
//! While keys are changed the file holds two, a line each: the first seals, both open.

mod key_file;
mod seal;

pub use key_file::Vault;

use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use key_file::KEY_LEN;
use seal::cipher;

/// A secret in the clear; wiped from memory when dropped.
pub type Secret = Zeroizing<String>;

/// What a sealed value is, and where it belongs: elsewhere it does not open.
pub struct Label {
    /// For messages: `the secret of account "shop"`.
    pub what: String,
    /// How to bring it back: `register the account again`.
    pub again: &'static str,
    place: String,
}

impl Label {
    /// The secret of an account.
    pub fn secret(account: &str, id: &str) -> Label {
        Label {
            what: format!("the secret of account \"{account}\""),
            again: "register the account again",
            place: format!("weixin_account.secret\0{id}"),
        }
    }

    /// A field that was put for an account; `owner` tells its credential from all others.
    pub fn put(account: &str, field: &str, owner: &str) -> Label {
        Label {
            what: format!("the {field} of account \"{account}\""),
            again: "put it again",
            place: format!("weixin_token.put\0{owner}"),
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
    let _ = cipher(&[0; KEY_LEN]);
    let _ = fingerprint("", "");
}

pub(super) fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;
    use std::os::unix::fs::PermissionsExt;

    fn label(id: &str) -> Label {
        Label::secret("shop", id)
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
        assert!(error.message.contains("damaged"), "{error}");
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
        assert!(gone.message.contains("does not exist"), "{gone}");
        vault.seal(&label("wx1"), "other").unwrap();
        let other = vault.open(&label("wx1"), &sealed).unwrap_err();
        assert!(other.message.contains("another key"), "{other}");
        std::fs::write(&vault.path, "not a key").unwrap();
        let garbage = vault.open(&label("wx1"), &sealed).unwrap_err();
        assert!(
            garbage.message.contains("64 hexadecimal digits"),
            "{garbage}"
        );
    }

    #[test]
    fn a_secret_does_not_open_as_what_was_put() {
        let (_directory, vault) = vault();
        let sealed = vault.seal(&label("wx1"), "hush").unwrap();
        let put = Label::put("shop", "refresh_token", "wx1");
        let error = vault.open(&put, &sealed).unwrap_err();
        assert!(error.message.contains("put it again"), "{error}");
    }
}
