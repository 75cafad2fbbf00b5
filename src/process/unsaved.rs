//! Going on from memory: rows that this process could not write, laid over those of the store until it takes them.

use std::collections::{HashMap, HashSet};

use crate::credential::{CredentialKey, Row};
use crate::error::Error;
use crate::sync::{Mutex, lock};

/// The rows of one store, and why each could not be written.
#[derive(Default)]
pub struct Unsaved(Mutex<HashMap<CredentialKey, (Row, String)>>);

impl Unsaved {
    /// Lays what was kept in memory over a stored row. Whether there was anything that the store does not know.
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

    /// Keeps a row that the store did not take.
    pub fn keep(&self, key: &CredentialKey, row: Row, why: &Error) {
        lock(&self.0).insert(key.clone(), (row, why.to_string()));
    }

    /// The store has taken this row: it is the truth again.
    pub fn clear(&self, key: &CredentialKey) {
        lock(&self.0).remove(key);
    }

    pub fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }

    /// Why some token lives in this process's memory only.
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
