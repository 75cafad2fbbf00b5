//! Tells whether a store has changed since an earlier look, by three system calls that take no lock and never wait.
//!
//! SQLite counts every commit in the file's header, and validates its own page cache by these bytes. A writer stores
//! the next count before its commit is done, so a look that begins after a commit sees another count. A look during a
//! commit may see the count early. A mark is therefore taken in a read transaction, while no process writes. So it
//! never belongs to a commit that is rolled back. Before a rollback, the header may show the next count or the old
//! one, and the file's contents do not count. A mark of the old count then stands for the state that the rollback
//! restores.
//!
//! A file that is overwritten in place, for example by `cp` of a backup, may show the same count again. Its time of
//! last change tells it apart. SQLite's cached pages then belong to the file before, and SQLite does not notice.

use std::fs::Metadata;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sync::{Arc, Mutex, lock};
use crate::sys::{FileId, OwnFile, outside};

/// The bytes of the header from the format's version to the count, the size and the schema's cookie.
const HEADER: std::ops::Range<usize> = 18..44;
/// The format of a file without a write-ahead log. With such a log, a commit does not change the header.
const WITHOUT_LOG: [u8; 2] = [1, 1];

type Header = [u8; HEADER.end - HEADER.start];

fn changed_at(about: &Metadata) -> (i64, i64) {
    (about.ctime(), about.ctime_nsec())
}

/// A file that is watched. Another file at its path counts as a change too.
pub struct ChangeWatch {
    path: PathBuf,
    file: Arc<OwnFile>,
    number: u64,
    /// The state of the connection's cached pages.
    cached: Mutex<Option<ChangeMark>>,
}

/// The state of a store at one moment. If two marks are equal, nothing was changed between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeMark {
    watch: u64,
    header: Header,
    /// The file's `ctime`, in seconds and nanoseconds.
    changed_at: (i64, i64),
}

#[cfg(test)]
impl ChangeMark {
    pub fn numbered(watch: u64) -> ChangeMark {
        ChangeMark {
            watch,
            header: [0; HEADER.end - HEADER.start],
            changed_at: (0, 0),
        }
    }
}

impl ChangeWatch {
    /// Watches this open file, which lies at this path.
    pub fn of(path: &Path, file: Arc<OwnFile>) -> ChangeWatch {
        /// The number of the next watch. It keeps marks of two files with the same inode apart.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        ChangeWatch {
            path: path.into(),
            file,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            cached: Mutex::default(),
        }
    }

    /// The mark of the present state. None if only a read of the store can tell.
    pub fn mark(&self) -> Option<ChangeMark> {
        let (header, there) = outside(|| self.look())?;
        let is_watched = FileId::of(&there) == self.file.id() && header.starts_with(&WITHOUT_LOG);
        is_watched.then(|| ChangeMark {
            watch: self.number,
            header,
            changed_at: changed_at(&there),
        })
    }

    fn look(&self) -> Option<(Header, Metadata)> {
        let mut header = [0; HEADER.end - HEADER.start];
        let file = self.file.unchecked();
        file.read_exact_at(&mut header, HEADER.start as u64).ok()?;
        let there = self
            .file
            .is_intact()
            .then(|| std::fs::symlink_metadata(&self.path));
        Some((header, there?.ok()?))
    }

    /// The mark of the present state. Notes that the connection's cached pages are of this state.
    pub fn mark_cached(&self) -> Option<ChangeMark> {
        let mark = self.mark();
        *lock(&self.cached) = mark;
        mark
    }

    /// Whether another program has written to the file since, in a way that SQLite's count does not show.
    pub fn is_rewritten(&self, there: &Metadata) -> bool {
        let cached = *lock(&self.cached);
        cached.is_some_and(|cached| {
            cached.changed_at != changed_at(there)
                && self.mark().is_some_and(|now| now.header == cached.header)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(path: &Path) -> ChangeWatch {
        ChangeWatch::of(path, Arc::new(OwnFile::open_for_reading(path).unwrap()))
    }

    fn with_header(path: &Path, format: [u8; 2]) {
        let mut header = [0; 100];
        header[18..20].copy_from_slice(&format);
        std::fs::write(path, header).unwrap();
    }

    #[test]
    fn a_file_whose_commits_are_in_a_log_has_no_mark() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        for (format, has_mark) in [([1, 1], true), ([2, 2], false)] {
            with_header(&path, format);
            assert_eq!(watch(&path).mark().is_some(), has_mark);
        }
        std::fs::write(&path, "short").unwrap();
        assert!(watch(&path).mark().is_none());
    }

    #[test]
    fn another_file_at_the_path_has_no_mark_and_the_same_bytes_written_again_have_another() {
        let directory = tempfile::tempdir().unwrap();
        let [path, other] = ["file", "other"].map(|name| directory.path().join(name));
        with_header(&path, [1, 1]);
        let first = watch(&path);
        let mark = first.mark();
        assert!(mark.is_some() && first.mark() == mark);
        assert_ne!(watch(&path).mark(), mark, "each watch has its own");
        // A file's time of change moves once a tick.
        while first.mark() == mark {
            with_header(&path, [1, 1]);
        }
        with_header(&other, [1, 1]);
        std::fs::rename(&other, &path).unwrap();
        assert!(first.mark().is_none());
        std::fs::remove_file(&path).unwrap();
        assert!(first.mark().is_none());
    }
}
