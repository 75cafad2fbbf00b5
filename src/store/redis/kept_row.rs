//! A token that was fetched while the server was away, kept for the other processes of this host. So all of them make
//! one fetch.
//!
//! The process that holds the host's lock fetches, and leaves the row in a file. The next holder of the lock finds it
//! there. The kept row is merged into the server's row when it is read, and reaches the server with the next change
//! of the row.

use super::host_files::HostFiles;
use crate::credential::Row;

pub struct KeptRows(pub HostFiles);

impl KeptRows {
    pub fn read(&self, row_key: &str) -> Option<Row> {
        self.0.read(row_key)
    }

    pub fn keep(&self, row_key: &str, row: &Row) {
        self.0.write(row_key, row);
    }

    /// Merges the kept row into a row. Returns whether it had anything new.
    pub fn apply(&self, row_key: &str, row: &mut Row) -> bool {
        let Some(kept) = self.read(row_key) else {
            return false;
        };
        let is_news = !row.includes(&kept);
        if is_news {
            row.merge(&kept);
        }
        is_news
    }

    /// Forgets the kept row, because the server has it.
    pub fn forget(&self, row_key: &str) {
        self.0.forget(row_key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = "wxtoken:{row:0123abcd}";

    fn fetched(token: &str, at: i64) -> Row {
        Row {
            token: Some(token.into()),
            fetched_at: at,
            fetched_steady: at,
            expires_at: at + 7_200_000,
            refresh_at: at + 7_000_000,
            epoch: "server".into(),
            fetches: at,
            ..Row::default()
        }
    }

    #[test]
    fn a_row_of_this_host_is_news_until_the_server_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let kept = KeptRows(HostFiles::at(directory.path().join("s.row-")));
        let mut row = fetched("A", 1);
        assert!(!kept.apply(ROW, &mut row));
        kept.keep(ROW, &fetched("B", 2));
        assert!(kept.apply(ROW, &mut row));
        assert_eq!(row.token.as_deref(), Some("B"));
        assert!(!kept.apply(ROW, &mut row), "it has it by now");
        let mut later = fetched("C", 3);
        kept.apply(ROW, &mut later);
        assert_eq!(later.token.as_deref(), Some("C"));
        kept.forget(ROW);
        assert!(kept.read(ROW).is_none());
    }
}
