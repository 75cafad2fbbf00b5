//! WeChat's own calls, answered in the exact form of WeChat's answers.

use super::*;

/// The reply of the simulator to the same call, which is what an SDK would get from the platform itself.
fn of_platform(desk: &Desk, method: &str, path: &str, body: &str) -> Answer {
    let address = desk
        .world
        .sim
        .http()
        .trim_start_matches("http://")
        .to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    ask(&mut stream, method, path, "", body)
}

/// The names of a JSON object's fields, in their order.
fn fields(answer: &Answer) -> Vec<String> {
    let object = answer.json();
    let mut names: Vec<String> = object.as_object().unwrap().keys().cloned().collect();
    let place = |name: &String| answer.body.find(&format!("\"{name}\":")).unwrap();
    names.sort_by_key(place);
    names
}

/// Sorts names of fields as WeChat's pages show them: errcode and errmsg, the token, its life.
fn order(fields: &[String]) -> Vec<String> {
    let place = |name: &str| match name {
        "errcode" => 0,
        "errmsg" => 1,
        "expires_in" => 3,
        "authorizer_refresh_token" => 4,
        _ => 2,
    };
    let mut sorted = fields.to_vec();
    sorted.sort_by_key(|name| place(name));
    sorted
}

fn same_form(ours: &Answer, theirs: &Answer) {
    assert_eq!(ours.status, theirs.status, "{ours:?} {theirs:?}");
    // The simulator sorts the fields of some replies by name. The platform's own order is that of `order`.
    let (mut our_fields, mut their_fields) = (fields(ours), fields(theirs));
    assert_eq!(our_fields, order(&our_fields), "{ours:?}");
    our_fields.sort();
    their_fields.sort();
    assert_eq!(our_fields, their_fields, "{ours:?} {theirs:?}");
    assert_eq!(ours.header("content-type"), theirs.header("content-type"));
    for (name, theirs) in theirs.json().as_object().unwrap() {
        let ours = &ours.json()[name];
        assert_eq!(
            std::mem::discriminant(ours),
            std::mem::discriminant(theirs),
            "{name}"
        );
        if name == "errcode" {
            assert_eq!(ours, theirs);
        }
    }
}

#[test]
fn an_official_account_is_served_on_both_calls_from_one_fetch() {
    let desk = Desk::with_shop();
    desk.world.add("official", "wx9", json!({}));
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    let got = serving.wechat(&classic("wx1", &key));
    same_form(
        &got,
        &of_platform(&desk, "GET", &classic("wx9", SECRET), ""),
    );
    let stable = |id: &str, secret: &str| json!({"grant_type": "client_credential", "appid": id, "secret": secret});
    let again = serving.wechat_post("/cgi-bin/stable_token", &stable("wx1", &key));
    let theirs = stable("wx9", SECRET).to_string();
    same_form(
        &again,
        &of_platform(&desk, "POST", "/cgi-bin/stable_token", &theirs),
    );
    let token = got.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(again.json()["access_token"], *token);
    assert!(desk.world.accepts(&token));
    // A repeat is not a rejection: see `repeats`.
    for _ in 0..5 {
        serving.wechat(&classic("wx1", &key));
    }
    assert_eq!(desk.world.minted(), 1);
    has_none_of(&serving.end(), &[&token, &key, SECRET]);
}

#[test]
fn an_error_has_the_code_of_wechat() {
    let desk = Desk::with_shop();
    desk.world.add("work", "ww1", json!({}));
    desk.register("corp", "work", "ww1");
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    let classic = "/cgi-bin/token?grant_type=client_credential";
    let cases: Vec<(String, i64)> = vec![
        (format!("{classic}&appid=wx1&secret=wrong"), 40125),
        (format!("{classic}&appid=wx1&secret={key}x"), 40125),
        (format!("{classic}&appid=wx1&secret={SECRET}"), 40125),
        (format!("{classic}&appid=wx7&secret={key}"), 40013),
        (format!("{classic}&secret={key}"), 41002),
        (format!("{classic}&appid=wx1"), 41004),
        (format!("{classic}&appid=&secret={key}"), 41002),
        (format!("/cgi-bin/token?appid=wx1&secret={key}"), 40002),
        (
            format!("/cgi-bin/token?grant_type=x&appid=wx1&secret={key}"),
            40002,
        ),
        // A name with two values is ambiguous.
        (format!("{classic}&appid=wx1&appid=wx2&secret={key}"), 40097),
        (
            format!("{classic}&appid=wx1&secret={key}&%61ppid=wx2"),
            40097,
        ),
        (format!("{classic}&appid=wx1&secret=%zz"), 40097),
        ("/cgi-bin/stable_token".into(), 43002),
        ("/cgi-bin/ticket/getticket?type=jsapi".into(), 41001),
        (
            "/cgi-bin/ticket/getticket?type=jsapi&access_token=nonsense".into(),
            40001,
        ),
        (
            "/cgi-bin/ticket/getticket?type=x&access_token=nonsense".into(),
            40097,
        ),
        (
            format!("/cgi-bin/gettoken?corpid=ww7&corpsecret={key}"),
            40013,
        ),
        (
            "/cgi-bin/gettoken?corpid=ww1&corpsecret=wrong".into(),
            40001,
        ),
        ("/cgi-bin/gettoken?corpid=ww1".into(), 41004),
        (
            "/cgi-bin/get_jsapi_ticket?access_token=nonsense".into(),
            40014,
        ),
        (
            "/cgi-bin/ticket/get?type=x&access_token=nonsense".into(),
            40005,
        ),
    ];
    let before = desk.world.sim.counters().requests;
    for (path, code) in cases {
        let answer = serving.wechat(&path);
        assert_eq!(answer.errcode(), code, "{path}: {answer:?}");
        assert_eq!(fields(&answer), ["errcode", "errmsg"], "{path}");
        assert_eq!(
            answer.header("error-code").is_some(),
            path.contains("get_jsapi") || path.contains("gettoken") || path.contains("ticket/get?"),
            "{path}"
        );
    }
    for body in [json!([]), json!("x"), json!(null)] {
        assert_eq!(
            serving
                .wechat_post("/cgi-bin/stable_token", &body)
                .errcode(),
            47001
        );
    }
    let delete = ask(&mut serving.connect(), "DELETE", classic, "", "");
    assert_eq!(delete.errcode(), 43001);
    assert_eq!(
        desk.world.sim.counters().requests,
        before,
        "nothing goes upstream"
    );
    has_none_of(&serving.end(), &[&key, SECRET]);
}

#[test]
fn a_standing_failure_is_its_own_errcode_and_the_network_is_minus_one() {
    let desk = Desk::with_shop();
    desk.world.add("official", "wx2", json!({}));
    desk.register("second", "official", "wx2");
    let key = desk.client("web", &[]);
    desk.world
        .fault(json!({"id": "wx1", "kind": "errcode", "errcode": 40164, "times": 1000}));
    desk.world
        .fault(json!({"id": "wx2", "kind": "reset_before", "times": 1000}));
    let serving = Serving::start(&desk);
    let get = |id: &str| serving.wechat(&classic(id, &key));
    let answer = get("wx1");
    assert_eq!(answer.errcode(), 40164);
    assert!(answer.body.contains("not in whitelist"), "{answer:?}");
    assert_eq!(get("wx2").errcode(), -1);
}

#[test]
fn force_refresh_is_a_rejection_by_comparison() {
    let desk = Desk::with_shop();
    let keys = [desk.client("a", &[]), desk.client("b", &[])];
    let serving = Serving::start(&desk);
    let get = |key: &str, force: bool| {
        let body = json!({
            "grant_type": "client_credential", "appid": "wx1", "secret": key, "force_refresh": force,
        });
        let answer = serving.wechat_post("/cgi-bin/stable_token", &body);
        answer.json()["access_token"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer:?}"))
            .to_owned()
    };
    let rejects = || {
        let report = parsed(&desk.done(&["status", "--json"]));
        report["accounts"][0]["tokens"][0]["rejects"].clone()
    };
    let first = get(&keys[0], false);
    assert_eq!(get(&keys[1], false), first);
    assert!(desk.world.sim.revoke("wx1"));
    let second = get(&keys[0], true);
    assert_ne!(second, first);
    assert!(desk.world.accepts(&second));
    assert_eq!(desk.world.minted(), 2);
    // The other client has not seen the second token. It gets that token, and nothing is rejected.
    assert_eq!(get(&keys[1], true), second);
    assert_eq!(desk.world.minted(), 2);
    assert_eq!(rejects(), 1);
    // Within the gap nothing is fetched, and the platform still accepts the token.
    assert_eq!(get(&keys[1], true), second);
    assert_eq!(desk.world.minted(), 2);
    assert_eq!(rejects(), 2, "one that was stale, one within the gap");
    // Without the right to reject, a forced call is a get.
    let mute = desk.client("mute", &["--allow", "get"]);
    assert_eq!(get(&mute, true), second);
    assert_eq!((desk.world.minted(), rejects()), (2, 2.into()));
}

#[test]
fn no_reply_has_less_than_its_least_life() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    let path = classic("wx1", &key);
    let first = serving.wechat(&path).json();
    assert!(first["expires_in"].as_i64().unwrap() > 7000, "{first}");
    assert_eq!(desk.world.minted(), 1);
    // The token is near its end. The stable token has a successor, and no process has looked yet.
    drop(serving);
    desk.world.sim.advance((7200 - 290) * 1000);
    let ages = "PRAGMA journal_mode = TRUNCATE; UPDATE weixin_token SET fetched_at = fetched_at - 6910000, \
                expires_at = expires_at - 6910000, refresh_at = expires_at, fetched_boot = fetched_boot - 6910000, \
                failed_at = 0";
    common::sqlite(&desk.world.store(), ages);
    let serving = Serving::start(&desk);
    let second = serving.wechat(&path).json();
    assert!(second["expires_in"].as_i64().unwrap() > 300, "{second}");
    assert_ne!(second["access_token"], first["access_token"]);
    assert_eq!(desk.world.minted(), 2);
}

#[test]
fn tickets_are_given_for_the_token_of_their_account() {
    let desk = Desk::with_shop();
    desk.world.add("work", "ww1", json!({}));
    desk.register("corp", "work", "ww1");
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    let path = classic("wx1", &key);
    let token = serving.wechat(&path).json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let work = serving.wechat(&format!("/cgi-bin/gettoken?corpid=ww1&corpsecret={key}"));
    same_form(
        &work,
        &of_platform(
            &desk,
            "GET",
            &format!("/cgi-bin/gettoken?corpid=ww1&corpsecret={SECRET}"),
            "",
        ),
    );
    let work = work.json()["access_token"].as_str().unwrap().to_owned();
    for (token, path) in [
        (&token, "/cgi-bin/ticket/getticket?type=jsapi&access_token="),
        (
            &token,
            "/cgi-bin/ticket/getticket?type=wx_card&access_token=",
        ),
        (&token, "/cgi-bin/ticket/getticket?type=2&access_token="),
        (&work, "/cgi-bin/get_jsapi_ticket?access_token="),
        (&work, "/cgi-bin/ticket/get?type=agent_config&access_token="),
        (&work, "/cgi-bin/ticket/get?type=wx_card&access_token="),
    ] {
        let path = format!("{path}{token}");
        let ours = serving.wechat(&path);
        let theirs = of_platform(&desk, "GET", &path, "");
        same_form(&ours, &theirs);
        let again = serving.wechat(&path);
        assert_eq!(again.json()["ticket"], ours.json()["ticket"], "{path}");
    }
    // After a restart the server does not remember which client has which token. It asks the store.
    let written = serving.end();
    has_none_of(&written, &[&token, &work, &key, SECRET]);
    assert!(written.contains("\"client\":\"web\",\"address\":\"127.0.0.1\",\"verb\":\"get\",\"account\":\"shop/jsapi_ticket\",\"result\":\"ok\""), "{written}");
    let serving = Serving::start(&desk);
    let path = format!("/cgi-bin/ticket/getticket?type=jsapi&access_token={token}");
    assert_eq!(serving.wechat(&path).json()["errcode"], 0);
    // A client that was removed gets no ticket for a token that it was given before.
    let path_of_token = classic("wx1", &key);
    serving.wechat(&path_of_token);
    assert_eq!(serving.wechat(&path).json()["errcode"], 0);
    desk.done(&["client", "remove", "web", "--yes"]);
    assert_eq!(serving.wechat(&path).json()["errcode"], 40001);
}

#[test]
fn platforms_and_suites_are_served_and_pushed_secrets_stay_here() {
    let desk = Desk::new();
    let world = &desk.world;
    world.add("component", "wxc", json!({}));
    world.add("authorizer", "wxa", json!({"parent": "wxc"}));
    world.add("suite", "ss1", json!({}));
    world.add("provider", "wwp", json!({}));
    world.add("work_authorized", "wwc", json!({"parent": "ss1"}));
    desk.register("platform", "component", "wxc");
    desk.register_authorizer("shop", "wxa");
    desk.register("suite", "suite", "ss1");
    desk.register("provider", "provider", "wwp");
    let words = [
        "account",
        "add",
        "customer",
        "--kind",
        "work_authorized",
        "--id",
        "wwc",
        "--parent",
        "suite",
    ];
    let added = desk.run_with(&words, SECRET);
    assert_eq!(added.code, 0, "{}", added.err);
    let (ticket, _) = world.sim.push("wxc", 0).unwrap();
    let (suite_ticket, _) = world.sim.push("ss1", 0).unwrap();
    let put = |words: &[&str], value: &str| {
        let run = desk.run_with(words, value);
        assert_eq!(run.code, 0, "{}", run.err);
    };
    put(&["put", "platform", "verify_ticket"], &ticket);
    put(&["put", "suite", "suite_ticket"], &suite_ticket);
    put(&["put", "shop", "refresh_token"], SECRET);
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    let component = json!({"component_appid": "wxc", "component_appsecret": key, "component_verify_ticket": "x"});
    let answer = serving.wechat_post("/cgi-bin/component/api_component_token", &component);
    assert_eq!(
        fields(&answer),
        ["component_access_token", "expires_in"],
        "{answer:?}"
    );
    let token = answer.json()["component_access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(world.accepts(&token));
    let child = json!({"component_appid": "wxc", "authorizer_appid": "wxa", "authorizer_refresh_token": "kept-by-the-client"});
    for name in ["access_token", "component_access_token"] {
        let path = format!("/cgi-bin/component/api_authorizer_token?{name}={token}");
        let answer = serving.wechat_post(&path, &child);
        assert_eq!(
            fields(&answer),
            [
                "authorizer_access_token",
                "expires_in",
                "authorizer_refresh_token"
            ]
        );
        assert!(world.accepts(answer.json()["authorizer_access_token"].as_str().unwrap()));
        assert_eq!(
            answer.json()["authorizer_refresh_token"],
            "kept-by-the-client"
        );
    }
    let suite = json!({"suite_id": "ss1", "suite_secret": key, "suite_ticket": "x"});
    let answer = serving.wechat_post("/cgi-bin/service/get_suite_token", &suite);
    let suite_answer = answer.json();
    assert_eq!(
        fields(&answer),
        ["errcode", "errmsg", "suite_access_token", "expires_in"]
    );
    let provider = json!({"corpid": "wwp", "provider_secret": key});
    let answer = serving.wechat_post("/cgi-bin/service/get_provider_token", &provider);
    assert_eq!(
        fields(&answer),
        ["errcode", "errmsg", "provider_access_token", "expires_in"]
    );
    let suite_token = suite_answer["suite_access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let customer = json!({"auth_corpid": "wwc", "permanent_code": key});
    let path = format!("/cgi-bin/service/get_corp_token?suite_access_token={suite_token}");
    let answer = serving.wechat_post(&path, &customer);
    assert_eq!(
        fields(&answer),
        ["access_token", "expires_in"],
        "{answer:?}"
    );
    assert!(world.accepts(answer.json()["access_token"].as_str().unwrap()));
    let wrong = json!({"auth_corpid": "wwc", "permanent_code": SECRET});
    assert_eq!(serving.wechat_post(&path, &wrong).errcode(), 40084);
    let wrong = json!({"suite_id": "ss1", "suite_secret": "x", "suite_ticket": "x"});
    assert_eq!(
        serving
            .wechat_post("/cgi-bin/service/get_suite_token", &wrong)
            .errcode(),
        40080
    );
    has_none_of(
        &serving.end(),
        &[&token, &key, SECRET, &ticket, &suite_ticket],
    );
}

#[test]
fn one_of_several_apps_is_named_after_the_key() {
    let desk = Desk::new();
    for (name, secret) in [("one", "a-secret-of-one"), ("two", "a-secret-of-two")] {
        desk.world.add("work", "ww1", json!({"secret": secret}));
        let words = ["account", "add", name, "--kind", "work", "--id", "ww1"];
        assert_eq!(desk.run_with(&words, secret).code, 0);
    }
    let (both, one) = (
        desk.client("both", &[]),
        desk.client("one", &["--accounts", "one"]),
    );
    let serving = Serving::start(&desk);
    let get =
        |secret: &str| serving.wechat(&format!("/cgi-bin/gettoken?corpid=ww1&corpsecret={secret}"));
    let token = |secret: &str| {
        get(secret).json()["access_token"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let answer = get(&both);
    assert!(
        answer.errcode() == 40001 && answer.body.contains("KEY:ACCOUNT"),
        "{answer:?}"
    );
    let first = token(&format!("{both}:one"));
    assert_ne!(first, token(&format!("{both}%3Atwo")));
    assert_eq!(first, token(&one));
    assert_eq!(get(&format!("{one}:two")).errcode(), 40013);
}

#[test]
fn a_token_that_was_replaced_is_stale_and_does_not_count_as_a_guess() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    let path = classic("wx1", &key);
    let token = serving.wechat(&path).json()["access_token"].clone();
    let token = token.as_str().unwrap().to_owned();
    assert!(desk.world.sim.revoke("wx1"));
    let rejected = serving.post("/v1/reject/shop", &key, &json!({"token": token}));
    assert_eq!(rejected.status, 204);
    serving.get("/v1/token/shop", &key);
    assert_eq!(desk.world.minted(), 2);
    // Each worker of an SDK learns by itself that the token is stale. None of them is slowed down.
    let began = std::time::Instant::now();
    let ticket = format!("/cgi-bin/ticket/getticket?type=jsapi&access_token={token}");
    let mut stream = serving.connect();
    for _ in 0..40 {
        assert_eq!(ask(&mut stream, "GET", &ticket, "", "").errcode(), 40001);
    }
    assert!(
        began.elapsed() < Duration::from_secs(40),
        "{:?}",
        began.elapsed()
    );
    assert!(!serving.audited().contains("\"unknown\""));
    assert_eq!(desk.world.minted(), 2);
}
