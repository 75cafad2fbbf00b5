//! `wxtoken status`: the table on screens of all sizes, and the values that it never shows.

use std::process::Stdio;

use serde_json::json;

use super::terminal::Terminal;
use super::{Desk, finished, parsed};
use common::{self, SECRET};

/// A desk with a token, a ticket, a failure with an address, a wrong secret, and with an expired, a rejected and a
/// waiting token.
pub fn busy_desk() -> Desk {
    let desk = Desk::with_shop();
    let world = &desk.world;
    world.add("official", "wx2", json!({"allow_ips": ["10.0.0.1"]}));
    world.add("official", "wx3", json!({}));
    desk.register("服务号", "official", "wx2");
    desk.register(
        "returns-of-the-northern-warehouse",
        "official_classic",
        "wx3",
    );
    desk.register("corp", "work", "wwdemo0000000001");
    desk.register("platform", "component", "wxc");
    desk.done(&["get", "shop"]);
    desk.done(&["get", "shop/jsapi_ticket"]);
    desk.done(&["get", "returns-of-the-northern-warehouse"]);
    desk.done(&["reject", "returns-of-the-northern-warehouse"]);
    assert_eq!(desk.run(&["get", "服务号"]).code, 17);
    assert_eq!(desk.run(&["get", "corp"]).code, 17);
    desk
}

/// Returns the columns of a line on a terminal, for Chinese text and the words around it.
pub fn columns(line: &str) -> usize {
    line.chars()
        .map(|c| {
            if ('\u{2e80}'..='\u{ffef}').contains(&c) {
                2
            } else {
                1
            }
        })
        .sum()
}

fn status_in(desk: &Desk, wide: usize) -> String {
    let mut command = desk.command(&["status"]);
    command.env("COLUMNS", wide.to_string());
    let run = finished(command, "");
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    run.out
}

#[test]
fn the_table_fits_its_terminal_and_says_what_to_do() {
    let desk = busy_desk();
    for wide in [40, 60, 80, 100, 120, 200] {
        let table = status_in(&desk, wide);
        for line in table.lines() {
            assert!(columns(line) <= wide, "{wide}: {line}");
        }
        assert!(!table.contains('\x1b'), "{table}");
    }
    let table = status_in(&desk, 80);
    for part in [
        "5 accounts · no keeper",
        "* shop ",
        "  /jsapi_ticket",
        "████████████████████ ",
        " wxtoken",
        "rejected",
        "errcode 40164 \"invalid ip 127.0.0.1",
        "→ Add 127.0.0.1 to the account's IP allow list",
        "wxtoken account add corp --kind work --id",
        "next try in",
        "→ needs its verify_ticket: wxtoken put platform verify_ticket",
    ] {
        let unwrapped = table.split_whitespace().collect::<Vec<_>>().join(" ");
        let part = part.trim();
        assert!(
            unwrapped.contains(part) || table.contains(part),
            "{part}:\n{table}"
        );
    }
    // The columns after a Chinese name are at the same place as after other names.
    let at = |name: &str| {
        let line = table.lines().find(|line| line.contains(name)).unwrap();
        columns(&line[..line.find("official").unwrap()])
    };
    assert_eq!(at("服务号"), at("* shop"));
}

#[test]
fn a_failure_that_is_over_is_not_shown() {
    let desk = Desk::with_shop();
    let add = [
        "account", "add", "shop", "--kind", "official", "--id", "wx1",
    ];
    assert_eq!(desk.run_with(&add, &"f".repeat(32)).code, 0);
    assert_eq!(desk.run(&["get", "shop"]).code, 17);
    assert!(status_in(&desk, 80).contains("errcode 40125"));
    assert_eq!(desk.run_with(&add, SECRET).code, 0);
    assert!(status_in(&desk, 80).contains("no token yet"));
    desk.done(&["get", "shop"]);
    for said in [status_in(&desk, 80), desk.done(&["doctor", "--offline"])] {
        assert!(!said.contains("40125"), "{said}");
    }
}

#[test]
fn an_expired_token_is_shown_as_such() {
    let desk = Desk::new();
    desk.world
        .add("official", "wx1", json!({"lifetime_ms": 3000}));
    desk.register("shop", "official", "wx1");
    desk.done(&["get", "shop"]);
    common::wait_until("the token has expired", || {
        desk.run(&["status", "--check"]).code == 1
    });
    let table = status_in(&desk, 80);
    assert!(table.contains("expired "), "{table}");
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let desk = busy_desk();
    let on_terminal = |words: &[&str], no_color: bool| {
        let mut command = desk.command(words);
        if no_color {
            command.env("NO_COLOR", "1");
        }
        let (shown, code) = Terminal::run(command, 80, 24).finish();
        assert_eq!(code, Some(0), "{shown}");
        shown
    };
    assert!(on_terminal(&["status"], false).contains("\x1b[3"));
    assert!(!on_terminal(&["status"], true).contains('\x1b'));
    assert!(!on_terminal(&["status", "--color", "never"], false).contains('\x1b'));
    assert!(
        desk.done(&["status", "--color", "always"])
            .contains("\x1b[3")
    );
    assert!(!desk.run(&["get", "stall"]).err.contains('\x1b'));

    let mut ascii = desk.command(&["status"]);
    ascii.env("LC_ALL", "C");
    let run = finished(ascii, "");
    assert!(
        run.out.contains("####################") && !run.out.contains('█'),
        "{}",
        run.out
    );
}

#[test]
fn status_of_some_and_as_a_check() {
    let desk = busy_desk();
    assert_eq!(desk.run(&["status", "--check"]).code, 1);
    let shop = desk.run(&["status", "--check", "shop"]);
    assert_eq!(shop.code, 0);
    assert!(!shop.out.contains("corp"), "{}", shop.out);
    let ticket = desk.done(&["status", "shop/jsapi_ticket"]);
    assert!(ticket.contains("shop/jsapi_ticket"), "{ticket}");
    assert_eq!(desk.run(&["status", "stall"]).code, 12);
    assert_eq!(desk.run(&["status", "shop/nothing"]).code, 2);

    assert_eq!(desk.run(&["status", "shop/"]).code, 2);

    let report = parsed(&desk.done(&["status", "--json"]));
    assert_eq!(report["accounts"].as_array().unwrap().len(), 5);
    assert_eq!(report["keeper"], false);
    let store = wxtoken::tool::Store::open(desk.world.store().to_str()).unwrap();
    let mut written = parsed(&store.report().unwrap().to_json().unwrap());
    written["now"] = report["now"].clone();
    assert_eq!(written, report);
    let account = |name: &str| {
        let mut all = report["accounts"].as_array().unwrap().iter();
        all.find(|account| account["name"] == name).unwrap().clone()
    };
    let error = &account("服务号")["tokens"][0]["last_error"];
    assert_eq!(error["status"], "WXTOKEN_E_API");
    assert_eq!(error["errcode"], 40164);
    let text = |part: &str| error[part].as_str().unwrap_or_default().to_owned();
    assert!(
        text("message").contains(": errcode 40164 \"invalid ip"),
        "{error}"
    );
    assert!(
        text("hint").starts_with("Add 127.0.0.1 to the account's IP allow list"),
        "{error}"
    );
    assert!(!text("message").contains("Add"), "{error}");
    let some = parsed(&desk.done(&["status", "--json", "shop/jsapi_ticket"]));
    assert_eq!(
        some["accounts"][0]["tokens"][0]["credential"],
        "jsapi_ticket"
    );
    assert_eq!(some["accounts"].as_array().unwrap().len(), 1);
    assert_eq!(some["accounts"][0]["tokens"].as_array().unwrap().len(), 1);
}

#[test]
fn a_credential_that_was_never_fetched_is_shown_without_a_token() {
    let desk = Desk::with_shop();
    desk.done(&["get", "shop"]);
    let ticket = "shop/jsapi_ticket";
    for words in [
        &["status", "--check", ticket][..],
        &["status", "--check", "shop", ticket],
        &["status", "--check", "--json", ticket],
        &["status", "--check", "--prometheus", ticket],
    ] {
        let run = desk.run(words);
        assert_eq!((run.code, run.err.as_str()), (1, ""), "{words:?}");
    }
    let table = desk.done(&["status", ticket]);
    assert!(
        table.contains(ticket) && table.contains("no token yet"),
        "{table}"
    );
    let table = desk.done(&["status", "shop", ticket]);
    assert!(
        table.contains("  /jsapi_ticket") && !table.contains("no account"),
        "{table}"
    );
    desk.done(&["get", ticket]);
    assert_eq!(desk.run(&["status", "--check", ticket]).code, 0);
    assert_eq!(desk.run(&["status", "--check", "shop/nothing"]).code, 2);
    assert_eq!(
        desk.run(&["status", "--check", "stall/jsapi_ticket"]).code,
        12
    );
}

/// `watch -c -n2 wxtoken --color=always status` reads from a pipe, and sets COLUMNS.
#[test]
fn watch_gets_colours_through_its_pipe_and_lines_that_fit() {
    let desk = busy_desk();
    let watched = |words: &[&str]| {
        let mut command = desk.command(words);
        command.env("COLUMNS", "60").env("LINES", "20");
        let run = finished(command, "");
        assert_eq!((run.code, run.err.as_str()), (0, ""));
        run.out
    };
    let colored = watched(&["--color=always", "status"]);
    assert!(colored.contains("\x1b[3"), "{colored}");
    // Colours are the only escape sequences. Nothing moves the cursor.
    let mut plain = String::new();
    for (i, part) in colored.split("\x1b[").enumerate() {
        let end = if i == 0 {
            0
        } else {
            part.find('m').unwrap() + 1
        };
        let numbers = part[..end].trim_end_matches('m').split(';');
        assert!(
            i == 0
                || numbers
                    .clone()
                    .all(|n| n.is_empty() || n.parse::<u8>().is_ok())
        );
        plain.push_str(&part[end..]);
    }
    for line in plain.lines() {
        assert!(columns(line) <= 60, "{line}");
    }
    assert!(plain.contains("* shop ") && !watched(&["status"]).contains('\x1b'));
}

#[test]
fn a_reader_that_goes_away_is_not_a_failure_and_a_full_disk_is_one() {
    let desk = busy_desk();
    for words in [
        &["status"][..],
        &["status", "--prometheus"],
        &["get", "shop"],
        &["man"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = desk.command(words);
        let run = command
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(run.status.code(), Some(0), "{words:?}");
        assert!(run.stderr.is_empty(), "{words:?}");
    }
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let run = desk
        .command(&["get", "shop"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(3));
}

#[test]
fn only_get_shows_a_token_and_nothing_shows_a_secret() {
    let desk = busy_desk();
    let token = desk.done(&["get", "shop"]).trim_end().to_owned();
    for words in [
        &["status"][..],
        &["status", "--json"],
        &["status", "--prometheus"],
        &["account", "list", "--json"],
        &["doctor"],
        &["doctor", "--json"],
        &["reject", "shop"],
        &["rekey"],
        &["get", "corp"],
        &["-o", "log=debug", "get", "服务号"],
    ] {
        let run = desk.run(words);
        let both = run.out + &run.err;
        assert!(
            !both.contains(SECRET) && !both.contains(&token),
            "{words:?}: {both}"
        );
    }
}

#[test]
fn every_form_of_status_shows_a_keeper() {
    let desk = Desk::with_shop();
    let path = desk.world.store();
    let store = wxtoken::tool::Store::open(path.to_str()).unwrap();
    let keeper = store
        .keeper(std::sync::Arc::new(|_: &wxtoken::tool::KeeperEvent| ()))
        .unwrap();
    assert!(desk.done(&["status"]).contains("a keeper is running"));
    let metrics = desk.done(&["status", "--prometheus"]);
    assert!(
        metrics.contains("\nwxtoken_keeper_running 1\n"),
        "{metrics}"
    );
    let findings = desk.done(&["doctor", "--offline"]);
    assert!(
        findings.contains("keeper       it is running"),
        "{findings}"
    );
    drop(keeper);
    assert!(desk.done(&["status"]).contains("no keeper"));
}
