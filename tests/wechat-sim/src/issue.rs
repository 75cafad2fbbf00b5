//! How an endpoint hands out a credential: the quota, the rule that decides between minting and repeating, and the
//! reply.

use serde_json::{Map, Value, json};

use crate::{
    account::Account,
    checks,
    errcodes::{Code, Code::Number, Host},
    kinds::TokenKind,
    routes::{Credential, Fields, Older, Route, Rule},
    service::{Answer, Call, Outcome, refuse, respond},
    tokens::random_value,
    world::{ForceInsideGap, Switches, World},
};

/// A token to hand out, and the milliseconds it has left.
struct Grant {
    token: String,
    left: u64,
    refresh: Option<String>,
    outcome: Outcome,
}

/// Checks the request and hands out the credential.
pub fn issue(world: &mut World, call: &Call, route: &Route, credential: &Credential) -> Answer {
    match fetch(world, call, route, credential) {
        Ok(grant) => {
            let mut reply = respond(world, route.host, &success(&credential.reply, &grant));
            if credential.kind == TokenKind::Stable && !world.switches.text_plain {
                let json = "application/json; encoding=utf-8";
                reply.headers = vec![("Content-Type".into(), json.into())];
            }
            Answer {
                reply,
                outcome: grant.outcome,
            }
        }
        Err(code) => refuse(world, route.host, code, None, call.peer),
    }
}

fn fetch(
    world: &mut World,
    call: &Call,
    route: &Route,
    credential: &Credential,
) -> Result<Grant, Code> {
    let mut at = checks::walk(world, call, route)?;
    let now = world.now();
    if let Some(limit) = credential.per_corp {
        let app = &mut world.accounts[at];
        if !app.take_app_quota(credential, limit, now + app.advanced_ms) {
            return Err(route.host.over_quota());
        }
        at = world.first_of_corp(at);
    }
    let (account, switches) = (&mut world.accounts[at], &world.switches);
    let now = now + account.advanced_ms;
    if matches!(credential.rule, Rule::Stable) && !account.take_minute(now) {
        return Err(match route.host {
            Host::Weixin => Number(switches.minute_quota_code),
            other => other.over_quota(),
        });
    }
    if !account.take_quota(credential, now) {
        return Err(route.host.over_quota());
    }
    let mut grant = match credential.rule {
        Rule::Mints => mint(account, credential, now, call, false),
        Rule::Stable => stable(account, route.host, credential, now, call, switches)?,
        Rule::Repeats { window_ms, switch } => {
            let window = account.renew_window(window_ms);
            repeat(account, credential, now, call, switch(switches), window)
        }
    };
    if credential.reply.refresh.is_some() {
        if switches.refresh_token_changes {
            account.spec.secret = account.spec.kind.made_up_secret();
        }
        grant.refresh = Some(account.spec.secret.clone());
    }
    Ok(grant)
}

/// Repeats the token until its last minutes or until forced.
fn stable(
    account: &mut Account,
    host: Host,
    credential: &Credential,
    now: u64,
    call: &Call,
    switches: &Switches,
) -> Result<Grant, Code> {
    let wants_force = call
        .json
        .as_ref()
        .is_some_and(|body| body.get("force_refresh") == Some(&Value::Bool(true)));
    let too_soon = account.inside_force_gap(now);
    if wants_force && too_soon && switches.force_inside_gap == ForceInsideGap::Refused {
        return Err(host.over_quota());
    }
    if wants_force && !too_soon {
        if !account.take_force(now) {
            return Err(host.over_quota());
        }
        account.forced_at = Some(now);
        return Ok(mint(account, credential, now, call, true));
    }
    let window = account.renew_window(crate::account::FIVE_MINUTES);
    Ok(repeat(account, credential, now, call, true, window))
}

fn repeat(
    account: &mut Account,
    credential: &Credential,
    now: u64,
    call: &Call,
    repeats: bool,
    window: u64,
) -> Grant {
    let again = account
        .slots
        .get(&credential.kind)
        .and_then(|slots| slots.reusable(now, window));
    match again.filter(|_| repeats && call.token.is_none()) {
        Some((token, left)) => Grant {
            token: token.into(),
            left,
            refresh: None,
            outcome: Outcome::Same,
        },
        None => mint(account, credential, now, call, false),
    }
}

fn mint(
    account: &mut Account,
    credential: &Credential,
    now: u64,
    call: &Call,
    forced: bool,
) -> Grant {
    let random = || {
        let length = credential.length - credential.prefix.len();
        format!("{}{}", credential.prefix, random_value(length))
    };
    let token = call.token.clone().unwrap_or_else(random);
    let lifetime = account.lifetime();
    let grace = match credential.older {
        Older::Grace => Some(account.grace()),
        Older::Lives => account.spec.grace_ms,
    };
    account
        .slots
        .entry(credential.kind)
        .or_default()
        .mint(token.clone(), now, lifetime, grace);
    Grant {
        token,
        left: lifetime,
        refresh: None,
        outcome: Outcome::Minted { forced },
    }
}

fn success(fields: &Fields, grant: &Grant) -> Value {
    let seconds = grant.left.div_ceil(1000).max(1);
    let life = match fields.is_text {
        true => json!(seconds.to_string()),
        false => json!(seconds),
    };
    let mut reply = without_token(fields, life);
    if let Some(object) = fields.object(&mut reply) {
        object.insert(fields.token.into(), json!(grant.token));
        if let (Some(name), Some(refresh)) = (fields.refresh, &grant.refresh) {
            object.insert(name.into(), json!(refresh));
        }
    }
    reply
}

/// A complete reply without its token.
pub fn without_token(fields: &Fields, expires: Value) -> Value {
    // The frames are constants of the table. One that does not parse would give an empty reply and a failed test.
    let mut reply = serde_json::from_str(fields.frame).unwrap_or_default();
    if let Some(object) = fields.object(&mut reply) {
        object.insert(fields.expires.into(), expires);
    }
    reply
}

impl Fields {
    /// The object of a reply that contains the fields.
    pub fn object<'a>(&self, reply: &'a mut Value) -> Option<&'a mut Map<String, Value>> {
        match self.inside {
            Some(name) => reply.get_mut(name)?.as_object_mut(),
            None => reply.as_object_mut(),
        }
    }
}
