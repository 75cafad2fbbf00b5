//! What a fault makes of a reply, and what of it is left for the connection to do.

use serde_json::{Map, Value, json};

use crate::{
    errcodes::Host,
    faults::FaultKind,
    http::Reply,
    service::{Answer, Call, Outcome, refuse, respond},
    world::World,
};

/// How a reply is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// As it should be.
    Whole,
    /// Not at all, and the connection stays open.
    Hang,
    /// RST instead.
    Reset,
    /// FIN instead.
    Close,
    /// The head at once, the body little by little.
    Drip {
        /// Bytes at a time.
        bytes: usize,
        /// Time between.
        tick_ms: u64,
    },
    /// The head, the body, and then filler without end.
    EndlessBody {
        /// Time between; 0 for full speed.
        tick_ms: u64,
    },
    /// The status line, and then headers without end.
    EndlessHeaders {
        /// Time between; 0 for full speed.
        tick_ms: u64,
    },
}

/// Bends the answer the endpoint gave (`None` when the fault comes before the endpoint worked).
pub fn reshape(
    world: &World,
    call: &Call,
    host: Host,
    kind: FaultKind,
    worked: Option<Answer>,
) -> (Answer, Delivery) {
    let mut delivery = Delivery::Whole;
    // Where the endpoint did not work, faults that only bend a reply bend one without a token.
    let mut answer = worked.unwrap_or_else(|| Answer {
        reply: respond(world, host, &json!({"expires_in": 7200})),
        outcome: Outcome::Nothing,
    });
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
            edit(reply, |fields| set(fields, "pad", json!("")));
            // Up to the opening quote of the pad: what follows is filler inside a JSON string.
            reply.body.truncate(reply.body.len().saturating_sub(2));
        }
        FaultKind::EndlessHeaders { tick_ms } => delivery = Delivery::EndlessHeaders { tick_ms },
        FaultKind::HugeBody { bytes } => {
            edit(reply, |fields| set(fields, "pad", json!("x".repeat(bytes))))
        }
        FaultKind::HugeHeader { bytes } => reply.headers.push(("X-Pad".into(), "x".repeat(bytes))),
        FaultKind::Bom {} => drop(reply.body.splice(..0, *b"\xef\xbb\xbf")),
        FaultKind::Html {} => {
            let page = "<!DOCTYPE html><html><title>Login</title><body>Welcome to the hotel.</body></html>";
            *reply = Reply::text(200, "text/html; charset=utf-8", page);
        }
        FaultKind::Empty {} => *reply = Reply::empty(200),
        FaultKind::TruncatedJson {} => reply.body.truncate(reply.body.len() / 2),
        FaultKind::WrongTypes {} => edit(reply, |fields| {
            for (_, value) in fields.iter_mut().filter(|(name, _)| is_token(name)) {
                *value = json!(12345);
            }
            set(fields, "expires_in", json!({"seconds": 7200}));
        }),
        FaultKind::NoToken {} => edit(reply, |fields| fields.retain(|name, _| !is_token(name))),
        FaultKind::ExpiresIn { value } => {
            edit(reply, |fields| set(fields, "expires_in", value.clone()))
        }
        FaultKind::Raw {
            status,
            headers,
            body,
        } => {
            *reply = Reply {
                status,
                headers: headers.into_iter().collect(),
                body: body.into(),
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
            answer = refuse(world, host, errcode, errmsg.as_deref(), call.peer)
        }
    }
    (answer, delivery)
}

/// Rewrites a JSON reply. The order of its fields is not kept; an error reply is left as it is.
fn edit(reply: &mut Reply, change: impl FnOnce(&mut Map<String, Value>)) {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(&reply.body) else {
        return;
    };
    if fields.get("errcode").and_then(Value::as_i64).unwrap_or(0) != 0 {
        return;
    }
    change(&mut fields);
    reply.body = Value::Object(fields).to_string().into_bytes();
}

fn set(fields: &mut Map<String, Value>, name: &str, value: Value) {
    fields.insert(name.into(), value);
}

fn is_token(name: &str) -> bool {
    name.ends_with("access_token") || name == "ticket"
}

/// A redirect's location, with `{query}`, `{http}`, `{https}` and `{redirect_target}` filled in.
fn fill_in(world: &World, call: &Call, location: Option<String>) -> String {
    let location = location.unwrap_or_else(|| "{redirect_target}/stolen?{query}".into());
    (location.replace("{http}", &world.endpoints.http))
        .replace("{https}", &world.endpoints.https)
        .replace("{redirect_target}", &world.endpoints.redirect_target)
        .replace("{query}", &call.request.raw_query)
}
