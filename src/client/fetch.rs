//! A leader's fetch: asks the platform, and saves the token or the failure in the store. If the store cannot be
//! written, the result is kept in memory.

use std::sync::atomic::{AtomicBool, Ordering};

use super::lead::{LeadResult, Leadership, ParentCredential};
use super::put::put_label;
use super::reject::{Looked, contested, must_force};
use super::session::Session;
use crate::account::Credential;
use crate::base_url::is_plain_beyond_loopback;
use crate::clock::{Deadline, Now};
use crate::credential::{RejectionOutcome, Row};
use crate::error::{Error, Hint, Result, Status};
use crate::options::LogLevel;
use crate::platform::errcodes::Wait;
use crate::platform::{self, Fetch, FetchCost, FetchError, Grant};
use crate::process::last_known;
use crate::secrets::Secret;
use crate::store::Commit;
use crate::sys::{self, Failpoint};

/// The time in milliseconds that saving a result may take, even if the caller's deadline is nearer. A fetched token is
/// worth that wait.
const SAVE_MS: i64 = 2000;

impl Session {
    pub(super) fn fetch(&self, lead: Leadership, parent: ParentCredential) -> Result<LeadResult> {
        let account = &lead.found.account;
        self.log(
            LogLevel::Debug,
            &format!("fetching {}", subject(&lead.found)),
        );
        if let Some(upstream) = &self.upstream
            && lead.found.account.origin().is_some()
        {
            sys::hit_failpoint(Failpoint::Claimed);
            return self.bring(&lead, upstream);
        }
        self.tell_plain_text(lead.found.recipe.base_url(&self.options));
        sys::hit_failpoint(Failpoint::Claimed);
        let mut learned = match self.look_into_rejection(&lead) {
            Looked::ServedAgain(row) => return Ok(LeadResult::Row(row)),
            Looked::Fetch(learned) => learned,
        };
        let sent = self.now();
        let ask = |force| {
            platform::fetch(&Fetch {
                recipe: lead.found.recipe,
                account: &account.name,
                kind: account.kind.name(),
                id: &account.id,
                fetch_secrets: &lead.fetch_secrets,
                parent: parent.token,
                force,
                failures: lead.plan.failures,
                options: &self.options,
                deadline: &self.deadline,
            })
        };
        let mut answer = ask(learned.forced);
        if let Ok(grant) = &answer
            && must_force(&lead, &learned, grant)
        {
            learned.forced = true;
            match ask(true) {
                Ok(grant) => answer = Ok(grant),
                // The forced fetch failed, so the token of the first answer is used.
                Err(failure) => {
                    learned.forced = !failure.not_sent;
                    self.log(LogLevel::Error, &failure.error.for_c());
                }
            }
        }
        sys::hit_failpoint(Failpoint::Replied);
        match answer {
            Ok(grant) => Ok(self.save(&lead, &grant, &learned, sent)),
            Err(failure) => {
                learned.forced &= !failure.not_sent;
                if failure.stale_parent && parent.may_be_stale {
                    self.log(LogLevel::Info, &failure.error.for_c());
                    self.finish(&lead, &mut |row| {
                        lead.conclude(row, &learned, self.now());
                        row.release_lease(lead.lease.id);
                        true
                    });
                    return Ok(LeadResult::StaleParent);
                }
                Err(self.record_failure(&lead, failure, &learned))
            }
        }
    }

    /// Logs, once per process, that `allow_plain_http` sends secrets over a network in plain text.
    fn tell_plain_text(&self, base: &str) {
        static IS_TOLD: AtomicBool = AtomicBool::new(false);
        if self.options.log >= LogLevel::Info
            && is_plain_beyond_loopback(base)
            && !IS_TOLD.swap(true, Ordering::Relaxed)
        {
            let what = format!(
                "requests to {base} are in plain text, as allow_plain_http permits: secrets and tokens can be read on the way"
            );
            self.log(LogLevel::Info, &what);
        }
    }

    /// Notes a failure for all processes.
    pub(super) fn record_failure(
        &self,
        lead: &Leadership,
        mut failure: FetchError,
        learned: &RejectionOutcome,
    ) -> Error {
        self.tell_age_of_put(lead, &mut failure);
        let supersedes = lead.found.recipe.cost == FetchCost::RevokesPrevious;
        let mut error = failure.error.clone();
        self.finish(lead, &mut |row| {
            let now = self.now();
            let is_as_sent = match &row.pushed {
                Some(put) => put.is_same(lead.row.pushed.as_ref()),
                None => lead.row.pushed.is_none(),
            };
            if !is_as_sent {
                // The refused secret has been replaced since.
                failure.wait = Wait::NotShared;
            }
            lead.conclude(row, learned, now);
            let in_time;
            (error, in_time) = row.record_failure(lead.lease.id, &failure, lead.budget_ms, now);
            if in_time && failure.blames_secret && failure.wait != Wait::NotShared {
                error.retry_after_ms = row.blame(lead.found.blamable(), now);
            }
            if !in_time && supersedes && !failure.not_sent {
                row.refresh_now(now);
            }
            true
        });
        self.log(LogLevel::Error, &error.for_c());
        error
    }

    /// Adds to a refusal that the put secret is past its life.
    pub(super) fn tell_age_of_put(&self, lead: &Leadership, failure: &mut FetchError) {
        let put = lead.found.recipe.pushed.as_ref();
        let kept = lead.row.pushed.as_ref();
        let (Some(put), Some(kept)) = (put, kept) else {
            return;
        };
        let age_s = (self.now().wall_ms - kept.at) / 1000;
        if failure.error.status != Status::Api || put.lifetime_s == 0 || age_s <= put.lifetime_s {
            return;
        }
        let age = format!(
            "; the {} was put {} minutes ago and is good for {}",
            put.field,
            age_s / 60,
            put.lifetime_s / 60
        );
        failure.error.detail.get_or_insert_default().push_str(&age);
        failure.error.hint = Some(Box::new(Hint::Put {
            account: lead.found.account.name.clone(),
            field: put.field.into(),
            before: Some("See why the pushes no longer arrive, and".into()),
        }));
    }

    pub(super) fn save(
        &self,
        lead: &Leadership,
        grant: &Grant,
        learned: &RejectionOutcome,
        sent: Now,
    ) -> LeadResult {
        let mut late = false;
        let label = sys::process_label();
        let ahead_s = self.options.refresh_ahead_s;
        let mut renewed = self.seal_renewed(lead, grant);
        sys::hit_failpoint(Failpoint::Sealed);
        let row = self.finish(lead, &mut |row| {
            lead.conclude(row, learned, self.now());
            late = !row.grant(lead.lease.id, grant, sent, ahead_s);
            if let (Some(sealed), Some(clear)) = (&mut renewed, &grant.renewed) {
                if let Some(put) = &lead.found.recipe.pushed
                    && let Err(e) =
                        self.reseal_if_rotated(&put_label(&lead.found, put), clear, sealed)
                {
                    // The platform no longer accepts the old one. The new one is kept as it was sealed a moment ago.
                    self.log(LogLevel::Error, &e.for_c());
                }
                row.rotate_pushed_secret(sealed.clone(), &lead.row, self.now());
            }
            if !late {
                row.credit(lead.found.blamable());
                row.fetched_by.clone_from(&label);
                return true;
            }
            // This late fetch may have ended the token that another leader saved. Only one more fetch makes sure.
            let superseding = lead.found.recipe.cost == FetchCost::RevokesPrevious;
            if superseding {
                row.refresh_now(self.now());
            }
            superseding || renewed.is_some()
        });
        if let (Some(_), Some(put)) = (&renewed, &row.pushed) {
            last_known(self.store_name(), |known| {
                known.rotate_pushed(&lead.found.key, put);
            });
        }
        let subject = subject(&lead.found);
        if learned.verdict.is_some()
            && let Some(contested) =
                contested(lead.found.recipe, &lead.found.account, &row, self.now())
        {
            self.log(LogLevel::Error, &contested.for_c());
        }
        if late {
            self.log(
                LogLevel::Info,
                &format!("{subject} came after its lease and was dropped"),
            );
        } else {
            self.log(LogLevel::Info, &format!("fetched {subject}"));
        }
        LeadResult::Row(Box::new(row))
    }

    /// Returns the secret that the platform sent to replace the put one, sealed. Returns None if it is the same.
    pub(super) fn seal_renewed(&self, lead: &Leadership, grant: &Grant) -> Option<Vec<u8>> {
        let renewed: &Secret = grant.renewed.as_ref()?;
        if lead.fetch_secrets.pushed.as_ref() == Some(renewed) {
            return None;
        }
        let label = put_label(&lead.found, lead.found.recipe.pushed.as_ref()?);
        let sealed = self.vault.seal(&label, renewed);
        sealed
            .inspect_err(|e| {
                self.log(
                    LogLevel::Error,
                    &format!("lost {}: {}", label.what, e.for_c()),
                );
            })
            .ok()
    }

    /// Ends the leadership by changing the row in the store. If that fails, changes the row in this process's memory.
    pub(super) fn finish(
        &self,
        lead: &Leadership,
        change: &mut dyn FnMut(&mut Row) -> bool,
    ) -> Row {
        let shared = self.state.shared;
        let mut after = lead.row.clone();
        let why = match &lead.unwritable {
            Some(why) => why.clone(),
            None => {
                let deadline = Deadline::after(SAVE_MS);
                let saved = self
                    .store()
                    .change_row(&lead.found.key, &deadline, &mut |row| {
                        row.put_claim_back(&lead.before, &lead.row);
                        let write = change(row);
                        after = row.clone();
                        sys::hit_failpoint(Failpoint::Saving);
                        Ok(Commit::when(write))
                    });
                match saved {
                    Ok(()) => {
                        sys::hit_failpoint(Failpoint::Saved);
                        return after;
                    }
                    Err(e) => e,
                }
            }
        };
        self.log(
            LogLevel::Error,
            &format!("kept in memory only: {}", why.for_c()),
        );
        after = lead.row.clone();
        change(&mut after);
        self.store().keep_for_host(&lead.found.key, &after);
        shared.unsaved.keep(&lead.found.key, after.clone(), &why);
        after
    }
}

pub(super) fn subject(found: &Credential) -> String {
    format!(
        "the {} of account \"{}\"",
        found.recipe.noun(),
        found.account.name
    )
}
