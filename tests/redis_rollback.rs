//! Faults row 44: a server goes back in time. For example, a replica restarts from its last dump and becomes the
//! master.

use common::{Child, Handle, RedisServer, SECRET, World, outcome, until_unspoiled, wait_until};
use serde_json::json;

const PLATFORM: &str = "wxplatform";
const REFRESH_TOKEN: &str = "refresh-token-of-the-first-authorization";

/// A server that writes a dump when told to, and starts from it.
fn on_dumps() -> World {
    World::on(RedisServer::with(&["--dbfilename", "dump"]))
}

fn dump(world: &World) {
    world.server().run(&["SAVE"]);
}

/// Restarts the server from its dump.
fn go_back(world: &mut World) {
    let server = world.redis.as_mut().unwrap();
    server.kill();
    server.start_again();
}

fn wait_for_the_server(handle: &Handle, name: &str) {
    wait_until("the server is found again", || {
        handle.put_current(name).is_ok()
    });
}

#[test]
fn a_dead_token_brought_back_by_a_rollback_costs_one_reject_and_one_fetch() {
    let mut world = on_dumps();
    world.add("official", "wx1", json!({}));
    let handle = world.open_shop("official_classic");
    handle.set("revalidate_ms", "0").unwrap();
    let first = handle.get("shop").unwrap();
    dump(&world);
    world.sim.revoke("wx1");
    handle.reject("shop", &first.value).unwrap();
    let second = handle.get("shop").unwrap();
    assert_ne!(first.value, second.value);
    go_back(&mut world);
    wait_for_the_server(&handle, "shop");
    // The row contains the first token again.
    let in_another_process = |rejects: Option<&str>| {
        Child::fork(|| {
            let handle = world.open();
            if let Some(token) = rejects {
                handle.reject("shop", token).unwrap();
            }
            outcome(handle.get("shop"))
        })
        .join()
    };
    let dead = in_another_process(None);
    assert_eq!(dead, first.value);
    let third = in_another_process(Some(&dead));
    assert!(world.accepts(&third), "{third}");
    assert_eq!(in_another_process(None), third);
    assert_eq!(handle.get("shop").unwrap().value, third);
    assert!(world.minted() <= 3, "{}", world.minted());
}

/// The server also loses the leader's claim. The leader does not mistake that for another process's claim.
#[test]
fn a_claim_that_the_server_lost_costs_no_second_fetch() {
    until_unspoiled(lost_claim_costs_no_fetch);
}

fn lost_claim_costs_no_fetch() -> Option<()> {
    let mut world = on_dumps();
    world.add("official", "wx1", json!({}));
    let handle = world.open_shop("official_classic");
    handle.set("revalidate_ms", "0").unwrap();
    let first = handle.get("shop").unwrap();
    world.sim.revoke("wx1");
    handle.reject("shop", &first.value).unwrap();
    dump(&world);
    world.fault(json!({"id": "wx1", "kind": "delay", "ms": 1500, "path": "/cgi-bin/token"}));
    let leader = Child::fork(|| outcome(handle.get("shop")));
    wait_until("the leader asks for a token", || world.requests() == 2);
    go_back(&mut world);
    let in_time = world.is_asked("wx1");
    let second = leader.join();
    if !in_time {
        return None;
    }
    assert!(world.accepts(&second), "{second}");
    wait_for_the_server(&handle, "shop");
    assert_eq!(handle.get("shop").unwrap().value, second);
    assert_eq!(world.minted(), 2);
    Some(())
}

/// The platform accepts each refresh token once. Of the two, only the one that the server lost still works.
#[test]
fn a_refresh_token_that_the_server_lost_is_restored() {
    let mut world = on_dumps();
    world.add("component", PLATFORM, json!({}));
    let parent = json!({"parent": PLATFORM, "secret": REFRESH_TOKEN});
    world.add("authorizer", "wx1", parent);
    world
        .sim
        .switches(json!({"refresh_token_changes": true}))
        .unwrap();
    let handle = world.open();
    handle.set("revalidate_ms", "0").unwrap();
    handle
        .register("above", "component", PLATFORM, SECRET)
        .unwrap();
    handle
        .register_maybe("own", "authorizer", "wx1", None)
        .unwrap();
    let (ticket, _) = world.sim.push(PLATFORM, 0).unwrap();
    handle.put("above", "verify_ticket", &ticket).unwrap();
    handle.put("own", "parent", "above").unwrap();
    handle.put("own", "refresh_token", REFRESH_TOKEN).unwrap();
    dump(&world);
    let token = handle.get("own").unwrap();
    let renewed = handle.get("own/refresh_token").unwrap();
    assert_ne!(renewed.value, REFRESH_TOKEN);
    go_back(&mut world);
    wait_for_the_server(&handle, "own");
    // A process that has never seen it can read it too.
    let seen = Child::fork(|| outcome(world.open().get("own/refresh_token"))).join();
    assert_eq!(seen, renewed.value);
    world.sim.revoke("wx1");
    handle.reject("own", &token.value).unwrap();
    let next = handle.get("own").unwrap();
    assert!(world.accepts(&next.value));
    // It is on the server again, for the other hosts.
    let elsewhere = Child::fork(|| {
        world.become_host(1);
        outcome(world.open().get("own/refresh_token_before"))
    })
    .join();
    assert_eq!(elsewhere, renewed.value);
}
