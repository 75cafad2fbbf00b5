//! The file system that a file is on: its type, whether a file is a mount point, and the features that it lacks.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::Mode;
use nix::unistd::{Uid, mkfifo};

use super::file::{create_private, is_writable};
use super::lock::Range;
use super::own_file::OwnFile;
use super::signal::BlockedSignals;

/// A feature that a file system may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    HardLinks,
    Fifos,
    /// The locks that another program takes through its SQLite.
    PosixLocks,
    Locks,
    Sync,
    Modes,
}

impl Lack {
    /// Returns the feature's name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Lack::HardLinks => "hard links",
            Lack::Fifos => "FIFOs",
            Lack::PosixLocks => "locks (fcntl)",
            Lack::Locks => "locks of open files (OFD locks)",
            Lack::Sync => "fsync",
            Lack::Modes => "modes of files (chmod)",
        }
    }
}

/// Returns whether the system's error means that a feature is missing. EPERM counts: link, mkfifo and chmod return it
/// on such a file system.
pub fn is_unsupported(e: &io::Error) -> bool {
    matches!(
        e.raw_os_error(),
        Some(
            libc::EOPNOTSUPP
                | libc::ENOSYS
                | libc::EINVAL
                | libc::ENOLCK
                | libc::EPERM
                | libc::EMLINK
        )
    )
}

/// Returns an error that says what the file system of `path` lacks, if the system's error means that. Otherwise returns
/// the system's error.
pub fn lacking(what: Lack, path: &Path, e: io::Error) -> io::Error {
    if !is_unsupported(&e) {
        return e;
    }
    let text = format!("its file system ({}) has no {}", fs_type(path), what.name());
    io::Error::new(io::ErrorKind::Unsupported, text)
}

/// Returns the type of the file system that a path is on, as `mount` names it: `ext4`, `vboxsf`.
pub fn fs_type(path: &Path) -> String {
    let place = path.parent().unwrap_or(path);
    let place = std::fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
    let mut best: Option<(usize, String)> = None;
    for (mounted_at, kind) in mounts() {
        let length = mounted_at.as_os_str().len();
        let is_better = best.as_ref().is_none_or(|(known, _)| *known <= length);
        if place.starts_with(&mounted_at) && is_better {
            best = Some((length, kind));
        }
    }
    best.map_or_else(|| "of unknown type".into(), |(_, kind)| kind)
}

/// Returns each mount point with its type, in the order of mounting.
fn mounts() -> Vec<(PathBuf, String)> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let parsed = text.lines().filter_map(|line| {
        let (about, of_fs) = line.split_once(" - ")?;
        let mounted_at = unescaped(about.split(' ').nth(4)?);
        Some((mounted_at, of_fs.split(' ').next()?.to_owned()))
    });
    parsed.collect()
}

/// Decodes a path of mountinfo, which writes a space as `\040`.
fn unescaped(text: &str) -> PathBuf {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let octal = bytes.get(i + 1..i + 4).filter(|_| bytes[i] == b'\\');
        let octal = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                i += 4;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    PathBuf::from(std::ffi::OsStr::from_bytes(&out))
}

/// Returns whether the file at a path is a mount point, such as a single file that is bound into a container.
pub fn is_mount_point(path: &Path) -> bool {
    match has_mount_root(path) {
        Some(known) => known,
        // Kernels before Linux 5.8 do not report it.
        None => {
            let parent = path.parent().and_then(|up| std::fs::canonicalize(up).ok());
            let whole = parent.zip(path.file_name()).map(|(up, name)| up.join(name));
            whole.is_some_and(|whole| mounts().iter().any(|(at, _)| *at == whole))
        }
    }
}

fn has_mount_root(path: &Path) -> Option<bool> {
    const MOUNT_ROOT: u64 = libc::STATX_ATTR_MOUNT_ROOT as u64;
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let mut about = std::mem::MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path is NUL-terminated, and `about` is a statx to write to. A kernel without the call returns an
    // error. The call is made by number, since not every C library has it.
    let about = unsafe {
        let asked = libc::syscall(
            libc::SYS_statx,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
            libc::STATX_TYPE,
            about.as_mut_ptr(),
        );
        if asked != 0 {
            return None;
        }
        about.assume_init()
    };
    if about.stx_attributes_mask & MOUNT_ROOT == 0 {
        return None;
    }
    Some(about.stx_attributes & MOUNT_ROOT != 0)
}

/// Returns whether the file system of a directory is mounted read-only.
pub fn is_read_only(directory: &Path) -> bool {
    nix::sys::statvfs::statvfs(directory).is_ok_and(|about| {
        about
            .flags()
            .contains(nix::sys::statvfs::FsFlags::ST_RDONLY)
    })
}

/// Returns whether the system denies a write that the file's mode allows. `fs.protected_regular` does so in a sticky
/// directory, for a file that belongs to neither the caller nor the directory's owner.
pub fn is_protected(path: &Path) -> bool {
    let Some(directory) = path.parent().and_then(|up| std::fs::metadata(up).ok()) else {
        return false;
    };
    let Ok(file) = std::fs::symlink_metadata(path) else {
        return false;
    };
    let owners = [Uid::effective().as_raw(), directory.uid()];
    !owners.contains(&file.uid()) && protects(protection(), directory.mode())
}

/// Returns whether this level of `fs.protected_regular` guards files in a directory of this mode.
fn protects(level: u32, mode: u32) -> bool {
    let open_to = match level {
        0 => 0,
        1 => 0o002,
        _ => 0o022,
    };
    mode & 0o1000 != 0 && mode & open_to != 0
}

fn protection() -> u32 {
    let level = std::fs::read_to_string("/proc/sys/fs/protected_regular");
    level.map_or(0, |level| level.trim().parse().unwrap_or(0))
}

/// Renames a file. Fails if the new name exists.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    let name = |path: &Path| {
        CString::new(path.as_os_str().as_bytes())
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
    };
    let (from, to) = (name(from)?, name(to)?);
    // SAFETY: both paths are NUL-terminated. The call is made by number, since not every C library has it.
    let done = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    if done == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

/// Tests in a directory the features that a store needs. The test files are removed. Returns None if no file can be
/// made.
pub fn probe(directory: &Path) -> Option<Vec<Lack>> {
    if !is_writable(directory) {
        return None;
    }
    let stamp = u64::from_ne_bytes(super::random());
    let path = |what: &str| directory.join(format!(".wxtoken.{stamp:016x}.{what}"));
    let (first, second, fifo) = (path("probe"), path("link"), path("fifo"));
    let mut lacks = Vec::new();
    let mut note = |lack, e: Option<io::Error>| {
        if e.is_some_and(|e| is_unsupported(&e)) {
            lacks.push(lack);
        }
    };
    let _shield = BlockedSignals::new();
    let made = create_private(&first);
    match made {
        Ok(own) => {
            let tried = |work: fn(&File) -> io::Result<()>| own.get().and_then(work).err();
            note(Lack::Sync, tried(|mut file| file.write_all(b"\n")));
            note(Lack::Sync, tried(File::sync_all));
            note(Lack::PosixLocks, tried(|file| lock(file, libc::F_SETLK)));
            note(Lack::Locks, tried(|file| lock(file, libc::F_OFD_SETLK)));
            note(Lack::HardLinks, std::fs::hard_link(&first, &second).err());
            let fifo = mkfifo(&fifo, Mode::S_IRUSR | Mode::S_IWUSR).err();
            note(Lack::Fifos, fifo.map(|e: Errno| e.into()));
        }
        Err(e) if first.exists() => note(Lack::Modes, Some(e)),
        Err(_) => {}
    }
    for path in [first, second, fifo] {
        let _ = std::fs::remove_file(path);
    }
    lacks.dedup();
    Some(lacks)
}

fn lock(file: &File, how: libc::c_int) -> io::Result<()> {
    // Each lock has its own byte: a POSIX lock and an OFD lock of one process exclude each other.
    let byte = Range::byte(i64::from(how));
    super::lock::set(file.as_raw_fd(), how, byte, libc::F_WRLCK)
}

/// Makes a directory's entries survive a power cut. A file system that cannot sync a directory counts as doing so by
/// itself, as for SQLite.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    match OwnFile::open_for_reading(directory)?.get()?.sync_all() {
        Err(e) if is_unsupported(&e) => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_in_a_mount_point_are_read() {
        assert_eq!(unescaped("/a\\040b/c"), PathBuf::from("/a b/c"));
        assert_eq!(unescaped("/a\\9"), PathBuf::from("/a\\9"));
    }

    #[test]
    fn the_system_guards_files_in_sticky_directories_alone() {
        for (level, mode, guarded) in [
            (0, 0o1777, false),
            (1, 0o1777, true),
            (1, 0o1770, false),
            (2, 0o1770, true),
            (2, 0o1700, false),
            (2, 0o777, false),
        ] {
            assert_eq!(protects(level, mode), guarded, "{level} {mode:o}");
        }
    }

    #[test]
    fn a_plain_directory_lacks_nothing_and_is_left_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(probe(directory.path()), Some(vec![]));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        assert!(!is_mount_point(&directory.path().join("absent")));
        assert!(!is_read_only(directory.path()));
    }
}
