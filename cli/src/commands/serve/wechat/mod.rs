//! WeChat's own calls, answered in WeChat's place. An SDK only needs another base URL, and a client's key in place of
//! the secret. The recipe table lists the calls, their parameters and their replies (`tool::wechat_calls`).
//!
//! - A token in a reply lives at least `--min-life-s`, unless the platform itself gives less. SDKs subtract 200 to
//!   300 s, or 1500, and store the rest. A token with less time left is fetched again first. In the five seconds
//!   around that moment the platform may still return the same stable token, and the reply then states the full time.
//! - A repeated call is not a rejection, but a reason to ask the platform about the token (`repeats`).
//!   `force_refresh` is a rejection of the token that the client was last given. If there is another token by now,
//!   the client gets that one.
//! - A client that may forward gets a stand-in for the token. It is good for 7200 s, whatever the token has left.
//! - A call for a ticket names its account by a token. The token is that of the client to whom it was handed, and
//!   that client must still exist.

pub mod parameters;
mod repeats;
pub mod reply;
mod tokens;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, Response};
use wxtoken::tool::{
    AccountBrief, CallValue, ClientSet, LivingToken, STAND_IN_PREFIX, StandIn, StandInFlaw, Status,
    Verb, WechatCall, WechatHost,
};

use self::parameters::{Flaw, Parameters};
pub use self::repeats::Repeats;
use self::reply::{Trouble, refuse, success};
use self::tokens::{get, get_for, reject_last};
use super::admission::{Call, Caller, Refusal};
use super::audit::seconds;
use super::native::object;
use super::origin::Origin;
use super::server::Server;

/// The time for which a call waits for the store if the owner of its token is known.
const PATIENCE: Duration = Duration::from_millis(100);
/// The mark between a key and the name of an account, for an id that several accounts have.
const OF: char = ':';

pub async fn answer(
    State(server): State<Arc<Server>>,
    Extension(origin): Extension<Origin>,
    request: Request,
) -> Response<Body> {
    let calls: Vec<&WechatCall> = server
        .wechat_calls
        .iter()
        .filter(|call| call.path == request.uri().path())
        .collect();
    let host = calls.first().map_or(WechatHost::Weixin, |call| call.host);
    let mut call = Call::begin(&server, &origin, "get");
    let answered = give(&mut call, &calls, request).await;
    let (response, outcome) = match answered {
        Ok(response) => (response, Ok(())),
        Err(trouble) => {
            let address = call.asker.as_ref().map_or(origin.peer, |asker| asker.peer);
            (refuse(host, &trouble, address), Err(trouble.refusal()))
        }
    };
    call.end(&outcome);
    response
}

async fn give(
    call: &mut Call<'_>,
    calls: &[&WechatCall],
    request: Request,
) -> Result<Response<Body>, Trouble> {
    call.find_asker(request.headers())?;
    let posts = calls.iter().any(|one| one.posts);
    if posts && request.method() != Method::POST {
        return Err(Trouble::Code(43002));
    }
    if !posts && request.method() != Method::GET && request.method() != Method::POST {
        return Err(Trouble::Code(43001));
    }
    let query = Parameters::of_query(request.uri().query().unwrap_or_default());
    let query = query.map_err(|Flaw| Trouble::Code(40097))?;
    let body = match posts {
        true => match object(request.into_body()).await {
            Ok(fields) => Parameters::of_object(fields),
            Err(_) => return Err(Trouble::Code(47001)),
        },
        false => Parameters::default(),
    };
    let meant = calls
        .iter()
        .find(|one| query.has_texts_of(one.query, &["grant_type"]));
    let Some(meant) = meant.copied() else {
        let of_host = |one: &&WechatCall| one.host == WechatHost::Wecom;
        let is_wecom = calls.iter().any(of_host);
        return Err(Trouble::Code(if is_wecom { 40005 } else { 40097 }));
    };
    let asked = Asked { meant, query, body };
    match asked.taken(CallValue::Secret) {
        Some(_) => by_key(call, &asked).await,
        None => by_token(call, &asked).await,
    }
}

/// A call with its parameters.
struct Asked<'a> {
    meant: &'a WechatCall,
    query: Parameters,
    body: Parameters,
}

impl Asked<'_> {
    /// The name of the parameter that takes this value.
    fn taken(&self, value: CallValue) -> Option<&'static str> {
        let mut all = self.meant.query.iter().chain(self.meant.body);
        all.find(|(_, taken)| *taken == value)
            .map(|(name, _)| *name)
    }

    fn given(&self, value: CallValue) -> Option<&str> {
        let name = self.taken(value)?;
        let in_query = self.meant.query.iter().any(|(taken, _)| *taken == name);
        match in_query {
            true => self.query.get(name),
            false => self.body.get(name),
        }
    }

    /// The token that the call is made with, by its newer or its older name.
    fn parent_token(&self) -> Option<&str> {
        let given = self.given(CallValue::ParentToken);
        given.or_else(|| self.query.get("component_access_token"))
    }

    fn wants_another(&self) -> bool {
        self.taken(CallValue::Force)
            .is_some_and(|name| self.body.is_true(name))
    }

    /// The platform's errcode for a missing or wrong parameter.
    fn code(&self, of: CallValue, is_missing: bool) -> i64 {
        let is_wecom = self.meant.host == WechatHost::Wecom;
        let name = self.taken(of).unwrap_or_default();
        match (of, name, is_missing) {
            (CallValue::Id, "suite_id", _) => 40083,
            (CallValue::Id, "auth_corpid", _) => 40084,
            (CallValue::Id, "component_appid", true) => 41018,
            (CallValue::Id, "authorizer_appid", _) => 61003,
            (CallValue::Id, _, true) => 41002,
            (CallValue::Id, _, false) => 40013,
            (CallValue::Secret, "suite_secret", _) => 40080,
            (CallValue::Secret, "permanent_code", _) => 40084,
            (CallValue::Secret, _, true) => 41004,
            (CallValue::Secret, _, false) if is_wecom => 40001,
            (CallValue::Secret, _, false) => 40125,
            (CallValue::ParentToken, _, true) => 41001,
            (CallValue::ParentToken, "suite_access_token", false) => 40082,
            (CallValue::ParentToken, _, false) if is_wecom => 40014,
            (CallValue::ParentToken, _, false) => 40001,
            _ => 61011,
        }
    }
}

/// Answers a call with an id and a secret, which is a client's key.
async fn by_key(call: &mut Call<'_>, asked: &Asked<'_>) -> Result<Response<Body>, Trouble> {
    let Some(id) = asked.given(CallValue::Id) else {
        return Err(Trouble::Code(asked.code(CallValue::Id, true)));
    };
    let grant_type = asked
        .query
        .get("grant_type")
        .or(asked.body.get("grant_type"));
    let takes_type = asked.meant.query.iter().chain(asked.meant.body);
    if takes_type.clone().any(|(name, _)| *name == "grant_type")
        && grant_type != Some("client_credential")
    {
        return Err(Trouble::Code(40002));
    }
    let Some(secret) = asked.given(CallValue::Secret) else {
        return Err(Trouble::Code(asked.code(CallValue::Secret, true)));
    };
    let (key, wanted) = parted_key(secret);
    let caller = admit(call, asked, key).await?;
    let mut accounts = accounts_of(call, asked, &caller, id).await?;
    if let Some(wanted) = wanted {
        accounts.retain(|account| account.name == wanted);
    }
    let account = match &accounts[..] {
        [] => return Err(Trouble::Code(asked.code(CallValue::Id, false))),
        [account] => account.name.clone(),
        _ => {
            return Err(Trouble::Words(
                asked.code(CallValue::Secret, false),
                "several accounts have this id: write the secret as KEY:ACCOUNT",
            ));
        }
    };
    call.account = Some(account.clone());
    let rejects = asked.wants_another() && caller.client.may(Verb::Reject);
    if rejects {
        reject_last(call, &caller, &account).await?;
    }
    if caller.client.may(Verb::Forward) {
        let token = stand_in(call, &caller, &account).await?;
        return Ok(success(asked.meant, &token, call.server.min_life_s, None));
    }
    let token = match rejects {
        true => get(call, &account).await?,
        false => get_for(call, &caller, &account).await?,
    };
    let handed = &call.server.handed;
    handed.note(Some(&caller.name), &account, &token.value, Instant::now());
    Ok(success(asked.meant, &token, call.server.min_life_s, None))
}

/// Splits a secret into a client's key and the name of an account. The name is there if several accounts have the id.
pub fn parted_key(secret: &str) -> (&str, Option<&str>) {
    match secret.split_once(OF) {
        Some((key, name)) => (key, Some(name)),
        None => (secret, None),
    }
}

/// Identifies the client. A client that is known by its certificate or user needs no key, but a key that is given
/// counts.
async fn admit(call: &mut Call<'_>, asked: &Asked<'_>, key: &str) -> Result<Caller, Trouble> {
    let wrong = |refusal| match refusal {
        Refusal::Unknown => {
            Trouble::Refused(asked.code(CallValue::Secret, false), Refusal::Unknown)
        }
        other => Trouble::from(other),
    };
    let known = match key.starts_with("wxk_") {
        true => None,
        false => call.admit_without_key().await?,
    };
    let caller = match known {
        Some(caller) => caller,
        None => call.admit(Some(key)).await.map_err(wrong)?,
    };
    caller.require_or_forward(Verb::Get)?;
    Ok(caller)
}

/// The stand-in for a client whose calls are forwarded, once the account has a token.
async fn stand_in(call: &Call<'_>, caller: &Caller, account: &str) -> Result<LivingToken, Trouble> {
    let got = call.server.work.get(account, 0).await;
    let token = got.map_err(Refusal::from)?.map_err(Refusal::from)?;
    let handed = &call.server.handed;
    handed.note(Some(&caller.name), account, &token.value, Instant::now());
    let keys = call.stand_in_keys().await?;
    Ok(caller.stand_in(&keys, account)?)
}

/// The accounts with this id that the client sees. Accounts of the call's own kind come before those of a similar
/// kind.
async fn accounts_of(
    call: &Call<'_>,
    asked: &Asked<'_>,
    caller: &Caller,
    id: &str,
) -> Result<Vec<AccountBrief>, Trouble> {
    let found = of_id(call, id).await?;
    let mut seen: Vec<AccountBrief> = found
        .into_iter()
        .filter(|one| caller.client.sees(&one.name))
        .collect();
    for kind in &asked.meant.kinds {
        if seen.iter().any(|one| one.kind == *kind) {
            seen.retain(|one| one.kind == *kind);
            return Ok(seen);
        }
    }
    Ok(Vec::new())
}

/// Answers a call with a token of the account that it is about, or of that account's parent.
async fn by_token(call: &mut Call<'_>, asked: &Asked<'_>) -> Result<Response<Body>, Trouble> {
    let Some(given) = asked.parent_token() else {
        return Err(Trouble::Code(asked.code(CallValue::ParentToken, true)));
    };
    let wrong = asked.code(CallValue::ParentToken, false);
    if given.starts_with(STAND_IN_PREFIX) {
        let (holder, owner) = holder_of_stand_in(call, given, wrong).await?;
        return of_owner(call, asked, vec![owner], Some(holder), wrong).await;
    }
    let owners = owners_of(call, given).await?;
    if owners.is_empty() && call.server.handed.owner(given).is_some() {
        // This server handed out the token, and another one has replaced it. That is not a guess by a stranger.
        return Err(Trouble::Code(wrong));
    }
    if owners.is_empty() {
        let refusal = call.refuse_stranger().await;
        return Err(Trouble::Refused(wrong, refusal));
    }
    let holder = holder(call, given).await?;
    of_owner(call, asked, owners, holder, wrong).await
}

/// The client and account of a stand-in. `wrong` is the errcode for a stand-in that nobody has.
pub async fn of_stand_in<'s>(
    call: &Call<'_>,
    set: &'s ClientSet,
    given: &str,
    wrong: i64,
) -> Result<StandIn<'s>, Trouble> {
    let keys = call.stand_in_keys().await?;
    match set.of_stand_in(&keys, given, seconds()) {
        Ok(found) => Ok(found),
        Err(StandInFlaw::Expired) => Err(Trouble::Code(42001)),
        Err(StandInFlaw::Unknown) => Err(Trouble::Refused(wrong, call.refuse_stranger().await)),
    }
}

/// The client to whom a stand-in belongs, and the account that it is for.
async fn holder_of_stand_in(
    call: &mut Call<'_>,
    given: &str,
    wrong: i64,
) -> Result<(Caller, AccountBrief), Trouble> {
    let set = call.clients().await?;
    let found = of_stand_in(call, &set, given, wrong).await?;
    let holder = call.take(found.name, found.client)?;
    holder.require(Verb::Forward)?;
    let of = found.account;
    holder
        .require_sight(&of)
        .map_err(|refusal| Trouble::Refused(wrong, refusal))?;
    let account = call
        .server
        .work
        .look(move |store| store.account(Some(&of)))
        .await;
    let account = account.map_err(Refusal::from)?.map_err(Refusal::from)?;
    let owner = AccountBrief {
        name: account.name,
        kind: account.kind,
        id: account.id,
        parent: None,
    };
    Ok((holder, owner))
}

/// Answers a call with a token whose owners are known. `holder` is the client that has it.
async fn of_owner(
    call: &mut Call<'_>,
    asked: &Asked<'_>,
    owners: Vec<AccountBrief>,
    holder: Option<Caller>,
    wrong: i64,
) -> Result<Response<Body>, Trouble> {
    let sees = |name: &str| holder.as_ref().is_none_or(|one| one.client.sees(name));
    let (name, renewed) = match asked.taken(CallValue::Id) {
        // An authorizer, by its component's token.
        Some(_) => {
            let id = asked.given(CallValue::Id).unwrap_or_default();
            let parent = asked.given(CallValue::ParentId).unwrap_or_default();
            let Some(parent) = owners.iter().find(|one| one.id == parent) else {
                return Err(Trouble::Code(61011));
            };
            let found = of_id(call, id).await?;
            let child = found.into_iter().find(|one| {
                one.parent.as_ref() == Some(&parent.name)
                    && asked.meant.kinds.contains(&one.kind)
                    && sees(&one.name)
            });
            let Some(child) = child else {
                return Err(Trouble::Code(asked.code(CallValue::Id, false)));
            };
            // The client must not learn the stored refresh token, so it keeps the one that it has sent.
            let sent = asked.given(CallValue::Put).unwrap_or_default();
            (child.name, Some(sent.to_owned()))
        }
        None => {
            let owner = owners
                .iter()
                .find(|one| asked.meant.kinds.contains(&one.kind) && sees(&one.name));
            let Some(owner) = owner else {
                return Err(Trouble::Code(wrong));
            };
            (format!("{}/{}", owner.name, asked.meant.credential), None)
        }
    };
    call.account = Some(name.clone());
    let token = match &holder {
        Some(holder) if renewed.is_some() && holder.client.may(Verb::Forward) => {
            stand_in(call, holder, &name).await?
        }
        Some(holder) => get_for(call, holder, &name).await?,
        None => get(call, &name).await?,
    };
    let reply = success(
        asked.meant,
        &token,
        call.server.min_life_s,
        renewed.as_deref(),
    );
    if renewed.is_some() && !token.value.starts_with(STAND_IN_PREFIX) {
        let client = call.client.clone();
        let handed = &call.server.handed;
        handed.note(client.as_deref(), &name, &token.value, Instant::now());
    }
    Ok(reply)
}

pub async fn of_id(call: &Call<'_>, id: &str) -> Result<Vec<AccountBrief>, Trouble> {
    let (lookup, id) = (call.server.accounts.clone(), id.to_owned());
    let found = call.server.work.look(move |_| lookup.of_id(&id)).await;
    Ok(found.map_err(Refusal::from)?.map_err(Refusal::from)?)
}

/// The accounts whose token this is. If the store does not answer soon, the accounts that had the token last.
async fn owners_of(call: &Call<'_>, token: &str) -> Result<Vec<AccountBrief>, Trouble> {
    let (work, lookup) = (call.server.work.clone(), call.server.accounts.clone());
    let last = lookup.last_owners();
    let last = last.and_then(|owners| owners.get(token).cloned());
    let looked = call.server.owners.now(async move {
        let looked = work.look(move |_| lookup.owners()).await;
        looked.unwrap_or_else(|busy| Err(busy.into()))
    });
    let Some(last) = last else {
        let owners = looked.await.map_err(Refusal::from)?;
        return Ok(owners.get(token).cloned().unwrap_or_default());
    };
    match tokio::time::timeout(PATIENCE, looked).await {
        Ok(Ok(owners)) => Ok(owners.get(token).cloned().unwrap_or_default()),
        Ok(Err(e)) if !matches!(e.status, Status::Store | Status::Timeout) => {
            Err(Refusal::from(e).into())
        }
        _ => Ok(last),
    }
}

/// The client that was given this token. None if this server does not know, for example after a restart. That is
/// safe, because the holder of a good token could ask the platform itself.
async fn holder(call: &mut Call<'_>, token: &str) -> Result<Option<Caller>, Trouble> {
    let set = call.clients().await?;
    let Some(owner) = call
        .server
        .handed
        .owner(token)
        .filter(|one| !one.clients.is_empty())
    else {
        return Ok(None);
    };
    let known = owner.clients.iter().filter_map(|name| set.named(name));
    let mut may = known.filter(|(_, client)| client.may(Verb::Get));
    match may.next_back() {
        Some((name, client)) => Ok(Some(call.take(name, client)?)),
        None => Err(Trouble::Refused(40001, Refusal::Unknown)),
    }
}
