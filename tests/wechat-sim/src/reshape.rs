//! The effect of a fault on a reply, and the part that is left for the connection.

use serde_json::{Map, Value, json};

use crate::{
    errcodes::Code,
    faults::FaultKind,
    http::Reply,
    issue::without_token,
    routes::{Fields, Route},
    service::{Answer, Call, Outcome, refuse, respond},
    table::ACCESS_TOKEN,
    world::World,
};

/// How a reply is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// As a normal reply.
    Whole,
    /// Not at all. The connection stays open.
    Hang,
    /// RST instead.
    Reset,
    /// FIN instead.
    Close,
    /// The head at once, then the body little by little.
    Drip {
        /// Bytes at a time.
        bytes: usize,
        /// The time between two parts.
        tick_ms: u64,
    },
    /// The head, the body, then endless filler.
    EndlessBody {
        /// The time between two parts; 0 for full speed.
        tick_ms: u64,
    },
    /// The status line, then endless headers.
    EndlessHeaders {
        /// The time between two lines; 0 for full speed.
        tick_ms: u64,
    },
}

/// Changes the answer of the endpoint. It is `None` if the fault comes before the endpoint's work.
pub fn reshape(
    world: &World,
    call: &Call,
    route: &Route,
    kind: FaultKind,
    worked: Option<Answer>,
) -> (Answer, Delivery) {
    let mut delivery = Delivery::Whole;
    let fields = route.credential().map_or(&ACCESS_TOKEN, |it| &it.reply);
    // If the endpoint did not work, faults that only change a reply get one without a token.
    let mut answer = worked.unwrap_or_else(|| Answer {
        reply: respond(world, route.host, &without_token(fields, json!(7200))),
        outcome: Outcome::Nothing,
    });
    let is_refused = matches!(answer.outcome, Outcome::Refused(_));
    let edit = |reply: &mut Reply, change: &dyn Fn(&mut Map<String, Value>)| {
        if !is_refused {
            edit(reply, fields, change);
        }
    };
    let reply = &mut answer.reply;
    match kind {
        FaultKind::Delay { .. } | FaultKind::Token { .. } => {}
        FaultKind::Hang {} => delivery = Delivery::Hang,
        FaultKind::ResetBefore {} | FaultKind::ResetAfter {} => delivery = Delivery::Reset,
        FaultKind::CloseBefore {} | FaultKind::CloseAfter {} => delivery = Delivery::Close,
        FaultKind::Drip {
            bytes_per_tick,
            tick_ms,
        } => {
            delivery = Delivery::Drip {
                bytes: bytes_per_tick.max(1),
                tick_ms,
            }
        }
        FaultKind::EndlessBody { tick_ms } => {
            delivery = Delivery::EndlessBody { tick_ms };
            // Up to the opening quote of the pad. Everything after it is filler inside a JSON string.
            open_pad(reply);
        }
        FaultKind::EndlessHeaders { tick_ms } => delivery = Delivery::EndlessHeaders { tick_ms },
        FaultKind::HugeBody { bytes } => {
            open_pad(reply);
            reply.body.resize(reply.body.len() + bytes, b'x');
            reply.body.extend(b"\"}");
        }
        FaultKind::HugeHeader { bytes } => reply.headers.push(("X-Pad".into(), "x".repeat(bytes))),
        FaultKind::Bom {} => drop(reply.body.splice(..0, *b"\xef\xbb\xbf")),
        FaultKind::Html {} => {
            let page = "<!DOCTYPE html><html><title>Login</title><body>Welcome to the hotel.</body></html>";
            *reply = Reply::text(200, "text/html; charset=utf-8", page);
        }
        FaultKind::Empty {} => *reply = Reply::empty(200),
        FaultKind::TruncatedJson {} => reply.body.truncate(reply.body.len() / 2),
        FaultKind::WrongTypes {} => edit(reply, &|object| {
            object.insert(fields.token.into(), json!(12345));
            object.insert(fields.expires.into(), json!({"seconds": 7200}));
        }),
        FaultKind::NoToken {} => edit(reply, &|object| drop(object.remove(fields.token))),
        FaultKind::NoRefreshToken {} => edit(reply, &|object| {
            fields.refresh.map(|name| object.remove(name));
        }),
        FaultKind::ExpiresIn { value } => edit(reply, &|object| {
            object.insert(fields.expires.into(), value.clone());
        }),
        FaultKind::Raw {
            status,
            headers,
            body,
            bytes,
        } => {
            *reply = Reply {
                status,
                headers: headers.into_iter().collect(),
                body: [body.into_bytes(), bytes].concat(),
                close: true,
            };
        }
        FaultKind::Status { code, body } => {
            *reply = Reply::text(code, "text/plain", &body.unwrap_or_default())
        }
        FaultKind::Redirect { location, code } => {
            *reply = Reply::empty(code);
            reply
                .headers
                .push(("Location".into(), fill_in(world, call, location)));
        }
        FaultKind::Errcode { errcode, errmsg } => {
            let code = Code::Number(errcode);
            answer = refuse(world, route.host, code, errmsg.as_deref(), call.peer)
        }
    }
    (answer, delivery)
}

/// Changes the object of a JSON reply that contains the token. The order of its fields is not kept.
fn edit(reply: &mut Reply, fields: &Fields, change: &dyn Fn(&mut Map<String, Value>)) {
    let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body) else {
        return;
    };
    if let Some(object) = fields.object(&mut body) {
        change(object);
    }
    reply.body = body.to_string().into_bytes();
}

/// Reopens a JSON object for one more field, up to the opening quote of its text.
fn open_pad(reply: &mut Reply) {
    if reply.body.ends_with(b"}") {
        reply.body.pop();
        reply.body.extend(b",\"pad\":\"");
    }
}

/// A redirect's location with `{query}`, `{http}`, `{https}` and `{redirect_target}` filled in.
fn fill_in(world: &World, call: &Call, location: Option<String>) -> String {
    let location = location.unwrap_or_else(|| "{redirect_target}/stolen?{query}".into());
    (location.replace("{http}", &world.endpoints.http))
        .replace("{https}", &world.endpoints.https)
        .replace("{redirect_target}", &world.endpoints.redirect_target)
        .replace("{query}", &call.request.raw_query)
}
