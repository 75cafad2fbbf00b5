//! The service itself: the table of endpoints, and what one request does to the world.
//!
//! `receive` is the whole of it, without a socket: it finds the endpoint and the fault, lets the endpoint work, counts,
//! and returns a plan for `connection` to carry out. A later kind of token is a row of `ROUTES` and a handler.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use crate::{
    business,
    errcodes::{Host, errmsg},
    faults::{FaultKind, Struck},
    http::{Reply, Request},
    journal::{Entry, masked_body, masked_query},
    reshape::{Delivery, reshape},
    wecom, weixin,
    world::World,
};

/// An endpoint.
pub struct Route {
    /// Its path.
    pub path: &'static str,
    /// Whose rules and wording it follows.
    pub host: Host,
    /// Whether it hands out tokens (else it accepts or refuses one).
    pub is_token: bool,
    handler: fn(&mut World, &Call) -> Answer,
}

const ROUTES: &[Route] = &[
    Route {
        path: "/cgi-bin/token",
        host: Host::Weixin,
        is_token: true,
        handler: weixin::classic,
    },
    Route {
        path: "/cgi-bin/stable_token",
        host: Host::Weixin,
        is_token: true,
        handler: weixin::stable,
    },
    Route {
        path: "/cgi-bin/gettoken",
        host: Host::Wecom,
        is_token: true,
        handler: wecom::gettoken,
    },
    Route {
        path: "/cgi-bin/getcallbackip",
        host: Host::Weixin,
        is_token: false,
        handler: business::ip_list,
    },
    Route {
        path: "/cgi-bin/get_api_domain_ip",
        host: Host::Weixin,
        is_token: false,
        handler: business::ip_list,
    },
    Route {
        path: "/cgi-bin/agent/list",
        host: Host::Wecom,
        is_token: false,
        handler: business::agent_list,
    },
];

/// Where an id and a secret may stand, in the query or in a JSON body.
const ID_NAMES: [&str; 2] = ["appid", "corpid"];
const SECRET_NAMES: [&str; 2] = ["secret", "corpsecret"];

/// A request at an endpoint.
pub struct Call<'a> {
    /// What was sent.
    pub request: &'a Request,
    /// The body, if it is a JSON object.
    pub json: Option<Value>,
    /// Where it came from.
    pub peer: IpAddr,
    /// The token a fault wants minted instead of a random one.
    pub token: Option<String>,
}

impl Call<'_> {
    /// The parameter of that name, from the query or else the JSON body; an empty one counts as absent.
    pub fn param(&self, name: &str) -> Option<&str> {
        let in_body = || {
            self.json
                .as_ref()?
                .get(name)?
                .as_str()
                .filter(|text| !text.is_empty())
        };
        self.request.param(name).or_else(in_body)
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new token.
    Minted {
        /// By force_refresh.
        forced: bool,
    },
    /// A token handed out before.
    Same,
    /// That errcode.
    Refused(i64),
    /// A business call that was accepted.
    Served,
    /// None of these.
    Nothing,
}

/// A reply and what it means.
#[derive(Debug)]
pub struct Answer {
    /// To be written.
    pub reply: Reply,
    /// To be counted.
    pub outcome: Outcome,
}

/// What `connection` is to do.
pub struct Plan {
    /// The id the request named.
    pub id: Option<String>,
    /// Whether the request counts as a token request in flight.
    pub is_token: bool,
    /// How long to wait first.
    pub delay_ms: u64,
    /// What to write.
    pub reply: Reply,
    /// How to write it.
    pub delivery: Delivery,
    /// A line for the log, without secrets.
    pub summary: String,
}

/// Where a request arrived.
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
    let route = ROUTES
        .iter()
        .find(|route| route.path == request.path && door != Door::RedirectTarget);
    let is_token = route.is_some_and(|route| route.is_token);
    let mut call = Call {
        request,
        json: request.json(),
        peer: peer.ip(),
        token: None,
    };
    let id = id_of(world, &call, route);
    keep(world, request, id.clone(), peer, door);

    let struck = route.and_then(|route| {
        world
            .faults
            .strike(id.as_deref(), route.path, route.is_token)
    });
    let mut delay_ms = struck.as_ref().map_or(0, |struck| struck.delay_ms);
    if is_token {
        let secret = SECRET_NAMES.iter().find_map(|name| call.param(name));
        delay_ms += world.delay_of(id.as_deref(), secret);
    }
    let (answer, delivery) = match route {
        None => (lost(world, request, door), Delivery::Whole),
        Some(route) => play(world, &mut call, route, struck),
    };
    match route {
        Some(route) if route.is_token => world.tally.token(id.as_deref(), &answer.outcome),
        Some(_) => world.tally.business(&answer.outcome),
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

/// A token endpoint names its account; a business endpoint only a token, whose owner it is.
fn id_of(world: &World, call: &Call, route: Option<&Route>) -> Option<String> {
    if route.is_some_and(|route| !route.is_token) {
        return business::owner(world, call.param("access_token")?)
            .map(|account| account.spec.id.clone());
    }
    ID_NAMES
        .iter()
        .find_map(|name| call.param(name))
        .map(str::to_owned)
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

/// No endpoint: 404 with an empty body, and a look whether a redirect leaked a secret here.
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

/// Lets the endpoint answer, and the fault have its way with the answer.
fn play(
    world: &mut World,
    call: &mut Call,
    route: &Route,
    struck: Option<Struck>,
) -> (Answer, Delivery) {
    let Some(struck) = struck else {
        return ((route.handler)(world, call), Delivery::Whole);
    };
    if let FaultKind::Token { value, length } = &struck.kind {
        let random = || length.map(crate::tokens::random_value);
        call.token = value.clone().or_else(random);
    }
    let worked = struck.mints.then(|| (route.handler)(world, call));
    reshape(world, call, route.host, struck.kind, worked)
}

/// A refusal as the host writes it.
pub fn refuse(world: &World, host: Host, code: i64, text: Option<&str>, peer: IpAddr) -> Answer {
    let text = errmsg(host, code, text, peer);
    let mut reply = respond(
        world,
        host,
        &serde_json::json!({"errcode": code, "errmsg": text}),
    );
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
    if host == Host::Weixin && world.switches.text_plain {
        return Reply::text(200, "text/plain", &value.to_string());
    }
    Reply::json(value)
}
