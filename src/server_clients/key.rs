//! A client's key: `wxk_<id>_<secret>`. The id finds the key in a record and reveals nothing. The secret is 32 random
//! bytes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Error, Result, Status};

/// The prefix of every client key, by which a scan finds leaked ones.
const PREFIX: &str = "wxk_";
const ID_BYTES: usize = 6;
const SECRET_BYTES: usize = 32;
/// The length of a key's text in bytes.
const LENGTH: usize = PREFIX.len() + 2 * ID_BYTES + 1 + 43;

/// A key that was just made. It is shown once.
pub struct NewKey {
    /// The text of the key.
    pub text: Zeroizing<String>,
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewKey")
    }
}

/// The part of a key that is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredKey {
    pub(super) id: String,
    pub(super) sha256: String,
    pub made_at: i64,
}

impl NewKey {
    pub(crate) fn make(now_ms: i64) -> Result<(NewKey, StoredKey)> {
        let id = random_hex(ID_BYTES)?;
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        fill(&mut *secret)?;
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(*secret));
        let text = Zeroizing::new(format!("{PREFIX}{id}_{}", *secret));
        let stored = StoredKey {
            sha256: hash(&text),
            id,
            made_at: now_ms,
        };
        Ok((NewKey { text }, stored))
    }
}

/// The hash of a key that a caller gave. The key can be looked up again later, and is itself not kept.
#[derive(Clone, PartialEq, Eq)]
pub struct GivenKey {
    id: String,
    sha256: String,
}

impl std::fmt::Debug for GivenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GivenKey")
    }
}

impl GivenKey {
    /// Parses a key. Returns None for a text that cannot be one.
    pub fn parse(text: &str) -> Option<GivenKey> {
        if text.len() != LENGTH {
            return None;
        }
        let (id, _) = text.strip_prefix(PREFIX)?.split_once('_')?;
        Some(GivenKey {
            id: id.into(),
            sha256: hash(text),
        })
    }

    /// Compares in the same time for any two keys.
    pub(super) fn is(&self, known: &StoredKey) -> bool {
        is_equal(self.id.as_bytes(), known.id.as_bytes())
            & is_equal(self.sha256.as_bytes(), known.sha256.as_bytes())
    }
}

/// Compares without stopping at the first difference.
pub(super) fn is_equal(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b));
    a.len() == b.len() && std::hint::black_box(differences) == 0
}

fn hash(text: &str) -> String {
    hex(digest(&SHA256, text.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|half| DIGITS[usize::from(half)] as char);
    bytes.iter().flat_map(digits).collect()
}

pub fn random_hex(length: usize) -> Result<String> {
    let mut bytes = vec![0; length];
    fill(&mut bytes)?;
    Ok(hex(&bytes))
}

fn fill(bytes: &mut [u8]) -> Result<()> {
    let filled = SystemRandom::new().fill(bytes);
    filled.map_err(|_| Error::new(Status::Internal, "the system gives no random numbers"))
}
