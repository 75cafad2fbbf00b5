//! Tells whether accounts may be put into a store. They may not if a stranger has made one of its files, or may
//! change it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::SqliteStore;
use super::error::SqliteError;
use super::leader_lock::lock_path;
use super::obstacle::journal_path;
use crate::error::Error;
use crate::sys::Distrust;

impl SqliteStore {
    /// The reason why no secret is put into this store, with the remedy.
    pub(super) fn distrust(&self) -> Option<Error> {
        let of_store = Distrust::of(&self.path).map(|why| {
            let what = format!("store {} is not trusted with accounts", self.path.display());
            Error::store(what)
                .because(why.words())
                .advise(why.advice(&self.path))
        });
        of_store.or_else(|| planted(&self.path, &lock_path(&self.path)))
    }

    /// Fails if a stranger has left a journal, because SQLite would write its contents into the store.
    pub(super) fn require_own_journal(&self, store: Option<&Metadata>) -> Result<(), SqliteError> {
        let journal = journal_path(&self.path);
        let Ok(there) = std::fs::symlink_metadata(&journal) else {
            return Ok(());
        };
        if store.is_some_and(|store| store.uid() == there.uid()) {
            return Ok(());
        }
        planted(&self.path, &journal).map_or(Ok(()), |why| Err(SqliteError::Failed(why)))
    }
}

/// The error for a lock or journal that a stranger has made. Its mode does not endanger a secret, but its maker does.
fn planted(store: &Path, beside: &Path) -> Option<Error> {
    let why = Distrust::of(beside).filter(|why| matches!(why, Distrust::Planted(_)))?;
    let what = format!("store {} is not trusted with accounts", store.display());
    Some(
        Error::store(what)
            .because(format!("{}: {}", beside.display(), why.words()))
            .advise(why.advice(beside)),
    )
}
