//! Finds the sender of a call to be forwarded, and its stand-ins: their places in the call, and their accounts.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use serde_json::value::RawValue;
use wxtoken::tool::{ClientSet, STAND_IN_PREFIX, Store, WechatHost, host_of_kind};

use super::super::admission::{Call, Caller, Refusal, bearer};
use super::super::native::BODY_BYTES;
use super::super::wechat::reply::Trouble;
use super::super::wechat::{of_id, of_stand_in, parted_key};
use super::query::Query;
use super::users::USER_TOKENS;

/// The parameters that hold a token, in a query or a JSON object. The first one in a call is the call's own.
pub const TOKEN_NAMES: [&str; 5] = [
    "access_token",
    "component_access_token",
    "suite_access_token",
    "provider_access_token",
    "authorizer_access_token",
];

/// A stand-in in a call.
#[derive(Clone, Debug)]
pub struct Place {
    /// The parameter's name.
    pub name: &'static str,
    pub written: String,
    pub account: String,
    pub is_in_body: bool,
}

/// The parameter in which a call has a client's key, and the account whose secret replaces the key.
pub struct SecretPlace {
    pub name: &'static str,
    pub account: String,
}

/// The stand-ins of a call. All of them belong to one client.
pub struct Places {
    all: Vec<Place>,
    client: Option<String>,
    /// The clients as they were when the call arrived.
    known: Arc<ClientSet>,
}

impl Places {
    /// The stand-ins of a query. Fails on a token that is not a stand-in, except in calls about users, which
    /// carry users' tokens.
    pub async fn of_query(
        call: &Call<'_>,
        query: &Query,
        is_of_a_user: bool,
    ) -> Result<Places, Trouble> {
        let mut places = Places {
            all: Vec::new(),
            client: None,
            known: call.clients().await?,
        };
        for name in TOKEN_NAMES {
            if let Some(value) = query.get(name)
                && (!is_of_a_user || value.starts_with(STAND_IN_PREFIX))
            {
                places.add(call, name, value, false).await?;
            }
        }
        Ok(places)
    }

    /// Adds the stand-ins of a body that is a JSON object.
    pub async fn add_of_body(&mut self, call: &Call<'_>, body: &[u8]) -> Result<(), Trouble> {
        for (name, value) in tokens_in(body) {
            self.add(call, name, &value, true).await?;
        }
        Ok(())
    }

    async fn add(
        &mut self,
        call: &Call<'_>,
        name: &'static str,
        value: &str,
        is_in_body: bool,
    ) -> Result<(), Trouble> {
        let found = of_stand_in(call, &self.known, value, 40001).await?;
        let (client, account) = (found.name.to_owned(), found.account);
        match &self.client {
            // In a call with stand-ins of two clients, neither client may use the other's.
            Some(known) if *known != client => return Err(Trouble::Code(40001)),
            _ => self.client = Some(client),
        }
        self.all.push(Place {
            name,
            written: value.to_owned(),
            account,
            is_in_body,
        });
        Ok(())
    }

    /// The account of the first stand-in.
    pub fn account(&self) -> Option<&String> {
        self.all.first().map(|place| &place.account)
    }

    /// Returns all stand-ins. Fails unless they belong to this client.
    pub fn of(self, caller: &Caller) -> Result<Vec<Place>, Trouble> {
        match self.client.is_none_or(|client| client == caller.name) {
            true => Ok(self.all),
            false => Err(Trouble::Code(40001)),
        }
    }

    /// The client to whom the stand-ins belong, if there are any.
    pub fn caller(&self, call: &mut Call<'_>) -> Result<Option<Caller>, Trouble> {
        let Some(name) = &self.client else {
            return Ok(None);
        };
        let known = self.known.named(name);
        let (name, client) = known.ok_or(Trouble::Code(40001))?;
        Ok(Some(call.take(name, client)?))
    }
}

/// Whether a query has a token, a stand-in or another.
pub fn has_token(query: &Query) -> bool {
    TOKEN_NAMES.iter().any(|name| query.get(name).is_some())
}

/// Identifies a client by its key, its certificate or its user.
pub async fn known_otherwise(
    call: &mut Call<'_>,
    headers: &HeaderMap,
) -> Result<Option<Caller>, Trouble> {
    match bearer(headers) {
        Some(key) => match call.admit(Some(key)).await {
            Err(Refusal::Unknown) => Err(Trouble::Refused(40001, Refusal::Unknown)),
            admitted => Ok(Some(admitted?)),
        },
        None => Ok(call.admit_without_key().await?),
    }
}

/// Identifies the client of a call about a user, by an appid and the client's key in place of the secret.
pub async fn by_key(
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

/// The client that received the user's token in this query, if it is still a client.
pub async fn holder_of_users_token(
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

/// The account of a call that names none, if the client sees only one.
pub async fn only_account(call: &Call<'_>, caller: &Caller) -> Result<String, Trouble> {
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

/// Whether a call has a short body that may hold a token.
pub fn may_have_token(head: &Parts) -> bool {
    let field = |name| {
        head.headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let length = field(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    head.method == Method::POST
        && length.is_some_and(|length| length > 0 && length <= BODY_BYTES)
        && field(header::CONTENT_TYPE)
            .is_none_or(|kind| kind.contains("json") || kind.contains("text/plain"))
}

/// The tokens in a JSON object's own fields that may hold one. Nested fields are not examined, because they are texts
/// that the client sends to somebody.
pub fn tokens_in(body: &[u8]) -> Vec<(&'static str, String)> {
    let fields = fields_of(body);
    let names = TOKEN_NAMES.into_iter();
    let found = names.filter_map(|name| {
        let value: String = serde_json::from_str(fields.get(name)?.get()).ok()?;
        Some((name, value)).filter(|(_, value)| !value.is_empty())
    });
    found.collect()
}

/// The body with other values in these fields. The rest stays as it was written.
pub fn with_fields<'a>(body: &[u8], put: impl Fn(&str) -> Option<&'a str>) -> Vec<u8> {
    let fields = fields_of(body);
    let mut changes: Vec<(usize, usize, String)> = Vec::new();
    for name in TOKEN_NAMES {
        if let (Some(written), Some(value)) = (fields.get(name), put(name)) {
            let written = written.get();
            let begin = written.as_ptr().addr() - body.as_ptr().addr();
            let value = serde_json::Value::from(value).to_string();
            changes.push((begin, begin + written.len(), value));
        }
    }
    changes.sort();
    let mut done = Vec::with_capacity(body.len());
    let mut from = 0;
    for (begin, end, value) in changes {
        done.extend(&body[from..begin]);
        done.extend(value.as_bytes());
        from = end;
    }
    done.extend(&body[from..]);
    done
}

fn fields_of(body: &[u8]) -> HashMap<String, &RawValue> {
    let may_have = memchr::memmem::find(body, b"_token\"").is_some();
    match may_have && body.trim_ascii_start().starts_with(b"{") {
        true => serde_json::from_slice(body).unwrap_or_default(),
        false => HashMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_put_into_the_field_that_holds_one_and_nowhere_else() {
        let body = r#" {"touser" : "o1", "access_token":"wxs_a", "text":{"access_token":"wxs_a","content":"wxs_a"}, "n":1.0} "#;
        assert_eq!(
            tokens_in(body.as_bytes()),
            [("access_token", "wxs_a".to_owned())]
        );
        let put = with_fields(body.as_bytes(), |name| {
            (name == "access_token").then_some("re\"al")
        });
        assert_eq!(
            String::from_utf8(put).unwrap(),
            r#" {"touser" : "o1", "access_token":"re\"al", "text":{"access_token":"wxs_a","content":"wxs_a"}, "n":1.0} "#
        );
    }

    #[test]
    fn other_bodies_stay_as_they_are() {
        for body in [
            "",
            "{",
            "[]",
            r#"{"text":"access_token\""}"#,
            r#"{"access_token":7}"#,
            r#"{"x_token":"wxs_a"}"#,
            "--x\r\n\"access_token\":\"wxs_a\"",
        ] {
            let body = body.as_bytes();
            assert!(tokens_in(body).is_empty(), "{body:?}");
            let put = with_fields(body, |_| None);
            assert_eq!(put, body);
        }
    }
}
