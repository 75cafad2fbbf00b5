//! The users' tokens that clients have received through this server. A later call with such a token names its client
//! in no other way. Their hashes are remembered as long as the process runs.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ring::digest::{SHA256, digest};

/// The fields of a user's tokens, in a reply and in a query.
pub const USER_TOKENS: [&str; 2] = ["access_token", "refresh_token"];
/// The most tokens that are remembered. Beyond that, all are forgotten, and their users sign in again.
const MOST: usize = 100_000;

#[derive(Default)]
pub struct UserTokens(Mutex<HashMap<[u8; 32], String>>);

impl UserTokens {
    pub fn note(&self, client: &str, token: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(hash(token), client.to_owned());
    }

    /// The client that received this token.
    pub fn client(&self, token: &str) -> Option<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&hash(token)).cloned()
    }
}

fn hash(token: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_token_leads_to_the_client_that_had_it_last() {
        let tokens = UserTokens::default();
        tokens.note("web", "one");
        tokens.note("crm", "one");
        assert_eq!(tokens.client("one").as_deref(), Some("crm"));
        assert_eq!(tokens.client("two"), None);
        for number in 0..=MOST {
            tokens.note("web", &number.to_string());
        }
        assert!(tokens.0.lock().unwrap().len() <= MOST);
    }
}
