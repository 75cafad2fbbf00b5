//! Which tokens this server has handed to whom: WeChat's calls for tickets name their account by its token alone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many tokens are remembered.
const MOST: usize = 20_000;
/// Longer than any token lives.
const LONG_AGO: Duration = Duration::from_secs(3 * 3600);

#[derive(Default)]
pub struct Handed {
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    /// By the token.
    owners: HashMap<Box<str>, Owner>,
    /// The last token of a client and an account.
    last: HashMap<(String, String), Box<str>>,
}

#[derive(Clone)]
pub struct Owner {
    /// The clients that have it.
    pub clients: Vec<String>,
    at: Instant,
}

impl Handed {
    pub fn note(&self, client: Option<&str>, account: &str, token: &str, now: Instant) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.owners.len() >= MOST && !inside.owners.contains_key(token) {
            inside
                .owners
                .retain(|_, owner| now.saturating_duration_since(owner.at) < LONG_AGO);
            if inside.owners.len() >= MOST {
                inside.owners.clear();
            }
        }
        let owner = inside.owners.entry(token.into()).or_insert_with(|| Owner {
            clients: Vec::new(),
            at: now,
        });
        if let Some(client) = client {
            if !owner.clients.iter().any(|known| known == client) {
                owner.clients.push(client.into());
            }
            if inside.last.len() >= MOST {
                inside.last.clear();
            }
            let of = (client.to_owned(), account.to_owned());
            inside.last.insert(of, token.into());
        }
    }

    pub fn owner(&self, token: &str) -> Option<Owner> {
        let inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.owners.get(token).cloned()
    }

    /// The token of an account that a client was given last.
    pub fn last(&self, client: &str, account: &str) -> Option<Box<str>> {
        let inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let of = (client.to_owned(), account.to_owned());
        inside.last.get(&of).cloned()
    }
}
