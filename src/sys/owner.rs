//! The owner of the files next to a store. They belong to the store's owner, whichever process makes them.
//!
//! Otherwise, a job of root that runs first would lock the owner out of the store for good.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use nix::unistd::Uid;

use super::file::user;
use super::own_file::OwnFile;

/// A file's owner, group and mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    uid: u32,
    gid: u32,
    mode: u32,
}

impl Owner {
    pub fn of_file(meta: &Metadata) -> Owner {
        Owner {
            uid: meta.uid(),
            gid: meta.gid(),
            mode: meta.permissions().mode() & 0o7777,
        }
    }

    /// Returns the owner of the file at a path, or None if there is none.
    pub fn of(path: &Path) -> Option<Owner> {
        std::fs::symlink_metadata(path)
            .ok()
            .as_ref()
            .map(Owner::of_file)
    }

    /// Returns the owner for a new file that root makes, which is the owner of the directory. Returns None for other
    /// users, and in a directory that everyone may write to.
    pub fn of_directory(directory: &Path) -> Option<Owner> {
        let meta = std::fs::metadata(directory).ok()?;
        let owner = Owner::of_file(&meta);
        let is_somebodys = owner.uid != 0 && owner.mode & 0o002 == 0;
        (Uid::effective().is_root() && is_somebodys).then_some(owner)
    }

    /// Returns the mode of a lock file next to a file of this owner. The group may lock if it may write to the store.
    pub fn lock_mode(&self) -> u32 {
        if self.mode & 0o060 == 0o060 {
            0o660
        } else {
            0o600
        }
    }

    /// Returns the mode that SQLite gives to a journal.
    pub fn journal_mode(&self) -> u32 {
        self.mode & 0o777
    }
}

impl Owner {
    /// Gives a new directory to this owner.
    pub(super) fn give_directory(&self, made: &Path) -> io::Result<()> {
        std::os::unix::fs::lchown(made, Some(self.uid), Some(self.gid))
    }
}

/// The cause of a failure: a file could not be given to another user.
#[derive(Debug)]
pub struct NotGiven {
    owner: u32,
}

impl std::fmt::Display for NotGiven {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let me = user(Uid::effective().as_raw());
        let owner = user(self.owner);
        write!(
            f,
            "it would belong to {me} and lock out {owner}, the owner of the store"
        )
    }
}

impl std::error::Error for NotGiven {}

impl NotGiven {
    /// Returns the right owner, if [`NotGiven`] is the cause of an error.
    pub fn owner_in(e: &io::Error) -> Option<String> {
        let cause = e.get_ref()?.downcast_ref::<NotGiven>()?;
        Some(user(cause.owner))
    }
}

/// Gives an open file to an owner, with this mode. Fails if the owner could not use it after that.
pub fn give(file: &File, to: &Owner, mode: u32) -> io::Result<()> {
    let made = file.metadata()?;
    let group_uses_it = mode & 0o060 != 0;
    if made.uid() != to.uid {
        // A new file has its maker's group. The mode is set after the group, so that no one else can read the file in
        // between.
        let given = fchown(file, Some(to.uid), Some(to.gid));
        let by_group = || {
            mode & 0o060 == 0o060
                && (made.gid() == to.gid || fchown(file, None, Some(to.gid)).is_ok())
        };
        if given.is_err() && !by_group() {
            return Err(not_given(to));
        }
    } else if made.gid() != to.gid {
        let given = fchown(file, None, Some(to.gid));
        if group_uses_it {
            given?;
        }
    }
    if made.permissions().mode() & 0o7777 != mode {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Gives a new, empty file the mode. As root, gives it the owner too.
pub fn give_made(file: &File, to: &Owner, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))?;
    if Uid::effective().is_root() {
        fchown(file, Some(to.uid), Some(to.gid))?;
    }
    Ok(())
}

fn not_given(to: &Owner) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, NotGiven { owner: to.uid })
}

/// Gives a file that another process left behind to its right owner, if this process is root. Only an empty file with
/// one name is given: a file with content may be another user's, moved there to be given away.
pub fn give_leftover(file: &File, to: &Owner, mode: u32) {
    let is_leftover = file.metadata().is_ok_and(|meta| {
        meta.is_file() && meta.len() == 0 && meta.nlink() == 1 && meta.uid() != to.uid
    });
    if is_leftover && Uid::effective().is_root() {
        let _ = give(file, to, mode);
    }
}

/// Opens a file of the owner next to a store to the group, as the store is. A file with more rights than that is left to
/// the operator.
pub fn follow(path: &Path, store: &Owner, mode: u32) {
    let Ok(own) = OwnFile::open(File::options().read(true), path) else {
        return;
    };
    let Ok(file) = own.get() else {
        return;
    };
    let is_to_follow = file.metadata().is_ok_and(|meta| {
        let has = meta.permissions().mode() & 0o7777;
        meta.uid() == store.uid
            && meta.is_file()
            && meta.nlink() == 1
            && has & mode == has
            && (has != mode || meta.gid() != store.gid)
    });
    if is_to_follow {
        let _ = give(file, store, mode);
    }
}
