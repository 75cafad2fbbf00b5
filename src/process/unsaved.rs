//! Going on from memory: rows that this process could not write are laid over those of the store until they can be
//! written.

use std::collections::{HashMap, HashSet};

use crate::credential::{CredentialKey, Row};
use crate::error::Error;
use crate::sync::{Mutex, lock};

/// The rows of one store that could not be written, each with the reason.
#[derive(Default)]
pub struct Unsaved(Mutex<HashMap<CredentialKey, (Row, String)>>);

impl Unsaved {
    /// Lays a row from memory over the stored one. Returns whether it held anything that the store does not have.
    pub fn apply(&self, key: &CredentialKey, stored: &mut Row) -> bool {
        let mut rows = lock(&self.0);
        let Some((kept, _)) = rows.get(key) else {
            return false;
        };
        if stored.includes(kept) {
            rows.remove(key);
            return false;
        }
        stored.merge(kept);
        true
    }

    /// Keeps a row that could not be written.
    pub fn keep(&self, key: &CredentialKey, row: Row, why: &Error) {
        lock(&self.0).insert(key.clone(), (row, why.to_string()));
    }

    /// Forgets a row that has been written to the store.
    pub fn clear(&self, key: &CredentialKey) {
        lock(&self.0).remove(key);
    }

    pub fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }

    /// Returns the reason why a token is only in this process's memory, if one is.
    pub fn reason(&self) -> Option<String> {
        lock(&self.0).values().next().map(|(_, why)| why.clone())
    }

    /// Lays the rows that only this process has over all those of the store.
    pub fn apply_all(&self, rows: &mut Vec<(CredentialKey, Row)>) {
        for (key, row) in rows.iter_mut() {
            self.apply(key, row);
        }
        let unsaved = lock(&self.0);
        if unsaved.is_empty() {
            return;
        }
        let stored: HashSet<CredentialKey> = rows.iter().map(|(key, _)| key.clone()).collect();
        let absent = unsaved.iter().filter(|(key, _)| !stored.contains(*key));
        rows.extend(absent.map(|(key, (row, _))| (key.clone(), row.clone())));
    }
}
