//! Private files: made 0600 whatever the umask, never through a symbolic link, and described when they resist.

use std::ffi::CStr;
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, Uid, faccessat};

use super::own_file::OwnFile;
use super::owner::Owner;
use super::place::{self, Lack};

/// What tells a file from another at its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(super) fn new(device: u64, inode: u64) -> FileId {
        FileId { device, inode }
    }

    pub fn of(meta: &Metadata) -> FileId {
        FileId::new(meta.dev(), meta.ino())
    }

    /// The file at a path, without following a link.
    pub fn at(path: &Path) -> Option<FileId> {
        std::fs::symlink_metadata(path)
            .ok()
            .as_ref()
            .map(FileId::of)
    }
}

/// Makes a file that must not exist yet, mode exactly 0600.
pub fn create_private(path: &Path) -> io::Result<OwnFile> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true).mode(0o600);
    let own = OwnFile::open(&options, path)?;
    let file = own.get()?;
    // Where a file system keeps no modes, each file may have the right one already.
    if file.metadata()?.permissions().mode() & 0o7777 != 0o600 {
        let set = file.set_permissions(Permissions::from_mode(0o600));
        set.map_err(|e| place::lacking(Lack::Modes, path, e))?;
    }
    Ok(own)
}

/// Takes a file away from everybody but its owner, by name. The script's may have a write-ahead log: then it is open in SQLite's
/// own VFS, where a second descriptor that is closed costs it its locks.
pub fn make_private(path: &Path) -> io::Result<()> {
    std::fs::set_permissions(path, Permissions::from_mode(0o600))
}

/// Fails unless `path` is absent or a regular file with one name: a link or a FIFO there is a mistake or a trap.
pub fn require_plain_file(path: &Path) -> io::Result<()> {
    let meta = match std::fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let kind = meta.file_type();
    let what = if kind.is_symlink() {
        format!("it is a symbolic link to {}", link_target(path).display())
    } else if kind.is_dir() {
        "it is a directory".into()
    } else if kind.is_fifo() {
        "it is a FIFO".into()
    } else if !kind.is_file() {
        "it is a device or a socket".into()
    } else if meta.nlink() > 1 {
        "it has a second name (hard link)".into()
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

/// The file that a symbolic link leads to in the end, or the next one where there is none.
pub fn link_target(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| {
        let next = std::fs::read_link(path).unwrap_or_default();
        path.parent().unwrap_or(Path::new("/")).join(next)
    })
}

/// Fails unless `path` leads to a regular file, by a link or not: a FIFO would keep the call that reads it.
pub fn require_readable_file(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path)?.is_file() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is not a regular file",
    ))
}

/// Whether this process may read `path`, by its effective ids.
pub fn is_readable(path: &Path) -> bool {
    check_access(path, AccessFlags::R_OK).is_ok()
}

/// Whether this process may write to `path`, by its effective ids.
pub fn is_writable(path: &Path) -> bool {
    check_access(path, AccessFlags::W_OK).is_ok()
}

fn check_access(path: &Path, mode: AccessFlags) -> io::Result<()> {
    Ok(faccessat(AT_FDCWD, path, mode, AtFlags::AT_EACCESS)?)
}

/// The uid of a file's owner.
pub fn owner_uid(path: &Path) -> io::Result<u32> {
    Ok(std::fs::metadata(path)?.uid())
}

/// The name of a file's owner.
pub fn owner_name(path: &Path) -> String {
    owner_uid(path).map_or_else(|_| "its owner".into(), user)
}

/// The name of the user that this process runs as.
pub fn me() -> String {
    user(Uid::effective().as_raw())
}

/// Whether this process is kept from reading `path`, by its effective ids.
pub fn is_denied(path: &Path) -> bool {
    check_access(path, AccessFlags::R_OK)
        .is_err_and(|e| e.kind() == io::ErrorKind::PermissionDenied)
}

/// Who owns `path` and who is asking: “owned by root, mode 0600; this process runs as www-data”.
pub fn describe(path: &Path) -> String {
    let me = user(Uid::effective().as_raw());
    match std::fs::symlink_metadata(path) {
        Ok(meta) => format!(
            "owned by {}, mode {:04o}; this process runs as {me}",
            user(meta.uid()),
            meta.permissions().mode() & 0o7777,
        ),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            format!("absent; this process runs as {me}")
        }
        Err(e) => format!(
            "out of sight ({}); this process runs as {me}",
            os_message(&e)
        ),
    }
}

/// What the system said, without Rust's “(os error 13)”.
pub fn os_message(e: &io::Error) -> String {
    if let Some(ours) = e.get_ref() {
        return ours.to_string();
    }
    match (e.raw_os_error(), e.kind()) {
        (Some(libc::EROFS), _) => "the file system is mounted read-only".into(),
        (Some(libc::EPERM), _) => "the system does not permit it (EPERM)".into(),
        (_, io::ErrorKind::NotFound) => "it does not exist".into(),
        (_, io::ErrorKind::PermissionDenied) => "permission denied".into(),
        _ => {
            let text = e.to_string();
            let (words, _) = text.split_once(" (os error").unwrap_or((&text, ""));
            words.to_owned()
        }
    }
}

/// The name of a user, or its number where it has none.
pub(super) fn user(uid: u32) -> String {
    user_name(uid).unwrap_or_else(|| format!("uid {uid}"))
}

/// The name of a user.
pub fn user_name(uid: u32) -> Option<String> {
    let mut buffer = [0 as libc::c_char; 1024];
    let mut entry = std::mem::MaybeUninit::<libc::passwd>::uninit();
    let mut found = std::ptr::null_mut();
    // SAFETY: the buffers are valid for the lengths given; `found` is set only when `entry` has been filled in.
    unsafe {
        let failed = libc::getpwuid_r(
            uid,
            entry.as_mut_ptr(),
            buffer.as_mut_ptr(),
            buffer.len(),
            &mut found,
        );
        if failed != 0 || found.is_null() {
            return None;
        }
        let name = CStr::from_ptr((*found).pw_name);
        Some(name.to_string_lossy().into_owned())
    }
}

/// One line to stderr, with no lock of ours or Rust's that a fork could leave behind, and no failure that matters.
pub fn write_stderr(line: &str) {
    // A pipe without a reader, or a log at its size limit, must not kill the host.
    let _shield = super::BlockedSignals::new();
    // SAFETY: the buffer is valid for its length; a closed stderr makes write fail, which is ignored on purpose.
    unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
}

/// Makes a directory and those above it, the new ones 0700. Those that root makes belong to the owner of the directory
/// that they are in.
pub fn create_private_directory(path: &Path) -> io::Result<()> {
    let is_new = |directory: &&Path| !directory.exists();
    let new: Vec<&Path> = path.ancestors().take_while(is_new).collect();
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)?;
    for made in new.iter().rev() {
        if let Some(owner) = made.parent().and_then(Owner::of_directory) {
            owner.give_directory(made)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each message says “it is …”, “the key is …” or “its directory is …” before it.
    #[test]
    fn a_description_goes_on_from_the_word_is() {
        let directory = tempfile::tempdir().unwrap();
        let there = directory.path().join("there");
        std::fs::write(&there, "").unwrap();
        let me = me();
        let ends = format!("; this process runs as {me}");
        let absent = describe(&directory.path().join("gone/tokens.db"));
        assert_eq!(absent, format!("absent{ends}"));
        let owned = describe(&there);
        assert!(
            owned.starts_with(&format!("owned by {me}, mode 0")),
            "{owned}"
        );
        let unseen = describe(&there.join("below"));
        assert_eq!(unseen, format!("out of sight (Not a directory){ends}"));
    }
}
