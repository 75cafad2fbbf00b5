//! Gets as a token ages, and rejects: freshness, the soft window, failures, budgets.

use std::time::{Duration, Instant};

use ::wxtoken::ffi::wxtoken_status::*;
use ::wxtoken::tool::Store;
use common::{Child, World, outcome, until_unspoiled, wait_until};
use serde_json::json;

/// The token of `wx1` as the report shows it.
fn row(handle: &common::Handle) -> serde_json::Value {
    handle.report()["accounts"][0]["tokens"][0].clone()
}

/// A world whose handle notices at once that its token has aged.
fn aging(kind: &str) -> (World, common::Handle) {
    let world = World::with_account(json!({}));
    let handle = world.open_shop(kind);
    handle.set("revalidate_ms", "0").unwrap();
    (world, handle)
}

fn make_usable(world: &World, handle: &common::Handle) {
    world.pass_refresh_times();
    assert_eq!(row(handle)["state"], "usable");
}

#[test]
fn a_usable_token_is_refreshed_by_the_caller_that_finds_it() {
    let (world, handle) = aging("official_classic");
    let first = handle.get("shop").unwrap();
    make_usable(&world, &handle);
    let second = handle.get("shop").unwrap();
    assert_ne!(first.value, second.value);
    assert_eq!(world.minted(), 2);
    assert_eq!(handle.get("shop").unwrap(), second);
}

#[test]
fn a_failed_refresh_serves_the_old_token_and_backs_off() {
    let (world, handle) = aging("official_classic");
    let first = handle.get("shop").unwrap();
    world.fault(json!({"id": "wx1", "kind": "status", "code": 503, "times": 0}));
    make_usable(&world, &handle);
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(handle.get("shop").unwrap(), first);
    }
    // A back-off of two seconds ends after 1.6 s at the earliest. A machine may stand still for longer.
    let tries = 1 + began.elapsed().as_millis() / 1600;
    let failures = row(&handle)["failures_in_a_row"].as_u64().unwrap();
    assert!((1..=tries).contains(&failures.into()), "{failures}");
    assert_eq!(world.requests(), 1 + failures);
    world.expire_all();
    let failure = handle.get("shop").unwrap_err();
    assert_eq!(failure.status, WXTOKEN_E_REPLY);
    assert!(failure.message.contains("503"), "{failure:?}");
    assert!(failure.retry_after_ms > 0);
}

#[test]
fn with_background_refresh_no_caller_waits() {
    let (world, handle) = aging("official_classic");
    handle.set("background_refresh", "1").unwrap();
    handle.set("timeout_ms", "60000").unwrap();
    let first = handle.get("shop").unwrap();
    world.fault(json!({"id": "wx1", "kind": "delay", "ms": 5000}));
    make_usable(&world, &handle);
    assert_eq!(handle.get("shop").unwrap(), first);
    // The refresh is still under way, and no caller has waited for it.
    assert_eq!(row(&handle)["fetches"], 1);
    wait_until("the background refresh is done", || {
        handle.get("shop").unwrap() != first
    });
    assert_eq!(world.minted(), 2);
}

#[test]
fn free_waits_for_a_background_refresh() {
    let (world, handle) = aging("official_classic");
    handle.set("background_refresh", "1").unwrap();
    handle.get("shop").unwrap();
    world.fault(json!({"id": "wx1", "kind": "delay", "ms": 200}));
    make_usable(&world, &handle);
    handle.get("shop").unwrap();
    drop(handle);
    let report = world.open_shop("official_classic").report();
    assert_eq!(report["accounts"][0]["tokens"][0]["fetches"], 2);
}

#[test]
fn a_stable_token_that_the_platform_repeats_causes_no_loop() {
    let world = World::with_account(json!({"lifetime_ms": 12_000, "renew_window_ms": 300}));
    let handle = world.open_shop("official");
    handle.set("revalidate_ms", "0").unwrap();
    let start = Instant::now();
    let first = handle.get("shop").unwrap();
    loop {
        let token = handle.get("shop").unwrap();
        // A late get may return the next token.
        if start.elapsed() > Duration::from_millis(11_100) {
            break;
        }
        // The end may differ by a second: the platform counts in whole ones.
        assert_eq!(token.value, first.value);
        std::thread::sleep(Duration::from_millis(5));
    }
    // On a slow machine the last get may have been before the refresh time.
    handle.get("shop").unwrap();
    // One fetch, and a few tries ever closer to the end: 1200 ms, 150 ms, ...
    assert!((2..=5).contains(&world.requests()), "{}", world.requests());
}

#[test]
fn a_reject_is_seen_by_every_name_of_the_token_at_once() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    handle
        .register("店铺", "official", "wx1", common::SECRET)
        .unwrap();
    handle.set("revalidate_ms", "60000").unwrap();
    let first = handle.get("shop").unwrap();
    assert_eq!(handle.get("店铺").unwrap(), first);
    world.sim.revoke("wx1");
    handle.reject("店铺", &first.value).unwrap();
    let second = handle.get("shop").unwrap();
    assert_ne!(second.value, first.value);
    assert_eq!(handle.get("店铺").unwrap(), second);
    assert_eq!(world.minted(), 2);
}

/// A store that cannot be read just then would hold up every token.
#[test]
fn a_new_account_leaves_the_cached_tokens_of_others_alone() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official_classic");
    handle.set("revalidate_ms", "60000").unwrap();
    let first = handle.get("shop").unwrap();
    world.sim.revoke("wx1");
    // A get that looked at the store would find this.
    let second = Child::fork(|| {
        handle.reject("shop", &first.value).unwrap();
        outcome(handle.get("shop"))
    });
    assert_ne!(second.join(), first.value);
    handle
        .register("new", "official", "wx2", common::SECRET)
        .unwrap();
    assert_eq!(handle.get("shop").unwrap(), first);
    // The secret of an account that was there may be of another id now.
    handle
        .register("new", "official", "wx3", common::SECRET)
        .unwrap();
    assert_ne!(handle.get("shop").unwrap().value, first.value);
}

#[test]
fn a_change_in_another_process_is_seen_within_revalidate_ms() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official_classic");
    handle.set("revalidate_ms", "100").unwrap();
    let first = handle.get("shop").unwrap();
    world.sim.revoke("wx1");
    let second = common::Child::fork(|| {
        handle.reject("shop", &first.value).unwrap();
        common::outcome(handle.get("shop"))
    })
    .join();
    assert_ne!(second, first.value);
    wait_until("the change is seen", || {
        handle.get("shop").unwrap().value == second
    });
    assert_eq!(world.minted(), 2);
}

#[test]
fn threads_on_an_empty_store_share_one_fetch() {
    let world = World::with_account(json!({"delay_ms": 50}));
    let handle = world.open_shop("official_classic");
    let tokens: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..32)
            .map(|_| scope.spawn(|| handle.get("shop").unwrap()))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(world.minted(), 1);
}

/// The timeout of a process with a short deadline says nothing about the platform.
#[test]
fn the_timeout_of_a_hasty_caller_is_not_shared_with_patient_ones() {
    until_unspoiled(|| {
        let world = World::with_account(json!({}));
        world.fault(json!({"id": "wx1", "kind": "hang"}));
        let hasty = world.open_shop("official");
        let patient = world.open_shop("official");
        hasty.set("timeout_ms", "2000").unwrap();
        let began = Instant::now();
        let (failure, asked_after) = std::thread::scope(|scope| {
            let asks = scope.spawn(|| hasty.get("shop").unwrap_err());
            wait_until("it asks", || world.requests() == 1 || asks.is_finished());
            let asked_after = began.elapsed();
            (asks.join().unwrap(), asked_after)
        });
        assert_eq!(failure.status, WXTOKEN_E_TIMEOUT);
        // The timeout is shared with equally hasty callers, so that a crowd of them does not ask again and again.
        let again = hasty.get("shop");
        // A caller that asked late was hastier than this one. A back-off ends after 1.6 s at the earliest.
        let was_late = asked_after > Duration::from_millis(500);
        if was_late || began.elapsed() >= Duration::from_millis(3600) {
            return None;
        }
        assert!(again.unwrap_err().retry_after_ms > 0);
        assert_eq!(world.requests(), 1);
        patient.get("shop").unwrap();
        hasty.get("shop").unwrap();
        Some(())
    });
}

#[test]
fn a_caller_with_hardly_any_time_left_does_not_lead() {
    until_unspoiled(|| {
        let world = World::with_account(json!({}));
        let leader = world.open_shop("official");
        let waiter = world.open_shop("official");
        waiter.set("timeout_ms", "2000").unwrap();
        world.fault(json!({"id": "wx1", "kind": "hang", "times": 0}));
        // The failure of a leader with less time does not stand for the waiter.
        leader.set("timeout_ms", "1450").unwrap();
        std::thread::scope(|scope| {
            let began = Instant::now();
            let leads = scope.spawn(|| leader.get("shop").unwrap_err());
            wait_until("the leader asks", || {
                world.requests() == 1 || leads.is_finished()
            });
            // The lead becomes free when the waiter has 550 ms left, and the time that the leader took to ask. With a
            // second left it would lead.
            let took = began.elapsed();
            if world.requests() == 0 || took > Duration::from_millis(350) {
                return None;
            }
            assert_eq!(waiter.get("shop").unwrap_err().status, WXTOKEN_E_TIMEOUT);
            assert_eq!(world.requests(), 1);
            Some(())
        })
    });
}

#[test]
fn waiting_for_another_thread_ends_at_the_deadline() {
    let world = World::with_account(json!({}));
    let patient = world.open_shop("official");
    let hasty = world.open_shop("official");
    patient.set("timeout_ms", "60000").unwrap();
    hasty.set("timeout_ms", "100").unwrap();
    world.fault(json!({"id": "wx1", "kind": "delay", "ms": 5000}));
    std::thread::scope(|scope| {
        let leader = scope.spawn(|| patient.get("shop"));
        wait_until("the leader asks", || world.requests() == 1);
        let failure = hasty.get("shop").unwrap_err();
        assert_eq!(failure.status, WXTOKEN_E_TIMEOUT);
        assert!(failure.message.contains("100 ms"), "{failure:?}");
        leader.join().unwrap().unwrap();
    });
    assert_eq!(world.requests(), 1);
}

/// One start of a program that is configured with this secret.
fn start(world: &World, kind: &str, secret: &str, remove: bool) -> String {
    Child::fork(|| {
        if remove {
            let store = Store::open(world.store().to_str());
            // The other program may not have registered it yet.
            let _ = store.unwrap().remove("shop");
        }
        let handle = world.open();
        handle.register("shop", kind, "wx1", secret).unwrap();
        outcome(handle.get("shop"))
    })
    .join()
}

#[test]
fn programs_that_alternate_wrong_secrets_cost_two_requests_a_minute() {
    for kind in ["official", "official_classic", "work"] {
        for remove in [false, true] {
            let world = World::new();
            let platform = if kind == "work" { "work" } else { "official" };
            world.add(platform, "wx1", json!({}));
            let began = Instant::now();
            for turn in 0..12 {
                let secret = ["wrong", "wronger"][turn % 2];
                let said = start(&world, kind, secret, remove);
                assert!(said.contains("WXTOKEN_E_API"), "{said}");
            }
            // A back-off of a minute ends after 48 s at the earliest.
            if began.elapsed() < Duration::from_secs(48) {
                assert_eq!(world.requests(), 2, "{kind}, removed: {remove}");
            }
        }
    }
}

#[test]
fn the_right_secret_works_at_once_after_a_wrong_one() {
    for remove in [false, true] {
        let world = World::with_account(json!({}));
        for _ in 0..3 {
            start(&world, "official", "wrong", false);
        }
        let token = start(&world, "official", common::SECRET, remove);
        assert!(world.accepts(&token), "{token}");
        assert_eq!(world.requests(), 2);
    }
}

#[test]
fn alternating_wrong_tickets_cost_two_requests_a_minute() {
    let world = World::new();
    world.add("component", "wx1", json!({}));
    let handle = world.open_shop("component");
    let began = Instant::now();
    for turn in 0..12 {
        let ticket = ["never-pushed", "neither"][turn % 2];
        handle.put("shop", "verify_ticket", ticket).unwrap();
        assert_eq!(handle.get("shop").unwrap_err().errcode, 61006);
    }
    if began.elapsed() < Duration::from_secs(48) {
        assert_eq!(world.requests(), 2);
    }
}

#[test]
fn a_program_may_end_the_back_off_of_every_credential_once_a_minute() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    // Nothing has failed.
    handle.put_maybe("shop", "retry", None).unwrap();
    handle.get("shop").unwrap();
    let quota = json!({"id": "wx1", "kind": "errcode", "errcode": 45009, "times": 2});
    world.fault(quota.clone());
    let failure = handle.get("shop/jsapi_ticket").unwrap_err();
    let remedy = "When the quota is cleared, put the field retry with wxtoken_put.";
    assert!(failure.message.ends_with(remedy), "{failure:?}");
    world.sim.clear_faults();
    handle.get("shop/jsapi_ticket").unwrap_err();
    // Another process may end the back-off.
    let said = Child::fork(|| match world.open().put_maybe("shop", "retry", None) {
        Ok(()) => "ended".into(),
        Err(failure) => failure.message,
    });
    assert_eq!(said.join(), "ended");
    handle.get("shop/jsapi_ticket").unwrap();
    assert_eq!(world.requests(), 3);

    let invalid = handle.put("shop", "retry", "now").unwrap_err();
    assert_eq!(invalid.status, WXTOKEN_E_ARGUMENT);
    let unknown = handle.put_maybe("stall", "retry", None).unwrap_err();
    assert_eq!(unknown.status, WXTOKEN_E_ACCOUNT);
}

#[test]
fn a_retry_that_comes_too_soon_changes_nothing_and_says_when_to_come_back() {
    let world = World::with_account(json!({}));
    let handle = world.open();
    handle.register("shop", "official", "wx1", "wrong").unwrap();
    handle.get("shop").unwrap_err();
    handle.put("shop", "retry", "1").unwrap();
    handle.get("shop").unwrap_err();
    let began = Instant::now();
    for _ in 0..5 {
        let failure = handle.put_maybe("shop", "retry", None).unwrap_err();
        assert_eq!(failure.status, WXTOKEN_E_ARGUMENT);
        assert!((30_000..=60_000).contains(&failure.retry_after_ms) || is_late(began));
        assert!(failure.message.contains("once a minute"), "{failure:?}");
        assert_eq!(handle.get("shop").unwrap_err().errcode, 40125);
    }
    assert!(world.requests() == 2 || is_late(began));
    // An operator does not have to wait, nor does a right secret.
    let store = Store::open(world.store().to_str()).unwrap();
    for requests in 3..6 {
        assert_eq!(store.retry(Some("shop")).unwrap(), ["shop"]);
        assert!(store.retry(None).unwrap().is_empty());
        handle.get("shop").unwrap_err();
        assert!(world.requests() == requests || is_late(began));
    }
    handle
        .register("shop", "official", "wx1", common::SECRET)
        .unwrap();
    handle.get("shop").unwrap();
}

/// Whether this machine stood still for so long that a back-off of a minute may be over.
fn is_late(began: Instant) -> bool {
    began.elapsed() > Duration::from_secs(30)
}

/// The wrong secret in the tests below.
const WRONG: &str = "ffffffffffffffffffffffffffffffff";

#[test]
fn a_refusal_of_one_names_secret_does_not_apply_to_another_name() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official_classic");
    for name in ["legacy", "older"] {
        let wrong = format!("{WRONG}{name}");
        handle
            .register(name, "official_classic", "wx1", &wrong)
            .unwrap();
    }
    // The get goes on to the next secret.
    let token = handle.get("legacy").unwrap();
    assert_eq!(handle.get("shop").unwrap(), token);
    assert_eq!(world.minted(), 1);
    assert!((2..=3).contains(&world.requests()));
    let report = handle.report();
    let of = |name: &str| {
        let accounts = report["accounts"].as_array().unwrap().iter();
        let account = accounts.clone().find(|account| account["name"] == name);
        account.unwrap()["tokens"][0].clone()
    };
    assert!(of("legacy")["secret_refused_at"].is_i64());
    assert_eq!(of("legacy")["last_error"]["errcode"], 40125);
    assert!(of("shop")["secret_refused_at"].is_null() && of("shop")["last_error"].is_null());
    // The secret that worked last is tried first, whichever name is asked for.
    let before = world.requests();
    world.sim.revoke("wx1");
    handle.reject("legacy", &token.value).unwrap();
    assert_ne!(handle.get("legacy").unwrap(), token);
    assert_eq!(world.requests(), before + 1);
}

/// There are more names than the store remembers refusals of.
#[test]
fn if_the_secrets_of_many_names_are_wrong_few_are_tried() {
    let world = World::with_account(json!({}));
    let handle = world.open();
    for name in 'a'..='l' {
        let wrong = format!("{WRONG}{name}");
        handle
            .register(&name.to_string(), "official", "wx1", &wrong)
            .unwrap();
    }
    let began = Instant::now();
    for name in 'a'..='l' {
        let failure = handle.get(&name.to_string()).unwrap_err();
        assert_eq!((failure.status, failure.errcode), (WXTOKEN_E_API, 40125));
    }
    assert!(world.requests() <= 8 || is_late(began));
}

#[test]
fn if_the_secret_of_every_name_is_wrong_each_is_tried_once() {
    let world = World::with_account(json!({}));
    let handle = world.open();
    for name in ["a", "b"] {
        let wrong = format!("{WRONG}{name}");
        handle.register(name, "official", "wx1", &wrong).unwrap();
    }
    for _ in 0..5 {
        for name in ["a", "b"] {
            let failure = handle.get(name).unwrap_err();
            assert_eq!((failure.status, failure.errcode), (WXTOKEN_E_API, 40125));
            assert!(
                failure.message.contains(&format!("\"{name}\"")),
                "{failure:?}"
            );
            assert!(failure.retry_after_ms > 40_000, "{failure:?}");
        }
    }
    assert_eq!(world.requests(), 2);
}
