//! Checks of the store's file and its directory: their types, their owners, and the rights of others.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use wxtoken::tool::{Paths, QUARANTINED, is_mount_point, is_readable, is_writable, link_target};

use super::access::{described, is_shared_with_owner, me, shown, user};
use super::{Findings, Level, companion_files, is_there};

/// Checks the store and its companion files. Returns whether there is a store that can be read.
pub fn look(paths: &Paths, found: &mut Findings) -> bool {
    directory(paths, found);
    let store = store(paths, found);
    set_aside(&paths.store, found);
    if let Some(store) = &store {
        companion_files::look(paths, store, found);
    }
    store.is_some()
}

fn directory(paths: &Paths, found: &mut Findings) {
    let Some(directory) = paths.store.parent() else {
        return;
    };
    let Ok(meta) = std::fs::metadata(directory) else {
        return;
    };
    let saw = format!("{}: {}", directory.display(), described(&meta));
    let mode = meta.mode();
    let named = shown(directory);
    if mode & 0o002 != 0 && mode & 0o1000 == 0 {
        let why = format!("{saw}: any user can replace this store with another one");
        found.advise(
            "directory",
            Level::Problem,
            why,
            format!("chmod o-w {named}"),
        );
    } else if mode & 0o022 != 0 {
        let why = format!("{saw}: users other than its owner may create files there");
        found.advise(
            "directory",
            Level::Warning,
            why,
            "use a directory that only the service uses",
        );
    } else if !is_writable(directory) {
        let why = format!(
            "{saw}: {} may not create files there, such as SQLite's journal",
            me()
        );
        found.advise(
            "directory",
            Level::Note,
            why,
            format!(
                "this is enough for a reader; to fetch, run as {}",
                user(meta.uid())
            ),
        );
    } else {
        found.ok("directory", saw);
    }
}

/// Checks the store's file. Returns its metadata if it is a file that can be read.
fn store(paths: &Paths, found: &mut Findings) -> Option<Metadata> {
    let path = &paths.store;
    let named = shown(path);
    if !is_there(path) {
        if is_there(&paths.key) {
            let why = format!("{} is gone, but its key is there", path.display());
            found.advise(
                "store",
                Level::Problem,
                why,
                "bring it back: wxtoken restore FILE, or register the accounts again",
            );
        } else {
            let why = format!("there is no {}", path.display());
            found.advise("store", Level::Problem, why, "wxtoken account add NAME --kind KIND --id ID creates it; another path: --store or WXTOKEN_STORE");
        }
        return None;
    }
    let meta = match std::fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(e) => {
            let why = format!("{}: {}", path.display(), crate::exit::reason(&e));
            found.advise(
                "store",
                Level::Problem,
                why,
                "let this user into its directory, or run as its owner",
            );
            return None;
        }
    };
    if meta.file_type().is_symlink() {
        let target = link_target(path);
        let why = format!(
            "{} is a symbolic link to {}: two names for one store lock two files",
            path.display(),
            target.display()
        );
        found.advise(
            "store",
            Level::Problem,
            why,
            format!("name the file itself: --store {}", shown(&target)),
        );
        return None;
    }
    if !meta.is_file() {
        let why = format!("{} is not a regular file", path.display());
        found.advise(
            "store",
            Level::Problem,
            why,
            "name another path: --store or WXTOKEN_STORE",
        );
        return None;
    }
    if is_mount_point(path) {
        let why = format!(
            "{} is a mount of its own, apart from its journal, its lock and its key: a process that is killed leaves it damaged",
            path.display()
        );
        found.advise(
            "store",
            Level::Problem,
            why,
            "mount its directory instead of the one file",
        );
        return None;
    }
    if meta.nlink() > 1 {
        let why = format!(
            "{} has {} names (hard links): two names for one store lock two files",
            path.display(),
            meta.nlink()
        );
        let remedy = format!(
            "find the others and remove them: find {} -xdev -samefile {named}",
            shown(path.parent().unwrap_or(path))
        );
        found.advise("store", Level::Problem, why, remedy);
    }
    let saw = format!("{}: {}", path.display(), described(&meta));
    if !is_readable(path) {
        let why = format!("{saw}; {} may not read it", me());
        found.advise(
            "store",
            Level::Problem,
            why,
            format!(
                "run as {}, or let its group read: chmod g+r {named}",
                user(meta.uid())
            ),
        );
        return None;
    }
    if meta.mode() & 0o007 != 0 {
        let why = format!("{saw}: any user of this host may read or change tokens");
        found.advise("store", Level::Problem, why, format!("chmod o-rwx {named}"));
    } else if !is_writable(path) {
        let why = format!("{saw}; {} may only read it: another user must fetch", me());
        found.advise(
            "store",
            Level::Note,
            why,
            format!("start wxtoken keep as {}", user(meta.uid())),
        );
    } else {
        found.ok("store", saw);
    }
    journal(path, &meta, found);
    Some(meta)
}

fn journal(store: &Path, of_store: &Metadata, found: &mut Findings) {
    let mut name = store.as_os_str().to_owned();
    name.push("-journal");
    let path = Path::new(&name);
    let Ok(meta) = std::fs::symlink_metadata(path) else {
        return;
    };
    if !is_shared_with_owner(&meta, of_store) {
        let why = format!(
            "{}: {}; the store is owned by {}, who may not write this file, so cannot fetch",
            path.display(),
            described(&meta),
            user(of_store.uid())
        );
        let remedy = format!("chown {} {}", user(of_store.uid()), shown(path));
        found.advise("journal", Level::Problem, why, remedy);
    }
    if meta.len() > 0 {
        let why = format!(
            "{} holds {} bytes: a process is writing, or was killed; the next one that opens the store undoes its change",
            path.display(),
            meta.len()
        );
        found.advise(
            "journal",
            Level::Warning,
            why,
            "never remove it; check again: wxtoken doctor",
        );
    }
}

/// Reports damaged stores that the library moved aside.
fn set_aside(store: &Path, found: &mut Findings) {
    let (Some(directory), Some(name)) = (store.parent(), store.file_name()) else {
        return;
    };
    let prefix = format!("{}{QUARANTINED}", name.to_string_lossy());
    let mut aside: Vec<String> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| name.starts_with(&prefix))
        .collect();
    if aside.is_empty() {
        return;
    }
    aside.sort();
    let why = format!(
        "a damaged store was moved aside in {}: {}",
        directory.display(),
        aside.join(", ")
    );
    found.advise(
        "set aside",
        Level::Warning,
        why,
        "see whether accounts are missing: wxtoken account list; restore them from a backup: wxtoken restore FILE; then \
         move the damaged store away",
    );
}
