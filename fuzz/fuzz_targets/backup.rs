//! Any bytes as a backup. It is restored, or it is refused with store and file unchanged. Nothing is left behind.
#![no_main]

#[path = "../common.rs"]
mod common;

use std::path::Path;
use std::sync::OnceLock;

use wxtoken::tool::{Status, Store};

/// A store with its key, and a backup of it.
fn sound() -> &'static (tempfile::TempDir, Vec<u8>) {
    static SOUND: OnceLock<(tempfile::TempDir, Vec<u8>)> = OnceLock::new();
    SOUND.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("tokens.db").to_str()).unwrap();
        store.set("timeout_ms", "5000").unwrap();
        store.register("shop", "official", "wx1", Some("secret")).unwrap();
        store.register("platform", "component", "wx2", Some("secret")).unwrap();
        store.put("platform", "verify_ticket", Some("ticket")).unwrap();
        let backup = directory.path().join("backup");
        store.backup(&backup).unwrap();
        let bytes = std::fs::read(backup).unwrap();
        (directory, bytes)
    })
}

fn names(store: &Store) -> Vec<String> {
    let report = store.report().unwrap();
    report.accounts.into_iter().map(|account| account.name).collect()
}

fn files(directory: &Path) -> Vec<std::ffi::OsString> {
    let there = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = there.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (directory, sound) = sound();
    // The first two bytes choose between the bytes as they are and the bytes laid over a sound backup.
    let content = match bytes {
        [0, _, rest @ ..] => rest.to_vec(),
        [high, low, rest @ ..] => {
            let mut content = sound.clone();
            let at = (usize::from(*high) << 8 | usize::from(*low)) % content.len();
            let end = content.len().min(at + rest.len());
            content[at..end].copy_from_slice(&rest[..end - at]);
            content
        }
        short => short.to_vec(),
    };
    let path = directory.path().join("given");
    std::fs::write(&path, &content).unwrap();
    let store = Store::open(directory.path().join("tokens.db").to_str()).unwrap();
    store.set("timeout_ms", "5000").unwrap();
    let before = (names(&store), files(directory.path()));
    match store.restore(&path) {
        Ok(_) => {
            std::fs::write(&path, sound).unwrap();
            store.restore(&path).unwrap();
        }
        Err(error) => {
            assert_ne!(error.status, Status::Internal, "{error}");
            assert_eq!(names(&store), before.0, "refused, but changed");
        }
    }
    assert_eq!(files(directory.path()), before.1, "something is left behind");
});
