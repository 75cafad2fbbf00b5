//! The open platform: verify tickets, component tokens, and the tokens of accounts that authorized a component.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use serde_json::{Value, json};
use wechat_sim::{AccountSpec, Kind, Options, Simulator};

const COMPONENT: &str = "wxcomponent";
const AUTHORIZER: &str = "wxauthorizer";
const REFRESH: &str = "refreshtoken@@@first";
const FETCH_COMPONENT: &str = "/cgi-bin/component/api_component_token";
const FETCH_AUTHORIZER: &str = "/cgi-bin/component/api_authorizer_token";
const HOUR: u64 = 3_600_000;

fn platform() -> Simulator {
    let accounts = vec![
        AccountSpec::new(Kind::Component, COMPONENT, "c0mponent"),
        AccountSpec::child(Kind::Authorizer, AUTHORIZER, COMPONENT, REFRESH),
    ];
    Simulator::start(Options {
        accounts,
        ..Options::default()
    })
    .unwrap()
}

fn fetch_component(sim: &Simulator, ticket: &str) -> Value {
    post(
        sim,
        FETCH_COMPONENT,
        json!({"component_appid": COMPONENT, "component_appsecret": "c0mponent", "component_verify_ticket": ticket}),
    )
}

fn component_token(sim: &Simulator) -> String {
    let (ticket, _) = sim.push(COMPONENT, 0).unwrap();
    text(&fetch_component(sim, &ticket), "component_access_token")
}

fn fetch_authorizer(sim: &Simulator, component: &str, refresh: &str) -> Value {
    post(
        sim,
        &format!("{FETCH_AUTHORIZER}?access_token={component}"),
        json!({"component_appid": COMPONENT, "authorizer_appid": AUTHORIZER, "authorizer_refresh_token": refresh}),
    )
}

fn authorizer_token(sim: &Simulator) -> String {
    let component = component_token(sim);
    text(
        &fetch_authorizer(sim, &component, REFRESH),
        "authorizer_access_token",
    )
}

/// The errcode of a business endpoint for a component token.
fn component_verdict(sim: &Simulator, token: &str) -> i64 {
    let path = "/cgi-bin/component/api_get_authorizer_info";
    let body = json!({"component_appid": COMPONENT, "authorizer_appid": AUTHORIZER});
    errcode(&post(sim, &format!("{path}?access_token={token}"), body))
}

#[test]
fn each_fetch_mints_a_component_token_and_leaves_the_last_in_grace() {
    let sim = platform();
    let (ticket, _) = sim.push(COMPONENT, 0).unwrap();
    let reply = fetch_component(&sim, &ticket);
    assert_eq!(reply["expires_in"], 7200);
    assert!(reply.get("errcode").is_none());
    let first = text(&reply, "component_access_token");
    let second = text(&fetch_component(&sim, &ticket), "component_access_token");
    assert_ne!(first, second);
    let verdicts = || {
        (
            component_verdict(&sim, &first),
            component_verdict(&sim, &second),
        )
    };
    assert_eq!(verdicts(), (0, 0));
    sim.advance(300_000);
    assert_eq!(verdicts(), (40001, 0));
    sim.advance(2 * HOUR);
    assert_eq!(verdicts(), (42001, 42001));
    assert_eq!(component_verdict(&sim, ""), 41001);
    assert_eq!(sim.counters_of(COMPONENT).minted, 2);
    let third = component_token(&sim);
    assert!(sim.revoke(COMPONENT));
    assert_eq!(component_verdict(&sim, &third), 40001);
}

#[test]
fn a_component_is_refused_for_each_wrong_field() {
    let sim = platform();
    let (ticket, _) = sim.push(COMPONENT, 0).unwrap();
    let code = |id: &str, secret: &str, ticket: &str| {
        let body = json!({"component_appid": id, "component_appsecret": secret, "component_verify_ticket": ticket});
        errcode(&post(&sim, FETCH_COMPONENT, body))
    };
    assert_eq!(code("nobody", "c0mponent", &ticket), 40013);
    assert_eq!(code(COMPONENT, "wrong", &ticket), 40125);
    assert_eq!(code(COMPONENT, "c0mponent", "ticket@@@never"), 61006);
    assert_eq!(code(COMPONENT, "c0mponent", ""), 61006);
    assert_eq!(code(COMPONENT, "c0mponent", &ticket), 0);
    assert_eq!(errcode(&get(&sim, FETCH_COMPONENT)), 43002);
    sim.switches(json!({"wrong_secret_code": 40001})).unwrap();
    assert_eq!(code(COMPONENT, "wrong", &ticket), 40001);
    let mut spec = AccountSpec::new(Kind::Component, COMPONENT, "c0mponent");
    spec.daily_quota = Some(1);
    sim.add_account(spec.clone());
    assert_eq!(code(COMPONENT, "c0mponent", &ticket), 45009);
    spec.allow_ips = Some(Vec::new());
    sim.add_account(spec);
    assert_eq!(code(COMPONENT, "c0mponent", &ticket), 61004);
}

#[test]
fn a_verify_ticket_works_for_twelve_hours_whatever_was_pushed_since() {
    let sim = platform();
    let (first, xml) = sim.push(COMPONENT, 0).unwrap();
    assert!(
        xml.starts_with("<xml><AppId>wxcomponent</AppId><CreateTime>1"),
        "{xml}"
    );
    let rest = format!(
        "<InfoType>component_verify_ticket</InfoType><ComponentVerifyTicket>{first}</ComponentVerifyTicket></xml>"
    );
    assert!(xml.ends_with(&rest), "{xml}");
    sim.advance(6 * HOUR);
    let (second, _) = sim.push(COMPONENT, 0).unwrap();
    let (old, _) = sim.push(COMPONENT, 12 * HOUR - 60_000).unwrap();
    let (ancient, _) = sim.push(COMPONENT, 12 * HOUR).unwrap();
    let code = |ticket: &str| errcode(&fetch_component(&sim, ticket));
    assert_eq!(
        [&first, &second, &old, &ancient].map(|ticket| code(ticket)),
        [0, 0, 0, 61005]
    );
    sim.advance(6 * HOUR);
    assert_eq!(
        [&first, &second, &old].map(|ticket| code(ticket)),
        [61005, 0, 61005]
    );
    assert!(sim.push(AUTHORIZER, 0).is_err(), "nothing is pushed to it");
}

#[test]
fn the_token_of_an_authorizer_is_a_token_of_its_official_account() {
    let sim = platform();
    let component = component_token(&sim);
    let reply = fetch_authorizer(&sim, &component, REFRESH);
    assert_eq!(
        (&reply["expires_in"], &reply["authorizer_refresh_token"]),
        (&json!(7200), &json!(REFRESH))
    );
    let first = text(&reply, "authorizer_access_token");
    let older_name = format!("{FETCH_AUTHORIZER}?component_access_token={component}");
    let body = json!({"component_appid": COMPONENT, "authorizer_appid": AUTHORIZER, "authorizer_refresh_token": REFRESH});
    let second = text(&post(&sim, &older_name, body), "authorizer_access_token");
    assert_eq!((verdict(&sim, &first), verdict(&sim, &second)), (0, 0));
    sim.advance(300_000);
    assert_eq!((verdict(&sim, &first), verdict(&sim, &second)), (40001, 0));
    let ticket = get(
        &sim,
        &format!("/cgi-bin/ticket/getticket?access_token={second}&type=jsapi"),
    );
    assert_eq!(text(&ticket, "ticket").len(), 86);
    let own = sim.counters_of(AUTHORIZER);
    assert_eq!(own.by_path[FETCH_AUTHORIZER].minted, 2);
    assert_eq!(own.by_path["/cgi-bin/ticket/getticket"].minted, 1);
    assert_eq!(sim.counters_of(COMPONENT).requests, 1);
    sim.advance(2 * HOUR);
    assert_eq!(verdict(&sim, &second), 42001);
    assert_eq!(
        verdict(&sim, &component),
        40001,
        "a component's own token is no account's"
    );
}

#[test]
fn an_authorizer_is_refused_for_each_wrong_field() {
    let sim = platform();
    sim.add_account(AccountSpec::new(Kind::Component, "wxother", "other"));
    let component = component_token(&sim);
    let code = |token: &str, component: &str, id: &str, refresh: &str| {
        let body = json!({"component_appid": component, "authorizer_appid": id, "authorizer_refresh_token": refresh});
        let path = format!("{FETCH_AUTHORIZER}?access_token={token}");
        errcode(&post(&sim, &path, body))
    };
    assert_eq!(code("", COMPONENT, AUTHORIZER, REFRESH), 41001);
    assert_eq!(code("unknown", COMPONENT, AUTHORIZER, REFRESH), 40001);
    assert_eq!(code(&component, "wxother", AUTHORIZER, REFRESH), 61011);
    assert_eq!(code(&component, COMPONENT, "wxstranger", REFRESH), 61003);
    assert_eq!(code(&component, COMPONENT, AUTHORIZER, "wrong"), 61023);
    sim.advance(2 * HOUR);
    assert_eq!(code(&component, COMPONENT, AUTHORIZER, REFRESH), 42001);
    let own = sim.counters_of(AUTHORIZER);
    assert_eq!((own.requests, own.minted), (5, 0));
}

#[test]
fn a_refresh_token_may_be_renewed_at_each_fetch_which_ends_the_old_one() {
    let sim = platform();
    let component = component_token(&sim);
    sim.switches(json!({"refresh_token_changes": true}))
        .unwrap();
    let reply = fetch_authorizer(&sim, &component, REFRESH);
    let second = text(&reply, "authorizer_refresh_token");
    assert!(second != REFRESH && second.len() == 58, "{second}");
    assert_eq!(errcode(&fetch_authorizer(&sim, &component, REFRESH)), 61023);
    let third = fetch_authorizer(&sim, &component, &second);
    sim.switches(json!({"refresh_token_changes": false}))
        .unwrap();
    let third = text(&third, "authorizer_refresh_token");
    let same = fetch_authorizer(&sim, &component, &third);
    assert_eq!(same["authorizer_refresh_token"], third);
    sim.reset();
    let component = component_token(&sim);
    assert_eq!(errcode(&fetch_authorizer(&sim, &component, REFRESH)), 0);
}

#[test]
fn a_lost_reply_may_have_used_up_the_refresh_token() {
    let sim = platform();
    let component = component_token(&sim);
    sim.switches(json!({"refresh_token_changes": true}))
        .unwrap();
    sim.fault_json(json!({"kind": "reset_after", "id": AUTHORIZER}))
        .unwrap();
    let body = json!({"component_appid": COMPONENT, "authorizer_appid": AUTHORIZER, "authorizer_refresh_token": REFRESH});
    let path = format!("{FETCH_AUTHORIZER}?access_token={component}");
    raw(sim.http(), "POST", &path, &body.to_string()).unwrap_err();
    assert_eq!(sim.counters_of(AUTHORIZER).minted, 1);
    assert_eq!(errcode(&fetch_authorizer(&sim, &component, REFRESH)), 61023);
}

#[test]
fn an_account_can_revoke_its_authorization_and_grant_it_again() {
    let sim = platform();
    let token = authorizer_token(&sim);
    let component = component_token(&sim);
    let xml = sim.deauthorize(AUTHORIZER, Some(COMPONENT)).unwrap();
    assert!(
        xml.contains("<AppId>wxcomponent</AppId>")
            && xml.contains(
                "<InfoType>unauthorized</InfoType><AuthorizerAppid>wxauthorizer</AuthorizerAppid>"
            ),
        "{xml}"
    );
    assert_eq!(verdict(&sim, &token), 40001);
    assert_eq!(errcode(&fetch_authorizer(&sim, &component, REFRESH)), 61003);
    assert_eq!(component_verdict(&sim, &component), 61003);
    let (refresh, xml) = sim.authorize(AUTHORIZER, None).unwrap();
    assert!(xml.contains("<InfoType>authorized</InfoType>"), "{xml}");
    assert_eq!(errcode(&fetch_authorizer(&sim, &component, REFRESH)), 61023);
    let fresh = fetch_authorizer(&sim, &component, &refresh);
    assert_eq!(verdict(&sim, &text(&fresh, "authorizer_access_token")), 0);
    assert_eq!(verdict(&sim, &token), 40001, "the old one stays dead");
    assert!(sim.deauthorize(AUTHORIZER, Some("wxother")).is_err());
    assert!(sim.authorize(COMPONENT, None).is_err());
}

#[test]
fn one_account_may_authorize_several_components() {
    let sim = platform();
    let reply = sim
        .post(
            "/accounts",
            json!({"kind": "authorizer", "id": AUTHORIZER, "parent": "wxother"}),
        )
        .unwrap();
    let refresh = text(&reply, "refresh_token");
    assert_eq!((reply["ok"] == true, refresh.len()), (true, 58));
    let token = authorizer_token(&sim);
    let order = json!({"id": AUTHORIZER, "parent": "wxother", "kind": "authorizer"});
    sim.post("/revoke", order).unwrap();
    assert_eq!(verdict(&sim, &token), 0, "it is the other component's");
    sim.deauthorize(AUTHORIZER, Some("wxother")).unwrap();
    assert_eq!(verdict(&sim, &token), 0);
    let order = json!({"id": AUTHORIZER, "parent": COMPONENT, "kind": "authorizer"});
    sim.post("/revoke", order).unwrap();
    assert_eq!(verdict(&sim, &token), 40001);
    let settings =
        json!({"kind": "authorizer", "id": AUTHORIZER, "parent": "wxother", "lifetime_ms": 1});
    let reply = sim.post("/accounts", settings).unwrap();
    assert_eq!(
        reply["refresh_token"], refresh,
        "a setting leaves it as it was"
    );
    for wrong in [
        json!({"kind": "authorizer", "id": "x"}),
        json!({"kind": "component", "id": "x"}),
        json!({"kind": "component", "id": "x", "secret": "y", "parent": "z"}),
    ] {
        assert!(sim.post("/accounts", wrong).is_err());
    }
}

#[test]
fn faults_use_the_open_platforms_field_names() {
    let sim = platform();
    let component = component_token(&sim);
    let struck = |fault: Value| {
        sim.fault_json(fault).unwrap();
        fetch_authorizer(&sim, &component, REFRESH)
    };
    let bent = struck(json!({"kind": "no_refresh_token", "id": AUTHORIZER}));
    assert!(bent.get("authorizer_refresh_token").is_none());
    assert_eq!(verdict(&sim, &text(&bent, "authorizer_access_token")), 0);
    assert_eq!(sim.counters_of(AUTHORIZER).minted, 1);
    let bent = struck(json!({"kind": "no_token", "mint": true}));
    assert_eq!(
        bent,
        json!({"expires_in": 7200, "authorizer_refresh_token": REFRESH})
    );
    let bent = struck(json!({"kind": "wrong_types"}));
    assert!(bent["authorizer_access_token"].is_number());
    let bent = struck(json!({"kind": "errcode", "errcode": 61004}));
    assert!(text(&bent, "errmsg").contains("requestIP: 127.0.0.1 rid: "));
    sim.fault_json(json!({"kind": "expires_in", "value": 1, "id": COMPONENT}))
        .unwrap();
    let (ticket, _) = sim.push(COMPONENT, 0).unwrap();
    assert_eq!(fetch_component(&sim, &ticket)["expires_in"], 1);
}

#[test]
fn secrets_are_masked_and_noticed_where_they_do_not_belong() {
    let sim = platform();
    let (ticket, _) = sim.push(COMPONENT, 0).unwrap();
    let component = text(&fetch_component(&sim, &ticket), "component_access_token");
    fetch_authorizer(&sim, &component, REFRESH);
    let seen = sim.requests(None).to_string();
    for secret in [ticket.as_str(), REFRESH, "c0mponent"] {
        assert!(!seen.contains(secret), "{seen}");
    }
    assert_eq!(sim.requests(Some(AUTHORIZER))[0]["path"], FETCH_AUTHORIZER);
    for secret in [&ticket, REFRESH, &component] {
        raw(
            sim.http(),
            "POST",
            "/stolen",
            &json!({"x": secret}).to_string(),
        )
        .unwrap();
    }
    raw(sim.http(), "POST", "/stolen", "{}").unwrap();
    assert_eq!(sim.counters().secrets_seen_on_redirect_target, 3);
    let body = json!({"component_appid": COMPONENT, "authorizer_appid": AUTHORIZER});
    raw(sim.http(), "POST", "/lost", &body.to_string()).unwrap();
    assert_eq!(sim.requests(Some(AUTHORIZER))[1]["path"], "/lost");
}
