//! The service itself: the effect of one request on the world.
//!
//! `receive` is the whole service, without a socket. It finds the endpoint and the fault, lets the endpoint work,
//! counts, and returns a plan for `connection` to carry out. The endpoints are the rows of `table`.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use crate::{
    checks,
    errcodes::{Code, Host},
    faults::{FaultKind, Struck},
    http::{Reply, Request},
    issue::issue,
    journal::{Entry, masked_body, masked_query},
    openapi,
    reshape::{Delivery, reshape},
    routes::{Gives, Route, Sent},
    table::{id_names, routes},
    world::World,
};

/// A request at an endpoint.
pub struct Call<'a> {
    /// The request as it was sent.
    pub request: &'a Request,
    /// The body, if it is a JSON object.
    pub json: Option<Value>,
    /// The address of the peer.
    pub peer: IpAddr,
    /// The token that a fault wants minted instead of a random one.
    pub token: Option<String>,
}

impl Call<'_> {
    /// The parameter of that name, from the query or else the JSON body; an empty one counts as absent.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.request.param(name).or_else(|| self.in_body(name))
    }

    /// The parameter of that name, from the place where the endpoint reads it.
    pub fn param_sent(&self, sent: Sent, name: &str) -> Option<&str> {
        match sent {
            Sent::Get | Sent::Query => self.request.param(name),
            Sent::Json => self.in_body(name),
            Sent::Either => self.param(name),
            Sent::Nowhere => None,
        }
    }

    fn in_body(&self, name: &str) -> Option<&str> {
        let text = self.json.as_ref()?.get(name)?.as_str()?;
        Some(text).filter(|text| !text.is_empty())
    }
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new token.
    Minted {
        /// By force_refresh.
        forced: bool,
    },
    /// A repeated token.
    Same,
    /// Refused with that code.
    Refused(Code),
    /// A business call that was accepted.
    Served,
    /// None of these.
    Nothing,
}

/// A reply and its outcome.
#[derive(Debug)]
pub struct Answer {
    /// The reply to write.
    pub reply: Reply,
    /// The outcome to count.
    pub outcome: Outcome,
}

/// A plan for `connection`.
pub struct Plan {
    /// The id the request named.
    pub id: Option<String>,
    /// Whether the request counts as a token request in flight.
    pub is_token: bool,
    /// The delay before the reply.
    pub delay_ms: u64,
    /// The reply to write.
    pub reply: Reply,
    /// The way to write it.
    pub delivery: Delivery,
    /// A line for the log, without secrets.
    pub summary: String,
}

/// The listener at which a request arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The http listener.
    Http,
    /// The https listener.
    Https,
    /// The listener that redirects point to.
    RedirectTarget,
}

/// Lets the service work on a request.
pub fn receive(world: &mut World, request: &Request, peer: SocketAddr, door: Door) -> Plan {
    let mut call = Call {
        request,
        json: request.json(),
        peer: peer.ip(),
        token: None,
    };
    let route = find_route(world, &call).filter(|_| door != Door::RedirectTarget);
    let is_token = route.is_some_and(|route| route.credential().is_some());
    let id = id_of(world, &call, route);
    keep(world, request, id.clone(), peer, door);

    let now = world.now();
    let struck = route.and_then(|route| world.faults.strike(id.as_deref(), route.path, is_token));
    let mut delay_ms = struck.as_ref().map_or(0, |struck| struck.delay_ms);
    if let Some(route) = route.filter(|_| is_token) {
        let secret = route.secret_names().find_map(|name| call.param(name));
        delay_ms += world.delay_of(id.as_deref(), secret);
    }
    let (answer, delivery) = match route {
        None => (lost(world, request, door), Delivery::Whole),
        Some(route) if route.host == Host::Wecom && world.bans.is_banned(peer.ip(), now) => (
            refuse(world, route.host, route.host.over_quota(), None, call.peer),
            Delivery::Whole,
        ),
        Some(route) => play(world, &mut call, route, struck),
    };
    if let Some(route) = route
        && matches!(answer.outcome, Outcome::Refused(_))
    {
        match route.host {
            Host::Wecom => world.bans.count_failure(peer.ip(), now),
            _ => world
                .notes
                .keep(request, id.as_deref(), peer.ip(), &answer.reply, now),
        }
    }
    match route {
        Some(route) if is_token => world
            .tally
            .token(id.as_deref(), route.path, &answer.outcome),
        Some(route) => world
            .tally
            .business(id.as_deref(), route.path, &answer.outcome),
        None => {}
    }
    let summary = format!(
        "{} {} id={} -> {} {:?} {delivery:?}",
        request.method,
        request.path,
        id.as_deref().unwrap_or("-"),
        answer.reply.status,
        answer.outcome
    );
    Plan {
        id,
        is_token,
        delay_ms,
        reply: answer.reply,
        delivery,
        summary,
    }
}

/// The row that a request is meant for. If it is meant for none, the first row of its path refuses it. If two platforms
/// share a path, the owner of the token in the request decides.
fn find_route(world: &World, call: &Call) -> Option<&'static Route> {
    let rows = routes().filter(|row| row.path == call.request.path);
    let meant = rows.clone().filter(|row| row.is_meant(call));
    let is_known = |row: &&Route| {
        row.bearer().is_some_and(|bearer| {
            let value = bearer.value(call);
            value.is_some_and(|value| {
                let of_kind = |kind| bearer.kinds.contains(&kind);
                world.find_token(value, of_kind).is_some()
            })
        })
    };
    let owned = meant.clone().find(is_known);
    owned
        .or_else(|| meant.clone().next())
        .or_else(|| rows.clone().next())
}

/// A request at a token endpoint names its account or carries a token of it. A request at a business endpoint only
/// carries a token.
fn id_of(world: &World, call: &Call, route: Option<&Route>) -> Option<String> {
    let Some(route) = route else {
        return id_names()
            .find_map(|name| call.param(name))
            .map(str::to_owned);
    };
    let names_it = route.credential().is_some() || route.bearer().is_none();
    if let Some(name) = route.id_name().filter(|_| names_it) {
        return call.param(name).map(str::to_owned);
    }
    let (owner, _) = world.find_token(route.bearer()?.value(call)?, |_| true)?;
    Some(world.accounts[owner].spec.id.clone())
}

fn keep(world: &mut World, request: &Request, id: Option<String>, peer: SocketAddr, door: Door) {
    if door != Door::RedirectTarget {
        world.tally.all.requests += 1;
        *world
            .tally
            .all
            .by_path
            .entry(request.path.clone())
            .or_default() += 1;
    }
    world.journal.push(Entry {
        id,
        method: request.method.clone(),
        path: request.path.clone(),
        query: masked_query(request),
        body: masked_body(request),
        headers: request.headers.iter().cloned().collect(),
        peer_port: peer.port(),
        tls: door == Door::Https,
    });
}

/// Answers an unknown path: 404 with an empty body. Also checks whether a redirect leaked a secret here.
fn lost(world: &mut World, request: &Request, door: Door) -> Answer {
    let mut sent = String::from_utf8_lossy(&request.body).into_owned();
    for (name, value) in request.query.iter().chain(&request.headers) {
        sent.push_str(&format!("\n{name} {value}"));
    }
    sent.push_str(&request.path);
    world.tally.all.redirects_followed += u64::from(door == Door::RedirectTarget);
    world.tally.all.secrets_seen_on_redirect_target += u64::from(world.knows_a_secret_in(&sent));
    Answer {
        reply: Reply::empty(404),
        outcome: Outcome::Nothing,
    }
}

/// Lets the endpoint answer, and the fault change the answer.
fn play(
    world: &mut World,
    call: &mut Call,
    route: &Route,
    struck: Option<Struck>,
) -> (Answer, Delivery) {
    let Some(struck) = struck else {
        return (work(world, call, route), Delivery::Whole);
    };
    if let FaultKind::Token { value, length } = &struck.kind {
        let random = || length.map(crate::tokens::random_value);
        call.token = value.clone().or_else(random);
    }
    let worked = struck.mints.then(|| work(world, call, route));
    reshape(world, call, route, struck.kind, worked)
}

fn work(world: &mut World, call: &Call, route: &Route) -> Answer {
    match &route.gives {
        Gives::Token(credential) => return issue(world, call, route, credential),
        Gives::Openapi(what) => return openapi::answer(world, call, route, *what),
        _ => {}
    }
    let counted = checks::walk(world, call, route).and_then(|_| {
        let may = take_call(world, call, route);
        may.then_some(()).ok_or(route.host.over_quota())
    });
    let given = counted.and_then(|()| match &route.gives {
        Gives::Service(body) => Ok(Reply::json_text(200, body)),
        Gives::Upload(answer) => world.media.keep(call.request, answer),
        Gives::Download => world.media.give(call.request.param("media_id")),
        Gives::Token(_) | Gives::Openapi(_) => Ok(Reply::empty(200)),
    });
    match given {
        Err(code) => refuse(world, route.host, code, None, call.peer),
        Ok(reply) => Answer {
            reply: match route.gives {
                Gives::Download => reply,
                _ => dressed(world, route.host, reply),
            },
            outcome: Outcome::Served,
        },
    }
}

/// Takes one of today's calls from the quota of the token's owner. Returns false if none is left.
fn take_call(world: &mut World, call: &Call, route: &Route) -> bool {
    let bearer = route.bearer().filter(|_| route.host == Host::Weixin);
    let owner = bearer.and_then(|bearer| {
        let of_kind = |kind| bearer.kinds.contains(&kind);
        Some(world.find_token(bearer.value(call)?, of_kind)?.0)
    });
    let Some(owner) = owner else {
        return true;
    };
    let now = world.now() + world.accounts[owner].advanced_ms;
    world.accounts[owner].take_call(route.path, now)
}

/// A refusal as the host writes it.
pub fn refuse(world: &World, host: Host, code: Code, text: Option<&str>, peer: IpAddr) -> Answer {
    let (body, text) = host.refusal(code, text, peer);
    let reply = Reply::json_text(host.status(code), &body.to_string());
    let mut reply = dressed(world, host, reply);
    if host == Host::Wecom {
        reply.headers.push(("Error-Code".into(), code.to_string()));
        reply.headers.push(("Error-Msg".into(), text));
    }
    Answer {
        reply,
        outcome: Outcome::Refused(code),
    }
}

/// A JSON reply with the content type the host uses.
pub fn respond(world: &World, host: Host, value: &Value) -> Reply {
    dressed(world, host, Reply::json_text(200, &value.to_string()))
}

fn dressed(world: &World, host: Host, mut reply: Reply) -> Reply {
    if host == Host::Weixin && world.switches.text_plain {
        reply.headers = vec![("Content-Type".into(), "text/plain".into())];
    }
    reply
}
