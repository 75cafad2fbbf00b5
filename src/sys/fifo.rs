//! The FIFO next to the store. Readers of the store write lines to it, which arrive whole, and a keeper reads them.
//! Nothing is kept. `keeper` has the reading end.
//!
//! The file's mode decides which users may write. A writer learns at once whether a keeper reads: opening fails if none
//! does.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::signal::BlockedSignals;

/// The length in bytes of a message that the kernel writes in one piece, even with other writers.
pub const MAX_MESSAGE: usize = 4096;

/// The reason why a message was not sent.
#[derive(Debug)]
pub enum NotSent {
    /// The FIFO does not exist, or no process reads it.
    NoReader,
    /// This process may not write to the FIFO, the FIFO does not belong to the store's owner, or it is full.
    Refused(io::Error),
}

/// Writes a line to the FIFO without waiting. `owner` is the uid that the FIFO must belong to, unless it belongs to
/// root.
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

/// Returns whether a process reads the FIFO. Returns None if this process may not ask.
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
