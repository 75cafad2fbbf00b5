//! What is to be fetched, and when: the accounts, their credentials, and what readers have asked for.

use std::collections::HashMap;

use super::Keeper;
use super::workers::{FetchJob, WorkerPool};
use crate::account::{blamable, key_of, name_of};
use crate::client::session::Session;
use crate::clock::boot_ms;
use crate::credential::{CredentialKey, Freshness, Row};
use crate::names::ACCESS_TOKEN;
use crate::store::StoreSnapshot;

/// A credential that is to be kept.
pub(super) struct PlannedFetch {
    pub(super) job: FetchJob,
    pub(super) due_ms: i64,
    pub(super) without_token: bool,
    /// A reader waits for it: it comes before all that is queued.
    pub(super) is_wanted: bool,
}

impl Keeper {
    /// Every credential that is kept.
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
        // What a bridge brings is for the bridge.
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
                // Another name of it: worth a thought where the secret of one was refused.
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
                    planned.is_wanted |= is_wanted;
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
    /// In how many milliseconds a credential is to be fetched, and whether it has no valid token.
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
