//! `wxtoken doctor`: a test plants each fault, and the doctor finds it and names its remedy.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;

use common::Refusing;
use serde_json::{Value, json};

use super::{Desk, Run, finished, parsed, set_mode};

/// A desk without a fault, whose shop has a token.
fn sound_desk() -> Desk {
    let desk = Desk::with_shop();
    desk.done(&["get", "shop"]);
    desk
}

fn doctor(desk: &Desk, more: &[&str]) -> (i32, Vec<Value>) {
    let run = desk.run(&[more, &["doctor", "--json"]].concat());
    read(&run)
}

fn read(run: &Run) -> (i32, Vec<Value>) {
    assert_eq!(run.err, "");
    let said = parsed(&run.out);
    let findings = said["findings"].as_array().unwrap().clone();
    let problems = findings
        .iter()
        .filter(|finding| finding["level"] == "problem")
        .count();
    assert_eq!(said["problems"], problems);
    assert_eq!(run.code, i32::from(problems > 0));
    (run.code, findings)
}

/// Asserts that the doctor reports `words` in this check at this level, with a remedy that contains `remedy`.
fn expect(desk: &Desk, more: &[&str], check: &str, level: &str, words: &str, remedy: &str) {
    let (_, findings) = doctor(desk, more);
    expect_in(&findings, check, level, words, remedy);
}

fn expect_in(findings: &[Value], check: &str, level: &str, words: &str, remedy: &str) {
    let holds = |value: &Value, part: &str| value.as_str().unwrap_or_default().contains(part);
    let found = findings.iter().any(|finding| {
        finding["check"] == check
            && finding["level"] == level
            && holds(&finding["saw"], words)
            && holds(&finding["remedy"], remedy)
    });
    assert!(
        found,
        "{check} {level} {words:?} {remedy:?} is not in {findings:#?}"
    );
}

#[test]
fn a_sound_store_has_no_problem() {
    let desk = sound_desk();
    let (code, findings) = doctor(&desk, &[]);
    assert_eq!(code, 0, "{findings:#?}");
    for check in [
        "version",
        "store",
        "key",
        "lock",
        "directory",
        "open",
        "accounts",
        "http",
    ] {
        expect_in(&findings, check, "ok", "", "");
    }
    let offline = read(&desk.run(&["doctor", "--offline", "--json"])).1;
    expect_in(&offline, "network", "note", "--offline", "");
    let mut shown = desk.command(&["doctor"]);
    shown.env("COLUMNS", "80");
    let run = finished(shown, "");
    assert_eq!(run.code, 0);
    assert!(run.out.contains("0 problems"), "{}", run.out);
    for line in run.out.lines() {
        assert!(super::status::columns(line) <= 80, "{line}");
    }
}

#[test]
fn an_absent_store_is_named_and_not_made() {
    let desk = Desk::new();
    expect(
        &desk,
        &[],
        "store",
        "problem",
        "there is no",
        "wxtoken account add",
    );
    assert!(!desk.world.store().exists());
    let nowhere = ["--store", "/nowhere/at/all/tokens.db"];
    expect(
        &desk,
        &nowhere,
        "store",
        "problem",
        "/nowhere/at/all",
        "--store",
    );
}

#[test]
fn wide_modes_are_problems() {
    let desk = sound_desk();
    let store = desk.world.store();
    set_mode(&store, 0o644);
    expect(&desk, &[], "store", "problem", "0644", "chmod o-rwx");
    set_mode(&store, 0o600);
    let key = store.with_added_extension("key");
    set_mode(&key, 0o644);
    expect(&desk, &[], "key", "problem", "0644", "wxtoken rekey");
    set_mode(&key, 0o640);
    expect(
        &desk,
        &[],
        "key",
        "warning",
        "can open the secrets",
        "chmod 600",
    );
    set_mode(&key, 0o600);
    let lock = store.with_added_extension("lock");
    set_mode(&lock, 0o666);
    expect(&desk, &[], "lock", "problem", "0666", "chmod o-rwx");
    set_mode(&lock, 0o600);
    // A store or a key that a stranger may change is not trusted.
    for (file, what) in [(&store, "tokens.db"), (&key, "tokens.db.key")] {
        set_mode(file, 0o602);
        expect(&desk, &[], "trust", "problem", "(mode 0602)", "chmod o-w");
        let status = desk.done(&["status"]).replace('\n', " ");
        let said = status.contains(what) && status.contains("is not trusted");
        assert!(said, "{status}");
        set_mode(file, 0o600);
    }
    set_mode(desk.world.directory.path(), 0o777);
    expect(&desk, &[], "directory", "problem", "0777", "chmod o-w");
    set_mode(desk.world.directory.path(), 0o700);
    assert_eq!(doctor(&desk, &[]).0, 0);
}

#[test]
fn links_and_leftovers_are_found() {
    let desk = sound_desk();
    let store = desk.world.store();
    let link = desk.path("link.db");
    std::os::unix::fs::symlink(&store, &link).unwrap();
    let by_link = ["--store", link.to_str().unwrap()];
    expect(
        &desk,
        &by_link,
        "store",
        "problem",
        "symbolic link",
        store.to_str().unwrap(),
    );
    let second = desk.path("second.db");
    std::fs::hard_link(&store, &second).unwrap();
    expect(&desk, &[], "store", "problem", "2 names", "-samefile");
    std::fs::remove_file(&second).unwrap();

    let mailbox = store.with_added_extension("mailbox");
    std::fs::write(&mailbox, "").unwrap();
    expect(&desk, &[], "mailbox", "problem", "not a FIFO", "rm ");
    std::fs::remove_file(&mailbox).unwrap();

    std::fs::remove_file(&store).unwrap();
    expect(
        &desk,
        &[],
        "store",
        "problem",
        "is gone, but its key",
        "wxtoken restore",
    );
}

/// Every file in the store's directory, with its content.
fn files(desk: &Desk) -> Vec<(OsString, Vec<u8>)> {
    let entries = std::fs::read_dir(desk.world.directory.path()).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_damaged_store_is_found_and_left_as_it_is() {
    let desk = sound_desk();
    let store = desk.world.store();
    let whole = std::fs::read(&store).unwrap();
    let damaged = |from: usize| {
        let mut bytes = whole.clone();
        bytes[from..from + 200].fill(0xff);
        bytes
    };
    // The damage is in the header, in a later page, or everywhere.
    for bytes in [damaged(0), damaged(4096), b"no database".repeat(400)] {
        std::fs::write(&store, bytes).unwrap();
        let before = files(&desk);
        expect(
            &desk,
            &[],
            "open",
            "problem",
            "is damaged",
            "wxtoken restore",
        );
        assert!(files(&desk) == before);
    }

    let aside = |level| {
        let saw = "tokens.db.corrupt-";
        expect(&desk, &[], "set aside", level, saw, "wxtoken restore");
    };
    desk.done(&["account", "list"]);
    aside("warning");
    std::fs::remove_file(&store).unwrap();
    aside("warning");
}

#[test]
fn a_store_without_its_tables_gets_none_from_the_doctor() {
    let desk = sound_desk();
    let store = desk.world.store();
    rusqlite::Connection::open(&store)
        .and_then(|conn| conn.pragma_update(None, "user_version", 2))
        .unwrap();
    let before = files(&desk);
    expect(
        &desk,
        &[],
        "open",
        "warning",
        "lacks tables",
        "wxtoken account list",
    );
    assert!(files(&desk) == before);
    desk.done(&["account", "list"]);
    assert_eq!(doctor(&desk, &[]).0, 0);

    std::fs::write(&store, "").unwrap();
    expect(&desk, &[], "open", "problem", "is empty", "wxtoken restore");
    assert_eq!(std::fs::metadata(&store).unwrap().len(), 0);
}

#[test]
fn a_key_that_does_not_fit_is_found() {
    let desk = sound_desk();
    let key = desk.world.store().with_added_extension("key");
    std::fs::remove_file(&key).unwrap();
    expect(
        &desk,
        &[],
        "account",
        "problem",
        "does not exist",
        "wxtoken account add",
    );
    std::fs::write(&key, "0".repeat(64)).unwrap();
    set_mode(&key, 0o600);
    expect(
        &desk,
        &[],
        "account",
        "problem",
        "another key",
        "Restore that key",
    );
}

#[test]
fn files_of_another_owner_and_readers_are_told_apart() {
    common::needs_root!();
    let desk = sound_desk();
    let store = desk.world.store();
    let give = |path: &Path, uid| std::os::unix::fs::chown(path, Some(uid), Some(uid)).unwrap();
    for (file, check) in [("key", "key"), ("lock", "lock")] {
        let path = store.with_added_extension(file);
        give(&path, super::NOBODY);
        expect(
            &desk,
            &[],
            check,
            "problem",
            "the store is owned by root",
            "chown root",
        );
        give(&path, 0);
    }
    desk.let_readers_in();
    let reader = desk.reader(&["doctor", "--offline", "--json"]);
    let (code, findings) = read(&finished(reader, ""));
    assert_eq!(code, 1);
    expect_in(
        &findings,
        "store",
        "note",
        "may only read it",
        "wxtoken keep",
    );
    expect_in(&findings, "key", "note", "may not read it", "");
    expect_in(
        &findings,
        "keeper",
        "problem",
        "may not fetch",
        "start wxtoken keep as root",
    );
}

/// Returns the findings of a doctor whose process `limit` changes before it starts.
fn doctor_under(
    desk: &Desk,
    more: &[&str],
    limit: impl FnMut() + Send + Sync + 'static,
) -> (i32, Vec<Value>) {
    let mut command = desk.command(&[more, &["doctor", "--offline", "--json"]].concat());
    let mut limit = limit;
    // SAFETY: `limit` makes only system calls, which change only the child.
    unsafe {
        command.pre_exec(move || {
            limit();
            Ok(())
        });
    }
    read(&finished(command, ""))
}

#[test]
fn a_file_mounted_alone_and_a_read_only_volume_are_found() {
    common::needs_root!();
    let desk = sound_desk();
    let store = desk.world.store();
    let mounted = desk.path("mounted.db");
    std::fs::write(&mounted, "").unwrap();
    let (from, to) = (store.clone(), mounted.clone());
    let by_mount = ["--store", mounted.to_str().unwrap()];
    let (code, findings) = doctor_under(&desk, &by_mount, move || common::bind(&from, &to));
    assert_eq!(code, 1);
    let mount = "a mount of its own";
    expect_in(&findings, "store", "problem", mount, "mount its directory");

    let directory = desk.world.directory.path().to_owned();
    let (code, findings) = doctor_under(&desk, &[], move || common::make_read_only(&directory));
    assert_eq!(code, 1);
    expect_in(
        &findings,
        "filesystem",
        "note",
        "mounted read-only",
        "wxtoken keep",
    );
    let why = "may not fetch: this process may only read store";
    expect_in(&findings, "keeper", "problem", why, "where it is writable");
    let status = {
        let mut command = desk.command(&["status"]);
        let directory = desk.world.directory.path().to_owned();
        // SAFETY: the closure makes only system calls, which change only the child.
        unsafe {
            command.pre_exec(move || {
                common::make_read_only(&directory);
                Ok(())
            });
        }
        finished(command, "")
    };
    let said = status.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("no token can be fetched from here:"),
        "{said}"
    );
}

#[test]
fn features_that_the_file_system_lacks_are_found_and_no_file_is_left() {
    let desk = sound_desk();
    let before = files(&desk);
    for (call, argument, level, lack) in [
        (libc::SYS_linkat, None, "warning", "hard links"),
        (libc::SYS_mknodat, None, "warning", "FIFOs"),
        (libc::SYS_fsync, None, "problem", "fsync"),
        (
            libc::SYS_fcntl,
            Some(libc::F_OFD_SETLK),
            "problem",
            "OFD locks",
        ),
    ] {
        let deny = move || {
            #[cfg(target_arch = "x86_64")]
            match call {
                libc::SYS_linkat => common::deny(&[(libc::SYS_link, None, libc::EPERM)]),
                libc::SYS_mknodat => common::deny(&[(libc::SYS_mknod, None, libc::EPERM)]),
                _ => {}
            }
            common::deny(&[(call, argument, libc::EOPNOTSUPP)]);
        };
        let (_, findings) = doctor_under(&desk, &[], deny);
        expect_in(&findings, "filesystem", level, lack, "local disk");
    }
    assert!(files(&desk) == before);
}

#[test]
fn a_store_that_a_killed_process_left_half_written_is_not_blamed_on_its_rights() {
    let desk = sound_desk();
    common::left_journal(&desk.world.store());
    let before = files(&desk);
    expect(
        &desk,
        &[],
        "open",
        "warning",
        "a process was killed while it wrote",
        "wxtoken account list",
    );
    assert!(files(&desk) == before, "it was played back");
    desk.done(&["account", "list"]);
    let (code, findings) = doctor(&desk, &[]);
    assert_eq!(code, 0, "{findings:#?}");
    expect_in(&findings, "open", "ok", "it opens", "");
}

#[test]
fn a_symbolic_link_is_reported_with_its_target() {
    let desk = sound_desk();
    let release = desk.path("release");
    std::fs::create_dir(&release).unwrap();
    let link = release.join("tokens.db");
    std::os::unix::fs::symlink("../tokens.db", &link).unwrap();
    let by_link = ["--store", link.to_str().unwrap()];
    let store = desk.world.store().canonicalize().unwrap();
    expect(
        &desk,
        &by_link,
        "store",
        "problem",
        store.to_str().unwrap(),
        &format!("--store {}", store.display()),
    );
}

#[test]
fn a_group_that_writes_may_own_lock_and_journal_where_the_owner_is_in_it() {
    common::needs_root!();
    let desk = sound_desk();
    let store = desk.world.store();
    let give = |path: &Path, uid| std::os::unix::fs::chown(path, Some(uid), Some(0)).unwrap();
    for (path, check) in [
        (store.with_added_extension("lock"), "lock"),
        (format!("{}-journal", store.display()).into(), "journal"),
    ] {
        give(&path, super::NOBODY);
        set_mode(&path, 0o600);
        let owner = "the store is owned by root, who may not";
        expect(&desk, &[], check, "problem", owner, "chown root");
        set_mode(&store, 0o660);
        set_mode(&path, 0o660);
        let (code, findings) = doctor(&desk, &[]);
        assert_eq!(code, 0, "{findings:#?}");
        set_mode(&store, 0o600);
        set_mode(&path, 0o600);
        give(&path, 0);
    }
}

#[test]
fn a_host_that_cannot_be_found_or_cannot_prove_itself_is_named() {
    let desk = sound_desk();
    // The label is too long, so no name server is asked.
    let nowhere = format!("api_base_url=https://{}.example", "a".repeat(64));
    expect(
        &desk,
        &["-o", &nowhere],
        "dns",
        "problem",
        "DNS does not know the host",
        "getent hosts",
    );
    // Other programs would use this proxy.
    let mut command = desk.command(&["-o", &nowhere, "doctor", "--json"]);
    command.env("https_proxy", "http://me:s3cret@127.0.0.1:1");
    let run = finished(command, "");
    assert!(!run.out.contains("s3cret"), "{}", run.out);
    let words = "https_proxy is set and not read here";
    expect_in(&read(&run).1, "proxy", "problem", words, "WXTOKEN_PROXY");
    let mut command = desk.command(&["doctor", "--offline", "--json"]);
    command.env("ALL_PROXY", "http://me:s3cret@127.0.0.1:1");
    let run = finished(command, "");
    assert!(!run.out.contains("s3cret"), "{}", run.out);
    expect_in(
        &read(&run).1,
        "proxy",
        "note",
        "ALL_PROXY is set and not read here",
        "",
    );
    let mut command = desk.command(&["doctor", "--offline", "--json"]);
    command.env("ALL_PROXY", "http://127.0.0.1:1");
    command.env("WXTOKEN_PROXY", "http://127.0.0.1:1");
    let run = finished(command, "");
    assert!(!run.out.contains("not read here"), "{}", run.out);
    // This proxy asks for a login.
    let proxy = format!("proxy=http://me:s3cret@{}", proxy_that_refuses());
    let options = ["-o", "api_base_url=https://api.weixin.qq.com", "-o", &proxy];
    let words = "refused the user name and password (HTTP 407): it asks for Basic";
    expect(
        &desk,
        &options,
        "tls",
        "problem",
        words,
        "in the option proxy",
    );
    let expired = format!(
        "api_base_url={}",
        desk.world.sim.bad_tls("expired").unwrap()
    );
    expect(
        &desk,
        &["-o", &expired],
        "tls",
        "problem",
        "expired at 2020-01-01 00:00:00 UTC; this host's clock says",
        "openssl s_client",
    );
    let unknown = desk.world.sim.bad_tls("unknown_ca").unwrap();
    let unknown = format!("api_base_url={unknown}");
    let words = "signed by \"wechat-sim CA nobody trusts\"";
    expect(&desk, &["-o", &unknown], "tls", "problem", words, "ca_file");
    let good = format!("api_base_url={}", desk.world.sim.https());
    let ca = format!("ca_file={}", desk.world.sim.ca_file().display());
    expect(
        &desk,
        &["-o", &good, "-o", &ca],
        "tls",
        "ok",
        "certificate that is trusted",
        "",
    );
    let refusing = Refusing::new();
    let shut = format!("api_base_url=http://{}", refusing.address);
    expect(
        &desk,
        &["-o", &shut],
        "http",
        "problem",
        "connection refused",
        "curl",
    );
}

/// Answers one request with the reply that `reply` returns for it.
fn answer_once(reply: impl FnOnce(&[u8]) -> String + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut bytes = [0; 1024];
        while !request.ends_with(b"\r\n\r\n") {
            let length = stream.read(&mut bytes).unwrap();
            request.extend_from_slice(&bytes[..length]);
        }
        stream.write_all(reply(&request).as_bytes()).unwrap();
    });
    address
}

fn proxy_that_refuses() -> SocketAddr {
    answer_once(|_| "HTTP/1.1 407 x\r\nProxy-Authenticate: Basic realm=x\r\n\r\n".into())
}

/// Starts a host whose clock is `off` seconds wrong. It answers one request.
fn host_with_clock(off: i64) -> String {
    let address = answer_once(move |request| {
        assert!(request.starts_with(b"GET / HTTP/1.1\r\n"));
        let date = chrono::Utc::now() + chrono::Duration::seconds(off);
        let date = date.format("%a, %d %b %Y %H:%M:%S GMT");
        format!("HTTP/1.1 404 Not Found\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n")
    });
    format!("api_base_url=http://{address}")
}

#[test]
fn a_wrong_clock_is_reported_with_the_difference() {
    let desk = sound_desk();
    let run = |off, level: &str, words: &str, remedy: &str| {
        expect(
            &desk,
            &["-o", &host_with_clock(off)],
            "clock",
            level,
            words,
            remedy,
        );
    };
    run(0, "ok", "agrees", "");
    run(30, "warning", "behind", "timedatectl");
    run(
        -7200,
        "problem",
        "this host is 2h 00m ahead of",
        "timedatectl",
    );
}

#[test]
fn an_address_that_is_not_on_the_allow_list_is_named_with_the_place_to_add_it() {
    let desk = Desk::new();
    let closed = json!({"allow_ips": ["10.0.0.1"]});
    desk.world.add("official", "wx1", closed.clone());
    desk.world.add("work", "ww1", closed);
    desk.register("shop", "official", "wx1");
    desk.register("corp", "work", "ww1");
    assert_eq!(desk.run(&["get", "shop"]).code, 17);
    assert_eq!(desk.run(&["get", "corp"]).code, 17);
    let (code, findings) = doctor(&desk, &[]);
    assert_eq!(code, 1);
    let shop = "shop: the platform sees this host as 127.0.0.1";
    expect_in(
        &findings,
        "allow list",
        "problem",
        shop,
        "Add 127.0.0.1 to the account's IP allow list",
    );
    expect_in(
        &findings,
        "allow list",
        "problem",
        shop,
        "公众平台 → 设置与开发 → 基本配置 → IP白名单",
    );
    expect_in(
        &findings,
        "allow list",
        "problem",
        "corp: the platform",
        "企业可信IP",
    );
}

#[test]
fn missing_things_and_failures_are_reported_with_the_command_that_fixes_them() {
    let desk = sound_desk();
    desk.register("platform", "component", "wxc");
    desk.register("corp", "work", "wwdemo0000000001");
    assert_eq!(desk.run(&["get", "corp"]).code, 17);
    let (_, findings) = doctor(&desk, &[]);
    let put = "wxtoken put platform verify_ticket";
    expect_in(
        &findings,
        "account",
        "problem",
        "platform: needs its verify_ticket",
        put,
    );
    expect_in(
        &findings,
        "failure",
        "problem",
        "40001",
        "wxtoken account add corp --kind work",
    );
}

#[test]
fn the_environment_is_shown_without_values_that_may_be_secret() {
    let desk = sound_desk();
    let mut command = desk.command(&["doctor", "--offline", "--json"]);
    command
        .env("WXTOKEN_TIMEOUT", "3000")
        .env("WXTOKEN_TIMEOUT_MS", "3000");
    command.env("WXTOKEN_PROXY", "http://user:hushhush@127.0.0.1:9");
    command.env("WXTOKEN_SECRET", "hushhush");
    command.env("WXTOKEN_SERVER_KEY", "wxk_hushhush");
    let run = finished(command, "");
    assert!(!run.out.contains("hushhush"), "{}", run.out);
    let (_, findings) = read(&run);
    expect_in(
        &findings,
        "environment",
        "note",
        "WXTOKEN_SERVER_KEY is set",
        "",
    );
    expect_in(
        &findings,
        "environment",
        "note",
        "WXTOKEN_TIMEOUT_MS=3000",
        "",
    );
    expect_in(&findings, "environment", "note", "WXTOKEN_PROXY is set", "");
    expect_in(
        &findings,
        "environment",
        "note",
        "WXTOKEN_TIMEOUT is not an option",
        "--help",
    );
    expect_in(
        &findings,
        "environment",
        "warning",
        "WXTOKEN_SECRET",
        "unset",
    );

    // The sentinels' password is in the query of a URL that may have no login.
    let mut sentinels = desk.command(&["doctor", "--offline", "--json"]);
    sentinels.env(
        "WXTOKEN_STORE",
        "redis+sentinel://127.0.0.1:1/main?sentinel_password=hushhush",
    );
    let run = finished(sentinels, "");
    assert!(!run.out.contains("hushhush"), "{}", run.out);
    let (_, findings) = read(&run);
    expect_in(&findings, "environment", "note", "WXTOKEN_STORE is set", "");

    let mut wrong = desk.command(&["doctor", "--offline", "--json"]);
    wrong.env("WXTOKEN_TIMEOUT_MS", "soon");
    let (code, findings) = read(&finished(wrong, ""));
    assert_eq!(code, 1);
    expect_in(
        &findings,
        "store",
        "problem",
        "WXTOKEN_TIMEOUT_MS",
        "Correct or unset it",
    );
}
