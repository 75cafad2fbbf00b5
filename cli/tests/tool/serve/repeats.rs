//! Repeats: a client asks again for the token that it has. Most SDKs have no other way to say that the API refused it.

use super::*;

/// Starts a server with one account, and returns the key of a client with these rights.
fn begun(rights: &[&str]) -> (Desk, Serving, String) {
    let desk = Desk::with_shop();
    let key = desk.client("web", rights);
    let serving = Serving::start(&desk);
    (desk, serving, key)
}

fn token(serving: &Serving, key: &str) -> String {
    let answer = serving.wechat(&classic("wx1", key));
    let token = answer.json()["access_token"].as_str().map(str::to_owned);
    token.unwrap_or_else(|| panic!("{answer:?}"))
}

/// The number of checks, which ask the platform whether it accepts the token.
fn looks(desk: &Desk) -> u64 {
    let business = desk.world.sim.counters_of("wx1").business_by_path;
    let path = "/cgi-bin/get_api_domain_ip";
    business.get(path).copied().unwrap_or_default()
}

fn rejects(desk: &Desk) -> Value {
    let report = parsed(&desk.done(&["status", "--json"]));
    report["accounts"][0]["tokens"][0]["rejects"].clone()
}

#[test]
fn a_token_that_the_platform_has_taken_back_is_replaced_within_the_call() {
    let (desk, serving, key) = begun(&[]);
    let first = token(&serving, &key);
    assert!(desk.world.sim.revoke("wx1"));
    let second = token(&serving, &key);
    assert_ne!(second, first);
    assert!(desk.world.accepts(&second));
    assert_eq!((desk.world.minted(), rejects(&desk)), (2, json!(1)));
}

#[test]
fn a_good_token_is_looked_at_once_and_not_rejected() {
    let (desk, serving, key) = begun(&[]);
    let first = token(&serving, &key);
    assert_eq!(looks(&desk), 0, "the first call is not a repeat");
    for _ in 0..20 {
        assert_eq!(token(&serving, &key), first);
    }
    // On a machine that stalls for half a minute there is a second check, and after a minute a third.
    assert!((1..=3).contains(&looks(&desk)), "{}", looks(&desk));
    assert_eq!((desk.world.minted(), rejects(&desk)), (1, json!(0)));
}

#[test]
fn many_repeats_of_a_token_that_was_taken_back_cost_one_mint() {
    let (desk, serving, key) = begun(&[]);
    let first = token(&serving, &key);
    assert!(desk.world.sim.revoke("wx1"));
    let got: Vec<String> = std::thread::scope(|scope| {
        let ask = || scope.spawn(|| token(&serving, &key));
        let asking: Vec<_> = (0..20).map(|_| ask()).collect();
        let ended = asking.into_iter().map(|one| one.join().unwrap());
        ended.collect()
    });
    assert!(got.iter().all(|one| *one == got[0] && *one != first));
    assert_eq!((desk.world.minted(), rejects(&desk)), (2, json!(1)));
}

#[test]
fn the_first_call_of_a_client_is_not_a_repeat() {
    let (desk, serving, key) = begun(&[]);
    let other = desk.client("other", &[]);
    let first = token(&serving, &key);
    assert_eq!(token(&serving, &other), first);
    assert_eq!(looks(&desk), 0);
}

#[test]
fn a_repeat_by_a_client_that_may_not_reject_checks_nothing() {
    let (desk, serving, key) = begun(&["--allow", "get"]);
    let first = token(&serving, &key);
    assert!(desk.world.sim.revoke("wx1"));
    assert_eq!(token(&serving, &key), first);
    assert_eq!((looks(&desk), desk.world.minted()), (0, 1));
}

#[test]
fn a_check_without_an_answer_leaves_the_token_as_it_is() {
    let (desk, serving, key) = begun(&[]);
    let first = token(&serving, &key);
    desk.world.fault(
        json!({"kind": "errcode", "errcode": -1, "path": "/cgi-bin/get_api_domain_ip", "times": 0}),
    );
    assert_eq!(token(&serving, &key), first);
    assert_eq!((desk.world.minted(), rejects(&desk)), (1, json!(0)));
}
