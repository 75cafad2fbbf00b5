//! Any requests to `wxtoken serve`, as parts or as the bytes of a connection. A caller without a key gets nothing.
//! Neither an answer nor the audit contains a forbidden value.
#![no_main]

#[path = "../server/world.rs"]
mod world;

use std::cell::OnceCell;
use std::net::{IpAddr, Ipv4Addr};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use world::World;
use wxtoken_cli::in_process::{InProcess, Peer};

/// The statuses that docs/server.md lists, and that of the page's redirect to itself.
const STATUSES: [u16; 12] = [200, 204, 303, 400, 401, 403, 404, 405, 429, 502, 503, 504];
/// The statuses of hyper's own answers to a head that it cannot read.
const OF_HEADS: [u16; 3] = [400, 414, 431];
const MOST_REQUESTS: usize = 4;

thread_local! {
    static WORLD: OnceCell<(World, Runtime)> = const { OnceCell::new() };
}

/// A clock that stands still and advances only when nothing else runs, so that a delayed answer costs no time.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // The first byte chooses the caller and the kind of request.
    let [choice, input @ ..] = bytes else { return };
    let peer = match choice >> 1 & 3 {
        0 => Peer::User(33),
        1 => Peer::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ => Peer::Ip(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
    };
    WORLD.with(|world| {
        let (world, runtime) = world.get_or_init(|| (World::new(), runtime()));
        let audit = world.directory.path().join("audit");
        // Each run has its own server, so that no run depends on an earlier one.
        let server = InProcess::start(world.store.clone(), &audit).unwrap();
        let input = world.filled(input);
        match choice & 1 {
            0 => runtime.block_on(by_parts(world, &server, peer, &input)),
            _ => runtime.block_on(by_bytes(world, &server, peer, &input)),
        }
        server.end();
        for line in std::fs::read_to_string(&audit).unwrap().lines() {
            world.check_audit(line);
        }
        std::fs::remove_file(&audit).unwrap();
    });
});

/// Requests separated by NUL: a line with method and target, fields, an empty line, the body.
async fn by_parts(world: &World, server: &InProcess, peer: Peer, input: &[u8]) {
    for text in input.split(|byte| *byte == 0).take(MOST_REQUESTS) {
        let Some(request) = request(text) else { return };
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = server.answer(peer, request).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        check(head.status, &head.headers, &body, method == Method::HEAD);
        world.check(text, &[format!("{:?}", head.headers).as_bytes(), &body].concat());
        assert!(STATUSES.contains(&head.status.as_u16()), "{}", head.status);
        assert_eq!(head.headers[header::CACHE_CONTROL], "no-store");
        if path.starts_with("/v1") && !world.opens(text) {
            assert!(!head.status.is_success(), "{path} without a key");
        }
    }
}

fn request(text: &[u8]) -> Option<Request<Body>> {
    let end = text.windows(2).position(|two| two == b"\n\n").unwrap_or(text.len());
    let body = text.get(end + 2..).unwrap_or_default();
    let mut lines = text[..end].split(|byte| *byte == b'\n');
    let first = lines.next()?;
    let space = first.iter().position(|byte| *byte == b' ')?;
    let mut request = Request::new(Body::from(body.to_vec()));
    *request.method_mut() = Method::from_bytes(&first[..space]).ok()?;
    *request.uri_mut() = Uri::try_from(&first[space + 1..]).ok()?;
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        request.headers_mut().append(name, value);
    }
    Some(request)
}

fn check(status: StatusCode, headers: &HeaderMap, body: &[u8], is_of_head: bool) {
    let content = headers.get(header::CONTENT_TYPE).map_or("", |value| value.to_str().unwrap());
    if content.starts_with("application/json") && !is_of_head {
        let said: serde_json::Value = serde_json::from_slice(body).unwrap();
        assert!(status == StatusCode::OK || said["error"]["status"].is_string(), "{said}");
    }
    assert!(status != StatusCode::NO_CONTENT || body.is_empty());
}

/// A connection on which all of this arrives at once.
async fn by_bytes(world: &World, server: &InProcess, peer: Peer, input: &[u8]) {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let (mut read, mut write) = tokio::io::split(ours);
    let mut said = Vec::new();
    let talk = async {
        // The server may close the connection early.
        let _ = write.write_all(input).await;
        let _ = write.shutdown().await;
        read.read_to_end(&mut said).await.unwrap();
    };
    tokio::join!(server.converse(peer, theirs), talk);
    world.check(input, &said);
    // An answer to HEAD has no body, which the answer alone does not show.
    if !world::holds(input, "HEAD") {
        check_answers(&said);
    }
    if !world.opens(input) {
        assert!(!world::holds(&said, "\"token\":") && !world::holds(&said, "\"expires_in\":"));
    }
}

fn check_answers(mut said: &[u8]) {
    while !said.is_empty() {
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut fields);
        let parsed = head.parse(said).unwrap();
        let httparse::Status::Complete(end) = parsed else {
            panic!("half an answer: {}", said.escape_ascii())
        };
        let status = StatusCode::from_u16(head.code.unwrap()).unwrap();
        let mut headers = HeaderMap::new();
        for field in head.headers.iter() {
            let name = HeaderName::from_bytes(field.name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(field.value).unwrap());
        }
        said = &said[end..];
        if status == StatusCode::CONTINUE {
            continue;
        }
        let length = headers.get(header::CONTENT_LENGTH).map_or(0, |value| value.to_str().unwrap().parse().unwrap());
        let (body, rest) = said.split_at(length);
        said = rest;
        if body.is_empty() && headers.get(header::CACHE_CONTROL).is_none() {
            assert!(OF_HEADS.contains(&status.as_u16()), "{status}");
            continue;
        }
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert!(STATUSES.contains(&status.as_u16()), "{status}");
        check(status, &headers, body, false);
    }
}
