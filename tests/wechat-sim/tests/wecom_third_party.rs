//! WeCom's third parties: suite tickets, suite tokens, the tokens of corps that authorized a suite, and providers.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use serde_json::{Value, json};
use wechat_sim::{AccountSpec, Kind, Options, Simulator};

const SUITE: &str = "wwsuite";
const AUTH_CORP: &str = "wwauthcorp";
const CODE: &str = "permanent-c0de";
const FETCH_SUITE: &str = "/cgi-bin/service/get_suite_token";
const FETCH_CORP: &str = "/cgi-bin/service/get_corp_token";
const FETCH_PROVIDER: &str = "/cgi-bin/service/get_provider_token";
const MINUTE: u64 = 60_000;

fn third_party() -> Simulator {
    let accounts = vec![
        AccountSpec::new(Kind::Suite, SUITE, "su1te"),
        AccountSpec::child(Kind::WorkAuthorized, AUTH_CORP, SUITE, CODE),
        AccountSpec::new(Kind::Provider, "wwprovider", "pr0vider"),
    ];
    Simulator::start(Options {
        accounts,
        ..Options::default()
    })
    .unwrap()
}

fn fetch_suite(sim: &Simulator, ticket: &str) -> Value {
    post(
        sim,
        FETCH_SUITE,
        json!({"suite_id": SUITE, "suite_secret": "su1te", "suite_ticket": ticket}),
    )
}

fn suite_token(sim: &Simulator) -> String {
    let (ticket, _) = sim.push(SUITE, 0).unwrap();
    text(&fetch_suite(sim, &ticket), "suite_access_token")
}

fn fetch_corp(sim: &Simulator, suite: &str, code: &str) -> Value {
    post(
        sim,
        &format!("{FETCH_CORP}?suite_access_token={suite}"),
        json!({"auth_corpid": AUTH_CORP, "permanent_code": code}),
    )
}

fn fetch_provider(sim: &Simulator, corp: &str, secret: &str) -> Value {
    post(
        sim,
        FETCH_PROVIDER,
        json!({"corpid": corp, "provider_secret": secret}),
    )
}

fn suite_verdict(sim: &Simulator, token: &str) -> i64 {
    let path = format!("/cgi-bin/service/get_auth_info?suite_access_token={token}");
    errcode(&get(sim, &path))
}

#[test]
fn a_suite_token_is_repeated_while_it_is_valid() {
    let sim = third_party();
    let (ticket, _) = sim.push(SUITE, 0).unwrap();
    let first = fetch_suite(&sim, &ticket);
    assert_eq!(
        (&first["errcode"], &first["errmsg"], &first["expires_in"]),
        (&json!(0), &json!("ok"), &json!(7200))
    );
    let token = text(&first, "suite_access_token");
    assert_eq!(token.len(), 128);
    let (newer, _) = sim.push(SUITE, 0).unwrap();
    assert_eq!(
        fetch_suite(&sim, &newer)["suite_access_token"],
        first["suite_access_token"],
        "a newer ticket does not make it stale"
    );
    assert_eq!(suite_verdict(&sim, &token), 0);
    assert_eq!(
        errcode(&post(
            &sim,
            &format!("/cgi-bin/service/get_auth_info?suite_access_token={token}"),
            json!({})
        )),
        0
    );
    sim.switches(json!({"work_same_token": false})).unwrap();
    let other = text(&fetch_suite(&sim, &ticket), "suite_access_token");
    assert_ne!(other, token);
    sim.revoke(SUITE);
    assert_eq!(suite_verdict(&sim, &other), 40082);
    assert_eq!(suite_verdict(&sim, ""), 41001);
    assert_eq!(suite_verdict(&sim, "unknown"), 40082);
    let last = suite_token(&sim);
    sim.advance(120 * MINUTE);
    assert_eq!(suite_verdict(&sim, &last), 42009);
    let own = sim.counters_of(SUITE);
    assert_eq!((own.minted, own.same), (3, 1));
}

#[test]
fn a_suite_is_refused_for_each_wrong_field() {
    let sim = third_party();
    let (ticket, _) = sim.push(SUITE, 0).unwrap();
    let code = |id: &str, secret: &str, ticket: &str| {
        let body = json!({"suite_id": id, "suite_secret": secret, "suite_ticket": ticket});
        errcode(&post(&sim, FETCH_SUITE, body))
    };
    assert_eq!(code("nobody", "su1te", &ticket), 40083);
    assert_eq!(code(SUITE, "wrong", &ticket), 40080);
    assert_eq!(code(SUITE, "su1te", "never pushed"), 40085);
    assert_eq!(errcode(&get(&sim, FETCH_SUITE)), 43002);
    assert_eq!(sim.counters_of(SUITE).minted, 0);
}

#[test]
fn a_suite_ticket_works_for_half_an_hour() {
    let sim = third_party();
    let (ticket, xml) = sim.push(SUITE, 0).unwrap();
    let head = "<xml><SuiteId><![CDATA[wwsuite]]></SuiteId><InfoType><![CDATA[suite_ticket]]></InfoType><TimeStamp>1";
    let tail = format!("</TimeStamp><SuiteTicket><![CDATA[{ticket}]]></SuiteTicket></xml>");
    assert!(xml.starts_with(head) && xml.ends_with(&tail), "{xml}");
    let code = |ticket: &str| errcode(&fetch_suite(&sim, ticket));
    sim.advance(29 * MINUTE);
    let (old, _) = sim.push(SUITE, 30 * MINUTE).unwrap();
    assert_eq!((code(&ticket), code(&old)), (0, 40085));
    sim.advance_id(SUITE, MINUTE);
    assert_eq!(code(&ticket), 40085);
}

#[test]
fn the_token_of_an_authorized_corporation_belongs_to_its_app() {
    let sim = third_party();
    sim.add_account(AccountSpec::new(Kind::Work, AUTH_CORP, "own"));
    let suite = suite_token(&sim);
    let reply = fetch_corp(&sim, &suite, CODE);
    assert_eq!(reply["expires_in"], 7200);
    let corp = token(&reply);
    assert_eq!(token(&fetch_corp(&sim, &suite, CODE)), corp);
    assert_eq!(work_verdict(&sim, &corp), 0);
    let own = token(&get(
        &sim,
        &format!("/cgi-bin/gettoken?corpid={AUTH_CORP}&corpsecret=own"),
    ));
    let ticket = |path: &str, token: &str| {
        let joint = if path.contains('?') { '&' } else { '?' };
        text(
            &get(&sim, &format!("{path}{joint}access_token={token}")),
            "ticket",
        )
    };
    assert_eq!(
        ticket("/cgi-bin/get_jsapi_ticket", &corp),
        ticket("/cgi-bin/get_jsapi_ticket", &own)
    );
    assert_ne!(
        ticket("/cgi-bin/ticket/get?type=agent_config", &corp),
        ticket("/cgi-bin/ticket/get?type=agent_config", &own)
    );
    assert_eq!(sim.counters_of(AUTH_CORP).by_path[FETCH_CORP].minted, 1);
    sim.advance(120 * MINUTE);
    assert_eq!(work_verdict(&sim, &corp), 42001);
    assert_eq!(errcode(&fetch_corp(&sim, &suite, CODE)), 42009);
}

#[test]
fn a_corporation_is_refused_without_its_suite_its_code_or_its_consent() {
    let sim = third_party();
    let suite = suite_token(&sim);
    assert_eq!(errcode(&fetch_corp(&sim, "", CODE)), 41001);
    assert_eq!(errcode(&fetch_corp(&sim, "unknown", CODE)), 40082);
    assert_eq!(errcode(&fetch_corp(&sim, &suite, "wrong")), 40084);
    let path = format!("{FETCH_CORP}?suite_access_token={suite}");
    let stranger = json!({"auth_corpid": "wwstranger", "permanent_code": CODE});
    assert_eq!(errcode(&post(&sim, &path, stranger)), 40084);
    let corp = token(&fetch_corp(&sim, &suite, CODE));
    let xml = sim.deauthorize(AUTH_CORP, Some(SUITE)).unwrap();
    assert!(
        xml.contains("<InfoType><![CDATA[cancel_auth]]></InfoType>")
            && xml.contains("<AuthCorpId><![CDATA[wwauthcorp]]></AuthCorpId>"),
        "{xml}"
    );
    assert_eq!(work_verdict(&sim, &corp), 40014);
    assert_eq!(errcode(&fetch_corp(&sim, &suite, CODE)), 40084);
    let (code, xml) = sim.authorize(AUTH_CORP, None).unwrap();
    assert!(xml.contains("<![CDATA[create_auth]]>"), "{xml}");
    assert_eq!(errcode(&fetch_corp(&sim, &suite, CODE)), 40084);
    let again = token(&fetch_corp(&sim, &suite, &code));
    assert_ne!(again, corp);
    assert_eq!(work_verdict(&sim, &again), 0);
    sim.revoke(AUTH_CORP);
    assert_eq!(work_verdict(&sim, &again), 40014);
}

#[test]
fn a_provider_has_its_own_token() {
    let sim = third_party();
    let reply = fetch_provider(&sim, "wwprovider", "pr0vider");
    assert_eq!(
        (&reply["errcode"], &reply["errmsg"]),
        (&json!(0), &json!("ok"))
    );
    let token = text(&reply, "provider_access_token");
    assert_eq!(
        fetch_provider(&sim, "wwprovider", "pr0vider")["provider_access_token"],
        token
    );
    let code = |token: &str| {
        let path = format!("/cgi-bin/service/get_login_info?access_token={token}");
        errcode(&post(&sim, &path, json!({"auth_code": "x"})))
    };
    assert_eq!((code(&token), code(""), code("unknown")), (0, 41001, 40014));
    assert_eq!(work_verdict(&sim, &token), 40014);
    assert_eq!(errcode(&fetch_provider(&sim, "nobody", "x")), 40013);
    assert_eq!(errcode(&fetch_provider(&sim, "wwprovider", "x")), 40001);
    sim.advance(120 * MINUTE);
    assert_eq!(code(&token), 42001);
    let own = sim.counters_of("wwprovider");
    assert_eq!((own.minted, own.same, own.errors["40001"]), (1, 1, 1));
}

#[test]
fn faults_use_the_suites_field_names() {
    let sim = third_party();
    let (ticket, _) = sim.push(SUITE, 0).unwrap();
    let struck = |fault: Value| {
        sim.fault_json(fault).unwrap();
        fetch_suite(&sim, &ticket)
    };
    assert_eq!(
        struck(json!({"kind": "no_token", "id": SUITE})),
        json!({"errcode": 0, "errmsg": "ok", "expires_in": 7200})
    );
    let bent = struck(json!({"kind": "token", "length": 500}));
    assert_eq!(text(&bent, "suite_access_token").len(), 500);
    let bent = struck(json!({"kind": "wrong_types"}));
    assert!(bent["suite_access_token"].is_number());
    let bent = struck(json!({"kind": "errcode", "errcode": 40082}));
    assert!(text(&bent, "errmsg").starts_with("invalid suite token, hint: ["));
    let seen = sim.requests(Some(SUITE)).to_string();
    assert!(
        !seen.contains(&ticket) && !seen.contains("su1te\""),
        "{seen}"
    );
}
