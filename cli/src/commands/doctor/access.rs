//! Who owns a file, and who may do what with it.

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

/// Whether the owner of a store may write a file beside it: as its owner, or by the group that both have.
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

/// As `chown` takes it.
pub fn user(uid: u32) -> String {
    user_name(uid).unwrap_or_else(|| uid.to_string())
}

pub fn group(gid: u32) -> String {
    let entry = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    entry.map_or_else(|| gid.to_string(), |group| group.name)
}
