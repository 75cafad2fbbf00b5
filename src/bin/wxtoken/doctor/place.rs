//! Where the store lies, and what the environment says.

use nix::sys::statfs::statfs;
use nix::sys::statvfs::statvfs;
use wxtoken::tool::{Paths, options};

use super::{Findings, Level};

/// Too little for a journal and a few rows.
const LEAST_FREE: u64 = 1 << 20;
const LITTLE_FREE: u64 = 64 << 20;

pub fn environment(found: &mut Findings) {
    let mut known = vec!["WXTOKEN_STORE".to_owned()];
    known.extend(
        options()
            .iter()
            .map(|name| format!("WXTOKEN_{}", name.to_ascii_uppercase())),
    );
    let mut set: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| {
            Some((
                name.into_string().ok()?,
                value.to_string_lossy().into_owned(),
            ))
        })
        .filter(|(name, _)| name.starts_with("WXTOKEN_"))
        .collect();
    set.sort();
    let (ours, strange): (Vec<_>, Vec<_>) =
        set.into_iter().partition(|(name, _)| known.contains(name));
    if !ours.is_empty() {
        let shown: Vec<String> = ours
            .iter()
            .map(|(name, value)| described(name, value))
            .collect();
        found.note("environment", shown.join(", "));
    }
    for (name, _) in strange {
        if name.contains("SECRET") {
            let why = format!(
                "{name} is set: every process of this user can read it, and wxtoken does not"
            );
            found.advise(
                "environment",
                Level::Warning,
                why,
                format!("unset {name}; wxtoken account add asks for the secret"),
            );
        } else {
            found.advise(
                "environment",
                Level::Note,
                format!("{name} is no option of wxtoken"),
                "see wxtoken --help for the options",
            );
        }
    }
}

/// With its value, unless there may be a password in it.
fn described(name: &str, value: &str) -> String {
    if name == "WXTOKEN_PROXY" || value.contains('@') {
        return format!("{name} is set");
    }
    format!("{name}={value}")
}

pub fn filesystem(paths: &Paths, found: &mut Findings) {
    let place = match paths.store.exists() {
        true => paths.store.as_path(),
        false => paths.store.parent().unwrap_or(&paths.store),
    };
    let Ok(about) = statfs(place) else {
        return;
    };
    // As 32 bits: what fills the others differs by architecture.
    let magic = about.filesystem_type().0 as u64 as u32;
    let shared = |name: &str| {
        format!("{name}: locks do not hold between hosts, and SQLite can be damaged there")
    };
    let local =
        "move the store to a local disk: wxtoken backup FILE, then --store PATH restore FILE";
    match magic {
        0x6969 => found.advise("filesystem", Level::Problem, shared("NFS"), local),
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => {
            found.advise("filesystem", Level::Problem, shared("SMB"), local)
        }
        0x6573_5546 => found.advise("filesystem", Level::Problem, shared("FUSE"), local),
        0x0102_1997 => found.advise(
            "filesystem",
            Level::Problem,
            shared("9p, as of a virtual machine"),
            local,
        ),
        0x00c3_6400 => found.advise("filesystem", Level::Problem, shared("Ceph"), local),
        0x0bd0_0bd0 => found.advise("filesystem", Level::Problem, shared("Lustre"), local),
        0x5346_414f => found.advise("filesystem", Level::Problem, shared("AFS"), local),
        0x0102_1994 | 0x8584_58f6 => found.advise(
            "filesystem",
            Level::Warning,
            "tmpfs: store and key are lost at the next start of the host",
            "keep the store on a disk, such as in /var/lib",
        ),
        0x794c_7630 => found.advise(
            "filesystem",
            Level::Note,
            "overlay: in a container, the store goes when the container goes",
            "put it on a volume",
        ),
        other => found.ok("filesystem", kind(other)),
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
            "free some: no token can be saved",
        ),
        LEAST_FREE..LITTLE_FREE => found.advise(
            "space",
            Level::Warning,
            saw,
            "free some, before no token can be saved",
        ),
        _ => found.ok("space", saw),
    }
}

fn kind(magic: u32) -> String {
    match magic {
        0xef53 => "ext2, ext3 or ext4".into(),
        0x5846_5342 => "XFS".into(),
        0x9123_683e => "btrfs".into(),
        0x2fc1_2fc1 => "ZFS".into(),
        0xf2f5_2010 => "F2FS".into(),
        other => format!("local, of type 0x{other:x}"),
    }
}
