//! The native API: `/v1/token`, `/v1/account`, `/v1/reject`, `/v1/put`, `/v1/status`.

use std::sync::{Arc, LazyLock};

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use serde::Serialize;
use serde_json::{Map, Value, json};
use wxtoken::tool::{
    AccountOfStore, Error, Report, STAND_IN_PREFIX, Status, Store, Verb, json_shown, kinds,
};

use super::admission::{Call, Caller, Refusal, bearer};
use super::origin::Origin;
use super::problem::{answer, json_answer};
use super::router::BODY_TIME;
use super::server::Server;

/// The size limit of a request's body, in bytes.
pub const BODY_BYTES: usize = 64 << 10;

/// The tickets that a platform issues. A ticket that a platform pushes, such as a verify_ticket, is a secret.
static TICKETS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let credentials = kinds().into_iter().flat_map(|kind| kind.credentials);
    credentials
        .filter(|name| name.ends_with("_ticket"))
        .collect()
});

type Answer = Response<Body>;

pub async fn token(
    State(server): State<Arc<Server>>,
    Extension(origin): Extension<Origin>,
    Path(parts): Path<Vec<String>>,
    headers: HeaderMap,
) -> Answer {
    let mut call = Call::begin(&server, &origin, "get");
    let got = get(&mut call, &headers, &parts).await;
    end(call, got)
}

/// Returns the token of the account that a call without a name means.
pub async fn current_token(
    State(server): State<Arc<Server>>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
) -> Answer {
    let mut call = Call::begin(&server, &origin, "get");
    let got = get(&mut call, &headers, &[]).await;
    end(call, got)
}

/// Describes an account to a client that may get its token.
pub async fn account(
    State(server): State<Arc<Server>>,
    Extension(origin): Extension<Origin>,
    Path(account): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let mut call = Call::begin(&server, &origin, "account");
    let told = tell(&mut call, &headers, account).await;
    end(call, told)
}

async fn tell(
    call: &mut Call<'_>,
    headers: &HeaderMap,
    account: String,
) -> Result<Answer, Refusal> {
    let caller = admitted_to_get(call, headers).await?;
    let name = named(&caller, std::slice::from_ref(&account))?;
    let of = name.clone();
    let account = call
        .server
        .work
        .look(move |store| store.account(Some(&of)))
        .await??;
    call.account = Some(name);
    let said = account_json(&account).to_string();
    Ok(json_answer(StatusCode::OK, said))
}

/// Lists the accounts whose tokens a client may get.
pub async fn accounts(
    State(server): State<Arc<Server>>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
) -> Answer {
    let mut call = Call::begin(&server, &origin, "account");
    let listed = list(&mut call, &headers).await;
    end(call, listed)
}

async fn list(call: &mut Call<'_>, headers: &HeaderMap) -> Result<Answer, Refusal> {
    let caller = admitted_to_get(call, headers).await?;
    let accounts = call.server.work.look(Store::accounts).await??;
    let seen = accounts.iter().filter(|one| caller.client.sees(&one.name));
    let seen: Vec<Value> = seen.map(account_json).collect();
    let said = json!({ "accounts": seen });
    Ok(json_answer(StatusCode::OK, said.to_string()))
}

fn account_json(account: &AccountOfStore) -> Value {
    json!({
        "name": account.name,
        "kind": account.kind,
        "id": account.id,
        "current": account.current,
    })
}

/// The account that a call without a name means: the only one that the client sees, or else the current one.
async fn unnamed(call: &Call<'_>, caller: &Caller) -> Result<String, Refusal> {
    if let Some(only) = caller.client.only_account() {
        return Ok(only.to_owned());
    }
    let current = call.server.work.look(|store| store.account(None)).await?;
    match current {
        Ok(account) if caller.client.sees(&account.name) => Ok(account.name),
        _ => Err(Error::new(Status::Account, "no account is named")
            .because("the client does not see the current account, or no account is current")
            .advise("Name an account.")
            .into()),
    }
}

async fn get(
    call: &mut Call<'_>,
    headers: &HeaderMap,
    parts: &[String],
) -> Result<Answer, Refusal> {
    let caller = admitted_to_get(call, headers).await?;
    let parts = match parts {
        [] => &[unnamed(call, &caller).await?],
        named => named,
    };
    let name = named(&caller, parts)?;
    // A client that may only forward gets tickets, stand-ins for tokens, and no secret that was put.
    let is_ticket = parts
        .get(1)
        .is_some_and(|credential| TICKETS.contains(&&**credential));
    if !is_ticket && parts.len() > 1 {
        caller.require(Verb::Get)?;
    }
    let mut token = call.server.work.get(&name, 0).await??;
    call.account = Some(name.clone());
    if !is_ticket && !caller.client.may(Verb::Get) {
        token = caller.stand_in(&*call.stand_in_keys().await?, &name)?;
    }
    let account = parts.first().map(String::as_str).unwrap_or_default();
    if parts.len() == 1 {
        let handed = &call.server.handed;
        handed.note(
            Some(&caller.name),
            account,
            &token.value,
            std::time::Instant::now(),
        );
    }
    let given = Given {
        name: &name,
        token: &token.value,
        expires_at: token.expires_at,
        expires_in: (token.left_ms / 1000).max(0),
    };
    let said = serde_json::to_string(&given).unwrap_or_default();
    Ok(json_answer(StatusCode::OK, said))
}

/// A token or ticket as it is handed out.
#[derive(Serialize)]
struct Given<'a> {
    name: &'a str,
    token: &'a str,
    expires_at: i64,
    /// The seconds until it expires.
    expires_in: i64,
}

pub async fn reject(
    State(server): State<Arc<Server>>,
    Extension(origin): Extension<Origin>,
    Path(parts): Path<Vec<String>>,
    request: Request,
) -> Answer {
    let mut call = Call::begin(&server, &origin, "reject");
    let done = note_rejection(&mut call, &parts, request).await;
    end(call, done)
}

/// Rejects the token of the account that a call without a name means.
pub async fn reject_current(
    State(server): State<Arc<Server>>,
    Extension(origin): Extension<Origin>,
    request: Request,
) -> Answer {
    let mut call = Call::begin(&server, &origin, "reject");
    let done = note_rejection(&mut call, &[], request).await;
    end(call, done)
}

async fn note_rejection(
    call: &mut Call<'_>,
    parts: &[String],
    request: Request,
) -> Result<Answer, Refusal> {
    let caller = known(call, request.headers()).await?;
    caller.require_or_forward(Verb::Reject)?;
    let parts = match parts {
        [] => &[unnamed(call, &caller).await?],
        named => named,
    };
    let name = named(&caller, parts)?;
    let token = field(request.into_body(), "token").await?;
    if token.starts_with(STAND_IN_PREFIX) {
        // The server notices by itself if the platform refuses the token behind a stand-in.
        call.account = Some(name);
        return Ok(nothing());
    }
    caller.require(Verb::Reject)?;
    let of = name.clone();
    call.server
        .work
        .long(move |store| store.reject(Some(&of), &token))
        .await??;
    call.server.work.note_change();
    call.account = Some(name);
    Ok(nothing())
}

pub async fn put(
    State(server): State<Arc<Server>>,
    Extension(origin): Extension<Origin>,
    Path((account, put)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let mut call = Call::begin(&server, &origin, "put");
    let done = put_field(&mut call, account, put, request).await;
    end(call, done)
}

async fn put_field(
    call: &mut Call<'_>,
    account: String,
    put: String,
    request: Request,
) -> Result<Answer, Refusal> {
    let caller = admitted(call, request.headers(), Verb::Put).await?;
    caller.require_sight(&account)?;
    // Only the operator decides which account is current, and which is a parent.
    if put == "current" || put == "parent" {
        let what = "a client may put secrets, and nothing else of an account";
        return Err(Error::argument(what)
            .advise("Run `wxtoken put` on the server.")
            .into());
    }
    let value = field(request.into_body(), "value").await?;
    let of = account.clone();
    call.server
        .work
        .long(move |store| store.put(&of, &put, Some(&value)))
        .await??;
    call.server.work.note_change();
    call.account = Some(account);
    Ok(nothing())
}

pub async fn status(
    State(server): State<Arc<Server>>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
) -> Answer {
    let mut call = Call::begin(&server, &origin, "status");
    let said = report(&mut call, &headers).await;
    end(call, said)
}

async fn report(call: &mut Call<'_>, headers: &HeaderMap) -> Result<Answer, Refusal> {
    let caller = admitted(call, headers, Verb::Status).await?;
    let mut report: Report = call.server.work.long(|store| store.report()).await??;
    report
        .accounts
        .retain(|account| caller.client.sees(&account.name));
    report
        .unknown_accounts
        .retain(|account| caller.client.sees(&account.name));
    let text = serde_json::to_string(&report).unwrap_or_default();
    Ok(json_answer(StatusCode::OK, json_shown(&text).to_string()))
}

/// Identifies a client that has this right.
async fn admitted(call: &mut Call<'_>, headers: &HeaderMap, verb: Verb) -> Result<Caller, Refusal> {
    let caller = known(call, headers).await?;
    caller.require(verb)?;
    Ok(caller)
}

/// Identifies a client that may get tokens, or stand-ins for them.
async fn admitted_to_get(call: &mut Call<'_>, headers: &HeaderMap) -> Result<Caller, Refusal> {
    let caller = known(call, headers).await?;
    caller.require_or_forward(Verb::Get)?;
    Ok(caller)
}

/// Identifies a client, whatever its rights.
async fn known(call: &mut Call<'_>, headers: &HeaderMap) -> Result<Caller, Refusal> {
    call.find_asker(headers)?;
    call.admit(bearer(headers)).await
}

/// The name of the account, or account/credential, in a path.
fn named(caller: &Caller, parts: &[String]) -> Result<String, Refusal> {
    let account = parts.first().map(String::as_str).unwrap_or_default();
    caller.require_sight(account)?;
    // An empty name would mean the current account, which this path may not do.
    if parts
        .iter()
        .any(|part| part.is_empty() || part.contains('/'))
    {
        return Err(Refusal::NotSeen);
    }
    Ok(parts.join("/"))
}

/// The text in a field of a request's JSON object.
async fn field(body: Body, name: &str) -> Result<String, Refusal> {
    let fields = object(body).await?;
    match fields.get(name).and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(text.into()),
        _ => Err(Error::argument(format!("the body has no text {name}"))
            .advise(format!("Send a JSON object, as {{\"{name}\":\"…\"}}."))
            .into()),
    }
}

/// Reads a body that is a JSON object.
pub async fn object(body: Body) -> Result<Map<String, Value>, Refusal> {
    let bytes = bytes(body).await?;
    // The error's own text may quote the body.
    let parsed: Result<Value, _> = serde_json::from_slice(&bytes);
    match parsed {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err(unread("it is not a JSON object").into()),
    }
}

/// Reads a body within its limits of size and time.
pub async fn bytes(body: Body) -> Result<Bytes, Refusal> {
    let limited = http_body_util::Limited::new(body, BODY_BYTES);
    let read = tokio::time::timeout(BODY_TIME, limited.collect()).await;
    let read = read.map_err(|_| Error::new(Status::Timeout, "the body did not come in time"))?;
    let read = read.map_err(|_| unread("it is cut off, or longer than 64 KiB"))?;
    Ok(read.to_bytes())
}

fn unread(why: &str) -> Error {
    Error::argument("cannot read the body").because(why)
}

fn nothing() -> Answer {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn end(call: Call, outcome: Result<Answer, Refusal>) -> Answer {
    let (response, outcome) = match outcome {
        Ok(response) => (response, Ok(())),
        Err(refusal) => (answer(&refusal), Err(refusal)),
    };
    call.end(&outcome);
    response
}
