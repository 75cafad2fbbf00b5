//! The report: every account and token of the store as JSON, for people and monitors. No secret, no token.

use serde_json::{Value, json};

use crate::account::key_of;
use crate::client::session::Session;
use crate::clock::Now;
use crate::credential::{CredentialKey, Freshness, Row};
use crate::error::{Error, Result, Status};
use crate::platform::{PushedSecret, Recipe};
use crate::process::apply_all_unsaved;
use crate::store::{Account, StoreSnapshot};

pub fn write(session: &Session) -> Result<String> {
    let shared = session.view.shared;
    let StoreSnapshot { accounts, mut rows } =
        StoreSnapshot::of(session.store(), &session.deadline)?;
    apply_all_unsaved(shared, &mut rows);
    let now = session.now();
    let listed: Vec<Value> = accounts
        .iter()
        .map(|account| describe_account(session, account, &rows, now))
        .collect();
    let report = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "store": session.store_name().to_string(),
        "now": seconds(now.wall_ms),
        "keeper": session.store().keeper_channel().is_listened_to(),
        "degraded": shared.unsaved_reason(),
        "accounts": listed,
    });
    Ok(report.to_string())
}

fn describe_account(
    session: &Session,
    account: &Account,
    tokens: &[(CredentialKey, Row)],
    now: Now,
) -> Value {
    let listed: Vec<Value> = account
        .kind
        .recipes()
        .flat_map(|recipe| {
            let own = key_of(account, recipe, &session.options);
            // Another handle may use other base URLs: each is a token of its own.
            tokens
                .iter()
                .filter(move |(key, _)| key.owner() == own.owner())
                .map(move |(key, row)| describe_token(recipe, key, row, now))
        })
        .collect();
    json!({
        "name": account.name,
        "kind": account.kind.name(),
        "id": account.id,
        "fingerprint": account.fingerprint,
        "current": account.current,
        "has_secret": account.sealed.is_some(),
        "parent": account.parent.as_ref().map(|parent| &parent.name),
        "tokens": listed,
    })
}

fn describe_token(recipe: &Recipe, key: &CredentialKey, row: &Row, now: Now) -> Value {
    let state = match row.freshness(now) {
        Freshness::Fresh => "fresh",
        Freshness::Usable => "usable",
        Freshness::Spent => "none",
    };
    let standing = row.standing_failure(now, 0);
    let last_error = (row.last_status != 0).then(|| {
        json!({
            "status": Status::from_code(row.last_status).name(),
            "errcode": row.last_errcode,
            "message": Error::from_stored(Status::from_code(row.last_status), &row.last_error).for_c(),
        })
    });
    json!({
        "credential": recipe.credential,
        "endpoint": key.endpoint,
        "base_url": key.base_url,
        "state": state,
        "rejected": row.rejected,
        "fetched_at": moment(row.fetched_at),
        "fetched_by": row.fetched_by,
        "expires_at": moment(row.expires_at),
        "refresh_at": moment(row.refresh_at),
        "fetches": row.fetches,
        "rejects": row.rejects,
        "forces_today": row.forces,
        "failures_in_a_row": row.failures,
        "last_error": last_error,
        "retry_at": standing.map(|e| seconds(now.wall_ms + e.retry_after_ms)),
        "put": recipe.put.as_ref().map(|put| describe_put(put, row)),
    })
}

/// That something was put, and when; not what.
fn describe_put(put: &PushedSecret, row: &Row) -> Value {
    let at = row.put.as_ref().map(|kept| seconds(kept.at));
    json!({
        "field": put.field,
        "at": at,
        "good_until": at.filter(|_| put.lifetime_s > 0).map(|at| at + put.lifetime_s),
        "has_before": row.put_before.is_some(),
    })
}

fn moment(wall_ms: i64) -> Option<i64> {
    (wall_ms != 0).then(|| seconds(wall_ms))
}

fn seconds(wall_ms: i64) -> i64 {
    wall_ms.div_euclid(1000)
}
