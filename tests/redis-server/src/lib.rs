//! A real redis-server for a test, on a Unix socket in a private directory, without a port. It is ended by its process
//! id.
//!
//! A [`Proxy`] gives it a port, and tampers with the traffic.

mod cluster;
mod proxy;
mod sentinel;
mod talk;
mod tls;

pub use cluster::Cluster;
pub use proxy::{Fault, Proxy};
pub use sentinel::Watched;
pub use talk::{Client, Value};
pub use tls::TlsServer;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The time limit for the start of a server.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// A running server, ended on drop.
pub struct RedisServer {
    child: Option<Child>,
    directory: tempfile::TempDir,
    options: Vec<String>,
    environment: Vec<(String, String)>,
}

impl RedisServer {
    pub fn start() -> RedisServer {
        RedisServer::with(&[])
    }

    /// Starts a server with options of redis.conf, such as `--maxmemory 4mb`.
    pub fn with(options: &[&str]) -> RedisServer {
        let server = RedisServer::try_with(options);
        server.expect("redis-server starts with these options")
    }

    /// Starts a server with these variables in its environment.
    pub fn within(environment: &[(&str, &str)]) -> RedisServer {
        let own = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let mut server = RedisServer {
            child: None,
            directory: tempfile::tempdir().expect("a directory for redis-server"),
            options: Vec::new(),
            environment: environment.iter().map(own).collect(),
        };
        server.begin();
        server.wait_until_it_answers();
        server
    }

    /// Starts a server with options, which may include a port in use. Returns None if the server does not
    /// start.
    pub fn try_with(options: &[&str]) -> Option<RedisServer> {
        let mut server = RedisServer {
            child: None,
            directory: tempfile::tempdir().expect("a directory for redis-server"),
            options: options.iter().map(|option| option.to_string()).collect(),
            environment: Vec::new(),
        };
        server.begin();
        server.answers().then_some(server)
    }

    /// Starts a server with a proxy, whose port its options receive.
    pub fn with_door(options: impl FnOnce(u16) -> Vec<String>) -> (RedisServer, Proxy) {
        let mut server = RedisServer {
            child: None,
            directory: tempfile::tempdir().expect("a directory for redis-server"),
            options: Vec::new(),
            environment: Vec::new(),
        };
        let door = Proxy::to(&server.socket());
        server.options = options(door.port());
        server.begin();
        server.wait_until_it_answers();
        (server, door)
    }

    /// Starts the server without waiting for it.
    pub fn begin(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let directory = self.directory.path();
        let mut command = Command::new("redis-server");
        command
            .args(["--port", "0", "--save", "", "--appendonly", "no"])
            .args(["--enable-debug-command", "yes"])
            .args([
                "--unixsocket",
                self.socket().to_str().expect("a path of text"),
            ])
            .args(["--dir", directory.to_str().expect("a path of text")])
            .args(["--logfile", "log"])
            .args(&self.options)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let child = command.spawn();
        self.child = Some(child.expect("redis-server runs: apt-get install redis-server"));
    }

    pub fn wait_until_it_answers(&mut self) {
        assert!(self.answers(), "redis-server did not start: {}", self.log());
    }

    fn answers(&mut self) -> bool {
        let began = Instant::now();
        loop {
            let answer =
                Client::connect(&self.socket()).and_then(|mut client| client.ask(&["PING"]));
            if answer.is_ok() {
                return true;
            }
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok()?);
            if began.elapsed() > STARTS_WITHIN || ended.is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    /// The URL of the store on it.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    pub fn client(&self) -> Client {
        Client::connect(&self.socket()).expect("a connection to redis-server")
    }

    /// Sends one command over its own connection. A refusal is a [`Value::Failure`]. A server that changes its role
    /// drops connections, so the command is then repeated.
    pub fn ask(&self, command: &[&str]) -> Value {
        let first = self.client().ask(command);
        first.unwrap_or_else(|_| {
            let again = self.client().ask(command);
            again.expect("an answer of redis-server")
        })
    }

    /// Sends one command that must not be refused.
    pub fn run(&self, command: &[&str]) -> Value {
        let value = self.ask(command);
        assert!(
            !matches!(value, Value::Failure(_)),
            "{command:?}: {value:?}"
        );
        value
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn signal(&self, signal: i32) {
        let child = self.child.as_ref().expect("a server that runs");
        let pid = i32::try_from(child.id()).expect("a process id");
        // SAFETY: a signal to a child that has not been waited for.
        let sent = unsafe { libc::kill(pid, signal) };
        assert_eq!(sent, 0);
    }

    /// Stops the process. Its connections stay open, and nothing answers.
    pub fn freeze(&self) {
        self.signal(libc::SIGSTOP);
    }

    pub fn thaw(&self) {
        self.signal(libc::SIGCONT);
    }

    /// Kills the server. Its data is lost, unless it was told to save it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sets an option for the next start.
    pub fn set_option(&mut self, name: &str, value: &str) {
        self.options.extend([name.to_owned(), value.to_owned()]);
    }

    /// Starts it again after [`RedisServer::kill`].
    pub fn start_again(&mut self) {
        self.begin();
        self.wait_until_it_answers();
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
