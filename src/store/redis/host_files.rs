//! Small files of this host next to its lock file, one for each credential, with mode 0600. A host that cannot have
//! them works without.

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::RedisUrl;
use crate::sys;

/// The size limit of a file. No row is as long.
const MOST_BYTES: u64 = 64 * 1024;

pub struct HostFiles {
    /// The path that begins each file's name. The credential's hash follows.
    stem: PathBuf,
}

impl HostFiles {
    /// The files of one sort.
    pub fn of(url: &RedisUrl, sort: &str) -> HostFiles {
        HostFiles::at(
            url.state_directory
                .join(format!("{}.{sort}-", url.file_stem())),
        )
    }

    pub fn at(stem: PathBuf) -> HostFiles {
        HostFiles { stem }
    }

    /// The file of a row key. Its name ends with HASH of `prefix:{row:HASH}`.
    fn file(&self, row_key: &str) -> PathBuf {
        let hash = row_key.rsplit(':').next().unwrap_or_default();
        let hash: String = hash.chars().filter(char::is_ascii_hexdigit).collect();
        let mut name = self.stem.clone().into_os_string();
        name.push(hash);
        name.into()
    }

    pub fn read<T: DeserializeOwned>(&self, row_key: &str) -> Option<T> {
        let path = self.file(row_key);
        let length = std::fs::metadata(&path).ok()?.len();
        let bytes = (length <= MOST_BYTES).then(|| std::fs::read(path).ok())?;
        serde_json::from_slice(&bytes?).ok()
    }

    /// Writes the file completely, or not at all.
    pub fn write(&self, row_key: &str, value: &impl Serialize) {
        let Ok(text) = serde_json::to_vec(value) else {
            return;
        };
        let path = self.file(row_key);
        let new = path.with_added_extension(format!("{}.new", u64::from_ne_bytes(sys::random())));
        let written = sys::create_private(&new).and_then(|file| {
            file.get()?.write_all(&text)?;
            file.get()?.sync_all()
        });
        let placed = written.and_then(|()| std::fs::rename(&new, &path));
        if placed.is_err() {
            let _ = std::fs::remove_file(&new);
        }
    }

    pub fn forget(&self, row_key: &str) {
        let _ = std::fs::remove_file(self.file(row_key));
    }
}
