//! The three kinds of token behave as WeChat documents them.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use serde_json::json;
use wechat_sim::{AccountSpec, Kind, Revocation, TokenKind, Which};

const MINUTE: u64 = 60_000;

#[test]
fn a_classic_fetch_leaves_the_last_token_in_grace_and_the_next_evicts_it() {
    let sim = simulator();
    let first = token(&get(&sim, CLASSIC));
    let second = token(&get(&sim, CLASSIC));
    assert_eq!((verdict(&sim, &first), verdict(&sim, &second)), (0, 0));
    let third = token(&get(&sim, CLASSIC));
    assert_eq!(
        (
            verdict(&sim, &first),
            verdict(&sim, &second),
            verdict(&sim, &third)
        ),
        (40001, 0, 0)
    );
    sim.advance(5 * MINUTE);
    assert_eq!((verdict(&sim, &second), verdict(&sim, &third)), (40001, 0));
    sim.advance(7_200_000);
    assert_eq!(verdict(&sim, &third), 42001);
    assert_eq!(sim.counters_of(APP).minted, 3);
}

#[test]
fn a_stable_token_is_repeated_until_its_last_five_minutes() {
    let sim = simulator();
    let first = stable(&sim, false);
    assert_eq!(first["expires_in"], 7200);
    sim.advance(114 * MINUTE);
    let again = stable(&sim, false);
    assert_eq!(token(&again), token(&first));
    let left = again["expires_in"].as_u64().unwrap();
    assert!((300..=360).contains(&left), "{left}");
    sim.advance(MINUTE);
    let renewed = stable(&sim, false);
    assert_ne!(token(&renewed), token(&first));
    assert_eq!(
        (
            verdict(&sim, &token(&first)),
            verdict(&sim, &token(&renewed))
        ),
        (0, 0)
    );
    sim.advance(5 * MINUTE);
    assert_ne!(verdict(&sim, &token(&first)), 0);
    let own = sim.counters_of(APP);
    assert_eq!((own.minted, own.same, own.forced), (2, 1, 0));
}

#[test]
fn a_short_lifetime_scales_the_five_minutes_down() {
    let sim = simulator();
    let mut spec = AccountSpec::new(Kind::Official, APP, "s3cret");
    spec.lifetime_ms = Some(240_000);
    sim.add_account(spec);
    let first = stable(&sim, false);
    assert_eq!(first["expires_in"], 240);
    sim.advance(225_000);
    assert_eq!(token(&stable(&sim, false)), token(&first));
    sim.advance(6_000);
    assert_ne!(token(&stable(&sim, false)), token(&first));
}

#[test]
fn classic_and_stable_do_not_disturb_each_other() {
    let sim = simulator();
    let kept = token(&stable(&sim, false));
    for _ in 0..3 {
        get(&sim, CLASSIC);
    }
    assert_eq!(verdict(&sim, &kept), 0);
    assert_eq!(token(&stable(&sim, false)), kept);
}

#[test]
fn force_has_a_gap_and_a_daily_limit() {
    let sim = simulator();
    let first = token(&stable(&sim, false));
    let second = token(&stable(&sim, true));
    assert_ne!(first, second);
    assert_eq!(
        verdict(&sim, &first),
        0,
        "one force leaves the old one in grace"
    );
    assert_eq!(
        token(&stable(&sim, true)),
        second,
        "inside the gap: the current one"
    );
    sim.switches(json!({"force_inside_gap": "45009"})).unwrap();
    assert_eq!(stable(&sim, true)["errcode"], 45009);
    sim.advance(30_000);
    stable(&sim, true);
    assert_eq!(verdict(&sim, &first), 40001, "a second force evicts it");
    for _ in 2..20 {
        sim.advance(30_000);
        token(&stable(&sim, true));
    }
    sim.advance(30_000);
    assert_eq!(stable(&sim, true)["errcode"], 45009, "the 21st of the day");
    assert_eq!(sim.counters().forced, 20);
    sim.advance(24 * 60 * MINUTE);
    token(&stable(&sim, true));
}

#[test]
fn only_force_ends_a_sticky_revocation() {
    let sim = simulator();
    let first = token(&stable(&sim, false));
    let order = Revocation {
        id: APP.into(),
        secret: None,
        which: Which::All,
        kind: Some(TokenKind::Stable),
        sticky: true,
    };
    assert!(sim.revoke_with(&order));
    assert_eq!(verdict(&sim, &first), 40001);
    assert_eq!(token(&stable(&sim, false)), first);
    let forced = token(&stable(&sim, true));
    assert_eq!(verdict(&sim, &forced), 0);
    assert!(sim.revoke(APP));
    let fresh = token(&stable(&sim, false));
    assert_ne!(fresh, forced, "without sticky, the next fetch heals");
    assert!(!sim.revoke("nobody"));
}

#[test]
fn the_daily_quota_ends_in_45009_and_is_restored_the_next_day() {
    let sim = simulator();
    let mut spec = AccountSpec::new(Kind::Official, APP, "s3cret");
    spec.daily_quota = Some(2);
    spec.minute_quota = Some(1);
    sim.add_account(spec);
    token(&get(&sim, CLASSIC));
    token(&get(&sim, CLASSIC));
    assert_eq!(get(&sim, CLASSIC)["errcode"], 45009);
    token(&stable(&sim, false));
    sim.switches(json!({"minute_quota_code": 45011})).unwrap();
    assert_eq!(stable(&sim, false)["errcode"], 45011);
    sim.advance_id(APP, 24 * 60 * MINUTE);
    token(&get(&sim, CLASSIC));
}

#[test]
fn errors_take_the_precedence_of_the_live_service() {
    let sim = simulator();
    let code = |target: &str| get(&sim, target)["errcode"].as_i64().unwrap();
    assert_eq!(code("/cgi-bin/token"), 41002);
    assert_eq!(
        code("/cgi-bin/token?appid=nobody"),
        40013,
        "a bad appid wins over a missing grant type"
    );
    assert_eq!(code("/cgi-bin/token?appid=wxtest&secret=s3cret"), 40002);
    assert_eq!(
        code("/cgi-bin/token?appid=wxtest&grant_type=client_credential"),
        41004
    );
    let wrong = "/cgi-bin/token?grant_type=client_credential&appid=wxtest&secret=wrong";
    assert_eq!(code(wrong), 40125);
    sim.switches(json!({"wrong_secret_code": 40001})).unwrap();
    assert_eq!(code(wrong), 40001);
    assert_eq!(code("/cgi-bin/stable_token"), 43002);
    let garbled = json(&raw(sim.http(), "POST", "/cgi-bin/stable_token", "{").unwrap());
    assert_eq!(garbled["errcode"], 47001);
    assert_eq!(code("/cgi-bin/gettoken"), 41004);
    assert_eq!(code("/cgi-bin/gettoken?corpid=nobody&corpsecret=x"), 40013);
    assert_eq!(code("/cgi-bin/gettoken?corpid=wwtest&corpsecret=x"), 40001);
    assert_eq!(sim.counters().minted, 0);
    assert_eq!(sim.counters_of(APP).errors["40125"], 1);
}

#[test]
fn each_host_words_its_errors_in_its_own_way() {
    let sim = simulator();
    let message = get(&sim, "/cgi-bin/token")["errmsg"]
        .as_str()
        .unwrap()
        .to_owned();
    let rid = message.rsplit_once(" rid: ").unwrap().1;
    assert!(rid.split('-').all(|part| part.len() == 8), "{message}");
    let (head, _) = parts(&raw(sim.http(), "GET", "/cgi-bin/gettoken", "").unwrap());
    assert!(
        head.contains("Error-Code: 41004")
            && head.contains("Error-Msg: corpsecret missing, hint: ["),
        "{head}"
    );
    sim.switches(json!({"text_plain": true})).unwrap();
    let (head, _) = parts(&raw(sim.http(), "GET", CLASSIC, "").unwrap());
    assert!(head.contains("Content-Type: text/plain"), "{head}");
    let (head, body) = parts(&raw(sim.http(), "GET", "/cgi-bin/nothing", "").unwrap());
    assert!(
        head.starts_with("HTTP/1.1 404") && body.is_empty(),
        "{head}"
    );
}

#[test]
fn each_wecom_app_has_its_own_token() {
    let sim = simulator();
    sim.add_account(AccountSpec::new(Kind::Work, CORP, "another"));
    let first = get(&sim, WORK);
    assert_eq!(
        (&first["errcode"], &first["errmsg"]),
        (&json!(0), &json!("ok"))
    );
    assert_eq!(token(&first).len(), 214);
    sim.advance(100_000);
    let again = get(&sim, WORK);
    assert_eq!(token(&again), token(&first));
    assert!(again["expires_in"].as_u64().unwrap() <= 7100);
    let other = token(&get(
        &sim,
        "/cgi-bin/gettoken?corpid=wwtest&corpsecret=another",
    ));
    assert_ne!(other, token(&first));
    assert_eq!(
        (
            work_verdict(&sim, &token(&first)),
            work_verdict(&sim, &other)
        ),
        (0, 0)
    );
    sim.switches(json!({"work_same_token": false})).unwrap();
    assert_ne!(token(&get(&sim, WORK)), token(&first));
    assert_eq!(
        verdict(&sim, &other),
        40001,
        "a WeCom token is nothing to api.weixin"
    );
}

#[test]
fn a_business_call_tells_missing_malformed_and_unknown_tokens_apart() {
    let sim = simulator();
    assert_eq!(get(&sim, "/cgi-bin/get_api_domain_ip")["errcode"], 41001);
    assert_eq!(verdict(&sim, "short"), 40014);
    assert_eq!(verdict(&sim, &"x".repeat(140)), 40001);
    assert_eq!(work_verdict(&sim, &"x".repeat(214)), 40014);
    let good = token(&get(&sim, WORK));
    sim.advance(7_200_000);
    assert_eq!(work_verdict(&sim, &good), 42001);
    let business = sim.counters().business;
    assert_eq!((business.ok, business.refused), (0, 5));
}

#[test]
fn a_refusal_names_an_address_that_is_not_on_the_list() {
    let sim = simulator();
    let mut spec = AccountSpec::new(Kind::Official, APP, "s3cret");
    spec.allow_ips = Some(vec!["10.0.0.1".parse().unwrap()]);
    sim.add_account(spec.clone());
    let refusal = get(&sim, CLASSIC);
    assert_eq!(refusal["errcode"], 40164);
    assert!(refusal["errmsg"].as_str().unwrap().contains("127.0.0.1"));
    spec.allow_ips = Some(vec!["127.0.0.1".parse().unwrap()]);
    sim.add_account(spec);
    token(&get(&sim, CLASSIC));
    let mut app = AccountSpec::new(Kind::Work, CORP, "c0rpsecret");
    app.allow_ips = Some(Vec::new());
    sim.add_account(app);
    let refusal = get(&sim, WORK);
    assert_eq!(refusal["errcode"], 60020);
    assert!(
        refusal["errmsg"]
            .as_str()
            .unwrap()
            .contains("from ip: 127.0.0.1")
    );
}

#[test]
fn a_changed_secret_takes_effect_at_once() {
    let sim = simulator();
    sim.add_account(AccountSpec::new(Kind::Official, APP, "newer"));
    assert_eq!(get(&sim, CLASSIC)["errcode"], 40125);
    token(&get(
        &sim,
        "/cgi-bin/token?grant_type=client_credential&appid=wxtest&secret=newer",
    ));
    sim.reset();
    token(&get(&sim, CLASSIC));
    assert_eq!(sim.counters().minted, 1);
}
