//! `wxtoken copy`: accounts, and what was put for them, go from one store to another.

use redis_server::{RedisServer, Value as Said};

use super::*;

const REFRESH_TOKEN: &str = "refreshtoken@@@0123456789";

/// A desk whose file has an account with a secret, and an authorizer with its parent and its refresh token.
fn filled() -> Desk {
    let desk = Desk::with_shop();
    let authorizer = json!({"parent": "wxabove", "secret": REFRESH_TOKEN});
    desk.world.add("component", "wxabove", json!({}));
    desk.world.add("authorizer", "wxown", authorizer);
    desk.register("above", "component", "wxabove");
    let (ticket, _) = desk.world.sim.push("wxabove", 0).unwrap();
    let given = [
        (&["put", "above", "verify_ticket"][..], ticket.as_str()),
        (
            &[
                "account",
                "add",
                "own",
                "--kind",
                "authorizer",
                "--id",
                "wxown",
                "--parent",
                "above",
            ],
            "",
        ),
        (&["put", "own", "refresh_token"], REFRESH_TOKEN),
    ];
    for (words, stdin) in given {
        let run = desk.run_with(words, stdin);
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{words:?}");
    }
    desk
}

/// Runs a command on another store.
fn on(desk: &Desk, store: &str, words: &[&str]) -> Run {
    let mut command = desk.command(words);
    command.env("WXTOKEN_STORE", store);
    finished(command, "")
}

/// Asserts that every account of a store can fetch.
fn works(desk: &Desk, store: &str) {
    for name in ["shop", "above", "own"] {
        let run = on(desk, store, &["get", name]);
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{name} in {store}");
    }
}

fn path(desk: &Desk, name: &str) -> String {
    desk.path(name).display().to_string()
}

#[test]
fn from_a_file_to_a_server_to_another_and_back_to_a_file() {
    let desk = filled();
    let (one, two) = (RedisServer::start(), RedisServer::start());
    let file = path(&desk, "other.db");
    let way = [
        desk.world.store().display().to_string(),
        one.url(),
        two.url(),
        file,
    ];
    for step in way.windows(2) {
        let said = desk.done(&["copy", &step[0], &step[1]]);
        let expected = "3 accounts copied, 2 pushed secrets copied";
        assert!(said.starts_with(expected), "{said}");
        assert!(said.contains("shop is the current account"), "{said}");
        let again = desk.done(&["copy", &step[0], &step[1]]);
        assert!(
            again.starts_with("0 accounts copied, 3 there already, into"),
            "{again}"
        );
        assert_eq!(desk.world.minted(), 0, "no token is fetched");
    }
    for store in &way[1..] {
        works(&desk, store);
    }
}

#[test]
fn a_copy_that_was_killed_is_completed_by_the_next() {
    let desk = filled();
    let server = RedisServer::start();
    let from = desk.world.store().display().to_string();
    // The copy is under way: the server has received a part of it, or nothing.
    for _ in 0..4 {
        let mut copy = desk.command(&["copy", &from, &server.url()]);
        let mut copy = copy
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        common::wait_until("something is there", || {
            copy.try_wait().unwrap().is_some() || server.run(&["DBSIZE"]) != Said::Integer(0)
        });
        copy.kill().unwrap();
        copy.wait().unwrap();
    }
    let ended = desk.done(&["copy", &from, &server.url()]);
    assert!(ended.contains("copied"), "{ended}");
    works(&desk, &server.url());
    let again = desk.done(&["copy", &from, &server.url()]);
    assert!(again.contains("3 there already"), "{again}");
}

#[test]
fn an_account_that_differs_is_named_and_left() {
    let desk = Desk::with_shop();
    let other = path(&desk, "other.db");
    let run = finished(
        {
            let mut add = desk.command(&[
                "account", "add", "shop", "--kind", "official", "--id", "wx1",
            ]);
            add.env("WXTOKEN_STORE", &other);
            add
        },
        "anothersecretanothersecretanother",
    );
    assert_eq!(run.code, 0, "{}", run.err);
    let from = desk.world.store().display().to_string();
    let copied = desk.run(&["copy", &from, &other]);
    assert_eq!(copied.code, 1, "{}", copied.err);
    assert!(
        copied.err.contains("\"shop\" has another secret"),
        "{}",
        copied.err
    );
    assert!(copied.err.contains("--replace"), "{}", copied.err);
    assert_ne!(
        on(&desk, &other, &["get"]).code,
        0,
        "it has the wrong secret still"
    );
    on(&desk, &other, &["retry"]);
    let replaced = desk.done(&["copy", "--replace", &from, &other]);
    assert!(replaced.contains("1 changed"), "{replaced}");
    on(&desk, &other, &["retry"]);
    assert_eq!(on(&desk, &other, &["get"]).code, 0);
}

#[test]
fn a_store_of_another_program_is_left_as_it_is() {
    let desk = Desk::with_shop();
    let from = desk.world.store().display().to_string();
    let file = desk.file(
        "notes",
        "not a store, but somebody's notes, which are to stay as they are",
    );
    let refused = desk.run(&["copy", &from, &file]);
    assert_eq!(refused.code, 13, "{}", refused.err);
    let notes = std::fs::read_to_string(&file).unwrap();
    assert!(notes.starts_with("not a store"), "{notes}");
    let server = RedisServer::start();
    server.run(&["SET", "wxtoken:{meta}", "mine"]);
    let refused = desk.run(&["copy", &from, &server.url()]);
    assert_eq!(refused.code, 13, "{}", refused.err);
    assert!(refused.err.contains("another program"), "{}", refused.err);
    assert_eq!(server.run(&["DBSIZE"]), Said::Integer(1));
    // A copy from a store that does not exist creates none.
    let made = path(&desk, "made.db");
    assert_eq!(desk.run(&["copy", &path(&desk, "none.db"), &made]).code, 13);
    assert!(!Path::new(&made).exists());
    assert_eq!(desk.run(&["copy", &from, &from]).code, 2);
}

#[test]
fn each_store_has_its_own_password_and_none_is_shown() {
    let desk = Desk::with_shop();
    let server = RedisServer::with(&["--requirepass", "hush@me"]);
    let from = desk.world.store().display().to_string();
    let shown = server.url().replace("redis+unix://", "redis+unix://:hush@");
    let refused = desk.run(&["copy", &from, &shown]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(!refused.err.contains("hush"), "{}", refused.err);
    let password = desk.file("password", "hush@me\n");
    let words = [
        "copy",
        &from,
        &server.url(),
        "--to-password-file",
        &password,
    ];
    let said = desk.done(&words);
    assert!(said.starts_with("1 account copied"), "{said}");
    assert!(said.contains(":***@") && !said.contains("hush"), "{said}");
}
