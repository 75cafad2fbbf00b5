//! Threads held at one exact moment, as if they hung at an unforeseen place or were slower than another process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::wxtoken::tool::{Error, Keeper, KeeperEvent, Outcome, Store};
use ::wxtoken::{Failpoint, held, hold, let_go};
use common::{Child, Failure, Handle, SECRET, Token, World, outcome, until_unspoiled, wait_until};
use serde_json::{Value, json};

/// The held threads. A moment belongs to the whole process, so only one test runs at a time.
struct Held(#[allow(dead_code)] MutexGuard<'static, ()>);

impl Held {
    fn none() -> Held {
        static ONE: Mutex<()> = Mutex::new(());
        Held(ONE.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn at(point: Failpoint, threads: usize) -> Held {
        let one = Held::none();
        hold(point, threads);
        one
    }

    fn let_go(&self) {
        let_go();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let_go();
    }
}

fn row(handle: &Handle) -> Value {
    handle.report()["accounts"][0]["tokens"][0].clone()
}

/// A thread with a short timeout that is held when it has claimed the fetch.
fn stuck_thread(world: &World) -> std::thread::JoinHandle<Result<Token, Failure>> {
    until_unspoiled(|| {
        let hasty = world.open();
        hasty.set("timeout_ms", "1000").unwrap();
        let thread = std::thread::spawn(move || hasty.get("shop"));
        wait_until("it has claimed, or has no time left", || {
            held() == 1 || thread.is_finished()
        });
        (held() == 1).then_some(thread)
    })
}

/// Faults row 73: the other threads of a process pass over a stuck one, as other processes do.
#[test]
fn a_thread_that_hangs_does_not_lock_its_process_out_of_the_token() {
    for kind in ["official", "official_classic"] {
        let world = World::with_account(json!({}));
        let handle = world.open_shop(kind);
        handle.set("timeout_ms", "60000").unwrap();
        let stuck = Held::at(Failpoint::Claimed, 1);
        let thread = stuck_thread(&world);
        let token = handle.get("shop").unwrap();
        assert!(world.accepts(&token.value), "{kind}");
        stuck.let_go();
        let late = thread.join().unwrap();
        assert!(late.is_err(), "{kind}: {late:?}");
        assert_eq!(handle.get("shop").unwrap().value, token.value, "{kind}");
        assert_eq!(row(&handle)["last_error"], Value::Null, "{kind}");
        assert_eq!(world.requests(), 1, "{kind}");
    }
}

/// Faults row 73: the leader lock distinguishes processes, not threads. A stuck thread that wakes does not release the
/// lock of its successor.
#[test]
fn a_thread_that_wakes_late_releases_no_lock_of_its_successor() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official_classic");
    handle.set("timeout_ms", "60000").unwrap();
    world.fault(json!({"id": "wx1", "kind": "delay", "ms": 4000}));
    let stuck = Held::at(Failpoint::Claimed, 1);
    let thread = stuck_thread(&world);
    let next = std::thread::spawn(move || handle.get("shop").unwrap().value);
    wait_until("the next one is asking", || {
        world.sim.counters_of("wx1").in_flight == 1
    });
    stuck.let_go();
    thread.join().unwrap().unwrap_err();
    let other = Child::fork(|| {
        let other = world.open();
        other.set("timeout_ms", "60000").unwrap();
        outcome(other.get("shop"))
    });
    assert_eq!(other.join(), next.join().unwrap());
    assert_eq!(world.requests(), 1);
}

fn keeper_of(world: &World, timeout_ms: &str) -> (Keeper, Arc<Mutex<Vec<KeeperEvent>>>) {
    let store = Store::open(world.store().to_str()).unwrap();
    store.set("api_base_url", world.sim.http()).unwrap();
    store.set("timeout_ms", timeout_ms).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let to = told.clone();
    let tell = move |kept: &KeeperEvent| to.lock().unwrap().push(kept.clone());
    (store.keeper(Arc::new(tell)).unwrap(), told)
}

fn failures(told: &Mutex<Vec<KeeperEvent>>) -> Vec<Error> {
    let told = told.lock().unwrap();
    let failures = told.iter().filter_map(|kept| match &kept.outcome {
        Outcome::Failed(failure) => Some(failure.clone()),
        _ => None,
    });
    failures.collect()
}

/// Faults row 74: 24 threads hang, as many as one platform may have. Each of thirty accounts still gets its token.
#[test]
fn fetches_that_hang_are_reported_and_no_account_is_left_out() {
    const HANG: usize = 24;
    let world = World::new();
    let owner = world.open();
    for number in 0..30 {
        let id = format!("wx{number}");
        world.add("official", &id, json!({}));
        owner.register(&id, "official", &id, SECRET).unwrap();
    }
    let stuck = Held::at(Failpoint::Claimed, HANG);
    let (mut keeper, told) = keeper_of(&world, "2000");
    let mut pass = None;
    wait_until("every account has its token", || {
        // On a slow machine a pass may also fail.
        pass = keeper.pass().ok();
        pass.as_ref().is_some_and(|pass| pass.without_token == 0)
    });
    let pass = pass.unwrap();
    assert_eq!((pass.accounts, pass.overdue), (30, HANG), "{pass:?}");
    assert!(!pass.is_stalled, "{pass:?}");
    // On a slow machine a fetch may also fail and be retried.
    let mut messages = failures(&told);
    messages.retain(|e| e.what.contains("has not ended"));
    assert_eq!(messages.len(), HANG, "{messages:?}");
    // Late answers overwrite nothing.
    let there = owner.report()["accounts"].clone();
    stuck.let_go();
    wait_until("they have ended", || keeper.pass().unwrap().overdue == 0);
    assert_eq!(owner.report()["accounts"], there);
    keeper.end();
    assert_eq!(world.sim.counters().minted, 30);
}

/// Faults row 74: a keeper whose fetches all hang does not count as working.
#[test]
fn a_keeper_whose_fetches_all_hang_is_reported_as_stalled() {
    let world = World::with_account(json!({}));
    world.open_shop("official");
    let stuck = Held::at(Failpoint::Claimed, usize::MAX);
    let (mut keeper, told) = keeper_of(&world, "1000");
    wait_until("the second try hangs too", || {
        let pass = keeper.pass().unwrap();
        assert!(!pass.is_stalled || pass.overdue > 0, "{pass:?}");
        pass.overdue == 2 && pass.is_stalled
    });
    // On a slow machine a fetch may also fail otherwise. After that the hanging ones are news again.
    let (hangs, others): (Vec<Error>, Vec<Error>) = failures(&told)
        .into_iter()
        .partition(|e| e.what.contains("has not ended"));
    assert!(
        (1..=1 + others.len()).contains(&hangs.len()),
        "told once: {hangs:?} {others:?}"
    );
    stuck.let_go();
    wait_until("it works again", || {
        let pass = keeper.pass().unwrap();
        !pass.is_stalled && pass.without_token == 0
    });
    keeper.end();
    assert_eq!(world.minted(), 1);
}

/// Faults row 78: a key change ends after a sealed value is read and before the key file is.
#[test]
fn a_key_changed_between_reading_and_opening_a_secret_fails_no_call() {
    let world = World::with_account(json!({}));
    world.add("component", "wxabove", json!({}));
    let handle = world.open_shop("official");
    handle
        .register("above", "component", "wxabove", SECRET)
        .unwrap();
    let (ticket, _) = world.sim.push("wxabove", 0).unwrap();
    handle.put("above", "verify_ticket", &ticket).unwrap();
    let (second, _) = world.sim.push("wxabove", 0).unwrap();
    handle.put("above", "verify_ticket", &second).unwrap();
    let operator = Store::open(world.store().to_str()).unwrap();
    let handle = Arc::new(handle);
    // The two accounts that fetch, and the pushed secrets.
    for name in [
        "shop",
        "above",
        "above/verify_ticket",
        "above/verify_ticket_before",
    ] {
        let slow = Held::at(Failpoint::Opening, 1);
        let of_thread = handle.clone();
        let thread = std::thread::spawn(move || of_thread.get(name));
        wait_until("it has looked", || held() == 1);
        operator.rekey().unwrap();
        slow.let_go();
        let got = thread.join().unwrap().unwrap().value;
        match name {
            "above/verify_ticket" => assert_eq!(got, second),
            "above/verify_ticket_before" => assert_eq!(got, ticket),
            _ => assert!(world.accepts(&got), "{name}"),
        }
    }
}

/// A key that has become another one for good is reported.
#[test]
fn a_lost_key_is_reported_after_a_second_look() {
    let _one = Held::none();
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    let key = world.store().with_added_extension("key");
    std::fs::write(&key, "0".repeat(64)).unwrap();
    let failure = handle.get("shop").unwrap_err();
    assert!(failure.message.contains("another key"), "{failure:?}");
}
