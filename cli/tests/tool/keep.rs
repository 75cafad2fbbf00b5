//! The process `wxtoken keep`: its log, the events that wake it, its end, and its messages to the service manager.

use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use serde_json::json;

use super::{Desk, finished, parsed};
use common::{SECRET, wait_until};

/// A running keeper, killed on drop.
struct Keeping {
    child: Child,
    err: Option<ChildStderr>,
    said: String,
}

impl Keeping {
    fn start(desk: &Desk, environment: &[(&str, &str)]) -> Keeping {
        Keeping::by(desk, &["keep"], environment)
    }

    /// Starts another command that keeps tokens fresh too.
    fn by(desk: &Desk, words: &[&str], environment: &[(&str, &str)]) -> Keeping {
        let keep = desk.command(words);
        // The service manager names the process that must show signs of life.
        let mut command = Command::new("sh");
        command.args(["-c", "WATCHDOG_PID=$$ exec \"$0\" \"$@\""]);
        command
            .arg(keep.get_program())
            .args(keep.get_args())
            .env_clear();
        command.envs(
            keep.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        command.envs(environment.iter().copied());
        command.stderr(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let err = child.stderr.take().unwrap();
        // SAFETY: this test owns the descriptor.
        unsafe { libc::fcntl(err.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        Keeping {
            child,
            err: Some(err),
            said: String::new(),
        }
    }

    fn until_it_says(&mut self, text: &str) {
        wait_until(&format!("it says {text:?}"), || self.has_said(text));
    }

    fn has_said(&mut self, text: &str) -> bool {
        let mut buffer = [0; 4096];
        while let Some(Ok(length @ 1..)) = self.err.as_mut().map(|err| err.read(&mut buffer)) {
            self.said += std::str::from_utf8(&buffer[..length]).unwrap();
        }
        self.said.contains(text)
    }

    fn signal(&self, signal: i32) {
        // SAFETY: the child is ours and has not been waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// Ends the keeper with a signal. Returns its log, and asserts that it ended with code 0.
    fn end(mut self, signal: i32) -> String {
        self.signal(signal);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        self.has_said("");
        let mut out = String::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut out)
            .unwrap();
        assert_eq!(out, "");
        std::mem::take(&mut self.said)
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_fetches_at_once_wakes_when_an_account_comes_and_ends_cleanly() {
    let desk = Desk::with_shop();
    desk.world.add("official", "wx2", json!({}));
    let mut keeping = Keeping::start(&desk, &[]);
    keeping.until_it_says("ready: 1 account, 1 credential, all valid");
    keeping.until_it_says("fetched shop: good until ");
    assert_eq!(desk.world.minted(), 1);
    assert_eq!(parsed(&desk.done(&["status", "--json"]))["keeper"], true);

    // The next look is hours away. The change of the store wakes the keeper.
    desk.register("second", "official", "wx2");
    keeping.until_it_says("fetched second: good until ");
    assert!(desk.world.accepts(desk.done(&["get", "second"]).trim()));
    assert_eq!(desk.world.sim.counters_of("wx2").minted, 1);

    let said = keeping.end(libc::SIGTERM);
    assert!(said.ends_with("SIGTERM: ending\n"), "{said}");
    for line in said.lines() {
        // Each line has a date, a time, and one event.
        assert!(
            line.as_bytes()[10] == b' ' && line.as_bytes()[19] == b' ',
            "{line}"
        );
    }
    for secret in [SECRET, desk.done(&["get"]).trim()] {
        assert!(!said.contains(secret));
    }
    assert_eq!(parsed(&desk.done(&["status", "--json"]))["keeper"], false);
}

/// Returns the next message to the service manager. A signal of another test may interrupt the wait.
fn next_word(manager: &UnixDatagram) -> String {
    let mut buffer = [0; 512];
    loop {
        match manager.recv(&mut buffer) {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            received => return String::from_utf8_lossy(&buffer[..received.unwrap()]).into_owned(),
        }
    }
}

/// Returns a socket like that of systemd, and its path.
fn service_manager(desk: &Desk) -> (UnixDatagram, PathBuf) {
    let path = desk.path("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(120)))
        .unwrap();
    (manager, path)
}

#[test]
fn it_tells_the_service_manager() {
    let desk = Desk::with_shop();
    let (manager, path) = service_manager(&desk);
    let environment = [
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "400000"),
        ("JOURNAL_STREAM", "8:1"),
    ];
    let mut keeping = Keeping::start(&desk, &environment);
    let told_until_now = || {
        manager.set_nonblocking(true).unwrap();
        while manager.recv(&mut [0; 512]).is_ok() {}
        manager.set_nonblocking(false).unwrap();
    };
    let told_until = |text: &str| {
        let mut all = String::new();
        wait_until(&format!("it tells {text}"), || {
            all += &next_word(&manager);
            all += "\n";
            all.contains(text)
        });
        all
    };
    let all = told_until("READY=1");
    assert!(!all.contains("STOPPING"), "{all}");
    told_until("STATUS=1 account, 1 credential, all valid");
    // Signs of life come even if nothing happens.
    for _ in 0..3 {
        told_until("WATCHDOG=1");
    }
    // They come even if the store cannot be used, because only the keeper knows its content.
    std::fs::remove_file(desk.world.store()).unwrap();
    std::fs::create_dir(desk.world.store()).unwrap();
    keeping.until_it_says("is a directory");
    told_until_now();
    for _ in 0..3 {
        told_until("WATCHDOG=1");
    }
    std::fs::remove_dir(desk.world.store()).unwrap();
    keeping.until_it_says("the store can be used again");
    assert!(desk.done(&["account", "list"]).contains("shop"));
    let said = keeping.end(libc::SIGTERM);
    told_until("STOPPING=1");
    // The journal records the time by itself, so a line has none.
    assert!(said.starts_with("keeping "), "{said}");
}

/// Faults row 74: a keeper whose fetches all hang shows no sign of life, so the service manager restarts it.
#[test]
fn it_shows_no_sign_of_life_while_every_fetch_hangs() {
    let desk = Desk::with_shop();
    let (manager, path) = service_manager(&desk);
    let environment = [
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "400000"),
        // A thread that has less than a second left would end instead of hanging.
        ("WXTOKEN_TIMEOUT_MS", "4000"),
        // Each thread hangs where its claim is written.
        ("TEST_HOLD", "3 1000000"),
    ];
    let mut keeping = Keeping::start(&desk, &environment);
    let told = || next_word(&manager);
    wait_until("it is alive", || told().contains("WATCHDOG=1"));
    wait_until("a fetch hangs", || told().contains(", 1 hanging"));
    keeping.until_it_says("the service manager gets no sign of life");
    for _ in 0..20 {
        let told = told();
        assert!(!told.contains("WATCHDOG=1"), "{told}");
    }
    let said = keeping.end(libc::SIGTERM);
    assert_eq!(said.matches("failed shop: ").count(), 1, "{said}");
    assert!(said.contains("the fetch of shop has not ended"), "{said}");
    assert_eq!(desk.world.requests(), 0);
}

/// Faults row 74, in a container: nothing else would restart the keeper.
#[test]
fn it_ends_itself_where_no_service_manager_watches_it_hang() {
    let desk = Desk::with_shop();
    let environment = [
        ("WATCHDOG_USEC", "400000"),
        ("WXTOKEN_TIMEOUT_MS", "300"),
        ("TEST_HOLD", "3 1000000"),
    ];
    let serve = ["serve", "--listen", "http://127.0.0.1:0"];
    for words in [&["keep"][..], &serve] {
        let mut keeping = Keeping::by(&desk, words, &environment);
        keeping.until_it_says("a fetch hangs and none has ended since");
        let mut code = None;
        wait_until("it ends itself", || {
            code = keeping.child.try_wait().unwrap();
            code.is_some()
        });
        assert_eq!(code.and_then(|code| code.code()), Some(19), "{words:?}");
        let why = "no fetch has ended, and no service manager watches";
        assert!(keeping.has_said(why), "{words:?}: {}", keeping.said);
    }
}

#[test]
fn a_failure_is_one_line_with_the_next_try_and_is_over_when_the_secret_is_right() {
    let desk = Desk::with_shop();
    let wrong = "f".repeat(32);
    let words = [
        "account", "add", "shop", "--kind", "official", "--id", "wx1",
    ];
    assert_eq!(desk.run_with(&words, &wrong).code, 0);
    let mut keeping = Keeping::start(&desk, &[]);
    keeping.until_it_says("1 without a valid token");
    keeping.until_it_says("failed shop: ");
    let said = keeping.said.clone();
    let line = said
        .lines()
        .find(|line| line.contains("failed shop: "))
        .unwrap();
    let (what, next) = line.split_once("; next try in ").unwrap();
    assert!(what.contains(": errcode 40125 \""), "{line}");
    let hint = " s; hint: The secret is wrong. Register the account again with `wxtoken account add shop --kind official \
                --id wx1`.";
    assert!(next.ends_with(hint), "{line}");
    assert_eq!(desk.world.requests(), 1);
    // The secret is rotated, without a restart.
    assert_eq!(desk.run_with(&words, SECRET).code, 0);
    keeping.until_it_says("fetched shop: ");
    let said = keeping.end(libc::SIGINT);
    assert_eq!(said.matches("failed shop").count(), 1, "{said}");
    assert_eq!(desk.world.requests(), 2);
}

/// On SIGHUP the keeper looks at once.
#[test]
fn a_hang_up_makes_it_look_again_and_a_lost_store_comes_back() {
    let desk = Desk::with_shop();
    let mut keeping = Keeping::start(&desk, &[]);
    keeping.until_it_says("ready");
    keeping.signal(libc::SIGHUP);
    std::fs::remove_file(desk.world.store()).unwrap();
    wait_until("the account is back", || {
        desk.world.store().exists() && desk.done(&["account", "list"]).contains("shop")
    });
    desk.done(&["get", "shop"]);
    // An account that is removed stays removed.
    desk.done(&["account", "remove", "shop", "--yes"]);
    keeping.signal(libc::SIGHUP);
    let said = keeping.end(libc::SIGTERM);
    assert!(!desk.done(&["account", "list"]).contains("shop"), "{said}");
}

#[test]
fn it_ends_while_a_fetch_hangs_and_several_are_as_one() {
    let desk = Desk::with_shop();
    let mut keepers = [Keeping::start(&desk, &[]), Keeping::start(&desk, &[])];
    for keeping in &mut keepers {
        keeping.until_it_says("ready: 1 account, 1 credential, all valid");
    }
    assert_eq!(desk.world.minted(), 1);
    for keeping in keepers {
        keeping.end(libc::SIGTERM);
    }
    desk.world.add("official", "wx2", json!({}));
    desk.register("slow", "official", "wx2");
    desk.world
        .fault(json!({"kind": "hang", "id": "wx2", "times": 0}));
    let keeping = Keeping::start(&desk, &[("WXTOKEN_TIMEOUT_MS", "1500")]);
    wait_until("it is asking", || {
        desk.world.sim.counters_of("wx2").in_flight == 1
    });
    let said = keeping.end(libc::SIGTERM);
    assert!(said.contains("SIGTERM: ending"), "{said}");
}

/// The reader of the log has gone away, and the keeper goes on.
#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let desk = Desk::new();
    desk.world
        .add("official", "wx1", json!({"lifetime_ms": 2000}));
    desk.register("shop", "official", "wx1");
    let mut keeping = Keeping::start(&desk, &[]);
    keeping.until_it_says("ready");
    keeping.err = None;
    let minted = desk.world.minted();
    wait_until("two more are fetched", || desk.world.minted() >= minted + 2);
    keeping.end(libc::SIGTERM);
}

#[test]
fn a_reader_that_rejects_is_told_the_result() {
    common::needs_root!();
    let desk = Desk::with_shop();
    desk.done(&["get", "shop"]);
    desk.let_readers_in();
    let mut keeping = Keeping::start(&desk, &[]);
    keeping.until_it_says("ready");
    let reject = || {
        let mut run = finished(desk.reader(&["reject", "shop"]), "");
        // A keeper has two seconds to note it, and may stand still for that long.
        wait_until("the keeper has noted it", || {
            let is_late = run.code == 18;
            if is_late {
                run = finished(desk.reader(&["reject", "shop"]), "");
            }
            !is_late
        });
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
        run.out
    };
    desk.world.sim.revoke("wx1");
    let said = reject();
    assert_eq!(said, "shop: another token has been fetched\n");
    let given = finished(desk.reader(&["get", "shop"]), "").out;
    assert!(desk.world.accepts(given.trim_end()), "{given}");
    keeping.until_it_says("fetched shop: ");
    let said = reject();
    assert!(said.contains("no other may be fetched for "), "{said}");
    keeping.end(libc::SIGTERM);
    assert_eq!(desk.world.minted(), 2);
}

#[test]
fn a_user_who_may_not_keep_is_told() {
    let desk = Desk::new();
    std::fs::write(desk.world.store(), "").unwrap();
    desk.register("shop", "official", "wx1");
    let key = desk.world.store().with_added_extension("key");
    std::fs::remove_file(&key).unwrap();
    std::fs::create_dir(&key).unwrap();
    let mut keeping = Keeping::start(&desk, &[]);
    // The keeper does what it can, and reports what it cannot do.
    keeping.until_it_says("tokens.db.key");
    keeping.end(libc::SIGTERM);
}

#[test]
fn a_keeper_tries_again_at_once_when_somebody_ends_the_back_off() {
    let desk = Desk::with_shop();
    desk.world
        .fault(json!({"id": "wx1", "kind": "errcode", "errcode": 89506}));
    let mut keeping = Keeping::start(&desk, &[]);
    keeping.until_it_says("run `wxtoken retry shop`");
    let said = desk.done(&["retry"]);
    assert_eq!(said, "shop: the keeper tries again now\n");
    wait_until("it is fetched", || desk.world.minted() == 1);
    assert_eq!(desk.world.requests(), 2);
    keeping.end(libc::SIGTERM);
}
