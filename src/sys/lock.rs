//! Byte-range locks on `<store>.lock`, which decide between processes which one leads a fetch. They are OFD locks: they
//! die with their process, survive a close elsewhere in it, and are never confused by a reused process id.
//!
//! The file is never unlinked, since two processes would then lock two files, and it never holds a byte. All threads of
//! a process share one description, so `process::single_flight` decides between threads first.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::file::{FileId, require_plain_file};
use super::own_file::OwnFile;
use super::owner::{self, Owner};
use super::place::{self, Lack};

/// An open lock file. A forked child closes its copy before it runs.
pub struct LockFile {
    own: OwnFile,
    path: PathBuf,
}

impl LockFile {
    /// Opens the file, and creates it if it is absent. `owner` is the owner of the store.
    pub fn open(path: &Path, owner: Option<&Owner>) -> io::Result<LockFile> {
        require_plain_file(path)?;
        let mut options = std::fs::File::options();
        options.read(true).write(true).mode(0o600);
        let mode = owner.map_or(0o600, Owner::lock_mode);
        let own = match OwnFile::open(options.clone().create_new(true), path) {
            // The umask may have cleared bits. An operator can rely on an exact mode.
            Ok(own) => {
                let file = own.get()?;
                let made = Owner::of_file(&file.metadata()?);
                owner::give(file, owner.unwrap_or(&made), mode).inspect_err(|_| {
                    let _ = std::fs::remove_file(path);
                })?;
                own
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                let own = OwnFile::open(&options, path)?;
                if let Some(owner) = owner {
                    owner::give_leftover(own.get()?, owner, mode);
                }
                own
            }
            Err(e) => return Err(e),
        };
        Ok(LockFile {
            own,
            path: path.to_owned(),
        })
    }

    /// Returns whether the file is still open, and the path still leads to it.
    pub fn is_in_place(&self) -> bool {
        FileId::at(&self.path) == Some(self.own.id()) && self.own.is_intact()
    }

    /// Takes the lock on one byte. Returns false if another process has it.
    pub fn try_lock(&self, byte: i64) -> io::Result<bool> {
        taken(self.set(byte, libc::F_WRLCK)).map_err(|e| place::lacking(Lack::Locks, &self.path, e))
    }

    pub fn unlock(&self, byte: i64) {
        unlock(&self.own, byte);
    }

    /// Returns the file under a second number, which keeps the locks if a host program closes the first one. Returns
    /// None if descriptors have run out.
    pub fn twin(&self) -> Option<LockTwin> {
        self.own.twin().ok().map(LockTwin)
    }

    fn set(&self, byte: i64, kind: libc::c_int) -> io::Result<()> {
        set_byte(&self.own, byte, kind).map_err(|e| self.own.cause_of(e))
    }
}

/// A lock file under a second number, for as long as one of its bytes is held.
pub struct LockTwin(OwnFile);

impl LockTwin {
    pub fn unlock(&self, byte: i64) {
        unlock(&self.0, byte);
    }
}

fn unlock(own: &OwnFile, byte: i64) {
    // Releasing a held lock fails only on a closed descriptor. The other one does it, or the lock went with both.
    let _ = set_byte(own, byte, libc::F_UNLCK);
}

fn set_byte(own: &OwnFile, byte: i64, kind: libc::c_int) -> io::Result<()> {
    set(
        own.get()?.as_raw_fd(),
        libc::F_OFD_SETLK,
        Range::byte(byte),
        kind,
    )
}

/// A range of a file's bytes, which need not exist.
#[derive(Clone, Copy)]
pub(super) struct Range {
    pub start: i64,
    pub length: i64,
}

impl Range {
    pub const fn byte(at: i64) -> Range {
        Range {
            start: at,
            length: 1,
        }
    }

    fn flock(self, kind: libc::c_int) -> libc::flock {
        // SAFETY: flock is a plain struct of integers, for which all zeros is a value. l_pid is 0, as OFD locks
        // require.
        let mut flock: libc::flock = unsafe { std::mem::zeroed() };
        flock.l_type = kind as libc::c_short;
        flock.l_whence = libc::SEEK_SET as libc::c_short;
        flock.l_start = self.start;
        flock.l_len = self.length;
        flock
    }
}

/// Sets or clears a lock, with `F_OFD_SETLK` or `F_SETLK`.
pub(super) fn set(
    fd: libc::c_int,
    how: libc::c_int,
    range: Range,
    kind: libc::c_int,
) -> io::Result<()> {
    let flock = range.flock(kind);
    // SAFETY: fcntl reads the flock.
    if unsafe { libc::fcntl(fd, how, &flock) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Returns whether a lock was taken, or false if another lock is in the way.
pub(super) fn taken(done: io::Result<()>) -> io::Result<bool> {
    match done {
        Ok(()) => Ok(true),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Returns whether another lock is in the range, with `F_OFD_GETLK` or `F_GETLK`.
pub(super) fn is_held(fd: libc::c_int, how: libc::c_int, range: Range) -> io::Result<bool> {
    let mut flock = range.flock(libc::F_WRLCK);
    // SAFETY: fcntl reads the flock, and writes the conflicting lock to it.
    if unsafe { libc::fcntl(fd, how, &mut flock) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(flock.l_type != libc::F_UNLCK as libc::c_short)
}
