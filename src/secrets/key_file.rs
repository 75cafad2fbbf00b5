//! The key file. It is written whole, read when it is needed, and changed so that no secret is ever without its key.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::encode;
use crate::clock::Deadline;
use crate::error::{Error, Hint, Result, Status};
use crate::sys::{self, Distrust, FileId, Lack, NotGiven, OWNER_ONLY, OwnFile, Owner};

pub(super) const KEY_LEN: usize = 32;

/// The time in milliseconds that a reader waits for an empty key file to be filled.
const CLAIM_MS: i64 = 500;

pub(super) type Key = Zeroizing<[u8; KEY_LEN]>;

/// The key file of one store.
#[derive(Clone, Debug)]
pub struct Vault {
    pub(super) path: PathBuf,
    /// The store's path. A new key file belongs to the store's owner.
    store: Option<PathBuf>,
    /// The id of the only store in which a sealed value opens. An empty id stands for any store.
    pub(super) sealing_for: String,
}

impl Vault {
    /// Makes the vault with the key file at `path`, for a store that is not a file.
    pub fn at(path: PathBuf) -> Vault {
        Vault {
            path,
            store: None,
            sealing_for: String::new(),
        }
    }

    /// Returns a vault with the same key, for secrets of the store with this id. None stands for a file or a backup.
    pub fn sealing_for(self, store_id: Option<String>) -> Vault {
        Vault {
            sealing_for: store_id.unwrap_or_default(),
            ..self
        }
    }

    /// Makes the vault with the key file at `path`, for the store at `store`.
    pub fn of_store(path: PathBuf, store: &Path) -> Vault {
        Vault {
            store: Some(store.to_owned()),
            ..Vault::at(path)
        }
    }

    /// Returns the path of the key file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether a value that one of the two vaults seals opens with the other.
    pub fn seals_as(&self, other: &Vault) -> bool {
        self.path == other.path && self.sealing_for == other.sealing_for
    }

    /// Returns whether the key file exists. A key file shows that there was a store.
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Returns whether this process may not read the key. It then leaves fetching to others.
    pub fn is_unreadable(&self) -> bool {
        sys::is_denied(&self.path)
    }

    /// Returns the error of a process that may not read the key.
    pub fn read_error(&self) -> Option<Error> {
        if !self.is_unreadable() {
            return None;
        }
        self.read().err()
    }

    /// Returns the reason why this key is not used for sealing and opening, with advice.
    pub fn why_not_trusted(&self) -> Option<Error> {
        Distrust::of(&self.path).map(|why| self.not_trusted(why))
    }

    /// Returns the error for a key file that another user may have made. That user would know everything sealed with
    /// it.
    fn not_trusted(&self, why: Distrust) -> Error {
        let what = format!("key file {} is not trusted", self.path.display());
        Error::new(Status::Secret, what)
            .because(why.words())
            .advise(why.advice(&self.path))
    }

    /// Reads the keys, the current one first. Returns None if the file does not exist. A change of a store does this
    /// with the fork lock held, and no fork waits for the file.
    pub(super) fn read(&self) -> Result<Option<Vec<Key>>> {
        sys::outside(|| self.read_file())
    }

    fn read_file(&self) -> Result<Option<Vec<Key>>> {
        let unreadable = |why: String| {
            let what = format!("cannot read key file {}", self.path.display());
            Error::new(Status::Secret, what).because(why)
        };
        let mut text = Zeroizing::new(String::new());
        let mut distrust = None;
        let mut look = || {
            sys::again_while_lost(|| {
                sys::require_readable_file(&self.path)?;
                text.clear();
                let own = OwnFile::open_for_reading(&self.path)?;
                distrust = Distrust::of_open(own.get()?, &self.path)?;
                own.get()?.take(4096).read_to_string(&mut text)
            })
        };
        let mut read = look();
        let deadline = Deadline::after(CLAIM_MS);
        // Another process has claimed the name, and is about to write the key.
        while matches!(read, Ok(0)) && !deadline.has_passed() {
            std::thread::sleep(Duration::from_millis(5));
            read = look();
        }
        match read {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                return Err(unreadable(sys::describe(&self.path)).advise(
                    "Only a process that may read the key file fetches tokens and registers accounts.",
                ));
            }
            Err(e) => return Err(unreadable(sys::os_message(&e))),
        }
        if let Some(why) = distrust {
            return Err(self.not_trusted(why));
        }
        let keys: Option<Vec<Key>> = text.trim_ascii().lines().map(decode).collect();
        keys.filter(|keys| !keys.is_empty())
            .map(Some)
            .ok_or_else(|| {
                let again = Hint::RegisterAll { before: None };
                unreadable("it is not 64 hexadecimal digits".into())
                    .hint(again.after("Restore it from a backup, or move it away and"))
            })
    }

    /// Makes a new key. If another process makes one at the same time, both use the same one.
    pub(super) fn create(&self) -> Result<Vec<Key>> {
        sys::outside(|| self.create_file())
    }

    fn create_file(&self) -> Result<Vec<Key>> {
        let keys = vec![new_key()?];
        let place = |draft: &Path| {
            if let Some(owner) = self.store.as_deref().and_then(Owner::of) {
                sys::give(&File::open(draft)?, &owner, OWNER_ONLY)?;
            }
            self.put_in_place(draft)
        };
        match self.publish(&keys, place) {
            Ok(()) => Ok(keys),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => self.read()?.ok_or_else(|| {
                let what = format!("cannot read key file {}", self.path.display());
                Error::new(Status::Secret, what).because("it vanished while it was read")
            }),
            Err(e) => {
                let directory = self.path.parent().unwrap_or(Path::new("/"));
                let what = format!("cannot create key file {}", self.path.display());
                let advice = match NotGiven::owner_in(&e) {
                    Some(owner) => Some(format!("Run this as {owner}.")),
                    None if e.kind() == io::ErrorKind::Unsupported => {
                        Some("Name a path on a local disk by the option key_file.".into())
                    }
                    None => None,
                };
                Err(Error::store(what)
                    .because(format!(
                        "{}; its directory is {}",
                        sys::os_message(&e),
                        sys::describe(directory)
                    ))
                    .hint_if(advice.map(Hint::Do)))
            }
        }
    }

    /// Gives a draft the key's name, unless there is a key. Uses a hard link, or on a file system without hard links a
    /// rename that replaces nothing.
    fn put_in_place(&self, draft: &Path) -> io::Result<()> {
        let Err(no_link) = std::fs::hard_link(draft, &self.path) else {
            return Ok(());
        };
        if !sys::is_unsupported(&no_link) {
            return Err(no_link);
        }
        match sys::rename_new(draft, &self.path) {
            Err(e) if sys::is_unsupported(&e) => self.rename_over_claim(draft),
            done => done,
        }
    }

    /// Gives a draft the key's name on a file system that cannot rename without replacing. An empty file claims the
    /// name first. A reader waits for the key in it.
    fn rename_over_claim(&self, draft: &Path) -> io::Result<()> {
        let claim = sys::create_private(&self.path)?;
        let claimed = FileId::of(&claim.get()?.metadata()?);
        drop(claim);
        if FileId::at(&self.path) != Some(claimed) {
            // The claim was removed, and there may be another key by now.
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        std::fs::rename(draft, &self.path).inspect_err(|_| {
            let _ = std::fs::remove_file(&self.path);
        })
    }

    /// Puts a new key in front of the current one. Both open values from now on. Does nothing if a rotation has begun
    /// before.
    pub fn begin_rotation(&self) -> Result<()> {
        // A new file would replace the link, and the old key would stay in the link's target.
        if let Ok(target) = std::fs::read_link(&self.path) {
            let what = format!("cannot change the key in {}", self.path.display());
            let target = self.path.with_file_name(target);
            return Err(Error::new(Status::Secret, what)
                .because(format!("it is a symbolic link to {}", target.display()))
                .advise("Name that file by the option key_file."));
        }
        match self.read()? {
            Some(mut keys) if keys.len() == 1 => {
                keys.insert(0, new_key()?);
                self.replace(&keys)
            }
            Some(_) => Ok(()),
            None => self.create().map(|_| ()),
        }
    }

    /// Deletes every key but the current one.
    pub fn finish_rotation(&self) -> Result<()> {
        match self.read()? {
            Some(mut keys) if keys.len() > 1 => {
                keys.truncate(1);
                self.replace(&keys)
            }
            _ => Ok(()),
        }
    }

    /// Replaces the keys in the file, which keeps its owner and its mode.
    fn replace(&self, keys: &[Key]) -> Result<()> {
        sys::outside(|| self.replace_file(keys))
    }

    fn replace_file(&self, keys: &[Key]) -> Result<()> {
        use std::os::unix::fs::{MetadataExt, fchown};
        let place = |draft: &Path| {
            let meta = std::fs::metadata(&self.path)?;
            let file = File::open(draft)?;
            let made = file.metadata()?;
            if (made.uid(), made.gid()) != (meta.uid(), meta.gid()) {
                fchown(&file, Some(meta.uid()), Some(meta.gid()))?;
            }
            file.set_permissions(meta.permissions())?;
            std::fs::rename(draft, &self.path)
        };
        self.publish(keys, place).map_err(|e| {
            let what = format!("cannot write key file {}", self.path.display());
            if sys::is_mount_point(&self.path) {
                return Error::new(Status::Secret, what)
                    .because("it is a mount of its own")
                    .advise("Change it where it is mounted from, or mount its directory.");
            }
            Error::new(Status::Secret, what).because(format!(
                "{}; it is {}",
                sys::os_message(&e),
                sys::describe(&self.path)
            ))
        })
    }

    /// Writes keys to a draft, then has it put in place. So a half-written key is never visible under the file's name.
    fn publish(&self, keys: &[Key], place: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
        let _shield = sys::BlockedSignals::new();
        let draft = self.path.with_added_extension(format!(
            "{}.{:016x}.new",
            std::process::id(),
            u64::from_ne_bytes(sys::random())
        ));
        let written = sys::create_private(&draft).and_then(|own| {
            let mut file = own.get()?;
            for key in keys {
                let line = Zeroizing::new(encode(&**key) + "\n");
                file.write_all(line.as_bytes())?;
            }
            let synced = file.sync_all();
            synced.map_err(|e| sys::lacking(Lack::Sync, &self.path, e))?;
            place(&draft)
        });
        let _ = std::fs::remove_file(&draft);
        written?;
        if let Some(directory) = self.path.parent() {
            sys::sync_directory(directory)?;
        }
        Ok(())
    }
}

fn new_key() -> Result<Key> {
    let mut key = Zeroizing::new([0u8; KEY_LEN]);
    SystemRandom::new()
        .fill(&mut *key)
        .map_err(|_| Error::new(Status::Internal, "the system gives no random numbers"))?;
    Ok(key)
}

fn decode(text: &str) -> Option<Key> {
    if text.len() != KEY_LEN * 2 || !text.is_ascii() {
        return None;
    }
    let mut key = Zeroizing::new([0u8; KEY_LEN]);
    for (i, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(key)
}
