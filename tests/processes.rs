//! Processes that share a store: one fetch, a killed leader, a frozen leader, forks under load.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{Child, World, outcome, until_unspoiled, wait_until};
use serde_json::json;

/// Faults row 1: 32 processes of 4 threads each start at the same moment.
#[test]
fn a_cold_stampede_mints_one_token() {
    let world = World::with_account(json!({"delay_ms": 200}));
    world.open_shop("official");
    let (store, api) = (world.store(), world.sim.http().to_owned());
    let start = Instant::now() + Duration::from_millis(300);
    let children: Vec<Child> = (0..32)
        .map(|_| {
            Child::fork(|| {
                let handle = common::Handle::open(&store).unwrap();
                handle.set("api_base_url", &api).unwrap();
                handle.set("timeout_ms", "60000").unwrap();
                std::thread::sleep(start.saturating_duration_since(Instant::now()));
                let began = Instant::now();
                let tokens: Vec<String> = std::thread::scope(|scope| {
                    let threads: Vec<_> = (0..4)
                        .map(|_| scope.spawn(|| outcome(handle.get("shop"))))
                        .collect();
                    threads.into_iter().map(|t| t.join().unwrap()).collect()
                });
                let slowest = began.elapsed().as_millis();
                assert!(tokens.iter().all(|t| *t == tokens[0]), "{tokens:?}");
                format!("{slowest} {}", tokens[0])
            })
        })
        .collect();
    let results: Vec<String> = children.into_iter().map(Child::join).collect();
    let token = |line: &str| line.split_once(' ').map(|(_, token)| token.to_owned());
    let first = token(&results[0]).unwrap();
    assert!(first.len() > 100, "{first}");
    assert!(
        results.iter().all(|r| token(r).as_ref() == Some(&first)),
        "{results:?}"
    );
    assert_eq!(world.minted(), 1);
    assert_eq!(world.requests(), 1);
    // For the reader of the output; a loaded machine may be slower.
    println!("slowest get in ms, per process: {results:?}");
}

#[test]
fn an_expiry_costs_one_fetch_across_processes() {
    let world = World::with_account(json!({"lifetime_ms": 2000, "delay_ms": 50}));
    let handle = world.open_shop("official_classic");
    let first = handle.get("shop").unwrap();
    // Every process sees the next token, even one that stands still.
    world.add("official", "wx1", json!({"lifetime_ms": 600_000}));
    let (store, api) = (world.store(), world.sim.http().to_owned());
    let children: Vec<Child> = (0..8)
        .map(|_| {
            Child::fork(|| {
                let handle = common::Handle::open(&store).unwrap();
                handle.set("api_base_url", &api).unwrap();
                loop {
                    let token = handle.get("shop").unwrap();
                    if token.value != first.value {
                        return token.value;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            })
        })
        .collect();
    let second: Vec<String> = children.into_iter().map(Child::join).collect();
    assert!(second.iter().all(|token| *token == second[0]), "{second:?}");
    assert_eq!(world.minted(), 2);
}

/// Faults row 2: the leader is killed while it waits for WeChat.
#[test]
fn a_killed_leader_is_replaced_at_once() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    world.fault(json!({"id": "wx1", "kind": "hang"}));
    let leader = Child::fork(|| outcome(handle.get("shop")));
    wait_until("the leader asks", || world.requests() == 1);
    let waiter = std::thread::spawn(move || {
        let token = handle.get("shop");
        (token, Instant::now())
    });
    // The waiter looks every few milliseconds. It must find the lock held for a while first.
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(world.requests(), 1);
    let killed = Instant::now();
    leader.signal(libc::SIGKILL);
    let (token, at) = waiter.join().unwrap();
    token.unwrap();
    println!("led {} ms after the kill", (at - killed).as_millis());
    assert_eq!(world.requests(), 2);
    assert_eq!(leader.join(), "");
}

/// Faults row 5, the hard window: no process has a token, and the leader does not move.
#[test]
fn a_frozen_leader_is_replaced_when_its_lease_ends_and_cannot_overwrite() {
    until_unspoiled(frozen_leader_is_replaced);
}

fn frozen_leader_is_replaced() -> Option<()> {
    let world = World::with_account(json!({}));
    let leader_handle = world.open_shop("official_classic");
    leader_handle.set("timeout_ms", "1500").unwrap();
    let waiter_handle = world.open_shop("official_classic");
    let (store, api) = (world.store(), world.sim.http().to_owned());
    world.fault(json!({"id": "wx1", "kind": "hang"}));
    let began = Instant::now();
    let leader = Child::fork(|| outcome(leader_handle.get("shop")));
    let asks = || world.requests() == 1;
    wait_until("the leader asks, or has no time left", || {
        asks() || began.elapsed() > Duration::from_secs(2)
    });
    leader.signal(libc::SIGSTOP);
    if !asks() || began.elapsed() > Duration::from_millis(1400) {
        // Its time may have been up before it was stopped.
        leader.signal(libc::SIGKILL);
        leader.join();
        return None;
    }
    // Several wait, and one of them leads when the lease ends.
    let waiters: Vec<Child> = (0..4)
        .map(|_| {
            Child::fork(|| {
                let handle = common::Handle::open(&store).unwrap();
                handle.set("api_base_url", &api).unwrap();
                outcome(handle.get("shop"))
            })
        })
        .collect();
    let token = waiter_handle.get("shop").unwrap();
    for waiter in waiters {
        assert_eq!(waiter.join(), token.value);
    }
    assert_eq!(world.requests(), 2);
    leader.signal(libc::SIGCONT);
    let late = leader.join();
    assert!(late == token.value || late.contains("E_TIMEOUT"), "{late}");
    // The late request may have ended the token, so one more fetch replaces it. `failpoints` distinguishes the cases.
    let next = waiter_handle.get("shop").unwrap();
    assert!(world.accepts(&next.value));
    assert_eq!(world.requests(), 3);
    let report = waiter_handle.report();
    assert_eq!(report["accounts"][0]["tokens"][0]["failures_in_a_row"], 0);
    Some(())
}

/// Faults row 5, the soft window: the old token is good, so no caller waits for the frozen leader.
#[test]
fn a_frozen_leader_delays_no_caller_while_the_token_is_good() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    handle.set("revalidate_ms", "0").unwrap();
    const PATIENCE: Duration = Duration::from_secs(20);
    let patience = PATIENCE.as_millis().to_string();
    handle.set("timeout_ms", &patience).unwrap();
    let old = handle.get("shop").unwrap();
    world.fault(json!({"id": "wx1", "kind": "hang"}));
    world.pass_refresh_times();
    let leader = Child::fork(|| outcome(handle.get("shop")));
    wait_until("the leader asks", || world.requests() == 2);
    leader.signal(libc::SIGSTOP);
    // A call that waits for the leader would wait for the whole time.
    let began = Instant::now();
    for _ in 0..50 {
        assert_eq!(handle.get("shop").unwrap(), old);
    }
    assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
    assert_eq!(world.requests(), 2);
    leader.signal(libc::SIGKILL);
    leader.signal(libc::SIGCONT);
    leader.join();
}

/// Faults row 9: a lock must not live on in a child that the leader forked.
#[test]
fn a_leader_killed_while_its_child_lives_frees_the_lock() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    world.fault(json!({"id": "wx1", "kind": "hang"}));
    let asked = world.directory.path().join("asked");
    let leader = Child::fork(|| {
        // The lease also lasts: seven times the timeout of the next caller.
        handle.set("timeout_ms", "60000").unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| handle.get("shop"));
            wait_until("the test has seen the request", || asked.exists());
            let _child = Child::fork(|| {
                wait_until("the test has its token, or failed", || !asked.exists());
                String::new()
            });
            // SAFETY: ends this process and no other.
            unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
            unreachable!()
        })
    });
    wait_until("the leader asks", || world.requests() == 1);
    std::fs::write(&asked, "").unwrap();
    let mut status = 0;
    // SAFETY: our own child; reaped here, since its grandchild keeps the pipe open.
    unsafe { libc::waitpid(leader.pid, &mut status, 0) };
    handle.get("shop").unwrap();
    assert_eq!(world.requests(), 2);
}

/// Faults row 7: 8 threads get and reject, while a child that gets is forked again and again.
#[test]
fn forks_under_load_neither_hang_nor_return_a_wrong_token() {
    let world = World::with_account(json!({}));
    common::fork_under_load(&world);
}

/// Faults row 8: a fork during a write.
#[test]
fn a_child_forked_during_a_write_leaves_the_store_sound() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    handle.register("other", "work", "ww1", "secret-0").unwrap();
    let stop = AtomicBool::new(false);
    let names: Vec<String> = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut turn = 0;
            while !stop.load(Ordering::Relaxed) {
                turn += 1;
                let secret = format!("secret-{turn}");
                handle.register("other", "work", "ww1", &secret).unwrap();
            }
        });
        let children = (0..100)
            .map(|_| Child::fork(|| handle.report()["accounts"][0]["name"].to_string()).join());
        let names = children.collect();
        stop.store(true, Ordering::Relaxed);
        names
    });
    assert!(names.iter().all(|name| name == "\"other\""), "{names:?}");
    handle.get("shop").unwrap();
    assert_eq!(handle.report()["accounts"].as_array().unwrap().len(), 2);
}

/// Faults row 4 in short: writers killed at any instruction leave a store that opens and holds every account.
#[test]
fn killed_writers_leave_a_sound_store() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    for round in 0..40 {
        let store = world.store();
        let writer = Child::fork(|| {
            let handle = common::Handle::open(&store).unwrap();
            for turn in 0.. {
                let secret = format!("secret-{turn}");
                handle.register("other", "work", "ww1", &secret).unwrap();
            }
            String::new()
        });
        std::thread::sleep(Duration::from_micros(500 * (round % 13 + 1)));
        writer.signal(libc::SIGKILL);
        writer.join();
        let accounts = handle.report()["accounts"].clone();
        assert!(
            accounts
                .as_array()
                .unwrap()
                .iter()
                .any(|a| a["name"] == "shop"),
            "{accounts}"
        );
    }
    let files = std::fs::read_dir(world.directory.path()).unwrap();
    let damaged = files.filter(|f| {
        let name = f.as_ref().unwrap().file_name();
        name.to_string_lossy().contains("corrupt")
    });
    assert_eq!(damaged.count(), 0);
}

/// Faults row 4: a read that compares only the file's mark is not misled by the leftovers of a killed writer.
#[test]
fn a_read_after_a_killed_writer_returns_what_the_store_holds() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official_classic");
    handle.set("revalidate_ms", "0").unwrap();
    handle.get("shop").unwrap();
    for round in 0..40 {
        let writer = Child::fork(|| {
            let handle = world.open();
            for turn in 0.. {
                handle.put_current("shop").unwrap();
                let secret = format!("secret-{turn}");
                handle.register("other", "work", "ww1", &secret).unwrap();
                let token = handle.get("shop").unwrap();
                handle.reject("shop", &token.value).unwrap();
            }
            String::new()
        });
        std::thread::sleep(Duration::from_micros(700 * (round % 17 + 1)));
        writer.signal(libc::SIGKILL);
        writer.join();
        let seen = handle.get("shop").unwrap();
        let stored = Child::fork(|| outcome(world.open().get("shop"))).join();
        assert_eq!(stored, seen.value, "round {round}");
    }
}

/// A failure is kept in the store for all processes.
#[test]
fn a_bad_secret_on_many_processes_costs_one_call() {
    let world = World::with_account(json!({}));
    let handle = world.open();
    handle.register("shop", "official", "wx1", "wrong").unwrap();
    let children: Vec<Child> = (0..16)
        .map(|_| Child::fork(|| outcome(handle.get("shop"))))
        .collect();
    for child in children {
        let said = child.join();
        assert!(said.contains("E_API") && said.contains("40125"), "{said}");
    }
    assert_eq!(world.requests(), 1);
}
