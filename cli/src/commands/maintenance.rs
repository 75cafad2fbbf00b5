//! `wxtoken rekey`, `backup` and `restore`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use wxtoken::tool::Store;

use crate::args::{Backup, Restore};
use crate::exit::{ExitResult, Failure, NO};
use crate::ui::output;
use crate::ui::plural::count;
use crate::ui::shell::quoted;

pub fn rekey(store: &Store) -> ExitResult {
    let sealed = store.rekey()?;
    output::print_line(&format!(
        "{} sealed with a new key, in {}; earlier backups open only with the old key",
        count(sealed, "secret"),
        store.place().key.display()
    ))
}

pub fn backup(store: &Store, backup: &Backup) -> ExitResult {
    let accounts = store.backup(&backup.file)?;
    output::print_line(&format!(
        "{} written to {}; its secrets open only with the key {}: keep a copy of that too",
        count(accounts, "account"),
        backup.file.display(),
        store.place().key.display()
    ))
}

pub fn restore(store: &Store, restore: &Restore) -> ExitResult {
    let there = store.report()?.size();
    if there > 0 && !restore.yes {
        let question = format!(
            "Replace the {} of {} with those of {}?",
            count(there, "account"),
            store.place().name,
            restore.file.display()
        );
        if !output::confirm(&question, "--yes")? {
            output::say_nothing_is_changed();
            return Ok(NO);
        }
    }
    let restored = store.restore(&restore.file)?;
    warn_of_mode(&restore.file);
    output::print_line(&format!(
        "{} restored; tokens are fetched when they are next needed",
        count(restored, "account")
    ))
}

fn warn_of_mode(backup: &Path) {
    let mode = std::fs::metadata(backup).map(|meta| meta.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o077 != 0) {
        let shown = backup.to_string_lossy();
        output::warning("others may read the backup");
        output::hint(&format!("Close it with `chmod 600 {}`.", quoted(&shown)));
    }
}

/// Fails if the file does not exist, before `restore` creates a store.
pub fn require_file(path: &Path) -> Result<(), Failure> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(()),
        Err(e) => Err(Failure::io(&format!("read {}", path.display()), &e)),
    }
}
