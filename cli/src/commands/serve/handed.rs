//! The tokens that this server has handed out, and to which clients. WeChat's calls for tickets name their account by
//! its token alone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most tokens that are remembered.
const MOST: usize = 20_000;
/// The age at which a token is forgotten. No token lives as long.
const LONG_AGO: Duration = Duration::from_secs(3 * 3600);

#[derive(Default)]
pub struct Handed {
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    /// The owners by token.
    owners: HashMap<Box<str>, Owner>,
    /// The last token by client and account.
    last: HashMap<(String, String), Box<str>>,
}

#[derive(Clone)]
pub struct Owner {
    /// The clients that have the token.
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

    /// The last token of an account that a client was given.
    pub fn last(&self, client: &str, account: &str) -> Option<Box<str>> {
        let inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let of = (client.to_owned(), account.to_owned());
        inside.last.get(&of).cloned()
    }
}
