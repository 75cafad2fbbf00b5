//! Sealing app secrets for the store, and opening them: AES-256-GCM with a key from a file of mode 0600.
//!
//! # Sealed values
//!
//! The nonce is random. The account's id is authenticated with the secret, or for a put value the identity of its
//! credential. The id of the key stands in front. So a wrong key, a swapped row and damage are told apart.
//!
//! The key is read when it is needed, and not kept. A new key file is written to a draft and linked into place. So no
//! process sees half a key, and if two processes create one, one of them wins.
//!
//! In memory a secret is `Zeroizing<String>`. The copy that ureq makes for the length of a request is not wiped. The
//! errors of ureq and the texts of serde_json can quote their input, so they are classified and reworded, never
//! formatted.
//!
//! The platform's message is passed on up to 300 bytes, and not at all if a gateway echoes a part of a secret in it
//! (`platform::echo`). The text of a panic is not passed on.
//!
//! # Rotating the key
//!
//! During a rotation the key file holds two keys, a line each. The first seals, and both open. `rekey` puts the new key
//! in front, seals everything again, checks for values that came late, and then deletes the old key. It changes the key
//! file only within a change of the accounts, when no other process of the host writes. A leader that seals a value
//! checks the key file inside its own transaction. If the process is killed at any point, both keys are in the file,
//! and the next `rekey` completes the rotation.
//!
//! A key file that is a symbolic link is read, since keys are mounted like that, but it cannot be rotated. A new file
//! would replace the link, and the old key would stay in the link's target.

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

/// A secret in clear. It is wiped from memory when dropped.
pub type Secret = Zeroizing<String>;

/// The identity of a sealed value: what it is, and where it belongs. It does not open anywhere else.
pub struct Label {
    /// The name for messages, such as `the secret of account "shop"`.
    pub what: String,
    /// The advice if the key stays lost. None if the name of the account is not known.
    again: Option<Hint>,
    place: String,
}

impl Label {
    /// Labels the secret of an account.
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

    /// Labels a field that was put for an account. `owner` tells its credential from all others.
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

    /// Labels a field that was put for an account of this id, whose name is not known.
    pub fn put_for(id: &str, owner: &str) -> Label {
        Label {
            what: format!("what was put for {id}"),
            again: None,
            place: format!("weixin_token.put\0{owner}"),
        }
    }

    /// Returns the advice to enter the secret again. `or` is the start of a sentence with another remedy.
    fn again(&self, or: Option<&str>) -> Hint {
        match (self.again.clone(), or) {
            (Some(again), Some(or)) => again.after(or),
            (Some(again), None) => again,
            (None, or) => Hint::Do(Hint::sentence(&or.map(Into::into), "put it again.")),
        }
    }
}

/// Returns a hash that tells two secrets of one id apart and reveals neither. It is safe because app secrets are
/// random.
pub fn fingerprint(id: &str, secret: &str) -> String {
    let text = Zeroizing::new(format!("wxtoken secret\0{id}\0{secret}"));
    encode(&digest(&SHA256, text.as_bytes()).as_ref()[..8])
}

/// Runs the ciphers once, so that ring examines the processor before a fork or a second thread can interrupt it.
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
    use crate::sys::ForkLock;
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
    fn a_sealed_secret_opens_and_is_bound_to_its_id() {
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

    /// A change of a store reads the key with the fork lock held.
    #[test]
    fn no_fork_waits_for_a_key_that_another_process_is_about_to_write() {
        let (_directory, vault) = vault();
        std::fs::write(&vault.path, "").unwrap();
        let is_waiting = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let held = ForkLock::enter();
            scope.spawn(|| {
                is_waiting.store(true, Ordering::Relaxed);
                let _held = ForkLock::enter();
                std::fs::write(&vault.path, "ab".repeat(32)).unwrap();
            });
            while !is_waiting.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            let read = vault.read();
            drop(held);
            assert_eq!(read.unwrap().map(|keys| keys.len()), Some(1));
        });
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
    fn an_account_secret_does_not_open_as_a_put_field() {
        let (_directory, vault) = vault();
        let sealed = vault.seal(&label("wx1"), "hush").unwrap();
        let put = Label::put("shop", "refresh_token", "wx1");
        let error = vault.open(&put, &sealed).unwrap_err();
        let hint = "hint: Put the field refresh_token with wxtoken_put (see docs/credentials.md).";
        assert!(error.for_c().ends_with(hint), "{error}");
    }
}
