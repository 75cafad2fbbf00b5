//! Helpers for the stories: a raw HTTP client over its own socket, and the endpoints of the demo accounts.
#![allow(dead_code, clippy::unwrap_used)]

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::Value;
use wechat_sim::{AccountSpec, Kind, Options, Simulator};

pub const APP: &str = "wxtest";
pub const CORP: &str = "wwtest";
pub const CLASSIC: &str = "/cgi-bin/token?grant_type=client_credential&appid=wxtest&secret=s3cret";
pub const WORK: &str = "/cgi-bin/gettoken?corpid=wwtest&corpsecret=c0rpsecret";

/// A simulator with one official account and one WeCom app.
pub fn simulator() -> Simulator {
    let accounts = vec![
        AccountSpec::new(Kind::Official, APP, "s3cret"),
        AccountSpec::new(Kind::Work, CORP, "c0rpsecret"),
    ];
    Simulator::start(Options {
        accounts,
        ..Options::default()
    })
    .unwrap()
}

/// Connects to a base URL.
pub fn connect(base: &str) -> TcpStream {
    let stream = TcpStream::connect(base.split_once("://").unwrap().1).unwrap();
    // Far beyond any wait in a test, so that only a real hang reaches it.
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

/// Sends a request and reads to the end of the connection. Returns the bytes, or how the connection broke.
pub fn raw(base: &str, method: &str, target: &str, body: &str) -> io::Result<Vec<u8>> {
    let mut stream = connect(base);
    let length = body.len();
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Splits a reply into its head and body.
pub fn parts(bytes: &[u8]) -> (String, Vec<u8>) {
    let at = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a whole head");
    (
        String::from_utf8(bytes[..at].to_vec()).unwrap(),
        bytes[at + 4..].to_vec(),
    )
}

pub fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(&parts(bytes).1).unwrap()
}

pub fn get(sim: &Simulator, target: &str) -> Value {
    json(&raw(sim.http(), "GET", target, "").unwrap())
}

pub fn stable(sim: &Simulator, force: bool) -> Value {
    let body = format!(
        r#"{{"grant_type":"client_credential","appid":"wxtest","secret":"s3cret","force_refresh":{force}}}"#
    );
    json(&raw(sim.http(), "POST", "/cgi-bin/stable_token", &body).unwrap())
}

/// The token in a reply.
pub fn token(reply: &Value) -> String {
    reply["access_token"]
        .as_str()
        .unwrap_or_else(|| panic!("no token in {reply}"))
        .to_owned()
}

/// The errcode of an official account's business endpoint for a token; 0 if it accepts it.
pub fn verdict(sim: &Simulator, token: &str) -> i64 {
    get(sim, &format!("/cgi-bin/getcallbackip?access_token={token}"))["errcode"]
        .as_i64()
        .unwrap_or(0)
}

/// The errcode of WeCom's business endpoint for a token; 0 if it accepts it.
pub fn work_verdict(sim: &Simulator, token: &str) -> i64 {
    get(sim, &format!("/cgi-bin/agent/list?access_token={token}"))["errcode"]
        .as_i64()
        .unwrap()
}

/// Waits for an effect of another thread.
pub fn until(done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(20), "it never came");
        std::thread::yield_now();
    }
}

/// Posts JSON to an endpoint.
pub fn post(sim: &Simulator, target: &str, body: Value) -> Value {
    json(&raw(sim.http(), "POST", target, &body.to_string()).unwrap())
}

/// A text field of a reply.
pub fn text(reply: &Value, name: &str) -> String {
    reply[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {reply}"))
        .to_owned()
}

/// The errcode of a reply; 0 if it has none.
pub fn errcode(reply: &Value) -> i64 {
    reply["errcode"].as_i64().unwrap_or(0)
}
