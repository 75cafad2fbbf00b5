//! The clients whose calls are forwarded, and the accounts that they may use.

use super::*;

fn refused(office: &Office, token: &str) -> i64 {
    office
        .serving
        .wechat(&with_token(USER_INFO, token))
        .errcode()
}

#[test]
fn only_tokens_that_this_server_gave_are_taken() {
    let office = Office::open();
    let stand_in = office.stand_in();
    let real = office.real_token("wx1");
    let before = office.seen(USER_INFO).len();
    let mut changed = stand_in.clone();
    let last = changed.pop().unwrap();
    changed.push(if last == 'A' { 'Q' } else { 'A' });
    for token in [&real, &changed, "wxs_", "x", &office.key] {
        assert_eq!(refused(&office, token), 40001, "{token}");
    }
    let twice = format!("{USER_INFO}?access_token={stand_in}&access_token={real}");
    assert_eq!(office.serving.wechat(&twice).errcode(), 40097);
    let both = format!("{USER_INFO}?access_token={stand_in}&component_access_token={real}");
    assert_eq!(office.serving.wechat(&both).errcode(), 40001);
    let body = json!({"access_token": real});
    let path = with_token("/cgi-bin/message/custom/send", &stand_in);
    assert_eq!(office.serving.wechat_post(&path, &body).errcode(), 40001);
    assert_eq!(office.seen(USER_INFO).len(), before);
    office.end(&[&stand_in]);
}

#[test]
fn a_stand_in_ends_with_its_client_with_its_key_and_with_the_right() {
    let office = Office::open();
    let works = |token: &str| {
        let info = office.serving.wechat(&with_token(USER_INFO, token));
        info.json()["openid"] == "oDemo"
    };
    let first = office.stand_in();
    assert!(works(&first));
    let new = office.desk.run(&["client", "rotate", "web"]).out;
    let new = new.trim_end();
    let second = stand_in(&office.serving, new);
    assert!(works(&first) && works(&second));
    office.desk.done(&["client", "rotate", "web", "--finish"]);
    assert!(!works(&first) && works(&second));
    office
        .desk
        .done(&["client", "change", "web", "--accounts", "corp"]);
    assert!(!works(&second), "the account is not the client's any more");
    office.desk.done(&[
        "client",
        "change",
        "web",
        "--all-accounts",
        "--allow",
        "get,reject",
    ]);
    assert!(!works(&second), "it may not forward any more");
    office
        .desk
        .done(&["client", "change", "web", "--allow", "forward"]);
    assert!(works(&second));
    office.desk.done(&["client", "remove", "web", "--yes"]);
    assert!(!works(&second));
    office.end(&[&first, &second, new]);
}

#[test]
fn a_change_of_the_stores_keys_ends_stand_ins_and_others_are_given() {
    let office = Office::open();
    let first = office.stand_in();
    let works = |token: &str| {
        let info = office.serving.wechat(&with_token(USER_INFO, token));
        info.json()["openid"] == "oDemo"
    };
    assert!(works(&first));
    let changed = office.desk.run(&["rekey"]);
    assert_eq!(changed.code, 0, "{}", changed.err);
    wait_until("the server has the new key", || !works(&first));
    let second = office.stand_in();
    assert!(works(&second) && second != first);
    assert_eq!(office.desk.world.minted(), 1);
    office.end(&[&first, &second]);
}

#[test]
fn two_clients_do_not_use_each_others_stand_ins_in_one_call() {
    let office = Office::open();
    let other = office.desk.client("crm", &["--allow", "forward"]);
    let (ours, theirs) = (office.stand_in(), stand_in(&office.serving, &other));
    assert_ne!(ours, theirs);
    let path = format!("{USER_INFO}?access_token={ours}&component_access_token={theirs}");
    assert_eq!(office.serving.wechat(&path).errcode(), 40001);
    let body = json!({"authorizer_access_token": theirs});
    let path = with_token("/cgi-bin/message/custom/send", &ours);
    assert_eq!(office.serving.wechat_post(&path, &body).errcode(), 40001);
    assert!(office.seen(USER_INFO).is_empty());
    office.end(&[&ours, &theirs, &other]);
}

#[test]
fn a_client_that_may_only_forward_is_given_no_token_by_the_native_calls() {
    let office = Office::open();
    let got = office.serving.get("/v1/token/shop", &office.key);
    assert!(got.token().starts_with("wxs_"), "{got:?}");
    assert_eq!(got.json()["expires_in"], 7200);
    let info = office.serving.wechat(&with_token(USER_INFO, &got.token()));
    assert_eq!(info.json()["openid"], "oDemo");
    let ticket = office
        .serving
        .get("/v1/token/shop/jsapi_ticket", &office.key);
    assert!(!ticket.token().starts_with("wxs_"));
    for path in ["/v1/token/shop/access_token", "/v1/token/shop/app_token"] {
        assert_eq!(office.serving.get(path, &office.key).status, 403, "{path}");
    }
    let before = office.desk.world.minted();
    // A rejected stand-in costs no token. A client without the right to reject cannot reject a token.
    let reject = |token: &str| {
        let body = json!({"token": token});
        office
            .serving
            .post("/v1/reject/shop", &office.key, &body)
            .status
    };
    assert_eq!(reject(&got.token()), 204);
    assert_eq!(reject(&office.real_token("wx1")), 403);
    assert_eq!(office.desk.world.minted(), before);
    assert_eq!(office.serving.get("/v1/status", &office.key).status, 403);
    office.end(&[&got.token()]);
}

#[test]
fn a_component_and_its_authorizer_are_stood_in_for() {
    let desk = Desk::new();
    desk.world.add("component", "wxc", json!({}));
    desk.register("platform", "component", "wxc");
    let (ticket, _) = desk.world.sim.push("wxc", 0).unwrap();
    desk.run_with(&["put", "platform", "verify_ticket"], &ticket);
    desk.world
        .add("authorizer", "wxa", json!({"parent": "wxc"}));
    desk.register_authorizer("child", "wxa");
    let (refresh, _) = desk.world.sim.authorize("wxa", Some("wxc")).unwrap();
    desk.run_with(&["put", "child", "refresh_token"], &refresh);
    let key = desk.client("web", &["--allow", "forward"]);
    let serving = Serving::start(&desk);
    for put in ["platform/verify_ticket", "child/refresh_token"] {
        let path = format!("/v1/token/{put}");
        assert_eq!(serving.get(&path, &key).status, 403, "{put} is a secret");
    }
    let body = json!({"component_appid": "wxc", "component_appsecret": key, "component_verify_ticket": "t"});
    let got = serving.wechat_post("/cgi-bin/component/api_component_token", &body);
    let component = text(&got, "component_access_token");
    assert!(component.starts_with("wxs_"), "{got:?}");
    let body = json!({"component_appid": "wxc", "authorizer_appid": "wxa", "authorizer_refresh_token": "mine"});
    for name in ["access_token", "component_access_token"] {
        let path = format!("/cgi-bin/component/api_authorizer_token?{name}={component}");
        let got = serving.wechat_post(&path, &body);
        let child = text(&got, "authorizer_access_token");
        assert!(child.starts_with("wxs_"), "{got:?}");
        assert_eq!(text(&got, "authorizer_refresh_token"), "mine");
        let info = serving.wechat(&with_token(USER_INFO, &child));
        assert_eq!(info.json()["openid"], "oDemo", "{info:?}");
    }
    let path =
        format!("/cgi-bin/component/api_get_authorizer_info?component_access_token={component}");
    let info = serving.wechat_post(
        &path,
        &json!({"component_appid": "wxc", "authorizer_appid": "wxa"}),
    );
    assert_eq!(info.errcode(), 48001, "its reply holds the refresh token");
    has_none_of(&serving.end(), &[&key, &component, &refresh, SECRET]);
}
