//! Checks of a store's companion files: the key, the lock file and the mailbox.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use wxtoken::tool::{Paths, is_readable};

use super::access::{described, group, is_shared_with_owner, me, shown, user};
use super::{Findings, Level, is_there};

pub fn look(paths: &Paths, store: &Metadata, found: &mut Findings) {
    key(paths, store, found);
    lock(paths, store, found);
    mailbox(paths, store, found);
}

fn key(paths: &Paths, store: &Metadata, found: &mut Findings) {
    let path = &paths.key;
    let named = shown(path);
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(_) if !is_there(path) => {
            found.note(
                "key",
                format!(
                    "there is no {}: it is created when a secret is registered",
                    path.display()
                ),
            );
            return;
        }
        Err(e) => {
            let why = format!("{}: {}", path.display(), crate::exit::reason(&e));
            found.advise("key", Level::Problem, why, "restore the key from its copy");
            return;
        }
    };
    let saw = format!("{}: {}", path.display(), described(&meta));
    if !meta.is_file() {
        found.advise(
            "key",
            Level::Problem,
            format!("{saw}: it is not a regular file"),
            "restore the key from its copy",
        );
    } else if meta.mode() & 0o027 != 0 {
        let why = format!("{saw}: others may read or change the key, which opens every secret");
        found.advise(
            "key",
            Level::Problem,
            why,
            format!("chmod 600 {named}; then wxtoken rekey"),
        );
    } else if meta.uid() != store.uid() {
        let why = format!("{saw}; the store is owned by {}", user(store.uid()));
        found.advise(
            "key",
            Level::Problem,
            why,
            format!("chown {} {named}", user(store.uid())),
        );
    } else if meta.mode() & 0o040 != 0 {
        let why = format!(
            "{saw}: members of group {} can open the secrets",
            group(meta.gid())
        );
        found.advise(
            "key",
            Level::Warning,
            why,
            format!("chmod 600 {named}, if they need tokens only"),
        );
    } else if !is_readable(path) {
        found.note(
            "key",
            format!(
                "{saw}; {} may not read it: this user gets tokens, but cannot fetch",
                me()
            ),
        );
    } else {
        found.ok("key", saw);
    }
}

fn lock(paths: &Paths, store: &Metadata, found: &mut Findings) {
    let path = &paths.lock;
    let Ok(meta) = std::fs::symlink_metadata(path) else {
        found.note(
            "lock",
            format!(
                "there is no {} yet: the first fetch creates it",
                path.display()
            ),
        );
        return;
    };
    let named = shown(path);
    let saw = format!("{}: {}", path.display(), described(&meta));
    if !meta.is_file() || meta.nlink() > 1 {
        let why = format!("{saw}: it is not a regular file with one name");
        found.advise(
            "lock",
            Level::Problem,
            why,
            format!("stop the processes that use the store, then rm {named}"),
        );
    } else if !is_shared_with_owner(&meta, store) {
        let why = format!(
            "{saw}; the store is owned by {}, who may not lock this file, so cannot fetch",
            user(store.uid())
        );
        found.advise(
            "lock",
            Level::Problem,
            why,
            format!("chown {} {named}", user(store.uid())),
        );
    } else if meta.mode() & 0o002 != 0 {
        let why = format!("{saw}: any user can hold up every fetch");
        found.advise("lock", Level::Problem, why, format!("chmod o-rwx {named}"));
    } else {
        found.ok("lock", saw);
    }
}

fn mailbox(paths: &Paths, store: &Metadata, found: &mut Findings) {
    let path = &paths.mailbox;
    let Ok(meta) = std::fs::symlink_metadata(path) else {
        return;
    };
    let named = shown(path);
    let saw = format!("{}: {}", path.display(), described(&meta));
    if !meta.file_type().is_fifo() {
        let why = format!("{saw}: it is not a FIFO, so readers cannot reach a keeper");
        found.advise(
            "mailbox",
            Level::Problem,
            why,
            format!("rm {named}; wxtoken keep creates it again"),
        );
    } else if ![0, store.uid()].contains(&meta.uid()) {
        let why = format!(
            "{saw}; readers trust it only if {} or root owns it",
            user(store.uid())
        );
        found.advise(
            "mailbox",
            Level::Problem,
            why,
            format!("chown {} {named}", user(store.uid())),
        );
    } else if meta.mode() & 0o002 != 0 {
        let why = format!("{saw}: any user can write to the keeper");
        found.advise(
            "mailbox",
            Level::Warning,
            why,
            format!("chmod o-rwx {named}"),
        );
    } else {
        found.ok("mailbox", saw);
    }
}
