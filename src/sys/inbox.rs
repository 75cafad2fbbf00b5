//! The keeper's end of the mailbox, and setting the access rights of a store.

use std::fs::{File, Permissions};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::Mode;
use nix::unistd::{Uid, mkfifo};

use super::fifo::MAX_MESSAGE;
use super::file::FileId;
use super::owner::{self, Owner};
use super::place::{self, Lack};

/// The mode of a file that only its owner may use.
pub const OWNER_ONLY: u32 = 0o600;

/// Sets the group and the mode of a file, and as root the owner, if it is still this file. The descriptor cannot read.
/// If locks belong to the process, closing one that can read would cost SQLite its locks.
pub fn give_access(path: &Path, file: FileId, owner: u32, group: u32, mode: u32) -> io::Result<()> {
    let place = File::options()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)?;
    let meta = place.metadata()?;
    if FileId::of(&meta) != file || !meta.is_file() || meta.nlink() != 1 {
        let moved = "another file is in its place";
        return Err(io::Error::other(moved));
    }
    // The path names the descriptor, so that root changes no other file.
    let by_descriptor = PathBuf::from(format!("/proc/self/fd/{}", place.as_raw_fd()));
    let owner = Uid::effective().is_root().then_some(owner);
    std::os::unix::fs::chown(&by_descriptor, owner, Some(group))?;
    std::fs::set_permissions(&by_descriptor, Permissions::from_mode(mode))
}

/// The reading end of the mailbox.
pub struct Mailbox {
    file: File,
    path: PathBuf,
    rest: Vec<u8>,
}

impl Mailbox {
    /// Opens the FIFO, and makes it if it does not exist. The owner may write to it, and so may the group of `store` if
    /// it may read the store.
    pub fn open(path: &Path, store: &Path) -> io::Result<Mailbox> {
        let is_new = match mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(()) => true,
            Err(Errno::EEXIST) => false,
            Err(e) => return Err(place::lacking(Lack::Fifos, path, e.into())),
        };
        // Opened for writing too, so that it does not end when the last writer closes it.
        let file = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
            .open(path)?;
        let made = file.metadata()?;
        if !made.file_type().is_fifo() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a FIFO",
            ));
        }
        let mailbox = Mailbox {
            file,
            path: path.to_owned(),
            rest: Vec::new(),
        };
        mailbox.match_store_mode(store).inspect_err(|_| {
            if is_new {
                let _ = std::fs::remove_file(path);
            }
        })?;
        Ok(mailbox)
    }

    /// Gives the FIFO to the owner of the store, and lets those users write who may read the store.
    pub fn match_store_mode(&self, store: &Path) -> io::Result<()> {
        let of = std::fs::metadata(store)?;
        let wanted = 0o600 | (of.permissions().mode() & 0o040) >> 1;
        owner::give(&self.file, &Owner::of_file(&of), wanted)
    }

    /// Returns whether the path still leads to the FIFO that is open here.
    pub fn is_in_place(&self) -> bool {
        let here = self.file.metadata().as_ref().map(FileId::of).ok();
        here.is_some() && FileId::at(&self.path) == here
    }

    /// Returns the descriptor to poll() for messages.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Reads at most `most` whole lines. Lines that are not text, or too long for a message, are discarded.
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
