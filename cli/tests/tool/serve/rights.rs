//! Faults row 55: keys are removed or rotated, and rights are taken away. Each change counts from the next call on,
//! with the store in a file and on a Redis server.

use super::*;

fn desks() -> [Desk; 2] {
    [Desk::with_shop(), Desk::on_redis()]
}

#[test]
fn a_right_that_is_taken_away_is_refused_from_the_next_call_on() {
    for desk in desks() {
        desk.world.add("official", "wx2", json!({}));
        desk.register("second", "official", "wx2");
        let key = desk.client("web", &["--accounts", "shop,second"]);
        let other = desk.client("other", &[]);
        let serving = Serving::start(&desk);
        let mut kept = serving.connect();
        let mut get = |key: &str, account: &str| {
            let path = format!("/v1/token/{account}");
            ask(&mut kept, "GET", &path, &bearer(key), "").status
        };
        let of_wechat = |key: &str, id: &str| {
            let path = classic(id, key);
            serving.wechat(&path).json()["errcode"]
                .as_i64()
                .unwrap_or(0)
        };
        assert_eq!((get(&key, "shop"), get(&key, "second")), (200, 200));
        desk.done(&["client", "change", "web", "--accounts", "second"]);
        assert_eq!((get(&key, "shop"), get(&key, "second")), (404, 200));
        assert_eq!((of_wechat(&key, "wx1"), of_wechat(&key, "wx2")), (40013, 0));
        desk.done(&[
            "client",
            "change",
            "web",
            "--all-accounts",
            "--allow",
            "status",
        ]);
        assert_eq!(get(&key, "shop"), 403);
        assert_eq!(of_wechat(&key, "wx1"), 48001);
        desk.done(&["client", "change", "web", "--allow", "get"]);
        assert_eq!((get(&key, "shop"), of_wechat(&key, "wx1")), (200, 0));

        let rotated = desk
            .run(&["client", "rotate", "web"])
            .out
            .trim_end()
            .to_owned();
        assert_eq!((get(&key, "shop"), get(&rotated, "shop")), (200, 200));
        desk.done(&["client", "rotate", "web", "--finish"]);
        assert_eq!((get(&key, "shop"), get(&rotated, "shop")), (401, 200));
        assert_eq!(
            (of_wechat(&key, "wx1"), of_wechat(&rotated, "wx1")),
            (40125, 0)
        );

        desk.done(&["client", "remove", "web", "--yes"]);
        assert_eq!(get(&rotated, "shop"), 401);
        assert_eq!(of_wechat(&rotated, "wx1"), 40125);
        // Other clients are not affected, and nothing was fetched.
        assert_eq!(get(&other, "shop"), 200);
        assert_eq!(
            (
                desk.world.minted(),
                desk.world.sim.counters_of("wx2").minted
            ),
            (1, 1)
        );
        has_none_of(&serving.end(), &[&key, &rotated, &other, SECRET]);
    }
}

#[test]
fn a_key_is_shown_once_and_the_store_does_not_have_it() {
    for desk in desks() {
        let run = desk.run(&["client", "add", "web", "--accounts", "shop"]);
        let key = run.out.trim_end();
        assert!(key.starts_with("wxk_") && key.len() == 60, "{key}");
        assert!(
            run.err.contains("shown once") && !run.err.contains(key),
            "{}",
            run.err
        );
        let listed = desk.done(&["client", "list"]);
        let json = desk.done(&["client", "list", "--json"]);
        assert!(
            listed.contains("web") && listed.contains("get,reject"),
            "{listed}"
        );
        assert_eq!(parsed(&json)[0]["accounts"][0], "shop");
        has_none_of(&(listed + &json), &[key]);
        let (_, secret) = key[4..].split_once('_').unwrap();
        let stored = match &desk.world.redis {
            Some(server) => format!("{:?}", server.run(&["GET", "wxtoken:{clients}"])),
            None => {
                String::from_utf8_lossy(&std::fs::read(desk.world.store()).unwrap()).into_owned()
            }
        };
        assert!(stored.contains("sha256"), "{stored}");
        has_none_of(&stored, &[secret]);
    }
}

#[test]
fn a_change_that_is_not_possible_is_refused_with_a_reason() {
    let desk = Desk::with_shop();
    desk.client("web", &[]);
    for (words, said) in [
        (&["client", "add", "web"][..], "is there already"),
        (&["client", "add", "a b"], "invalid name"),
        (
            &["client", "add", "x", "--accounts", "shopp"],
            "Did you mean \"shop\"?",
        ),
        (&["client", "add", "x", "--allow", "fly"], "invalid value"),
        (&["client", "rotate", "wep"], "Did you mean web?"),
        (&["client", "remove", "wep", "--yes"], "Did you mean web?"),
        (&["client", "remove", "web"], "nobody to ask"),
        (&["client", "change", "web"], "nothing to change"),
    ] {
        let run = desk.run(words);
        assert!(
            run.code != 0 && run.err.contains(said),
            "{words:?}: {}",
            run.err
        );
    }
    assert!(desk.done(&["client", "list"]).contains("web"));
}

#[test]
fn a_backup_keeps_the_clients_and_their_keys() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let backup = desk.path("backup").display().to_string();
    desk.done(&["backup", &backup]);
    desk.done(&["client", "remove", "web", "--yes"]);
    desk.client("later", &[]);
    desk.done(&["restore", "--yes", &backup]);
    let listed = desk.done(&["client", "list"]);
    assert!(
        listed.contains("web") && !listed.contains("later"),
        "{listed}"
    );
    let serving = Serving::start(&desk);
    assert_eq!(serving.get("/v1/token/shop", &key).status, 200);
}

#[test]
fn a_store_that_is_lost_gets_its_clients_back() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    assert_eq!(serving.get("/v1/token/shop", &key).status, 200);
    std::fs::remove_file(desk.world.store()).unwrap();
    assert_eq!(serving.get("/v1/token/shop", &key).status, 200);
    wait_until("the client is back", || {
        let listed = desk.run(&["client", "list"]);
        listed.code == 0 && listed.out.contains("web")
    });
    assert_eq!(serving.get("/v1/token/shop", &key).status, 200);
    // A client that was removed does not come back.
    desk.done(&["client", "remove", "web", "--yes"]);
    assert_eq!(serving.get("/v1/token/shop", &key).status, 401);
    serving.signal(libc::SIGHUP);
    serving.until_it_says("fetched shop");
    assert_eq!(serving.get("/v1/token/shop", &key).status, 401);
}
