//! The token that a call is given, and what the call says of the one that its client has.

use std::time::Instant;

use wxtoken::tool::{LivingToken, Verb};

use super::super::admission::{Call, Caller, Refusal};
use super::reply::Trouble;

/// Around the end of its least life a stable token may be repeated.
const SLACK_MS: i64 = 5000;

pub async fn get(call: &Call<'_>, name: &str) -> Result<LivingToken, Trouble> {
    let min_life_ms = call.server.min_life_s * 1000 - SLACK_MS;
    let got = call.server.work.get(name, min_life_ms).await;
    Ok(got.map_err(Refusal::from)?.map_err(Refusal::from)?)
}

/// A token for this client. Where it has that one already, the API may have refused it: the platform is asked, now and then.
pub async fn get_for(
    call: &Call<'_>,
    caller: &Caller,
    account: &str,
) -> Result<LivingToken, Trouble> {
    let token = get(call, account).await?;
    let last = call.server.handed.last(&caller.name, account);
    let has_it = last.is_some_and(|last| *last == *token.value);
    if !has_it || !caller.client.may(Verb::Reject) {
        return Ok(token);
    }
    let look = call.server.repeats.of(account);
    let mut look = look.lock().await;
    if look.is_due(&token.value, Instant::now()) {
        let (of, value) = (account.to_owned(), token.value.clone());
        let checked = call
            .server
            .work
            .long(move |store| store.reject_if_refused(&of, &value))
            .await;
        // A look that fails says nothing: the token is as good as it was.
        if let Ok(Ok(true)) = checked {
            call.server.work.note_change();
        }
    }
    // Another caller's look may have brought another token.
    get(call, account).await
}

/// The token that the client has was refused, it says: that is so, unless another is there by now.
pub async fn reject_last(call: &Call<'_>, caller: &Caller, account: &str) -> Result<(), Trouble> {
    let last = call.server.handed.last(&caller.name, account);
    let of = account.to_owned();
    let rejected = call
        .server
        .work
        .long(move |store| {
            let token = match last {
                Some(token) => Some(token),
                None => store.stored(Some(&of))?.token,
            };
            match token {
                Some(token) => store.reject(Some(&of), &token),
                None => Ok(()),
            }
        })
        .await;
    rejected.map_err(Refusal::from)?.map_err(Refusal::from)?;
    call.server.work.note_change();
    Ok(())
}
