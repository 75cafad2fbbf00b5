//! A file or a socket that knows its descriptor by more than the number.
//!
//! A host program may close descriptors that are not its own, twice in a row or all from 3 up. The number then means
//! another file, or none. So each use of an [`Own`] first checks whether the descriptor still belongs to the file that
//! was opened. If not, it is never used, and never closed. One case escapes the check: a thread that closes the number
//! and opens another file under it, in the microsecond between the check and the use.
//!
//! A forked child closes its copies before it runs, after the same check.

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::file::FileId;
use super::fork::{ForkGuarded, ForkLock, forks};

/// The open files and sockets, which a child closes.
static OPEN: ForkGuarded<Vec<(RawFd, FileId)>> = ForkGuarded::new(Vec::new());
/// The length of that list.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Returns how many files and sockets of the library are open in this process.
pub fn count_open() -> usize {
    COUNT.load(Ordering::Relaxed)
}

/// An open file or socket. When dropped, it is closed if the descriptor still belongs to it.
#[derive(Debug)]
pub struct Own<T: AsRawFd> {
    it: ManuallyDrop<T>,
    id: FileId,
}

pub type OwnFile = Own<File>;
pub type OwnSocket = Own<TcpStream>;

/// The cause of a failure: the descriptor is closed, or belongs to another file.
#[derive(Debug)]
pub struct Lost;

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "this program has closed the library's descriptor")
    }
}

impl std::error::Error for Lost {}

/// Returns whether a failure came from a descriptor that the host program closed, before the check or after it.
pub fn is_lost(e: &io::Error) -> bool {
    Lost::is_cause_of(e) || e.raw_os_error() == Some(libc::EBADF)
}

/// The number of times that work is repeated after its descriptor was lost.
const MOST_LOSSES: usize = 20;

/// Repeats work on files if a host program closes their descriptors.
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
    /// Opens a file, but not through a link. The descriptor is never one of the standard streams, and is closed on
    /// exec.
    pub fn open(options: &OpenOptions, path: &Path) -> io::Result<OwnFile> {
        let mut options = options.clone();
        options.custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK);
        OwnFile::open_by(options, path)
    }

    /// Opens an existing file, directly or through a link.
    pub fn open_for_reading(path: &Path) -> io::Result<OwnFile> {
        let mut options = File::options();
        options
            .read(true)
            .custom_flags(libc::O_CLOEXEC | libc::O_NONBLOCK);
        OwnFile::open_by(options, path)
    }

    /// Returns the same open file under another number. Its locks last until both are closed.
    pub fn twin(&self) -> io::Result<OwnFile> {
        // No child may be born before the twin is registered, since the child would keep the locks.
        let held = ForkLock::enter();
        let fd = to_own_number(self.get()?.try_clone()?.into_raw_fd())?;
        // SAFETY: the descriptor is open, and nothing else uses it.
        Ok(unsafe { Own::register(fd, self.id, &held) })
    }

    fn open_by(mut options: OpenOptions, path: &Path) -> io::Result<OwnFile> {
        loop {
            let forks_before = forks();
            // Kept as a number: dropping a File whose descriptor is gone aborts a program that checks for that.
            let fd = to_own_number(options.open(path)?.into_raw_fd())?;
            let id = FileId::of_descriptor(fd).ok_or_else(|| io::Error::other(Lost))?;
            let held = ForkLock::enter();
            if forks() == forks_before {
                // SAFETY: the descriptor is open, and nothing else uses it.
                return Ok(unsafe { Own::register(fd, id, &held) });
            }
            // A child was born meanwhile, with a copy that is not registered. The file exists by now.
            drop(held);
            close(fd, id);
            options.create(false).create_new(false);
        }
    }
}

impl OwnSocket {
    /// Takes a socket over.
    pub fn of(socket: TcpStream) -> io::Result<OwnSocket> {
        let fd = to_own_number(socket.into_raw_fd())?;
        let id = FileId::of_descriptor(fd).ok_or_else(|| io::Error::other(Lost))?;
        let held = ForkLock::enter();
        // SAFETY: the descriptor came from the socket, which no longer owns it.
        Ok(unsafe { Own::register(fd, id, &held) })
    }
}

impl<T: AsRawFd + FromRawFd> Own<T> {
    /// # Safety
    /// The descriptor must be open, and nothing else may use it.
    unsafe fn register(fd: RawFd, id: FileId, held: &ForkLock) -> Own<T> {
        let mut open = OPEN.borrow(held);
        open.push((fd, id));
        COUNT.store(open.len(), Ordering::Relaxed);
        Own {
            // SAFETY: the caller promises that the descriptor is open and used by nothing else.
            it: ManuallyDrop::new(unsafe { T::from_raw_fd(fd) }),
            id,
        }
    }

    /// Returns the file or socket, if the descriptor still belongs to it.
    pub fn get(&self) -> io::Result<&T> {
        if self.is_intact() {
            Ok(&self.it)
        } else {
            Err(io::Error::other(Lost))
        }
    }

    /// Returns the length of the file, with the same system call as the check.
    pub fn length(&self) -> io::Result<u64> {
        let about = stat(self.it.as_raw_fd());
        let about = about.filter(|about| FileId::new(about.st_dev, about.st_ino) == self.id);
        let about = about.ok_or_else(|| io::Error::other(Lost))?;
        Ok(u64::try_from(about.st_size).unwrap_or(0))
    }

    /// Returns the file or socket without a check. For uses that do not harm another file, and are followed by a check.
    pub fn unchecked(&self) -> &T {
        &self.it
    }

    /// Returns the cause of a failed use. It is [`Lost`] if the host program closed the descriptor since the check.
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
        COUNT.store(open.len(), Ordering::Relaxed);
        drop(open);
        close(fd, self.id);
    }
}

/// Closes the files and sockets that a child has inherited, with the fork lock held.
pub(super) fn close_inherited() {
    let held = ForkLock::enter();
    for (fd, id) in OPEN.borrow(&held).drain(..) {
        close(fd, id);
    }
    COUNT.store(0, Ordering::Relaxed);
}

/// Closes a descriptor if it still belongs to this file.
fn close(fd: RawFd, id: FileId) {
    if FileId::of_descriptor(fd) == Some(id) {
        // SAFETY: the descriptor is the library's, which does not use it any more.
        unsafe { libc::close(fd) };
    }
}

/// The lowest descriptor number of the library. The numbers below are left to the host program, which needs them more.
const FIRST: u32 = 64;
const NUMBERS: u32 = 256;

/// Moves a file to a number of the library's own, and each time to another one. Suppose that the host program closes a
/// number, and the library's next file got the same one. A thread that has just checked the number would take the new
/// file for the old one. If the limit of descriptors is too low for this, any number but those of the standard streams
/// will do.
fn to_own_number(fd: RawFd) -> io::Result<RawFd> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let id = FileId::of_descriptor(fd);
    let least = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % NUMBERS;
    for least in [least as RawFd, libc::STDERR_FILENO + 1] {
        if fd >= least {
            return Ok(fd);
        }
        // SAFETY: fcntl makes a descriptor that nothing else has, or fails.
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
    /// Returns the identity of the file that a descriptor belongs to, or None if it is closed.
    fn of_descriptor(fd: RawFd) -> Option<FileId> {
        stat(fd).map(|about| FileId::new(about.st_dev, about.st_ino))
    }
}

fn stat(fd: RawFd) -> Option<libc::stat> {
    let mut about = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `about` is a stat to write to, and is read only if fstat has filled it in.
    unsafe { (libc::fstat(fd, about.as_mut_ptr()) == 0).then(|| about.assume_init()) }
}
