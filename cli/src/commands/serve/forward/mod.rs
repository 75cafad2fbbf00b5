//! Forwarding: every path that is not the server's own goes on to the platform. So an SDK needs one setting, and the
//! platform's allow list needs one address.
//!
//! - A client has stand-ins (`server_clients::stand_in`), and never a token. The server replaces a stand-in by the
//!   token in the query, and in the fields of a JSON object that hold a token, and nowhere else (`who`).
//! - If the platform refuses the token, that counts as a rejection by comparison. If another token is then available,
//!   and the request was kept, the call is made once more.
//! - Neither the token nor the secret passes in a platform's reply (`needles`), nor do fields that hold other tokens.
//!   Calls that would return tokens are not made (`paths`).
//! - Bodies are passed on as they arrive, in both directions. Only short ones are read whole and examined.

mod cleared;
mod counts;
mod hosts;
mod needles;
mod outgoing;
mod paths;
mod query;
mod reply;
mod stillness;
mod upstream;
mod users;
mod who;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{Method, Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wxtoken::tool::{Status, Store, Verb, WechatHost};

use self::cleared::Cleared;
use self::counts::{Counts, Result as Outcome};
use self::hosts::{Hosts, host_of};
use self::outgoing::{Limits, Outgoing};
use self::paths::{Fate, Paths, is_of_a_user, shown, takes_secret};
use self::query::Query;
use self::upstream::Upstream;
use self::users::UserTokens;
use self::who::{
    Places, SecretPlace, TOKEN_NAMES, by_key, has_token, holder_of_users_token, known_otherwise,
    may_have_token, only_account,
};
use super::admission::{Call, Caller, Refusal};
use super::native;
use super::origin::Origin;
use super::router::unknown;
use super::server::Server;
use super::wechat::parameters::Flaw;
use super::wechat::reply::{Trouble, refuse};
use crate::args::{Serve, is_plain};

/// The duration from which a call has a line in the audit.
const SLOW: Duration = Duration::from_secs(1);
/// The prefix of the server's own calls.
const OWN: &str = "/v1/";
/// The longest wait of a call for its turn.
const WAIT_FOR_TURN: Duration = Duration::from_secs(5);

/// The state that all forwarded calls share.
pub struct Forwarding {
    upstream: Upstream,
    paths: Paths,
    turns: Arc<Semaphore>,
    limits: Limits,
    pub counts: Counts,
    users: UserTokens,
    hosts: Hosts,
}

impl Forwarding {
    pub fn of(store: Arc<Store>, serve: &Serve) -> Forwarding {
        Forwarding {
            upstream: Upstream::of(store),
            paths: Paths::of(&serve.forward_paths),
            turns: Arc::new(Semaphore::new(serve.forward_at_once as usize)),
            limits: Limits {
                most: u64::from(serve.forward_max_mib) << 20,
                idle: Duration::from_secs(serve.forward_timeout_s.into()),
            },
            counts: Counts::default(),
            users: UserTokens::default(),
            hosts: Hosts::default(),
        }
    }

    /// Makes the next calls read the files again.
    pub fn reload(&self) {
        self.upstream.forget();
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Trouble> {
        if let Ok(turn) = self.turns.clone().try_acquire_owned() {
            return Ok(turn);
        }
        let turn = tokio::time::timeout(WAIT_FOR_TURN, self.turns.clone().acquire_owned()).await;
        match turn {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Refusal::from(super::work::Busy).into()),
        }
    }
}

/// The reason why a call is not forwarded.
enum Stop {
    /// The path does not exist: nothing shows that the call was meant to be forwarded.
    NotMeant,
    Trouble(Trouble),
}

impl<T: Into<Trouble>> From<T> for Stop {
    fn from(trouble: T) -> Stop {
        Stop::Trouble(trouble.into())
    }
}

/// Answers a call on a path that is not the server's own. `host` is the host that a prefix of the path names.
pub async fn answer(
    server: Arc<Server>,
    origin: Origin,
    host: Option<WechatHost>,
    request: Request,
) -> Response<Body> {
    let mut call = Call::begin(&server, &origin, "forward");
    call.is_audited = false;
    let path = request.uri().path().to_owned();
    let mut its_host = host;
    let sent = pass(&mut call, host, request, &mut its_host).await;
    let counted = |outcome| {
        let client = call.client.as_deref().unwrap_or_default();
        server.forwarding.counts.note(client, shown(&path), outcome);
    };
    let (response, outcome) = match sent {
        Err(Stop::NotMeant) => return unknown(StatusCode::NOT_FOUND),
        Ok((response, errcode)) => {
            counted(if errcode == 0 {
                Outcome::Ok
            } else {
                Outcome::Errcode
            });
            (response, Ok(()))
        }
        Err(Stop::Trouble(trouble)) => {
            let address = call.asker.as_ref().map_or(origin.peer, |asker| asker.peer);
            let wording = its_host.unwrap_or(WechatHost::Weixin);
            let response = refuse(wording, &trouble, address);
            let refusal = trouble.refusal();
            if call.client.is_some() {
                let failed = matches!(&refusal, Refusal::Failed(e) if e.status != Status::Argument);
                counted(if failed {
                    Outcome::Failed
                } else {
                    Outcome::Refused
                });
            }
            (response, Err(refusal))
        }
    };
    call.is_audited = call.elapsed() >= SLOW;
    // A path that a stranger made up does not go into the audit.
    call.path = call.client.is_some().then(|| shown(&path).to_owned());
    call.end(&outcome);
    response
}

/// Forwards a call if it is allowed. `told` is set to the host once that is known.
async fn pass(
    call: &mut Call<'_>,
    host: Option<WechatHost>,
    request: Request,
    told: &mut Option<WechatHost>,
) -> Result<(Response<Body>, i64), Stop> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if !is_plain(path) || path.starts_with(OWN) {
        return Err(Stop::NotMeant);
    }
    call.find_asker(&head.headers)?;
    let query = Query::parse(head.uri.query().unwrap_or_default(), &TOKEN_NAMES);
    let query = query.map_err(|Flaw| Trouble::Code(40097))?;
    let Sender {
        caller,
        mut places,
        secret,
        body,
    } = sender(call, &head, &query, body, host.is_some()).await?;
    call.account = secret
        .as_ref()
        .map(|secret| &secret.account)
        .or(places.account())
        .cloned();
    caller.require(Verb::Forward)?;
    if call.server.forwarding.paths.fate(path) == Fate::Withheld {
        let words = "api unauthorized: this server does not forward this call";
        return Err(Trouble::Words(48001, words).into());
    }
    if head.method != Method::GET && head.method != Method::POST {
        return Err(Trouble::Code(43002).into());
    }
    let turn = call.server.forwarding.turn().await?;
    let body = match body {
        Unread::Short(bytes) => Outgoing::Kept(bytes),
        Unread::Body(body) if head.method == Method::POST => {
            let limits = call.server.forwarding.limits;
            let body = Outgoing::take(body, limits).await.map_err(Refusal::from)?;
            let kept = match &body {
                Outgoing::Kept(bytes) if !is_of_a_user(path) => bytes.clone(),
                _ => Bytes::new(),
            };
            places.add_of_body(call, &kept).await?;
            body
        }
        Unread::Body(_) => Outgoing::Kept(Bytes::new()),
    };
    let places = places.of(&caller)?;
    let mut added = None;
    if call.account.is_none() {
        call.account = places.first().map(|place| place.account.clone());
    }
    if call.account.is_none() && !is_of_a_user(path) {
        let account = only_account(call, &caller).await?;
        added = Some((TOKEN_NAMES[0], account.clone()));
        call.account = Some(account);
    }
    let of_places = places.iter().map(|place| &place.account);
    let mut accounts: Vec<&String> = call.account.iter().chain(of_places).collect();
    // Most calls name one account several times.
    accounts.dedup();
    let mut hosts = Vec::new();
    for account in accounts {
        let seen = caller.require_sight(account);
        seen.map_err(|refusal| Trouble::Refused(40001, refusal))?;
        hosts.push(host_of(call, account).await?);
    }
    let its_host = hosts.first().copied().unwrap_or(WechatHost::Weixin);
    *told = Some(its_host);
    if host.iter().chain(&hosts).any(|one| *one != its_host) {
        let words = "invalid credential: the token belongs to the other platform";
        return Err(Trouble::Words(40001, words).into());
    }
    let cleared = Cleared {
        head: &head,
        query,
        places,
        added,
        secret,
        host: its_host,
    };
    cleared.send(call, body, turn).await
}

/// The client that sent a call, and the parts of the call that were read to identify it.
struct Sender {
    caller: Caller,
    places: Places,
    secret: Option<SecretPlace>,
    body: Unread,
}

enum Unread {
    /// The body is short, and was read to identify the sender.
    Short(Bytes),
    Body(Body),
}

/// Identifies the sender by a stand-in, by a key in the secret's place, by a user's token, or as for any other call.
async fn sender(
    call: &mut Call<'_>,
    head: &Parts,
    query: &Query,
    body: Body,
    has_prefix: bool,
) -> Result<Sender, Stop> {
    let path = head.uri.path();
    let mut places = Places::of_query(call, query, is_of_a_user(path)).await?;
    let mut secret = None;
    let mut caller = match takes_secret(path) {
        Some((id, key)) => {
            let (who, place) = by_key(call, query, id, key).await?;
            secret = Some(place);
            Some(who)
        }
        None => places.caller(call)?,
    };
    if caller.is_none() && is_of_a_user(path) {
        caller = holder_of_users_token(call, query).await?;
    }
    if caller.is_none() {
        caller = known_otherwise(call, &head.headers).await?;
        let may = |caller: &Caller| caller.client.may(Verb::Forward);
        if !has_prefix && caller.as_ref().is_some_and(|caller| !may(caller)) {
            return Err(Stop::NotMeant);
        }
    }
    let body = if caller.is_none() && may_have_token(head) {
        // The sender is not known to be a client yet, so the limit of any other call applies.
        let bytes = native::bytes(body).await?;
        places.add_of_body(call, &bytes).await?;
        caller = places.caller(call)?;
        Unread::Short(bytes)
    } else {
        Unread::Body(body)
    };
    match caller {
        Some(caller) => Ok(Sender {
            caller,
            places,
            secret,
            body,
        }),
        None if has_prefix || has_token(query) => Err(Trouble::Code(41001).into()),
        None => Err(Stop::NotMeant),
    }
}
