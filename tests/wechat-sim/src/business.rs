//! Endpoints that do no more than accept or refuse an access token, as every business endpoint of the service does.

use serde_json::{Value, json};

use crate::{
    account::{Account, Kind},
    errcodes::Host,
    service::{Answer, Call, Outcome, refuse, respond},
    tokens::Standing,
    world::World,
};

/// Shorter than any token the service ever gave.
const SHORTEST: usize = 16;

/// `GET /cgi-bin/getcallbackip` and `/cgi-bin/get_api_domain_ip`: classic and stable tokens alike.
pub fn ip_list(world: &mut World, call: &Call) -> Answer {
    answer(
        world,
        call,
        Host::Weixin,
        Kind::Official,
        json!({"ip_list": ["127.0.0.1"]}),
    )
}

/// `GET /cgi-bin/agent/list` of WeCom.
pub fn agent_list(world: &mut World, call: &Call) -> Answer {
    answer(
        world,
        call,
        Host::Wecom,
        Kind::Work,
        json!({"errcode": 0, "errmsg": "ok", "agentlist": []}),
    )
}

/// The account whose token it is.
pub fn owner<'a>(world: &'a World, token: &str) -> Option<&'a Account> {
    world.accounts.iter().find(|account| {
        account
            .slots
            .values()
            .any(|slots| slots.find(token).is_some())
    })
}

fn answer(world: &World, call: &Call, host: Host, kind: Kind, success: Value) -> Answer {
    match refusal(world, call, host, kind) {
        Some(code) => refuse(world, host, code, None, call.peer),
        None => Answer {
            reply: respond(world, host, &success),
            outcome: Outcome::Served,
        },
    }
}

fn refusal(world: &World, call: &Call, host: Host, kind: Kind) -> Option<i64> {
    let Some(value) = call.request.param("access_token") else {
        return Some(41001);
    };
    let not_latest = if host == Host::Weixin { 40001 } else { 40014 };
    let Some(account) = owner(world, value).filter(|account| account.spec.kind == kind) else {
        let is_formed = value.len() >= SHORTEST
            && value
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        return Some(if is_formed { not_latest } else { 40014 });
    };
    let now = world.now() + account.advanced_ms;
    match account
        .slots
        .values()
        .find_map(|slots| slots.find(value))
        .map(|token| token.standing(now))
    {
        Some(Standing::Valid) => None,
        Some(Standing::Expired) => Some(42001),
        _ => Some(not_latest),
    }
}
