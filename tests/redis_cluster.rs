//! A store in a Redis cluster of real nodes: faults row 52. Also a server that runs no scripts: row 95.

use std::path::Path;
use std::time::{Duration, Instant};

use ::wxtoken::ffi::wxtoken_status::*;
use common::{Child, Cluster, Handle, SECRET, StandstillClock, World, outcome, wait_until};
use redis_server::Value;
use serde_json::json;

/// A world with its store on a cluster, and an account in it.
fn on_cluster(cluster: &Cluster, kind: &str) -> (World, Handle) {
    let world = World::on_redis_with_account(json!({}));
    let handle = world.open_at(Path::new(&cluster.url()));
    handle.register("shop", kind, "wx1", SECRET).unwrap();
    handle.set("revalidate_ms", "0").unwrap();
    (world, handle)
}

/// The key of the only row, and the node that stores it.
fn row_of(cluster: &Cluster) -> (usize, String) {
    let rows = cluster.keys("wxtoken:{row:*");
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows[0].clone()
}

fn in_another_process(world: &World, cluster: &Cluster) -> String {
    Child::fork(|| outcome(world.open_at(Path::new(&cluster.url())).get("shop"))).join()
}

#[test]
fn one_token_is_fetched_and_shared_across_the_nodes_of_a_cluster() {
    let cluster = Cluster::start();
    let (world, handle) = on_cluster(&cluster, "official_classic");
    let token = handle.get("shop").unwrap();
    assert!(world.accepts(&token.value));
    let others: Vec<Child> = (0..8)
        .map(|_| Child::fork(|| outcome(world.open_at(Path::new(&cluster.url())).get("shop"))))
        .collect();
    for other in others {
        assert_eq!(other.join(), token.value);
    }
    assert_eq!(world.minted(), 1);
    let report = handle.report();
    assert_eq!(report["store"], cluster.url());
    assert_eq!(report["accounts"][0]["tokens"][0]["fetches"], 1);
    let mut nodes: Vec<usize> = cluster.keys("*").iter().map(|(node, _)| *node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    assert!(
        nodes.len() > 1,
        "one node has it all, and nothing was shown"
    );
}

/// Faults row 52: a slot moves to another node while its row is read and written.
#[test]
fn a_row_is_found_during_and_after_a_move_of_its_slot() {
    let cluster = Cluster::start();
    let (world, handle) = on_cluster(&cluster, "official_classic");
    let first = handle.get("shop").unwrap();
    let (from, row) = row_of(&cluster);
    let slot = cluster.slot_of(&row);
    let to = (from + 1) % 3;
    cluster.begin_move(slot, to);
    assert_eq!(handle.get("shop").unwrap(), first, "it is where it was");
    cluster.move_keys(slot, from, to);
    // The old node answers ASK.
    assert_eq!(handle.get("shop").unwrap(), first, "it is on its way");
    assert_eq!(in_another_process(&world, &cluster), first.value);
    world.sim.revoke("wx1");
    handle.reject("shop", &first.value).unwrap();
    let second = handle.get("shop").unwrap();
    assert!(world.accepts(&second.value));
    cluster.end_move(slot, to);
    // The old node answers MOVED.
    assert_eq!(handle.get("shop").unwrap(), second, "it has moved");
    assert_eq!(in_another_process(&world, &cluster), second.value);
    assert_eq!(row_of(&cluster).0, to);
    assert_eq!(world.minted(), 2);
}

/// Faults row 52: a get of a good token waits for 100 ms at most. A slower node does not count as unreachable.
#[test]
fn a_get_that_skips_a_slow_node_fails_no_other_call() {
    let cluster = Cluster::start();
    let (_world, handle) = on_cluster(&cluster, "official_classic");
    let token = handle.get("shop").unwrap();
    for node in &cluster.nodes {
        node.freeze();
    }
    assert_eq!(handle.get("shop").unwrap(), token);
    for node in &cluster.nodes {
        node.thaw();
    }
    handle.register("other", "official", "wx2", SECRET).unwrap();
    handle.reject("shop", &token.value).unwrap();
}

/// Faults row 52: the node with the row is lost, and its replica takes its place.
#[test]
fn a_lost_node_is_replaced_by_its_replica() {
    let mut cluster = Cluster::with_replicas(1);
    let (world, handle) = on_cluster(&cluster, "official_classic");
    let token = handle.get("shop").unwrap();
    let (lost, row) = row_of(&cluster);
    let slot = cluster.slot_of(&row);
    let replica = lost + 3;
    wait_until("the replica has the row", || {
        let keys = cluster.nodes[replica].run(&["KEYS", "wxtoken:{row:*"]);
        keys.list().len() == 1
    });
    cluster.nodes[lost].kill();
    // No caller that has a good token waits for the node.
    for _ in 0..5 {
        assert_eq!(handle.get("shop").unwrap(), token);
    }
    cluster.wait_until("the replica is the master", |cluster| {
        cluster.nodes[replica].ask(&["ROLE"]).list()[0] == Value::Text("master".into())
            && cluster.owner_of(slot) == replica
    });
    wait_until("the row can be written", || {
        handle.reject("shop", "another token").is_ok()
            && handle.report()["accounts"][0]["tokens"][0]["fetches"] == 1
    });
    assert_eq!(handle.get("shop").unwrap(), token);
    assert_eq!(in_another_process(&world, &cluster), token.value);
    world.sim.revoke("wx1");
    handle.reject("shop", &token.value).unwrap();
    let second = handle.get("shop").unwrap();
    assert!(world.accepts(&second.value));
    assert_eq!(world.minted(), 2);
}

/// Faults row 43: when the call that put a refresh token returns, a replica has it too.
#[test]
fn a_put_waits_for_a_replica_of_the_node_that_stores_it() {
    let cluster = Cluster::with_replicas(1);
    let (world, handle) = on_cluster(&cluster, "official");
    world.add("component", "wxc", json!({}));
    handle
        .register("platform", "component", "wxc", SECRET)
        .unwrap();
    handle
        .put("platform", "verify_ticket", "ticket@@@a")
        .unwrap();
    let (owner, _) = row_of(&cluster);
    let waits = |node: usize| {
        let said = cluster.nodes[node].run(&["INFO", "commandstats"]);
        said.text().contains("cmdstat_wait:")
    };
    assert!(waits(owner), "did not wait for the node of the row");
    let others = (0..3).filter(|node| *node != owner);
    for other in others {
        assert!(!waits(other), "waited for a node without the row");
    }
}

/// Faults row 52: a node without a replica is lost.
#[test]
fn without_the_node_of_a_row_its_good_token_is_served_and_nothing_is_fetched() {
    let mut cluster = Cluster::start();
    let (world, handle) = on_cluster(&cluster, "official_classic");
    let token = handle.get("shop").unwrap();
    let (lost, _) = row_of(&cluster);
    cluster.nodes[lost].kill();
    let clock = StandstillClock::start();
    let longest = (0..10)
        .map(|_| {
            let began = Instant::now();
            assert_eq!(handle.get("shop").unwrap(), token);
            began.elapsed()
        })
        .max()
        .unwrap();
    // 100 ms, and the overhead of the machine.
    println!("the longest get of a good token took {longest:?}");
    let still = clock.stop();
    assert!(longest < Duration::from_secs(3) + still, "{longest:?}");
    let said = Child::fork(|| {
        let failed = match Handle::open(Path::new(&cluster.url())) {
            Ok(handle) => handle.get("shop").unwrap_err(),
            Err(failed) => failed,
        };
        assert_eq!(failed.status, WXTOKEN_E_STORE, "{failed:?}");
        failed.message
    })
    .join();
    assert!(said.contains("hint: "), "{said}");
    assert_eq!(world.minted(), 1);
}

/// Faults row 95: a server that runs no scripts.
#[test]
fn a_server_that_runs_no_scripts_is_used_by_transactions() {
    let world = World::on_redis_with_account(json!({}));
    let server = world.server();
    server.run(&["ACL", "SETUSER", "default", "-@scripting"]);
    let handle = world.open_shop("official_classic");
    handle.set("revalidate_ms", "0").unwrap();
    let token = handle.get("shop").unwrap();
    let others: Vec<Child> = (0..16)
        .map(|host| {
            Child::fork(|| {
                world.become_host(host);
                outcome(world.open().get("shop"))
            })
        })
        .collect();
    for other in others {
        assert_eq!(other.join(), token.value);
    }
    world.sim.revoke("wx1");
    handle.reject("shop", &token.value).unwrap();
    let second = handle.get("shop").unwrap();
    assert!(world.accepts(&second.value));
    assert_eq!(world.minted(), 2);
    // Without transactions either, the store cannot be used, and the message says what is missing.
    server.run(&["ACL", "SETUSER", "default", "-@transaction"]);
    let said = Child::fork(|| {
        let failed = match Handle::open(&world.store()) {
            Ok(handle) => handle.get("shop").unwrap_err(),
            Err(failed) => failed,
        };
        failed.message
    })
    .join();
    assert!(said.contains("ACL SETUSER default ~wxtoken:*"), "{said}");
}
