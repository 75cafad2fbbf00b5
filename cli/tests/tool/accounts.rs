//! `wxtoken account` and `wxtoken put`: the ways to give a secret, and the places where none is shown.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::terminal::Terminal;
use super::{Desk, parsed, set_mode};
use common::SECRET;

#[test]
fn a_secret_comes_from_stdin_or_a_file() {
    let desk = Desk::new();
    desk.world.add("official", "wx1", json!({}));
    let add = [
        "account", "add", "shop", "--kind", "official", "--id", "wx1",
    ];
    let run = desk.run_with(&add, &format!("{SECRET}\r\n"));
    assert_eq!(
        run.out,
        "shop: registered (official wx1); it is the current account\n"
    );
    desk.done(&["get", "shop"]);

    let file = desk.file("secret", &format!("{SECRET}\n"));
    let from_file = [&add[..], &["--secret-file", &file]].concat();
    let unchanged = "shop: unchanged (official wx1)\n";
    assert_eq!(desk.done(&from_file), unchanged);
    desk.done(&["get", "shop"]);
    let from_stdin = [&add[..], &["--secret-file", "-"]].concat();
    assert_eq!(desk.run_with(&from_stdin, SECRET).out, unchanged);
    let updated = desk.run_with(&from_stdin, "another").out;
    assert_eq!(updated, "shop: updated (official wx1)\n");
    assert_eq!(desk.run_with(&from_stdin, SECRET).code, 0);

    set_mode(Path::new(&file), 0o644);
    let open = desk.run(&from_file);
    assert_eq!(open.code, 0);
    assert!(
        open.err.contains("warning") && open.err.contains("chmod 600"),
        "{}",
        open.err
    );

    let missing = desk.run(&[&add[..], &["--secret-file", "/nowhere/secret"]].concat());
    assert_eq!(missing.code, 3);
    assert!(
        missing.err.contains("/nowhere/secret: no such file"),
        "{}",
        missing.err
    );
    assert_eq!(desk.run_with(&add, "\n").code, 3);
    assert_eq!(desk.run_with(&add, "two words").code, 11);
}

#[test]
fn a_flawed_value_is_reported_with_the_place_of_the_flaw_and_never_shown() {
    let desk = Desk::new();
    let add = |name: &str, kind: &str, id: &str, secret: &str| {
        let run = desk.run_with(
            &["account", "add", name, "--kind", kind, "--id", id],
            secret,
        );
        assert_eq!((run.code, run.out.as_str()), (11, ""), "{}", run.err);
        run.err
    };
    for (bad, said) in [
        ("\u{FEFF}v4lue", "it has U+FEFF at the start"),
        ("v4\u{200B}lue", "it has U+200B inside, at character 3"),
        ("v4lue\u{A0}", "it has U+00A0 at the end"),
        ("v4lue ", "it has a blank at the end"),
        ("\"v4lue\"", "it has quotes around it"),
        ("v4lue\t", "it has a tab at the end"),
        ("ｖ4lue", "it has U+FF56 at the start"),
    ] {
        let of_id = add("shop", "official", bad, SECRET);
        assert!(
            of_id.contains("invalid appid of account \"shop\""),
            "{of_id}"
        );
        let of_secret = add("shop", "work", "ww1", bad);
        assert!(
            of_secret.contains("invalid secret of account \"shop\""),
            "{of_secret}"
        );
        for err in [of_id, of_secret] {
            assert!(err.contains(said) && err.contains("hint: "), "{err}");
            assert!(!err.contains("4lue"), "{err}");
        }
    }
    let unset = add("shop", "work", "", SECRET);
    assert!(
        unset.contains("invalid corpid") && unset.contains("it is empty"),
        "{unset}"
    );
    let name = add("shop\u{200B}", "official", "wx1", SECRET);
    assert!(
        name.contains("invalid account name: it has U+200B at the end"),
        "{name}"
    );
}

#[test]
fn a_secret_given_as_the_id_is_refused_and_stored_nowhere() {
    let desk = Desk::new();
    let hex = "0123456789abcdef".repeat(2);
    let word = "aB-_9aB-_9aB-_9aB-_9aB-_9aB-_9aB-_9aB-_9aB-";
    for (kind, id, secret, said) in [
        (
            "official",
            &*hex,
            "wx0123456789abcdef",
            "the form of a secret; an appid begins with wx",
        ),
        (
            "official",
            &hex,
            "anything",
            "the form of a secret; an appid begins with wx",
        ),
        (
            "official",
            "a-secret-of-the-tests",
            "wxdemo0000000001",
            "the form of an appid",
        ),
        (
            "work",
            word,
            "ww0123456789abcdef",
            "the form of a secret; a corpid begins with ww or wx",
        ),
        (
            "work",
            "a-secret-of-the-tests",
            "ww0123456789abcdef",
            "the form of a corpid",
        ),
    ] {
        let words = ["account", "add", "shop", "--kind", kind, "--id", id];
        let run = desk.run_with(&words, secret);
        assert_eq!((run.code, run.out.as_str()), (11, ""), "{}", run.err);
        assert!(run.err.contains(said), "{}", run.err);
        for value in [id, secret] {
            assert!(!run.err.contains(value), "{}", run.err);
        }
    }
    for file in std::fs::read_dir(desk.world.directory.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains(&hex) && !text.contains(word), "{path:?}");
    }
    // Values in their own place are accepted, and so are values of an unknown form.
    let right = desk.run_with(
        &[
            "account",
            "add",
            "a",
            "--kind",
            "official",
            "--id",
            "wx0123456789abcdef",
        ],
        &hex,
    );
    assert_eq!(right.code, 0, "{}", right.err);
    desk.register("b", "official", "gh_1");
}

#[test]
fn a_flawed_variable_makes_no_second_store() {
    let desk = Desk::with_shop();
    let store = desk.world.store().display().to_string();
    let home = desk.path("home").display().to_string();
    let files = || {
        let all = std::fs::read_dir(desk.world.directory.path()).unwrap();
        let mut names: Vec<_> = all.map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = files();
    let spoilt = |value: &str| {
        [
            (format!("{value}\r"), "a line end at the end"),
            (format!("\"{value}\""), "quotes around it"),
            (format!("'{value}'"), "quotes around it"),
            (format!("{value} "), "a blank at the end"),
            (format!(" {value}"), "a blank at the start"),
            (format!("\u{FEFF}{value}"), "U+FEFF at the start"),
        ]
    };
    for (variable, value) in [
        ("WXTOKEN_STORE", &*store),
        ("WXTOKEN_KEY_FILE", &store),
        ("WXTOKEN_CA_FILE", &store),
        ("WXTOKEN_API_BASE_URL", "https://api.example"),
        ("WXTOKEN_PROXY", "http://127.0.0.1:3128"),
        ("WXTOKEN_TIMEOUT_MS", "5000"),
        ("WXTOKEN_LOG", "info"),
        ("XDG_STATE_HOME", &home),
        ("HOME", &home),
    ] {
        for (bad, said) in spoilt(value) {
            for words in [
                &["status"][..],
                &["account", "add", "x", "--kind", "official", "--id", "wx2"],
            ] {
                let mut command = desk.command(words);
                if !variable.starts_with("WXTOKEN") {
                    command.env_remove("WXTOKEN_STORE");
                }
                command.env(variable, &bad);
                let run = super::finished(command, SECRET);
                assert_eq!(
                    (run.code, run.out.as_str()),
                    (11, ""),
                    "{variable}: {}",
                    run.err
                );
                let what = format!("invalid environment variable {variable}: its value has {said}");
                assert!(run.err.contains(&what), "{}", run.err);
                assert!(!run.err.contains(value), "{}", run.err);
            }
        }
    }
    let mut empty = desk.command(&["status"]);
    empty.env("WXTOKEN_STORE", "");
    let run = super::finished(empty, "");
    assert!(
        run.err
            .contains("environment variable WXTOKEN_STORE is empty"),
        "{}",
        run.err
    );
    for (bad, said) in spoilt(&store) {
        let named = desk.run(&["--store", &bad, "status"]);
        assert_eq!(named.code, 11, "{}", named.err);
        assert!(named.err.contains(said), "{}", named.err);
        let backup = desk.run(&["backup", &bad]);
        assert_eq!(backup.code, 11, "{}", backup.err);
        assert!(backup.err.contains(said), "{}", backup.err);
    }
    let option = desk.run(&["-o", "timeout_ms=5000\r", "status"]);
    assert!(
        option.err.contains("its value has a line end at the end"),
        "{}",
        option.err
    );
    assert_eq!(files(), before);
}

#[test]
fn a_secret_is_asked_for_without_echo_at_a_terminal() {
    let desk = Desk::new();
    desk.world.add("official", "wx1", json!({}));
    let words = [
        "account", "add", "shop", "--kind", "official", "--id", "wx1",
    ];
    let mut terminal = Terminal::run(desk.command(&words), 80, 24);
    terminal.wait_for("not shown as you type: ");
    terminal.type_in(&format!("{SECRET}\n"));
    let (shown, code) = terminal.finish();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("The secret of shop (appid wx1)"), "{shown}");
    assert!(!shown.contains(SECRET), "{shown}");
    desk.done(&["get", "shop"]);
}

/// Runs the prompt for a secret in a shell. The shell then prints the exit code and whether the terminal echoes.
fn prompt_in_a_shell(desk: &Desk) -> Terminal {
    let mut shell = Command::new("sh");
    let add = desk.command(&[
        "account", "add", "shop", "--kind", "official", "--id", "wx1",
    ]);
    shell.env_clear().envs(
        add.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let script =
        r#"trap : INT; sh -c 'echo "pid $$ "; exec "$@"' sh "$@"; echo "code $?"; stty -a"#;
    shell.args(["-c", script, "sh"]);
    shell.arg(add.get_program()).args(add.get_args());
    let mut terminal = Terminal::run(shell, 80, 24);
    terminal.wait_for("not shown as you type: ");
    terminal
}

/// Asserts that the prompt ended with this code, restored the terminal and registered nothing.
fn expect_ended(desk: &Desk, terminal: Terminal, code: &str) {
    let (shown, _) = terminal.finish();
    assert!(shown.contains(code), "{shown}");
    for flag in ["echo", "icanon", "isig"] {
        assert!(shown.split_whitespace().any(|word| word == flag), "{shown}");
    }
    assert!(!shown.contains("half-a-secret"), "{shown}");
    assert!(desk.done(&["account", "list"]).contains("no account yet"));
}

#[test]
fn ctrl_c_at_the_prompt_registers_nothing_and_gives_the_terminal_back() {
    let desk = Desk::new();
    let mut terminal = prompt_in_a_shell(&desk);
    terminal.type_in("half-a-secret\x03");
    expect_ended(&desk, terminal, "code 130");
}

#[test]
fn a_signal_at_the_prompt_ends_it_and_gives_the_terminal_back() {
    for (signal, code) in [
        (libc::SIGTERM, "code 143"),
        (libc::SIGHUP, "code 129"),
        (libc::SIGINT, "code 130"),
    ] {
        let desk = Desk::new();
        let terminal = prompt_in_a_shell(&desk);
        let pid = terminal.shown().split_once("pid ").unwrap().1;
        let pid = pid.split_once(' ').unwrap().0.parse().unwrap();
        // SAFETY: the process exists, because it waits for input.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
        expect_ended(&desk, terminal, code);
    }
}

/// In a session of its own, no shell could continue a stopped process. The system therefore ignores Ctrl-Z there.
#[test]
fn an_ignored_signal_at_the_prompt_shows_the_prompt_again() {
    let desk = Desk::new();
    desk.world.add("official", "wx1", json!({}));
    let mut terminal = prompt_in_a_shell(&desk);
    terminal.type_in("half-a-secret\x1a");
    terminal.wait_for("not shown as you type: The secret of shop");
    terminal.type_in(&format!("{SECRET}\n"));
    let (shown, _) = terminal.finish();
    assert!(shown.contains("code 0"), "{shown}");
    assert!(
        !shown.contains(SECRET) && !shown.contains("half"),
        "{shown}"
    );
    desk.done(&["get", "shop"]);
}

#[test]
fn a_secret_as_an_argument_is_refused_and_not_repeated() {
    let desk = Desk::with_shop();
    let add = ["account", "add", "b", "--kind", "official", "--id", "wx1"];
    let flag = format!("--secret={SECRET}");
    for (words, how) in [
        ([&add[..], &[SECRET]].concat(), "--secret-file"),
        ([&add[..], &["--secret", SECRET]].concat(), "--secret-file"),
        ([&add[..], &[&flag]].concat(), "--secret-file"),
        (vec!["put", "shop", "verify_ticket", SECRET], "--file"),
        (vec!["put", "shop", "refresh_token", SECRET], "--file"),
        (vec!["put", "shop", "parent", "p", SECRET], "--file"),
        (vec!["reject", "shop", SECRET], "--token-file"),
        (vec!["put", "shop", SECRET], "The fields are"),
    ] {
        let run = desk.run_with(&words, SECRET);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{words:?}");
        assert!(run.err.contains(how), "{words:?}: {}", run.err);
        let is_field = words.len() == 3 && words[0] == "put";
        assert!(
            is_field || run.err.contains("never an argument"),
            "{words:?}: {}",
            run.err
        );
        assert!(!run.err.contains(SECRET), "{words:?}: {}", run.err);
    }
}

#[test]
fn a_third_partys_accounts_are_registered_step_by_step() {
    let desk = Desk::new();
    desk.world.add("component", "wxc", json!({}));
    desk.world
        .add("authorizer", "wxa", json!({"parent": "wxc"}));
    let said = desk.register("platform", "component", "wxc").out;
    assert!(
        said.contains("needs its verify_ticket: wxtoken put platform verify_ticket"),
        "{said}"
    );
    let add = [
        "account",
        "add",
        "merchant",
        "--kind",
        "authorizer",
        "--id",
        "wxa",
    ];
    let gone = desk.run(&[&add[..], &["--parent", "nobody"]].concat());
    assert_eq!(gone.code, 12);
    assert!(
        gone.err.contains("The accounts are platform."),
        "{}",
        gone.err
    );
    desk.register("shop", "official", "wx1");
    let wrong = desk.run(&[&add[..], &["--parent", "shop"]].concat());
    assert_eq!((wrong.code, wrong.out.as_str()), (11, ""), "{}", wrong.err);
    assert!(wrong.err.contains("nothing is changed"), "{}", wrong.err);
    assert!(!desk.done(&["account", "list"]).contains("merchant"));
    desk.done(&["account", "remove", "shop", "--yes"]);
    let said = desk.done(&[&add[..], &["--parent", "platform"]].concat());
    assert!(said.contains("needs its refresh_token"), "{said}");
    let secret = desk.file("secret", SECRET);
    assert_eq!(
        desk.run(&[&add[..], &["--secret-file", &secret]].concat())
            .code,
        2
    );

    let waiting = desk.done(&["status"]);
    assert!(
        waiting.contains("wxtoken put platform verify_ticket"),
        "{waiting}"
    );
    assert_eq!(desk.run(&["get", "merchant"]).code, 14);

    let (ticket, _) = desk.world.sim.push("wxc", 0).unwrap();
    let run = desk.run_with(
        &["put", "platform", "verify_ticket"],
        &format!("{ticket}\n"),
    );
    assert_eq!(
        (run.code, run.out.as_str()),
        (0, "platform: its verify_ticket is put\n"),
        "{}",
        run.err
    );
    let refresh = desk.file("refresh", SECRET);
    desk.done(&["put", "merchant", "refresh_token", "--file", &refresh]);
    desk.done(&["put", "merchant", "parent", "platform"]);
    let token = desk.done(&["get", "merchant"]);
    assert!(desk.world.accepts(token.trim_end()));

    assert_eq!(desk.run(&["put", "merchant", "favourite"]).code, 2);
    assert_eq!(desk.run(&["put", "merchant", "parent"]).code, 2);
    assert_eq!(
        desk.run_with(&["put", "merchant", "verify_ticket"], "x")
            .code,
        11
    );
    assert_eq!(desk.run(&["put", "nobody", "parent", "platform"]).code, 12);

    let said = desk.done(&["account", "remove", "platform", "--yes"]);
    assert!(said.contains("platform: removed, with 1 token"), "{said}");
    assert!(
        said.contains("wxtoken put merchant parent PARENT"),
        "{said}"
    );
    assert!(
        said.contains("no current account any more: wxtoken account use merchant"),
        "{said}"
    );
}

#[test]
fn accounts_are_listed_chosen_and_removed() {
    let desk = Desk::with_shop();
    desk.register("服务号", "official_classic", "wx2");
    let list = desk.done(&["account", "list"]);
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines[1], "* shop    official          wx1", "{list}");
    assert_eq!(lines[2], "  服务号  official_classic  wx2", "{list}");
    assert_eq!(
        desk.done(&["account", "use", "服务号"]),
        "服务号 is the current account\n"
    );
    let listed = parsed(&desk.done(&["account", "list", "--json"]));
    assert_eq!(listed[1]["current"], true);
    assert_eq!(listed[0]["name"], "shop");
    assert!(listed[0].get("tokens").is_none());
    assert_eq!(desk.run(&["account", "use", "stall"]).code, 12);

    let unasked = desk.run(&["account", "remove", "shop"]);
    assert_eq!(unasked.code, 2);
    assert!(unasked.err.contains("--yes"), "{}", unasked.err);
    assert_eq!(desk.run(&["account", "remove", "stall", "--yes"]).code, 12);

    let mut no = Terminal::run(desk.command(&["account", "remove", "shop"]), 80, 24);
    no.wait_for("[y/N]");
    no.type_in("\n");
    let (shown, code) = no.finish();
    assert_eq!(code, Some(1));
    assert!(shown.contains("nothing is changed"), "{shown}");
    let mut yes = Terminal::run(desk.command(&["account", "remove", "shop"]), 80, 24);
    yes.wait_for("[y/N]");
    yes.type_in("y\n");
    assert_eq!(yes.finish().1, Some(0));
    assert!(!desk.done(&["account", "list"]).contains("shop"));
}

/// Faults row 82: an upgraded process leaves an account that an older process does not know.
#[test]
fn an_account_of_an_unknown_kind_stops_no_command() {
    let desk = Desk::with_shop();
    desk.register("newer", "official", "wx9");
    desk.done(&["account", "use", "newer"]);
    let newer = "UPDATE weixin_account SET kind = 'official_v9' WHERE name = 'newer'";
    common::sqlite(&desk.world.store(), newer);
    let why = "account \"newer\": kind \"official_v9\" is not known to this version: upgrade";

    assert!(desk.done(&["status"]).contains(why));
    let report = parsed(&desk.done(&["status", "--json"]));
    let unknown = json!([{"name": "newer", "kind": "official_v9", "id": "wx9", "current": true}]);
    assert_eq!(report["unknown_accounts"], unknown);
    let metrics = desk.done(&["status", "--prometheus"]);
    assert!(
        metrics.contains("wxtoken_unknown_accounts 1\n"),
        "{metrics}"
    );
    let listed = desk.run(&["account", "list"]);
    assert!(
        listed.out.contains("shop") && listed.err.contains(why),
        "{}",
        listed.err
    );
    let doctor = desk.run(&["doctor"]);
    assert!(doctor.out.contains(why), "{}", doctor.out);
    for words in [
        &["status", "newer"][..],
        &["get", "newer"],
        &["get"],
        &["retry", "newer"],
        &["put", "newer", "current"],
        &[
            "account", "add", "newer", "--kind", "official", "--id", "wx9",
        ],
    ] {
        let run = desk.run_with(words, SECRET);
        assert_eq!(run.code, 12, "{words:?}: {}", run.err);
        assert!(run.err.contains("official_v9"), "{}", run.err);
        assert!(run.err.contains("Upgrade libwxtoken"), "{}", run.err);
    }
    desk.done(&["get", "shop"]);

    let backup = desk.path("newer.bak");
    let backup = backup.to_str().unwrap();
    assert!(
        desk.done(&["backup", backup])
            .starts_with("2 accounts written")
    );
    assert!(
        desk.done(&["account", "remove", "newer", "--yes"])
            .contains("removed")
    );
    assert!(!desk.done(&["status"]).contains("newer"));
    assert!(
        desk.done(&["restore", backup, "--yes"])
            .starts_with("2 accounts restored")
    );
    let report = parsed(&desk.done(&["status", "--json"]));
    assert_eq!(report["unknown_accounts"], unknown);
    assert!(desk.done(&["rekey"]).starts_with("2 secrets sealed"));
    // The newer version finds its account unchanged, and its secret opens.
    let known = "UPDATE weixin_account SET kind = 'official' WHERE name = 'newer'";
    common::sqlite(&desk.world.store(), known);
    desk.world.add("official", "wx9", json!({}));
    desk.done(&["get"]);
}

/// Faults row 85: an older version or another program may have stored names that look like others.
#[test]
fn characters_that_cannot_be_seen_are_shown_by_number_everywhere() {
    const HIDDEN: [char; 5] = ['\u{202E}', '\u{2066}', '\u{200B}', '\u{AD}', '\u{1b}'];
    let desk = Desk::with_shop();
    for bad in ["\u{202E}pohs", "sh\u{200B}op", "shop ", "\u{3164}", "-n"] {
        let words = [
            "account", "add", "--kind", "official", "--id", "wx9", "--", bad,
        ];
        assert_ne!(desk.run_with(&words, SECRET).code, 0, "{bad:?}");
    }
    let odd = "\u{202E}p\u{2066}o\u{200B}h\u{AD}s";
    let store = desk.world.store();
    let sql = format!(
        "UPDATE weixin_account SET name = '{odd}' WHERE name = 'shop';
         INSERT INTO weixin_account (name, kind, appid, fingerprint, parent)
             VALUES ('child{odd}\u{1b}[2J', 'authorizer', 'wx2', '', '{odd}'), ('newer{odd}', 'kind{odd}', 'wx3', '', NULL)"
    );
    common::sqlite(&store, &sql);
    // A platform's message may have such characters too.
    let errmsg = format!("see {odd}\u{1b}[2J");
    desk.world
        .fault(json!({"id": "wx1", "kind": "errcode", "errcode": 45009, "errmsg": errmsg}));
    for words in [
        &["get", odd][..],
        &["get", "none\u{202E}"],
        &["status"],
        &["status", "--json"],
        &["status", "--prometheus"],
        &["account", "list"],
        &["account", "list", "--json"],
        &["doctor"],
        &["doctor", "--json"],
        &["retry"],
        &["put", odd, "current"],
        &["account", "remove", odd],
        &["account", "remove", odd, "--yes"],
    ] {
        let run = desk.run(words);
        let said = run.out + &run.err;
        assert!(
            !said.is_empty() && !said.contains(HIDDEN),
            "{words:?}: {said:?}"
        );
        let by_number = said.contains("U+202E") || said.contains("\\u202e");
        assert!(by_number, "{words:?}: {said}");
    }
}

#[test]
fn an_unknown_kind_is_answered_with_the_known_ones() {
    let desk = Desk::new();
    let run = desk.run(&["account", "add", "shop", "--kind", "offical", "--id", "wx1"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("official_classic"), "{}", run.err);
    assert!(
        run.err
            .starts_with("error: invalid value 'offical' for '--kind <KIND>'"),
        "{}",
        run.err
    );
    assert!(
        run.err
            .contains("\nhint: A similar value exists: 'official'.\n"),
        "{}",
        run.err
    );
    let none = desk.run(&["account", "add", "shop", "--id", "wx1"]);
    assert_eq!(none.code, 2);
    assert!(none.err.contains("--kind"), "{}", none.err);
    assert!(!desk.world.store().exists());
}

#[test]
fn a_new_store_has_the_mode_that_is_asked_for_and_an_old_one_keeps_its_own() {
    let mode = |desk: &Desk| {
        let meta = std::fs::metadata(desk.world.store()).unwrap();
        std::os::unix::fs::MetadataExt::mode(&meta) & 0o7777
    };
    for asked in ["600", "640", "660"] {
        let desk = Desk::new();
        let add = [
            "--mode", asked, "account", "add", "shop", "--kind", "official", "--id", "wx1",
        ];
        assert_eq!(desk.run_with(&add, SECRET).code, 0);
        assert_eq!(format!("{:o}", mode(&desk)), asked);
        assert_eq!(
            desk.run_with(&["account", "list", "--mode=600"], "").code,
            0
        );
        assert_eq!(format!("{:o}", mode(&desk)), asked);
    }
    let desk = Desk::new();
    let refused = desk.run(&["--mode", "644", "keep"]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("600, 640 or 660"), "{}", refused.err);
    assert!(!desk.world.store().exists());
}
