//! The token for a call, and the call's effect on the token that the client already has.

use std::time::Instant;

use wxtoken::tool::{LivingToken, Verb};

use super::super::admission::{Call, Caller, Refusal};
use super::reply::Trouble;

/// The time around the end of its least life in which the platform may repeat a stable token.
const SLACK_MS: i64 = 5000;

pub async fn get(call: &Call<'_>, name: &str) -> Result<LivingToken, Trouble> {
    let min_life_ms = call.server.min_life_s * 1000 - SLACK_MS;
    let got = call.server.work.get(name, min_life_ms).await;
    Ok(got.map_err(Refusal::from)?.map_err(Refusal::from)?)
}

/// Returns a token for this client. If it already has that one, the API may have refused it, so the platform is asked
/// now and then.
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
        // A look that fails says nothing about the token.
        if let Ok(Ok(true)) = checked {
            call.server.work.note_change();
        }
    }
    // Another caller's look may have brought another token.
    get(call, account).await
}

/// Rejects the last token that the client was given, because the client says that it was refused. A token that came
/// since is not affected.
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
