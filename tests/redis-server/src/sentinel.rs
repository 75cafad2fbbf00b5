//! A real sentinel, and a master with a replica that the sentinel monitors.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Client, Proxy, RedisServer, Value};

/// A master, its replica, and a sentinel that promotes the replica. Each is reached through its own proxy.
pub struct Watched {
    pub master: RedisServer,
    pub replica: RedisServer,
    pub sentinel: Proxy,
    doors: [Proxy; 2],
    process: Child,
    directory: tempfile::TempDir,
}

impl Watched {
    pub fn start() -> Watched {
        let master = RedisServer::start();
        let door = Proxy::to(&master.socket());
        let port = door.port().to_string();
        // The port that a replica announces to the sentinel must be known before the replica starts.
        let replica = RedisServer::with_door(|own_port| {
            let own_port = own_port.to_string();
            let of = format!("127.0.0.1 {port}");
            [
                "--replica-announce-ip",
                "127.0.0.1",
                "--replica-announce-port",
                &own_port,
                "--replicaof",
                &of,
            ]
            .map(str::to_owned)
            .to_vec()
        });
        let (replica, replica_door) = replica;
        let directory = tempfile::tempdir().expect("a directory for the sentinel");
        let socket = directory.path().join("s");
        let place = directory.path().display();
        let config = format!(
            "port 0\nunixsocket {place}/s\ndir {place}\nlogfile {place}/log\n\
             sentinel monitor main 127.0.0.1 {port} 1\nsentinel down-after-milliseconds main 500\n\
             sentinel failover-timeout main 2000\n"
        );
        let file = directory.path().join("sentinel.conf");
        std::fs::write(&file, config).expect("a file for the sentinel");
        let process = Command::new("redis-server")
            .arg(&file)
            .arg("--sentinel")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server runs: apt-get install redis-server");
        let watched = Watched {
            master,
            replica,
            sentinel: Proxy::to(&socket),
            doors: [door, replica_door],
            process,
            directory,
        };
        watched.wait_until("the sentinel knows the replica", |watched| {
            let replicas = watched.ask(&["SENTINEL", "REPLICAS", "main"]);
            matches!(replicas, Some(Value::List(list)) if !list.is_empty())
        });
        watched
    }

    /// The sentinel's answer; None while it does not answer.
    pub fn ask(&self, command: &[&str]) -> Option<Value> {
        let socket: PathBuf = self.directory.path().join("s");
        Client::connect(&socket).ok()?.ask(command).ok()
    }

    /// The port that the sentinel names as the master's.
    pub fn named_port(&self) -> Option<u16> {
        let named = self.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"])?;
        named.list().get(1)?.text().parse().ok()
    }

    pub fn wait_for_failover(&self) {
        let port = self.doors[1].port();
        self.wait_until("the replica is the master", |watched| {
            watched.named_port() == Some(port)
                && watched.replica.ask(&["ROLE"]).list()[0].text() == "master"
        });
    }

    fn wait_until(&self, what: &str, done: impl Fn(&Watched) -> bool) {
        let began = Instant::now();
        while !done(self) {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "gave up waiting until {what}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The URL of the store, with its sentinel.
    pub fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/main", self.sentinel.port())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
