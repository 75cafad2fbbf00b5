//! Private files: created with mode 0600 under any umask, never through a symbolic link, and described in errors.

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

/// The identity of a file. It tells the file from another one at the same path.
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

    /// Returns the identity of the file at a path, without following a link.
    pub fn at(path: &Path) -> Option<FileId> {
        std::fs::symlink_metadata(path)
            .ok()
            .as_ref()
            .map(FileId::of)
    }
}

/// Creates a file that must not exist yet, with mode exactly 0600.
pub fn create_private(path: &Path) -> io::Result<OwnFile> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true).mode(0o600);
    let own = OwnFile::open(&options, path)?;
    let file = own.get()?;
    // On a file system without modes, each file may have the right one already.
    if file.metadata()?.permissions().mode() & 0o7777 != 0o600 {
        let set = file.set_permissions(Permissions::from_mode(0o600));
        set.map_err(|e| place::lacking(Lack::Modes, path, e))?;
    }
    Ok(own)
}

/// Sets the mode of a file to 0600, by its path. The script's database may have a write-ahead log, and is then open in
/// SQLite's own VFS. Closing a second descriptor of it would cost SQLite its locks.
pub fn make_private(path: &Path) -> io::Result<()> {
    std::fs::set_permissions(path, Permissions::from_mode(0o600))
}

/// Fails unless `path` is absent, or a regular file with one name. A link or a FIFO there is a mistake or a trap.
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

/// Returns the file that a symbolic link finally leads to, or the next one if that file does not exist.
pub fn link_target(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| {
        let next = std::fs::read_link(path).unwrap_or_default();
        path.parent().unwrap_or(Path::new("/")).join(next)
    })
}

/// Fails unless `path` leads to a regular file, directly or by a link. Reading a FIFO would block the call.
pub fn require_readable_file(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path)?.is_file() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is not a regular file",
    ))
}

/// Returns whether this process may read `path`, by its effective ids.
pub fn is_readable(path: &Path) -> bool {
    check_access(path, AccessFlags::R_OK).is_ok()
}

/// Returns whether this process may write to `path`, by its effective ids.
pub fn is_writable(path: &Path) -> bool {
    check_access(path, AccessFlags::W_OK).is_ok()
}

fn check_access(path: &Path, mode: AccessFlags) -> io::Result<()> {
    Ok(faccessat(AT_FDCWD, path, mode, AtFlags::AT_EACCESS)?)
}

/// Returns the uid of a file's owner.
pub fn owner_uid(path: &Path) -> io::Result<u32> {
    Ok(std::fs::metadata(path)?.uid())
}

/// Returns the name of a file's owner.
pub fn owner_name(path: &Path) -> String {
    owner_uid(path).map_or_else(|_| "its owner".into(), user)
}

/// Returns the name of the user that this process runs as.
pub fn me() -> String {
    user(Uid::effective().as_raw())
}

/// Returns whether this process is denied reading `path`, by its effective ids.
pub fn is_denied(path: &Path) -> bool {
    check_access(path, AccessFlags::R_OK)
        .is_err_and(|e| e.kind() == io::ErrorKind::PermissionDenied)
}

/// Describes the owner of `path` and this process's user: “owned by root, mode 0600; this process runs as www-data”.
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
            "not accessible ({}); this process runs as {me}",
            os_message(&e)
        ),
    }
}

/// Returns the system's message, without Rust's “(os error 13)”.
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

/// Returns the name of a user, or the number if the user has no name.
pub(super) fn user(uid: u32) -> String {
    user_name(uid).unwrap_or_else(|| format!("uid {uid}"))
}

/// Returns the name of a user.
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

/// Writes one line to stderr. It takes no lock that a fork could leave behind, and ignores failures.
pub fn write_stderr(line: &str) {
    // A pipe without a reader, or a log at its size limit, must not kill the host program.
    let _shield = super::BlockedSignals::new();
    // SAFETY: the buffer is valid for its length. A closed stderr makes write fail, which is ignored on purpose.
    unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
}

/// Creates a directory and its missing parents with mode 0700. If root creates them, each belongs to the owner of the
/// directory that it is in.
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

    /// Each message puts “it is …”, “the key is …” or “its directory is …” in front of the description.
    #[test]
    fn a_description_fits_after_the_word_is() {
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
        assert_eq!(unseen, format!("not accessible (Not a directory){ends}"));
    }
}
