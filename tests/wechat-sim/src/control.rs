//! The control API: one request in, one JSON document out. Its manual is in `--help`.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, from_value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    account::AccountSpec,
    faults::Fault,
    http::{Reply, Request, read_request},
    js_config,
    kinds::TokenKind,
    third_party,
    world::{CENTURY, Shared, Switches, World},
};

/// Serves one connection to the control port.
pub async fn serve(shared: Shared, mut tcp: TcpStream) {
    let mut buffer = Vec::new();
    while let Ok(Some(request)) = read_request(&mut tcp, &mut buffer).await {
        let (status, value) = match handle(&mut shared.lock(), &request) {
            Ok(value) => (200, value),
            Err((status, message)) => (status, json!({"error": message})),
        };
        let reply = Reply::text(status, "application/json", &format!("{value}\n"));
        let written = tcp
            .write_all(&[reply.head(request.close, true), reply.body].concat())
            .await;
        if written.is_err() || request.close {
            return;
        }
    }
}

/// The JSON reply, or a status and an error text.
pub type Handled = Result<Value, (u16, String)>;

/// The body of `POST /revoke`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// The account's id.
    pub id: String,
    /// Only that app of the corp.
    pub secret: Option<String>,
    /// The current token, or also the one in grace.
    #[serde(default)]
    pub which: Which,
    /// Only tokens of that endpoint.
    pub kind: Option<TokenKind>,
    /// Whether fetches keep handing the revoked token out until a forced refresh.
    #[serde(default)]
    pub sticky: bool,
}

/// The tokens that a revocation ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The current one.
    #[default]
    Current,
    /// The current one, and the one in grace.
    All,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    id: Option<String>,
    ms: u64,
}

/// Answers one control request.
pub fn handle(world: &mut World, request: &Request) -> Handled {
    let id = request.param("id");
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/") => Ok(world.endpoints.to_json()),
        ("GET", "/counters") => Ok(match id {
            Some(id) => json!(world.tally.of(id, &world.flights)),
            None => json!(world.tally.snapshot(&world.flights)),
        }),
        ("GET", "/tokens") => Ok(tokens(world, id)),
        ("GET", "/requests") => Ok(json!(world.journal.of(id))),
        ("POST", "/reset") => {
            world.reset();
            done()
        }
        ("POST", "/accounts") => {
            let spec = parse::<AccountSpec>(&request.body)?;
            match spec.complaint() {
                Some(complaint) => Err((400, complaint.into())),
                None => Ok(third_party::made_up(world.add_account(spec))),
            }
        }
        ("POST", "/push") => third_party::push(world, &parse(&request.body)?),
        ("POST", "/deauthorize") => third_party::deauthorize(world, &parse(&request.body)?),
        ("POST", "/authorize") => third_party::authorize(world, &parse(&request.body)?),
        ("POST", "/js_config") => Ok(js_config::judge(world, &parse(&request.body)?)),
        ("POST", "/revoke") => {
            let (order, parent) = parse_revocation(&request.body)?;
            match revoke(world, &order, parent.as_deref()) {
                0 => Err((404, "no such account".into())),
                _ => done(),
            }
        }
        ("POST", "/advance") => {
            let Advance { id, ms } = parse(&request.body)?;
            if advance(world, id.as_deref(), ms) {
                done()
            } else {
                Err((404, "no such account".into()))
            }
        }
        ("POST", "/faults") => {
            world
                .faults
                .push(Fault::from_json(parse(&request.body)?).map_err(|message| (400, message))?);
            Ok(json!({"ok": true, "waiting": world.faults.waiting()}))
        }
        ("POST", "/faults/clear") => {
            world.faults.clear();
            done()
        }
        ("POST", "/switches") => {
            world.switches =
                merged(&world.switches, parse(&request.body)?).map_err(|message| (400, message))?;
            Ok(json!(world.switches))
        }
        ("GET", "/switches") => Ok(json!(world.switches)),
        (method, path) => Err((
            404,
            format!("no {method} {path} here: see wechat-sim --help"),
        )),
    }
}

fn done() -> Handled {
    Ok(json!({"ok": true}))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, (u16, String)> {
    serde_json::from_slice(body).map_err(|error| (400, error.to_string()))
}

/// Reads the order, and the parent, which only the control port accepts.
fn parse_revocation(body: &[u8]) -> Result<(Revocation, Option<String>), (u16, String)> {
    let mut fields: Map<String, Value> = parse(body)?;
    let parent = fields.remove("parent").map_or(Ok(None), from_value);
    let order = from_value(Value::Object(fields));
    match (order, parent) {
        (Ok(order), Ok(parent)) => Ok((order, parent)),
        (Err(error), _) | (_, Err(error)) => Err((400, error.to_string())),
    }
}

/// Returns the switches with `changes` applied.
pub fn merged(switches: &Switches, changes: Value) -> Result<Switches, String> {
    let (Value::Object(mut all), Value::Object(changes)) = (json!(switches), changes) else {
        return Err("switches are a JSON object".into());
    };
    all.extend(changes);
    from_value(Value::Object(all)).map_err(|error| error.to_string())
}

/// Revokes tokens of the id, or only of its account with that parent. Returns the number of accounts affected.
pub fn revoke(world: &mut World, order: &Revocation, parent: Option<&str>) -> usize {
    let struck = world.of_id(&order.id).filter(|account| {
        let spec = &account.spec;
        order.secret.as_ref().is_none_or(|s| *s == spec.secret)
            && (parent.is_none() || spec.parent.as_deref() == parent)
    });
    struck
        .map(|account| {
            let slots = account
                .slots
                .iter_mut()
                .filter(|(kind, _)| order.kind.is_none_or(|only| only == **kind));
            slots.for_each(|(_, slots)| slots.revoke(order.which == Which::All, order.sticky));
        })
        .count()
}

/// Moves time for all accounts, or for one id. Returns false if the id is unknown.
pub fn advance(world: &mut World, id: Option<&str>, ms: u64) -> bool {
    let Some(id) = id else {
        world.advance(ms);
        return true;
    };
    world
        .of_id(id)
        .map(|account| account.advanced_ms = account.advanced_ms.saturating_add(ms).min(CENTURY))
        .count()
        > 0
}

/// Every remembered token of an id, or of all ids.
pub fn tokens(world: &World, id: Option<&str>) -> Value {
    let mut list = Vec::new();
    for account in world
        .accounts
        .iter()
        .filter(|account| id.is_none_or(|id| id == account.spec.id))
    {
        let now = world.now() + account.advanced_ms;
        for (kind, slots) in &account.slots {
            list.extend(slots.iter().map(|(slot, token)| {
                let left = token.left(now);
                let mut shown = json!({"id": account.spec.id, "token": token.value, "kind": kind, "slot": slot,
                                       "valid": left > 0, "expires_in_ms": left});
                if let Some(parent) = &account.spec.parent {
                    shown["parent"] = json!(parent);
                }
                shown
            }));
        }
    }
    Value::Array(list)
}
