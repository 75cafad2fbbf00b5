//! Whether a store has changed since an earlier look: three system calls that take no lock and wait for nobody.
//!
//! SQLite counts every commit in the file's header, and keeps its own cached pages by these bytes. A writer puts the next
//! count there before its commit is done, so a look that begins after a commit sees another count. During a commit it may see it
//! early. A mark is therefore taken in a read transaction, while no process writes: it is never that of a commit that is
//! rolled back. Before a rollback the count may be the next one or the old one, and what is in the file counts for nothing.
//! A mark of the old one then stands for the state that the rollback brings back.
//!
//! A file that is written to in its place, by `cp` of a backup, may come by the same count again. The time of its last change
//! tells it apart. SQLite's cached pages are then of the file before, and it would not know.

use std::fs::Metadata;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sync::{Arc, Mutex, lock};
use crate::sys::{FileId, OwnFile, outside};

/// From the format's version to the count, the size and the schema's cookie.
const HEADER: std::ops::Range<usize> = 18..44;
/// The format of a file without a write-ahead log. With one, a commit does not touch the header.
const WITHOUT_LOG: [u8; 2] = [1, 1];

type Header = [u8; HEADER.end - HEADER.start];

fn changed_at(about: &Metadata) -> (i64, i64) {
    (about.ctime(), about.ctime_nsec())
}

/// A file that is watched. Another file at its path is a change, too.
pub struct ChangeWatch {
    path: PathBuf,
    file: Arc<OwnFile>,
    number: u64,
    /// What the connection's cached pages are of.
    cached: Mutex<Option<ChangeMark>>,
}

/// How a store was in a moment. Two that are equal: nothing was changed between.
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
    /// Watches this file, which lies at this path.
    pub fn of(path: &Path, file: Arc<OwnFile>) -> ChangeWatch {
        /// So that no mark of one file is taken for that of another with the same inode.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        ChangeWatch {
            path: path.into(),
            file,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            cached: Mutex::default(),
        }
    }

    /// How it is now. None where only the store itself can tell.
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

    /// The same, from a connection whose cached pages are now of this state.
    pub fn mark_cached(&self) -> Option<ChangeMark> {
        let mark = self.mark();
        *lock(&self.cached) = mark;
        mark
    }

    /// Whether the file has been written to past SQLite since, and SQLite's count does not tell.
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
        // The clock of files moves once a tick.
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
