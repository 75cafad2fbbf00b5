//! The credential key, which names what a token belongs to. Two accounts with the same key share one token.

use serde::{Deserialize, Serialize};

/// The key of a credential. Two accounts with the same key share one token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CredentialKey {
    pub endpoint: String,
    pub base_url: String,
    pub id: String,
    /// The part that the recipe's scope adds to the key: the secret's fingerprint, the parent's id, or nothing.
    pub discriminator: String,
}

impl CredentialKey {
    /// Returns a text that is the same for every base URL, and differs from that of any other credential of a store.
    pub fn key_text(&self) -> String {
        format!("{}\0{}\0{}", self.endpoint, self.id, self.discriminator)
    }
}
