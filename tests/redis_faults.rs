//! Rows 39 to 50 of docs/faults.md: a store on a server, while processes, hosts, connections and the server itself
//! fail.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ::wxtoken::ffi::wxtoken_status::*;
use ::wxtoken::{Failpoint, arm};
use common::{
    Child, Fault, Handle, Proxy, RedisServer, SECRET, StandstillClock, Watched, World, outcome,
    until_unspoiled, wait_until,
};
use serde_json::json;

/// A world whose store is reached through a proxy.
fn behind_a_proxy(kind: &str) -> (World, Proxy, Handle) {
    let keeps_all = ["--appendonly", "yes", "--appendfsync", "always"];
    let world = World::on(RedisServer::with(&keeps_all));
    world.add("official", "wx1", json!({}));
    let proxy = Proxy::to(&world.server().socket());
    let handle = world.open_at(Path::new(&proxy.url()));
    handle.register("shop", kind, "wx1", SECRET).unwrap();
    (world, proxy, handle)
}

/// Faults row 39: three hosts meet on an empty store.
#[test]
fn a_cold_stampede_of_three_hosts_mints_one_token_and_each_expiry_one_more() {
    let world = World::on_redis_with_account(json!({"delay_ms": 200}));
    world.open_shop("official_classic");
    let start = Instant::now() + Duration::from_millis(500);
    let go_on = world.directory.path().join("expired");
    let children: Vec<Child> = (0..48)
        .map(|number| {
            Child::fork(|| {
                world.become_host(number % 3);
                let handle = world.open();
                handle.set("revalidate_ms", "20").unwrap();
                handle.set("timeout_ms", "60000").unwrap();
                std::thread::sleep(start.saturating_duration_since(Instant::now()));
                let all = || {
                    std::thread::scope(|scope| {
                        let threads: Vec<_> = (0..4)
                            .map(|_| scope.spawn(|| outcome(handle.get("shop"))))
                            .collect();
                        let tokens = threads.into_iter().map(|thread| thread.join().unwrap());
                        let mut tokens: Vec<String> = tokens.collect();
                        tokens.dedup();
                        tokens.join(",")
                    })
                };
                let first = all();
                std::fs::write(go_on.with_added_extension(number.to_string()), "").unwrap();
                wait_until("the token has expired", || go_on.exists());
                let mut second = all();
                // A process that has not looked yet may have the old token for a moment.
                while second.contains(&first) {
                    second = all();
                }
                format!("{first} {second}")
            })
        })
        .collect();
    for number in 0..48 {
        let has_first = go_on.with_added_extension(number.to_string());
        wait_until("each process has the first token", || has_first.exists());
    }
    assert_eq!(world.minted(), 1);
    world.expire_all();
    std::fs::write(&go_on, "").unwrap();
    let results: Vec<String> = children.into_iter().map(Child::join).collect();
    assert!(results.iter().all(|one| *one == results[0]), "{results:?}");
    assert_eq!(results[0].split_whitespace().count(), 2, "{}", results[0]);
    assert_eq!((world.minted(), world.requests()), (2, 2));
}

fn redis_value(number: i64) -> redis_server::Value {
    redis_server::Value::Integer(number)
}

/// A leader on the first host whose request gets no answer, stopped or killed by this signal. Also the time before it
/// began. Returns None if its time may have been up before the signal.
fn leader_that_hangs(world: &World, kind: &str, signal: i32) -> Option<(Child, Instant)> {
    world.open_shop(kind);
    world.fault(json!({"id": "wx1", "kind": "hang"}));
    let began = Instant::now();
    let leader = Child::fork(|| {
        world.become_host(1);
        let handle = world.open();
        handle.set("timeout_ms", "1500").unwrap();
        outcome(handle.get("shop"))
    });
    let asks = || world.requests() == 1;
    wait_until("the leader asks, or has no time left", || {
        asks() || began.elapsed() > Duration::from_secs(2)
    });
    leader.signal(signal);
    if asks() && began.elapsed() < Duration::from_millis(1400) {
        return Some((leader, began));
    }
    leader.signal(libc::SIGKILL);
    leader.join();
    None
}

/// Faults row 40: the leader's host is gone. A stopped process keeps its connections open, as a host that left the
/// network does.
#[test]
fn a_leader_on_a_lost_host_is_replaced_when_its_lease_ends() {
    until_unspoiled(lost_leader_is_replaced);
}

fn lost_leader_is_replaced() -> Option<()> {
    let world = World::on_redis_with_account(json!({}));
    let (leader, began) = leader_that_hangs(&world, "official_classic", libc::SIGSTOP)?;
    let waiters: Vec<Child> = (2..8)
        .map(|host| {
            Child::fork(|| {
                world.become_host(host % 3 + 2);
                let got = outcome(world.open().get("shop"));
                format!("{got} {}", began.elapsed().as_millis())
            })
        })
        .collect();
    let results: Vec<String> = waiters.into_iter().map(Child::join).collect();
    let token = results[0].split(' ').next().unwrap().to_owned();
    assert!(world.accepts(&token), "{results:?}");
    for result in &results {
        let (got, after) = result.split_once(' ').unwrap();
        assert_eq!(got, token);
        // Not before the lease ends, because the leader may be about to answer. It ends 2 s after the leader began.
        let after: u64 = after.parse().unwrap();
        assert!(after >= 1500, "{results:?}");
    }
    assert_eq!(world.requests(), 2);
    leader.signal(libc::SIGKILL);
    leader.join();
    Some(())
}

/// Faults row 42: the server's clock is set back, which seems to prolong a lease.
#[test]
fn a_lease_watched_to_its_end_is_over_though_the_servers_clock_is_set_back() {
    until_unspoiled(watched_lease_is_over);
}

fn watched_lease_is_over() -> Option<()> {
    let world = World::on_redis_with_account(json!({}));
    let (leader, began) = leader_that_hangs(&world, "official", libc::SIGKILL)?;
    leader.join();
    let waiter = Child::fork(|| {
        world.become_host(2);
        let handle = world.open();
        handle.set("timeout_ms", "30000").unwrap();
        // From this look on it watches the lease.
        handle.reject("shop", "another token").unwrap();
        let _ = std::fs::write(world.directory.path().join("waits"), "");
        let began = Instant::now();
        let got = outcome(handle.get("shop"));
        format!("{got} {}", began.elapsed().as_millis())
    });
    let waits = world.directory.path().join("waits");
    wait_until("it watches", || waits.exists());
    world.change_rows(|row| {
        let until = row["lease_until"].as_i64().unwrap();
        row["lease_until"] = (until + 300_000).into();
    });
    let in_time = began.elapsed() < Duration::from_millis(1900);
    let said = waiter.join();
    if !in_time {
        // The lease may have been over before the change.
        return None;
    }
    let (token, waited) = said.split_once(' ').unwrap();
    assert!(world.accepts(token), "{said}");
    // 2 s, with room. The timeout is 30 s.
    assert!(waited.parse::<u64>().unwrap() < 15_000, "{said}");
    Some(())
}

/// Faults row 41: the leader is killed.
#[test]
fn a_killed_leader_is_replaced_at_once_on_its_host_and_its_lease_holds_on_others() {
    let world = World::on_redis_with_account(json!({}));
    let handle = world.open_shop("official");
    world.fault(json!({"id": "wx1", "kind": "hang"}));
    let leader = Child::fork(|| {
        let handle = world.open();
        handle.set("timeout_ms", "60000").unwrap();
        outcome(handle.get("shop"))
    });
    wait_until("the leader asks", || world.requests() == 1);
    let far = Child::fork(|| {
        world.become_host(1);
        let handle = world.open();
        handle.set("timeout_ms", "1000").unwrap();
        outcome(handle.get("shop"))
    });
    let said = far.join();
    assert!(said.contains("E_TIMEOUT"), "{said}");
    let waiter = std::thread::spawn(move || (handle.get("shop"), Instant::now()));
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(world.requests(), 1);
    let killed = Instant::now();
    leader.signal(libc::SIGKILL);
    let (token, at) = waiter.join().unwrap();
    token.unwrap();
    println!("led {} ms after the kill", (at - killed).as_millis());
    // The lease would have lasted a minute.
    assert!((at - killed).as_secs() < 6);
    assert_eq!(world.requests(), 2);
    leader.join();
}

/// Faults row 41, at each moment of a leader's life.
#[test]
fn a_leader_killed_at_any_moment_leaves_no_half_row() {
    for point in [
        Failpoint::Locked,
        Failpoint::Claimed,
        Failpoint::Replied,
        Failpoint::Saving,
    ] {
        let world = World::on_redis_with_account(json!({}));
        let handle = world.open_shop("official_classic");
        let leader = Child::fork(|| {
            arm(point, libc::SIGKILL);
            outcome(handle.get("shop"))
        });
        leader.wait_for(libc::SIGKILL);
        let token = handle.get("shop").unwrap();
        assert!(world.accepts(&token.value), "{point:?}");
        assert!(world.minted() <= 2, "{point:?}");
        leader.join();
    }
}

/// A world with its store on a master with a replica, and an account in it.
fn watched(kind: &str) -> (World, Watched, Handle) {
    let world = World::on_redis_with_account(json!({}));
    let watched = Watched::start();
    let handle = world.open_at(Path::new(&watched.url()));
    handle.register("shop", kind, "wx1", SECRET).unwrap();
    (world, watched, handle)
}

fn has_token(server: &RedisServer) -> bool {
    let rows = server.ask(&["ZRANGE", "wxtoken:{rows}", "0", "-1"]);
    rows.list().first().is_some_and(|key| {
        let row = server.ask(&["GET", key.text()]);
        matches!(row, redis_server::Value::Text(text) if !text.contains("\"token\":null"))
    })
}

/// Faults row 43: the master freezes, and its replica takes over.
#[test]
fn a_master_that_freezes_is_replaced_by_its_replica() {
    let (world, watched, handle) = watched("official_classic");
    let token = handle.get("shop").unwrap();
    handle.set("revalidate_ms", "0").unwrap();
    wait_until("the replica has the token", || has_token(&watched.replica));
    watched.master.freeze();
    for _ in 0..10 {
        assert_eq!(handle.get("shop").unwrap(), token);
    }
    watched.wait_for_failover();
    // The put is written on the new master.
    wait_until("the store takes writes again", || {
        handle.register("other", "official", "wx2", SECRET).is_ok()
    });
    assert!(
        watched
            .replica
            .ask(&["HEXISTS", "wxtoken:{accounts}", "a:other"])
            == redis_value(1)
    );
    assert_eq!(handle.get("shop").unwrap(), token);
    watched.master.thaw();
    wait_until("the old master is a replica", || {
        watched.master.ask(&["ROLE"]).list()[0].text() == "slave"
    });
    assert_eq!(handle.get("shop").unwrap(), token);
    assert_eq!(world.minted(), 1);
}

/// Faults row 43: a get of a good token waits for 100 ms at most. A slower sentinel does not count as unreachable.
#[test]
fn a_get_that_skips_a_slow_sentinel_fails_no_other_call() {
    let (_world, watched, handle) = watched("official_classic");
    let token = handle.get("shop").unwrap();
    handle.set("revalidate_ms", "0").unwrap();
    watched.sentinel.spoil(Fault::Delay(200), "", u64::MAX);
    watched.master.freeze();
    wait_until("a get has asked the sentinel", || {
        assert_eq!(handle.get("shop").unwrap(), token);
        watched.sentinel.spoiled() > 0
    });
    watched.sentinel.heal();
    watched.master.thaw();
    handle.register("other", "official", "wx2", SECRET).unwrap();
}

/// Faults row 43: the master fails during a fetch.
#[test]
fn a_failover_during_a_fetch_costs_two_tokens_at_most() {
    let (world, watched, handle) = watched("official_classic");
    world.fault(json!({"id": "wx1", "kind": "delay", "ms": 1500}));
    let got = std::thread::scope(|scope| {
        let got = scope.spawn(|| handle.get("shop"));
        wait_until("the leader asks", || world.requests() == 1);
        watched.master.freeze();
        got.join().unwrap().unwrap()
    });
    watched.wait_for_failover();
    watched.master.thaw();
    wait_until("the old master is a replica", || {
        watched.master.ask(&["ROLE"]).list()[0].text() == "slave"
    });
    handle.set("revalidate_ms", "0").unwrap();
    let mut last = got.clone();
    wait_until("the store has the token", || {
        last = handle.get("shop").unwrap();
        has_token(&watched.replica)
    });
    assert!(world.accepts(&last.value));
    assert!(world.minted() <= 2, "{}", world.minted());
    let other = Child::fork(|| outcome(world.open_at(Path::new(&watched.url())).get("shop")));
    assert_eq!(other.join(), last.value);
}

/// Faults row 51: the first sentinel is a black hole, the second does not know the master.
#[test]
fn a_master_is_found_by_whichever_sentinel_knows_it() {
    let (world, watched, handle) = watched("official");
    let token = handle.get("shop").unwrap();
    let hole = Proxy::to(&world.server().socket());
    hole.spoil(Fault::BlackHole, "", u64::MAX);
    let at = |ports: [u16; 2], master: &str| {
        let hosts = ports.map(|port| format!("127.0.0.1:{port}")).join(",");
        format!("redis+sentinel://{hosts}/{master}")
    };
    let sentinel = watched.sentinel.port();
    let said = Child::fork(|| {
        outcome(
            world
                .open_at(Path::new(&at([hole.port(), sentinel], "main")))
                .get("shop"),
        )
    });
    assert_eq!(said.join(), token.value);
    let plain = Proxy::to(&world.server().socket());
    for (ports, master, words) in [
        ([sentinel, sentinel], "none", "it does not know that master"),
        ([plain.port(), plain.port()], "main", "it refuses (ERR)"),
        ([hole.port(), hole.port()], "main", "it does not answer"),
    ] {
        let failed = Handle::open(Path::new(&at(ports, master))).err().unwrap();
        assert_eq!(failed.status, WXTOKEN_E_STORE, "{failed:?}");
        assert!(failed.message.contains(words), "{failed:?}");
    }
}

/// Faults row 51: a get of a good token has time for one silent sentinel only.
#[test]
fn a_silent_sentinel_does_not_keep_another_processs_token_from_a_get() {
    let world = World::on_redis_with_account(json!({}));
    let watched = Watched::start();
    let hole = Proxy::to(&world.server().socket());
    // The sentinels of a URL are sorted: a number comes before a name.
    let (first, second) = (hole.port(), watched.sentinel.port());
    let url = format!("redis+sentinel://127.0.0.1:{first},localhost:{second}/main");
    let handle = world.open_at(Path::new(&url));
    handle
        .register("shop", "official_classic", "wx1", SECRET)
        .unwrap();
    let token = handle.get("shop").unwrap();
    handle.set("revalidate_ms", "0").unwrap();
    hole.spoil(Fault::BlackHole, "", u64::MAX);
    watched.master.run(&["CLIENT", "KILL", "TYPE", "normal"]);
    world.sim.revoke("wx1");
    let other = Child::fork(|| {
        let handle = world.open_at(Path::new(&url));
        handle.reject("shop", &token.value).unwrap();
        outcome(handle.get("shop"))
    });
    let second = other.join();
    assert!(world.accepts(&second), "{second}");
    wait_until("a get finds the new token", || {
        handle.get("shop").unwrap().value == second
    });
    assert!(hole.spoiled() > 0);
}

/// Faults row 45: keys are deleted during a fetch.
#[test]
fn keys_deleted_on_the_server_during_a_fetch_are_restored_without_a_second_fetch() {
    for command in [
        &["FLUSHALL"][..],
        &["DEL", "wxtoken:{accounts}"],
        &["DEL", "wxtoken:{meta}"],
        &["DEL", "wxtoken:{rows}"],
    ] {
        until_unspoiled(|| deleted_keys_are_restored(command));
    }
}

fn deleted_keys_are_restored(command: &[&str]) -> Option<()> {
    let world = World::on_redis_with_account(json!({"delay_ms": 300}));
    let handle = world.open_shop("official_classic");
    let (token, in_time) = std::thread::scope(|scope| {
        let got = scope.spawn(|| handle.get("shop"));
        wait_until("the leader asks", || world.requests() == 1);
        world.server().run(command);
        let in_time = world.is_asked("wx1");
        (got.join().unwrap().unwrap(), in_time)
    });
    if !in_time {
        return None;
    }
    handle.set("revalidate_ms", "0").unwrap();
    assert_eq!(handle.get("shop").unwrap(), token, "{command:?}");
    let elsewhere = Child::fork(|| {
        world.become_host(1);
        outcome(world.open().get("shop"))
    });
    assert_eq!(elsewhere.join(), token.value, "{command:?}");
    assert_eq!(world.minted(), 1, "{command:?}");
    // The sealed secrets still open.
    world.expire_all();
    if command[0] != "DEL" || !command[1].contains("rows") {
        let next = handle.get("shop").unwrap();
        assert!(world.accepts(&next.value), "{command:?}");
    }
    Some(())
}

/// Faults row 45: a program that has never seen the store opens it first after the loss.
#[test]
fn secrets_still_open_when_a_new_program_is_the_first_to_see_an_empty_server() {
    for command in [&["FLUSHALL"][..], &["DEL", "wxtoken:{meta}"]] {
        let world = World::on_redis_with_account(json!({}));
        let handle = world.open_shop("official");
        handle.get("shop").unwrap();
        world.server().run(command);
        let newcomer = Child::fork(|| {
            let opened = Handle::open(&world.store());
            opened.map_or_else(|failed| failed.message, |_| "opened".into())
        });
        assert_eq!(newcomer.join(), "opened");
        handle.set("revalidate_ms", "0").unwrap();
        // A call that begins before the loss is seen still has the store's old id.
        for _ in 0..2 {
            world.expire_all();
            let next = handle.get("shop").unwrap();
            assert!(world.accepts(&next.value), "{command:?}");
        }
    }
}

/// Faults row 45: only the row is deleted.
#[test]
fn a_row_deleted_during_a_fetch_is_written_with_its_token() {
    until_unspoiled(|| {
        let world = World::on_redis_with_account(json!({"delay_ms": 300}));
        let handle = world.open_shop("official_classic");
        let (token, in_time) = std::thread::scope(|scope| {
            let got = scope.spawn(|| handle.get("shop"));
            wait_until("the leader asks", || world.requests() == 1);
            let rows = world.server().run(&["ZRANGE", "wxtoken:{rows}", "0", "-1"]);
            world.server().run(&["DEL", rows.list()[0].text()]);
            let in_time = world.is_asked("wx1");
            (got.join().unwrap().unwrap(), in_time)
        });
        if !in_time {
            return None;
        }
        let other = Child::fork(|| outcome(world.open().get("shop")));
        assert_eq!(other.join(), token.value);
        assert_eq!(world.minted(), 1);
        Some(())
    });
}

/// Faults row 46: the server is killed, stopped, or slow.
#[test]
fn a_get_of_a_good_token_does_not_wait_for_an_unreachable_server() {
    let (mut world, proxy, handle) = behind_a_proxy("official_classic");
    let token = handle.get("shop").unwrap();
    handle.set("revalidate_ms", "0").unwrap();
    let slowest = |what: &str, gets: u32| {
        let clock = StandstillClock::start();
        let waits = (0..gets).map(|_| {
            let began = Instant::now();
            assert_eq!(handle.get("shop").unwrap(), token, "{what}");
            began.elapsed().as_millis()
        });
        let slowest = waits.max().unwrap();
        let still = clock.stop().as_millis();
        println!("{what}: {slowest} ms");
        // 100 ms, with room. A reply would be awaited for 3 s.
        assert!(slowest < 1000 + still, "{what}: {slowest} ms, {still} ms");
    };
    proxy.spoil(Fault::Delay(2000), "", u64::MAX);
    slowest("slow", 5);
    proxy.heal();
    proxy.spoil(Fault::BlackHole, "", u64::MAX);
    slowest("a black hole", 5);
    proxy.heal();
    world.server().freeze();
    slowest("stopped", 5);
    world.server().thaw();
    world.redis.as_mut().unwrap().kill();
    slowest("gone", 1000);
    // The server is back, with its data.
    world.redis.as_mut().unwrap().start_again();
    wait_until("the store is used again", || {
        handle.register("other", "official", "wx2", SECRET).is_ok()
    });
    assert_eq!(handle.get("shop").unwrap(), token);
    assert_eq!(world.minted(), 1);
}

/// Faults row 46: the report says that the server is unreachable, and shows the last known state.
#[test]
fn the_report_says_that_the_server_is_unreachable() {
    let mut world = World::on_redis_with_account(json!({}));
    let handle = world.open_shop("official_classic");
    let token = handle.get("shop").unwrap();
    let before = handle.report();
    assert_eq!(before["away"], serde_json::Value::Null);
    world.redis.as_mut().unwrap().kill();
    let report = handle.report();
    let away = report["away"].as_str().unwrap();
    assert!(away.contains(&world.server().url()), "{away}");
    assert_eq!(report["server"], serde_json::Value::Null);
    let row = &report["accounts"][0]["tokens"][0];
    assert_eq!(
        (&row["state"], &row["fetches"]),
        (&json!("fresh"), &json!(1))
    );
    let text = report.to_string();
    assert!(
        !text.contains(&token.value) && !text.contains(SECRET),
        "{text}"
    );
    // Another program, which has seen nothing, says why it cannot tell.
    let other = Child::fork(|| match Handle::open(&world.store()) {
        Ok(_) => "opened".into(),
        Err(failed) => failed.message,
    });
    assert!(other.join().contains(&world.server().url()));
    world.redis.as_mut().unwrap().start_again();
    wait_until("the server is found again", || {
        handle.report()["away"].is_null()
    });
}

/// Faults row 46: stable tokens can be fetched without the server, and classic ones cannot.
#[test]
fn without_the_server_stable_tokens_are_fetched_and_classic_ones_are_not() {
    for (kind, goes_on) in [("official", true), ("official_classic", false)] {
        let mut world = World::on_redis_with_account(json!({"lifetime_ms": 2000}));
        let handle = world.open_shop(kind);
        let first = handle.get("shop").unwrap();
        // The next token outlives this test on any machine.
        world.add("official", "wx1", json!({"lifetime_ms": 600_000}));
        world.redis.as_mut().unwrap().kill();
        let mut last = Ok(first.clone());
        wait_until("the token has expired", || {
            last = handle.get("shop");
            last.as_ref().ok().map(|token| &token.value) != Some(&first.value)
        });
        match last {
            Ok(token) => {
                assert!(goes_on && world.accepts(&token.value), "{kind}");
                assert_eq!(world.minted(), 2);
            }
            Err(failure) => {
                assert!(!goes_on, "{kind}: {failure:?}");
                assert_eq!(failure.status, WXTOKEN_E_STORE);
                assert_eq!(world.requests(), 1);
            }
        }
    }
}

/// Faults row 46: the processes of one host share one token.
#[test]
fn without_the_server_the_processes_of_a_host_share_one_fetch() {
    let mut world = World::on_redis_with_account(json!({"lifetime_ms": 8000}));
    let handle = world.open_shop("official");
    let first = handle.get("shop").unwrap();
    // The next token outlives this test on any machine.
    world.add("official", "wx1", json!({"lifetime_ms": 600_000}));
    let others: Vec<Child> = (0..6)
        .map(|_| {
            Child::fork(|| {
                let handle = world.open();
                handle.set("revalidate_ms", "0").unwrap();
                let known = handle.get("shop").unwrap();
                // SAFETY: stops this process until the test continues it.
                unsafe { libc::raise(libc::SIGSTOP) };
                let mut last = known.clone();
                while last == known {
                    last = handle.get("shop").unwrap();
                }
                last.value
            })
        })
        .collect();
    for other in &others {
        other.wait_for(libc::SIGSTOP);
    }
    world.redis.as_mut().unwrap().kill();
    wait_until("the token has expired", || !world.accepts(&first.value));
    for other in &others {
        other.signal(libc::SIGCONT);
    }
    let got: Vec<String> = others.into_iter().map(Child::join).collect();
    assert!(got.iter().all(|token| *token == got[0]), "{got:?}");
    // The stable endpoint gives each process the same token, so requests are counted.
    assert_eq!(world.requests(), 2);
    // The token survives the return of a server that does not have it.
    world.redis.as_mut().unwrap().start_again();
    wait_until("the server is found again", || {
        handle.put_current("shop").is_ok()
    });
    assert_eq!(handle.get("shop").unwrap().value, got[0]);
    assert_eq!(world.requests(), 2);
}

/// Faults row 47: a server that takes no writes still answers reads. The processes of one host share one token.
#[test]
fn while_the_server_refuses_writes_the_processes_of_a_host_share_one_fetch() {
    let world = World::on_redis_with_account(json!({"lifetime_ms": 2000}));
    let handle = world.open_shop("official");
    let first = handle.get("shop").unwrap();
    let others: Vec<Child> = (0..4)
        .map(|_| {
            Child::fork(|| {
                let handle = world.open();
                handle.set("revalidate_ms", "0").unwrap();
                // SAFETY: stops this process until the test continues it.
                unsafe { libc::raise(libc::SIGSTOP) };
                outcome(handle.get("shop"))
            })
        })
        .collect();
    for other in &others {
        other.wait_for(libc::SIGSTOP);
    }
    world.server().run(&["CONFIG", "SET", "maxmemory", "1"]);
    wait_until("the token has expired", || !world.accepts(&first.value));
    // The next token lasts until the test has ended.
    world.add("official", "wx1", json!({"lifetime_ms": 7_200_000}));
    let commands = || -> u64 {
        let info = world.server().run(&["INFO", "stats"]);
        let mut lines = info.text().lines();
        let count = lines.find_map(|line| line.strip_prefix("total_commands_processed:"));
        count.unwrap().trim().parse().unwrap()
    };
    let before = commands();
    for other in &others {
        other.signal(libc::SIGCONT);
    }
    let got: Vec<String> = others.into_iter().map(Child::join).collect();
    // A process that goes back and forth between the server and its host asks a hundred thousand times.
    let asked = commands() - before;
    assert!(asked < 10_000, "{asked}");
    assert!(world.accepts(&got[0]), "{got:?}");
    assert!(got.iter().all(|token| *token == got[0]), "{got:?}");
    assert_eq!(world.requests(), 2);
    // The server gets the token once it takes writes.
    world.server().run(&["CONFIG", "SET", "maxmemory", "0"]);
    handle.set("revalidate_ms", "0").unwrap();
    assert_eq!(handle.get("shop").unwrap().value, got[0]);
    let elsewhere = Child::fork(|| {
        world.become_host(1);
        outcome(world.open().get("shop"))
    });
    assert_eq!(elsewhere.join(), got[0]);
    assert_eq!(world.requests(), 2);
}

/// Faults row 46: a call that ends early does not mark the server as unreachable.
#[test]
fn the_deadline_of_one_call_does_not_affect_another() {
    let world = World::on_redis_with_account(json!({}));
    let hasty = world.open_shop("official");
    let patient = world.open();
    // Longer than an outage takes to be noticed, and shorter than one step may take.
    hasty.set("timeout_ms", "1100").unwrap();
    world.server().freeze();
    let register = |handle: &Handle| handle.register("b", "official", "wx2", SECRET);
    let own = register(&hasty).unwrap_err();
    assert!(own.message.contains("timeout_ms (1100 ms)"), "{own:?}");
    let failed = register(&patient).unwrap_err();
    world.server().thaw();
    assert_eq!(failed.status, WXTOKEN_E_STORE, "{failed:?}");
    assert!(!failed.message.contains("timeout_ms"), "{failed:?}");
}

#[test]
fn an_unreachable_server_is_tried_once_a_second() {
    let (mut world, proxy, handle) = behind_a_proxy("official_classic");
    let token = handle.get("shop").unwrap();
    handle.set("revalidate_ms", "0").unwrap();
    world.redis.as_mut().unwrap().kill();
    assert_eq!(handle.get("shop").unwrap(), token);
    let (began, before) = (Instant::now(), proxy.connections());
    for _ in 0..2000 {
        assert_eq!(handle.get("shop").unwrap(), token);
    }
    let most = began.elapsed().as_secs() + 2;
    let tries = proxy.connections() - before;
    assert!(tries <= most, "{tries} tries in {:?}", began.elapsed());
}

/// Faults row 48: a reply is lost.
#[test]
fn a_lost_reply_is_not_a_lost_write() {
    for fault in [Fault::CutAfter, Fault::CutBefore] {
        until_unspoiled(|| lost_reply_is_no_lost_write(&fault));
    }
}

fn lost_reply_is_no_lost_write(fault: &Fault) -> Option<()> {
    let (world, proxy, handle) = behind_a_proxy("official_classic");
    // Spoils the claim.
    proxy.spoil(fault.clone(), "ZADD", 1);
    world.fault(json!({"id": "wx1", "kind": "delay", "ms": 300}));
    let (token, in_time) = std::thread::scope(|scope| {
        let got = scope.spawn(|| handle.get("shop"));
        wait_until("the leader asks", || world.requests() == 1);
        // Spoils the save.
        proxy.spoil(fault.clone(), "ZADD", 1);
        let in_time = world.is_asked("wx1");
        (got.join().unwrap().unwrap(), in_time)
    });
    if !in_time {
        return None;
    }
    assert_eq!(proxy.spoiled(), 2, "{fault:?}");
    assert_eq!(world.minted(), 1, "{fault:?}");
    let report = handle.report();
    let row = &report["accounts"][0]["tokens"][0];
    assert_eq!(
        (&row["fetches"], &report["degraded"]),
        (&json!(1), &json!(null))
    );
    // The lost reply is not taken for another process's write, which would cause one more fetch.
    handle.set("revalidate_ms", "0").unwrap();
    assert_eq!(handle.get("shop").unwrap(), token);
    assert_eq!(world.minted(), 1, "{fault:?}");
    let other = Child::fork(|| outcome(world.open().get("shop")));
    assert_eq!(other.join(), token.value);
    Some(())
}

/// Faults row 48: the reply to a registration is lost.
#[test]
fn a_lost_reply_to_a_registration_registers_once() {
    for fault in [Fault::CutAfter, Fault::CutBefore] {
        let (world, proxy, handle) = behind_a_proxy("official");
        world.add("official", "wx2", json!({}));
        proxy.spoil(fault.clone(), "a:other", 1);
        // A read comes first, then the write. Both contain the name.
        proxy.spoil(fault, "r:", 1);
        handle.register("other", "official", "wx2", SECRET).unwrap();
        assert!(proxy.spoiled() > 0);
        assert!(world.accepts(&handle.get("other").unwrap().value));
        assert_eq!(handle.report()["accounts"].as_array().unwrap().len(), 2);
    }
}

/// Faults row 48: a reply to another request does not count as a reply.
#[test]
fn a_reply_is_never_taken_for_the_reply_to_another_request() {
    let (world, proxy, handle) = behind_a_proxy("official");
    world.add("official", "wx2", json!({}));
    handle.register("other", "official", "wx2", SECRET).unwrap();
    handle.set("revalidate_ms", "0").unwrap();
    let tokens = ["shop", "other"].map(|name| handle.get(name).unwrap());
    assert_ne!(tokens[0], tokens[1]);
    let others = [
        "$-1\r\n",
        "+OK\r\n",
        ":1\r\n",
        "*6\r\n$1\r\nx\r\n$1\r\n1\r\n$1\r\n1\r\n$4\r\nshop\r\n$0\r\n\r\n$0\r\n\r\n",
    ];
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (handle, stop, tokens) = (&handle, &stop, &tokens);
            scope.spawn(move || {
                let name = ["shop", "other"][thread % 2];
                while !stop.load(Ordering::Relaxed) {
                    let got = handle.get(name).unwrap();
                    assert_eq!(got, tokens[thread % 2], "{name}");
                }
            });
        }
        for turn in 0..60 {
            let fault = match turn % 6 {
                4 => Fault::CutAfter,
                5 => Fault::Delay(150),
                other => Fault::Prepend(others[other].into()),
            };
            let before = proxy.spoiled();
            proxy.spoil(fault, "EVALSHA", 1);
            wait_until("an exchange is spoiled", || proxy.spoiled() > before);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(world.minted(), 1);
    assert_eq!(world.sim.counters_of("wx2").minted, 1);
}

/// Faults row 49: row 7 on a server.
#[test]
fn forks_under_load_neither_hang_nor_return_a_wrong_token() {
    let world = World::on_redis_with_account(json!({}));
    common::fork_under_load(&world);
}

/// Faults row 49: a child closes the connections that it inherits, and the parent's connection stays in use.
#[test]
fn a_child_keeps_none_of_its_parents_connections() {
    let (_world, proxy, handle) = behind_a_proxy("official");
    let token = handle.get("shop").unwrap();
    handle.set("revalidate_ms", "0").unwrap();
    let port = proxy.port();
    until_unspoiled(|| {
        handle.get("shop").unwrap();
        let before = proxy.connections();
        let child = Child::fork(|| {
            let inherited = sockets_to(port);
            let own = outcome(handle.get("shop"));
            format!("{} {} {own}", inherited.len(), sockets_to(port).len())
        });
        let said = child.join();
        let of_child = proxy.connections() - before;
        assert_eq!(handle.get("shop").unwrap(), token);
        let of_both = proxy.connections() - before;
        assert!(
            said.starts_with("0 ") && said.ends_with(&token.value),
            "{said}"
        );
        let is_right = said.starts_with("0 1 ") && (of_child, of_both) == (1, 1);
        // A read that takes more than 100 ms closes its connection.
        is_right.then_some(())
    });
}

/// This process's connections to a port of this host.
fn sockets_to(port: u16) -> Vec<PathBuf> {
    let wanted = format!("0100007F:{port:04X}");
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let inodes: Vec<String> = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|columns| columns[2] == wanted)
        .map(|columns| format!("socket:[{}]", columns[9]))
        .collect();
    let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    files
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .filter(|target| inodes.iter().any(|inode| Path::new(inode) == target))
        .collect()
}

/// Faults row 50: a profiler's timer.
#[test]
fn timer_signals_do_not_fail_a_call() {
    let (world, proxy, handle) = behind_a_proxy("official");
    proxy.spoil(Fault::Delay(30), "", u64::MAX);
    let child = Child::fork(|| {
        common::interrupt_all_the_time();
        outcome(handle.get("shop"))
    });
    let said = child.join();
    assert!(world.accepts(&said), "{said}");
    assert!(
        proxy.spoiled() > 3,
        "its calls took long enough to be interrupted"
    );
}

/// Faults row 50: a TLS peer breaks off, in a host that SIGPIPE kills.
#[test]
fn a_tls_peer_that_breaks_off_does_not_kill_the_host() {
    let world = World::on_redis_with_account(json!({}));
    let (proxy, ca) = Proxy::by_tls(&world.server().socket());
    let file = world.directory.path().join("ca.pem");
    std::fs::write(&file, ca).unwrap();
    let said = Child::fork(|| {
        // SAFETY: the default of a C program.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        common::set_env("WXTOKEN_CA_FILE", file.to_str().unwrap());
        let handle = world.open_at(Path::new(&proxy.url()));
        handle.set("revalidate_ms", "0").unwrap();
        handle.register("shop", "official", "wx1", SECRET).unwrap();
        let first = handle.get("shop").unwrap();
        for turn in 0..40 {
            let fault = [Fault::CutAfter, Fault::CutBefore][turn % 2].clone();
            proxy.spoil(fault, "", 1 + (turn % 3) as u64);
            assert_eq!(handle.get("shop").unwrap(), first);
        }
        first.value
    })
    .join();
    assert!(world.accepts(&said), "{said}");
}

/// Faults row 47: refusals of a real server.
#[test]
fn a_refusal_by_the_server_is_reported_with_a_remedy() {
    let world = World::on(RedisServer::with(&["--dbfilename", "dump"]));
    world.add("official", "wx1", json!({}));
    let handle = world.open_shop("official_classic");
    handle.set("revalidate_ms", "0").unwrap();
    let server = world.server();
    let refused = |said: &str| {
        let failed = handle.get("shop").unwrap_err();
        assert_eq!(failed.status, WXTOKEN_E_STORE, "{failed:?}");
        assert!(failed.message.contains(said), "{said}: {failed:?}");
        assert!(failed.message.contains("hint: "), "{failed:?}");
        assert_eq!(world.requests(), 0, "no fetch without a place to put it");
    };
    // OOM.
    server.run(&["CONFIG", "SET", "maxmemory", "1"]);
    refused("maxmemory");
    server.run(&["CONFIG", "SET", "maxmemory", "0"]);
    // NOREPLICAS.
    server.run(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    refused("min-replicas-to-write");
    server.run(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    // MISCONF: a dump that cannot be written.
    server.run(&["CONFIG", "SET", "save", "3600 1"]);
    std::fs::create_dir(server.directory().join("dump")).unwrap();
    wait_until("a dump has failed", || {
        let _ = server.ask(&["BGSAVE"]);
        let info = server.run(&["INFO", "persistence"]);
        info.text().contains("rdb_last_bgsave_status:err")
    });
    refused("cannot write its data to disk");
    server.run(&["CONFIG", "SET", "save", ""]);
    // BUSY.
    server.run(&["CONFIG", "SET", "busy-reply-threshold", "1"]);
    let mut busy = server.client();
    busy.send(&["EVAL", "while true do end", "0"]).unwrap();
    wait_until(
        "the script runs",
        || matches!(server.ask(&["PING"]), redis_server::Value::Failure(text) if text.starts_with("BUSY")),
    );
    refused("SCRIPT KILL");
    server.run(&["SCRIPT", "KILL"]);
    let _ = busy.read();
    // NOPERM. The message has the missing ACL rule.
    server.run(&["ACL", "SETUSER", "default", "-evalsha", "-multi"]);
    refused("ACL SETUSER default ~wxtoken:*");
    server.run(&["ACL", "SETUSER", "default", "+evalsha", "+multi"]);
    // NOAUTH: the server was given a password meanwhile.
    let mut opened = server.client();
    server.run(&["CONFIG", "SET", "requirepass", "hush"]);
    server.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    let _ = opened.ask(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    refused("asks for a password");
    let _ = opened.ask(&["CONFIG", "SET", "requirepass", ""]);
    // All is well again.
    assert!(world.accepts(&handle.get("shop").unwrap().value));
}

/// Faults row 43: when the call that put a refresh token returns, a replica has it too. Without a replica the call does
/// not wait.
#[test]
fn a_put_waits_for_a_replica() {
    let world = World::on_redis_with_account(json!({}));
    world.add("component", "wxc", json!({}));
    let handle = world.open();
    handle
        .register("platform", "component", "wxc", SECRET)
        .unwrap();
    let waits = || {
        let said = world.server().run(&["INFO", "commandstats"]);
        said.text().contains("cmdstat_wait:")
    };
    handle
        .put("platform", "verify_ticket", "ticket@@@a")
        .unwrap();
    assert!(!waits(), "waited on a server without replicas");
    let gate = Proxy::to(&world.server().socket());
    let master = format!("127.0.0.1 {}", gate.port());
    let replica = RedisServer::with(&["--replicaof", &master]);
    wait_until("the replica has the accounts", || {
        replica.ask(&["EXISTS", "wxtoken:{accounts}"]) == redis_value(1)
    });
    wait_until("a handle has seen the replica", || {
        let ticket = format!("ticket@@@{}", Instant::now().elapsed().as_nanos());
        handle.put("platform", "verify_ticket", &ticket).unwrap();
        waits()
    });
    // The wait covers the write, also if the server did not know the script, or runs none.
    for (number, command) in [
        &["SCRIPT", "FLUSH"][..],
        &["ACL", "SETUSER", "default", "-@scripting"],
    ]
    .into_iter()
    .enumerate()
    {
        world.server().run(command);
        let mut monitor = world.server().client();
        monitor.ask(&["MONITOR"]).unwrap();
        let ticket = format!("ticket@@@late{number}");
        handle.put("platform", "verify_ticket", &ticket).unwrap();
        let mut is_written = false;
        loop {
            let said = monitor.read().unwrap();
            is_written |= said.text().contains("\"SET\" \"wxtoken:{row:");
            if said.text().contains("\"WAIT\"") {
                break;
            }
        }
        assert!(is_written, "{command:?}: waited before the write");
    }
}

/// Faults row 47: a replica, a replica that lost its master, and a server that is loading its data.
#[test]
fn a_replica_and_a_loading_server_are_reported_as_such() {
    let world = World::on_redis_with_account(json!({}));
    let handle = world.open_shop("official_classic");
    handle.set("revalidate_ms", "0").unwrap();
    let gate = Proxy::to(&world.server().socket());
    let port = gate.port().to_string();
    let replica = RedisServer::with(&["--replicaof", &format!("127.0.0.1 {port}")]);
    wait_until("the replica has the accounts", || {
        replica.ask(&["EXISTS", "wxtoken:{accounts}"]) == redis_value(1)
    });
    // READONLY: a replica returns no token that would need a fetch.
    let on_replica = Child::fork(|| {
        world.become_host(0);
        let handle = world.open_at(Path::new(&replica.url()));
        let failed = handle.get("shop").unwrap_err();
        format!("{:?} {}", failed.status, failed.message)
    })
    .join();
    assert!(
        on_replica.contains("E_STORE") && on_replica.contains("replica"),
        "{on_replica}"
    );
    assert_eq!(world.requests(), 0);
    // A good token is served.
    let token = handle.get("shop").unwrap();
    wait_until("the replica has the token", || {
        replica.ask(&["ZCARD", "wxtoken:{rows}"]) == redis_value(1)
            && Child::fork(|| {
                world.become_host(0);
                outcome(world.open_at(Path::new(&replica.url())).get("shop"))
            })
            .join()
                == token.value
    });
    // MASTERDOWN.
    replica.run(&["CONFIG", "SET", "replica-serve-stale-data", "no"]);
    drop(gate);
    replica.run(&["REPLICAOF", "127.0.0.1", "1"]);
    let said = Child::fork(|| match Handle::open(Path::new(&replica.url())) {
        Ok(_) => "opened".into(),
        Err(failed) => failed.message,
    })
    .join();
    assert!(said.contains("lost its master"), "{said}");
    assert_eq!(world.minted(), 1);
    // LOADING.
    let mut starting = RedisServer::with(&["--save", "3600 1", "--rdbcompression", "no"]);
    for number in 0..40 {
        let name = format!("key{number}");
        starting.run(&["SET", &name, &"x".repeat(1000)]);
    }
    starting.run(&["SAVE"]);
    starting.kill();
    starting.set_option("--key-load-delay", "500000");
    starting.set_option("--loading-process-events-interval-bytes", "1024");
    starting.begin();
    wait_until("it loads", || {
        let answer = redis_server::Client::connect(&starting.socket())
            .and_then(|mut client| client.ask(&["PING"]));
        matches!(answer, Ok(redis_server::Value::Failure(text)) if text.starts_with("LOADING"))
    });
    let failed = Handle::open(Path::new(&starting.url())).err().unwrap();
    assert!(
        failed.message.contains("reading its data from disk"),
        "{failed:?}"
    );
}
