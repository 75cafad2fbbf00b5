//! The calls about calls: daily counts, the record of a refusal, and resets of the counts.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use serde_json::{Value, json};
use wechat_sim::{AccountSpec, Kind, Options, Simulator};

const SEND: &str = "/cgi-bin/message/custom/send";
const STABLE: &str = "/cgi-bin/stable_token";
const TICKET: &str = "/cgi-bin/ticket/getticket";
const DAY: u64 = 86_400_000;

fn quota(sim: &Simulator, token: &str, path: &str) -> Value {
    let target = format!("/cgi-bin/openapi/quota/get?access_token={token}");
    post(sim, &target, json!({"cgi_path": path}))
}

fn used(sim: &Simulator, token: &str, path: &str) -> u64 {
    quota(sim, token, path)["quota"]["used"].as_u64().unwrap()
}

fn noted(sim: &Simulator, token: &str, rid: &str) -> Value {
    let target = format!("/cgi-bin/openapi/rid/get?access_token={token}");
    post(sim, &target, json!({"rid": rid}))
}

fn send(sim: &Simulator, token: &str) -> Value {
    let target = format!("{SEND}?access_token={token}");
    post(sim, &target, json!({"touser": "o1"}))
}

fn clear(sim: &Simulator, secret: &str) -> i64 {
    let body = json!({"appid": APP, "appsecret": secret});
    errcode(&post(sim, "/cgi-bin/clear_quota/v2", body))
}

fn rid_of(refusal: &Value) -> String {
    let errmsg = text(refusal, "errmsg");
    errmsg.rsplit("rid: ").next().unwrap().to_owned()
}

#[test]
fn every_call_is_counted_by_its_account_and_path_until_the_day_is_over() {
    let sim = simulator();
    let token = token(&stable(&sim, false));
    stable(&sim, false);
    get(&sim, &format!("{TICKET}?access_token={token}&type=jsapi"));
    get(&sim, &format!("{TICKET}?access_token={token}&type=wx_card"));
    assert_eq!(errcode(&send(&sim, &token)), 0);
    for (path, calls) in [(STABLE, 2), (TICKET, 2), (SEND, 1), ("/cgi-bin/token", 0)] {
        assert_eq!(used(&sim, &token, path), calls, "{path}");
    }
    let stable_quota = quota(&sim, &token, STABLE);
    let left = json!({"daily_limit": 500_000, "used": 2, "remain": 499_998});
    assert_eq!(stable_quota["quota"], left);
    assert_eq!(stable_quota["rate_limit"]["call_count"], 10_000);
    sim.advance(DAY);
    let token = common::token(&stable(&sim, false));
    assert_eq!(
        (used(&sim, &token, STABLE), used(&sim, &token, SEND)),
        (1, 0)
    );
}

#[test]
fn a_business_quota_runs_out_and_a_clear_resets_it() {
    let sim = simulator();
    let mut spec = AccountSpec::new(Kind::Official, APP, "s3cret");
    spec.business_quota = Some(2);
    sim.add_account(spec);
    let token = token(&stable(&sim, false));
    let codes: Vec<i64> = (0..3).map(|_| errcode(&send(&sim, &token))).collect();
    assert_eq!(codes, [0, 0, 45009]);
    assert_eq!(clear(&sim, "wrong"), 40125);
    assert_eq!(
        errcode(&get(
            &sim,
            "/cgi-bin/clear_quota/v2?appid=wxtest&appsecret=s3cret"
        )),
        43002
    );
    assert_eq!(errcode(&send(&sim, &token)), 45009);
    assert_eq!(clear(&sim, "s3cret"), 0);
    assert_eq!(errcode(&send(&sim, &token)), 0);
    assert_eq!(
        (used(&sim, &token, SEND), used(&sim, &token, STABLE)),
        (1, 0)
    );
}

#[test]
fn the_eleventh_clear_of_a_month_is_refused() {
    let sim = simulator();
    let codes: Vec<i64> = (0..11).map(|_| clear(&sim, "s3cret")).collect();
    assert_eq!(codes[..10], [0; 10]);
    assert_eq!(codes[10], 48006);
    sim.advance(31 * DAY);
    assert_eq!(clear(&sim, "s3cret"), 0);
    // In the query it works too.
    let query = "/cgi-bin/clear_quota/v2?appid=wxtest&appsecret=s3cret";
    assert_eq!(errcode(&post(&sim, query, json!(null))), 0);
}

#[test]
fn an_unknown_path_and_a_path_of_another_kind_are_not_counted() {
    let sim = simulator();
    let token = token(&stable(&sim, false));
    for (path, code) in [
        ("/cgi-bin/nothing", 76021),
        ("/cgi-bin/gettoken", 76021),
        ("/cgi-bin/component/api_component_token", 76022),
        ("/sns/oauth2/access_token", 76022),
        ("cgi-bin/token", 76003),
        ("", 76003),
    ] {
        assert_eq!(errcode(&quota(&sim, &token, path)), code, "{path}");
    }
    assert_eq!(errcode(&quota(&sim, &"x".repeat(140), SEND)), 40001);
}

#[test]
fn the_rid_of_a_refusal_shows_its_account_the_request_and_the_reply() {
    let accounts = vec![
        AccountSpec::new(Kind::Official, APP, "s3cret"),
        AccountSpec::new(Kind::Official, "wxother", "s3cret"),
    ];
    let sim = Simulator::start(Options {
        accounts,
        ..Options::default()
    })
    .unwrap();
    let own = token(&stable(&sim, false));
    let fetch = "/cgi-bin/token?grant_type=client_credential&appid=wxother&secret=s3cret";
    let other = token(&get(&sim, fetch));
    let refused = get(
        &sim,
        "/cgi-bin/token?grant_type=no&appid=wxtest&secret=s3cret",
    );
    assert_eq!(errcode(&refused), 40002);
    let rid = rid_of(&refused);
    let request = &noted(&sim, &own, &rid)["request"];
    assert_eq!(
        request["request_url"],
        "grant_type=no&appid=wxtest&secret=s3cret"
    );
    assert!(text(request, "response_body").contains(&rid));
    assert_eq!(request["client_ip"], "127.0.0.1");
    assert_eq!(errcode(&noted(&sim, &other, &rid)), 76003);
    assert_eq!(
        errcode(&noted(&sim, &own, "00000000-00000000-00000000")),
        76001
    );
    for malformed in ["", "1-2-3", &rid[1..]] {
        assert_eq!(errcode(&noted(&sim, &own, malformed)), 76002, "{malformed}");
    }
    sim.advance(7 * DAY);
    let own = token(&stable(&sim, false));
    assert_eq!(errcode(&noted(&sim, &own, &rid)), 76001);
}

#[test]
fn a_component_clears_its_own_counts_and_those_of_its_authorizers() {
    let accounts = vec![
        AccountSpec::new(Kind::Component, "wxc", "c0mponent"),
        AccountSpec::child(Kind::Authorizer, "wxa", "wxc", "refreshtoken@@@first"),
    ];
    let sim = Simulator::start(Options {
        accounts,
        ..Options::default()
    })
    .unwrap();
    let (ticket, _) = sim.push("wxc", 0).unwrap();
    let fetch_component = "/cgi-bin/component/api_component_token";
    let fetch_authorizer = "/cgi-bin/component/api_authorizer_token";
    let fetched = post(
        &sim,
        fetch_component,
        json!({"component_appid": "wxc", "component_appsecret": "c0mponent", "component_verify_ticket": ticket}),
    );
    let component = text(&fetched, "component_access_token");
    let fetched = post(
        &sim,
        &format!("{fetch_authorizer}?access_token={component}"),
        json!({"component_appid": "wxc", "authorizer_appid": "wxa", "authorizer_refresh_token": "refreshtoken@@@first"}),
    );
    let authorizer = text(&fetched, "authorizer_access_token");
    send(&sim, &authorizer);
    assert_eq!(used(&sim, &component, fetch_component), 1);
    assert_eq!(used(&sim, &component, fetch_authorizer), 1);
    assert_eq!(errcode(&quota(&sim, &component, SEND)), 76022);
    assert_eq!(used(&sim, &authorizer, SEND), 1);
    let by_component = &quota(&sim, &authorizer, SEND)["component_rate_limit"];
    assert_eq!(by_component["refresh_second"], 60);
    let clear = |child: Option<&str>| {
        let mut body = json!({"component_appid": "wxc", "appsecret": "c0mponent"});
        if let Some(child) = child {
            body["appid"] = json!(child);
        }
        errcode(&post(&sim, "/cgi-bin/component/clear_quota/v2", body))
    };
    assert_eq!((clear(Some("wxother")), clear(None)), (40013, 0));
    assert_eq!(used(&sim, &component, fetch_component), 0);
    assert_eq!(used(&sim, &authorizer, SEND), 1);
    assert_eq!(clear(Some("wxa")), 0);
    assert_eq!(used(&sim, &authorizer, SEND), 0);
}
