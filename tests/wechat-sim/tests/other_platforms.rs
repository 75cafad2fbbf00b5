//! QQ, Douyin, DingTalk and Feishu: tokens of the same shape, each with the words of its platform.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};

use common::*;
use serde_json::{Value, json};
use wechat_sim::{AccountSpec, Kind, Options, Simulator};

const QQ: &str = "/api/getToken";
const DOUYIN: &str = "/api/apps/v2/token";
const DINGTALK: &str = "/v1.0/oauth2/accessToken";
const FEISHU: &str = "/open-apis/auth/v3/tenant_access_token/internal";
const MINUTE: u64 = 60_000;

fn platforms() -> Simulator {
    let accounts = vec![
        AccountSpec::new(Kind::Qq, "1100", "s3cret"),
        AccountSpec::new(Kind::Douyin, "tt1", "s3cret"),
        AccountSpec::new(Kind::Dingtalk, "ding1", "s3cret"),
        AccountSpec::new(Kind::Feishu, "cli_1", "s3cret"),
        AccountSpec::new(Kind::Official, "1100", "s3cret"),
    ];
    Simulator::start(Options {
        accounts,
        ..Options::default()
    })
    .unwrap()
}

fn limit_to(sim: &Simulator, kind: Kind, id: &str, fetches: u64) {
    let mut spec = AccountSpec::new(kind, id, "s3cret");
    spec.daily_quota = Some(fetches);
    sim.add_account(spec);
}

/// Sends a request with one more header. Returns the status and the JSON of the reply.
fn with_header(sim: &Simulator, target: &str, header: &str) -> (u16, Value) {
    let mut stream = connect(sim.http());
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n\r\n"
    )
    .unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    (status(&bytes), json(&bytes))
}

fn posted(sim: &Simulator, target: &str, body: &Value) -> (u16, Value) {
    let bytes = raw(sim.http(), "POST", target, &body.to_string()).unwrap();
    (status(&bytes), json(&bytes))
}

fn status(bytes: &[u8]) -> u16 {
    parts(bytes).0[9..12].parse().unwrap()
}

#[test]
fn qq_mints_as_the_classic_endpoint_does() {
    let sim = platforms();
    let fetch = format!("{QQ}?grant_type=client_credential&appid=1100&secret=s3cret");
    let code = |token: &str| {
        errcode(&get(
            &sim,
            &format!("/api/json/msgseccheck?access_token={token}"),
        ))
    };
    let classic = get(
        &sim,
        "/cgi-bin/token?grant_type=client_credential&appid=1100&secret=s3cret",
    );
    let reply = get(&sim, &fetch);
    assert_eq!(reply["expires_in"], 7200);
    let (first, second, third) = (
        token(&reply),
        token(&get(&sim, &fetch)),
        token(&get(&sim, &fetch)),
    );
    assert_eq!((code(&first), code(&second), code(&third)), (40001, 0, 0));
    assert_eq!(verdict(&sim, &token(&classic)), 0, "slots of its own");
    assert_eq!(
        (verdict(&sim, &third), code(&token(&classic))),
        (40001, 40001)
    );
    assert_eq!((code(""), code("short")), (41001, 40014));
    sim.revoke("1100");
    assert_eq!(code(&third), 40001);
    let last = token(&get(&sim, &fetch));
    sim.advance(120 * MINUTE);
    assert_eq!(code(&last), 42001);
    assert_eq!(sim.counters_of("1100").by_path[QQ].minted, 4);
    for (change, expected) in [
        (("appid=1100", "appid=1"), 40013),
        (("secret=s3cret", "secret=x"), 40125),
        (("grant_type", "type"), 40002),
    ] {
        let target = fetch.replace(change.0, change.1);
        assert_eq!(errcode(&get(&sim, &target)), expected);
    }
    limit_to(&sim, Kind::Qq, "1100", 0);
    assert_eq!(errcode(&get(&sim, &fetch)), 45009);
}

#[test]
fn douyin_nests_its_token() {
    let sim = platforms();
    let right = json!({"appid": "tt1", "secret": "s3cret", "grant_type": "client_credential"});
    let fetch = || posted(&sim, DOUYIN, &right).1;
    let reply = fetch();
    assert_eq!(
        (
            &reply["err_no"],
            &reply["err_tips"],
            &reply["data"]["expires_in"]
        ),
        (&json!(0), &json!("success"), &json!(7200))
    );
    let business = |token: &str| {
        let path = "/api/apps/subscribe_notification/developer/v1/notify";
        let in_body = posted(&sim, path, &json!({"access_token": token})).1;
        let in_query = get(&sim, &format!("{path}?access_token={token}"));
        assert_eq!(in_body["err_no"], in_query["err_no"]);
        in_body["err_no"].as_i64().unwrap()
    };
    let (first, second) = (token(&reply["data"]), token(&fetch()["data"]));
    assert_eq!((business(&first), business(&second)), (0, 0));
    sim.advance(5 * MINUTE);
    assert_eq!((business(&first), business(&second)), (28001003, 0));
    sim.revoke("tt1");
    assert_eq!(business(&second), 28001003);
    let last = token(&fetch()["data"]);
    sim.advance(120 * MINUTE);
    assert_eq!(business(&last), 28001003);
    for (name, value, code, tips) in [
        ("appid", "nobody", 40015, "appid error"),
        ("secret", "wrong", 40017, "secret error"),
        ("grant_type", "x", 40020, "grant_type error"),
    ] {
        let mut wrong = right.clone();
        wrong[name] = json!(value);
        let refusal = json!({"err_no": code, "err_tips": tips});
        assert_eq!(posted(&sim, DOUYIN, &wrong), (200, refusal));
    }
    let (_, elsewhere) = posted(
        &sim,
        &format!("{DOUYIN}?appid=tt1&secret=s3cret&grant_type=client_credential"),
        &json!({}),
    );
    assert_eq!(elsewhere["err_no"], 40015, "the query is not looked at");
    limit_to(&sim, Kind::Douyin, "tt1", 3);
    assert_eq!(fetch()["err_no"], 28003017);
    assert_eq!(sim.counters_of("tt1").errors["28003017"], 1);
}

#[test]
fn faults_reach_a_token_that_is_nested() {
    let sim = platforms();
    let right = json!({"appid": "tt1", "secret": "s3cret", "grant_type": "client_credential"});
    let struck = |fault: Value| {
        sim.fault_json(fault).unwrap();
        posted(&sim, DOUYIN, &right).1
    };
    let bent = struck(json!({"kind": "expires_in", "value": "7200", "id": "tt1"}));
    assert_eq!(bent["data"]["expires_in"], "7200");
    let bent = struck(json!({"kind": "wrong_types", "path": DOUYIN}));
    assert!(bent["data"]["access_token"].is_number() && bent["data"]["expires_in"].is_object());
    let bent = struck(json!({"kind": "token", "value": "scripted"}));
    assert_eq!(token(&bent["data"]), "scripted");
    assert_eq!(
        struck(json!({"kind": "no_token"})),
        json!({"err_no": 0, "err_tips": "success", "data": {"expires_in": 7200}})
    );
    assert_eq!(
        struck(json!({"kind": "errcode", "errcode": -1, "errmsg": "busy"})),
        json!({"err_no": -1, "err_tips": "busy"})
    );
    assert_eq!(sim.counters().minted, 3);
}

#[test]
fn dingtalk_refuses_by_status_and_name() {
    let sim = platforms();
    let right = json!({"appKey": "ding1", "appSecret": "s3cret"});
    let fetch = || posted(&sim, DINGTALK, &right);
    let (status, reply) = fetch();
    assert_eq!((status, &reply["expireIn"]), (200, &json!(7200)));
    let first = text(&reply, "accessToken");
    assert_eq!(fetch().1["accessToken"], first);
    let me = |token: &str| {
        let header = format!("x-acs-dingtalk-access-token: {token}");
        with_header(&sim, "/v1.0/contact/users/me", &header)
    };
    assert_eq!(me(&first).0, 200);
    let (status, refusal) = me("unknown");
    assert_eq!(
        (status, &refusal["code"]),
        (401, &json!("InvalidAuthentication"))
    );
    sim.advance(120 * MINUTE);
    assert_eq!(me(&first).0, 401);
    let second = text(&fetch().1, "accessToken");
    assert_ne!(second, first);
    sim.revoke("ding1");
    assert_eq!(me(&second).0, 401);
    for (name, value) in [("appKey", "nobody"), ("appSecret", "wrong")] {
        let mut wrong = right.clone();
        wrong[name] = json!(value);
        let (status, refusal) = posted(&sim, DINGTALK, &wrong);
        assert_eq!(
            (status, &refusal["code"], &refusal["message"]),
            (
                400,
                &json!("invalidClientIdOrSecret"),
                &json!("无效的clientId或者clientSecret")
            )
        );
        assert!(refusal["requestid"].is_string());
    }
    limit_to(&sim, Kind::Dingtalk, "ding1", 3);
    let (status, refusal) = fetch();
    assert_eq!(
        (status, &refusal["code"]),
        (403, &json!("Forbidden.AccessDenied.QpsLimitForApi"))
    );
    let own = sim.counters_of("ding1");
    assert_eq!((own.minted, own.same), (2, 1));
    assert_eq!(own.errors["invalidClientIdOrSecret"], 1);
    assert!(!sim.requests(Some("ding1")).to_string().contains("s3cret"));
}

#[test]
fn faults_use_dingtalks_field_names() {
    let sim = platforms();
    let struck = |fault: Value| {
        sim.fault_json(fault).unwrap();
        posted(
            &sim,
            DINGTALK,
            &json!({"appKey": "ding1", "appSecret": "s3cret"}),
        )
    };
    let (_, bent) = struck(json!({"kind": "expires_in", "value": -1, "id": "ding1"}));
    assert_eq!(bent["expireIn"], -1);
    assert_eq!(
        struck(json!({"kind": "no_token"})),
        (200, json!({"expireIn": 7200}))
    );
    let (status, refusal) = struck(json!({"kind": "errcode", "errcode": 503}));
    assert_eq!((status, &refusal["code"]), (400, &json!("503")));
    assert_eq!(sim.counters_of("ding1").errors["503"], 1);
}

#[test]
fn a_feishu_token_is_renewed_in_its_last_half_hour() {
    let sim = platforms();
    let right = json!({"app_id": "cli_1", "app_secret": "s3cret"});
    let fetch = || posted(&sim, FEISHU, &right).1;
    let reply = fetch();
    assert_eq!(
        (&reply["code"], &reply["msg"], &reply["expire"]),
        (&json!(0), &json!("ok"), &json!(7200))
    );
    let first = text(&reply, "tenant_access_token");
    assert!(first.starts_with("t-"), "{first}");
    let info = |token: &str| {
        let header = format!("Authorization: Bearer {token}");
        let (status, reply) = with_header(&sim, "/open-apis/bot/v3/info", &header);
        (status, reply["code"].as_i64().unwrap())
    };
    sim.advance(89 * MINUTE);
    let again = fetch();
    assert_eq!(again["tenant_access_token"], first);
    assert!(again["expire"].as_u64().unwrap() <= 31 * 60);
    sim.advance(MINUTE);
    let second = text(&fetch(), "tenant_access_token");
    assert_ne!(second, first);
    assert_eq!((info(&first), info(&second)), ((200, 0), (200, 0)));
    sim.advance(29 * MINUTE);
    assert_eq!(info(&first), (200, 0), "both to their own ends");
    sim.advance(MINUTE);
    assert_eq!((info(&first), info(&second)), ((400, 99991663), (200, 0)));
    sim.revoke("cli_1");
    assert_eq!(info(&second), (400, 99991663));
    assert_eq!(info(""), (400, 99991661));
    let own = sim.counters_of("cli_1");
    assert_eq!((own.minted, own.same), (2, 1));
    limit_to(&sim, Kind::Feishu, "cli_1", 3);
    assert_eq!(
        posted(&sim, FEISHU, &right),
        (
            400,
            json!({"code": 99991400, "msg": "request trigger frequency limit"})
        )
    );
}

#[test]
fn a_short_lifetime_scales_feishus_half_hour_down() {
    let sim = platforms();
    let mut spec = AccountSpec::new(Kind::Feishu, "cli_1", "s3cret");
    spec.lifetime_ms = Some(240_000);
    sim.add_account(spec);
    let right = json!({"app_id": "cli_1", "app_secret": "s3cret"});
    let fetch = || text(&posted(&sim, FEISHU, &right).1, "tenant_access_token");
    let first = fetch();
    sim.advance(170_000);
    assert_eq!(fetch(), first);
    sim.advance(15_000);
    assert_ne!(fetch(), first);
}

#[test]
fn feishu_refuses_with_its_own_codes() {
    let sim = platforms();
    let code = |id: &str, secret: &str| {
        let body = json!({"app_id": id, "app_secret": secret});
        posted(&sim, FEISHU, &body)
    };
    assert_eq!(
        code("nobody", "s3cret"),
        (200, json!({"code": 10003, "msg": "invalid param"}))
    );
    assert_eq!(
        code("cli_1", "wrong"),
        (200, json!({"code": 10014, "msg": "app secret invalid"}))
    );
    sim.fault_json(json!({"kind": "errcode", "errcode": 10015, "id": "cli_1"}))
        .unwrap();
    assert_eq!(code("cli_1", "s3cret").1["code"], 10015);
    sim.fault_json(json!({"kind": "wrong_types"})).unwrap();
    let (_, bent) = code("cli_1", "s3cret");
    assert!(bent["tenant_access_token"].is_number() && bent["expire"].is_object());
}
