//! SQLite's calls on an open file.

use std::ffi::{c_int, c_void};
use std::io;
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::ffi::{self, sqlite3_file, sqlite3_int64, sqlite3_io_methods};

use super::code;
use super::file::{Level, StoreFile};
use crate::sys::fork::outside;
use crate::sys::own_file::OwnFile;

/// SQLite's handle of a file.
#[repr(C)]
pub(super) struct Handle {
    base: sqlite3_file,
    file: *mut StoreFile,
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(is_reserved),
    xFileControl: Some(control),
    xSectorSize: Some(sector),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

impl Handle {
    /// Writes a handle of a file to the place that SQLite gives for it.
    pub(super) unsafe fn place(at: *mut sqlite3_file, file: StoreFile) {
        let handle = Handle {
            base: sqlite3_file { pMethods: &METHODS },
            file: Box::into_raw(Box::new(file)),
        };
        // SAFETY: SQLite gives a place of szOsFile bytes.
        unsafe { at.cast::<Handle>().write(handle) };
    }
}

/// Runs a call on the file of a handle, outside the fork lock.
unsafe fn on_file(
    handle: *mut sqlite3_file,
    otherwise: c_int,
    call: impl FnOnce(&mut StoreFile) -> io::Result<c_int>,
) -> c_int {
    // SAFETY: `place` made the handle, and SQLite uses it on one thread at a time.
    let file = unsafe { &mut *(*handle.cast::<Handle>()).file };
    outside(|| call(file).unwrap_or_else(|e| code(&file.cause_of(e), otherwise)))
}

unsafe extern "C" fn close(handle: *mut sqlite3_file) -> c_int {
    // SAFETY: `place` made the handle, and SQLite closes it once.
    unsafe {
        let file = Box::from_raw((*handle.cast::<Handle>()).file);
        (*handle).pMethods = std::ptr::null();
        outside(|| drop(file));
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    handle: *mut sqlite3_file,
    into: *mut c_void,
    length: c_int,
    at: sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite gives a buffer of `length` bytes.
    unsafe {
        let room = std::slice::from_raw_parts_mut(into.cast::<u8>(), length as usize);
        on_file(handle, ffi::SQLITE_IOERR_READ, |file| {
            let read = file.read(room, at as u64)?;
            let rest = room.get_mut(read..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(ffi::SQLITE_OK);
            }
            rest.fill(0);
            Ok(ffi::SQLITE_IOERR_SHORT_READ)
        })
    }
}

unsafe extern "C" fn write(
    handle: *mut sqlite3_file,
    from: *const c_void,
    length: c_int,
    at: sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite gives `length` bytes.
    unsafe {
        let bytes = std::slice::from_raw_parts(from.cast::<u8>(), length as usize);
        on_file(handle, ffi::SQLITE_IOERR_WRITE, |file| {
            file.write(bytes, at as u64).map(|()| ffi::SQLITE_OK)
        })
    }
}

unsafe extern "C" fn truncate(handle: *mut sqlite3_file, length: sqlite3_int64) -> c_int {
    // SAFETY: SQLite passes a handle that `place` made.
    unsafe {
        on_file(handle, ffi::SQLITE_IOERR_TRUNCATE, |file| {
            file.truncate(length as u64).map(|()| ffi::SQLITE_OK)
        })
    }
}

unsafe extern "C" fn sync(handle: *mut sqlite3_file, _how: c_int) -> c_int {
    // SAFETY: SQLite passes a handle that `place` made.
    unsafe {
        on_file(handle, ffi::SQLITE_IOERR_FSYNC, |file| {
            file.sync().map(|()| ffi::SQLITE_OK)
        })
    }
}

unsafe extern "C" fn size(handle: *mut sqlite3_file, answer: *mut sqlite3_int64) -> c_int {
    // SAFETY: SQLite passes a handle that `place` made, and a place for the answer.
    unsafe {
        on_file(handle, ffi::SQLITE_IOERR_FSTAT, |file| {
            *answer = file.length()? as i64;
            Ok(ffi::SQLITE_OK)
        })
    }
}

unsafe extern "C" fn lock(handle: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite passes a handle that `place` made.
    unsafe {
        on_file(handle, ffi::SQLITE_IOERR_LOCK, |file| {
            Ok(match file.lock(Level::of(level))? {
                true => ffi::SQLITE_OK,
                false => ffi::SQLITE_BUSY,
            })
        })
    }
}

unsafe extern "C" fn unlock(handle: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite passes a handle that `place` made.
    unsafe {
        on_file(handle, ffi::SQLITE_IOERR_UNLOCK, |file| {
            file.unlock(Level::of(level)).map(|()| ffi::SQLITE_OK)
        })
    }
}

unsafe extern "C" fn is_reserved(handle: *mut sqlite3_file, answer: *mut c_int) -> c_int {
    // SAFETY: SQLite passes a handle that `place` made, and a place for the answer.
    unsafe {
        on_file(handle, ffi::SQLITE_IOERR_CHECKRESERVEDLOCK, |file| {
            *answer = c_int::from(file.is_reserved()?);
            Ok(ffi::SQLITE_OK)
        })
    }
}

/// The library's own file control, which asks for the file. SQLite's numbers are below 100.
const SHARED_FILE: c_int = 7000;

/// Returns the file that a connection reads and writes, if this VFS opened it.
pub fn file_of(conn: &Connection) -> Option<Arc<OwnFile>> {
    let mut file: Option<Arc<OwnFile>> = None;
    // SAFETY: the connection is open, and `control` writes a value of this type.
    unsafe {
        let place = (&raw mut file).cast();
        ffi::sqlite3_file_control(conn.handle(), c"main".as_ptr(), SHARED_FILE, place);
    }
    file
}

unsafe extern "C" fn control(handle: *mut sqlite3_file, what: c_int, answer: *mut c_void) -> c_int {
    // SAFETY: SQLite passes a handle that `place` made. The caller gives a place for a number, or for a file.
    unsafe {
        on_file(handle, ffi::SQLITE_IOERR_FSTAT, |file| {
            match what {
                ffi::SQLITE_FCNTL_HAS_MOVED => {
                    *answer.cast::<c_int>() = c_int::from(file.has_moved());
                }
                SHARED_FILE => *answer.cast::<Option<Arc<OwnFile>>>() = Some(file.shared()),
                _ => return Ok(ffi::SQLITE_NOTFOUND),
            }
            Ok(ffi::SQLITE_OK)
        })
    }
}

unsafe extern "C" fn sector(_handle: *mut sqlite3_file) -> c_int {
    4096
}

/// Returns the properties of a file, which are those of SQLite's own VFS. A write that a power cut interrupts changes
/// no bytes outside its range.
unsafe extern "C" fn characteristics(_handle: *mut sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}
