//! Sealing and opening with AES-256-GCM. A sealed value names its key, and is bound to the place where it belongs.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::key_file::{KEY_LEN, Vault};
use super::{Label, Secret};
use crate::error::{Error, Result, Status};

const FORMAT: u8 = 1;

const KEY_ID_LEN: usize = 8;

impl Vault {
    /// Seals `secret`. Makes the key file if there is none yet.
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
                Aad::from(self.place(label)),
                &mut *sealed,
            )
            .map_err(|_| Error::new(Status::Internal, "the secret could not be sealed"))?;
        Ok([&[FORMAT], key_id(key).as_slice(), &nonce, &sealed].concat())
    }

    /// Opens a value that [`Vault::seal`] made.
    pub fn open(&self, label: &Label, sealed: &[u8]) -> Result<Secret> {
        let Some(keys) = self.read()? else {
            let why = "the key file does not exist";
            return Err(self.refusal(label, why, Some("Restore the key file, or")));
        };
        let damaged = || self.refusal(label, "what is stored is damaged", None);
        let header = 1 + KEY_ID_LEN + NONCE_LEN;
        if sealed.len() < header || sealed[0] != FORMAT {
            return Err(damaged());
        }
        let (head, body) = sealed.split_at(header);
        let Some(key) = keys.iter().find(|key| sealed_with(sealed, key)) else {
            let why = "it was sealed with another key";
            return Err(self.refusal(label, why, Some("Restore that key, or")));
        };
        let mut nonce = [0u8; NONCE_LEN];
        nonce.copy_from_slice(&head[1 + KEY_ID_LEN..]);
        let mut clear = Zeroizing::new(body.to_vec());
        let opened = cipher(key)
            .open_in_place(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.place(label)),
                &mut clear,
            )
            .ok()
            .and_then(|bytes| std::str::from_utf8(bytes).ok());
        match opened {
            Some(secret) => Ok(Zeroizing::new(secret.to_owned())),
            None => Err(damaged()),
        }
    }

    /// Returns the place that a sealed value is bound to.
    fn place(&self, label: &Label) -> String {
        match self.sealing_for.as_str() {
            "" => label.place.clone(),
            id => format!("{}\0store {id}", label.place),
        }
    }

    /// Returns the error for a value that does not open. `or` is the start of a sentence with another remedy.
    fn refusal(&self, label: &Label, why: &str, or: Option<&str>) -> Error {
        let what = format!(
            "cannot open {} with key file {}",
            label.what,
            self.path.display()
        );
        Error::new(Status::Secret, what)
            .because(why)
            .hint(label.again(or))
    }

    /// Returns whether a value was sealed with the current key. Must be called inside the transaction that writes the
    /// value, since no key is changed during that.
    pub fn is_current(&self, sealed: &[u8]) -> Result<bool> {
        let keys = self.read()?;
        Ok(keys.is_some_and(|keys| sealed_with(sealed, &keys[0])))
    }

    /// Returns whether the key of a sealed value is in the file, even if a rotation will delete it. Must be called
    /// inside a transaction: the rotation will seal the value again before it deletes the key.
    pub fn has_key_of(&self, sealed: &[u8]) -> Result<bool> {
        let keys = self.read()?;
        Ok(keys.is_some_and(|keys| keys.iter().any(|key| sealed_with(sealed, key))))
    }
}

pub(super) fn cipher(key: &[u8; KEY_LEN]) -> LessSafeKey {
    #[allow(
        clippy::expect_used,
        reason = "a key of KEY_LEN bytes is always a valid AES-256 key"
    )]
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes"))
}

/// Returns whether a sealed value names this key.
fn sealed_with(sealed: &[u8], key: &[u8; KEY_LEN]) -> bool {
    sealed.get(1..=KEY_ID_LEN) == Some(&key_id(key))
}

fn key_id(key: &[u8; KEY_LEN]) -> [u8; KEY_ID_LEN] {
    let text = Zeroizing::new([b"wxtoken key id".as_slice(), key].concat());
    let mut id = [0; KEY_ID_LEN];
    id.copy_from_slice(&digest(&SHA256, &text).as_ref()[..KEY_ID_LEN]);
    id
}
