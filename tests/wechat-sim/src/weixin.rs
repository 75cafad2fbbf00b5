//! api.weixin.qq.com: the classic and the stable access token of official accounts and mini programs.

use serde_json::{Value, json};

use crate::{
    account::{Account, Kind, TokenKind},
    errcodes::Host,
    service::{Answer, Call, Outcome, refuse, respond},
    tokens::random_value,
    world::{ForceInsideGap, World},
};

/// Real ones have 136 to 157 characters.
const TOKEN_LENGTH: usize = 140;

/// A token to hand out, with its milliseconds left.
struct Grant {
    token: String,
    left: u64,
    outcome: Outcome,
}

/// `GET /cgi-bin/token`: every fetch mints.
pub fn classic(world: &mut World, call: &Call) -> Answer {
    let granted = if call.request.method == "GET" {
        fetch_classic(world, call)
    } else {
        Err(43001)
    };
    answer(world, call, granted)
}

fn fetch_classic(world: &mut World, call: &Call) -> Result<Grant, i64> {
    let now = world.now();
    let account = admit(world, call)?;
    let now = now + account.advanced_ms;
    if !account.take_daily(TokenKind::Classic, now) {
        return Err(45009);
    }
    Ok(mint(account, TokenKind::Classic, now, call, false))
}

/// `POST /cgi-bin/stable_token`: the same token again, until its last minutes or by force.
pub fn stable(world: &mut World, call: &Call) -> Answer {
    let granted = match (&call.json, call.request.method.as_str()) {
        (_, method) if method != "POST" => Err(43002),
        (Some(Value::Object(_)), _) => fetch_stable(world, call),
        _ => Err(47001),
    };
    answer(world, call, granted)
}

fn fetch_stable(world: &mut World, call: &Call) -> Result<Grant, i64> {
    let wants_force = call
        .json
        .as_ref()
        .is_some_and(|body| body.get("force_refresh") == Some(&Value::Bool(true)));
    let (now, inside_gap, minute_code) = (
        world.now(),
        world.switches.force_inside_gap,
        world.switches.minute_quota_code,
    );
    let account = admit(world, call)?;
    let now = now + account.advanced_ms;
    if !account.take_minute(now) {
        return Err(minute_code);
    }
    if !account.take_daily(TokenKind::Stable, now) {
        return Err(45009);
    }
    let too_soon = account.inside_force_gap(now);
    if wants_force && too_soon && inside_gap == ForceInsideGap::Refused {
        return Err(45009);
    }
    if wants_force && !too_soon {
        if !account.take_force(now) {
            return Err(45009);
        }
        account.forced_at = Some(now);
        return Ok(mint(account, TokenKind::Stable, now, call, true));
    }
    let window = account.renew_window();
    let again = account
        .slots
        .get(&TokenKind::Stable)
        .and_then(|slots| slots.reusable(now, window));
    match again.filter(|_| call.token.is_none()) {
        Some((token, left)) => Ok(Grant {
            token: token.into(),
            left,
            outcome: Outcome::Same,
        }),
        None => Ok(mint(account, TokenKind::Stable, now, call, false)),
    }
}

/// The checks both endpoints make, in the order the live service makes them.
fn admit<'a>(world: &'a mut World, call: &Call) -> Result<&'a mut Account, i64> {
    let wrong_secret = world.switches.wrong_secret_code;
    let appid = call.param("appid").ok_or(41002)?;
    let account = world.of_id_of_kind(appid, Kind::Official).ok_or(40013)?;
    if call.param("grant_type") != Some("client_credential") {
        return Err(40002);
    }
    let secret = call.param("secret").ok_or(41004)?;
    if secret != account.spec.secret {
        return Err(wrong_secret);
    }
    if !account.admits(call.peer) {
        return Err(40164);
    }
    Ok(account)
}

fn mint(account: &mut Account, kind: TokenKind, now: u64, call: &Call, forced: bool) -> Grant {
    let token = call
        .token
        .clone()
        .unwrap_or_else(|| random_value(TOKEN_LENGTH));
    let (lifetime, grace) = (account.lifetime(), account.grace());
    account
        .slots
        .entry(kind)
        .or_default()
        .mint(token.clone(), now, lifetime, grace);
    Grant {
        token,
        left: lifetime,
        outcome: Outcome::Minted { forced },
    }
}

/// Success carries no errcode here.
fn answer(world: &World, call: &Call, granted: Result<Grant, i64>) -> Answer {
    match granted {
        Ok(grant) => {
            let seconds = grant.left.div_ceil(1000).max(1);
            let body = json!({"access_token": grant.token, "expires_in": seconds});
            Answer {
                reply: respond(world, Host::Weixin, &body),
                outcome: grant.outcome,
            }
        }
        Err(code) => refuse(world, Host::Weixin, code, None, call.peer),
    }
}
