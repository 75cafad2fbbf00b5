//! The owner of a file, and the rights of others to it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Group, geteuid};
use wxtoken::tool::user_name;

use crate::ui::shell::quoted;

pub fn described(meta: &Metadata) -> String {
    format!(
        "mode {:04o}, of {}:{}",
        meta.mode() & 0o7777,
        user(meta.uid()),
        group(meta.gid())
    )
}

/// Whether the owner of a store may write this companion file: as its owner, or through the group of both files.
pub fn is_shared_with_owner(file: &Metadata, store: &Metadata) -> bool {
    let by_group = file.gid() == store.gid() && file.mode() & 0o060 == 0o060;
    file.uid() == store.uid() || by_group
}

pub fn shown(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

pub fn me() -> String {
    user(geteuid().as_raw())
}

/// Returns a user's name, or the number if it has no name, as `chown` takes it.
pub fn user(uid: u32) -> String {
    user_name(uid).unwrap_or_else(|| uid.to_string())
}

pub fn group(gid: u32) -> String {
    let entry = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    entry.map_or_else(|| gid.to_string(), |group| group.name)
}
