//! The world of the target `server`: a store with accounts of each family, three clients, and a platform on loopback
//! that mints. Every value that must not leak contains a mark, by which it is found.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memchr::memmem;
use wxtoken::tool::{Store, Verb};

/// Part of every secret, ticket and refresh token of the store. It has digits, like real ones, so that the audit leaves
/// it out.
pub const SECRET: &str = "canary-of-a-secret-0123456789";
/// The beginning of every token and ticket, with digits for the same reason. The account's id follows.
pub const MINTED: &str = "canary-of-a-token-0123456789-";

/// An account: its name, kind, id and parent, and its pushed secret.
type Account = (&'static str, &'static str, &'static str, Option<&'static str>, &'static str);

/// A child comes after its parent, and is found in a request before it.
pub const ACCOUNTS: [Account; 8] = [
    ("shop", "official", "wx-shop", None, ""),
    ("other", "official_classic", "wx-other", None, ""),
    ("crm", "work", "ww-crm", None, ""),
    ("platform", "component", "wx-platform", None, "verify_ticket"),
    ("child", "authorizer", "wx-child", Some("platform"), "refresh_token"),
    ("suite", "suite", "ss-suite", None, "suite_ticket"),
    ("corp", "work_authorized", "ww-corp", Some("suite"), ""),
    ("provider", "provider", "ww-provider", None, ""),
];

/// A client: its name, the accounts that it sees, and its rights.
type Client = (&'static str, Option<&'static [&'static str]>, &'static [Verb]);

const CLIENTS: [Client; 3] = [
    ("all", None, &Verb::ALL),
    ("reader", Some(&["shop"]), &[Verb::Get]),
    ("watcher", None, &[Verb::Status, Verb::Reject, Verb::Put]),
];

pub struct World {
    pub store: Arc<Store>,
    /// The keys with their clients.
    keys: Vec<(Client, String)>,
    pub directory: tempfile::TempDir,
}

impl World {
    pub fn new() -> World {
        let platform = format!("http://{}", mint());
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("tokens.db").to_str()).unwrap();
        for option in ["api_base_url", "work_base_url"] {
            store.set(option, &platform).unwrap();
        }
        for (name, kind, id, parent, put) in ACCOUNTS {
            let secret = (kind != "authorizer").then_some(SECRET);
            store.register(name, kind, id, secret).unwrap();
            if parent.is_some() {
                store.put(name, "parent", parent).unwrap();
            }
            if !put.is_empty() {
                store.put(name, put, Some(SECRET)).unwrap();
            }
        }
        for (name, ..) in ACCOUNTS {
            store.get(Some(name)).unwrap();
        }
        let keys = CLIENTS.map(|client| {
            let key = store.add_client(client.0, client.1, client.2).unwrap();
            (client, key.text.to_string())
        });
        World { store: Arc::new(store), keys: keys.into(), directory }
    }

    /// The input with `{all}`, `{token:shop}` and the like replaced by current keys and tokens.
    pub fn filled(&self, input: &[u8]) -> Vec<u8> {
        let mut filled = input.to_vec();
        for ((name, ..), key) in &self.keys {
            filled = replaced(&filled, &format!("{{{name}}}"), || key.clone());
        }
        for (name, ..) in ACCOUNTS {
            filled = replaced(&filled, &format!("{{token:{name}}}"), || {
                let stored = self.store.stored(Some(name)).ok();
                stored.and_then(|stored| stored.token).map_or("none".into(), String::from)
            });
        }
        filled
    }

    /// Fails on an answer with a value that is forbidden for the sender of this request.
    pub fn check(&self, said: &[u8], answer: &[u8]) {
        assert!(!holds(answer, SECRET), "a secret: {}", answer.escape_ascii());
        for (_, key) in &self.keys {
            assert!(!holds(answer, key) || holds(said, key), "a key: {}", answer.escape_ascii());
        }
        for (name, _, id, parent, _) in ACCOUNTS {
            let mark = format!("{MINTED}{id}-");
            let may_get = self.clients_in(said).any(|(_, sees, may)| {
                may.contains(&Verb::Get) && sees.is_none_or(|accounts| accounts.contains(&name))
            });
            // With a token, the platform itself would return a ticket, or the token of a child.
            let has_token = ACCOUNTS.iter().any(|(one, _, id, ..)| {
                (*one == name || Some(*one) == parent) && holds(said, &format!("{MINTED}{id}-"))
            });
            assert!(
                may_get || has_token || !holds(answer, &mark),
                "the token of {name}: {}",
                answer.escape_ascii()
            );
        }
    }

    /// Whether the request contains the key of a client, or a minted token.
    pub fn opens(&self, said: &[u8]) -> bool {
        self.clients_in(said).next().is_some() || holds(said, MINTED)
    }

    fn clients_in(&self, said: &[u8]) -> impl Iterator<Item = Client> {
        let known = self.keys.iter().filter(|(_, key)| holds(said, key));
        known.map(|(client, _)| *client)
    }

    /// Fails on a line of the audit with a value other than the store's names.
    pub fn check_audit(&self, line: &str) {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let client = event["client"].as_str();
        assert!(client.is_none_or(|name| CLIENTS.iter().any(|known| known.0 == name)), "{line}");
        let account = event["account"].as_str().map(|name| name.split('/').next().unwrap());
        assert!(account.is_none_or(|name| ACCOUNTS.iter().any(|known| known.0 == name)), "{line}");
        let credential = event["account"].as_str().and_then(|name| name.split_once('/'));
        let kinds = wxtoken::tool::kinds();
        let mut credentials = kinds.iter().flat_map(|kind| &kind.credentials);
        assert!(credential.is_none_or(|(_, one)| credentials.any(|known| *known == one)), "{line}");
        for hidden in self.keys.iter().map(|(_, key)| key.as_str()).chain([SECRET, MINTED]) {
            assert!(!holds(line.as_bytes(), hidden), "{line}");
        }
        let names = ["time", "client", "address", "verb", "account", "path", "result", "ms"];
        assert!(event.as_object().unwrap().keys().all(|name| names.contains(&&**name)), "{line}");
        let path = event["path"].as_str();
        let is_of_path = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        assert!(path.is_none_or(|path| client.is_some() && path.chars().all(is_of_path)), "{line}");
        let result = event["result"].as_str().unwrap();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || " _-".contains(c);
        assert!(result.len() < 60 && result.chars().all(is_plain), "{line}");
    }
}

pub fn holds(bytes: &[u8], text: &str) -> bool {
    memmem::find(bytes, text.as_bytes()).is_some()
}

fn replaced(bytes: &[u8], what: &str, by: impl Fn() -> String) -> Vec<u8> {
    let mut rest = bytes;
    let mut filled = Vec::new();
    while let Some(at) = memmem::find(rest, what.as_bytes()) {
        filled.extend_from_slice(&rest[..at]);
        filled.extend_from_slice(by().as_bytes());
        rest = &rest[at + what.len()..];
    }
    filled.extend_from_slice(rest);
    filled
}

/// Starts a platform that returns any requested token, marked with the account's id. Returns its address.
fn mint() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = answer(&stream.unwrap());
        }
    });
    address
}

fn answer(mut stream: &TcpStream) -> std::io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut reader = BufReader::new(stream);
    let (mut asked, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        asked += &line;
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    asked += &String::from_utf8_lossy(&body);
    let id = ACCOUNTS.iter().rev().map(|(_, _, id, ..)| *id).find(|id| asked.contains(id));
    let token = format!("{MINTED}{}-{}", id.unwrap_or("nobody"), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut said = serde_json::json!({"errcode": 0, "errmsg": "ok", "expires_in": 7200});
    for field in wxtoken::tool::wechat_calls().iter().map(|call| call.token_field) {
        said[field] = token.as_str().into();
    }
    let said = said.to_string();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{said}",
        said.len()
    )
}
