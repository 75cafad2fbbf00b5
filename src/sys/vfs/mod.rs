//! The files of a store, as SQLite asks for them (a “VFS”): <https://www.sqlite.org/vfs.html>.
//!
//! SQLite's own VFS knows a file by the number of its descriptor, and locks it for the whole process. A store's files
//! need three more properties:
//!
//! - A descriptor that the host program has closed is not used ([`OwnFile`]).
//! - Locks are OFD locks. Two copies of the library in one process exclude each other, as two processes do. A close
//!   elsewhere in the process costs no lock. These locks also exclude those of SQLite's own VFS.
//! - A system call that may stall does not delay a fork: it runs outside the fork lock.
//!
//! The VFS offers no shared memory, and so no write-ahead log. SQLite's own VFS opens a file that has one.
//!
//! [`OwnFile`]: super::OwnFile

mod file;
mod methods;

use std::cell::Cell;
use std::ffi::{CStr, OsStr, c_char, c_int};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_vfs};

use self::file::StoreFile;
use self::methods::Handle;
pub use self::methods::file_of;
use super::file::is_writable;
use super::fork::{ForkLock, outside};
use super::own_file::Lost;
use super::place;

const NAME: &CStr = c"wxtoken";

/// SQLite's own VFS, for everything that a store does not need to change.
static DEFAULT: AtomicPtr<sqlite3_vfs> = AtomicPtr::new(ptr::null_mut());

thread_local! {
    /// Whether a call of this thread has met a descriptor that no longer belonged to its file.
    static LOST: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether this thread has met a lost descriptor since the last call.
pub fn take_lost() -> bool {
    LOST.replace(false)
}

/// Registers the VFS with SQLite, and returns its name, by which a store's file is opened.
pub fn store_vfs() -> &'static CStr {
    let _held = ForkLock::enter();
    if DEFAULT.load(Ordering::Acquire).is_null() {
        // SAFETY: with the fork lock held, this runs once. The struct is a copy of SQLite's own. The calls that are
        // kept from it do not use it. It lives as long as the process.
        unsafe {
            ffi::sqlite3_initialize();
            let own = ffi::sqlite3_vfs_find(ptr::null());
            let Some(vfs) = own.as_ref() else {
                return NAME;
            };
            let size = size_of::<Handle>() as c_int;
            let vfs = sqlite3_vfs {
                iVersion: 2,
                szOsFile: size.max(vfs.szOsFile),
                pNext: ptr::null_mut(),
                zName: NAME.as_ptr(),
                xOpen: Some(open),
                xDelete: Some(delete),
                xAccess: Some(access),
                xFullPathname: Some(full_path),
                xSleep: Some(sleep),
                ..*vfs
            };
            ffi::sqlite3_vfs_register(Box::into_raw(Box::new(vfs)), 0);
            DEFAULT.store(own, Ordering::Release);
        }
    }
    NAME
}

/// Returns SQLite's code for a failure of one of its calls.
fn code(e: &io::Error, otherwise: c_int) -> c_int {
    if Lost::is_cause_of(e) {
        LOST.set(true);
        return otherwise;
    }
    match e.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG) => ffi::SQLITE_FULL,
        _ => otherwise,
    }
}

unsafe fn path_of<'a>(name: *const c_char) -> &'a Path {
    // SAFETY: SQLite gives NUL-terminated names.
    let name = unsafe { CStr::from_ptr(name) };
    Path::new(OsStr::from_bytes(name.to_bytes()))
}

unsafe extern "C" fn open(
    _vfs: *mut sqlite3_vfs,
    name: *const c_char,
    handle: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    if name.is_null() {
        return temporary(handle, flags, out_flags);
    }
    // SAFETY: SQLite gives a name, a place for a handle, and perhaps a place for the flags.
    unsafe {
        (*handle).pMethods = ptr::null();
        let path = path_of(name);
        let writable = flags & ffi::SQLITE_OPEN_READWRITE != 0;
        let create = flags & ffi::SQLITE_OPEN_CREATE != 0;
        let is_journal = flags & ffi::SQLITE_OPEN_MAIN_JOURNAL != 0;
        let mut granted = flags;
        let opened = outside(
            || match StoreFile::open(path, writable, create, is_journal) {
                Err(e) if writable && is_refused(&e) => {
                    granted = flags & !(ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_CREATE)
                        | ffi::SQLITE_OPEN_READONLY;
                    StoreFile::open(path, false, false, is_journal).map_err(|_| e)
                }
                opened => opened,
            },
        );
        match opened {
            Ok(file) => {
                Handle::place(handle, file);
                if !out_flags.is_null() {
                    *out_flags = granted;
                }
                ffi::SQLITE_OK
            }
            Err(e) if is_journal && create && is_refused(&e) && !path.exists() => {
                ffi::SQLITE_READONLY_DIRECTORY
            }
            Err(e) => code(&e, ffi::SQLITE_CANTOPEN),
        }
    }
}

fn is_refused(e: &io::Error) -> bool {
    matches!(
        e.raw_os_error(),
        Some(libc::EACCES | libc::EPERM | libc::EROFS)
    )
}

/// Opens a file without a name, which SQLite's own VFS does.
fn temporary(handle: *mut sqlite3_file, flags: c_int, out_flags: *mut c_int) -> c_int {
    let default = DEFAULT.load(Ordering::Acquire);
    // SAFETY: the default VFS lives as long as the process, and there is a place for its handle.
    unsafe {
        match default.as_ref().and_then(|vfs| vfs.xOpen) {
            Some(open) => open(default, ptr::null(), handle, flags, out_flags),
            None => ffi::SQLITE_CANTOPEN,
        }
    }
}

unsafe extern "C" fn delete(
    _vfs: *mut sqlite3_vfs,
    name: *const c_char,
    sync_directory: c_int,
) -> c_int {
    // SAFETY: SQLite gives a name.
    let path = unsafe { path_of(name) };
    outside(|| {
        match std::fs::remove_file(path) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return ffi::SQLITE_IOERR_DELETE_NOENT;
            }
            Err(_) => return ffi::SQLITE_IOERR_DELETE,
        }
        let parent = path.parent().filter(|_| sync_directory != 0);
        match parent.map(place::sync_directory) {
            Some(Err(_)) => ffi::SQLITE_IOERR_DIR_FSYNC,
            _ => ffi::SQLITE_OK,
        }
    })
}

unsafe extern "C" fn access(
    _vfs: *mut sqlite3_vfs,
    name: *const c_char,
    what: c_int,
    answer: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives a name and a place for the answer.
    unsafe {
        let path = path_of(name);
        let holds = outside(|| match what {
            // A file with a write-ahead log is not opened by this VFS, so there is none to look for.
            ffi::SQLITE_ACCESS_EXISTS if path.as_os_str().as_bytes().ends_with(b"-wal") => false,
            // An empty journal counts as none.
            ffi::SQLITE_ACCESS_EXISTS => {
                std::fs::metadata(path).is_ok_and(|meta| !meta.is_file() || meta.len() > 0)
            }
            _ => is_writable(path),
        });
        *answer = c_int::from(holds);
    }
    ffi::SQLITE_OK
}

/// Returns the path unchanged: `StoreName` makes a store's path absolute and free of links.
unsafe extern "C" fn full_path(
    _vfs: *mut sqlite3_vfs,
    name: *const c_char,
    size: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite gives a name, and a buffer of `size` bytes.
    unsafe {
        let name = CStr::from_ptr(name).to_bytes_with_nul();
        if name.len() > usize::try_from(size).unwrap_or(0) {
            return ffi::SQLITE_CANTOPEN_FULLPATH;
        }
        ptr::copy_nonoverlapping(name.as_ptr().cast(), out, name.len());
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn sleep(_vfs: *mut sqlite3_vfs, microseconds: c_int) -> c_int {
    let time = u64::try_from(microseconds).unwrap_or(0);
    outside(|| std::thread::sleep(std::time::Duration::from_micros(time)));
    microseconds
}
