//! The lock file next to the store. It has a byte for each credential and slot, and one for repairs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use ring::digest::{SHA256, digest};

use super::obstacle::remedy;
use super::{Lock, SqliteStore};
use crate::credential::CredentialKey;
use crate::error::{Error, Hint, Result};
use crate::store::LeaderLock;
use crate::sync;
use crate::sys::{self, LockFile, NotGiven, Owner};

/// The path of a store's lock file.
pub fn lock_path(store: &Path) -> PathBuf {
    store.with_added_extension("lock")
}

impl SqliteStore {
    pub(super) fn with_lock_file<T>(
        &self,
        lock: &mut Lock,
        mut work: impl FnMut(&LockFile) -> io::Result<T>,
    ) -> io::Result<T> {
        sys::again_while_lost(|| {
            lock.file.take_if(|file| !file.is_in_place());
            let file = match &mut lock.file {
                Some(file) => file,
                none => none.insert({
                    let owner = Owner::of(&self.path);
                    LockFile::open(&lock_path(&self.path), owner.as_ref())?
                }),
            };
            work(file)
        })
    }

    pub(super) fn try_lock(
        &self,
        key: &CredentialKey,
        slot: i64,
    ) -> Result<Option<LeaderLock<'_>>> {
        let byte = lock_byte(key, slot);
        let mut lock = sync::lock(&self.lock);
        let locked = self
            .with_lock_file(&mut lock, |file| file.try_lock(byte))
            .map_err(|e| {
                if e.kind() == io::ErrorKind::Unsupported {
                    self.lacks_locks.store(true, Ordering::Relaxed);
                }
                if NotGiven::owner_in(&e).is_some() {
                    self.cannot_give_lock.store(true, Ordering::Relaxed);
                }
                let path = lock_path(&self.path);
                let mut why = sys::os_message(&e);
                if path.exists() {
                    why += &format!("; it is {}", sys::describe(&path));
                }
                let directory = sys::describe(path.parent().unwrap_or(Path::new("/")));
                Error::store(format!("cannot use lock file {}", path.display()))
                    .because(format!("{why}; its directory is {directory}"))
                    .hint_if(remedy(&e).map(Hint::Do))
            })?;
        if !locked {
            return Ok(None);
        }
        lock.held += 1;
        let twin = lock.file.as_ref().and_then(LockFile::twin);
        Ok(Some(LeaderLock {
            slot,
            release: Box::new(move || {
                let mut lock = sync::lock(&self.lock);
                lock.held -= 1;
                if let Some(file) = &lock.file {
                    file.unlock(byte);
                }
                if let Some(twin) = &twin {
                    twin.unlock(byte);
                }
            }),
        }))
    }
}

/// The lock byte of a credential's slot. It comes from a hash, so that a rebuilt store locks the same bytes as the
/// one before.
fn lock_byte(key: &CredentialKey, slot: i64) -> i64 {
    let CredentialKey {
        endpoint,
        base_url,
        id,
        discriminator,
    } = key;
    let text = format!("{endpoint}\0{base_url}\0{id}\0{discriminator}");
    let mut first = [0u8; 8];
    first.copy_from_slice(&digest(&SHA256, text.as_bytes()).as_ref()[..8]);
    let base = (i64::from_be_bytes(first) & 0x3fff_ffff_ffff_ff00) | 0x100;
    base + slot
}
