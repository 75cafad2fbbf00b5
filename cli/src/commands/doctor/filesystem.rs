//! Checks of the store's file system: whether locks work, whether files last, and how much space is left.

use std::path::Path;

use nix::sys::statfs::statfs;
use nix::sys::statvfs::statvfs;
use wxtoken::tool::{Paths, fs_type, is_read_only, lacks};

use super::{Findings, Level};

/// Free bytes below which a journal and a few rows may not fit.
const LEAST_FREE: u64 = 1 << 20;
/// Free bytes below which a warning is due.
const LITTLE_FREE: u64 = 64 << 20;

// The types of file systems as statfs() returns them. Those in Linux's magic.h are from libc, and the others from the
// file systems' own sources.

/// File systems that several hosts can mount at once.
const SHARED: &[(u32, &str)] = &[
    (libc::NFS_SUPER_MAGIC as u32, "NFS"),
    (libc::SMB_SUPER_MAGIC as u32, "SMB"),
    (0xff53_4d42, "SMB"),
    (0xfe53_4d42, "SMB"),
    (libc::FUSE_SUPER_MAGIC as u32, "FUSE"),
    (0x0102_1997, "9p, as of a virtual machine"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (libc::AFS_SUPER_MAGIC as u32, "AFS"),
    (0x6b41_4653, "AFS"),
];

const IN_MEMORY: &[(u32, &str)] = &[(libc::TMPFS_MAGIC as u32, "tmpfs"), (0x8584_58f6, "ramfs")];

const OVERLAY: u32 = libc::OVERLAYFS_SUPER_MAGIC as u32;

const LOCAL: &[(u32, &str)] = &[
    (libc::EXT4_SUPER_MAGIC as u32, "ext2, ext3 or ext4"),
    (libc::XFS_SUPER_MAGIC as u32, "XFS"),
    (libc::BTRFS_SUPER_MAGIC as u32, "btrfs"),
    (0x2fc1_2fc1, "ZFS"),
    (libc::F2FS_SUPER_MAGIC as u32, "F2FS"),
];

pub fn look(paths: &Paths, found: &mut Findings) {
    let place = match paths.store.exists() {
        true => paths.store.as_path(),
        false => paths.store.parent().unwrap_or(&paths.store),
    };
    let Ok(about) = statfs(place) else {
        return;
    };
    // The type has 32 bits. The other bits differ by architecture.
    let magic = about.filesystem_type().0 as u64 as u32;
    let name_in = |table: &[(u32, &'static str)]| {
        let known = table.iter().find(|(known, _)| *known == magic);
        known.map(|(_, name)| *name)
    };
    if let Some(name) = name_in(SHARED) {
        found.advise(
            "filesystem",
            Level::Problem,
            format!("{name}: locks do not hold between hosts, and SQLite can be damaged there"),
            "move the store to a local disk: wxtoken backup FILE, then --store PATH restore FILE",
        );
    } else if let Some(name) = name_in(IN_MEMORY) {
        found.advise(
            "filesystem",
            Level::Warning,
            format!("{name}: store and key are lost when the host restarts"),
            "keep the store on a disk, such as in /var/lib",
        );
    } else if magic == OVERLAY {
        found.advise(
            "filesystem",
            Level::Note,
            "overlay: in a container, the store is removed with the container",
            "put it on a volume",
        );
    } else {
        let kind = name_in(LOCAL).map_or_else(|| fs_type(&paths.store), Into::into);
        found.ok("filesystem", kind);
    }
    let directory = paths.store.parent().unwrap_or(Path::new("/"));
    if is_read_only(place) {
        found.advise(
            "filesystem",
            Level::Note,
            format!(
                "{} is mounted read-only: processes here are readers",
                directory.display()
            ),
            "run wxtoken keep where it is writable",
        );
    } else {
        lacking(directory, found);
    }
    let Ok(room) = statvfs(place) else {
        return;
    };
    let free = room.blocks_available() * room.fragment_size();
    let saw = format!("{} MiB free", free >> 20);
    match free {
        0..LEAST_FREE => found.advise(
            "space",
            Level::Problem,
            saw,
            "free some space: no token can be saved",
        ),
        LEAST_FREE..LITTLE_FREE => found.advise(
            "space",
            Level::Warning,
            saw,
            "free some space, before tokens cannot be saved",
        ),
        _ => found.ok("space", saw),
    }
}

/// Reports each feature that a store needs and the file system lacks.
fn lacking(directory: &Path, found: &mut Findings) {
    for lack in lacks(directory).unwrap_or_default() {
        let (level, so) = match lack {
            "hard links" => (
                Level::Warning,
                "such file systems are often shared, and locks do not hold between hosts",
            ),
            "FIFOs" => (Level::Warning, "readers cannot reach a keeper"),
            "fsync" => (Level::Problem, "a power failure may lose what was written"),
            "modes of files (chmod)" => (
                Level::Problem,
                "the store and its key cannot be made private",
            ),
            _ => (Level::Problem, "no process can fetch for the others"),
        };
        let kind = fs_type(&directory.join("store"));
        found.advise(
            "filesystem",
            level,
            format!("this file system ({kind}) has no {lack}: {so}"),
            "keep the store on a local disk, such as ext4 or XFS",
        );
    }
}
