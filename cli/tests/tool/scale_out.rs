//! Follows docs/scale-out.md: its redis.conf, its ACL line, its first commands, a second host, its keeper's
//! environment. The test replaces the names of hosts, the places of files, and the password.

use std::path::Path;

use redis_server::{Proxy, RedisServer, Value as Redis};

use super::*;
use common::wait_until;

const PAGE: &str = include_str!("../../../docs/scale-out.md");
const CHINESE: &str = include_str!("../../../docs/scale-out.zh-CN.md");
const PASSWORD: &str = "a-password-of-the-test";

/// The blocks of code on a page, without comments, which are in the page's language.
fn blocks(page: &str) -> Vec<String> {
    let fenced = page.split("```").skip(1).step_by(2);
    fenced
        .map(|block| {
            let lines = block.lines().skip(1).map(str::trim);
            let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines.collect::<Vec<_>>().join("\n")
        })
        .collect()
}

/// The only block with these words.
fn block(with: &str) -> String {
    let mut found = blocks(PAGE)
        .into_iter()
        .filter(|block| block.contains(with));
    let block = found
        .next()
        .unwrap_or_else(|| panic!("no block has {with}"));
    assert!(found.next().is_none(), "two blocks have {with}");
    block
}

/// A server with a replica, set up as the page says.
struct Site {
    server: RedisServer,
    door: Proxy,
    _replica: RedisServer,
}

impl Site {
    fn new() -> Site {
        let mut options = Vec::new();
        for line in block("maxmemory-policy").lines() {
            let (name, value) = line.split_once(' ').unwrap();
            options.extend([format!("--{name}"), value.to_owned()]);
        }
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let server = RedisServer::with(&options);
        let door = Proxy::to(&server.socket());
        let master = format!("127.0.0.1 {}", door.port());
        let replica = RedisServer::with(&["--replicaof", &master]);
        let acl = block("ACL SETUSER").replace("PASSWORD", PASSWORD);
        let words: Vec<&str> = acl.split_whitespace().collect();
        assert_eq!(server.run(&words), Redis::Text("OK".into()));
        wait_until("the replica follows", || {
            server
                .run(&["INFO", "replication"])
                .text()
                .contains("state=online")
        });
        Site {
            server,
            door,
            _replica: replica,
        }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.door.port())
    }

    /// Returns text of the page with this site's address and files.
    fn own(&self, text: &str, etc: &Path) -> String {
        text.replace("redis.internal:6379", &self.address())
            .replace("/etc/wxtoken", etc.to_str().unwrap())
    }
}

/// A host on which the page is followed, with its own state directory and files.
fn host(desk: &Desk, name: &str) -> PathBuf {
    let etc = desk.path(name);
    std::fs::create_dir_all(&etc).unwrap();
    std::fs::write(etc.join("redis-password"), format!("{PASSWORD}\n")).unwrap();
    set_mode(&etc.join("redis-password"), 0o600);
    etc
}

/// Runs lines of the page in a shell on a host. The secret is on stdin.
fn shell(desk: &Desk, etc: &Path, lines: &str) -> Run {
    let mut command = Command::new("sh");
    command.args(["-ec", lines]).env_clear();
    let of_desk = desk.command(&[]);
    let known = of_desk.get_envs();
    command.envs(known.filter_map(|(name, value)| Some((name, value?))));
    command.env_remove("WXTOKEN_STORE");
    let tool = Path::new(env!("CARGO_BIN_EXE_wxtoken")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", tool.display()));
    command.env("XDG_STATE_HOME", etc.join("state"));
    finished(command, SECRET)
}

#[test]
fn both_languages_of_the_page_have_the_same_code() {
    assert_eq!(blocks(PAGE), blocks(CHINESE));
}

#[test]
fn the_page_is_followed_from_the_first_command_to_a_keeper_on_a_second_host() {
    let desk = Desk::new();
    let appid = "wx0123456789abcdef";
    desk.world.add("official", appid, json!({}));
    let site = Site::new();
    let first = host(&desk, "first");
    let start = site.own(&block("wxtoken account add shop"), &first);
    let (names, commands) = start.split_once("wxtoken account add").unwrap();
    let done = shell(
        &desk,
        &first,
        &format!("{names}wxtoken account add{commands} --offline"),
    );
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    assert!(done.out.contains("0 problems, 0 warnings"), "{}", done.out);
    for canary in [SECRET, PASSWORD] {
        assert!(!(done.out.clone() + &done.err).contains(canary));
    }
    let token = shell(&desk, &first, &format!("{names}wxtoken get shop"));
    assert!(desk.world.accepts(token.out.trim()), "{}", token.err);

    // A host without the key is a reader. It gets stored tokens, and fetches nothing.
    let second = host(&desk, "second");
    let names = site.own(&block("wxtoken account add shop"), &second);
    let names = names
        .split_once("wxtoken account add")
        .unwrap()
        .0
        .to_owned();
    let read = shell(&desk, &second, &format!("{names}wxtoken get shop"));
    assert_eq!(read.out, token.out, "{}", read.err);
    let ticket = format!("{names}wxtoken get shop/jsapi_ticket");
    let refused = shell(&desk, &second, &ticket);
    assert_eq!(refused.code, 14, "{}", refused.err);
    assert!(
        refused.err.contains("no key to the secrets"),
        "{}",
        refused.err
    );
    // With the key, copied as the page says, it can do all that the first host can.
    std::fs::copy(first.join("key"), second.join("key")).unwrap();
    set_mode(&second.join("key"), 0o600);
    let fetched = shell(&desk, &second, &ticket);
    assert_eq!(fetched.code, 0, "{}", fetched.err);
    let minted = desk.world.sim.counters_of(appid).minted;
    assert_eq!(minted, 2, "a token and a ticket");
    // The keys are all under the prefix that the ACL line names.
    let keys = site.server.run(&["KEYS", "*"]);
    assert!(
        keys.list()
            .iter()
            .all(|key| key.text().starts_with("wxtoken:"))
    );
}

#[test]
fn the_keepers_environment_starts_a_keeper_that_finds_the_master() {
    let desk = Desk::new();
    let watched = redis_server::Watched::start();
    let acl = block("ACL SETUSER").replace("PASSWORD", PASSWORD);
    let words: Vec<&str> = acl.split_whitespace().collect();
    for server in [&watched.master, &watched.replica] {
        assert_eq!(server.run(&words), Redis::Text("OK".into()));
    }
    let etc = host(&desk, "keeper");
    let sentinel = format!("127.0.0.1:{}", watched.sentinel.port());
    let environment = block("WXTOKEN_STORE=redis+sentinel")
        .replace("10.0.0.1,10.0.0.2,10.0.0.3", &sentinel)
        .replace("/etc/wxtoken", etc.to_str().unwrap())
        .replace("/var/lib", etc.to_str().unwrap());
    std::fs::create_dir(etc.join("wxtoken")).unwrap();
    let mut command = desk.command(&["keep"]);
    for line in environment.lines() {
        let (name, value) = line.split_once('=').unwrap();
        command.env(name, value);
    }
    let log = etc.join("log");
    command.stderr(std::fs::File::create(&log).unwrap());
    let mut keeper = command.stdout(Stdio::null()).spawn().unwrap();
    let said = || std::fs::read_to_string(&log).unwrap();
    wait_until("the keeper is ready", || said().contains("ready: "));
    // SAFETY: the child is ours and has not been waited for.
    unsafe { libc::kill(keeper.id() as i32, libc::SIGTERM) };
    assert_eq!(keeper.wait().unwrap().code(), Some(0), "{}", said());
    assert!(!said().contains(PASSWORD));
}

#[test]
fn the_command_accepts_the_lines_for_a_bridge() {
    let desk = Desk::new();
    let lines = block("wxtoken keep --from https");
    let service = block("WXTOKEN_KEEP=--from");
    let words = lines.lines().last().unwrap().trim_start_matches("wxtoken ");
    let (_, of_service) = service.lines().next().unwrap().split_once('=').unwrap();
    assert!(words.contains(&format!("keep {of_service}")), "{words}");
    // Nothing listens there. The command fails only when it connects to the upstream.
    let store = desk.path("tokens.db").display().to_string();
    let words = words
        .replace("tokens.internal:8443", "127.0.0.1:9")
        .replace("/var/lib/wxtoken/tokens.db", &store);
    let words: Vec<&str> = words.split(' ').collect();
    let mut bridge = desk.command(&words);
    let log = desk.path("log");
    bridge.stderr(std::fs::File::create(&log).unwrap());
    let mut bridge = bridge.stdout(Stdio::null()).spawn().unwrap();
    let said = || std::fs::read_to_string(&log).unwrap();
    wait_until("it says what it lacks", || {
        said().contains("failed https://127.0.0.1:9: cannot list the accounts")
    });
    bridge.kill().unwrap();
    bridge.wait().unwrap();
}
