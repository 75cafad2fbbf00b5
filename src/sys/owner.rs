//! The owner of the files beside a store: that of the store, whichever process makes them.
//!
//! A job of root that comes first would else shut the owner out of the store for good.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use nix::unistd::Uid;

use super::file::user;
use super::own_file::OwnFile;

/// An owner, a group, and the mode of the file that has them.
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

    /// The owner of the file at a path; None where that is absent.
    pub fn of(path: &Path) -> Option<Owner> {
        std::fs::symlink_metadata(path)
            .ok()
            .as_ref()
            .map(Owner::of_file)
    }

    /// The owner that a new file of root gets: that of its directory. None for another process, and where everybody may
    /// write.
    pub fn of_directory(directory: &Path) -> Option<Owner> {
        let meta = std::fs::metadata(directory).ok()?;
        let owner = Owner::of_file(&meta);
        let is_somebodys = owner.uid != 0 && owner.mode & 0o002 == 0;
        (Uid::effective().is_root() && is_somebodys).then_some(owner)
    }

    /// The mode of a lock beside a file of this owner: its group locks where it may write.
    pub fn lock_mode(&self) -> u32 {
        if self.mode & 0o060 == 0o060 {
            0o660
        } else {
            0o600
        }
    }

    /// The mode that SQLite gives to a journal.
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

/// The cause of a failure: a file could not become another user's.
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
            "it would belong to {me} and shut {owner} out, the owner of the store"
        )
    }
}

impl std::error::Error for NotGiven {}

impl NotGiven {
    /// The right owner, if this is the cause of an error.
    pub fn owner_in(e: &io::Error) -> Option<String> {
        let cause = e.get_ref()?.downcast_ref::<NotGiven>()?;
        Some(user(cause.owner))
    }
}

/// Gives an open file to an owner, with this mode. Fails where the owner could not use it then.
pub fn give(file: &File, to: &Owner, mode: u32) -> io::Result<()> {
    let made = file.metadata()?;
    let group_uses_it = mode & 0o060 != 0;
    if made.uid() != to.uid {
        // A new file's group is its maker's: the mode comes after, so that nobody else may read it meanwhile.
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

/// Gives a file that is empty, and new, the mode, and to root's the owner too.
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

/// Gives a file that another process left to its right owner, where this process may. Only an empty one with one name:
/// a file with something in it might be a stranger's, moved there to be given away.
pub fn give_leftover(file: &File, to: &Owner, mode: u32) {
    let is_leftover = file.metadata().is_ok_and(|meta| {
        meta.is_file() && meta.len() == 0 && meta.nlink() == 1 && meta.uid() != to.uid
    });
    if is_leftover && Uid::effective().is_root() {
        let _ = give(file, to, mode);
    }
}

/// Opens a file of the owner's beside a store to the group, as the store is. A mode that has other rights is left to the
/// operator.
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
