//! qyapi.weixin.qq.com: the access token of a WeCom app.

use serde_json::json;

use crate::{
    account::{Account, Kind, TokenKind},
    errcodes::Host,
    service::{Answer, Call, Outcome, refuse, respond},
    tokens::random_value,
    world::World,
};

const TOKEN_LENGTH: usize = 214;

/// `GET /cgi-bin/gettoken`: the same token while it is valid, unless the switch says otherwise.
pub fn gettoken(world: &mut World, call: &Call) -> Answer {
    match fetch(world, call) {
        Ok((token, left, outcome)) => {
            let seconds = left.div_ceil(1000).max(1);
            let body =
                json!({"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": seconds});
            Answer {
                reply: respond(world, Host::Wecom, &body),
                outcome,
            }
        }
        Err(code) => refuse(world, Host::Wecom, code, None, call.peer),
    }
}

fn fetch(world: &mut World, call: &Call) -> Result<(String, u64, Outcome), i64> {
    let (now, repeats) = (world.now(), world.switches.work_same_token);
    let app = admit(world, call)?;
    let now = now + app.advanced_ms;
    if !app.take_daily(TokenKind::Work, now) {
        return Err(45009);
    }
    let (lifetime, grace) = (app.lifetime(), app.grace());
    let slots = app.slots.entry(TokenKind::Work).or_default();
    if let Some((token, left)) = slots
        .reusable(now, 0)
        .filter(|_| repeats && call.token.is_none())
    {
        return Ok((token.into(), left, Outcome::Same));
    }
    let token = call
        .token
        .clone()
        .unwrap_or_else(|| random_value(TOKEN_LENGTH));
    slots.mint(token.clone(), now, lifetime, grace);
    Ok((token, lifetime, Outcome::Minted { forced: false }))
}

fn admit<'a>(world: &'a mut World, call: &Call) -> Result<&'a mut Account, i64> {
    let secret = call.request.param("corpsecret").ok_or(41004)?;
    let corpid = call.request.param("corpid").ok_or(41002)?;
    world.of_id_of_kind(corpid, Kind::Work).ok_or(40013)?;
    let app = world
        .of_id(corpid)
        .find(|app| app.spec.secret == secret)
        .ok_or(40001)?;
    if app.admits(call.peer) {
        Ok(app)
    } else {
        Err(60020)
    }
}
