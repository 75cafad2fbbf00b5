//! Every scripted fault does on the wire what its name says, and mints or does not mint as the manual says.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    io::{ErrorKind, Read, Write},
    time::{Duration, Instant},
};

use common::*;
use serde_json::{Value, json};
use wechat_sim::{Fault, FaultKind, Simulator};

fn struck(sim: &Simulator, fault: Value) -> std::io::Result<Vec<u8>> {
    sim.fault_json(fault).unwrap();
    raw(sim.http(), "GET", CLASSIC, "")
}

fn minted(sim: &Simulator) -> u64 {
    let minted = sim.counters().minted;
    sim.reset();
    minted
}

#[test]
fn a_reset_and_a_close_cut_the_connection_before_or_after_minting() {
    let sim = simulator();
    for (kind, mints) in [("reset_before", 0), ("reset_after", 1)] {
        let error = struck(&sim, json!({"kind": kind})).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{kind}");
        assert_eq!(minted(&sim), mints, "{kind}");
    }
    for (kind, mints) in [("close_before", 0), ("close_after", 1)] {
        assert!(
            struck(&sim, json!({"kind": kind})).unwrap().is_empty(),
            "{kind}"
        );
        assert_eq!(minted(&sim), mints, "{kind}");
    }
}

#[test]
fn a_hang_never_answers_and_a_delay_answers_late() {
    let sim = simulator();
    sim.fault(Fault::new(FaultKind::Hang {}));
    let mut stream = connect(sim.http());
    write!(stream, "GET {CLASSIC} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    until(|| sim.counters().in_flight == 1);
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let error = stream.read(&mut [0; 1]).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{error}"
    );
    assert_eq!(sim.counters().in_flight, 1);
    drop(stream);
    until(|| sim.counters().in_flight == 0);
    let began = Instant::now();
    let reply = struck(&sim, json!({"kind": "delay", "ms": 150})).unwrap();
    assert!(began.elapsed() >= Duration::from_millis(150));
    token(&json(&reply));
    assert_eq!(minted(&sim), 1);
}

#[test]
fn a_client_that_gives_up_during_a_delay_is_no_longer_in_flight() {
    let sim = simulator();
    sim.fault_json(json!({"kind": "delay", "ms": 60_000}))
        .unwrap();
    let mut stream = connect(sim.http());
    write!(stream, "GET {CLASSIC} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    until(|| sim.counters_of(APP).in_flight == 1);
    drop(stream);
    until(|| sim.counters_of(APP).in_flight == 0);
    token(&get(&sim, CLASSIC));
    assert_eq!(sim.counters_of(APP).max_in_flight, 1);
}

#[test]
fn clients_that_die_in_turn_are_counted_as_one_in_flight() {
    let sim = simulator();
    sim.fault_json(json!({"kind": "delay", "ms": 60_000, "times": 0}))
        .unwrap();
    for _ in 0..50 {
        let mut stream = connect(sim.http());
        write!(stream, "GET {CLASSIC} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    }
    until(|| sim.counters_of(APP).requests == 50);
    assert_eq!(sim.counters_of(APP).max_in_flight, 1);
}

#[test]
fn a_drip_is_slow_and_complete() {
    let sim = simulator();
    let reply = struck(
        &sim,
        json!({"kind": "drip", "bytes_per_tick": 50, "tick_ms": 1}),
    )
    .unwrap();
    token(&json(&reply));
    assert_eq!(minted(&sim), 1);
}

#[test]
fn endless_replies_go_on_until_the_client_hangs_up() {
    let sim = simulator();
    let endless = [
        ("endless_headers", 0, 0),
        ("endless_body", 0, 1),
        ("endless_headers", 1, 0),
        ("endless_body", 1, 1),
    ];
    for (kind, tick_ms, mints) in endless {
        sim.fault_json(json!({"kind": kind, "tick_ms": tick_ms}))
            .unwrap();
        let mut stream = connect(sim.http());
        write!(stream, "GET {CLASSIC} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let enough = if tick_ms == 0 { 1_000_000 } else { 1_000 };
        let mut bytes = vec![0; enough];
        stream.read_exact(&mut bytes).unwrap();
        assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n"));
        assert_eq!(
            bytes.windows(4).any(|four| four == b"\r\n\r\n"),
            kind == "endless_body"
        );
        drop(stream);
        assert_eq!(minted(&sim), mints, "{kind}");
    }
    until(|| sim.counters().in_flight == 0);
}

#[test]
fn oversized_replies_have_the_requested_length() {
    let sim = simulator();
    let (head, body) =
        parts(&struck(&sim, json!({"kind": "huge_body", "bytes": 100_000})).unwrap());
    assert!(body.len() > 100_000 && head.contains(&format!("Content-Length: {}", body.len())));
    let (head, body) =
        parts(&struck(&sim, json!({"kind": "huge_header", "bytes": 100_000})).unwrap());
    assert!(head.len() > 100_000);
    token(&serde_json::from_slice(&body).unwrap());
    assert_eq!(minted(&sim), 2);
}

#[test]
fn a_reshaped_json_reply_differs_in_one_way_only() {
    let sim = simulator();
    let body = |fault: Value| parts(&struck(&sim, fault).unwrap()).1;
    let bom = body(json!({"kind": "bom"}));
    assert_eq!(bom[..3], *b"\xef\xbb\xbf");
    token(&serde_json::from_slice(&bom[3..]).unwrap());
    assert!(serde_json::from_slice::<Value>(&body(json!({"kind": "truncated_json"}))).is_err());
    let parsed = |fault: Value| serde_json::from_slice::<Value>(&body(fault)).unwrap();
    assert!(parsed(json!({"kind": "wrong_types"}))["access_token"].is_number());
    for value in [json!(0), json!(-1), json!(1e18), json!("7200"), json!(null)] {
        let reply = parsed(json!({"kind": "expires_in", "value": value}));
        assert_eq!(reply["expires_in"], value);
        token(&reply);
    }
    assert_eq!(
        token(&parsed(json!({"kind": "token", "length": 1023}))).len(),
        1023
    );
    let odd = token(&parsed(json!({"kind": "token", "value": "nul\u{0}inside"})));
    assert_eq!(odd, "nul\u{0}inside");
    assert_eq!(minted(&sim), 10);
    assert_eq!(
        parsed(json!({"kind": "no_token"})),
        json!({"expires_in": 7200})
    );
    assert_eq!(minted(&sim), 0);
}

#[test]
fn a_reply_that_is_not_the_services_mints_nothing() {
    let sim = simulator();
    let text = |fault: Value| String::from_utf8(struck(&sim, fault).unwrap()).unwrap();
    assert!(text(json!({"kind": "html"})).contains("<html>"));
    assert!(
        text(json!({"kind": "empty"})).ends_with("Content-Length: 0\r\nConnection: close\r\n\r\n")
    );
    assert!(
        text(json!({"kind": "status", "code": 503, "body": "busy"})).starts_with("HTTP/1.1 503 ")
    );
    let reply = text(
        json!({"kind": "raw", "status": 418, "headers": {"Content-Length": "9"}, "body": "tea"}),
    );
    assert!(
        reply.starts_with("HTTP/1.1 418 ")
            && reply.contains("Content-Length: 9\r\n")
            && reply.ends_with("tea")
    );
    let reply = text(json!({"kind": "errcode", "errcode": 40243}));
    assert!(
        reply.contains(r#""errcode":40243,"errmsg":"AppSecret is frozen"#),
        "{reply}"
    );
    assert_eq!(sim.counters().errors["40243"], 1);
    assert_eq!(minted(&sim), 0);
    struck(&sim, json!({"kind": "html", "mint": true})).unwrap();
    assert_eq!(minted(&sim), 1, "unless the script says so");
}

#[test]
fn a_followed_redirect_is_recorded_with_its_secret() {
    let sim = simulator();
    let (head, _) = parts(&struck(&sim, json!({"kind": "redirect", "code": 307})).unwrap());
    let location = head
        .lines()
        .find_map(|line| line.strip_prefix("Location: "))
        .unwrap();
    assert!(
        head.starts_with("HTTP/1.1 307 ") && location.contains("secret=s3cret"),
        "{head}"
    );
    assert_eq!(sim.counters().secrets_seen_on_redirect_target, 0);
    let at = location.find("/stolen").unwrap();
    raw(&location[..at], "GET", &location[at..], "").unwrap();
    assert_eq!(sim.counters().secrets_seen_on_redirect_target, 1);
    let head = struck(&sim, json!({"kind": "redirect", "location": "{https}/x"})).unwrap();
    assert!(
        String::from_utf8(head)
            .unwrap()
            .contains(&format!("Location: {}/x\r\n", sim.https()))
    );
}

#[test]
fn faults_apply_in_order_and_only_to_their_target() {
    let sim = simulator();
    sim.fault_json(json!({"kind": "errcode", "errcode": -1, "id": APP, "times": 2}))
        .unwrap();
    sim.fault_json(json!({"kind": "errcode", "errcode": 45009, "path": "/cgi-bin/token"}))
        .unwrap();
    sim.fault_json(
        json!({"kind": "errcode", "errcode": 42001, "path": "/cgi-bin/agent/list", "times": 0}),
    )
    .unwrap();
    let good = token(&get(&sim, WORK));
    assert_eq!(work_verdict(&sim, &good), 42001);
    assert_eq!(work_verdict(&sim, &good), 42001);
    let codes: Vec<_> = (0..4)
        .map(|_| get(&sim, CLASSIC)["errcode"].as_i64())
        .collect();
    assert_eq!(codes, [Some(-1), Some(-1), Some(45009), None]);
    assert_eq!(sim.faults_waiting(), 1);
    sim.clear_faults();
    assert_eq!(work_verdict(&sim, &good), 0);
}
