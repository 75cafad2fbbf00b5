//! Seals app secrets for the store and opens them again: AES-256-GCM with a key from a file of mode 0600.
//!
//! The key file is read when it is needed and not kept. A sealed secret names the key it was sealed with and is bound to
//! its account's id, so that a wrong key or a swapped row is told apart from damage.
//!
//! While keys are changed the file holds two, a line each: the first seals, both open.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::error::{Error, Result, Status};
use crate::sys;

const FORMAT: u8 = 1;
const KEY_ID_LEN: usize = 8;
const KEY_LEN: usize = 32;

/// A secret in the clear; wiped from memory when dropped.
pub type Secret = Zeroizing<String>;

type Key = Zeroizing<[u8; KEY_LEN]>;

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

/// The key file of one store.
#[derive(Clone, Debug)]
pub struct Vault {
    path: PathBuf,
}

impl Vault {
    pub fn at(path: PathBuf) -> Vault {
        Vault { path }
    }

    /// Whether there is a key: a sign that its store was one.
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Seals `secret`, making the key file when there is none yet.
    pub fn seal(&self, label: &Label, secret: &str) -> Result<Vec<u8>> {
        let keys = match self.read()? {
            Some(keys) => keys,
            None => self.create()?,
        };
        let key = &keys[0];
        let mut nonce = [0u8; NONCE_LEN];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| Error::new(Status::Internal, "the system gives no random numbers"))?;
        let mut sealed = Zeroizing::new(secret.as_bytes().to_vec());
        cipher(key)
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(label.place.as_str()),
                &mut *sealed,
            )
            .map_err(|_| Error::new(Status::Internal, "the secret could not be sealed"))?;
        Ok([&[FORMAT], key_id(key).as_slice(), &nonce, &sealed].concat())
    }

    /// Opens what [`Vault::seal`] made.
    pub fn open(&self, label: &Label, sealed: &[u8]) -> Result<Secret> {
        let Some(keys) = self.read()? else {
            return Err(self.refusal(label, "the key file does not exist: restore it, or"));
        };
        let damaged = "what is stored is damaged:";
        let header = 1 + KEY_ID_LEN + NONCE_LEN;
        if sealed.len() < header || sealed[0] != FORMAT {
            return Err(self.refusal(label, damaged));
        }
        let (head, body) = sealed.split_at(header);
        let Some(key) = keys.iter().find(|key| sealed_with(sealed, key)) else {
            return Err(self.refusal(
                label,
                "it was sealed with another key: restore that key, or",
            ));
        };
        let mut nonce = [0u8; NONCE_LEN];
        nonce.copy_from_slice(&head[1 + KEY_ID_LEN..]);
        let mut clear = Zeroizing::new(body.to_vec());
        let opened = cipher(key)
            .open_in_place(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(label.place.as_str()),
                &mut clear,
            )
            .ok()
            .and_then(|bytes| std::str::from_utf8(bytes).ok());
        match opened {
            Some(secret) => Ok(Zeroizing::new(secret.to_owned())),
            None => Err(self.refusal(label, damaged)),
        }
    }

    fn refusal(&self, label: &Label, why: &str) -> Error {
        Error::new(
            Status::Secret,
            format!(
                "cannot open {} with key file {}: {why} {}",
                label.what,
                self.path.display(),
                label.again
            ),
        )
    }

    /// Whether this process is kept from reading the key: then somebody else fetches.
    pub fn is_unreadable(&self) -> bool {
        sys::is_denied(&self.path)
    }

    /// The same in words.
    pub fn read_error(&self) -> Option<Error> {
        if !self.is_unreadable() {
            return None;
        }
        self.read().err()
    }

    /// Whether a sealed value is of the key that seals now. Asked inside the transaction that writes it, within which no key
    /// is changed.
    pub fn is_current(&self, sealed: &[u8]) -> Result<bool> {
        let keys = self.read()?;
        Ok(keys.is_some_and(|keys| sealed_with(sealed, &keys[0])))
    }

    /// Whether the key of a sealed value is here still, be it to go soon. Asked as above: a change of keys that is under way
    /// will seal the value anew.
    pub fn has_key_of(&self, sealed: &[u8]) -> Result<bool> {
        let keys = self.read()?;
        Ok(keys.is_some_and(|keys| keys.iter().any(|key| sealed_with(sealed, key))))
    }

    /// The keys, the one that seals first; None when there is no file.
    fn read(&self) -> Result<Option<Vec<Key>>> {
        let unreadable = |why: String| {
            Error::new(
                Status::Secret,
                format!("cannot read key file {}: {why}", self.path.display()),
            )
        };
        let mut text = Zeroizing::new(String::new());
        let read = sys::require_readable_file(&self.path)
            .and_then(|()| std::fs::File::open(&self.path))
            .and_then(|file| file.take(4096).read_to_string(&mut text));
        match read {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                return Err(unreadable(format!(
                    "{}: only a process that may read it can fetch tokens; others wait for one that can",
                    sys::describe(&self.path)
                )));
            }
            Err(e) => return Err(unreadable(sys::os_message(&e))),
        }
        let keys: Option<Vec<Key>> = text.trim_ascii().lines().map(decode).collect();
        keys.filter(|keys| !keys.is_empty()).map(Some).ok_or_else(|| {
            unreadable("it is not 64 hexadecimal digits: restore it from a backup, or move it away and register the accounts again".into())
        })
    }

    /// Makes a new key. Whoever loses the race against another process uses the other's.
    fn create(&self) -> Result<Vec<Key>> {
        let keys = vec![new_key()?];
        match self.publish(&keys, |draft| std::fs::hard_link(draft, &self.path)) {
            Ok(()) => Ok(keys),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => self.read()?.ok_or_else(|| {
                Error::new(
                    Status::Secret,
                    format!(
                        "key file {} vanished while it was read",
                        self.path.display()
                    ),
                )
            }),
            Err(e) => {
                let directory = self.path.parent().unwrap_or(Path::new("/"));
                Err(Error::store(format!(
                    "cannot create key file {}: {}; its directory is {}",
                    self.path.display(),
                    sys::os_message(&e),
                    sys::describe(directory)
                )))
            }
        }
    }

    /// Puts a new key before the one there is; both open from now on. Nothing happens when a change of keys was begun before.
    pub fn begin_rotation(&self) -> Result<()> {
        // A new file would take the link's place, and the old key stay where it leads to.
        if let Ok(target) = std::fs::read_link(&self.path) {
            return Err(Error::new(
                Status::Secret,
                format!(
                    "cannot change the key in {}: it is a symbolic link to {}: name that file as key_file",
                    self.path.display(),
                    self.path.with_file_name(target).display()
                ),
            ));
        }
        match self.read()? {
            Some(mut keys) if keys.len() == 1 => {
                keys.insert(0, new_key()?);
                self.replace(&keys)
            }
            Some(_) => Ok(()),
            None => self.create().map(|_| ()),
        }
    }

    /// Forgets every key but the one that seals.
    pub fn finish_rotation(&self) -> Result<()> {
        match self.read()? {
            Some(mut keys) if keys.len() > 1 => {
                keys.truncate(1);
                self.replace(&keys)
            }
            _ => Ok(()),
        }
    }

    /// Puts other keys into the file, which keeps its owner and its mode.
    fn replace(&self, keys: &[Key]) -> Result<()> {
        use std::os::unix::fs::{MetadataExt, fchown};
        let place = |draft: &Path| {
            let meta = std::fs::metadata(&self.path)?;
            let file = std::fs::File::open(draft)?;
            let made = file.metadata()?;
            if (made.uid(), made.gid()) != (meta.uid(), meta.gid()) {
                fchown(&file, Some(meta.uid()), Some(meta.gid()))?;
            }
            file.set_permissions(meta.permissions())?;
            std::fs::rename(draft, &self.path)
        };
        self.publish(keys, place).map_err(|e| {
            Error::new(
                Status::Secret,
                format!(
                    "cannot write key file {}: {}; it is {}",
                    self.path.display(),
                    sys::os_message(&e),
                    sys::describe(&self.path)
                ),
            )
        })
    }

    /// Writes keys whole beside their place, then has them put there: half a key is never seen under its name.
    fn publish(&self, keys: &[Key], place: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
        let _shield = sys::BlockedSignals::new();
        let draft = self.path.with_added_extension(format!(
            "{}.{:016x}.new",
            std::process::id(),
            u64::from_ne_bytes(sys::random())
        ));
        let written = sys::create_private(&draft).and_then(|mut file| {
            for key in keys {
                let line = Zeroizing::new(encode(&**key) + "\n");
                file.write_all(line.as_bytes())?;
            }
            file.sync_all()?;
            place(&draft)
        });
        let _ = std::fs::remove_file(&draft);
        written?;
        if let Some(directory) = self.path.parent() {
            std::fs::File::open(directory)?.sync_all()?;
        }
        Ok(())
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

fn cipher(key: &[u8; KEY_LEN]) -> LessSafeKey {
    #[allow(
        clippy::expect_used,
        reason = "a key of KEY_LEN bytes is always a valid AES-256 key"
    )]
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes"))
}

fn new_key() -> Result<Key> {
    let mut key = Zeroizing::new([0u8; KEY_LEN]);
    SystemRandom::new()
        .fill(&mut *key)
        .map_err(|_| Error::new(Status::Internal, "the system gives no random numbers"))?;
    Ok(key)
}

/// Whether a sealed value names this key.
fn sealed_with(sealed: &[u8], key: &[u8; KEY_LEN]) -> bool {
    sealed.get(1..=KEY_ID_LEN) == Some(&key_id(key))
}

fn key_id(key: &[u8; KEY_LEN]) -> [u8; KEY_ID_LEN] {
    let text = Zeroizing::new([b"wxtoken key id".as_slice(), key].concat());
    let mut id = [0; KEY_ID_LEN];
    id.copy_from_slice(&digest(&SHA256, &text).as_ref()[..KEY_ID_LEN]);
    id
}

fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decode(text: &str) -> Option<Key> {
    if text.len() != KEY_LEN * 2 || !text.is_ascii() {
        return None;
    }
    let mut key = Zeroizing::new([0u8; KEY_LEN]);
    for (i, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
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
