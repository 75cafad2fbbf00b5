//! A copy on this host of each pushed secret, and of each secret that the platform sent in its place. A server may
//! forget the last write.
//!
//! A refresh token must not be lost: the platform takes each one once, and a person must authorize to get the first.
//! A server has an older one if a replica that missed the last write takes over, or if the master restarts from an
//! old dump. So each process that writes a secret also keeps it, sealed as in the row, in a file next to the lock
//! file. A row with an older secret, or without one, gets the kept one back with the next change. The row keeps its
//! own secret too, since either may be valid (`Row::take_kept`).
//!
//! A host that cannot have such a file works without.

use serde::{Deserialize, Serialize};

use super::host_files::HostFiles;
use crate::credential::{Row, StoredSecret};

pub struct KeptSecrets(pub HostFiles);

#[derive(Serialize, Deserialize)]
struct Kept {
    /// The id of the store that the secret is sealed for.
    store: String,
    pushed: StoredSecret,
}

impl KeptSecrets {
    fn read(&self, row_key: &str, store: &str) -> Option<StoredSecret> {
        let kept: Kept = self.0.read(row_key)?;
        (kept.store == store).then_some(kept.pushed)
    }

    /// Gives a row the secret that the server has forgotten. Returns whether it did.
    pub fn give_back(&self, row_key: &str, store: &str, row: &mut Row) -> bool {
        let kept = self.read(row_key, store);
        kept.is_some_and(|kept| row.take_kept(kept))
    }

    /// Keeps the secret of a row that is about to be written. Deletes the kept one if the row has none.
    pub fn keep(&self, row_key: &str, store: &str, row: &Row) {
        let Some(pushed) = &row.pushed else {
            return self.forget(row_key);
        };
        if self.read(row_key, store).as_ref() == Some(pushed) {
            return;
        }
        let kept = Kept {
            store: store.into(),
            pushed: pushed.clone(),
        };
        self.0.write(row_key, &kept);
    }

    /// Deletes the kept secret, because the credential is deleted.
    pub fn forget(&self, row_key: &str) {
        self.0.forget(row_key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = "wxtoken:{row:0123abcd}";

    fn secret(word: &str, at: i64) -> StoredSecret {
        StoredSecret {
            sealed: word.into(),
            at,
            put_fingerprint: "f".into(),
        }
    }

    fn row(pushed: Option<StoredSecret>) -> Row {
        Row {
            pushed,
            ..Row::default()
        }
    }

    #[test]
    fn a_row_that_forgot_its_secret_gets_it_back_and_a_newer_one_stays() {
        let directory = tempfile::tempdir().unwrap();
        let kept = KeptSecrets(HostFiles::at(directory.path().join("s.put-")));
        let mut none = row(None);
        assert!(!kept.give_back(ROW, "id", &mut none));
        kept.keep(ROW, "id", &row(Some(secret("second", 2))));
        for (there, gives, now) in [
            (None, true, "second"),
            (Some(secret("first", 1)), true, "second"),
            (Some(secret("second", 2)), false, "second"),
            (Some(secret("third", 3)), false, "third"),
        ] {
            let mut row = row(there.clone());
            assert_eq!(kept.give_back(ROW, "id", &mut row), gives, "{there:?}");
            assert_eq!(row.pushed.unwrap().sealed, now.as_bytes());
            let before = there.filter(|_| gives).map(|there| there.sealed);
            assert_eq!(row.pushed_before, before);
        }
        // A kept secret is sealed for one store.
        assert!(!kept.give_back(ROW, "another", &mut none));
        assert!(!kept.give_back("wxtoken:{row:0123abce}", "id", &mut none));
        kept.forget(ROW);
        assert!(!kept.give_back(ROW, "id", &mut none));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_host_that_cannot_keep_a_secret_works_without() {
        let kept = KeptSecrets(HostFiles::at("/nonexistent/s.put-".into()));
        kept.keep(ROW, "id", &row(Some(secret("a", 1))));
        assert!(!kept.give_back(ROW, "id", &mut row(None)));
    }
}
