//! A file, or a socket, that knows its descriptor by more than the number.
//!
//! A host may close descriptors that are not its own: it closes one twice, or all from 3 up. The number then means another
//! file, or none. So each use of an [`Own`] first looks whether the descriptor still is of what was opened. One that is not
//! is never used, and never closed. What no look can see is a thread that closes the number, and has another file under it,
//! in the microsecond between the look and the use.
//!
//! A forked child closes its copies before it runs, after the same look.

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use super::file::FileId;
use super::fork::{ForkGuarded, ForkLock, forks};

/// The open ones, which a child closes.
static OPEN: ForkGuarded<Vec<(RawFd, FileId)>> = ForkGuarded::new(Vec::new());

/// An open file or socket, closed when dropped if it still is what was opened.
#[derive(Debug)]
pub struct Own<T: AsRawFd> {
    it: ManuallyDrop<T>,
    id: FileId,
}

pub type OwnFile = Own<File>;
pub type OwnSocket = Own<TcpStream>;

/// The cause of a failure: the descriptor is closed, or another file's.
#[derive(Debug)]
pub struct Lost;

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "this program has closed the library's descriptor")
    }
}

impl std::error::Error for Lost {}

/// Whether a failure is that of a descriptor that somebody else has closed, before a look at it or after.
pub fn is_lost(e: &io::Error) -> bool {
    Lost::is_cause_of(e) || e.raw_os_error() == Some(libc::EBADF)
}

/// How often work is done again that lost its descriptor.
const MOST_LOSSES: usize = 20;

/// Does work on files again while a host closes their descriptors.
pub fn again_while_lost<T>(mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..MOST_LOSSES {
        match work() {
            Err(e) if is_lost(&e) => {}
            done => return done,
        }
    }
    work()
}

impl Lost {
    pub fn is_cause_of(e: &io::Error) -> bool {
        e.get_ref().is_some_and(|cause| cause.is::<Lost>())
    }
}

impl OwnFile {
    /// Opens a file, and no link to one. The descriptor is never that of a standard stream, and not for a new program.
    pub fn open(options: &OpenOptions, path: &Path) -> io::Result<OwnFile> {
        let mut options = options.clone();
        options.custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK);
        OwnFile::open_by(options, path)
    }

    /// Opens a file that is there, by a link or not.
    pub fn open_for_reading(path: &Path) -> io::Result<OwnFile> {
        let mut options = File::options();
        options
            .read(true)
            .custom_flags(libc::O_CLOEXEC | libc::O_NONBLOCK);
        OwnFile::open_by(options, path)
    }

    /// The same open file under another number. Its locks last until both are closed.
    pub fn twin(&self) -> io::Result<OwnFile> {
        // No child is born before it is known: it would keep the locks.
        let held = ForkLock::enter();
        let fd = to_own_number(self.get()?.try_clone()?.into_raw_fd())?;
        // SAFETY: the descriptor is open, and nothing else's.
        Ok(unsafe { Own::register(fd, self.id, &held) })
    }

    fn open_by(mut options: OpenOptions, path: &Path) -> io::Result<OwnFile> {
        loop {
            let forks_before = forks();
            // As a number from here on: dropping a File whose descriptor is gone ends a program that checks for that.
            let fd = to_own_number(options.open(path)?.into_raw_fd())?;
            let id = FileId::of_descriptor(fd).ok_or_else(|| io::Error::other(Lost))?;
            let held = ForkLock::enter();
            if forks() == forks_before {
                // SAFETY: the descriptor is open, and nothing else's.
                return Ok(unsafe { Own::register(fd, id, &held) });
            }
            // A child was born meanwhile: it has a copy that it knows nothing of. The file is there by now.
            drop(held);
            close(fd, id);
            options.create(false).create_new(false);
        }
    }
}

impl OwnSocket {
    /// Takes over a socket.
    pub fn of(socket: TcpStream) -> io::Result<OwnSocket> {
        let fd = to_own_number(socket.into_raw_fd())?;
        let id = FileId::of_descriptor(fd).ok_or_else(|| io::Error::other(Lost))?;
        let held = ForkLock::enter();
        // SAFETY: the descriptor is the socket's, which has given it up.
        Ok(unsafe { Own::register(fd, id, &held) })
    }
}

impl<T: AsRawFd + FromRawFd> Own<T> {
    /// # Safety
    /// The descriptor is open, and nothing else's.
    unsafe fn register(fd: RawFd, id: FileId, held: &ForkLock) -> Own<T> {
        OPEN.borrow(held).push((fd, id));
        Own {
            // SAFETY: the caller's promise.
            it: ManuallyDrop::new(unsafe { T::from_raw_fd(fd) }),
            id,
        }
    }

    /// What is open, if the descriptor still is its.
    pub fn get(&self) -> io::Result<&T> {
        if self.is_intact() {
            Ok(&self.it)
        } else {
            Err(io::Error::other(Lost))
        }
    }

    /// How long the file is, in the same look.
    pub fn length(&self) -> io::Result<u64> {
        let about = stat(self.it.as_raw_fd());
        let about = about.filter(|about| FileId::new(about.st_dev, about.st_ino) == self.id);
        let about = about.ok_or_else(|| io::Error::other(Lost))?;
        Ok(u64::try_from(about.st_size).unwrap_or(0))
    }

    /// What is open, without a look: for what does no harm to another file, and is followed by a look.
    pub fn unchecked(&self) -> &T {
        &self.it
    }

    /// The cause of a failed use: the descriptor, if somebody has closed it since the look.
    pub fn cause_of(&self, e: io::Error) -> io::Error {
        if self.is_intact() {
            e
        } else {
            io::Error::other(Lost)
        }
    }

    pub fn is_intact(&self) -> bool {
        FileId::of_descriptor(self.it.as_raw_fd()) == Some(self.id)
    }

    pub fn id(&self) -> FileId {
        self.id
    }
}

impl<T: AsRawFd> Drop for Own<T> {
    fn drop(&mut self) {
        let fd = self.it.as_raw_fd();
        let held = ForkLock::enter();
        let mut open = OPEN.borrow(&held);
        if let Some(place) = open.iter().position(|one| *one == (fd, self.id)) {
            open.swap_remove(place);
        }
        drop(open);
        close(fd, self.id);
    }
}

/// Closes what a child has inherited, with the fork lock held.
pub(super) fn close_inherited() {
    let held = ForkLock::enter();
    for (fd, id) in OPEN.borrow(&held).drain(..) {
        close(fd, id);
    }
}

/// Closes a descriptor, if it still is this file's.
fn close(fd: RawFd, id: FileId) {
    if FileId::of_descriptor(fd) == Some(id) {
        // SAFETY: it is the library's, which does not use it any more.
        unsafe { libc::close(fd) };
    }
}

/// The numbers that are the library's begin here: those below go to the host, which has more use for them.
const FIRST: u32 = 64;
const NUMBERS: u32 = 256;

/// The same file under a number of the library's own, each time another one. A number that the host has closed then is not
/// that of the library's next file, which a thread that has just looked would take for the one before. Where the limit of
/// descriptors is too low for that, any number will do but those of the standard streams.
fn to_own_number(fd: RawFd) -> io::Result<RawFd> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let id = FileId::of_descriptor(fd);
    let least = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % NUMBERS;
    for least in [least as RawFd, libc::STDERR_FILENO + 1] {
        if fd >= least {
            return Ok(fd);
        }
        // SAFETY: it makes a descriptor that nothing else has, or fails.
        let own = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, least) };
        if own != -1 {
            if let Some(id) = id {
                close(fd, id);
            }
            return Ok(own);
        }
    }
    let failed = io::Error::last_os_error();
    if let Some(id) = id {
        close(fd, id);
    }
    Err(failed)
}

impl FileId {
    /// The file that a descriptor is of; None where it is closed.
    fn of_descriptor(fd: RawFd) -> Option<FileId> {
        stat(fd).map(|about| FileId::new(about.st_dev, about.st_ino))
    }
}

fn stat(fd: RawFd) -> Option<libc::stat> {
    let mut about = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `about` is a stat to write to, read only where fstat has filled it in.
    unsafe { (libc::fstat(fd, about.as_mut_ptr()) == 0).then(|| about.assume_init()) }
}
