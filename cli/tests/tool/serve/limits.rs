//! Faults row 53: requests of strangers and broken clients. Others are served, nothing goes to the platform, and the
//! server's log and audit hold no key and no token.

use super::*;

use std::time::Instant;

/// Sends bytes as they are, and returns all that comes back.
fn raw(serving: &Serving, bytes: &[u8]) -> String {
    let mut stream = serving.connect();
    // The server may close the connection before all is sent.
    let _ = stream.write_all(bytes);
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read);
    String::from_utf8_lossy(&read).into_owned()
}

#[test]
fn slow_and_idle_connections_end_and_keep_nobody_out() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let serving = Serving::with(&desk, &["--listen", "http://127.0.0.1:0"]);
    // The test opens as many as its descriptors allow. Each connection takes one here and one in the server.
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointers are to a valid rlimit.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
    let count = usize::try_from(limit.rlim_max / 2).unwrap().min(10_000);
    let idle: Vec<TcpStream> = (0..count).map(|_| serving.connect()).collect();
    let mut slow = serving.connect();
    slow.write_all(b"GET /v1/token/shop HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        .unwrap();
    assert_eq!(serving.get("/v1/token/shop", &key).status, 200);
    // A client that has made a request may keep its connection longer than a head may take.
    let mut kept = serving.connect();
    assert_eq!(ask(&mut kept, "GET", "/healthz", "", "").status, 200);
    // A head that drips gains no time by that.
    let drips = std::thread::spawn(move || {
        while slow.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    let mut body = serving.connect();
    let head = format!(
        "POST /v1/reject/shop HTTP/1.1\r\nHost: x\r\n{}Content-Length: 30\r\n\r\n{{",
        bearer(&key)
    );
    body.write_all(head.as_bytes()).unwrap();
    drips.join().unwrap();
    assert_eq!(ask(&mut kept, "GET", "/healthz", "", "").status, 200);
    let late = answer(&mut body).unwrap();
    assert_eq!((late.status, late.error()), (504, "TIMEOUT"));
    for stream in idle.iter().take(50) {
        let mut stream: &TcpStream = stream;
        // The connection is closed, with or without an answer.
        while stream.read(&mut [0]).is_ok_and(|read| read > 0) {}
    }
    assert_eq!(serving.get("/v1/token/shop", &key).status, 200);
    assert_eq!(desk.world.minted(), 1);
}

#[test]
fn wrong_keys_are_slowed_and_right_ones_are_not() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    serving.get("/v1/token/shop", &key);
    let before = desk.world.sim.counters().requests;
    let guess = |n: usize| {
        let mut wrong = key.clone();
        wrong.replace_range(50..54, &format!("{n:04}"));
        wrong
    };
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let guessing: Vec<_> = (0..64)
            .map(|n| {
                let (serving, wrong) = (&serving, guess(n));
                scope.spawn(move || match n % 2 {
                    0 => serving.get("/v1/token/shop", &wrong).status,
                    _ => {
                        let path = classic("wx1", &wrong);
                        let code = serving.wechat(&path).errcode();
                        assert!([40125, 45011].contains(&code), "{code}");
                        if code == 40125 { 401 } else { 429 }
                    }
                })
            })
            .collect();
        // Meanwhile a client with the key is served at the same address.
        for _ in 0..20 {
            assert_eq!(serving.get("/v1/token/shop", &key).status, 200);
        }
        guessing
            .into_iter()
            .map(|one| one.join().unwrap())
            .collect()
    });
    assert!(
        statuses.iter().all(|status| [401, 429].contains(status)),
        "{statuses:?}"
    );
    assert!(statuses.contains(&429), "{statuses:?}");
    // Guesses one after another are held back.
    let began = Instant::now();
    for n in 0..12 {
        serving.get("/v1/token/shop", &guess(100 + n));
    }
    assert!(
        began.elapsed() >= Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        desk.world.sim.counters().requests,
        before,
        "nothing goes upstream"
    );
    let written = serving.end();
    has_none_of(&written, &[&key, &key[17..], &guess(7), SECRET]);
}

#[test]
fn a_client_has_its_rate_and_others_have_theirs() {
    let desk = Desk::with_shop();
    let (eager, calm) = (desk.client("eager", &[]), desk.client("calm", &[]));
    let serving = Serving::with(&desk, &["--listen", "http://127.0.0.1:0", "--rate", "1"]);
    let statuses: Vec<u16> = (0..20)
        .map(|_| serving.get("/v1/token/shop", &eager).status)
        .collect();
    assert!(
        statuses[0] == 200 && statuses.contains(&429),
        "{statuses:?}"
    );
    let refused = (0..20)
        .map(|_| serving.get("/v1/token/shop", &eager))
        .find(|answer| answer.status == 429)
        .unwrap();
    assert_eq!(refused.error(), "STORE");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(serving.get("/v1/token/shop", &calm).status, 200);
    assert_eq!(desk.world.minted(), 1);
}

#[test]
fn heads_and_bodies_have_their_limits() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    serving.get("/v1/token/shop", &key);
    let before = desk.world.sim.counters().requests;
    let long = "x".repeat(100_000);
    let head = |rest: &str| {
        format!(
            "GET /v1/token/shop HTTP/1.1\r\nHost: x\r\n{}{rest}\r\n",
            bearer(&key)
        )
    };
    let many = "X-Y: z\r\n".repeat(1000);
    for request in [
        head(&format!("X-Long: {long}\r\n")),
        head(&many),
        format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
    ] {
        let said = raw(&serving, request.as_bytes());
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    }
    let large = json!({"token": "unknown", "padding": long});
    let answer = serving.post("/v1/reject/shop", &key, &large);
    assert_eq!((answer.status, answer.error()), (400, "ARGUMENT"));
    let answer = serving.wechat_post("/cgi-bin/stable_token", &large);
    assert_eq!(answer.errcode(), 47001);
    // A chunked body has no length to check first.
    let chunk = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    let chunked = format!(
        "POST /v1/reject/shop HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}Transfer-Encoding: chunked\r\n\r\n{chunk}",
        bearer(&key)
    );
    let said = raw(&serving, chunked.as_bytes());
    assert!(said.starts_with("HTTP/1.1 400"), "{said}");
    assert_eq!(
        desk.world.sim.counters().requests,
        before,
        "nothing goes upstream"
    );
    has_none_of(&serving.end(), &[&key, SECRET]);
}

#[test]
fn no_request_hides_in_another() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    serving.get("/v1/token/shop", &key);
    let before = desk.world.sim.counters().requests;
    let hidden = format!(
        "GET /v1/token/shop HTTP/1.1\r\nHost: x\r\n{}\r\n",
        bearer(&key)
    );
    let post = "POST /v1/reject/shop HTTP/1.1\r\nHost: x\r\n";
    for (what, request) in [
        (
            "two lengths",
            format!(
                "{post}Content-Length: 0\r\nContent-Length: {}\r\n\r\n{hidden}",
                hidden.len()
            ),
        ),
        (
            "a length that is none",
            format!("{post}Content-Length: +5\r\n\r\n{hidden}"),
        ),
        (
            "a coding that is none",
            format!("{post}Transfer-Encoding: xchunked\r\n\r\n{hidden}"),
        ),
        (
            "a length and a coding",
            format!(
                "{post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
            ),
        ),
        (
            "a space before the colon",
            format!("{post}Transfer-Encoding : chunked\r\n\r\n{hidden}"),
        ),
        (
            "a folded field",
            format!("{post}X-A: b\r\n Transfer-Encoding: chunked\r\n\r\n{hidden}"),
        ),
        (
            "a nul",
            format!("GET /v1/token/shop\0 HTTP/1.1\r\nHost: x\r\n\r\n{hidden}"),
        ),
        (
            "another protocol",
            format!("GET /v1/token/shop HTTP/9.9\r\n\r\n{hidden}"),
        ),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into()),
        ("no HTTP", "\u{16}\u{3}\u{1}\u{2}".into()),
    ] {
        let said = raw(&serving, request.as_bytes());
        assert!(!said.contains("\"token\""), "{what}: {said}");
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 4"),
            "{what}: {said}"
        );
    }
    assert_eq!(
        desk.world.sim.counters().requests,
        before,
        "nothing goes upstream"
    );
    assert_eq!(serving.get("/v1/token/shop", &key).status, 200);
}

#[test]
fn odd_paths_lead_nowhere() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    let token = serving.get("/v1/token/shop", &key).token();
    let before = desk.world.sim.counters().requests;
    for path in [
        "//v1/token/shop",
        "/v1//token/shop",
        "/v1/token/",
        "/v1/token//",
        "/v1/token/shop/",
        "/v1/token/../token/shop",
        "/v1/x/%2e%2e/token/shop",
        "/v1/token/shop%2fjsapi_ticket",
        "/v1/token/shop%00",
        "/v1/token/%ff%fe",
        "/v1/token/shop/access_token/x",
        "/V1/TOKEN/shop",
        "/cgi-bin/../v1/token/shop",
        "/cgi-bin/menu/get?access_token=x",
        "/cgi-bin/token/",
        "/../../etc/passwd",
        &format!("/v1/token/{key}"),
        "http://api.weixin.qq.com/cgi-bin/token",
        "*",
    ] {
        let answer = ask(&mut serving.connect(), "GET", path, &bearer(&key), "");
        assert!(!answer.body.contains(&token), "{path}: {answer:?}");
        assert!(
            answer.status >= 400 || answer.json()["errcode"].as_i64() > Some(0),
            "{path}: {answer:?}"
        );
    }
    assert_eq!(
        desk.world.sim.counters().requests,
        before,
        "nothing goes upstream"
    );
    has_none_of(&serving.end(), &[&key, &token, SECRET]);
}

#[test]
fn a_proxy_that_is_not_trusted_may_not_speak_for_others() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    let forwarded = |serving: &Serving, path: &str, key: &str| {
        let headers = format!("{}X-Forwarded-For: 203.0.113.7\r\n", bearer(key));
        ask(&mut serving.connect(), "GET", path, &headers, "")
    };
    let answer = forwarded(&serving, "/v1/token/shop", &key);
    assert_eq!((answer.status, answer.error()), (400, "ARGUMENT"));
    let path = classic("wx1", &key);
    assert_eq!(forwarded(&serving, &path, "").errcode(), -1);
    assert_eq!(forwarded(&serving, "/metrics", "").status, 400);
    drop(serving);
    let serving = Serving::with(&desk, &BEHIND_A_PROXY);
    assert_eq!(forwarded(&serving, "/v1/token/shop", &key).status, 200);
    // A client that comes through the proxy is not on this host.
    assert_eq!(forwarded(&serving, "/metrics", "").status, 401);
    assert_eq!(
        serving.get("/metrics", "").status,
        401,
        "nor if it forgets to say who"
    );
    let written = serving.end();
    assert!(written.contains("\"address\":\"203.0.113.7\""), "{written}");
}

/// A sequence of numbers that is the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

#[test]
fn bytes_of_any_kind_do_no_harm() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    let token = serving.get("/v1/token/shop", &key).token();
    let before = desk.world.sim.counters().requests;
    let sound: [&[u8]; 5] = [
        b"GET /v1/token/shop HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wxk_0\r\n\r\n",
        b"GET /cgi-bin/token?grant_type=client_credential&appid=wx1&secret=x HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /cgi-bin/stable_token HTTP/1.1\r\nHost: x\r\nContent-Length: 21\r\n\r\n{\"appid\":\"wx1\",\"a\":1}",
        b"POST /v1/reject/shop HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"GET /cgi-bin/ticket/getticket?type=jsapi&access_token=x HTTP/1.1\r\nHost: x\r\n\r\n",
    ];
    let mut numbers = Numbers(16);
    for _ in 0..600 {
        let mut bytes = sound[numbers.below(sound.len())].to_vec();
        for _ in 0..=numbers.below(6) {
            let at = numbers.below(bytes.len());
            match numbers.below(4) {
                0 => bytes[at] = u8::try_from(numbers.below(256)).unwrap(),
                1 => drop(bytes.drain(at..)),
                2 => bytes.insert(at, b"\r\n%&=:\0\xff"[numbers.below(8)]),
                _ => bytes.extend_from_slice(sound[numbers.below(sound.len())]),
            }
            if bytes.is_empty() {
                break;
            }
        }
        let mut stream = serving.connect();
        let _ = stream.write_all(&bytes);
        // Nothing more comes, so that the server does not wait for the rest of half a request.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut read = Vec::new();
        // Wrong keys that are tried again and again are answered late. This test does not wait for that.
        stream
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        let _ = stream.read_to_end(&mut read);
        let said = String::from_utf8_lossy(&read);
        assert!(!said.contains(&token), "{bytes:?}: {said}");
    }
    assert_eq!(
        desk.world.sim.counters().requests,
        before,
        "nothing goes upstream"
    );
    assert_eq!(serving.get("/v1/token/shop", &key).token(), token);
    has_none_of(&serving.end(), &[&key, &token, SECRET, "panicked at"]);
}

#[test]
fn an_audit_file_that_is_moved_away_is_created_again() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    serving.get("/v1/token/shop", &key);
    wait_until("the line is there", || {
        serving.audited().contains("\"verb\":\"get\"")
    });
    let moved = desk.path("moved");
    std::fs::rename(&serving.audit, &moved).unwrap();
    serving.signal(libc::SIGHUP);
    wait_until("there is another", || serving.audit.exists());
    serving.get("/v1/token/shop", &key);
    wait_until("its line is there", || {
        serving.audited().contains("\"account\":\"shop\"")
    });
    let line = serving.audited();
    let line: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&line["client"], &line["result"]),
        (&json!("web"), &json!("ok"))
    );
    assert_eq!(std::fs::read_to_string(moved).unwrap().lines().count(), 1);
}
