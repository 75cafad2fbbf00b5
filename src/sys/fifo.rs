//! A FIFO beside the store, which a keeper reads and readers of the store write to: a line each, whole, and nothing kept.
//! The reading end is in `keeper`.
//!
//! Who may write is the file's mode. Whether somebody reads is known at once: opening fails when nobody does.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::signal::BlockedSignals;

/// What the kernel takes in one piece, whoever else writes.
pub const MAX_MESSAGE: usize = 4096;

/// Why a message was not left.
#[derive(Debug)]
pub enum NotSent {
    /// Nobody reads: there is no such FIFO, or no process has it open.
    NoReader,
    /// This process may not write to it, it is not a FIFO of the store's owner, or it is full.
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
        let why = "it is not a FIFO of the store's owner";
        return Err(NotSent::Refused(io::Error::other(why)));
    }
    let _shield = BlockedSignals::new();
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
