//! A call that may be forwarded. If the platform refuses its token, it is sent once more with another one.

use std::collections::HashMap;
use std::time::Duration;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Request, Response, Uri, header};
use tokio::sync::OwnedSemaphorePermit;
use wxtoken::tool::{Error, Secret, Status, WechatHost};

use super::super::admission::{Call, Refusal};
use super::super::wechat::reply::Trouble;
use super::Stop;
use super::needles::Needles;
use super::outgoing::Outgoing;
use super::paths::is_of_a_user;
use super::query::Query;
use super::reply::{Reply, end_to_end};
use super::users::USER_TOKENS;
use super::who::{Place, SecretPlace, with_fields};

/// A call that may be forwarded.
pub struct Cleared<'a> {
    pub head: &'a Parts,
    pub query: Query,
    pub places: Vec<Place>,
    /// The parameter and the account whose token is added, if the call has no token.
    pub added: Option<(&'static str, String)>,
    pub secret: Option<SecretPlace>,
    pub host: WechatHost,
}

impl Cleared<'_> {
    /// Forwards the call. If the platform refuses its token, and another one can be had, sends it once more.
    pub async fn send(
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
            let stalls = body.stalls(limits.idle);
            let request = self.request(call, &tokens, secret, &mut body)?;
            let within = match may_repeat || repeated {
                true => limits.idle,
                // A body that is passed on has limits of its own.
                false => limits.whole(),
            };
            let sent = call.server.forwarding.upstream.send(self.host, request);
            let sent = tokio::select! {
                sent = tokio::time::timeout(within, sent) => sent.ok(),
                () = stalls => None,
            };
            let response = sent
                .unwrap_or_else(|| Err(no_answer(self.host, limits.idle)))
                .map_err(Refusal::from)?;
            let reply = Reply::read(response, limits).await.map_err(Refusal::from)?;
            if self.host.refuses_token_by(reply.errcode())
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

    /// The tokens of the call, by account.
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

    /// Rejects the call's own token, which the platform refused. Returns the tokens if another one came in its place.
    async fn tokens_after_refusal(
        &self,
        call: &Call<'_>,
        tokens: &HashMap<String, Box<str>>,
    ) -> Option<HashMap<String, Box<str>>> {
        // The platform has then refused the secret, or what the user sent.
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
    ) -> Result<Request<Body>, Trouble> {
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
        let url: Uri = url.parse().map_err(|_| Trouble::Code(40097))?;
        let mut request = Request::new(Body::empty());
        *request.method_mut() = self.head.method.clone();
        *request.uri_mut() = url;
        *request.headers_mut() = headers_for_platform(&self.head.headers);
        *request.body_mut() = match body {
            Outgoing::Kept(bytes) if self.places.iter().any(|place| place.is_in_body) => {
                Body::from(with_fields(bytes, |name| put(name, true)))
            }
            body => body.body(),
        };
        Ok(request)
    }
}

async fn secret_of(call: &Call<'_>, account: &str) -> Result<Secret, Trouble> {
    let of = account.to_owned();
    let secret = call.server.work.look(move |store| store.secret(&of)).await;
    Ok(secret.map_err(Refusal::from)?.map_err(Refusal::from)?)
}

/// Headers that describe a client, its route or its key, which the platform must not know, and headers that are
/// written again.
const OF_THE_CLIENT: [&str; 18] = [
    "accept-encoding",
    "authorization",
    "cf-connecting-ip",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "origin",
    "referer",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-original-forwarded-for",
    "x-real-ip",
];

fn headers_for_platform(from: &HeaderMap) -> HeaderMap {
    let mut headers = end_to_end(from, &OF_THE_CLIENT);
    // The server could not examine any other packing.
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
