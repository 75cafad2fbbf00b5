//! Tickets of official accounts, WeCom corps and apps, and the pages that they sign for.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use wechat_sim::{AccountSpec, Kind, Revocation, Simulator, TokenKind, Which};

const HOUR: u64 = 3_600_000;
const OFFICIAL: &str = "/cgi-bin/ticket/getticket";

fn ticket(sim: &Simulator, token: &str, kind: &str) -> Value {
    get(sim, &format!("{OFFICIAL}?access_token={token}&type={kind}"))
}

fn corp_ticket(sim: &Simulator, token: &str) -> Value {
    get(
        sim,
        &format!("/cgi-bin/get_jsapi_ticket?access_token={token}"),
    )
}

fn app_ticket(sim: &Simulator, token: &str) -> Value {
    get(
        sim,
        &format!("/cgi-bin/ticket/get?access_token={token}&type=agent_config"),
    )
}

fn revoke(sim: &Simulator, id: &str, kind: TokenKind) {
    assert!(sim.revoke_with(&Revocation {
        id: id.into(),
        secret: None,
        which: Which::All,
        kind: Some(kind),
        sticky: false,
    }));
}

#[test]
fn an_account_has_one_ticket_whichever_token_asks() {
    let sim = simulator();
    let classic = token(&get(&sim, CLASSIC));
    let stable = token(&stable(&sim, false));
    let first = ticket(&sim, &classic, "jsapi");
    assert_eq!(text(&first, "ticket").len(), 86);
    assert_eq!(
        (&first["errcode"], &first["errmsg"], &first["expires_in"]),
        (&json!(0), &json!("ok"), &json!(7200))
    );
    sim.advance(100_000);
    let again = ticket(&sim, &stable, "jsapi");
    assert_eq!(again["ticket"], first["ticket"]);
    assert!(again["expires_in"].as_u64().unwrap() <= 7100);
    assert_ne!(
        ticket(&sim, &stable, "wx_card")["ticket"],
        first["ticket"],
        "a card ticket is another"
    );
    let own = sim.counters_of(APP);
    let at = |path: &str| (own.by_path[path].requests, own.by_path[path].minted);
    assert_eq!((own.minted, own.same), (4, 1));
    assert_eq!((at(OFFICIAL), at("/cgi-bin/token")), ((3, 2), (1, 1)));
    assert_eq!(sim.tokens(Some(APP)).as_array().unwrap().len(), 4);
}

#[test]
fn a_ticket_needs_a_valid_token_and_a_known_type() {
    let sim = simulator();
    let good = token(&get(&sim, CLASSIC));
    let code = |token: &str, kind: &str| errcode(&ticket(&sim, token, kind));
    assert_eq!(code(&good, "agent_config"), 40097);
    assert_eq!(code(&good, ""), 40097);
    assert_eq!(code("", "jsapi"), 41001);
    assert_eq!(code(&"x".repeat(140), "jsapi"), 40001);
    let work = token(&get(&sim, WORK));
    assert_eq!(code(&work, "jsapi"), 40001);
    assert_eq!(sim.counters_of(CORP).errors["40001"], 1);
    revoke(&sim, APP, TokenKind::Classic);
    assert_eq!(code(&good, "jsapi"), 40001);
    let old = token(&get(&sim, CLASSIC));
    sim.advance(2 * HOUR);
    assert_eq!(code(&old, "jsapi"), 42001);
    assert_eq!(sim.counters_of(APP).by_path[OFFICIAL].minted, 0);
    let reply = post(&sim, OFFICIAL, json!({}));
    assert_eq!(errcode(&reply), 43001);
}

#[test]
fn a_ticket_expires_can_be_revoked_and_has_a_quota() {
    let sim = simulator();
    let mut spec = AccountSpec::new(Kind::Official, APP, "s3cret");
    spec.ticket_quota = Some(4);
    sim.add_account(spec);
    let fetch = || {
        let token = token(&stable(&sim, false));
        ticket(&sim, &token, "jsapi")
    };
    let first = fetch();
    sim.advance(2 * HOUR);
    let second = fetch();
    assert_ne!(first["ticket"], second["ticket"], "its lifetime was over");
    revoke(&sim, APP, TokenKind::JsapiTicket);
    let third = fetch();
    assert_ne!(second["ticket"], third["ticket"]);
    assert_eq!(fetch()["ticket"], third["ticket"]);
    assert_eq!(errcode(&fetch()), 45009);
    sim.advance(24 * HOUR);
    assert_eq!(errcode(&fetch()), 0);
}

#[test]
fn a_new_ticket_leaves_the_old_one_working() {
    let sim = simulator();
    sim.switches(json!({"ticket_same": false})).unwrap();
    let token = token(&get(&sim, CLASSIC));
    let tickets = [0; 4].map(|_| text(&ticket(&sim, &token, "jsapi"), "ticket"));
    for ticket in &tickets {
        assert_eq!(page(&sim, APP, ticket, false), Ok(()));
    }
    assert_eq!(sim.counters_of(APP).by_path[OFFICIAL].minted, 4);
}

#[test]
fn the_apps_of_a_corporation_share_its_ticket_and_keep_their_own() {
    let sim = simulator();
    sim.add_account(AccountSpec::new(Kind::Work, CORP, "another"));
    let one = token(&get(&sim, WORK));
    let two = token(&get(
        &sim,
        "/cgi-bin/gettoken?corpid=wwtest&corpsecret=another",
    ));
    let shared = corp_ticket(&sim, &one);
    assert_eq!(text(&shared, "ticket").len(), 86);
    assert_eq!(corp_ticket(&sim, &two)["ticket"], shared["ticket"]);
    let own = app_ticket(&sim, &one);
    assert_ne!(own["ticket"], app_ticket(&sim, &two)["ticket"]);
    assert_eq!(app_ticket(&sim, &one)["ticket"], own["ticket"]);
    revoke(&sim, CORP, TokenKind::WorkJsapiTicket);
    assert_ne!(corp_ticket(&sim, &two)["ticket"], shared["ticket"]);
    assert_eq!(app_ticket(&sim, &one)["ticket"], own["ticket"]);
}

#[test]
fn wecom_counts_tickets_by_the_hour() {
    let sim = simulator();
    sim.add_account(AccountSpec::new(Kind::Work, CORP, "another"));
    let one = token(&get(&sim, WORK));
    let two = token(&get(
        &sim,
        "/cgi-bin/gettoken?corpid=wwtest&corpsecret=another",
    ));
    for _ in 0..100 {
        assert_eq!(errcode(&app_ticket(&sim, &one)), 0);
    }
    assert_eq!(errcode(&app_ticket(&sim, &one)), 45009);
    assert_eq!(errcode(&app_ticket(&sim, &two)), 0);
    // 100 fetches for each app, and 400 for all apps of the corp.
    let mut apps = vec![one.clone(), two.clone()];
    for secret in ["third", "fourth", "fifth"] {
        sim.add_account(AccountSpec::new(Kind::Work, CORP, secret));
        let fetch = format!("/cgi-bin/gettoken?corpid=wwtest&corpsecret={secret}");
        apps.push(token(&get(&sim, &fetch)));
    }
    for app in &apps[..4] {
        for _ in 0..100 {
            assert_eq!(errcode(&corp_ticket(&sim, app)), 0);
        }
        assert_eq!(errcode(&corp_ticket(&sim, app)), 45009);
    }
    assert_eq!(errcode(&corp_ticket(&sim, &apps[4])), 45009);
    sim.advance(HOUR);
    assert_eq!(errcode(&corp_ticket(&sim, &two)), 0);
    assert_eq!(errcode(&app_ticket(&sim, &one)), 0);
}

#[test]
fn wecom_bans_an_address_for_an_hour_after_2000_failures() {
    let sim = simulator();
    let wrong = "/cgi-bin/gettoken?corpid=wwtest&corpsecret=wrong";
    for _ in 0..1_999 {
        assert_eq!(errcode(&get(&sim, wrong)), 40001);
    }
    assert_eq!(errcode(&get(&sim, WORK)), 0);
    assert_eq!(errcode(&get(&sim, wrong)), 40001);
    assert_eq!(errcode(&get(&sim, WORK)), 45009);
    assert_eq!(errcode(&get(&sim, CLASSIC)), 0, "another platform");
    sim.advance(HOUR);
    assert_eq!(errcode(&get(&sim, WORK)), 0);
}

#[test]
fn wecom_refuses_a_token_for_tickets_with_its_own_codes() {
    let sim = simulator();
    let good = token(&get(&sim, WORK));
    assert_eq!(errcode(&corp_ticket(&sim, "")), 41001);
    assert_eq!(errcode(&app_ticket(&sim, &"x".repeat(214))), 40014);
    let wrong = format!("/cgi-bin/ticket/get?access_token={good}&type=jsapi");
    assert_eq!(errcode(&get(&sim, &wrong)), 40005);
    sim.advance(2 * HOUR);
    assert_eq!(errcode(&corp_ticket(&sim, &good)), 42001);
    assert_eq!(errcode(&app_ticket(&sim, &good)), 42001);
}

#[test]
fn faults_change_a_ticket_as_they_change_a_token() {
    let sim = simulator();
    let good = token(&get(&sim, CLASSIC));
    let struck = |fault: Value| {
        sim.fault_json(fault).unwrap();
        ticket(&sim, &good, "jsapi")
    };
    let bent = struck(json!({"kind": "wrong_types", "id": APP}));
    assert!(bent["ticket"].is_number() && bent["expires_in"].is_object());
    assert_eq!(
        struck(json!({"kind": "no_token", "path": OFFICIAL})),
        json!({"errcode": 0, "errmsg": "ok", "expires_in": 7200})
    );
    let bent = struck(json!({"kind": "token", "value": "a ticket"}));
    assert_eq!(bent["ticket"], "a ticket");
    assert_eq!(page(&sim, APP, "a ticket", false), Ok(()));
    let bent = struck(json!({"kind": "huge_body", "bytes": 10}));
    assert_eq!(
        (&bent["pad"], &bent["ticket"]),
        (&json!("x".repeat(10)), &json!("a ticket"))
    );
    let refused = struck(json!({"kind": "errcode", "errcode": -1}));
    assert_eq!(errcode(&refused), -1);
}

/// The page's answer to a signature made with that ticket.
fn page(sim: &Simulator, id: &str, ticket: &str, agent: bool) -> Result<(), String> {
    let url = "https://example.test/a?b=1";
    let text =
        format!("jsapi_ticket={ticket}&noncestr=Wm3WZYTPz0wzccnW&timestamp=1414587457&url={url}");
    let signature: String = Sha1::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    sim.js_config(json!({
        "appid": id, "url": format!("{url}#anchor"), "noncestr": "Wm3WZYTPz0wzccnW",
        "timestamp": 1414587457, "signature": signature, "agent": agent,
    }))
    .unwrap()
}

#[test]
fn a_page_accepts_only_the_signature_of_a_valid_ticket() {
    let sim = simulator();
    assert_eq!(
        page(&sim, APP, "none", false),
        Err("no valid ticket".into())
    );
    let official = text(
        &ticket(&sim, &token(&get(&sim, CLASSIC)), "jsapi"),
        "ticket",
    );
    let card = text(
        &ticket(&sim, &token(&stable(&sim, false)), "wx_card"),
        "ticket",
    );
    assert_eq!(page(&sim, APP, &official, false), Ok(()));
    assert_eq!(
        page(&sim, APP, &card, false),
        Err("invalid signature".into())
    );
    let work = token(&get(&sim, WORK));
    let (corp, app) = (
        text(&corp_ticket(&sim, &work), "ticket"),
        text(&app_ticket(&sim, &work), "ticket"),
    );
    assert_eq!(page(&sim, CORP, &corp, false), Ok(()));
    assert_eq!(page(&sim, CORP, &app, true), Ok(()));
    assert_eq!(
        page(&sim, CORP, &corp, true),
        Err("invalid signature".into())
    );
    sim.advance(2 * HOUR);
    assert_eq!(
        page(&sim, APP, &official, false),
        Err("no valid ticket".into())
    );
}
