//! Faults row 54: servers that die, and two servers on one store.

use super::*;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

#[test]
fn a_server_killed_under_load_and_started_again_fetches_nothing_twice() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("http://{}", probe.local_addr().unwrap());
    drop(probe);
    let mut serving = Serving::with(&desk, &["--listen", &listen]);
    let address = serving.address();
    let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // While the server is away, a client tries again.
                    if let Some(status) = try_once(&address, &key) {
                        assert_eq!(status, 200);
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        for _ in 0..3 {
            let before = served.load(Ordering::Relaxed);
            wait_until("it serves", || served.load(Ordering::Relaxed) > before + 50);
            serving.kill();
            serving = Serving::with(&desk, &["--listen", &listen]);
        }
        let before = served.load(Ordering::Relaxed);
        wait_until("it serves again", || {
            served.load(Ordering::Relaxed) > before + 50
        });
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(desk.world.minted(), 1);
    has_none_of(&serving.end(), &[&key, SECRET]);
}

/// Makes a get, and returns its status if there is a whole answer.
fn try_once(address: &str, key: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(patience())).unwrap();
    let head = format!(
        "GET /v1/token/shop HTTP/1.1\r\nHost: x\r\n{}\r\n",
        bearer(key)
    );
    stream.write_all(head.as_bytes()).ok()?;
    answer(&mut stream).ok().map(|answer| answer.status)
}

#[test]
fn one_of_two_servers_on_a_store_may_die_and_each_expiry_is_one_fetch() {
    let desk = Desk::on_redis();
    let key = desk.client("web", &[]);
    let listen = ["--listen", "http://127.0.0.1:0"];
    let start = |name: &str| Serving::named(&desk, name, &listen, |_| {});
    let (mut first, second) = (start("first"), start("second"));
    let token = |serving: &Serving| serving.get("/v1/token/shop", &key).token();
    assert_eq!(token(&first), token(&second));
    assert_eq!(desk.world.minted(), 1);
    desk.world.sim.advance(7200 * 1000);
    desk.world.expire_all();
    let accepts = |token: &str| desk.world.accepts(token);
    let both = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..16)
            .map(|n| {
                let serving = if n % 2 == 0 { &first } else { &second };
                let (token, accepts) = (&token, &accepts);
                scope.spawn(move || {
                    // A server may hand out a token from memory for revalidate_ms.
                    let mut last = String::new();
                    wait_until("it is the new one", || {
                        last = token(serving);
                        accepts(&last)
                    });
                    last
                })
            })
            .collect();
        asked
            .into_iter()
            .map(|one| one.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert!(both.iter().all(|one| *one == both[0]), "{both:?}");
    assert_eq!(desk.world.minted(), 2);
    first.kill();
    assert_eq!(token(&second), both[0]);
    desk.world.sim.advance(7200 * 1000);
    desk.world.expire_all();
    wait_until("there is a third", || accepts(&token(&second)));
    assert_eq!(desk.world.minted(), 3);
    has_none_of(&second.end(), &[&key, &both[0], SECRET]);
}

#[test]
fn calls_under_way_are_answered_before_the_server_ends() {
    let desk = Desk::with_shop();
    desk.world.add("official", "wx2", json!({}));
    let key = desk.client("web", &[]);
    let mut serving = Serving::start(&desk);
    desk.world
        .fault(json!({"id": "wx2", "kind": "delay", "ms": 1500}));
    desk.register("second", "official", "wx2");
    let mut stream = serving.connect();
    let head = format!(
        "GET /v1/token/second HTTP/1.1\r\nHost: x\r\n{}\r\n",
        bearer(&key)
    );
    stream.write_all(head.as_bytes()).unwrap();
    wait_until("the fetch is under way", || {
        desk.world.sim.counters_of("wx2").requests == 1
    });
    serving.signal(libc::SIGTERM);
    let answered = answer(&mut stream).unwrap();
    assert!(desk.world.accepts(&answered.token()));
    assert_eq!(serving.child.wait().unwrap().code(), Some(0));
    assert_eq!(desk.world.sim.counters_of("wx2").minted, 1);
    assert!(TcpStream::connect(serving.address()).is_err());
}

#[test]
fn a_call_on_an_accepted_connection_is_answered_while_the_server_ends() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    // A machine may stall for so long that the time for the head runs out. The test then tries again.
    for _ in 0..10 {
        let mut serving = Serving::start(&desk);
        let began = Instant::now();
        let mut silent = serving.connect();
        // The server accepts connections in order, so the silent one is accepted now.
        let token = serving.get("/v1/token/shop", &key).token();
        serving.signal(libc::SIGTERM);
        let address = serving.address();
        wait_until("nobody else is let in", || {
            TcpStream::connect(&address).is_err()
        });
        let head = format!(
            "GET /v1/token/shop HTTP/1.1\r\nHost: x\r\n{}\r\n",
            bearer(&key)
        );
        let is_written = silent.write_all(head.as_bytes()).is_ok();
        let answered = answer(&mut silent);
        if began.elapsed() > Duration::from_secs(4) {
            continue;
        }
        assert!(is_written);
        let answered = answered.unwrap();
        assert_eq!(answered.token(), token);
        // Then the connection ends, by a close or by a reset.
        assert!(!silent.read(&mut [0]).is_ok_and(|read| read > 0));
        assert_eq!(serving.child.wait().unwrap().code(), Some(0));
        return;
    }
    panic!("this machine stalls all the time");
}

#[test]
fn while_the_store_is_away_good_tokens_are_handed_out_and_nothing_is_fetched() {
    let desk = Desk::on_redis();
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    let of_wechat = classic("wx1", &key);
    let token = serving.get("/v1/token/shop", &key).token();
    assert_eq!(serving.wechat(&of_wechat).json()["access_token"], *token);
    desk.world.server().freeze();
    for _ in 0..3 {
        assert_eq!(serving.get("/v1/token/shop", &key).token(), token);
        assert_eq!(serving.wechat(&of_wechat).json()["access_token"], *token);
    }
    let wrong = classic("wx1", &format!("{key}x"));
    assert_eq!(serving.wechat(&wrong).errcode(), 40125);
    // A token that was never asked for is not known. The answer is an error, without a token.
    let unknown = classic("wx5", &key);
    assert_eq!(serving.wechat(&unknown).errcode(), -1);
    assert_eq!(serving.get("/readyz", "").status, 503);
    // Monitoring sees it, though the report of what was seen last is shown.
    let says = |line: &str| {
        let metrics = serving.get("/metrics", "").body;
        metrics.lines().any(|found| found == line)
    };
    assert!(says("wxtoken_up 0") && says("wxtoken_store_is_away 1"));
    desk.world.server().thaw();
    wait_until("the store is back", || {
        serving.get("/readyz", "").status == 200
    });
    assert!(says("wxtoken_up 1") && says("wxtoken_store_is_away 0"));
    assert_eq!(desk.world.minted(), 1);
    has_none_of(&serving.end(), &[&key, &token, SECRET]);
}
