//! Whether a store's file has changed since an earlier look: two system calls that take no lock and wait for nobody. For a
//! server, which asks at each call.
//!
//! SQLite counts every commit in the file's header, and keeps its own cached pages by these bytes. A writer puts the next
//! count there before its commit is done, so a look that begins after a commit sees another count. During a commit it may see it
//! early. A mark is therefore taken in a read transaction, while no process writes: it is never that of a commit that is
//! rolled back.

use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::sys::FileId;

/// From the format's version to the count, the size and the schema's cookie.
const HEADER: std::ops::Range<usize> = 18..44;
/// The format of a file without a write-ahead log. With one, a commit does not touch the header.
const WITHOUT_LOG: [u8; 2] = [1, 1];

/// A file that is watched. Another file at its path is a change, too.
pub struct ChangeWatch {
    path: PathBuf,
    file: File,
    id: FileId,
}

/// How the file was in a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeMark([u8; HEADER.end - HEADER.start]);

impl ChangeWatch {
    /// Watches the file at this path; None where there is none, or it is not a plain file.
    pub fn of(path: &Path) -> Option<ChangeWatch> {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let opened = File::options().read(true).custom_flags(flags).open(path);
        let file = opened.ok()?;
        let about = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some(ChangeWatch {
            path: path.into(),
            file,
            id: FileId::of(&about),
        })
    }

    /// How it is now. None where only the store itself can tell.
    pub fn mark(&self) -> Option<ChangeMark> {
        let mut header = [0; HEADER.end - HEADER.start];
        self.file
            .read_exact_at(&mut header, HEADER.start as u64)
            .ok()?;
        let is_there = FileId::at(&self.path) == Some(self.id);
        (is_there && header.starts_with(&WITHOUT_LOG)).then_some(ChangeMark(header))
    }
}
