//! Answers of the platform and ways of being unreachable: errcodes, faults, TLS, redirects, the spare host. Secrets and
//! tokens appear only where they belong.

use std::time::{Duration, Instant};

use ::wxtoken::ffi::wxtoken_status::{self, *};
use common::{Handle, SECRET, World};
use serde_json::{Value, json};

fn failure_of(fault: Value) -> (World, common::Failure) {
    let world = World::with_account(json!({}));
    let mut fault = fault;
    fault["id"] = json!("wx1");
    world.fault(fault);
    let failure = world.open_shop("official").get("shop").unwrap_err();
    (world, failure)
}

/// Faults row 30: platform, errcode, and the least and most seconds of its back-off before jitter.
const ERRCODES: &[(&str, i32, i64, i64)] = &[
    ("official", -1, 2, 2),
    ("official", 40001, 60, 60),
    ("official", 40002, 60, 60),
    ("official", 40013, 60, 60),
    ("official", 40125, 60, 60),
    ("official", 40164, 60, 60),
    ("official", 40243, 60, 60),
    ("official", 41002, 60, 60),
    ("official", 41004, 60, 60),
    ("official", 43002, 60, 60),
    ("official", 45009, 1, 3600),
    ("official", 45011, 1, 61),
    ("official", 50004, 60, 60),
    ("official", 50007, 60, 60),
    ("official", 61024, 60, 60),
    ("official", 89501, 300, 300),
    ("official", 89503, 300, 300),
    ("official", 89506, 86_400, 86_400),
    ("official", 89507, 3600, 3600),
    ("official", 12345, 60, 60),
    ("work", -1, 2, 2),
    ("work", 40001, 60, 60),
    ("work", 40013, 60, 60),
    ("work", 40091, 60, 60),
    ("work", 41004, 60, 60),
    ("work", 45009, 60, 60),
    ("work", 45033, 2, 2),
    ("work", 50003, 60, 60),
    ("work", 60020, 60, 60),
    ("official", 89502, 300, 300),
    ("official", 89504, 300, 300),
    ("official", 89505, 300, 300),
    ("official", 45035, 60, 60),
    ("douyin_stable", 10_020, 2, 2),
    ("douyin_game", 28_005_139, 2, 2),
];

#[test]
fn every_errcode_has_its_back_off_which_is_shared_and_reported() {
    let world = World::new();
    for (number, (kind, errcode, least, most)) in ERRCODES.iter().enumerate() {
        let id = format!("id{number}");
        world.add(kind, &id, json!({}));
        world.fault(json!({"id": id, "kind": "errcode", "errcode": errcode, "errmsg": "as scripted", "times": 0}));
        let handle = world.open();
        handle.register(&id, kind, &id, SECRET).unwrap();
        let asked = Instant::now();
        let failure = handle.get(&id).unwrap_err();
        assert_eq!(
            (failure.status, failure.errcode),
            (WXTOKEN_E_API, *errcode),
            "{kind}"
        );
        let wait = failure.retry_after_ms;
        assert!(
            (least * 800 - 1..=most * 1200 + 1).contains(&wait),
            "{kind} {errcode}: {wait} ms"
        );
        for part in [&*id, &errcode.to_string(), "as scripted"] {
            assert!(failure.message.contains(part), "{failure:?}");
        }
        let shared = common::Child::fork(|| common::outcome(handle.get(&id))).join();
        // On a machine that stands still the shortest waits may be over.
        if asked.elapsed().as_millis() < wait as u128 {
            assert!(shared.contains(&failure.message), "{shared}");
            assert_eq!(world.sim.counters_of(&id).requests, 1, "{kind} {errcode}");
        }
    }
}

#[test]
fn repeated_failures_back_off_further_until_a_success() {
    common::until_unspoiled(backs_off_further);
}

fn backs_off_further() -> Option<()> {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    world.fault(json!({"id": "wx1", "kind": "status", "code": 500}));
    let asked = Instant::now();
    let first = handle.get("shop").unwrap_err();
    assert!((1599..=2401).contains(&first.retry_after_ms), "{first:?}");
    // The platform is not asked before the back-off ends.
    let again = handle.get("shop");
    if asked.elapsed().as_millis() >= first.retry_after_ms as u128 {
        return None;
    }
    again.unwrap_err();
    assert_eq!(world.requests(), 1);
    world.pass_back_offs();
    world.fault(json!({"id": "wx1", "kind": "status", "code": 500}));
    let second = handle.get("shop").unwrap_err();
    assert!((3199..=4801).contains(&second.retry_after_ms), "{second:?}");
    world.pass_back_offs();
    handle.get("shop").unwrap();
    let row = handle.report()["accounts"][0]["tokens"][0].clone();
    assert_eq!(row["failures_in_a_row"], 0);
    Some(())
}

/// Faults rows 28 and 29: odd replies, and the result of each.
#[test]
fn odd_answers_are_served_or_refused_but_never_wrong() {
    let served = [
        json!({"kind": "bom"}),
        json!({"kind": "expires_in", "value": "7200"}),
        json!({"kind": "expires_in", "value": 7200.0}),
        json!({"kind": "token", "length": 1023}),
    ];
    for fault in served {
        let world = World::with_account(json!({}));
        let mut scripted = fault.clone();
        scripted["id"] = json!("wx1");
        world.fault(scripted);
        let token = world.open_shop("official").get("shop").unwrap();
        let minted = world.sim.tokens(Some("wx1"));
        let scripted_length = fault["length"].as_u64();
        assert!(
            minted.to_string().contains(&token.value)
                || Some(token.value.len() as u64) == scripted_length,
            "{fault}"
        );
    }
    let refused = [
        (json!({"kind": "html"}), WXTOKEN_E_REPLY),
        (json!({"kind": "empty"}), WXTOKEN_E_REPLY),
        (json!({"kind": "truncated_json"}), WXTOKEN_E_REPLY),
        (json!({"kind": "wrong_types"}), WXTOKEN_E_REPLY),
        (json!({"kind": "no_token"}), WXTOKEN_E_REPLY),
        (json!({"kind": "expires_in", "value": 0}), WXTOKEN_E_REPLY),
        (json!({"kind": "expires_in", "value": -1}), WXTOKEN_E_REPLY),
        (
            json!({"kind": "expires_in", "value": 1e18}),
            WXTOKEN_E_REPLY,
        ),
        (json!({"kind": "token", "length": 1024}), WXTOKEN_E_REPLY),
        (
            json!({"kind": "token", "value": "nul\u{0}inside"}),
            WXTOKEN_E_REPLY,
        ),
        (json!({"kind": "status", "code": 500}), WXTOKEN_E_REPLY),
        (json!({"kind": "status", "code": 404}), WXTOKEN_E_REPLY),
        (
            json!({"kind": "huge_body", "bytes": 17_000}),
            WXTOKEN_E_REPLY,
        ),
        (json!({"kind": "endless_body"}), WXTOKEN_E_REPLY),
        (
            json!({"kind": "huge_header", "bytes": 40_000}),
            WXTOKEN_E_REPLY,
        ),
        (json!({"kind": "endless_headers"}), WXTOKEN_E_REPLY),
        (json!({"kind": "close_before"}), WXTOKEN_E_NETWORK),
        (json!({"kind": "reset_before"}), WXTOKEN_E_NETWORK),
        (json!({"kind": "reset_after"}), WXTOKEN_E_NETWORK),
    ];
    for (fault, status) in refused {
        let (_world, failure) = failure_of(fault.clone());
        assert_eq!(failure.status, status, "{fault}: {failure:?}");
        assert!(failure.retry_after_ms > 0, "{fault}");
    }
}

#[test]
fn a_slow_drip_ends_at_the_deadline() {
    let lasts = |fault: Value| {
        let world = World::with_account(json!({}));
        world.fault(fault);
        let handle = world.open_shop("official");
        handle.set("timeout_ms", "500").unwrap();
        let began = Instant::now();
        let failure = handle.get("shop").unwrap_err();
        assert_eq!(failure.status, WXTOKEN_E_TIMEOUT, "{failure:?}");
        began.elapsed()
    };
    let silence = lasts(json!({"id": "wx1", "kind": "hang"}));
    // Without a deadline, the whole answer would take ten seconds or more. A machine may stand still for some of them.
    let drip = json!({"id": "wx1", "kind": "drip", "bytes_per_tick": 1, "tick_ms": 50});
    let drips: Vec<Duration> = (0..3).map(|_| lasts(drip.clone())).collect();
    assert!(
        drips.iter().any(|drip| *drip < 4 * silence),
        "{drips:?}, {silence:?}"
    );
}

/// Faults row 31: a reset after the request was sent.
#[test]
fn a_classic_token_lost_in_a_reset_is_replaced_by_the_next_try() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official_classic");
    world.fault(json!({"id": "wx1", "kind": "reset_after"}));
    handle.get("shop").unwrap_err();
    world.pass_back_offs();
    let token = handle.get("shop").unwrap();
    assert_eq!(world.minted(), 2);
    let valid: Vec<Value> = world.sim.tokens(Some("wx1")).as_array().unwrap().clone();
    let current = valid.iter().find(|t| t["slot"] == "current").unwrap();
    assert_eq!(current["token"], token.value);
}

/// Faults row 26: bad certificates.
#[test]
fn a_host_that_cannot_prove_its_identity_receives_no_byte() {
    let world = World::with_account(json!({}));
    let causes = [
        (
            "wrong_host",
            "is for wrong.example.org, and not for 127.0.0.1",
        ),
        (
            "expired",
            "expired at 2020-01-01 00:00:00 UTC; this host's clock says 2",
        ),
        (
            "not_yet_valid",
            "not valid before 2099-01-01 00:00:00 UTC; this host's clock says 2",
        ),
        (
            "self_signed",
            "signed by \"qyapi.weixin.qq.com\", an authority that is not trusted",
        ),
        (
            "unknown_ca",
            "signed by \"wechat-sim CA nobody trusts\", an authority that is not trusted",
        ),
    ];
    for (name, cause) in causes {
        let store = world.directory.path().join(format!("{name}.db"));
        let handle = Handle::open(&store).unwrap();
        handle
            .set("api_base_url", world.sim.bad_tls(name).unwrap())
            .unwrap();
        handle
            .set("ca_file", world.sim.ca_file().to_str().unwrap())
            .unwrap();
        handle
            .register("shop", "official_classic", "wx1", SECRET)
            .unwrap();
        let failure = handle.get("shop").unwrap_err();
        assert_eq!(failure.status, WXTOKEN_E_NETWORK, "{name}: {failure:?}");
        assert!(failure.message.contains(cause), "{name}: {failure:?}");
        let counters = world.sim.counters();
        assert_eq!(counters.bad_tls_connections[name], 1, "{name}");
        assert_eq!(counters.bad_tls_bytes[name], 0, "{name}");
    }
}

#[test]
fn a_bad_ca_file_is_named_and_fails_no_other_process() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    handle.set("api_base_url", world.sim.https()).unwrap();
    for (path, part) in [
        ("/nonexistent.pem", "cannot read"),
        ("/dev/null", "not a regular file"),
        (
            concat!(env!("CARGO_MANIFEST_DIR"), "/wechat.rs"),
            "no certificate",
        ),
    ] {
        let failure = handle.set("ca_file", path).unwrap_err();
        assert_eq!(failure.status, WXTOKEN_E_ARGUMENT);
        assert!(failure.message.contains(part), "{failure:?}");
    }
    // A file that vanishes later fails the call that needs it, and no other process's.
    let fleeting = world.directory.path().join("ca.pem");
    std::fs::copy(world.sim.ca_file(), &fleeting).unwrap();
    handle.set("ca_file", fleeting.to_str().unwrap()).unwrap();
    std::fs::remove_file(&fleeting).unwrap();
    assert_eq!(handle.get("shop").unwrap_err().status, WXTOKEN_E_ARGUMENT);
    handle
        .set("ca_file", world.sim.ca_file().to_str().unwrap())
        .unwrap();
    handle.get("shop").unwrap();
}

/// Faults row 27: redirects.
#[test]
fn redirects_are_refused_and_nothing_is_forwarded() {
    for location in [
        None,
        Some("{http}/cgi-bin/token?{query}"),
        Some("{http}/stolen?{query}"),
    ] {
        for kind in ["official", "official_classic"] {
            let world = World::with_account(json!({}));
            let mut fault = json!({"id": "wx1", "kind": "redirect", "code": 307, "times": 0});
            if let Some(location) = location {
                fault["location"] = json!(location);
            }
            world.fault(fault);
            let failure = world.open_shop(kind).get("shop").unwrap_err();
            assert_eq!(failure.status, WXTOKEN_E_REPLY, "{failure:?}");
            assert!(failure.message.contains("redirect"), "{failure:?}");
            let counters = world.sim.counters();
            assert_eq!(
                (
                    counters.redirects_followed,
                    counters.secrets_seen_on_redirect_target
                ),
                (0, 0)
            );
            assert_eq!(world.requests(), 1);
        }
    }
}

/// The real addresses, through a proxy that connects to the simulator.
fn by_proxy(world: &World, kind: &str) -> Handle {
    let handle = Handle::open(&world.store()).unwrap();
    handle.set("proxy", world.sim.proxy()).unwrap();
    handle.set("connect_timeout_ms", "30000").unwrap();
    handle.set("timeout_ms", "60000").unwrap();
    handle
        .set("ca_file", world.sim.ca_file().to_str().unwrap())
        .unwrap();
    handle.register("shop", kind, "wx1", SECRET).unwrap();
    handle
}

#[test]
fn the_spare_host_is_tried_when_the_first_is_unreachable() {
    for kind in ["official", "official_classic"] {
        let world = World::with_account(json!({}));
        world
            .sim
            .switches(json!({"proxy_refuse": ["api.weixin.qq.com"]}))
            .unwrap();
        by_proxy(&world, kind).get("shop").unwrap();
        let connects = world.sim.counters().proxy_connects;
        assert_eq!(
            connects
                .keys()
                .map(|k| k.split(':').next().unwrap())
                .collect::<Vec<_>>(),
            ["api.weixin.qq.com", "api2.weixin.qq.com"]
        );
        assert_eq!(world.requests(), 1);
    }
}

#[test]
fn the_spare_host_is_not_tried_after_an_errcode() {
    let world = World::with_account(json!({}));
    world.fault(json!({"id": "wx1", "kind": "errcode", "errcode": 40164, "errmsg": "invalid ip"}));
    let failure = by_proxy(&world, "official").get("shop").unwrap_err();
    assert_eq!(failure.errcode, 40164);
    assert_eq!(world.sim.counters().proxy_connects.len(), 1);
}

/// Faults row 31: the first host may have minted before the connection was lost.
#[test]
fn the_spare_host_is_not_tried_when_a_classic_request_may_have_arrived() {
    let world = World::with_account(json!({}));
    world.fault(json!({"id": "wx1", "kind": "reset_after"}));
    let failure = by_proxy(&world, "official_classic")
        .get("shop")
        .unwrap_err();
    assert_eq!(failure.status, WXTOKEN_E_NETWORK, "{failure:?}");
    assert_eq!(world.minted(), 1);
    assert_eq!(world.sim.counters().proxy_connects.len(), 1);
}

#[test]
fn if_both_hosts_are_unreachable_one_failure_is_reported() {
    let world = World::with_account(json!({}));
    world
        .sim
        .switches(json!({"proxy_refuse": ["api.weixin.qq.com", "api2.weixin.qq.com"]}))
        .unwrap();
    let failure = by_proxy(&world, "official").get("shop").unwrap_err();
    assert_eq!(failure.status, WXTOKEN_E_NETWORK);
    assert!(
        failure.message.contains("api.weixin.qq.com") && failure.message.contains("proxy"),
        "{failure:?}"
    );
}

/// Faults row 25: connect and DNS.
#[test]
fn a_host_that_does_not_answer_or_exist_is_a_network_failure_before_the_deadline() {
    let world = World::with_account(json!({}));
    // A listener whose queue is full answers no further connection.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = deaf.local_addr().unwrap();
    // SAFETY: a valid listening socket.
    unsafe { libc::listen(std::os::fd::AsRawFd::as_raw_fd(&deaf), 0) };
    let mut queue = Vec::new();
    for _ in 0..4 {
        let connected = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100));
        queue.extend(connected);
    }
    let cases: [(String, wxtoken_status, &str); 3] = [
        (
            format!("http://{address}"),
            WXTOKEN_E_NETWORK,
            "no connection within",
        ),
        ("http://127.0.0.1:1".into(), WXTOKEN_E_NETWORK, "refused"),
        (
            "https://no-such-host.invalid".into(),
            WXTOKEN_E_NETWORK,
            "DNS",
        ),
    ];
    for (number, (url, status, part)) in cases.into_iter().enumerate() {
        let handle = world.open_at(&world.directory.path().join(format!("{number}.db")));
        handle.set("api_base_url", &url).unwrap();
        handle.set("connect_timeout_ms", "300").unwrap();
        handle.register("shop", "official", "wx1", SECRET).unwrap();
        let began = Instant::now();
        let failure = handle.get("shop").unwrap_err();
        assert_eq!(failure.status, status, "{url}: {failure:?}");
        assert!(failure.message.contains(part), "{url}: {failure:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{url}");
    }
}

/// Faults row 34: neither the log nor the message of any failure made here contains a secret or a token.
#[test]
fn no_secret_and_no_token_appears_in_a_message_or_the_log() {
    let world = World::with_account(json!({}));
    let log = world.directory.path().join("stderr");
    let faults = [
        json!({"kind": "reset_before"}),
        json!({"kind": "html"}),
        json!({"kind": "truncated_json"}),
        json!({"kind": "redirect"}),
        json!({"kind": "huge_body", "bytes": 17_000}),
        json!({"kind": "wrong_types"}),
    ];
    // Scripted here, because a child has only a copy of the simulator.
    for fault in &faults {
        world.fault(fault.clone());
    }
    let said = common::Child::fork(|| {
        let file = std::fs::File::create(&log).unwrap();
        // SAFETY: this child's stderr goes to the file.
        unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&file), 2) };
        let mut said = String::new();
        for number in 0..faults.len() {
            let handle = world.open_at(&world.directory.path().join(format!("{number}.db")));
            handle.set("log", "debug").unwrap();
            let account = if number % 2 == 0 {
                "official"
            } else {
                "official_classic"
            };
            handle.register("shop", account, "wx1", SECRET).unwrap();
            said += &common::outcome(handle.get("shop"));
        }
        said
    });
    let said = said.join();
    assert_eq!(said.matches("WXTOKEN_E_").count(), faults.len(), "{said}");
    let said = said + &std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("fetching the token of account"), "{said}");
    assert!(!said.contains(SECRET), "{said}");
    for token in world.sim.tokens(Some("wx1")).as_array().unwrap() {
        // A token cut off in the middle does not appear either.
        assert!(
            !said.contains(&token["token"].as_str().unwrap()[..20]),
            "{said}"
        );
    }
}

/// Faults row 80: a gateway echoes the request, in any encoding.
#[test]
fn a_platform_that_echoes_the_secret_is_not_quoted() {
    let body = format!(r#"{{"grant_type":"client_credential","appid":"wx1","secret":"{SECRET}"}}"#);
    // Base64 of the secret, and of the end of the body.
    let base64 = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let base64_of_body = "ZXQiOiIwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZiJ9";
    let percent: String = SECRET.bytes().map(|b| format!("%{b:02x}")).collect();
    let spaced: Vec<String> = SECRET.chars().map(String::from).collect();
    for echo in [
        SECRET.to_owned(),
        SECRET.to_uppercase(),
        SECRET[..SECRET.len() - 1].to_owned(),
        SECRET[4..12].to_owned(),
        spaced.join(" "),
        spaced.join("\u{200B}"),
        percent,
        base64.to_owned(),
        base64_of_body.to_owned(),
        body,
    ] {
        let (world, failure) = failure_of(json!({
            "kind": "errcode", "errcode": 40125,
            "errmsg": format!("invalid appsecret {echo}\r\nsecond line {}", "x".repeat(1000)),
        }));
        let told = "errcode 40125, with a text that is left out";
        assert!(failure.message.contains(told), "{failure:?}");
        assert_eq!(failure.errcode, 40125);
        assert!(
            failure.message.contains("Register the account again"),
            "{failure:?}"
        );
        let report = world.open().report();
        let last_error = &report["accounts"][0]["tokens"][0]["last_error"];
        let store = std::fs::read(world.store()).unwrap();
        let kept = String::from_utf8_lossy(&store).into_owned();
        for said in [&failure.message, &last_error.to_string(), &kept] {
            assert!(
                said.contains("40125") && !said.contains("second line"),
                "{echo}: {said}"
            );
        }
    }
}

/// Faults row 81: malformed text does not hide an errcode.
#[test]
fn a_refusal_keeps_its_errcode_whatever_its_text_contains() {
    for errmsg in [
        &b"A\xff"[..],
        b"\xe6\x97\xa0\xe6\x95",
        b"\xce\xde\xd0\xa7\xb5\xc4 \xd5\x5c",
        b"\\ud800",
        b"two\nlines",
    ] {
        let body = [br#"{"errcode":40013,"errmsg":""#, errmsg, b"\"}"].concat();
        let (_world, failure) = failure_of(json!({"kind": "raw", "bytes": body}));
        assert_eq!(
            (failure.status, failure.errcode),
            (WXTOKEN_E_API, 40013),
            "{failure:?}"
        );
        // A minute with its jitter, and the advice in the table.
        assert!(
            (45_000..=75_000).contains(&failure.retry_after_ms),
            "{failure:?}"
        );
        assert!(failure.message.contains("hint: "), "{failure:?}");
    }
}

#[test]
fn a_platforms_text_is_shown_as_one_printable_line() {
    let (_world, failure) = failure_of(json!({
        "kind": "errcode", "errcode": 40125,
        "errmsg": "invalid\r\nappsecret \u{202E}terces\u{200B} \u{2066}x",
    }));
    let told = "\"invalid  appsecret <U+202E>terces<U+200B> <U+2066>x";
    assert!(failure.message.contains(told), "{failure:?}");
}

/// Faults row 12: a TLS peer resets, with the default SIGPIPE of a C host.
#[test]
fn a_reset_by_a_tls_peer_does_not_kill_the_host() {
    let world = World::with_account(json!({}));
    let reset = world.sim.endpoints().reset_handshake.clone();
    let cases = [
        (reset, json!(null)),
        (
            world.sim.https().into(),
            json!({"kind": "reset_before", "times": 0}),
        ),
    ];
    for (number, (url, fault)) in cases.into_iter().enumerate() {
        if !fault.is_null() {
            world.fault(fault);
        }
        let handle = world.open_at(&world.directory.path().join(format!("{number}.db")));
        handle.set("api_base_url", &url).unwrap();
        handle
            .set("ca_file", world.sim.ca_file().to_str().unwrap())
            .unwrap();
        handle.register("shop", "official", "wx1", SECRET).unwrap();
        let said = common::Child::fork(|| {
            // SAFETY: Rust's runtime ignores SIGPIPE; a C host does not.
            unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
            common::outcome(handle.get("shop"))
        })
        .join();
        assert!(said.contains("E_NETWORK"), "{url}: {said:?}");
    }
}

/// Answers one connection with bytes that are not TLS, closes it in order, and then resets it. The client has seen none
/// of this, so its next write raises SIGPIPE instead of an error.
fn hang_up_on(client: &common::Child, listener: std::net::TcpListener) {
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    let (mut peer, _) = listener.accept().unwrap();
    let read = peer.read(&mut [0; 4096]).unwrap();
    assert!(read > 0);
    client.signal(libc::SIGSTOP);
    client.wait_for(libc::SIGSTOP);
    peer.write_all(b"no TLS at all").unwrap();
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    let at_once = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // SAFETY: an open socket, and an option of its size.
    let set = unsafe {
        libc::setsockopt(
            peer.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const at_once).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        )
    };
    assert_eq!(set, 0);
    drop(peer);
    client.signal(libc::SIGCONT);
}

/// Faults row 12, the hardest case: writing a last alert to a peer that is gone.
#[test]
fn writing_to_a_tls_peer_that_is_gone_does_not_kill_the_host() {
    let world = World::with_account(json!({}));
    let handle = world.open();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    handle.set("api_base_url", &url).unwrap();
    handle.register("shop", "official", "wx1", SECRET).unwrap();
    let client = common::Child::fork(|| {
        // SAFETY: Rust's runtime ignores SIGPIPE; a C host does not.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        common::outcome(handle.get("shop"))
    });
    hang_up_on(&client, listener);
    let said = client.join();
    assert!(said.contains("E_NETWORK"), "{said:?}");
}

/// Faults row 13: a profiler's timer.
#[test]
fn timer_signals_do_not_fail_a_call() {
    let world = World::with_account(json!({"delay_ms": 300}));
    let handle = world.open_shop("official");
    let said = common::Child::fork(|| {
        common::interrupt_all_the_time();
        common::outcome(handle.get("shop"))
    })
    .join();
    assert!(world.accepts(&said), "{said}");
}
