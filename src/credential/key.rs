//! What a credential belongs to: two accounts with one key share one token.

use serde::{Deserialize, Serialize};

/// What a token belongs to. Two accounts with one identity share one token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CredentialKey {
    pub endpoint: String,
    pub base_url: String,
    pub id: String,
    /// What else tells two apart, by the recipe's scope: the secret's fingerprint, the parent's id, or nothing.
    pub discriminator: String,
}

impl CredentialKey {
    /// Tells this credential from all others of a store, whatever its base URL.
    pub fn key_text(&self) -> String {
        format!("{}\0{}\0{}", self.endpoint, self.id, self.discriminator)
    }
}
