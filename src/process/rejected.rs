//! The tokens that callers of this process have rejected. They wait until it is known whether the platform takes them; other
//! processes are served them meanwhile.

use std::collections::HashMap;

use crate::credential::CredentialKey;
use crate::store::token_fingerprint;
use crate::sync::{Mutex, lock};

/// The last one of each credential, by its fingerprint.
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
