//! Byte-range locks on `<store>.lock`: who leads a fetch, across processes. OFD locks, which die with their process,
//! survive a close elsewhere in it, and never lie about a reused process id.
//!
//! The file is never unlinked (two processes would lock two files) and never holds a byte. Within a process every
//! thread shares one description, so threads must be sorted out before they come here.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::file::{FileId, require_plain_file};
use super::fork::ForkLock;
use super::owner::{self, Owner};
use super::place::{self, Lack};

/// An open lock file; a forked child loses its copy before it runs.
pub struct LockFile {
    file: Option<File>,
    path: PathBuf,
    id: FileId,
}

impl LockFile {
    /// Opens the file, which it makes where it is absent; for `owner`, the owner of the store.
    pub fn open(path: &Path, owner: Option<&Owner>, gate: &ForkLock) -> io::Result<LockFile> {
        require_plain_file(path)?;
        let mut options = File::options();
        options
            .read(true)
            .write(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK);
        let mode = owner.map_or(0o600, Owner::lock_mode);
        let file = match options.clone().create_new(true).open(path) {
            // umask may have taken bits away; an exact mode is what an operator can rely on.
            Ok(file) => {
                let made = Owner::of_file(&file.metadata()?);
                owner::give(&file, owner.unwrap_or(&made), mode).inspect_err(|_| {
                    let _ = std::fs::remove_file(path);
                })?;
                file
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                let file = options.open(path)?;
                if let Some(owner) = owner {
                    owner::give_leftover(&file, owner, mode);
                }
                file
            }
            Err(e) => return Err(e),
        };
        let meta = file.metadata()?;
        gate.close_in_child(file.as_raw_fd());
        Ok(LockFile {
            file: Some(file),
            path: path.to_owned(),
            id: FileId::of(&meta),
        })
    }

    /// Whether the path still leads to the file that is open here.
    pub fn is_in_place(&self) -> bool {
        FileId::at(&self.path) == Some(self.id)
    }

    /// Takes the lock on one byte, or says that another process has it.
    pub fn try_lock(&self, byte: i64) -> io::Result<bool> {
        match self.set(byte, libc::F_WRLCK) {
            Ok(()) => Ok(true),
            Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
            Err(e) => Err(e),
        }
    }

    pub fn unlock(&self, byte: i64) {
        // An unlock of a lock that we hold has no way to fail but a closed descriptor, which has unlocked it.
        let _ = self.set(byte, libc::F_UNLCK);
    }

    /// Closes it, with the gate held so that no fork sees a descriptor number that is about to change its meaning.
    pub fn close(mut self, gate: &ForkLock) {
        if let Some(file) = self.file.take() {
            gate.keep_in_child(file.as_raw_fd());
        }
    }

    fn set(&self, byte: i64, kind: libc::c_int) -> io::Result<()> {
        let Some(file) = &self.file else {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        };
        set(file.as_raw_fd(), libc::F_OFD_SETLK, byte, kind).map_err(|e| match e.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => e,
            _ => place::lacking(Lack::Locks, &self.path, e),
        })
    }
}

/// Sets or clears a lock on one byte, by `F_OFD_SETLK` or `F_SETLK`.
pub(super) fn set(
    fd: libc::c_int,
    how: libc::c_int,
    byte: i64,
    kind: libc::c_int,
) -> io::Result<()> {
    let mut range: libc::flock = unsafe_zeroed_flock();
    range.l_type = kind as libc::c_short;
    range.l_whence = libc::SEEK_SET as libc::c_short;
    range.l_start = byte;
    range.l_len = 1;
    // SAFETY: the descriptor is open and `range` is a valid flock with l_pid 0, as OFD locks require.
    let done = unsafe { libc::fcntl(fd, how, &range) };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Dropped without `close`: leave the descriptor to the process, rather than let a child close a stranger's.
        if let Some(file) = self.file.take() {
            let _ = file.into_raw_fd();
        }
    }
}

fn unsafe_zeroed_flock() -> libc::flock {
    // SAFETY: flock is a plain struct of integers, for which all zeros is a value.
    unsafe { std::mem::zeroed() }
}
