//! The command on a store in Redis.

use super::*;

#[test]
fn the_commands_work_on_a_server_as_on_a_file() {
    let desk = Desk::on_redis();
    let url = desk.world.server().url();
    let token = desk.done(&["get", "shop"]);
    assert!(desk.world.accepts(token.trim_end()));
    assert!(desk.done(&["account", "list"]).contains("shop"));
    let status = desk.done(&["status"]);
    assert!(status.contains(&url) && status.contains("shop"), "{status}");
    assert_eq!(parsed(&desk.done(&["status", "--json"]))["store"], url);
    let doctor = desk.done(&["doctor", "--offline"]);
    assert!(
        doctor.contains("0 problems") && doctor.contains("1 account"),
        "{doctor}"
    );
    let sealed = desk.done(&["rekey"]);
    assert!(sealed.starts_with("1 secret sealed"), "{sealed}");
    let backup = desk.path("backup").display().to_string();
    assert!(
        desk.done(&["backup", &backup])
            .starts_with("1 account written")
    );
    assert!(
        desk.done(&["account", "remove", "shop", "--yes"])
            .contains("shop")
    );
    assert!(
        desk.done(&["restore", "--yes", &backup])
            .starts_with("1 account restored")
    );
    let again = desk.done(&["get", "shop"]);
    assert!(desk.world.accepts(again.trim_end()));
    desk.done(&["reject", "shop"]);
    desk.done(&["retry", "shop"]);
    desk.done(&["put", "shop", "current"]);
    assert_eq!(desk.run(&["get", "stall"]).code, 12);
}

#[test]
fn the_doctor_reports_a_server_that_is_not_reached() {
    let desk = Desk::on_redis();
    let mut command = desk.command(&["doctor", "--offline"]);
    let nowhere = format!("redis+unix://:hush@{}", desk.path("nothing").display());
    command.env("WXTOKEN_STORE", nowhere);
    let run = finished(command, "");
    assert_eq!(run.code, 1, "{}", run.out);
    assert!(
        run.out.contains("problem") && run.out.contains("it does not exist"),
        "{}",
        run.out
    );
    assert!(
        !run.out.contains("hush") && !run.err.contains("hush"),
        "{}",
        run.out
    );
}

#[test]
fn a_password_is_never_an_argument_and_a_flawed_url_is_not_repeated() {
    let desk = Desk::new();
    for store in [
        "redis://:hush@h",
        "rediss://joe:hush@h/0",
        "redis://:hush@h:nothing",
    ] {
        let run = desk.run(&["--store", store, "status"]);
        assert_eq!(run.code, 2, "{}", run.err);
        assert!(
            run.err.contains("WXTOKEN_STORE_PASSWORD_FILE"),
            "{}",
            run.err
        );
        assert!(!run.err.contains("hush"), "{}", run.err);
    }
    let run = desk.run(&["--store", "redis://hush:", "status"]);
    assert_eq!(run.code, 11, "{}", run.err);
    assert!(
        run.err.contains("redis://HOST") && !run.err.contains("hush"),
        "{}",
        run.err
    );
}

#[test]
fn a_keeper_on_a_server_keeps_tokens_and_answers_readers() {
    let desk = Desk::on_redis();
    let mut keeper = desk.command(&["keep"]);
    let mut keeper = keeper.stderr(Stdio::null()).spawn().unwrap();
    common::wait_until("the keeper has fetched", || desk.world.minted() == 1);
    let mut reader = desk.command(&["get", "shop"]);
    reader.env("HOME", desk.path("another-host"));
    let run = finished(reader, "");
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(desk.world.accepts(run.out.trim_end()));
    assert_eq!(parsed(&desk.done(&["status", "--json"]))["keeper"], true);
    keeper.kill().unwrap();
    keeper.wait().unwrap();
}

#[test]
fn the_doctor_reports_settings_of_a_server_that_may_lose_tokens() {
    let desk = Desk::on_redis();
    let server = desk.world.server();
    let doctor = || {
        let run = desk.run(&["doctor", "--offline", "--json"]);
        let said = parsed(&run.out);
        let findings = said["findings"].as_array().unwrap().clone();
        move |check: &str, words: &str| {
            let is_meant = |one: &&Value| {
                one["check"] == check && one["saw"].as_str().unwrap().contains(words)
            };
            findings.iter().find(is_meant).map(|one| {
                let level = one["level"].as_str().unwrap();
                let remedy = one["remedy"].as_str().unwrap_or_default();
                format!("{level}: {remedy}")
            })
        }
    };
    let said = doctor();
    assert!(
        said("server", "a master, answers in")
            .unwrap()
            .starts_with("ok")
    );
    assert!(said("commands", "all commands").unwrap().starts_with("ok"));
    assert!(said("memory", "noeviction").unwrap().starts_with("ok"));
    assert!(said("server clock", "agrees").unwrap().starts_with("ok"));
    assert!(
        said("disk", "nothing is written")
            .unwrap()
            .contains("appendonly yes")
    );
    assert!(said("replicas", "none").unwrap().starts_with("note"));
    server.run(&["CONFIG", "SET", "maxmemory", "100mb"]);
    server.run(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    server.run(&["CONFIG", "SET", "appendonly", "yes"]);
    let rights = ["-hset", "-wait", "-info", "-config"];
    server.run(&[&["ACL", "SETUSER", "default"][..], &rights].concat());
    let keys = server.run(&["DBSIZE"]);
    let said = doctor();
    assert!(
        said("acl", "default may not use HSET, WAIT")
            .unwrap()
            .contains("ACL SETUSER default")
    );
    assert!(
        said("server", "refuses INFO and CONFIG")
            .unwrap()
            .starts_with("note")
    );
    assert_eq!(server.run(&["DBSIZE"]), keys, "a look changes nothing");
    server.run(&["ACL", "SETUSER", "default", "+@all"]);
    let said = doctor();
    let memory = said("memory", "allkeys-lru").unwrap();
    assert!(
        memory.starts_with("problem: CONFIG SET maxmemory-policy noeviction"),
        "{memory}"
    );
    assert!(said("disk", "each change").unwrap().starts_with("ok"));
}

#[test]
fn status_shows_the_role_of_the_server() {
    let desk = Desk::on_redis();
    let report = parsed(&desk.done(&["status", "--json"]));
    assert_eq!(report["server"]["role"], "master");
    assert!(report["server"]["round_trip_ms"].as_f64().unwrap() > 0.0);
    let status = desk.done(&["status"]);
    assert!(status.contains("the server is a master"), "{status}");
    let metrics = desk.done(&["status", "--prometheus"]);
    assert!(
        metrics.contains("\nwxtoken_store_is_master 1\n"),
        "{metrics}"
    );
    // In milliseconds it would be more. A machine may stand still during some of these.
    let is_quick = || {
        let metrics = desk.done(&["status", "--prometheus"]);
        metrics.contains("\nwxtoken_store_round_trip_seconds 0.0")
    };
    assert!((0..10).any(|_| is_quick()));
    let file = Desk::with_shop();
    let report = parsed(&file.done(&["status", "--json"]));
    assert!(report["server"].is_null());
}
