//! A call on its way to a platform and back.

use super::*;

#[test]
fn a_call_goes_on_with_the_token_and_the_client_has_its_stand_in_alone() {
    let office = Office::open();
    let got = office.serving.wechat(&classic("wx1", &office.key));
    let stand_in = text(&got, "access_token");
    assert!(stand_in.starts_with("wxs_") && stand_in.len() < 200);
    assert_eq!(got.json()["expires_in"], 7200);
    let info = office.serving.wechat(&with_token(USER_INFO, &stand_in));
    assert_eq!(info.json()["openid"], "oDemo", "{info:?}");
    let real = office.real_token("wx1");
    let seen = office.seen(USER_INFO);
    assert_eq!(seen.len(), 1);
    assert_eq!(
        seen[0]["query"],
        format!("access_token={real}&openid=oDemo")
    );
    // A second stand-in works, and the first one still does.
    let other = office.stand_in();
    for one in [&other, &stand_in] {
        assert_eq!(
            office.serving.wechat(&with_token(USER_INFO, one)).status,
            200
        );
    }
    let body = json!({"touser": "oDemo", "msgtype": "text", "text": {"content": stand_in}});
    let path = with_token("/cgi-bin/message/custom/send", &stand_in);
    let sent = office.serving.wechat_post(&path, &body);
    assert_eq!(sent.errcode(), 0);
    // The body of a message is passed on unchanged.
    let seen = office.seen("/cgi-bin/message/custom/send");
    assert_eq!(seen[0]["body"], body.to_string());
    assert_eq!(office.desk.world.minted(), 1);
    office.end(&[&stand_in, &other]);
}

#[test]
fn both_platforms_share_a_listener_and_the_token_tells_which_is_meant() {
    let office = Office::open();
    let (shop, corp) = (office.stand_in(), office.corps_stand_in());
    let get = |path: &str| office.serving.wechat(path);
    let user = format!("/cgi-bin/user/get?access_token={corp}&userid=zhangsan");
    assert_eq!(get(&user).json()["userid"], "zhangsan");
    assert_eq!(get(&with_token(USER_INFO, &shop)).json()["openid"], "oDemo");
    // A prefix works too, in the calls that return a token and in those that use it.
    let classic = get(&format!("/weixin{}", classic("wx1", &office.key)));
    let shop = text(&classic, "access_token");
    let info = get(&format!("/weixin{}", with_token(USER_INFO, &shop)));
    assert_eq!(info.json()["openid"], "oDemo");
    let path = format!(
        "/qyapi/cgi-bin/gettoken?corpid=ww1&corpsecret={}",
        office.key
    );
    let corp = text(&get(&path), "access_token");
    let user = get(&format!("/qyapi/cgi-bin/user/get?access_token={corp}"));
    assert_eq!(user.json()["userid"], "zhangsan");
    // The token must belong to the platform of the prefix.
    let wrong = get(&format!("/qyapi{}", with_token(USER_INFO, &shop)));
    assert_eq!(wrong.errcode(), 40001);
    let wrong = get(&format!("/weixin/cgi-bin/user/get?access_token={corp}"));
    assert_eq!(wrong.errcode(), 40001);
    let path = format!(
        "/weixin/cgi-bin/gettoken?corpid=ww1&corpsecret={}",
        office.key
    );
    assert!(get(&path).errcode() != 0);
    office.end(&[&shop, &corp]);
}

#[test]
fn a_token_that_the_platform_refuses_is_replaced_and_the_call_made_once_more() {
    let office = Office::open();
    let stand_in = office.stand_in();
    office.desk.world.sim.revoke("wx1");
    let info = office.serving.wechat(&with_token(USER_INFO, &stand_in));
    assert_eq!(info.json()["openid"], "oDemo", "{info:?}");
    assert_eq!(office.desk.world.minted(), 2);
    assert_eq!(office.seen(USER_INFO).len(), 2);
    office.desk.world.sim.revoke("ww1");
    let corp = office.corps_stand_in();
    office.desk.world.sim.revoke("ww1");
    let path = format!("/cgi-bin/message/send?access_token={corp}");
    let sent = office
        .serving
        .wechat_post(&path, &json!({"touser": "@all"}));
    assert_eq!(sent.errcode(), 0, "{sent:?}");
    office.end(&[&stand_in, &corp]);
}

#[test]
fn a_call_is_repeated_once_and_then_the_platforms_word_is_passed_on() {
    let office = Office::open();
    let stand_in = office.stand_in();
    for code in [40001, 40014, 42001] {
        let before = office.seen(USER_INFO).len();
        let refusal = json!({"errcode": code, "errmsg": "no rid: 1-2-3"}).to_string();
        office
            .desk
            .world
            .fault(json!({"kind": "raw", "path": USER_INFO, "body": refusal, "times": 10}));
        let info = office.serving.wechat(&with_token(USER_INFO, &stand_in));
        assert_eq!(info.body, refusal);
        let made = office.seen(USER_INFO).len() - before;
        assert!(made <= 2, "{code}: the call was made {made} times");
        office.desk.world.sim.clear_faults();
    }
    let other = json!({"errcode": 45009, "errmsg": "reach max api daily quota limit"}).to_string();
    office
        .desk
        .world
        .fault(json!({"kind": "raw", "path": USER_INFO, "body": other, "times": 10}));
    let before = office.seen(USER_INFO).len();
    assert_eq!(
        office
            .serving
            .wechat(&with_token(USER_INFO, &stand_in))
            .body,
        other
    );
    assert_eq!(office.seen(USER_INFO).len(), before + 1);
    office.end(&[&stand_in]);
}

#[test]
fn a_ticket_is_given_for_a_stand_in() {
    let office = Office::open();
    let (shop, corp) = (office.stand_in(), office.corps_stand_in());
    let ticket = |path: &str| office.serving.wechat(path);
    let shops = ticket(&format!(
        "/cgi-bin/ticket/getticket?access_token={shop}&type=jsapi"
    ));
    assert!(text(&shops, "ticket").len() > 20 && shops.errcode() == 0);
    let corps = ticket(&format!("/cgi-bin/get_jsapi_ticket?access_token={corp}"));
    assert!(text(&corps, "ticket").len() > 20);
    let wrong = ticket("/cgi-bin/ticket/getticket?access_token=wxs_x&type=jsapi");
    assert_eq!(wrong.errcode(), 40001);
    office.end(&[&shop, &corp]);
}

#[test]
fn a_call_without_a_token_has_that_of_the_clients_only_account() {
    let office = Office::open();
    let key = office
        .desk
        .client("one", &["--allow", "forward", "--accounts", "shop"]);
    let info = office
        .serving
        .get(&format!("{USER_INFO}?openid=oDemo"), &key);
    assert_eq!(info.json()["openid"], "oDemo", "{info:?}");
    let seen = office.seen(USER_INFO);
    let real = office.real_token("wx1");
    assert_eq!(
        seen[0]["query"],
        format!("openid=oDemo&access_token={real}")
    );
    assert!(seen[0]["headers"].get("authorization").is_none());
    // A client with several accounts must name one. A stranger gets the answer for an unknown path.
    let several = office
        .serving
        .get(&format!("{USER_INFO}?openid=oDemo"), &office.key);
    assert!(several.errcode() != 0, "{several:?}");
    assert_eq!(office.serving.wechat(USER_INFO).status, 404);
    office.end(&[&key]);
}

#[test]
fn a_users_login_takes_the_clients_key_in_the_place_of_the_secret() {
    let office = Office::open();
    let login = |key: &str, path: &str| {
        let query =
            format!("?appid=wx1&secret={key}&js_code=c&code=c&grant_type=authorization_code");
        office.serving.wechat(&(path.to_owned() + &query))
    };
    let session = login(&office.key, "/sns/jscode2session");
    assert_eq!(session.json()["openid"], "oDemo", "{session:?}");
    assert_eq!(login("wxk_no", "/sns/jscode2session").errcode(), 40125);
    let user = login(&office.key, "/sns/oauth2/access_token");
    let token = text(&user, "access_token");
    assert_eq!(
        office
            .serving
            .wechat(&format!("/sns/userinfo?access_token={token}"))
            .status,
        404
    );
    let seen = office.seen("/sns/userinfo");
    assert_eq!(
        seen.len(),
        1,
        "the platform has no such call here, and was asked"
    );
    assert!(seen[0]["query"].as_str().unwrap().contains(&token));
    let path = "/sns/oauth2/refresh_token?appid=wx1&grant_type=refresh_token&refresh_token=";
    let renewed = office
        .serving
        .wechat(&format!("{path}user-refresh-of-oDemo"));
    assert_eq!(text(&renewed, "access_token"), token);
    let strange = office
        .serving
        .wechat("/sns/userinfo?access_token=of-somebody-else");
    assert_eq!(strange.errcode(), 41001);
    assert_eq!(office.seen("/sns/userinfo").len(), 1);
    office.end(&[&token]);
}

#[test]
fn a_stand_in_in_a_users_login_is_replaced_too() {
    let office = Office::open();
    let stand_in = office.stand_in();
    // WxJava's mini program adds its token to the login.
    let login = |key: &str| {
        let query = format!("access_token={stand_in}&appid=wx1&secret={key}&js_code=c");
        office
            .serving
            .wechat(&format!("/sns/jscode2session?{query}"))
    };
    assert_eq!(login(&office.key).json()["openid"], "oDemo");
    let real = office.real_token("wx1");
    let seen = office.seen("/sns/jscode2session");
    let query = format!("access_token={real}&appid=wx1&secret=***&js_code=c");
    assert_eq!(seen[0]["query"], query);
    // In a login the platform refuses the secret or the code, so the token is not checked.
    let refusal = json!({"errcode": 40001, "errmsg": "invalid credential rid: 1-2-3"});
    office
        .desk
        .world
        .fault(json!({"kind": "raw", "path": "/sns/jscode2session", "body": refusal.to_string()}));
    assert_eq!(login(&office.key).errcode(), 40001);
    assert_eq!(office.seen("/sns/jscode2session").len(), 2);
    assert_eq!(office.seen("/cgi-bin/get_api_domain_ip").len(), 0);
    assert_eq!(office.desk.world.minted(), 1);
    // The key and the stand-in must belong to one client.
    let other = office.desk.client("other", &["--allow", "forward"]);
    assert_eq!(login(&other).errcode(), 40001);
    // Third parties log users in with their own token only.
    let path = format!("/sns/component/jscode2session?component_access_token={stand_in}&js_code=c");
    assert_eq!(office.serving.wechat(&path).status, 404);
    let seen = office.seen("/sns/component/jscode2session");
    let query = format!("component_access_token={real}&js_code=c");
    assert_eq!(seen[0]["query"], query, "the platform was asked");
    assert_eq!(
        office
            .serving
            .wechat("/sns/userinfo?access_token=wxs_x")
            .errcode(),
        40001
    );
    office.end(&[&stand_in, &other]);
}

#[test]
fn calls_are_counted_by_client_and_path_and_the_refused_are_audited() {
    let office = Office::open();
    let stand_in = office.stand_in();
    for _ in 0..3 {
        office.serving.wechat(&with_token(USER_INFO, &stand_in));
    }
    let refused = office
        .serving
        .wechat(&with_token("/cgi-bin/clear_quota", &stand_in));
    assert_eq!(refused.errcode(), 48001);
    let metrics = office.serving.wechat("/metrics").body;
    for line in [
        "wxtoken_forwarded_calls_total{client=\"web\",path=\"/cgi-bin/user/info\",result=\"ok\"} 3",
        "wxtoken_forwarded_calls_total{client=\"web\",path=\"/cgi-bin/clear_quota\",result=\"refused\"} 1",
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }
    wait_until("the refusal is audited", || {
        office.serving.audited().contains("clear_quota")
    });
    let audit = office.serving.audited();
    let lines = audit.lines().filter(|line| line.contains("\"forward\""));
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    // On a machine that stands still a good call may be slow.
    let lines = lines.filter(|line| line["result"] != "ok" || line["ms"].as_u64() < Some(1000));
    let paths: Vec<_> = lines
        .map(|line| (line["client"].clone(), line["path"].clone()))
        .collect();
    assert_eq!(
        paths,
        [(json!("web"), json!("/cgi-bin/clear_quota"))],
        "what went well and fast has no line: {audit}"
    );
    office.end(&[&stand_in]);
}

#[test]
fn a_slow_call_is_audited_with_its_time() {
    let office = Office::open();
    let stand_in = office.stand_in();
    office
        .desk
        .world
        .fault(json!({"kind": "delay", "ms": 1200, "path": USER_INFO}));
    assert_eq!(
        office
            .serving
            .wechat(&with_token(USER_INFO, &stand_in))
            .status,
        200
    );
    wait_until("the slow call is audited", || {
        office.serving.audited().contains("\"forward\"")
    });
    let audit = office.serving.audited();
    let line = audit
        .lines()
        .find(|line| line.contains("\"forward\""))
        .unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["result"], "ok");
    assert!(line["ms"].as_u64().unwrap() >= 1000, "{line}");
    office.end(&[&stand_in]);
}

#[test]
fn a_platform_that_does_not_answer_is_an_error_in_time_and_holds_nobody_up() {
    let office = Office::with(&["--forward-timeout-s", "3", "--forward-at-once", "2"]);
    let stand_in = office.stand_in();
    let path = with_token(USER_INFO, &stand_in);
    office
        .desk
        .world
        .fault(json!({"kind": "hang", "path": USER_INFO, "times": 2}));
    std::thread::scope(|scope| {
        let hung: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| office.serving.wechat(&path)))
            .collect();
        wait_until("both hang", || office.seen(USER_INFO).len() == 2);
        // The server's own calls wait for no turn.
        assert_eq!(office.serving.wechat("/healthz").status, 200);
        assert!(office.stand_in().starts_with("wxs_"));
        // A third call waits for a turn, and gets one when the others end.
        assert_eq!(office.serving.wechat(&path).json()["openid"], "oDemo");
        for call in hung {
            assert_eq!(call.join().unwrap().errcode(), -1);
        }
    });
    office.end(&[&stand_in]);
}

#[test]
fn a_stand_in_of_one_server_is_good_at_another_and_after_a_restart() {
    let mut office = Office::open();
    let stand_in = office.stand_in();
    let other = Serving::named(
        &office.desk,
        "other",
        &["--listen", "http://127.0.0.1:0"],
        |_| {},
    );
    let path = with_token(USER_INFO, &stand_in);
    assert_eq!(other.wechat(&path).json()["openid"], "oDemo");
    office.serving.kill();
    office.serving = Serving::start(&office.desk);
    assert_eq!(office.serving.wechat(&path).json()["openid"], "oDemo");
    assert_eq!(office.desk.world.minted(), 1);
    office.end(&[&stand_in]);
}
