//! The leader locks of one host, in a lock file in the state directory. A leader that is killed is replaced as soon
//! as the system frees its lock. A leader that dies with its host is replaced when its lease ends.
//!
//! A slot names its lock file: its low bits are the number of the lock byte, and the bits above are a mark of this
//! host and file. So a process on another host never takes a free lock of its own for that of a dead leader.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use ring::digest::{SHA256, digest};

use crate::clock::{Deadline, jitter};
use crate::error::Result;
use crate::store::{LeaderLock, RedisUrl};
use crate::sync::{Mutex, lock};
use crate::sys::{self, LockFile};

/// The number of lock bytes of one credential, as `client::lead` counts them.
const SLOTS: i64 = 16;
/// The time in ms, from and to, between two checks of a leader's lock on this host.
const LOCK_LOOK_MS: (u64, u64) = (2, 8);
/// The time in ms, from and to, until a waiter looks at the server again.
const SERVER_LOOK_MS: (u64, u64) = (10, 100);

/// The lock file with its mark, and the number of its bytes that this process holds.
#[derive(Default)]
struct Open {
    file: Option<(LockFile, i64)>,
    held: usize,
}

pub struct HostLock {
    path: PathBuf,
    open: Mutex<Open>,
    /// The mark of this process where no lock file can be had.
    own_mark: i64,
}

impl HostLock {
    pub fn of(url: &RedisUrl) -> HostLock {
        // A host without this directory has no lock file, and the lease alone excludes others.
        let _ = sys::create_private_directory(&url.state_directory);
        HostLock::at(url.state_directory.join(url.file_stem() + ".lock"))
    }

    pub fn at(path: PathBuf) -> HostLock {
        HostLock {
            path,
            open: Mutex::default(),
            own_mark: mark(&sys::random()),
        }
    }

    /// Takes a credential's lock. Without a lock file every process of this host gets one, and the lease alone
    /// excludes.
    pub fn try_lead(&self, row_key: &str, slot: i64) -> Result<Option<LeaderLock<'_>>> {
        let slot = slot.rem_euclid(SLOTS);
        let byte = lock_byte(row_key, slot);
        let Some((is_ours, mark)) = self.try_lock(byte) else {
            return Ok(Some(LeaderLock {
                slot: self.own_mark | slot,
                release: Box::new(|| {}),
            }));
        };
        if !is_ours {
            return Ok(None);
        }
        let twin = lock(&self.open)
            .file
            .as_ref()
            .and_then(|(file, _)| file.twin());
        Ok(Some(LeaderLock {
            slot: mark | slot,
            release: Box::new(move || {
                self.unlock(byte);
                if let Some(twin) = &twin {
                    twin.unlock(byte);
                }
            }),
        }))
    }

    /// Tries the lock. Returns whether it was free and the file's mark, or None without a lock file.
    fn try_lock(&self, byte: i64) -> Option<(bool, i64)> {
        let mut open = lock(&self.open);
        open.file.take_if(|(file, _)| !file.is_in_place());
        if open.file.is_none() {
            let opened = LockFile::open(&self.path, None).ok()?;
            open.file = Some((opened, self.mark_of_file()?));
        }
        let (file, mark) = open.file.as_ref()?;
        let (is_ours, mark) = (file.try_lock(byte).ok()?, *mark);
        open.held += usize::from(is_ours);
        Some((is_ours, mark))
    }

    fn unlock(&self, byte: i64) {
        let mut open = lock(&self.open);
        open.held -= 1;
        if let Some((file, _)) = &open.file {
            file.unlock(byte);
        }
    }

    /// A mark of this boot of the host and of the lock file.
    fn mark_of_file(&self) -> Option<i64> {
        let boot = sys::boot_id();
        if boot.is_empty() {
            return Some(self.own_mark);
        }
        let meta = std::fs::metadata(&self.path).ok()?;
        let text = format!("{boot}\0{}\0{}", meta.dev(), meta.ino());
        Some(mark(text.as_bytes()))
    }

    /// Waits a moment for a leader. Returns when its lock on this host is free, or when it is time to look at the
    /// server.
    pub fn await_leader(&self, row_key: &str, slot: i64, by: &Deadline, doing: &str) -> Result<()> {
        let (from, to) = SERVER_LOOK_MS;
        let look = Deadline::after(
            (from + jitter() % (to - from + 1))
                .try_into()
                .unwrap_or(100),
        );
        let byte = lock_byte(row_key, slot.rem_euclid(SLOTS));
        loop {
            by.pause(LOCK_LOOK_MS.0, LOCK_LOOK_MS.1, doing)?;
            if look.has_passed() {
                return Ok(());
            }
            match self.try_lock(byte) {
                Some((is_free, mark)) => {
                    if is_free {
                        self.unlock(byte);
                    }
                    if is_free && slot == mark | slot.rem_euclid(SLOTS) {
                        return Ok(());
                    }
                }
                None => std::thread::sleep(look.left().min(by.left()).max(Duration::ZERO)),
            }
        }
    }

    pub fn close_idle(&self) {
        let mut open = lock(&self.open);
        if open.held == 0 {
            open.file = None;
        }
    }
}

/// A positive number whose low four bits are left for the slot.
fn mark(of: &[u8]) -> i64 {
    first_number(of) & 0x7fff_ffff_ffff_fff0
}

/// The lock byte of a credential's slot. It comes from a hash, so that a rebuilt store locks the same bytes.
fn lock_byte(row_key: &str, slot: i64) -> i64 {
    ((first_number(row_key.as_bytes()) & 0x3fff_ffff_ffff_ff00) | 0x100) + slot
}

fn first_number(of: &[u8]) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&digest(&SHA256, of).as_ref()[..8]);
    i64::from_be_bytes(first)
}
