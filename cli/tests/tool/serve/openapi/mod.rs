//! docs/server.openapi.yaml, compared with a running server: each answer that it describes occurs, and no other does.

mod description;
mod judge;

use std::collections::BTreeSet;

use super::*;
use description::Description;
use judge::{ALL_RIGHTS, CALLS, Judge};

#[test]
fn every_answer_that_is_described_comes_and_no_other() {
    let judge = Judge::new();
    right_calls_are_done(&judge);
    wrong_calls_are_refused(&judge);
    a_client_that_calls_too_often_waits(&judge);
    a_platform_fails(&judge);
    a_body_does_not_come(&judge);
    the_store_is_away(&judge);
    let described = judge.page.answers();
    let seen = judge.seen.into_inner().unwrap();
    let unseen: Vec<_> = described.difference(&seen).collect();
    assert!(unseen.is_empty(), "described, and never seen: {unseen:?}");
}

fn with_a_platform() -> Desk {
    let desk = Desk::with_shop();
    desk.world.add("component", "wxc", json!({}));
    desk.register("platform", "component", "wxc");
    desk
}

fn right_calls_are_done(judge: &Judge) {
    let desk = with_a_platform();
    let key = desk.client("web", &ALL_RIGHTS);
    let serving = Serving::with(&desk, &BEHIND_A_PROXY);
    let unready = judge.call(&serving, ("GET", "/readyz"), "/readyz", "", "");
    assert_eq!(unready.status, 503, "the platform has no ticket yet");
    judge.all_answer(&serving, &key, |path| {
        let has_no_answer = path.starts_with("/v1/reject") || path.starts_with("/v1/put");
        Some(if has_no_answer { 204 } else { 200 })
    });
    let (ticket, _) = desk.world.sim.push("wxc", 0).unwrap();
    let body = json!({ "value": ticket }).to_string();
    let headers = judge.at_a_new_address(&key);
    judge.call(
        &serving,
        ("PUT", "/v1/put/{account}/{field}"),
        "/v1/put/platform/verify_ticket",
        &headers,
        &body,
    );
    wait_until("every account has a token", || {
        let ready = judge.call(&serving, ("GET", "/readyz"), "/readyz", "", "");
        ready.status == 200
    });
    judge.call(&serving, ("GET", "/healthz"), "/healthz", "", "");
    assert_eq!(desk.world.sim.counters_of("wx1").minted, 2);
}

fn wrong_calls_are_refused(judge: &Judge) {
    let desk = with_a_platform();
    desk.register("other", "official", "wx2");
    let blind = desk.client(
        "blind",
        &["--accounts", "other", "--allow", "get,reject,put"],
    );
    let (getter, watcher) = (
        desk.client("getter", &["--allow", "get"]),
        desk.client("watcher", &["--allow", "status"]),
    );
    let serving = Serving::with(&desk, &BEHIND_A_PROXY);
    judge.all_answer(&serving, "", |_| Some(401));
    judge.all_answer(&serving, "wxk_wrong", |_| Some(401));
    // A right is missing: the watcher may not get, and the getter may do nothing else.
    let is_got = |path: &str| path.starts_with("/v1/token") || path.starts_with("/v1/account");
    judge.all_answer(&serving, &watcher, |path| is_got(path).then_some(403));
    judge.all_answer(&serving, &getter, |path| (!is_got(path)).then_some(403));
    judge.all_answer(&serving, &blind, |path| {
        let names_one = path.contains("{account}");
        names_one.then_some(404)
    });
    let of_many = desk.client(
        "of-many",
        &["--accounts", "other,platform", "--allow", "get,reject"],
    );
    judge.all_answer(&serving, &of_many, |path| {
        ["/v1/token", "/v1/reject"].contains(&path).then_some(404)
    });
    // The proxy does not name the client.
    for (method, path, target, body) in CALLS {
        let headers = format!("{}X-Forwarded-For: nobody\r\n", bearer(&getter));
        let answer = judge.call(&serving, (method, path), target, &headers, body);
        assert_eq!(answer.status, 400, "{target}");
    }
    let all = desk.client("all", &ALL_RIGHTS);
    for (method, path, target, body) in [
        (
            "GET",
            "/v1/token/{account}/{credential}",
            "/v1/token/shop/nothing",
            "",
        ),
        ("POST", "/v1/reject/{account}", "/v1/reject/shop", "{}"),
        ("POST", "/v1/reject/{account}", "/v1/reject/shop", "token"),
        (
            "PUT",
            "/v1/put/{account}/{field}",
            "/v1/put/platform/current",
            r#"{"value":"x"}"#,
        ),
    ] {
        let headers = judge.at_a_new_address(&all);
        let answer = judge.call(&serving, (method, path), target, &headers, body);
        assert_eq!(answer.status, 400, "{target}");
    }
}

fn a_client_that_calls_too_often_waits(judge: &Judge) {
    let desk = with_a_platform();
    let key = desk.client("eager", &ALL_RIGHTS);
    let mut words = BEHIND_A_PROXY.to_vec();
    words.extend(["--rate", "1"]);
    let serving = Serving::with(&desk, &words);
    for (method, path, target, body) in CALLS {
        let headers = format!("{}X-Forwarded-For: 203.0.113.1\r\n", bearer(&key));
        wait_until("the client has called too often", || {
            let answer = judge.call(&serving, (method, path), target, &headers, body);
            answer.status == 429
        });
    }
}

fn a_platform_fails(judge: &Judge) {
    let desk = with_a_platform();
    let of_shop = desk.client("of-shop", &["--accounts", "shop"]);
    let of_platform = desk.client("of-platform", &["--accounts", "platform"]);
    let tokens = |serving: &Serving, key: &str, account: &str, expected: u16| {
        for (path, target) in [
            ("/v1/token", "/v1/token".to_owned()),
            ("/v1/token/{account}", format!("/v1/token/{account}")),
        ] {
            let answer = judge.call(serving, ("GET", path), &target, &bearer(key), "");
            assert_eq!(answer.status, expected, "{answer:?}");
        }
    };
    desk.world
        .fault(json!({"id": "wx1", "kind": "errcode", "errcode": 40164, "times": 0}));
    let serving = Serving::start(&desk);
    tokens(&serving, &of_shop, "shop", 502);
    tokens(&serving, &of_platform, "platform", 503);
    let of_ticket = ("GET", "/v1/token/{account}/{credential}");
    let ticket = "/v1/token/shop/jsapi_ticket";
    let answer = judge.call(&serving, of_ticket, ticket, &bearer(&of_shop), "");
    assert_eq!(answer.status, 502);
    drop(serving);

    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    desk.world
        .fault(json!({"id": "wx1", "kind": "hang", "times": 0}));
    let serving = Serving::named(&desk, "late", &["--listen", "http://127.0.0.1:0"], |one| {
        one.env("WXTOKEN_TIMEOUT_MS", "300");
    });
    tokens(&serving, &key, "shop", 504);
    let answer = judge.call(&serving, of_ticket, ticket, &bearer(&key), "");
    assert_eq!(answer.status, 504);
}

fn a_body_does_not_come(judge: &Judge) {
    let desk = with_a_platform();
    let key = desk.client("web", &ALL_RIGHTS);
    let serving = Serving::start(&desk);
    std::thread::scope(|scope| {
        for (method, path, target, body) in CALLS {
            if body.is_empty() {
                continue;
            }
            let (serving, key) = (&serving, &key);
            scope.spawn(move || {
                let headers = format!("{}Content-Length: 10\r\n", bearer(key));
                let mut stream = serving.connect();
                let head = format!("{method} {target} HTTP/1.1\r\nHost: server\r\n{headers}\r\n");
                stream.write_all(head.as_bytes()).unwrap();
                let answer = answer(&mut stream).unwrap();
                let operation = (method.to_owned(), path.to_owned());
                judge.page.judge(&operation, &answer);
                assert_eq!(answer.status, 504);
                judge.seen.lock().unwrap().insert((operation, 504));
            });
        }
    });
}

fn the_store_is_away(judge: &Judge) {
    let desk = Desk::on_redis();
    let key = desk.client("web", &ALL_RIGHTS);
    let serving = Serving::with(&desk, &BEHIND_A_PROXY);
    // No client has called yet, so the server knows neither clients nor tokens.
    desk.world.server().freeze();
    judge.all_answer(&serving, &key, |_| Some(503));
    let unready = judge.call(&serving, ("GET", "/readyz"), "/readyz", "", "");
    assert_eq!(unready.body, "the store cannot be read\n");
    desk.world.server().thaw();
}

/// The calls of WeChat and the page are left out. They are not part of the native API.
#[test]
fn the_description_has_every_call_of_the_router() {
    let source = include_str!("../../../../src/commands/serve/router.rs");
    let source: String = source.split_whitespace().collect();
    let mut routed = BTreeSet::new();
    for route in source.split(".route(\"").skip(1) {
        let (path, answered) = route.split_once("\",").unwrap();
        let (method, by) = answered.split_once('(').unwrap();
        if by.starts_with("native::") || by.starts_with("health::") {
            routed.insert((method.to_uppercase(), path.to_owned()));
        }
    }
    assert!(routed.len() >= 12, "{routed:?}");
    assert_eq!(routed, Description::read().operations());
}

#[test]
fn the_examples_of_the_description_are_right_and_hold_no_secret() {
    let page = Description::read();
    assert!(page.judge_examples() >= 10);
    for string in page.strings() {
        let words = string.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
        for word in words.filter(|word| *word != "wx0123456789abcdef") {
            let is_random = word.len() >= 16
                && word.contains(|c: char| c.is_ascii_digit())
                && word.contains(|c: char| c.is_ascii_alphabetic());
            assert!(!is_random, "{word} looks like a secret");
        }
    }
}
