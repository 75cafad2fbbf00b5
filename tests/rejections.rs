//! Rejections: callers report that the API refused a token, rightly or wrongly. The stores are real, and the simulator
//! decides.

use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use ::wxtoken::ffi::wxtoken_status::*;
use common::{Child, Handle, World, sqlite, until_unspoiled, wait_until};
use serde_json::{Value, json};

const CHECK: &str = "/cgi-bin/get_api_domain_ip";

/// Makes everything that a row records about rejections older by this much.
fn age_rejections(world: &World, ms: i64) {
    let aged = |field: &str| format!("'$.{field}', json_extract(rejections, '$.{field}') - {ms}");
    let fields = ["accepted_at", "outlasts_at", "revoked_at"]
        .map(aged)
        .join(", ");
    let aged = format!(
        "UPDATE weixin_token SET reject_fetch_at = reject_fetch_at - {ms},
            rejections = json_set(rejections, {fields}) WHERE rejections <> ''"
    );
    sqlite(&world.store(), &aged);
}

fn token_report(handle: &Handle) -> Value {
    handle.report()["accounts"][0]["tokens"][0].clone()
}

/// A rejection and the next get, as middleware does it.
fn reject_and_get(handle: &Handle, token: &str) -> String {
    handle.reject("shop", token).unwrap();
    handle.get("shop").unwrap().value
}

#[test]
fn a_rejected_token_that_the_platform_accepts_is_served_again_without_a_fetch() {
    for kind in ["official", "official_classic"] {
        let world = World::with_account(json!({}));
        let handle = world.open_shop(kind);
        let token = handle.get("shop").unwrap().value;
        for _ in 0..20 {
            assert_eq!(reject_and_get(&handle, &token), token);
        }
        assert_eq!((world.checks(), world.requests()), (1, 1), "{kind}");
        let report = token_report(&handle);
        // The first was contradicted. The others came within the next 30 s and count as one.
        assert_eq!(report["false_rejects"], 1);
        assert!(report["false_reject_at"].is_i64());
        assert_eq!(report["forces_today"], 0);
        assert!(world.accepts(&token));
    }
}

#[test]
fn a_rejection_of_an_older_token_asks_no_platform() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official_classic");
    let token = handle.get("shop").unwrap().value;
    assert_eq!(reject_and_get(&handle, "not the token"), token);
    assert_eq!((world.checks(), world.requests()), (0, 1));
    assert_eq!(token_report(&handle)["rejects"], 0);
}

/// Faults row 70: callers reject tokens that the platform accepts.
#[test]
fn an_hour_of_false_rejections_costs_one_fetch() {
    for kind in ["official", "official_classic"] {
        let world = World::with_account(json!({"force_gap_ms": 1}));
        let handle = world.open_shop(kind);
        handle.set("revalidate_ms", "0").unwrap();
        let mut token = handle.get("shop").unwrap().value;
        let mut changed_after = Vec::new();
        let began = Instant::now();
        for half_minute in 0..120 {
            let next = reject_and_get(&handle, &token);
            if next != token {
                // The time that the machine took counts too.
                let took = began.elapsed().as_secs() / 30;
                assert!(
                    (20 - took..=20).contains(&half_minute),
                    "{kind}: {half_minute}"
                );
                changed_after.push(half_minute);
            }
            token = next;
            age_rejections(&world, 30_000);
        }
        assert_eq!(changed_after.len(), 1, "{kind}: {changed_after:?}");
        assert_eq!((world.minted(), world.checks()), (2, 120), "{kind}");
        assert!(world.accepts(&token));
        assert_eq!(token_report(&handle)["false_rejects"], 120);
    }
}

/// Faults row 71: the platform revokes a token early.
#[test]
fn a_revoked_token_is_replaced_within_one_get() {
    for (kind, sticky, requests, forced) in [
        ("official", false, 2, 0),
        // The normal mode repeats the token, so the same get uses force.
        ("official", true, 3, 1),
        ("official_classic", false, 2, 0),
    ] {
        let world = World::with_account(json!({"force_gap_ms": 1}));
        let handle = world.open_shop(kind);
        let token = handle.get("shop").unwrap().value;
        let revoked = json!({"id": "wx1", "which": "all", "sticky": sticky});
        let revoked = serde_json::from_value(revoked).unwrap();
        assert!(world.sim.revoke_with(&revoked));
        let next = reject_and_get(&handle, &token);
        assert!(world.accepts(&next), "{kind}, sticky: {sticky}");
        assert_eq!(world.checks(), 1);
        assert_eq!(world.requests(), requests, "{kind}, sticky: {sticky}");
        let of_id = world.sim.counters_of("wx1");
        assert_eq!((of_id.minted, of_id.forced), (2, forced));
        let report = token_report(&handle);
        assert_eq!(report["forces_today"], forced);
        assert_eq!(report["false_rejects"], 0);
        // The old token is no longer the stored one, so the platform is not asked.
        assert_eq!(reject_and_get(&handle, &token), next);
        assert_eq!((world.checks(), world.requests()), (1, requests));
    }
}

#[test]
fn a_revoked_token_that_cannot_be_forced_is_served_again() {
    let world = World::with_account(json!({"force_gap_ms": 1}));
    let handle = world.open_shop("official");
    handle.set("revalidate_ms", "0").unwrap();
    let token = handle.get("shop").unwrap().value;
    let day = (chrono::Utc::now().timestamp() + 8 * 3600).div_euclid(86_400);
    let spent = format!("UPDATE weixin_token SET force_day = {day}, forces = 18");
    sqlite(&world.store(), &spent);
    let revoked = json!({"id": "wx1", "which": "all", "sticky": true});
    let revoked = serde_json::from_value(revoked).unwrap();
    assert!(world.sim.revoke_with(&revoked));
    assert_eq!(reject_and_get(&handle, &token), token);
    let of_id = world.sim.counters_of("wx1");
    assert_eq!((of_id.requests, of_id.forced), (2, 0));
    assert_eq!(token_report(&handle)["forces_today"], 18);
}

#[test]
fn at_most_two_hundred_rejections_a_day_cost_a_fetch() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official_classic");
    handle.set("revalidate_ms", "0").unwrap();
    let token = handle.get("shop").unwrap().value;
    world.sim.revoke("wx1");
    let next = reject_and_get(&handle, &token);
    let spent = "UPDATE weixin_token SET rejections = json_set(rejections, '$.fetches_today', 200)";
    sqlite(&world.store(), spent);
    age_rejections(&world, 30_000);
    world.sim.revoke("wx1");
    assert_eq!(reject_and_get(&handle, &next), next);
    assert_eq!((world.checks(), world.requests()), (1, 2));
}

/// Some answers of the platform say nothing about the token. Then the caller is believed.
#[test]
fn an_inconclusive_check_leaves_the_rejection_valid() {
    for fault in [
        json!({"kind": "errcode", "errcode": 45009}),
        json!({"kind": "errcode", "errcode": 48001}),
        json!({"kind": "status", "code": 502}),
        json!({"kind": "html"}),
        json!({"kind": "empty"}),
        json!({"kind": "reset_before"}),
    ] {
        let world = World::with_account(json!({}));
        let handle = world.open_shop("official_classic");
        let token = handle.get("shop").unwrap().value;
        let mut scripted = fault.clone();
        scripted["path"] = json!(CHECK);
        world.fault(scripted);
        assert_ne!(reject_and_get(&handle, &token), token, "{fault}");
        assert_eq!((world.checks(), world.requests()), (1, 2), "{fault}");
        assert_eq!(token_report(&handle)["false_rejects"], 0);
    }
}

#[test]
fn a_check_that_hangs_leaves_time_for_the_fetch() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official_classic");
    let token = handle.get("shop").unwrap().value;
    world.fault(json!({"path": CHECK, "kind": "hang"}));
    assert_ne!(reject_and_get(&handle, &token), token);
    assert_eq!((world.checks(), world.requests()), (1, 2));
}

#[test]
fn a_rejected_token_is_not_served_while_the_platform_is_unreachable() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official_classic");
    let token = handle.get("shop").unwrap();
    for path in [CHECK, "/cgi-bin/token"] {
        world.fault(json!({"path": path, "kind": "reset_before", "times": 0}));
    }
    handle.reject("shop", &token.value).unwrap();
    assert_eq!(handle.get("shop").unwrap_err().status, WXTOKEN_E_NETWORK);
    // Another process does not serve it either.
    let other = Child::fork(|| common::outcome(world.open().get("shop"))).join();
    assert!(other.contains("E_NETWORK"), "{other}");
}

/// Faults row 32, in short.
#[test]
fn a_storm_of_rejections_costs_one_check() {
    for is_revoked in [false, true] {
        let world = World::with_account(json!({}));
        let handle = world.open_shop("official_classic");
        let first = handle.get("shop").unwrap().value;
        if is_revoked {
            world.sim.revoke("wx1");
        }
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let token = handle.get("shop").unwrap();
                        handle.reject("shop", &token.value).unwrap();
                    }
                });
            }
        });
        assert_eq!(world.checks(), 1);
        assert_eq!(world.requests(), 1 + u64::from(is_revoked));
        let last = handle.get("shop").unwrap().value;
        assert_eq!(last == first, !is_revoked);
    }
}

/// Faults row 70: while one process's false rejection is checked, all others go on with the token.
#[test]
fn a_false_rejection_delays_no_other_process() {
    until_unspoiled(is_served_during_a_check);
}

fn is_served_during_a_check() -> Option<()> {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official_classic");
    handle.set("revalidate_ms", "0").unwrap();
    let token = handle.get("shop").unwrap().value;
    world.fault(json!({"path": CHECK, "kind": "delay", "ms": 1000}));
    let began = Instant::now();
    let rejecting = Child::fork(|| reject_and_get(&world.open(), &token));
    wait_until("the check is under way", || world.checks() == 1);
    let is_under_way = || token_report(&handle)["rejected"] == true;
    let mut served = 0;
    let mut got = Vec::new();
    while is_under_way() {
        got.push(handle.get("shop").unwrap().value);
        served += u32::from(is_under_way());
    }
    let next = rejecting.join();
    if began.elapsed() >= Duration::from_secs(2) {
        // The check may have had too little time.
        return None;
    }
    assert!(got.iter().all(|one| *one == token));
    assert_eq!(next, token);
    assert!(served > 0, "no process was served before the check ended");
    assert_eq!((world.checks(), world.requests()), (1, 1));
    Some(())
}

/// The leader is killed while it asks about the token.
#[test]
fn a_leader_killed_during_its_check_is_replaced() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official_classic");
    let token = handle.get("shop").unwrap().value;
    world.sim.revoke("wx1");
    world.fault(json!({"path": CHECK, "kind": "hang"}));
    let killed = Child::fork(|| reject_and_get(&world.open(), &token));
    wait_until("the check is under way", || world.checks() == 1);
    killed.signal(libc::SIGKILL);
    killed.wait_for(libc::SIGKILL);
    let next = reject_and_get(&handle, &token);
    assert!(world.accepts(&next));
    assert_eq!((world.checks(), world.requests()), (2, 2));
}

/// The process that rejected the token does not get again, so another process checks it.
#[test]
fn a_rejection_whose_caller_left_is_checked_by_the_next_process() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official_classic");
    let token = handle.get("shop").unwrap().value;
    world.sim.revoke("wx1");
    Child::fork(|| {
        world.open().reject("shop", &token).unwrap();
        String::new()
    })
    .join();
    handle.set("revalidate_ms", "0").unwrap();
    let next = handle.get("shop").unwrap().value;
    assert!(world.accepts(&next), "{next}");
    assert_eq!((world.checks(), world.requests()), (1, 2));
}

/// The process that checks another's rejection does not serve the token that the platform has just refused.
#[test]
fn a_token_that_a_check_finds_refused_is_served_to_no_process() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official_classic");
    let token = handle.get("shop").unwrap().value;
    world.sim.revoke("wx1");
    let down = json!({"path": "/cgi-bin/token", "kind": "reset_before", "times": 0});
    world.fault(down);
    Child::fork(|| {
        world.open().reject("shop", &token).unwrap();
        String::new()
    })
    .join();
    handle.set("revalidate_ms", "0").unwrap();
    assert_eq!(handle.get("shop").unwrap_err().status, WXTOKEN_E_NETWORK);
    assert_eq!(world.checks(), 1);
}

/// Faults row 72: another program fetches on the classic endpoint, which ends this store's token each time.
#[test]
fn fetches_by_another_program_are_reported() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official_classic");
    handle.set("revalidate_ms", "0").unwrap();
    let mut token = handle.get("shop").unwrap().value;
    for time in 1..=3 {
        assert!(token_report(&handle)["contested"].is_null(), "{time}");
        world.sim.revoke("wx1");
        token = reject_and_get(&handle, &token);
        age_rejections(&world, 1_800_000);
    }
    let contested = token_report(&handle)["contested"].clone();
    let message = contested["message"].as_str().unwrap();
    for words in ["\"shop\"", "appid wx1", "3 times", "somebody else fetches"] {
        assert!(message.contains(words), "{message}");
    }
    let hint = contested["hint"].as_str().unwrap();
    assert!(
        hint.contains("kind official, or find the other program"),
        "{hint}"
    );
    // A day later the report is clear.
    age_rejections(&world, 86_400_000);
    assert!(token_report(&handle)["contested"].is_null());
}

/// A log must not contain even one secret or token.
#[test]
fn the_log_states_the_outcome_of_a_rejection_and_quotes_no_token() {
    let world = World::with_account(json!({}));
    let log = tempfile::NamedTempFile::new().unwrap();
    // In a child, because its stderr becomes the file.
    let reject = |token: &str| {
        Child::fork(|| {
            let log = std::fs::File::options().append(true).open(&log).unwrap();
            // SAFETY: changes this child alone.
            unsafe { libc::dup2(log.as_raw_fd(), 2) };
            let handle = world.open();
            handle.set("log", "info").unwrap();
            reject_and_get(&handle, token)
        })
        .join()
    };
    let mut tokens = vec![
        world
            .open_shop("official_classic")
            .get("shop")
            .unwrap()
            .value,
    ];
    tokens.push(reject(&tokens[0]));
    for _ in 0..3 {
        age_rejections(&world, 30_000);
        world.sim.revoke("wx1");
        tokens.push(reject(tokens.last().unwrap()));
    }
    age_rejections(&world, 30_000);
    world.fault(json!({"path": CHECK, "kind": "errcode", "errcode": 45009}));
    tokens.push(reject(tokens.last().unwrap()));
    let said = std::fs::read_to_string(&log).unwrap();
    for words in [
        "was rejected, and WeChat takes it",
        "was rejected, and WeChat refuses it (errcode 40001)",
        "somebody else fetches",
        "does not tell: it answered errcode 45009",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!tokens.iter().any(|token| said.contains(token)), "{said}");
}
