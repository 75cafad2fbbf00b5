//! Who owns a file, and who may do what with it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, Gid, Group, Uid, User, faccessat, geteuid};

use crate::ui::shell::quoted;

pub fn described(meta: &Metadata) -> String {
    format!(
        "mode {:04o}, of {}:{}",
        meta.mode() & 0o7777,
        user(meta.uid()),
        group(meta.gid())
    )
}

pub fn shown(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// By the effective ids, as opening does.
pub fn may(path: &Path, how: AccessFlags) -> bool {
    faccessat(AT_FDCWD, path, how, AtFlags::AT_EACCESS).is_ok()
}

pub fn me() -> String {
    user(geteuid().as_raw())
}

pub fn user(uid: u32) -> String {
    let entry = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    entry.map_or_else(|| uid.to_string(), |user| user.name)
}

pub fn group(gid: u32) -> String {
    let entry = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    entry.map_or_else(|| gid.to_string(), |group| group.name)
}
