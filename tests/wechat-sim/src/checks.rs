//! Runs the checks of an endpoint in order, up to the first that refuses.

use serde_json::Value;

use crate::{
    account::Account,
    errcodes::Code::{self, Number},
    routes::{Bearer, Check, Route, Sent},
    service::Call,
    tokens::Standing,
    world::World,
};

/// Shorter than any token that the official platform has issued.
const SHORTEST: usize = 16;

/// The accounts that a request refers to, as indexes into `World::accounts`.
#[derive(Default)]
struct Parties {
    /// The owner of the token it carries.
    bearer: Option<usize>,
    /// The accounts it names. There are several only until a secret selects one app of a corp.
    named: Vec<usize>,
}

/// The index in `World::accounts` of the account that the request is about, or the code that refuses it.
pub fn walk(world: &World, call: &Call, route: &Route) -> Result<usize, Code> {
    check_form(call, route)?;
    let mut parties = Parties::default();
    for check in route.checks {
        pass(check, world, call, route, &mut parties)?;
    }
    let about = parties.named.first().copied().or(parties.bearer);
    Ok(about.expect("each row of the table names an account or carries a token"))
}

/// Checks the method and the body.
fn check_form(call: &Call, route: &Route) -> Result<(), Code> {
    match (route.sent, call.request.method.as_str()) {
        (Sent::Get, method) if method != "GET" => Err(Number(43001)),
        (Sent::Json | Sent::Nowhere, method) if method != "POST" => Err(Number(43002)),
        (Sent::Json, _) if !matches!(call.json, Some(Value::Object(_))) => Err(Number(47001)),
        _ => Ok(()),
    }
}

fn pass(
    check: &Check,
    world: &World,
    call: &Call,
    route: &Route,
    parties: &mut Parties,
) -> Result<(), Code> {
    let param = |name| call.param_sent(route.sent, name);
    let accounts = &world.accounts;
    let (passed, code) = match check {
        Check::Has(name, code) => (param(name).is_some(), *code),
        Check::Is(name, value, code) => (param(name) == Some(value), *code),
        Check::Account(kind, name, code) => {
            let id = param(name);
            parties.named = places(accounts, |account| {
                account.spec.kind == *kind && Some(account.spec.id.as_str()) == id
            });
            (!parties.named.is_empty(), *code)
        }
        Check::Child(kind, name, code) => {
            let (id, parent) = (param(name), parties.bearer.map(|at| &accounts[at].spec.id));
            parties.named = places(accounts, |account| {
                account.spec.kind == *kind
                    && account.authorized
                    && Some(account.spec.id.as_str()) == id
                    && account.spec.parent.as_ref() == parent
            });
            (!parties.named.is_empty(), *code)
        }
        Check::Secret(name, code) => {
            let secret = param(name);
            let is_right = |at: &usize| Some(accounts[*at].spec.secret.as_str()) == secret;
            parties.named.retain(is_right);
            let code = match code {
                Number(40125) => Number(world.switches.wrong_secret_code),
                code => *code,
            };
            (!parties.named.is_empty(), code)
        }
        Check::Pushed {
            name,
            good_for_ms,
            unknown,
            stale,
        } => {
            let account = &accounts[parties.named[0]];
            match param(name).and_then(|ticket| account.age_of(ticket, world.now())) {
                None => (false, *unknown),
                Some(age) => (age < *good_for_ms, *stale),
            }
        }
        Check::Bearer(bearer) => {
            parties.bearer = Some(owner(world, call, bearer)?);
            return Ok(());
        }
        Check::SameId(name, code) => {
            let owner = parties.bearer.map(|at| accounts[at].spec.id.as_str());
            (param(name) == owner, *code)
        }
        Check::Ip(code) => {
            let mut concerned = parties.named.iter().chain(&parties.bearer);
            (concerned.all(|at| accounts[*at].admits(call.peer)), *code)
        }
    };
    if passed { Ok(()) } else { Err(code) }
}

fn places(accounts: &[Account], is_it: impl Fn(&Account) -> bool) -> Vec<usize> {
    (0..accounts.len())
        .filter(|at| is_it(&accounts[*at]))
        .collect()
}

/// The owner of the token in the request, if the token is valid here.
fn owner(world: &World, call: &Call, bearer: &Bearer) -> Result<usize, Code> {
    let value = bearer.value(call).ok_or(bearer.missing)?;
    let found = world.find_token(value, |kind| bearer.kinds.contains(&kind));
    match found {
        Some((at, Standing::Valid)) => Ok(at),
        Some((_, Standing::Expired)) => Err(bearer.expired),
        Some((_, Standing::Superseded)) => Err(bearer.unknown),
        None => Err(bearer
            .malformed
            .filter(|_| !is_formed(value))
            .unwrap_or(bearer.unknown)),
    }
}

fn is_formed(value: &str) -> bool {
    value.len() >= SHORTEST
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}
