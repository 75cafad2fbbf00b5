//! Any bytes as a proxy's answers, to CONNECT and in SOCKS5. The result is a failure of the proxy, without its
//! password.
#![no_main]

#[path = "../common.rs"]
mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use wxtoken::tool::Store;

const HOST: &str = "https://127.0.0.1:1";
const PASSWORD: &str = "pass-the-word";
static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Reads some bytes, sends the answer, and closes in order.
fn serve(listener: &TcpListener) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let mut buffer = [0; 4096];
        let _ = stream.read(&mut buffer);
        let answer = ANSWER.lock().unwrap().clone();
        let _ = stream.write_all(&answer);
        let _ = stream.shutdown(Shutdown::Write);
        while matches!(stream.read(&mut buffer), Ok(1..)) {}
    }
}

fn stores() -> &'static [Store] {
    static STORES: OnceLock<Vec<Store>> = OnceLock::new();
    STORES.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || serve(&listener));
        let directory = tempfile::tempdir().unwrap().keep();
        let path = directory.join("tokens.db");
        let urls = ["http", "socks5", "socks5h"].iter().flat_map(|scheme| {
            [format!("{scheme}://{address}"), format!("{scheme}://me:{PASSWORD}@{address}")]
        });
        urls.map(|url| {
            let store = Store::open(path.to_str()).unwrap();
            store.set("api_base_url", HOST).unwrap();
            store.set("proxy", &url).unwrap();
            store.set("timeout_ms", "5000").unwrap();
            store
        })
        .collect()
    })
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [choice, answer @ ..] = bytes else { return };
    *ANSWER.lock().unwrap() = answer.to_vec();
    let stores = stores();
    let store = &stores[usize::from(*choice) % stores.len()];
    let probe = store.probe(HOST).unwrap();
    let said = probe.no_answer.expect("no host is behind the proxy");
    assert!(!said.contains(PASSWORD), "{said}");
    assert!(!said.contains(|c: char| c.is_control()), "{said:?}");
});
