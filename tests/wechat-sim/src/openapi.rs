//! The calls about calls of api.weixin.qq.com: the remaining quota of a path, the record of a refused request by its
//! rid, and a reset of the daily counts.

use std::{
    collections::VecDeque,
    net::IpAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{
    account::{Account, DAY},
    checks,
    errcodes::{Code, Code::Number, Host},
    http::{Reply, Request},
    kinds::{Kind, TokenKind},
    routes::{Check, Route, Sent},
    service::{Answer, Call, Outcome, refuse, respond},
    table::routes,
    world::World,
};

/// The number of refusals that are remembered.
const REMEMBERED: usize = 300;
/// The time for which WeChat keeps a record.
const KEPT: u64 = 7 * DAY;
/// The recorded bytes of a body.
const MOST_OF_BODY: usize = 4096;
/// The number that means “no limit” in a reply.
const PLENTY: u64 = 100_000_000;

/// One of these calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Openapi {
    /// The remaining quota of one path.
    Quota,
    /// The record of one refused request.
    Rid,
    /// A reset of all daily counts.
    Clear,
}

/// A refused request.
#[derive(Debug)]
struct Note {
    rid: String,
    /// The id of the account that sent it.
    id: Option<String>,
    at: u64,
    request: Value,
}

/// The last refusals with a rid, oldest first.
#[derive(Debug, Default)]
pub struct Notes(VecDeque<Note>);

impl Notes {
    /// Keeps a request whose answer has a rid. The record is unmasked, as at WeChat.
    pub fn keep(
        &mut self,
        request: &Request,
        id: Option<&str>,
        peer: IpAddr,
        reply: &Reply,
        now: u64,
    ) {
        let answer = String::from_utf8_lossy(&reply.body);
        let Some((_, rid)) = answer.split_once("rid: ") else {
            return;
        };
        let length = rid.find(|c: char| !c.is_ascii_hexdigit() && c != '-');
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        let body = &request.body[..request.body.len().min(MOST_OF_BODY)];
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        self.0.push_back(Note {
            rid: rid[..length.unwrap_or(rid.len())].into(),
            id: id.map(str::to_owned),
            at: now,
            request: json!({
                "invoke_time": unix.unwrap_or_default().as_secs(),
                "cost_in_ms": 1,
                "request_url": request.raw_query,
                "request_body": String::from_utf8_lossy(body),
                "response_body": answer,
                "client_ip": peer.to_string(),
            }),
        });
    }
}

/// Answers one of these calls.
pub fn answer(world: &mut World, call: &Call, route: &Route, what: Openapi) -> Answer {
    match said(world, call, route, what) {
        Ok(value) => Answer {
            reply: respond(world, route.host, &value),
            outcome: Outcome::Served,
        },
        Err(code) => refuse(world, route.host, code, None, call.peer),
    }
}

fn said(world: &mut World, call: &Call, route: &Route, what: Openapi) -> Result<Value, Code> {
    if route.sent == Sent::Either && call.request.method != "POST" {
        return Err(Number(43002));
    }
    let at = checks::walk(world, call, route)?;
    let now = world.now() + world.accounts[at].advanced_ms;
    if what == Openapi::Clear {
        return clear(world, call, at, now);
    }
    if !world.accounts[at].take_call(route.path, now) {
        return Err(route.host.over_quota());
    }
    match what {
        Openapi::Quota => quota(world, call, at, now),
        _ => noted(world, call, at),
    }
}

fn quota(world: &World, call: &Call, at: usize, now: u64) -> Result<Value, Code> {
    let account = &world.accounts[at];
    let path = call.param("cgi_path").unwrap_or_default();
    if !path.starts_with('/') {
        return Err(Number(76003));
    }
    if path.contains("/sns/") {
        return Err(Number(76022));
    }
    let rows = routes().filter(|row| row.host == Host::Weixin && row.path == path);
    if rows.clone().next().is_none() {
        return Err(Number(76021));
    }
    let own: Vec<&Route> = rows.filter(|row| may_call(account, row)).collect();
    let first = own.first().ok_or(Number(76022))?;
    let limit = match first.credential() {
        Some(credential) => account.quota_of(credential),
        None => account.calls_a_day(),
    };
    // Fetches for an authorizer count as calls of its component.
    let is_callers = |other: &&Account| {
        other.spec.id == account.spec.id || other.spec.parent.as_ref() == Some(&account.spec.id)
    };
    let callers = || world.accounts.iter().filter(is_callers);
    let used: u64 = match first.credential() {
        Some(_) => {
            let kinds = own.iter().filter_map(|row| Some(row.credential()?.kind));
            kinds
                .flat_map(|kind| callers().map(move |one| one.used_today(kind, now)))
                .sum()
        }
        None => account.called_today(first.path, now),
    };
    let limit = limit.min(PLENTY);
    let mut reply = json!({
        "errcode": 0, "errmsg": "ok",
        "quota": {"daily_limit": limit, "used": used, "remain": limit.saturating_sub(used)},
    });
    let a_minute = |calls: u64| json!({"call_count": calls, "refresh_second": 60});
    if path == "/cgi-bin/stable_token" {
        reply["rate_limit"] = a_minute(account.spec.minute_quota.unwrap_or(10_000));
    }
    if account.spec.kind == Kind::Authorizer {
        reply["component_rate_limit"] = a_minute(1_000);
    }
    Ok(reply)
}

/// Whether an account calls this endpoint, by its own id or by its token.
fn may_call(account: &Account, row: &Route) -> bool {
    let kind = account.spec.kind;
    let by_id = row
        .checks
        .iter()
        .any(|check| matches!(check, Check::Account(of, ..) if *of == kind));
    let tokens: &[TokenKind] = match kind {
        Kind::Official => &[TokenKind::Classic, TokenKind::Stable],
        Kind::Component => &[TokenKind::Component],
        Kind::Authorizer => &[TokenKind::Authorizer],
        _ => &[],
    };
    let by_token = row.bearer().map_or(&[][..], |bearer| bearer.kinds);
    by_id || by_token.iter().any(|kind| tokens.contains(kind))
}

fn noted(world: &World, call: &Call, at: usize) -> Result<Value, Code> {
    let rid = call.param("rid").unwrap_or_default();
    let groups: Vec<&str> = rid.split('-').collect();
    let is_group = |group: &&str| group.len() == 8 && u32::from_str_radix(group, 16).is_ok();
    if groups.len() != 3 || !groups.iter().all(is_group) {
        return Err(Number(76002));
    }
    let now = world.now();
    let note = world.notes.0.iter().find(|note| note.rid == rid);
    match note.filter(|note| now < note.at + KEPT) {
        None => Err(Number(76001)),
        Some(note) if note.id.as_deref() != Some(&world.accounts[at].spec.id) => Err(Number(76003)),
        Some(note) => Ok(json!({"errcode": 0, "errmsg": "ok", "request": note.request})),
    }
}

/// Resets the counts of the named account, or of an authorizer of the named component.
fn clear(world: &mut World, call: &Call, at: usize, now: u64) -> Result<Value, Code> {
    let named = &world.accounts[at].spec;
    let child = call.param("appid").filter(|id| *id != named.id);
    let at = match child {
        None => at,
        Some(id) => {
            let is_child = |account: &Account| {
                account.authorized
                    && account.spec.id == id
                    && account.spec.parent.as_ref() == Some(&named.id)
            };
            let found = world.accounts.iter().position(is_child);
            found.ok_or(Number(40013))?
        }
    };
    match world.accounts[at].clear_counts(now) {
        true => Ok(json!({"errcode": 0, "errmsg": "ok"})),
        false => Err(Number(48006)),
    }
}
