//! One file of a store as SQLite uses it. SQLite's locks on it are OFD locks.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::sys::failpoint::{Failpoint, hit_failpoint};
use crate::sys::file::FileId;
use crate::sys::lock::{self, Range};
use crate::sys::own_file::OwnFile;
use crate::sys::owner::{self, Owner};
use crate::sys::place;

/// The byte of SQLite's PENDING lock. All ranges are those of SQLite: <https://www.sqlite.org/lockingv3.html>.
const PENDING: Range = Range::byte(0x4000_0000);
const RESERVED: Range = Range::byte(0x4000_0001);
const SHARED: Range = Range {
    start: 0x4000_0002,
    length: 510,
};
const PENDING_AND_RESERVED: Range = Range {
    start: 0x4000_0000,
    length: 2,
};
const ALL: Range = Range {
    start: 0x4000_0000,
    length: 512,
};

/// A connection's level of lock on the file. The numbers are SQLite's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    None = 0,
    Shared = 1,
    Reserved = 2,
    Pending = 3,
    Exclusive = 4,
}

impl Level {
    pub fn of(number: i32) -> Level {
        match number {
            i32::MIN..=0 => Level::None,
            1 => Level::Shared,
            2 => Level::Reserved,
            3 => Level::Pending,
            _ => Level::Exclusive,
        }
    }
}

pub struct StoreFile {
    own: Arc<OwnFile>,
    /// The file under a second number while a change is under way. The lock then survives a host program that closes
    /// the first number. Otherwise another process could begin a change of its own, and this one would write its
    /// journal into that.
    twin: Option<OwnFile>,
    path: PathBuf,
    level: Level,
    /// F_OFD_SETLK, or F_SETLK on a system without OFD locks.
    how: libc::c_int,
    /// Whether the directory must be synced. A journal's name must survive a power cut before a page of the store
    /// changes.
    directory_to_sync: bool,
}

impl StoreFile {
    pub fn open(path: &Path, writable: bool, create: bool, is_journal: bool) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(writable).mode(0o600);
        let owner = (is_journal && create).then(|| store_of(path)).flatten();
        let opened = match (OwnFile::open(&options, path), owner) {
            (Err(e), owner) if create && e.kind() == io::ErrorKind::NotFound => {
                let made = OwnFile::open(options.create(true), path)?;
                if let Some(owner) = owner {
                    owner::give_made(made.get()?, &owner, owner.journal_mode())?;
                }
                made
            }
            (Ok(there), Some(owner)) => {
                owner::give_leftover(there.get()?, &owner, owner.journal_mode());
                there
            }
            (opened, _) => opened?,
        };
        if !opened.get()?.metadata()?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(StoreFile {
            own: Arc::new(opened),
            twin: None,
            path: path.to_owned(),
            level: Level::None,
            how: libc::F_OFD_SETLK,
            directory_to_sync: is_journal && create,
        })
    }

    /// Returns the file to a caller that neither locks nor writes it.
    pub fn shared(&self) -> Arc<OwnFile> {
        self.own.clone()
    }

    /// Returns the number of bytes that were read. A transaction reads without a check, between its lock and its
    /// unlock, which check the descriptor.
    pub fn read(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let file = if self.level == Level::None {
            self.own.get()?
        } else {
            self.own.unchecked()
        };
        let mut done = 0;
        while done < into.len() {
            match file.read_at(&mut into[done..], at + done as u64) {
                Ok(0) => break,
                Ok(length) => done += length,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    pub fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.own.get()?.write_all_at(bytes, at)
    }

    pub fn truncate(&self, length: u64) -> io::Result<()> {
        self.own.get()?.set_len(length)
    }

    pub fn length(&self) -> io::Result<u64> {
        self.own.length()
    }

    pub fn sync(&mut self) -> io::Result<()> {
        hit_failpoint(Failpoint::Syncing);
        self.own.get()?.sync_data()?;
        if std::mem::take(&mut self.directory_to_sync)
            && let Some(directory) = self.path.parent()
        {
            place::sync_directory(directory)?;
        }
        Ok(())
    }

    /// Returns the cause of a failed call. It is the descriptor if the host program closed it since the check.
    pub fn cause_of(&self, e: io::Error) -> io::Error {
        self.own.cause_of(e)
    }

    /// Returns whether the path now leads to another file, or to none.
    pub fn has_moved(&self) -> bool {
        FileId::at(&self.path) != Some(self.own.id())
    }

    /// Raises the lock. Returns false if another connection is in the way.
    pub fn lock(&mut self, level: Level) -> io::Result<bool> {
        if self.level >= level {
            return Ok(true);
        }
        let fd = self.own.get()?.as_raw_fd();
        match level {
            Level::None => Ok(true),
            Level::Shared => {
                // A waiting writer holds this byte, and lets no new reader in.
                if !self.take(fd, PENDING, libc::F_RDLCK)? {
                    return Ok(false);
                }
                let taken = self.take(fd, SHARED, libc::F_RDLCK);
                self.take(fd, PENDING, libc::F_UNLCK)?;
                self.reach(level, taken)
            }
            Level::Reserved => {
                let taken = self.take(fd, RESERVED, libc::F_WRLCK);
                let is_taken = self.reach(level, taken)?;
                if is_taken {
                    // If descriptors have run out, the change goes on without the twin.
                    self.twin = self.own.twin().ok();
                }
                Ok(is_taken)
            }
            Level::Pending | Level::Exclusive => {
                if self.level < Level::Pending {
                    let taken = self.take(fd, PENDING, libc::F_WRLCK);
                    if !self.reach(Level::Pending, taken)? {
                        return Ok(false);
                    }
                }
                let taken = self.take(fd, SHARED, libc::F_WRLCK);
                self.reach(Level::Exclusive, taken)
            }
        }
    }

    fn reach(&mut self, level: Level, taken: io::Result<bool>) -> io::Result<bool> {
        if *taken.as_ref().unwrap_or(&false) {
            self.level = level;
        }
        taken
    }

    /// Lowers the lock to that of a reader, or to none.
    pub fn unlock(&mut self, level: Level) -> io::Result<()> {
        if self.level <= level {
            return Ok(());
        }
        let fd = self.own.get()?.as_raw_fd();
        if level == Level::None {
            self.take(fd, ALL, libc::F_UNLCK)?;
        } else {
            // Lowering a writer's lock cannot conflict with another lock.
            self.take(fd, SHARED, libc::F_RDLCK)?;
            self.take(fd, PENDING_AND_RESERVED, libc::F_UNLCK)?;
        }
        self.level = level;
        self.twin = None;
        Ok(())
    }

    /// Returns whether a connection is about to write.
    pub fn is_reserved(&self) -> io::Result<bool> {
        if self.level > Level::Shared {
            return Ok(true);
        }
        let fd = self.own.get()?.as_raw_fd();
        let how = match self.how {
            libc::F_OFD_SETLK => libc::F_OFD_GETLK,
            _ => libc::F_GETLK,
        };
        lock::is_held(fd, how, RESERVED)
    }

    fn take(&mut self, fd: RawFd, range: Range, kind: libc::c_int) -> io::Result<bool> {
        match lock::set(fd, self.how, range, kind) {
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) && self.how == libc::F_OFD_SETLK => {
                self.how = libc::F_SETLK;
                self.take(fd, range, kind)
            }
            done => lock::taken(done),
        }
    }
}

/// Returns the owner of the store that a journal belongs to.
fn store_of(journal: &Path) -> Option<Owner> {
    let store = journal.as_os_str().as_bytes().strip_suffix(b"-journal")?;
    Owner::of(Path::new(OsStr::from_bytes(store)))
}
