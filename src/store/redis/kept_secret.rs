//! What was put for a credential, and what the platform has sent in its place, on this host too: a server may forget it.
//!
//! A refresh token is not to be lost: the platform takes each once, and a person gives the first. A master that is replaced by a
//! replica which had not got the last write, or that starts again from an old dump, has the one before. So each process that
//! writes a secret keeps it, sealed as in the row, in a file beside the lock file. A row with an older secret, or with none, gets
//! the kept one back with the next change; what was there stays beside it, since both may hold (`Row::take_kept`).
//!
//! A host that can have no such file goes without.

use serde::{Deserialize, Serialize};

use super::host_files::HostFiles;
use crate::credential::{Row, StoredSecret};

pub struct KeptSecrets(pub HostFiles);

#[derive(Serialize, Deserialize)]
struct Kept {
    /// The store that it is sealed for.
    store: String,
    pushed: StoredSecret,
}

impl KeptSecrets {
    fn read(&self, row_key: &str, store: &str) -> Option<StoredSecret> {
        let kept: Kept = self.0.read(row_key)?;
        (kept.store == store).then_some(kept.pushed)
    }

    /// Gives a row back the secret that the server has forgotten. Whether it has.
    pub fn give_back(&self, row_key: &str, store: &str, row: &mut Row) -> bool {
        let kept = self.read(row_key, store);
        kept.is_some_and(|kept| row.take_kept(kept))
    }

    /// Keeps the secret of a row that is about to be written, and none where it has none any more.
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

    /// The credential is gone.
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
        // It is sealed for one store.
        assert!(!kept.give_back(ROW, "another", &mut none));
        assert!(!kept.give_back("wxtoken:{row:0123abce}", "id", &mut none));
        kept.forget(ROW);
        assert!(!kept.give_back(ROW, "id", &mut none));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_host_without_a_place_for_it_goes_without() {
        let kept = KeptSecrets(HostFiles::at("/nonexistent/s.put-".into()));
        kept.keep(ROW, "id", &row(Some(secret("a", 1))));
        assert!(!kept.give_back(ROW, "id", &mut row(None)));
    }
}
