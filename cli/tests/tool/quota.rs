//! `wxtoken quota`: the calls left today, and clearing the day's counts.

use std::io::{Read, Write};
use std::net::TcpStream;

use common::{SECRET, World};
use serde_json::{Value, json};

use super::terminal::Terminal;
use super::{Desk, Run, parsed};

pub const SEND: &str = "/cgi-bin/message/custom/send";
/// A secret that is not the account's. Only the name of its field shows that it is a secret.
const USERS_KEY: &str = "session-key-of-a-user";
const COUNTS: &str = "/cgi-bin/openapi/quota/get";
const CLEAR: &str = "/cgi-bin/clear_quota/v2";
const CLEAR_OF_COMPONENT: &str = "/cgi-bin/component/clear_quota/v2";

fn post(world: &World, target: &str, body: &Value) -> Value {
    let address = world.sim.http().strip_prefix("http://").unwrap();
    let (mut stream, body) = (TcpStream::connect(address).unwrap(), body.to_string());
    let length = body.len();
    write!(
        stream,
        "POST {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    parsed(reply.split_once("\r\n\r\n").unwrap().1)
}

pub fn token(desk: &Desk, name: &str) -> String {
    desk.done(&["get", name]).trim_end().to_owned()
}

/// Makes a business call with this token, and with secrets in a body that no program should send.
pub fn send(desk: &Desk, token: &str) -> Value {
    let nested = format!(r#"{{"access_token":"{token}"}}"#);
    let body = json!({"touser": "o1", "appsecret": SECRET, "session_key": USERS_KEY, "x": token, "nested": nested});
    post(
        &desk.world,
        &format!("{SEND}?access_token={token}&a=1"),
        &body,
    )
}

pub fn calls(desk: &Desk, path: &str) -> u64 {
    let counters = desk.world.sim.counters();
    counters.by_path.get(path).copied().unwrap_or_default()
}

/// Returns the words in the row of this path.
fn row<'a>(table: &'a str, path: &str) -> Vec<&'a str> {
    let mut lines = table.lines().map(|line| line.split_whitespace());
    let found = lines.find(|words| words.clone().next() == Some(path));
    found.unwrap_or_else(|| panic!("{path}: {table}")).collect()
}

pub fn expect_no_secret(run: &Run, token: &str) {
    for said in [&run.out, &run.err] {
        for secret in [token, SECRET, USERS_KEY] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

fn component(desk: &Desk) {
    desk.world.add("component", "wxc", json!({}));
    let child = json!({"parent": "wxc", "secret": "refreshtoken@@@of-the-authorizer"});
    desk.world.add("authorizer", "wxa", child);
    desk.register("platform", "component", "wxc");
    let (ticket, _) = desk.world.sim.push("wxc", 0).unwrap();
    let put = desk.run_with(&["put", "platform", "verify_ticket"], &ticket);
    assert_eq!(put.code, 0, "{}", put.err);
    desk.register_authorizer("merchant", "wxa");
    let put = desk.run_with(
        &["put", "merchant", "refresh_token"],
        "refreshtoken@@@of-the-authorizer",
    );
    assert_eq!(put.code, 0, "{}", put.err);
}

#[test]
fn the_calls_left_today_are_shown_in_a_table() {
    let desk = Desk::with_shop();
    desk.world
        .add("official", "wx1", json!({"business_quota": 50}));
    let token = token(&desk, "shop");
    for _ in 0..2 {
        assert_eq!(send(&desk, &token)["errcode"], 0);
    }
    let table = desk.done(&["quota", "shop"]);
    assert_eq!(row(&table, "API"), ["API", "USED", "LIMIT", "LEFT", "RATE"]);
    let stable = [
        "/cgi-bin/stable_token",
        "1",
        "500000",
        "499999",
        "10000/min",
    ];
    assert_eq!(row(&table, stable[0]), stable);
    assert_eq!(row(&table, SEND), [SEND, "2", "50", "48"]);
    row(&table, "/cgi-bin/ticket/getticket");
    let said = parsed(&desk.done(&["quota", "shop", SEND, "--json"]));
    let api = json!({"path": SEND, "daily_limit": 50, "used": 2, "remain": 48,
                     "rate_limit": null, "component_rate_limit": null});
    assert_eq!(said, json!({"name": "shop", "apis": [api]}));
    // No other token was fetched.
    assert_eq!(desk.world.minted(), 1);
}

#[test]
fn a_store_in_redis_has_the_same_counts() {
    let desk = Desk::on_redis();
    let table = desk.done(&["quota", "shop", "/cgi-bin/stable_token"]);
    assert_eq!(row(&table, "/cgi-bin/stable_token")[1], "1");
}

#[test]
fn an_uncounted_api_is_reported_and_a_path_is_checked_before_any_request() {
    let desk = Desk::with_shop();
    for (path, errcode) in [
        ("/cgi-bin/nothing", "76021"),
        ("/cgi-bin/component/api_component_token", "76022"),
    ] {
        let run = desk.run(&["quota", "shop", path, SEND]);
        assert_eq!(run.code, 1, "{}", run.err);
        assert!(
            row(&run.out, path).join(" ").contains(errcode),
            "{}",
            run.out
        );
        assert_eq!(row(&run.out, SEND)[1], "0");
        let said = parsed(&desk.run(&["quota", "shop", path, "--json"]).out);
        assert_eq!(said["apis"][0]["errcode"].to_string(), errcode);
    }
    let before = calls(&desk, COUNTS);
    let url = "https://api.weixin.qq.com/cgi-bin/token?secret=0123456789";
    for path in ["cgi-bin/token", url, "/cgi-bin/token?a=1", "/接口"] {
        let run = desk.run(&["quota", "shop", SEND, path]);
        assert_eq!(run.code, 11, "{path}");
        assert!(run.err.contains("hint: Leave out the host"), "{}", run.err);
        assert!(!run.err.contains("0123456789"), "{}", run.err);
    }
    assert_eq!(calls(&desk, COUNTS), before);
}

#[test]
fn a_token_that_is_refused_is_replaced_once() {
    let desk = Desk::with_shop();
    let token = token(&desk, "shop");
    desk.world.sim.revoke("wx1");
    let table = desk.done(&["quota", "shop", SEND]);
    assert_eq!(row(&table, SEND)[1], "0");
    assert_eq!((calls(&desk, COUNTS), desk.world.minted()), (2, 2));
    assert!(!desk.world.accepts(&token));
    // A call that is refused again is not made a third time.
    desk.world
        .fault(json!({"path": COUNTS, "kind": "errcode", "errcode": 40001, "times": 0}));
    let run = desk.run(&["quota", "shop", SEND]);
    assert_eq!(run.code, 17);
    assert!(run.err.contains("errcode 40001"), "{}", run.err);
    assert!(calls(&desk, COUNTS) <= 4);
    expect_no_secret(&run, &self::token(&desk, "shop"));
}

#[test]
fn the_counts_are_cleared_only_after_a_yes() {
    let desk = Desk::with_shop();
    let token = token(&desk, "shop");
    send(&desk, &token);
    let unasked = desk.run(&["quota", "shop", "--clear"]);
    assert_eq!(unasked.code, 2);
    assert!(unasked.err.contains("--yes"), "{}", unasked.err);
    let mut no = Terminal::run(desk.command(&["quota", "shop", "--clear"]), 80, 24);
    no.wait_for("[y/N]");
    assert!(
        no.shown().contains("one of the ten clears"),
        "{}",
        no.shown()
    );
    no.type_in("\n");
    let (shown, code) = no.finish();
    assert_eq!(code, Some(1));
    assert!(shown.contains("nothing is changed"), "{shown}");
    assert_eq!(calls(&desk, CLEAR), 0);
    let mut yes = Terminal::run(desk.command(&["quota", "shop", "--clear"]), 80, 24);
    yes.wait_for("[y/N]");
    yes.type_in("y\n");
    let (shown, code) = yes.finish();
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(calls(&desk, CLEAR), 1);
    let table = desk.done(&["quota", "shop"]);
    assert_eq!(row(&table, SEND)[1], "0");
    assert_eq!(row(&table, "/cgi-bin/stable_token")[1], "0");
}

#[test]
fn the_eleventh_clear_of_a_month_says_when_the_next_is_possible() {
    let desk = Desk::with_shop();
    for _ in 0..10 {
        desk.done(&["quota", "shop", "--clear", "--yes"]);
    }
    let run = desk.run(&["quota", "shop", "--clear", "--yes"]);
    assert_eq!(run.code, 17);
    assert!(run.err.contains("errcode 48006"), "{}", run.err);
    assert!(run.err.contains("midnight (UTC+8)"), "{}", run.err);
    assert!(!run.err.contains(SECRET) && run.out.is_empty());
}

#[test]
fn a_day_without_fetches_is_cleared_without_a_token_and_the_back_off_is_named() {
    let desk = Desk::with_shop();
    desk.world.add("official", "wx1", json!({"daily_quota": 0}));
    let failed = desk.run(&["get", "shop"]);
    assert_eq!(failed.code, 17);
    let remedy = "See what is left with `wxtoken quota shop`. `wxtoken quota shop --clear` clears the quota, and needs no token. When the quota is cleared, run `wxtoken retry shop`.\n";
    assert!(failed.err.contains(remedy), "{}", failed.err);
    desk.world.add("official", "wx1", json!({"daily_quota": 1}));
    let cleared = desk.run(&["quota", "shop", "--clear", "--yes"]);
    assert_eq!(cleared.code, 0, "{}", cleared.err);
    assert!(
        cleared.err.contains("wxtoken retry shop"),
        "{}",
        cleared.err
    );
    desk.done(&["retry", "shop"]);
    desk.done(&["get", "shop"]);
    assert!(
        desk.done(&["quota", "shop", "--clear", "-y"])
            .starts_with("shop: ")
    );
    let wrong = desk.run_with(
        &[
            "account", "add", "shop", "--kind", "official", "--id", "wx1",
        ],
        "fedcba9876543210fedcba9876543210",
    );
    assert_eq!(wrong.code, 0);
    let refused = desk.run(&["quota", "shop", "--clear", "--yes"]);
    assert_eq!(refused.code, 17);
    let again = "wxtoken account add shop --kind official --id wx1";
    assert!(refused.err.contains(again), "{}", refused.err);
    assert!(!refused.err.contains("fedcba98"), "{}", refused.err);
}

#[test]
fn a_component_and_its_authorizers_have_counts_that_one_secret_clears() {
    let desk = Desk::new();
    component(&desk);
    let merchant = token(&desk, "merchant");
    send(&desk, &merchant);
    let of_component = desk.done(&["quota", "platform"]);
    for path in [
        "/cgi-bin/component/api_component_token",
        "/cgi-bin/component/api_authorizer_token",
    ] {
        assert_eq!(row(&of_component, path)[1], "1");
    }
    let of_merchant = desk.done(&["quota", "merchant"]);
    assert_eq!(row(&of_merchant, SEND)[1], "1");
    assert!(
        of_merchant.contains("1000/min by its component"),
        "{of_merchant}"
    );
    desk.done(&["quota", "merchant", "--clear", "--yes"]);
    assert_eq!(row(&desk.done(&["quota", "merchant"]), SEND)[1], "0");
    let path = "/cgi-bin/component/api_component_token";
    assert_eq!(row(&desk.done(&["quota", "platform"]), path)[1], "1");
    desk.done(&["quota", "platform", "--clear", "--yes"]);
    assert_eq!(row(&desk.done(&["quota", "platform"]), path)[1], "0");
    assert_eq!(
        (calls(&desk, CLEAR_OF_COMPONENT), calls(&desk, CLEAR)),
        (2, 0)
    );
}

#[test]
fn an_account_of_a_platform_without_quotas_is_refused_with_a_reason() {
    let desk = Desk::new();
    desk.world.add("work", "ww1", json!({}));
    desk.world.add("douyin", "tt1", json!({}));
    desk.register("corp", "work", "ww1");
    desk.register("clip", "douyin", "tt1");
    for (name, platform, instead) in [
        ("corp", "WeCom", "45009 ends by itself"),
        ("clip", "Douyin", "console"),
    ] {
        for words in [
            &["quota", name][..],
            &["quota", name, "/cgi-bin/agent/list"],
            &["quota", name, "--rid", "00000000-00000000-00000000"],
            &["quota", name, "--clear"],
            &["quota", name, "--clear", "--yes"],
        ] {
            let run = desk.run(words);
            assert_eq!(run.code, 11, "{words:?}: {}", run.err);
            let said = format!("{platform} has no call that tells what is left of a quota");
            assert!(
                run.err.contains(&said) && run.err.contains(instead),
                "{}",
                run.err
            );
        }
    }
    assert_eq!(desk.world.sim.counters().requests, 0);
}

#[test]
fn quota_on_a_server_sends_the_operator_to_its_host() {
    let desk = Desk::new();
    let mut command = desk.command(&["quota", "shop"]);
    command.env("WXTOKEN_STORE", "https://server.example:8443");
    let run = super::finished(command, "");
    assert_ne!(run.code, 0);
    assert!(run.err.contains("is a wxtoken server"), "{}", run.err);
    assert!(run.err.contains("Run the command there"), "{}", run.err);
}
