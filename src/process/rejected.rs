//! The tokens that callers of this process have rejected. These callers wait for the check of the token. Other
//! processes, the bystanders, are served the token meanwhile.

use std::collections::HashMap;

use crate::credential::CredentialKey;
use crate::store::token_fingerprint;
use crate::sync::{Mutex, lock};

/// The fingerprint of the last rejected token of each credential.
#[derive(Default)]
pub struct RejectedHere(Mutex<HashMap<CredentialKey, String>>);

impl RejectedHere {
    pub fn note(&self, key: &CredentialKey, token: &str) {
        lock(&self.0).insert(key.clone(), fingerprint(key, token));
    }

    pub fn has(&self, key: &CredentialKey, token: &str) -> bool {
        let known = lock(&self.0).get(key).cloned();
        known.is_some_and(|known| known == fingerprint(key, token))
    }
}

fn fingerprint(key: &CredentialKey, token: &str) -> String {
    token_fingerprint(&key.id, token)
}
