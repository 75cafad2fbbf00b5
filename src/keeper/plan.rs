//! The plan of a pass: which credentials to fetch and when, from the accounts, their rows, and what readers have asked
//! for.

use std::collections::HashMap;

use super::Keeper;
use super::workers::{FetchJob, WorkerPool};
use crate::account::{blamable, key_of, name_of};
use crate::client::session::Session;
use crate::clock::boot_ms;
use crate::credential::{CredentialKey, Freshness, Row};
use crate::names::ACCESS_TOKEN;
use crate::store::StoreSnapshot;

/// A credential that the keeper keeps fresh.
pub(super) struct PlannedFetch {
    pub(super) job: FetchJob,
    pub(super) due_ms: i64,
    pub(super) without_token: bool,
    /// Whether a reader waits for it. It then goes to the front of the queue.
    pub(super) is_wanted: bool,
}

impl Keeper {
    /// Returns every credential to keep fresh, and when it is due.
    pub(super) fn plan(&self, session: &Session, everything: &StoreSnapshot) -> Vec<PlannedFetch> {
        let rows: HashMap<&CredentialKey, &Row> = everything
            .rows
            .iter()
            .map(|(key, row)| (key, row))
            .collect();
        let empty = Row::default();
        let mut seen: HashMap<CredentialKey, usize> = HashMap::new();
        let mut plan: Vec<PlannedFetch> = Vec::new();
        let kept = everything.accounts.iter();
        // Accounts that a bridge brings are left to the bridge.
        let kept = kept.filter(|account| account.origin().is_none() || self.bridge.is_some());
        for account in kept {
            for recipe in account.kind.recipes() {
                let key = key_of(account, recipe, &session.options);
                let name = name_of(account, recipe);
                let row = rows.get(&key).copied();
                let is_wanted = self.wanted.contains(&name);
                let is_asked_for = recipe.credential == ACCESS_TOKEN
                    || row.is_some_and(|row| row.fetches > 0)
                    || is_wanted;
                if !is_asked_for {
                    continue;
                }
                let row = row.unwrap_or(&empty);
                let place = seen.get(&key).copied();
                if let Some(place) = place {
                    plan[place].is_wanted |= is_wanted;
                }
                // This is a second name of the same credential. It matters only if a secret was refused: the other
                // account has another one.
                if place.is_some() && row.refusals.is_empty() {
                    continue;
                }
                let secret = blamable(account, recipe);
                let (due_ms, without_token) = self.pool.due(session, &name, secret, row);
                if let Some(place) = place {
                    let planned = &mut plan[place];
                    if due_ms < planned.due_ms {
                        planned.due_ms = due_ms;
                        planned.job.name = name;
                    }
                    continue;
                }
                let base_url = key.base_url.clone();
                seen.insert(key, plan.len());
                plan.push(PlannedFetch {
                    job: FetchJob { name, base_url },
                    due_ms,
                    without_token,
                    is_wanted,
                });
            }
        }
        plan
    }
}

impl WorkerPool {
    /// Returns the milliseconds until a credential is to be fetched, and whether it has no valid token.
    pub(super) fn due(
        &self,
        session: &Session,
        name: &str,
        secret: &str,
        row: &Row,
    ) -> (i64, bool) {
        let now = session.now();
        let without_token = row.freshness(now) == Freshness::Spent;
        let held = self.held().get(name).map(|held| held.until_boot_ms);
        let held_ms = held.map_or(0, |until| until - boot_ms());
        let due_ms = if let Some(failure) = row.standing_failure_of(secret, now, 0) {
            failure.retry_after_ms
        } else if without_token {
            held_ms
        } else {
            row.until_keeper_refresh_ms(now).max(held_ms)
        };
        (due_ms, without_token)
    }
}
