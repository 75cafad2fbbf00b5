//! The pieces of the inside, one by one: `cargo bench --bench inside`.

use divan::Bencher;
use wxtoken::bench_support::{Inside, parse_reply};

/// The size that WeChat's documentation says to reserve for a token.
const TOKEN_BYTES: usize = 512;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match &words[..] {
        [count, piece, times] if count == "count" => run(piece, times.parse().unwrap()),
        _ => divan::main(),
    }
}

/// Runs one piece this many times, for `instructions.py`.
fn run(piece: &str, times: usize) {
    let (_directory, inside) = inside();
    let reply = reply();
    for _ in 0..times {
        match piece {
            "reply_parsed" => parse_reply(divan::black_box(reply.as_bytes())),
            "secret_sealed" => assert!(inside.seal()),
            _ => panic!("no piece {piece} to count"),
        }
    }
}

fn reply() -> String {
    format!(r#"{{"access_token":"{}","expires_in":7200}}"#, token())
}

fn token() -> String {
    "t".repeat(TOKEN_BYTES)
}

fn inside() -> (tempfile::TempDir, Inside) {
    let directory = tempfile::tempdir().unwrap();
    let inside = Inside::new(directory.path(), &token()).unwrap();
    (directory, inside)
}

#[divan::bench]
fn snapshot_read(bencher: Bencher) {
    let (_directory, inside) = inside();
    bencher.bench_local(|| assert!(inside.hit()));
}

#[divan::bench]
fn leader_lock_taken_and_released(bencher: Bencher) {
    let (_directory, inside) = inside();
    bencher.bench_local(|| assert!(inside.lead()));
}

#[divan::bench]
fn row_saved(bencher: Bencher) {
    let (_directory, inside) = inside();
    bencher.bench_local(|| assert!(inside.save()));
}

#[divan::bench]
fn secret_sealed(bencher: Bencher) {
    let (_directory, inside) = inside();
    bencher.bench_local(|| assert!(inside.seal()));
}

/// Three times, once for each kind of account that reads it.
#[divan::bench]
fn reply_parsed(bencher: Bencher) {
    let reply = reply();
    bencher.bench_local(|| parse_reply(divan::black_box(reply.as_bytes())));
}
