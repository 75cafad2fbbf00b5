//! The platform's host for the calls of each account.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use wxtoken::tool::{Error, WechatHost, host_of_kind};

use super::super::admission::{Call, Refusal};
use super::super::wechat::reply::Trouble;

/// The host of each account, and the token that the account had when the host was looked up.
#[derive(Default)]
pub struct Hosts(Mutex<HashMap<String, (Box<str>, WechatHost)>>);

/// Returns the host for an account's calls. Each new token of the account makes it look the host up again, because
/// the account may have changed.
pub async fn host_of(call: &Call<'_>, account: &str) -> Result<WechatHost, Trouble> {
    let hosts = &call.server.forwarding.hosts.0;
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
