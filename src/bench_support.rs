//! Internals of the library for `benches/inside.rs`, one by one. No build of the library contains them.

use std::path::Path;

use crate::clock::{Deadline, Now};
use crate::credential::{CredentialKey, Row};
use crate::options::Options;
use crate::process::cache::{Cache, CachedToken};
use crate::secrets::{Label, Vault};
use crate::store::{self, Commit, Opening, Store, StoreName};

pub use crate::platform::parse_reply;

const NAME: &str = "shop";
const ID: &str = "wx0123456789abcdef";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A store, a key and a cache, with one token in them. Each call returns whether it succeeded.
pub struct Inside {
    vault: Vault,
    deadline: Deadline,
    store: Box<dyn Store>,
    key: CredentialKey,
    row: Row,
    cache: Cache,
}

impl Inside {
    /// Creates them in an empty directory.
    pub fn new(directory: &Path, token: &str) -> Option<Inside> {
        let now = Now::of_host();
        let row = Row {
            token: Some(token.into()),
            fetched_at: now.wall_ms,
            expires_at: now.wall_ms + 7_200_000,
            refresh_at: now.wall_ms + 6_930_000,
            ..Row::default()
        };
        let options = Options::default();
        let store = directory.join("tokens.db");
        let vault = Vault::of_store(directory.join("tokens.db.key"), &store);
        let deadline = Deadline::after(600_000);
        let opening = Opening {
            vault: vault.clone(),
            options: options.clone().into(),
        };
        let name = StoreName::File(store);
        let store = store::open(&name, opening, &deadline).ok()?;
        let cache = Cache::default();
        let served = CachedToken::from_row(&row, now)?;
        cache.publish(Some(NAME), cache.stamp(), &served);
        Some(Inside {
            key: CredentialKey {
                endpoint: "stable_token".into(),
                base_url: options.base_urls[0].clone(),
                id: ID.into(),
                discriminator: String::new(),
            },
            vault,
            deadline,
            store,
            row,
            cache,
        })
    }

    /// Reads the token from the cache.
    pub fn hit(&self) -> bool {
        let length = self
            .cache
            .hit(Some(NAME.as_bytes()), i64::MAX, |token| token.value.len());
        length.is_some()
    }

    /// Takes the leader lock and releases it.
    pub fn lead(&self) -> bool {
        matches!(self.store.try_lead(&self.key, 0), Ok(Some(_)))
    }

    /// Writes the row and commits.
    pub fn save(&self) -> bool {
        let saved = self
            .store
            .change_row(&self.key, &self.deadline, &mut |row| {
                row.clone_from(&self.row);
                Ok(Commit::Yes)
            });
        saved.is_ok()
    }

    /// Seals a secret.
    pub fn seal(&self) -> bool {
        self.vault
            .seal(&Label::secret(NAME, "official", ID), SECRET)
            .is_ok()
    }
}
