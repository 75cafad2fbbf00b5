//! The command `wxtoken`, run as people and scripts run it. The simulator plays WeChat.

mod accounts;
mod copy;
mod doctor;
mod keep;
mod manual;
mod metrics;
mod quota;
mod redis;
mod rid;
mod scale_out;
mod serve;
mod status;
mod terminal;

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{SECRET, World, base_url_options};
use serde_json::{Value, json};

/// A user whose only group is that of the readers.
const NOBODY: u32 = 65534;

/// The result of a run.
struct Run {
    code: i32,
    out: String,
    err: String,
}

/// A world with a store, in which the command is run.
struct Desk {
    world: World,
}

impl Desk {
    fn new() -> Desk {
        Desk {
            world: World::new(),
        }
    }

    /// A desk with its store on its own Redis server, and with `wx1` registered as `shop`.
    fn on_redis() -> Desk {
        let desk = Desk {
            world: World::on_redis(),
        };
        desk.world.add("official", "wx1", json!({}));
        desk.register("shop", "official", "wx1");
        desk
    }

    /// A desk with `wx1` known to WeChat and registered as `shop`.
    fn with_shop() -> Desk {
        let desk = Desk::new();
        desk.world.add("official", "wx1", json!({}));
        desk.register("shop", "official", "wx1");
        desk
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wxtoken"));
        command.args(words).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.path("home"));
        command.env("LC_ALL", "C.UTF-8").env("TERM", "xterm");
        command.env("WXTOKEN_STORE", self.world.store());
        for option in base_url_options() {
            let variable = format!("WXTOKEN_{}", option.to_ascii_uppercase());
            command.env(variable, self.world.sim.http());
        }
        command
    }

    fn run(&self, words: &[&str]) -> Run {
        finished(self.command(words), "")
    }

    fn run_with(&self, words: &[&str], stdin: &str) -> Run {
        finished(self.command(words), stdin)
    }

    /// Runs a command that must succeed without a message on stderr. Returns its stdout.
    fn done(&self, words: &[&str]) -> String {
        let run = self.run(words);
        assert_eq!(
            (run.code, run.err.as_str()),
            (0, ""),
            "{words:?}: {}",
            run.out
        );
        run.out
    }

    fn register(&self, name: &str, kind: &str, id: &str) -> Run {
        let run = self.run_with(
            &["account", "add", name, "--kind", kind, "--id", id],
            SECRET,
        );
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
        run
    }

    /// Registers an account that has authorized the component `platform`.
    fn register_authorizer(&self, name: &str, id: &str) {
        self.done(&[
            "account",
            "add",
            name,
            "--kind",
            "authorizer",
            "--id",
            id,
            "--parent",
            "platform",
        ]);
    }

    /// Lets the store's group read it, and do nothing else. Tests that use this begin with `needs_root`.
    fn let_readers_in(&self) {
        set_mode(self.world.directory.path(), 0o755);
        std::os::unix::fs::chown(self.world.store(), None, Some(NOBODY)).unwrap();
        set_mode(&self.world.store(), 0o640);
        // The directory of the binary may be closed to other users, so the binary is copied. Another process copies it:
        // a thread that forks now would hold the copy open for writing, and it could not be run.
        let mut copy = Command::new("cp");
        let copied = copy
            .arg(env!("CARGO_BIN_EXE_wxtoken"))
            .arg(self.path("wxtoken"))
            .status();
        assert!(copied.unwrap().success());
        set_mode(&self.path("wxtoken"), 0o755);
    }

    fn reader(&self, words: &[&str]) -> Command {
        let as_of = self.command(words);
        let mut reader = Command::new(self.path("wxtoken"));
        reader.args(as_of.get_args()).env_clear();
        reader.envs(
            as_of
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        reader.uid(NOBODY).gid(NOBODY);
        reader
    }

    fn path(&self, name: &str) -> PathBuf {
        self.world.directory.path().join(name)
    }

    /// Writes a file of mode 0600, and returns its path.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        set_mode(&path, 0o600);
        path.to_str().unwrap().to_owned()
    }
}

fn finished(mut command: Command, stdin: &str) -> Run {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that reads nothing may have ended.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn get_prints_the_token_and_nothing_else() {
    let desk = Desk::with_shop();
    let token = desk.done(&["get", "shop"]);
    let token = token.strip_suffix('\n').unwrap();
    assert!(desk.world.accepts(token));
    // Another process gets the token of the current account without a second fetch.
    assert_eq!(desk.done(&["get"]), format!("{token}\n"));
    assert_eq!(desk.world.minted(), 1);
    let said = parsed(&desk.done(&["get", "--json"]));
    assert_eq!(said["name"], "shop");
    assert_eq!(said["token"], token);
    assert!(said["expires_at"].as_i64().unwrap() > 1_700_000_000);
    let ticket = parsed(&desk.done(&["get", "shop/jsapi_ticket", "--json"]));
    assert_eq!(ticket["name"], "shop/jsapi_ticket");
}

#[test]
fn a_failed_get_says_why_on_stderr_and_has_the_exit_code_of_its_status() {
    let desk = Desk::with_shop();
    let unknown = desk.run(&["get", "stall"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (12, ""));
    assert!(
        unknown
            .err
            .starts_with("error: account \"stall\" not found in store /"),
        "{}",
        unknown.err
    );
    assert!(
        unknown
            .err
            .contains("\nhint: Register it with `wxtoken account add stall --kind KIND --id ID`."),
        "{}",
        unknown.err
    );

    desk.world
        .add("official", "wx2", json!({"allow_ips": ["10.0.0.1"]}));
    desk.register("far", "official", "wx2");
    let refused = desk.run(&["get", "far"]);
    assert_eq!((refused.code, refused.out.as_str()), (17, ""));
    assert!(
        refused.err.contains(": errcode 40164 \""),
        "{}",
        refused.err
    );
    assert!(
        refused
            .err
            .contains("\nhint: Add 127.0.0.1 to the account's IP allow list ("),
        "{}",
        refused.err
    );
    for line in refused.err.lines() {
        assert!(
            ["error: ", "hint: "]
                .iter()
                .any(|label| line.starts_with(label)),
            "{}",
            refused.err
        );
    }
    let near = desk.run(&["get", "shpo"]);
    assert!(
        near.err.ends_with("\nhint: Did you mean \"shop\"?\n"),
        "{}",
        near.err
    );
    assert!(
        refused.err.contains("\nhint: Try again in "),
        "{}",
        refused.err
    );

    let wrong = desk.run(&["get", "shop/ticket_of_no_kind"]);
    assert_eq!(wrong.code, 11, "{}", wrong.err);
    let unreached = desk.run(&["-o", "api_base_url=http://127.0.0.1:1", "get", "shop"]);
    assert_eq!(unreached.code, 15, "{}", unreached.err);
    desk.world.fault(json!({"kind": "html"}));
    let html = desk.run(&["get", "shop"]);
    assert_eq!(html.code, 16, "{}", html.err);
}

#[test]
fn a_mistyped_path_does_not_become_a_store() {
    let desk = Desk::new();
    for words in [
        &["get"][..],
        &["status"],
        &["account", "list"],
        &["account", "remove", "shop", "--yes"],
        &["account", "use", "shop"],
        &["put", "shop", "parent", "other"],
        &["reject"],
        &["rekey"],
        &["backup", "there.bak"],
    ] {
        let run = desk.run(words);
        assert_eq!((run.code, run.out.as_str()), (13, ""), "{words:?}");
        assert!(
            run.err.contains("there is no store"),
            "{words:?}: {}",
            run.err
        );
    }
    assert!(!desk.world.store().exists());
}

/// The output of `wxtoken reject` if no keeper runs.
const NEXT: &str = "shop: rejected; the next get asks the platform whether it accepts this token, and fetches another if not\n";

#[test]
fn a_rejected_token_is_replaced_at_the_next_get() {
    let desk = Desk::with_shop();
    let first = desk.done(&["get", "shop"]);
    let other = desk.file("other", "another-token\n");
    let said = desk.done(&["reject", "shop", "--token-file", &other]);
    assert!(said.contains("nothing is changed"), "{said}");
    assert_eq!(desk.done(&["get", "shop"]), first);

    desk.world.sim.revoke("wx1");
    let said = desk.done(&["reject"]);
    assert_eq!(said, NEXT);
    let second = desk.done(&["get", "shop"]);
    assert_ne!(second, first);
    let run = desk.run_with(&["reject", "shop", "--token-file", "-"], &second);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert_eq!(desk.run(&["reject", "stall"]).code, 12);
}

#[test]
fn a_reject_fetches_nothing_and_says_when_another_may_be_fetched() {
    let desk = Desk::with_shop();
    let nothing = "shop: there is no valid token in the store; nothing is changed\n";
    assert_eq!(desk.done(&["reject"]), nothing);
    assert_eq!(desk.done(&["reject", "shop"]), nothing);
    let other = desk.file("other", "another-token");
    assert_eq!(
        desk.done(&["reject", "shop", "--token-file", &other]),
        nothing
    );
    assert_eq!(desk.world.requests(), 0);

    let first = desk.done(&["get"]);
    let next = NEXT;
    assert_eq!(desk.done(&["reject"]), next);
    assert_eq!(desk.done(&["reject"]), next);
    assert_eq!(desk.world.minted(), 1);
    desk.world.sim.revoke("wx1");
    let second = desk.done(&["get"]);
    assert_ne!(second, first);

    let said = desk.done(&["reject"]);
    assert!(
        said.starts_with("shop: rejected; no other may be fetched for ")
            && said.ends_with("s, and get returns this one until then\n"),
        "{said}"
    );
    assert_eq!(desk.done(&["get"]), second);
    assert_eq!(desk.world.minted(), 2);
}

#[test]
fn a_reject_during_a_failure_says_how_long_it_stands() {
    let desk = Desk::with_shop();
    desk.done(&["get"]);
    desk.world.sim.revoke("wx1");
    desk.done(&["reject"]);
    let add = [
        "account", "add", "shop", "--kind", "official", "--id", "wx1",
    ];
    assert_eq!(desk.run_with(&add, &"f".repeat(32)).code, 0);
    assert_eq!(desk.run(&["get"]).code, 17);
    let said = desk.done(&["reject"]);
    assert!(
        said.starts_with("shop: rejected; no other may be fetched for ")
            && !said.contains("get returns"),
        "{said}"
    );
    assert_eq!(desk.run(&["get"]).code, 17);
}

#[test]
fn a_variable_that_is_not_utf8_is_named() {
    let desk = Desk::with_shop();
    for (variable, code) in [("WXTOKEN_STORE", 2), ("WXTOKEN_TIMEOUT_MS", 11)] {
        let mut command = desk.command(&["get"]);
        command.env(variable, OsStr::from_bytes(b"/srv/\xff.db"));
        let run = finished(command, "");
        assert_eq!((run.code, run.out.as_str()), (code, ""), "{}", run.err);
        let named = format!("error: invalid environment variable {variable}: is not UTF-8\n");
        assert!(run.err.contains(&named), "{}", run.err);
        assert!(
            run.err.contains("hint: Correct or unset it.\n"),
            "{}",
            run.err
        );
    }
}

#[test]
fn options_are_set_by_name() {
    let desk = Desk::with_shop();
    assert_eq!(desk.run(&["-o", "timeout_ms", "get"]).code, 2);
    let unknown = desk.run(&["-o", "patience=1", "get"]);
    assert_eq!(unknown.code, 11);
    assert!(unknown.err.contains("timeout_ms"), "{}", unknown.err);
    let elsewhere = desk.path("elsewhere.db");
    let elsewhere = elsewhere.to_str().unwrap();
    assert_eq!(desk.run(&["--store", elsewhere, "get"]).code, 13);
}

#[test]
fn a_backup_is_restored_and_a_new_key_opens_all_secrets() {
    let desk = Desk::with_shop();
    desk.done(&["get", "shop"]);
    let backup = desk.path("shop.bak");
    let backup = backup.to_str().unwrap();
    let said = desk.done(&["backup", backup]);
    assert!(said.starts_with("1 account written"), "{said}");
    assert_eq!(desk.run(&["backup", backup]).code, 13);
    let lost = desk.run(&["backup", "/nowhere/shop.bak"]);
    assert!(
        lost.err.contains("its directory does not exist"),
        "{}",
        lost.err
    );

    desk.done(&["account", "remove", "shop", "--yes"]);
    desk.register("stall", "official", "wx9");
    assert_eq!(desk.run(&["restore", backup]).code, 2);
    assert_eq!(desk.run(&["restore", "/nowhere/shop.bak", "--yes"]).code, 3);
    let said = desk.done(&["restore", backup, "--yes"]);
    assert!(said.starts_with("1 account restored"), "{said}");
    assert!(!desk.done(&["account", "list"]).contains("stall"));
    desk.done(&["get", "shop"]);

    let said = desk.done(&["rekey"]);
    assert!(said.starts_with("1 secret sealed"), "{said}");
    desk.done(&["reject", "shop"]);
    desk.done(&["get", "shop"]);
}

#[test]
fn retry_ends_a_back_off_every_time() {
    let desk = Desk::with_shop();
    desk.world.add("official", "wx2", json!({}));
    desk.register("stall", "official", "wx2");
    assert_eq!(
        desk.done(&["retry", "shop"]),
        "shop: nothing waits for another try\n"
    );
    for id in ["wx1", "wx2"] {
        let fault = json!({"id": id, "kind": "errcode", "errcode": 45009, "times": 4});
        desk.world.fault(fault);
    }
    for requests in 1..4 {
        for name in ["shop", "stall"] {
            let failed = desk.run(&["get", name]);
            assert_eq!(failed.code, 17);
            let remedy = format!("When the quota is cleared, run `wxtoken retry {name}`.\n");
            assert!(failed.err.contains(&remedy), "{}", failed.err);
            desk.run(&["get", name]);
        }
        assert_eq!(desk.world.requests(), requests);
        assert_eq!(
            desk.done(&["put", "shop", "retry"]),
            "shop: the next get tries again\n"
        );
        assert_eq!(desk.done(&["retry"]), "stall: the next get tries again\n");
    }
    assert_eq!(desk.done(&["retry"]), "nothing waits for another try\n");
    assert_eq!(desk.run(&["retry", "nobody"]).code, 12);
    assert_eq!(desk.run(&["put", "shop", "retry", "1"]).code, 2);
}
