//! The process `wxtoken serve`, with real sockets and real clients. The simulator is the platform, and counts fetches.

mod bridge;
mod forward;
mod library;
mod limits;
mod native;
mod openapi;
mod others;
mod page;
mod queries;
mod repeats;
mod rights;
mod several;
mod wechat;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Desk, finished, parsed};
use common::{SECRET, wait_until};

/// Arguments of a server behind a proxy: each call may come from another address, and none from this host.
const BEHIND_A_PROXY: [&str; 4] = [
    "--listen",
    "http://127.0.0.1:0",
    "--trusted-proxy",
    "127.0.0.1",
];

/// A running server, killed on drop.
struct Serving {
    child: Child,
    log: PathBuf,
    audit: PathBuf,
}

impl Serving {
    /// Starts a server on a free port of loopback.
    fn start(desk: &Desk) -> Serving {
        Serving::with(desk, &["--listen", "http://127.0.0.1:0"])
    }

    fn with(desk: &Desk, words: &[&str]) -> Serving {
        Serving::named(desk, "serve", words, |_| {})
    }

    fn named(
        desk: &Desk,
        name: &str,
        words: &[&str],
        change: impl FnOnce(&mut Command),
    ) -> Serving {
        let (log, audit) = (
            desk.path(&format!("{name}.log")),
            desk.path(&format!("{name}.audit")),
        );
        let mut all = vec!["serve", "--audit", audit.to_str().unwrap()];
        all.extend(words);
        if !words.contains(&"--rate") {
            // Tests make calls more often than business servers do.
            all.extend(["--rate", "1000000"]);
        }
        let mut command = desk.command(&all);
        command.stdout(Stdio::null());
        command.stderr(std::fs::File::create(&log).unwrap());
        change(&mut command);
        let serving = Serving {
            child: command.spawn().unwrap(),
            log,
            audit,
        };
        serving.until_it_says("ready: ");
        serving
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    fn audited(&self) -> String {
        std::fs::read_to_string(&self.audit).unwrap_or_default()
    }

    fn until_it_says(&self, text: &str) {
        let patience = || self.said();
        wait_until(&format!("it says {text:?}: {}", patience()), || {
            self.said().contains(text)
        });
    }

    /// The URL of the listener with this scheme.
    fn url(&self, scheme: &str) -> String {
        let said = self.said();
        let mut lines = said
            .lines()
            .filter_map(|line| line.split_once("listening on "));
        let found = lines.find(|(_, url)| url.starts_with(scheme));
        found
            .map(|(_, url)| url.to_owned())
            .unwrap_or_else(|| panic!("no {scheme} in {said}"))
    }

    fn address(&self) -> String {
        self.url("http://").trim_start_matches("http://").to_owned()
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(patience())).unwrap();
        stream
    }

    fn get(&self, path: &str, key: &str) -> Answer {
        ask(&mut self.connect(), "GET", path, &bearer(key), "")
    }

    fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        ask(
            &mut self.connect(),
            "POST",
            path,
            &bearer(key),
            &body.to_string(),
        )
    }

    /// Makes a call of WeChat's, which has no key in its head.
    fn wechat(&self, path: &str) -> Answer {
        ask(&mut self.connect(), "GET", path, "", "")
    }

    fn wechat_post(&self, path: &str, body: &Value) -> Answer {
        ask(&mut self.connect(), "POST", path, "", &body.to_string())
    }

    fn signal(&self, signal: i32) {
        // SAFETY: the child is ours and has not been waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// Ends the server. Returns all that it has written, and asserts that it ended with code 0.
    fn end(mut self) -> String {
        self.signal(libc::SIGTERM);
        assert_eq!(
            self.child.wait().unwrap().code(),
            Some(0),
            "{}",
            self.said()
        );
        self.said() + &self.audited()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The longest time that an answer may take.
fn patience() -> Duration {
    let said = std::env::var("TEST_PATIENCE_S");
    Duration::from_secs(said.map_or(120, |seconds| seconds.parse().unwrap()))
}

/// An answer of the server.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    fn token(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()["token"].as_str().unwrap().to_owned()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }

    /// The status that the error in the body names.
    fn error(&self) -> &'static str {
        let said = self.json();
        let named = said["error"]["status"].as_str().unwrap_or_default();
        let known = [
            "ARGUMENT", "ACCOUNT", "STORE", "SECRET", "NETWORK", "REPLY", "API", "TIMEOUT",
        ];
        let found = known
            .into_iter()
            .find(|one| named == format!("WXTOKEN_E_{one}"));
        found.unwrap_or_else(|| panic!("{self:?}"))
    }

    fn errcode(&self) -> i64 {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()["errcode"]
            .as_i64()
            .unwrap_or_else(|| panic!("{self:?}"))
    }
}

/// The path of WeChat's oldest call, with a key in the place of the secret.
fn classic(id: &str, key: &str) -> String {
    format!("/cgi-bin/token?grant_type=client_credential&appid={id}&secret={key}")
}

fn bearer(key: &str) -> String {
    match key {
        "" => String::new(),
        key => format!("Authorization: Bearer {key}\r\n"),
    }
}

/// Makes one request on a connection that stays open, and returns the answer.
fn ask(
    stream: &mut (impl Read + Write),
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Answer {
    let length = match (method, body) {
        ("GET", "") => String::new(),
        (_, body) => format!("Content-Length: {}\r\n", body.len()),
    };
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: server\r\n{headers}{length}\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
    answer(stream).unwrap_or_else(|read| panic!("{method} {path}: no answer: {read}"))
}

/// Returns the next answer on a connection, or the text that came before the connection ended.
fn answer(stream: &mut impl Read) -> Result<Answer, String> {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => read.push(byte[0]),
            _ => return Err(String::from_utf8_lossy(&read).into_owned()),
        }
    }
    let head = String::from_utf8(read).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer {
        status,
        head,
        body: String::new(),
    };
    let length: usize = answer
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).map_err(|e| e.to_string())?;
    answer.body = String::from_utf8(body).unwrap();
    Ok(answer)
}

impl Desk {
    /// Adds a client with these rights, and returns its key.
    fn client(&self, name: &str, words: &[&str]) -> String {
        let mut all = vec!["client", "add", name];
        all.extend(words);
        let run = self.run(&all);
        assert_eq!(run.code, 0, "{}", run.err);
        run.out.trim_end().to_owned()
    }
}

/// Asserts that the text holds none of these secrets, keys and tokens.
fn has_none_of(written: &str, canaries: &[&str]) {
    for canary in canaries {
        assert!(canary.len() > 8, "a canary that says nothing: {canary}");
        assert!(!written.contains(canary), "{canary} is in {written}");
    }
}
