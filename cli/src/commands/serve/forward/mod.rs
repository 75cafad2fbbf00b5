//! Forwarding: every path that is not the server's own goes on to the platform, so that an SDK needs one setting, and the
//! platform's allow list needs one address.
//!
//! - A client has stand-ins (`server_clients::stand_in`), and never a token. In a call the token is put in their place: in the
//!   query and in the fields of a JSON object that hold a token, and nowhere else (`who`).
//! - A platform's word that it does not take the token is a rejection, by comparison. Where another token is there then, and
//!   the request was kept, the call is made once more.
//! - Whatever the platform answers, the token and the secret do not pass (`needles`), nor do fields that hold other tokens.
//!   Calls that would give tokens are not made (`paths`).
//! - Bodies pass as they come in both directions, but for short ones, which are looked at.

mod counts;
mod needles;
mod outgoing;
mod paths;
mod query;
mod reply;
mod upstream;
mod users;
mod who;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Response, Uri, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wxtoken::tool::{Error, Status, Store, Verb, WechatHost, host_of_kind};

use self::counts::{Counts, Result as Outcome};
use self::needles::Needles;
use self::outgoing::{Limits, Outgoing};
use self::paths::{Fate, Paths, is_of_a_user, takes_secret};
use self::query::Query;
use self::reply::{Reply, end_to_end};
use self::upstream::Upstream;
use self::users::UserTokens;
use self::who::{Place, Places, TOKEN_NAMES, has_token, known_otherwise, require, with_fields};
use super::admission::{Call, Caller, Refusal};
use super::native;
use super::origin::Origin;
use super::router::unknown;
use super::server::Server;
use super::wechat::parameters::Flaw;
use super::wechat::reply::{Trouble, refuse};
use super::wechat::{of_id, parted_key};
use crate::args::{Serve, is_plain};

/// How long a call takes that has a line in the audit for that.
const SLOW: Duration = Duration::from_secs(1);
/// The fields of a user's tokens, in a reply and in a query.
const USER_TOKENS: [&str; 2] = ["access_token", "refresh_token"];
/// Where the server's own calls are.
const OWN: &str = "/v1/";
/// How long a call waits for its turn.
const WAIT_FOR_TURN: Duration = Duration::from_secs(5);

/// What all forwarded calls share.
pub struct Forwarding {
    upstream: Upstream,
    paths: Paths,
    turns: Arc<Semaphore>,
    limits: Limits,
    pub counts: Counts,
    users: UserTokens,
    /// The host of an account, and the token that it had when that was looked up.
    hosts: Mutex<HashMap<String, (Box<str>, WechatHost)>>,
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
            hosts: Mutex::default(),
        }
    }

    /// What was read of files is read anew.
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

/// Why a call is not forwarded.
enum Stop {
    /// It is not a call that could be: there is no such path.
    NotMeant,
    Trouble(Trouble),
}

impl<T: Into<Trouble>> From<T> for Stop {
    fn from(trouble: T) -> Stop {
        Stop::Trouble(trouble.into())
    }
}

/// Answers a call on a path that is not the server's own. `host` is what a prefix of the path has named.
pub async fn answer(
    server: Arc<Server>,
    origin: Origin,
    host: Option<WechatHost>,
    request: Request,
) -> Response<Body> {
    let began = Instant::now();
    let mut call = Call::begin(&server, &origin, "forward");
    call.is_audited = false;
    let path = request.uri().path().to_owned();
    let mut passage = Passage::default();
    let sent = passage.pass(&mut call, host, request).await;
    let counted = |outcome| {
        let client = call.client.as_deref().unwrap_or_default();
        server.forwarding.counts.note(client, &path, outcome);
    };
    let (response, outcome) = match sent {
        Err(Stop::NotMeant) => return unknown(axum::http::StatusCode::NOT_FOUND),
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
            let host = passage.host.or(host).unwrap_or(WechatHost::Weixin);
            let response = refuse(host, &trouble, address);
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
    call.is_audited = began.elapsed() >= SLOW;
    call.path = is_plain(&path).then_some(path);
    call.end(&outcome);
    response
}

/// What is learned of one call on its way.
#[derive(Default)]
struct Passage {
    host: Option<WechatHost>,
}

/// A secret that stands in the place of a client's key.
struct SecretPlace {
    name: &'static str,
    account: String,
}

/// A call that may go on.
struct Cleared<'a> {
    head: &'a Parts,
    query: Query,
    places: Vec<Place>,
    /// The token of this account is added, where the call has none.
    added: Option<(&'static str, String)>,
    secret: Option<SecretPlace>,
    host: WechatHost,
}

impl Passage {
    async fn pass(
        &mut self,
        call: &mut Call<'_>,
        host: Option<WechatHost>,
        request: Request,
    ) -> Result<(Response<Body>, i64), Stop> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        if !is_plain(path) || path.starts_with(OWN) {
            return Err(Stop::NotMeant);
        }
        call.find_asker(&head.headers)?;
        let query = Query::parse(head.uri.query().unwrap_or_default(), &TOKEN_NAMES);
        let query = query.map_err(|Flaw| Trouble::Code(40097))?;
        let is_of_a_user = is_of_a_user(path);
        let mut places = Places::of_query(call, &query, is_of_a_user).await?;
        let mut secret = None;
        let mut caller = match takes_secret(path) {
            Some((id, key)) => {
                let (who, place) = by_key(call, &query, id, key).await?;
                secret = Some(place);
                Some(who)
            }
            None => places.caller(call)?,
        };
        if caller.is_none() && is_of_a_user {
            caller = holder_of_users_token(call, &query).await?;
        }
        if caller.is_none() {
            caller = known_otherwise(call, &head.headers).await?;
            if host.is_none()
                && caller
                    .as_ref()
                    .is_some_and(|one| !one.client.may(Verb::Forward))
            {
                return Err(Stop::NotMeant);
            }
        }
        let mut body = Some(body);
        let mut short = None;
        if caller.is_none() && may_have_token(&head) {
            // Not yet known to be a client's: no more is read than of any other call.
            let bytes = native::bytes(body.take().unwrap_or_default()).await?;
            places.add_of_body(call, &bytes).await?;
            caller = places.caller(call)?;
            short = Some(bytes);
        }
        let Some(caller) = caller else {
            return Err(match host.is_some() || has_token(&query) {
                true => Trouble::Code(41001).into(),
                false => Stop::NotMeant,
            });
        };
        if head.method != Method::GET && head.method != Method::POST {
            return Err(Trouble::Code(43002).into());
        }
        let turn = call.server.forwarding.turn().await?;
        let limits = call.server.forwarding.limits;
        let body = match (short, body) {
            (Some(bytes), _) => Outgoing::Kept(bytes),
            (None, Some(body)) if head.method == Method::POST => {
                let body = Outgoing::take(body, limits).await.map_err(Refusal::from)?;
                let kept = match &body {
                    Outgoing::Kept(bytes) if !is_of_a_user => bytes.clone(),
                    _ => axum::body::Bytes::new(),
                };
                places.add_of_body(call, &kept).await?;
                body
            }
            _ => Outgoing::Kept(axum::body::Bytes::new()),
        };
        let places = places.of(&caller)?;
        let of_places = places.iter().map(|place| place.account.clone());
        require(
            &caller,
            of_places.chain(secret.iter().map(|one| one.account.clone())),
        )?;
        let mut added = None;
        let account = match (places.first(), &secret) {
            (_, Some(secret)) => Some(secret.account.clone()),
            (Some(place), None) => Some(place.account.clone()),
            (None, None) if is_of_a_user => None,
            (None, None) => {
                let account = only_account(call, &caller).await?;
                added = Some((TOKEN_NAMES[0], account.clone()));
                Some(account)
            }
        };
        call.account = account.clone();
        if call.server.forwarding.paths.fate(path) == Fate::Withheld {
            let words = "api unauthorized: this server does not forward this call";
            return Err(Trouble::Words(48001, words).into());
        }
        let its_host = match &account {
            Some(account) => host_of(call, account).await?,
            None => WechatHost::Weixin,
        };
        self.host = Some(its_host);
        if host.is_some_and(|host| host != its_host) {
            return Err(Trouble::Words(
                40001,
                "invalid credential: the token is of the other platform",
            )
            .into());
        }
        for place in &places {
            if host_of(call, &place.account).await? != its_host {
                return Err(Trouble::Code(40001).into());
            }
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
}

impl Cleared<'_> {
    /// Sends it on, a second time with another token where the platform did not take the first.
    async fn send(
        self,
        call: &Call<'_>,
        mut body: Outgoing,
        turn: OwnedSemaphorePermit,
    ) -> Result<(Response<Body>, i64), Stop> {
        let limits = call.server.forwarding.limits;
        let mut tokens = self.tokens(call).await?;
        let secret = match &self.secret {
            Some(place) => Some(secret_of(call, &place.account).await?),
            None => None,
        };
        let secret = secret.as_ref().map(|secret| secret.as_str());
        let mut repeated = false;
        loop {
            let needles = self.needles(&tokens, secret);
            let may_repeat = body.is_kept() && !repeated;
            let request = self.request(call, &tokens, secret, &mut body)?;
            let within = match may_repeat || repeated {
                true => limits.idle,
                // Its body passes within limits of its own.
                false => limits.idle * 20,
            };
            let sent = call.server.forwarding.upstream.send(self.host, request);
            let sent = tokio::time::timeout(within, sent).await;
            let response = sent
                .map_err(|_| no_answer(self.host, limits.idle))
                .and_then(|sent| sent)
                .map_err(Refusal::from)?;
            let reply = Reply::read(response, limits).await.map_err(Refusal::from)?;
            if reply.refuses_token()
                && let Some(other) = self.tokens_after_refusal(call, &tokens).await
                && may_repeat
            {
                tokens = other;
                repeated = true;
                continue;
            }
            if !is_of_a_user(self.head.uri.path()) && reply.gives_away() {
                let words = "api unauthorized: the reply holds a token, which this server keeps";
                return Err(Trouble::Words(48001, words).into());
            }
            if is_of_a_user(self.head.uri.path())
                && let Some(client) = &call.client
            {
                for name in USER_TOKENS {
                    if let Some(token) = reply.field(name) {
                        call.server.forwarding.users.note(client, &token);
                    }
                }
            }
            let errcode = reply.errcode();
            return Ok((reply.passed_on(needles, limits, turn), errcode));
        }
    }

    /// By the account.
    async fn tokens(&self, call: &Call<'_>) -> Result<HashMap<String, Box<str>>, Trouble> {
        let mut tokens = HashMap::new();
        let of_places = self.places.iter().map(|place| &place.account);
        for account in of_places.chain(self.added.iter().map(|(_, account)| account)) {
            if !tokens.contains_key(account) {
                let got = call.server.work.get(account, 0).await;
                let token = got.map_err(Refusal::from)?.map_err(Refusal::from)?;
                tokens.insert(account.clone(), token.value);
            }
        }
        Ok(tokens)
    }

    /// Says that the platform did not take the call's own token. The tokens, where another is there then.
    async fn tokens_after_refusal(
        &self,
        call: &Call<'_>,
        tokens: &HashMap<String, Box<str>>,
    ) -> Option<HashMap<String, Box<str>>> {
        // What is refused there is the secret, or what the user brought.
        if self.secret.is_some() {
            return None;
        }
        let of_places = self.places.first().map(|place| &place.account);
        let account = of_places.or(self.added.as_ref().map(|(_, account)| account))?;
        let (of, token) = (account.clone(), tokens.get(account)?.clone());
        let rejected = call
            .server
            .work
            .long(move |store| store.reject(Some(&of), &token))
            .await;
        rejected.ok()?.ok()?;
        call.server.work.note_change();
        let other = self.tokens(call).await.ok()?;
        (other != *tokens).then_some(other)
    }

    fn needles(&self, tokens: &HashMap<String, Box<str>>, secret: Option<&str>) -> Needles {
        let mut needles = Needles::default();
        for (account, token) in tokens {
            let place = self.places.iter().find(|place| place.account == *account);
            needles.add(token, place.map_or("", |place| &place.written));
        }
        needles.add(secret.unwrap_or_default(), "");
        needles
    }

    fn request(
        &self,
        call: &Call<'_>,
        tokens: &HashMap<String, Box<str>>,
        secret: Option<&str>,
        body: &mut Outgoing,
    ) -> Result<axum::http::Request<Body>, Trouble> {
        let put = |name: &str, in_body: bool| {
            let mut places = self.places.iter();
            let place = places.find(|place| place.name == name && place.is_in_body == in_body)?;
            tokens.get(&place.account).map(|token| &**token)
        };
        let put_in_query = |name: &str| match &self.secret {
            Some(place) if place.name == name => secret,
            _ => put(name, false),
        };
        let added = self.added.as_ref();
        let added = added.and_then(|(name, account)| Some((*name, &**tokens.get(account)?)));
        let query = self.query.written(put_in_query, added);
        let upstream = &call.server.forwarding.upstream;
        let base = upstream.base_url(self.host).map_err(Refusal::from)?;
        let path = self.head.uri.path();
        let url = match query.is_empty() {
            true => format!("{base}{path}"),
            false => format!("{base}{path}?{query}"),
        };
        let unsound = |_| Trouble::Code(40097);
        let url: Uri = url.parse().map_err(|_| unsound(()))?;
        let mut request = axum::http::Request::new(Body::empty());
        *request.method_mut() = self.head.method.clone();
        *request.uri_mut() = url;
        *request.headers_mut() = headers_for_platform(&self.head.headers);
        *request.body_mut() = match body {
            Outgoing::Kept(bytes) if self.places.iter().any(|place| place.is_in_body) => {
                Body::from(with_fields(bytes, |name| put(name, true)))
            }
            Outgoing::Kept(bytes) => Body::from(bytes.clone()),
            passing => match std::mem::replace(passing, Outgoing::Kept(Default::default())) {
                Outgoing::Passing(passing) => Body::new(passing),
                Outgoing::Kept(bytes) => Body::from(bytes),
            },
        };
        Ok(request)
    }
}

/// The account of a call that names none, where the client sees one alone.
async fn only_account(call: &Call<'_>, caller: &Caller) -> Result<String, Trouble> {
    let all = call.server.work.look(Store::accounts).await;
    let all = all.map_err(Refusal::from)?.map_err(Refusal::from)?;
    let mut seen = all.into_iter().filter(|one| caller.client.sees(&one.name));
    match (seen.next(), seen.next()) {
        (Some(only), None) => Ok(only.name),
        _ => Err(Trouble::Words(
            41001,
            "access_token missing: the client has several accounts, or none",
        )),
    }
}

/// A call of a user's, by an appid and a client's key in the place of the secret.
async fn by_key(
    call: &mut Call<'_>,
    query: &Query,
    id_name: &'static str,
    secret_name: &'static str,
) -> Result<(Caller, SecretPlace), Trouble> {
    let id = query.get(id_name).ok_or(Trouble::Code(41002))?;
    let (key, wanted) = parted_key(query.get(secret_name).ok_or(Trouble::Code(41004))?);
    let caller = match call.admit(Some(key)).await {
        Err(Refusal::Unknown) => return Err(Trouble::Refused(40125, Refusal::Unknown)),
        admitted => admitted?,
    };
    let mut accounts = of_id(call, id).await?;
    accounts.retain(|one| {
        host_of_kind(one.kind) == Some(WechatHost::Weixin)
            && caller.client.sees(&one.name)
            && wanted.is_none_or(|wanted| one.name == wanted)
    });
    let account = accounts.into_iter().next().ok_or(Trouble::Code(40013))?;
    let place = SecretPlace {
        name: secret_name,
        account: account.name,
    };
    Ok((caller, place))
}

/// The client that has had the user's token of this query, while it is one.
async fn holder_of_users_token(
    call: &mut Call<'_>,
    query: &Query,
) -> Result<Option<Caller>, Trouble> {
    let given = USER_TOKENS.iter().find_map(|name| query.get(name));
    let users = &call.server.forwarding.users;
    let Some(name) = given.and_then(|token| users.client(token)) else {
        return Ok(None);
    };
    let set = call.clients().await?;
    match set.named(&name) {
        Some((name, client)) => Ok(Some(call.take(name, client)?)),
        None => Ok(None),
    }
}

async fn secret_of(call: &Call<'_>, account: &str) -> Result<wxtoken::tool::Secret, Trouble> {
    let of = account.to_owned();
    let secret = call.server.work.look(move |store| store.secret(&of)).await;
    Ok(secret.map_err(Refusal::from)?.map_err(Refusal::from)?)
}

/// The host that an account's calls go to. A token says which account there is: the host is looked up again with each other.
async fn host_of(call: &Call<'_>, account: &str) -> Result<WechatHost, Trouble> {
    let hosts = &call.server.forwarding.hosts;
    let known = call.server.work.known(account);
    if let Some(token) = &known {
        let hosts = hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, host)) = hosts.get(account)
            && of == token
        {
            return Ok(*host);
        }
    }
    let of = account.to_owned();
    let found = call
        .server
        .work
        .look(move |store| store.account(Some(&of)))
        .await;
    let found = found.map_err(Refusal::from)?.map_err(Refusal::from)?;
    let host = host_of_kind(found.kind).ok_or_else(|| {
        let what = format!("calls of accounts of kind {} are not forwarded", found.kind);
        Refusal::from(Error::argument(what))
    })?;
    if let Some(token) = known {
        let mut hosts = hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.insert(account.to_owned(), (token, host));
    }
    Ok(host)
}

/// Whether a call has a body that may hold a token, and is short.
fn may_have_token(head: &Parts) -> bool {
    let field = |name| {
        head.headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let length = field(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    head.method == Method::POST
        && length.is_some_and(|length| length > 0 && length <= native::BODY_BYTES)
        && field(header::CONTENT_TYPE)
            .is_none_or(|kind| kind.contains("json") || kind.contains("text/plain"))
}

/// Headers that tell of a client, its way here and its key, which is not the platform's to know; and those that are made anew.
const OF_THE_CLIENT: [&str; 13] = [
    "accept-encoding",
    "authorization",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "origin",
    "referer",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

fn headers_for_platform(from: &HeaderMap) -> HeaderMap {
    let mut headers = end_to_end(from, &OF_THE_CLIENT);
    // What else it may unpack could not be looked at here.
    let takes_gzip = from.get_all(header::ACCEPT_ENCODING).iter().any(|value| {
        let mut all = value.to_str().unwrap_or_default().split(',');
        all.any(|one| one.trim().starts_with("gzip") && !one.replace(' ', "").ends_with(";q=0"))
    });
    let packing = if takes_gzip { "gzip" } else { "identity" };
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(packing));
    headers
}

fn no_answer(host: WechatHost, limit: Duration) -> Error {
    let what = format!("no answer from {}", host.name());
    Error::new(Status::Timeout, what).because(format!("none within {} s", limit.as_secs()))
}
