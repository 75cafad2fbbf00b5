//! Any bytes in a keeper's mailbox. The keeper reads them, and then the next message.
#![no_main]

#[path = "../common.rs"]
mod common;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex, OnceLock};

use wxtoken::tool::{Keeper, KeeperEvent, Store};

/// The most bytes in the mailbox at once. A FIFO refuses a write beyond its capacity.
const MOST: usize = 32 * 1024;
/// The number of reads that drain this many bytes, since each read takes a limited number of messages.
const LOOKS: usize = MOST / 8 / 256 + 2;

struct Desk {
    store: Store,
    keeper: Keeper,
}

fn desk() -> Desk {
    let directory = tempfile::tempdir().unwrap().keep();
    let path = directory.join("tokens.db");
    std::fs::write(&path, common::sound_store()).unwrap();
    let store = Store::open(path.to_str()).unwrap();
    // No platform is asked for the token.
    store.set("api_base_url", "http://127.0.0.1:1").unwrap();
    let mut keeper = store.keeper(Arc::new(|_: &KeeperEvent| ())).unwrap();
    // It knows the account from now on, and acts on messages about it.
    keeper.pass().unwrap();
    Desk { store, keeper }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    static DESK: OnceLock<Mutex<Desk>> = OnceLock::new();
    let mut desk = DESK.get_or_init(|| Mutex::new(desk())).lock().unwrap();
    let mailbox = desk.store.place().files.unwrap().mailbox;
    let write = |bytes: &[u8]| {
        let options = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(&mailbox);
        options.unwrap().write_all(bytes).unwrap();
    };
    write(&bytes[..bytes.len().min(MOST)]);
    for _ in 0..LOOKS {
        desk.keeper.read_mail();
    }
    write(b"\n{\"want\":\"shop\"}\n");
    assert!(desk.keeper.read_mail(), "a message was not read");
});
