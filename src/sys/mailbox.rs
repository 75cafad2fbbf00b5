//! A FIFO beside the store, which a keeper reads and readers of the store write to: a line each, whole, and nothing kept.
//!
//! Who may write is the file's mode. Whether somebody reads is known at once: opening fails when nobody does.

use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::signal::Shield;

/// What the kernel takes in one piece, whoever else writes.
pub const MAX_MESSAGE: usize = 4096;

/// Why a message was not left.
#[derive(Debug)]
pub enum NotSent {
    /// Nobody reads: there is no such FIFO, or no process has it open.
    NoReader,
    /// This process may not write to it, it is no FIFO of the store's owner, or it is full.
    Refused(io::Error),
}

/// Leaves a line for whoever reads; never waits. `owner` is the uid that the FIFO must belong to, or root.
pub fn send(path: &Path, owner: u32, line: &str) -> Result<(), NotSent> {
    let mut file = File::options()
        .write(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(path)
        .map_err(|e| match e.raw_os_error() {
            Some(libc::ENXIO | libc::ENOENT) => NotSent::NoReader,
            _ => NotSent::Refused(e),
        })?;
    let meta = file.metadata().map_err(NotSent::Refused)?;
    if !meta.file_type().is_fifo() || ![0, owner].contains(&meta.uid()) {
        let why = "it is no FIFO of the store's owner";
        return Err(NotSent::Refused(io::Error::other(why)));
    }
    let _shield = Shield::raise();
    match file.write(line.as_bytes()) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(NotSent::NoReader),
        Err(e) => Err(NotSent::Refused(e)),
    }
}

/// Whether somebody reads there; None where this process may not ask.
pub fn has_reader(path: &Path) -> Option<bool> {
    let opened = File::options()
        .write(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(path);
    match opened {
        Ok(file) => Some(file.metadata().is_ok_and(|m| m.file_type().is_fifo())),
        Err(e) => match e.raw_os_error() {
            Some(libc::ENXIO | libc::ENOENT) => Some(false),
            _ => None,
        },
    }
}

/// The reading end.
pub struct Mailbox {
    file: File,
    path: PathBuf,
    rest: Vec<u8>,
}

impl Mailbox {
    /// Makes the FIFO if it is not there, for the owner, and for the group of `store` where that may read the store.
    pub fn open(path: &Path, store: &Path) -> io::Result<Mailbox> {
        let name =
            std::ffi::CString::new(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()))?;
        // SAFETY: the path is NUL-terminated and outlives the call.
        if unsafe { libc::mkfifo(name.as_ptr(), 0o600) } == -1 {
            let e = io::Error::last_os_error();
            if e.kind() != io::ErrorKind::AlreadyExists {
                return Err(e);
            }
        }
        // To write too: so it does not end when the last writer goes.
        let file = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
            .open(path)?;
        let made = file.metadata()?;
        if !made.file_type().is_fifo() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no FIFO"));
        }
        let mailbox = Mailbox {
            file,
            path: path.to_owned(),
            rest: Vec::new(),
        };
        mailbox.admit(store)?;
        Ok(mailbox)
    }

    /// Lets those write who may read the store.
    fn admit(&self, store: &Path) -> io::Result<()> {
        let of = std::fs::metadata(store)?;
        let made = self.file.metadata()?;
        if made.gid() != of.gid() {
            std::os::unix::fs::fchown(&self.file, None, Some(of.gid()))?;
        }
        let group = (of.permissions().mode() & 0o040) >> 1;
        self.file
            .set_permissions(Permissions::from_mode(0o600 | group))
    }

    /// Whether the path still leads to the FIFO that is open here.
    pub fn is_in_place(&self) -> bool {
        let there = std::fs::symlink_metadata(&self.path);
        let here = self.file.metadata();
        there.is_ok_and(|t| here.is_ok_and(|h| (t.dev(), t.ino()) == (h.dev(), h.ino())))
    }

    /// To wait for a message by poll().
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// What has come: whole lines, at most `most`. What is no text, or too long for a message, is thrown away.
    pub fn read(&mut self, most: usize) -> Vec<String> {
        let mut lines = Vec::new();
        let mut buffer = [0u8; MAX_MESSAGE];
        while lines.len() < most {
            let Ok(length @ 1..) = self.file.read(&mut buffer) else {
                break;
            };
            self.rest.extend_from_slice(&buffer[..length]);
            while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                lines.extend(String::from_utf8(line[..end].to_vec()));
            }
            if self.rest.len() > MAX_MESSAGE {
                self.rest.clear();
            }
        }
        lines
    }
}
