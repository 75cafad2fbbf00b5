//! A real cluster: masters that share the slots, and replicas that can take their place.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::time::{Duration, Instant};

use crate::{RedisServer, Value};

const SLOTS: usize = 16_384;
/// How often to retry when another program takes a port in between.
const TRIES: usize = 10;

/// Three masters, each with a third of the slots, and their replicas.
pub struct Cluster {
    pub nodes: Vec<RedisServer>,
    ports: Vec<u16>,
}

impl Cluster {
    pub fn start() -> Cluster {
        Cluster::with(0, &[])
    }

    /// Starts a cluster with this many replicas of each master. In `nodes` they follow the three masters.
    pub fn with_replicas(each: usize) -> Cluster {
        Cluster::with(each, &[])
    }

    /// Starts a cluster with options of redis.conf for each node.
    pub fn with(replicas: usize, options: &[&str]) -> Cluster {
        let count = 3 * (1 + replicas);
        let mut cluster = Cluster {
            nodes: Vec::new(),
            ports: Vec::new(),
        };
        for _ in 0..count {
            let (node, port) = start_node(options);
            cluster.nodes.push(node);
            cluster.ports.push(port);
        }
        let port = cluster.ports[0].to_string();
        let bus = bus_port(&cluster.nodes[0]);
        for (i, node) in cluster.nodes.iter().enumerate() {
            // Each node gets its own epoch. Otherwise the nodes negotiate them, which takes long.
            node.run(&["CLUSTER", "SET-CONFIG-EPOCH", &(i + 1).to_string()]);
        }
        for node in cluster.nodes.iter().skip(1) {
            node.run(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
        for (i, node) in cluster.nodes.iter().enumerate().take(3) {
            let first = i * SLOTS / 3;
            let last = (i + 1) * SLOTS / 3 - 1;
            let range = [first, last].map(|slot| slot.to_string());
            node.run(&["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]]);
        }
        cluster.wait_until("each node knows the others", |cluster| {
            let known = cluster
                .nodes
                .iter()
                .map(|node| info(node, "cluster_known_nodes"));
            known.into_iter().all(|known| known == count.to_string())
        });
        for (i, replica) in cluster.nodes.iter().enumerate().skip(3) {
            let master = id_of(&cluster.nodes[i % 3]);
            // Retried until the node has heard of its master.
            cluster.wait_until("a node takes its master", |_| {
                replica.ask(&["CLUSTER", "REPLICATE", &master]) == Value::Text("OK".into())
            });
        }
        cluster.wait_until("the cluster works", |cluster| {
            cluster.nodes.iter().all(is_well)
        });
        cluster.wait_until("the replicas follow", |cluster| {
            cluster.nodes.iter().skip(3).all(|replica| {
                let role = replica.ask(&["ROLE"]);
                role.list().get(3) == Some(&Value::Text("connected".into()))
            })
        });
        // A master counts a replica a moment after the replica calls itself connected.
        cluster.wait_until("each master has its replicas", |cluster| {
            cluster.nodes.iter().take(3).all(|master| {
                let role = master.ask(&["ROLE"]);
                matches!(role.list().get(2), Some(Value::List(known)) if known.len() == replicas)
            })
        });
        cluster
    }

    /// The store URL, with some of the nodes.
    pub fn url(&self) -> String {
        let mut ports = self.ports[..3].to_vec();
        ports.sort_unstable();
        let hosts: Vec<String> = ports
            .iter()
            .map(|port| format!("127.0.0.1:{port}"))
            .collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    pub fn port(&self, node: usize) -> u16 {
        self.ports[node]
    }

    pub fn slot_of(&self, key: &str) -> u32 {
        match self.nodes[0].run(&["CLUSTER", "KEYSLOT", key]) {
            Value::Integer(slot) => u32::try_from(slot).expect("a slot"),
            other => panic!("{other:?} is not a slot"),
        }
    }

    /// The node that owns a slot, according to the first live node.
    pub fn owner_of(&self, slot: u32) -> usize {
        let slots = self.living().run(&["CLUSTER", "SLOTS"]);
        for range in slots.list() {
            let [Value::Integer(first), Value::Integer(last), master, ..] = range.list() else {
                panic!("{range:?} is not a range of slots");
            };
            if (*first..=*last).contains(&i64::from(slot)) {
                let Value::Integer(port) = master.list()[1] else {
                    panic!("{master:?} is not a node");
                };
                let place = self
                    .ports
                    .iter()
                    .position(|known| i64::from(*known) == port);
                return place.expect("a node of this cluster");
            }
        }
        panic!("nobody has slot {slot}");
    }

    /// The keys that match a pattern, with the index of their node.
    pub fn keys(&self, pattern: &str) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (i, node) in self.nodes.iter().enumerate().take(3) {
            let keys = node.ask(&["KEYS", pattern]);
            if let Value::List(keys) = keys {
                found.extend(keys.iter().map(|key| (i, key.text().to_owned())));
            }
        }
        found
    }

    /// Begins to move a slot. From now on the old node redirects requests for keys that it does not have.
    pub fn begin_move(&self, slot: u32, to: usize) -> usize {
        let from = self.owner_of(slot);
        assert_ne!(from, to);
        let ids = [from, to].map(|node| id_of(&self.nodes[node]));
        let slot = slot.to_string();
        self.nodes[to].run(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &ids[0]]);
        self.nodes[from].run(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &ids[1]]);
        from
    }

    /// Moves the keys of a slot.
    pub fn move_keys(&self, slot: u32, from: usize, to: usize) {
        let keys = self.nodes[from].run(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "100"]);
        let port = self.ports[to].to_string();
        for key in keys.list() {
            self.nodes[from].run(&["MIGRATE", "127.0.0.1", &port, key.text(), "0", "5000"]);
        }
    }

    /// Completes the move that [`Cluster::begin_move`] began.
    pub fn end_move(&self, slot: u32, to: usize) {
        let id = id_of(&self.nodes[to]);
        for node in self.nodes.iter().take(3) {
            node.run(&["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &id]);
        }
    }

    pub fn wait_until(&self, what: &str, done: impl Fn(&Cluster) -> bool) {
        let began = Instant::now();
        while !done(self) {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "gave up waiting until {what}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn living(&self) -> &RedisServer {
        let mut nodes = self.nodes.iter();
        nodes.find(|node| node.is_running()).expect("a node")
    }
}

/// Starts a node on a port that was free a moment ago.
fn start_node(options: &[&str]) -> (RedisServer, u16) {
    for _ in 0..TRIES {
        let [port, bus] = [free_port(), free_port()];
        let [port_text, bus_text] = [port, bus].map(|port| port.to_string());
        let mut all = vec![
            "--cluster-enabled",
            "yes",
            "--bind",
            "127.0.0.1",
            "--port",
            &port_text,
            "--cluster-port",
            &bus_text,
            "--cluster-node-timeout",
            "2000",
            "--cluster-require-full-coverage",
            "no",
        ];
        all.extend(options);
        if let Some(node) = RedisServer::try_with(&all) {
            return (node, port);
        }
    }
    panic!("no port is free for a node of a cluster");
}

fn free_port() -> u16 {
    let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    let listener = TcpListener::bind(any).expect("a port");
    listener.local_addr().expect("its number").port()
}

fn bus_port(node: &RedisServer) -> String {
    let config = node.run(&["CONFIG", "GET", "cluster-port"]);
    config.list()[1].text().to_owned()
}

fn id_of(node: &RedisServer) -> String {
    node.run(&["CLUSTER", "MYID"]).text().to_owned()
}

fn info(node: &RedisServer, name: &str) -> String {
    let info = node.ask(&["CLUSTER", "INFO"]);
    let Value::Text(info) = info else {
        return String::new();
    };
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap_or_default().to_owned()
}

fn is_well(node: &RedisServer) -> bool {
    info(node, "cluster_state") == "ok" && info(node, "cluster_slots_assigned") == SLOTS.to_string()
}
