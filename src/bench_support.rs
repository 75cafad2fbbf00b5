//! Opens pieces of the inside to `benches/inside.rs`, one by one; in no build of the library.

use std::path::Path;

use crate::clock::{Deadline, Now};
use crate::credential::{CredentialKey, Row};
use crate::options::Options;
use crate::process::cache::{Cache, CachedToken};
use crate::secrets::{Label, Vault};
use crate::store::{Call, SqliteStore, Store};

pub use crate::platform::parse_reply;

const NAME: &str = "shop";
const ID: &str = "wx0123456789abcdef";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A store, a key and a cache, with one token in them. Each call says whether it went as it should.
pub struct Inside {
    options: Options,
    vault: Vault,
    deadline: Deadline,
    store: SqliteStore,
    identity: CredentialKey,
    row: Row,
    cache: Cache,
}

impl Inside {
    /// Makes them in an empty directory.
    pub fn new(directory: &Path, token: &str) -> Option<Inside> {
        let now = Now::read();
        let row = Row {
            token: Some(token.into()),
            fetched_at: now.wall_ms,
            expires_at: now.wall_ms + 7_200_000,
            refresh_at: now.wall_ms + 6_930_000,
            ..Row::default()
        };
        let options = Options::default();
        let vault = Vault::at(directory.join("tokens.db.key"));
        let deadline = Deadline::after(600_000);
        let call = Call {
            options: &options,
            vault: &vault,
            deadline: &deadline,
        };
        let store = SqliteStore::open(directory.join("tokens.db"), call).ok()?;
        let cache = Cache::default();
        let served = CachedToken::from_row(&row, now, &store.boot_id())?;
        cache.publish(Some(NAME), cache.stamp(), &served);
        Some(Inside {
            identity: CredentialKey {
                endpoint: "stable_token".into(),
                base_url: options.base_urls[0].clone(),
                id: ID.into(),
                scope: String::new(),
            },
            options,
            vault,
            deadline,
            store,
            row,
            cache,
        })
    }

    /// Reads the snapshot of the token.
    pub fn hit(&self) -> bool {
        let length = self
            .cache
            .hit(Some(NAME.as_bytes()), i64::MAX, |token| token.value.len());
        length.is_some()
    }

    /// Takes the leader lock and gives it back.
    pub fn lead(&self) -> bool {
        matches!(self.store.try_lock(&self.identity, 0), Ok(Some(_)))
    }

    /// Commits the row.
    pub fn save(&self) -> bool {
        let call = Call {
            options: &self.options,
            vault: &self.vault,
            deadline: &self.deadline,
        };
        let saved = self.store.update(&self.identity, call, &mut |row| {
            row.clone_from(&self.row);
            true
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
