//! The changes of a row: a claim, a grant, a failure, a rejection, and a pushed secret that is put or rotated.

use super::{Lease, RejectionPlan, Remedies, Row, StoredSecret};
use crate::clock::{Now, spread};
use crate::error::{Error, Status};
use crate::platform::errcodes::Wait;
use crate::platform::{FetchError, Grant};

/// The milliseconds before its end when a stable token has a successor.
pub(super) const SUCCESSOR_MS: i64 = 270_000;

/// The leader's plan for a fetch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FetchPlan {
    pub rejection: RejectionPlan,
    pub failures: i64,
}

impl Row {
    pub fn claim(&mut self, lease: Lease, remedies: Remedies, now: Now) -> FetchPlan {
        let rejection = self.plan_for_rejection(lease, remedies, now);
        self.move_to_epoch(now);
        self.lease_id = lease.id;
        self.lease_slot = lease.slot;
        self.lease_until = now.steady_ms + lease.length_ms;
        FetchPlan {
            rejection,
            failures: self.failures,
        }
    }

    /// Puts a leader's claim back if the store has lost it, or has gone back in time. The row then shows that no other
    /// leader has claimed since.
    pub fn put_claim_back(&mut self, before: &Row, claimed: &Row) {
        if *self == Row::default() || self == before {
            self.clone_from(claimed);
        }
    }

    /// Takes a grant into the row, for a request that was sent at `sent`. Returns false if the lease has ended.
    pub fn grant(&mut self, lease_id: i64, grant: &Grant, sent: Now, refresh_ahead_s: i64) -> bool {
        if !self.release(lease_id) {
            return false;
        }
        let same = self.token.as_deref() == Some(grant.token.as_str());
        let lifetime = grant.expires_in_s * 1000;
        // A rejection that came after the claim was not looked into. If the token is the same, the next leader does that.
        let is_open = same && self.is_unchecked();
        let is_answered = self.rejected && !is_open;
        self.same_token_reissued = same && (is_answered || self.same_token_reissued);
        self.rejected = is_open;
        self.replacement_attempted = false;
        self.token = Some(grant.token.clone());
        self.fetched_at = sent.wall_ms;
        self.fetched_steady = sent.steady_ms;
        self.epoch = sent.epoch.into();
        self.expires_at = sent.wall_ms + lifetime;
        self.refresh_at = self.expires_at - ahead(lifetime, refresh_ahead_s, same);
        self.fetches += 1;
        self.clear_failures();
        true
    }

    /// Stores a secret that a person or the platform put. Returns false if the same secret was put before.
    pub fn put(&mut self, kept: StoredSecret, now: Now) -> bool {
        if self
            .pushed
            .as_ref()
            .is_some_and(|known| known.put_fingerprint == kept.put_fingerprint)
        {
            return false;
        }
        self.note_change(now);
        self.replace_put(kept);
        true
    }

    /// Replaces the put secret. The time of the new one is later, even if the clock was set back since: a host that
    /// keeps the older one takes the later one for the newer.
    fn replace_put(&mut self, mut kept: StoredSecret) {
        let old = self.pushed.take();
        if let Some(old) = &old {
            kept.at = kept.at.max(old.at.saturating_add(1));
        }
        self.pushed_before = old.map(|old| old.sealed);
        self.pushed = Some(kept);
    }

    /// Restores a secret that the store has forgotten, if it is newer than the stored one. The older one is then kept
    /// in `pushed_before`. Returns whether the secret was restored.
    pub fn take_kept(&mut self, kept: StoredSecret) -> bool {
        let is_newer = self.pushed.as_ref().is_none_or(|there| there.at < kept.at);
        if is_newer {
            self.replace_put(kept);
        }
        is_newer
    }

    /// Stores a secret with which the platform replaced the put one. `claimed` is the row that the leader started with.
    ///
    /// The secret counts even if the leader's token comes too late. If the stored secret has been replaced meanwhile,
    /// the new one is kept in `pushed_before`, since it is not known which of the two is valid.
    pub fn rotate_pushed_secret(&mut self, sealed: Vec<u8>, claimed: &Row, now: Now) {
        let Some(put) = &self.pushed else { return };
        if !put.is_same(claimed.pushed.as_ref()) {
            self.pushed_before = Some(sealed);
            return;
        }
        self.replace_put(StoredSecret {
            sealed,
            at: now.wall_ms,
            put_fingerprint: put.put_fingerprint.clone(),
        });
        // The previous secret's failures do not apply to this one.
        self.clear_failures();
    }

    /// Forgets earlier failures, so that the next fetch may be made at once.
    pub fn clear_failures(&mut self) {
        self.failures = 0;
        self.failed_at = 0;
        self.backoff_ms = 0;
    }

    /// Makes the next fetch due now. On the classic endpoint a late leader may have superseded this token.
    pub fn refresh_now(&mut self, now: Now) {
        self.refresh_at = self.refresh_at.min(now.wall_ms);
    }

    /// Notes a failure for every process, unless the leader's own fault caused it. Returns the error with its
    /// `retry_after_ms`, and false if the lease has ended.
    pub fn record_failure(
        &mut self,
        lease_id: i64,
        failure: &FetchError,
        budget_ms: i64,
        now: Now,
    ) -> (Error, bool) {
        let mut error = failure.error.clone();
        let in_time = self.release(lease_id);
        if in_time && failure.wait != Wait::NotShared {
            self.failed_budget_ms = match error.status {
                // 0 would stand for another failure than a timeout.
                Status::Timeout => budget_ms.max(1),
                _ => 0,
            };
            self.backoff_ms = spread(failure.wait.length_ms(now.wall_ms, self.failures), 20).max(1);
            self.failures += 1;
            self.failed_at = now.wall_ms;
            self.last_status = error.status as i64;
            self.last_errcode = i64::from(error.errcode);
            let endings = self.endings();
            self.last_error = error.to_stored();
            self.set_endings(endings);
            error.retry_after_ms = self.backoff_ms;
        }
        (error, in_time)
    }
}

/// Returns the milliseconds before a token's end at which it is refreshed.
pub(super) fn ahead(lifetime: i64, refresh_ahead_s: i64, same: bool) -> i64 {
    if !same {
        return spread((refresh_ahead_s * 1000).min(lifetime / 10), 7);
    }
    // The platform does not give a new token yet. The next try comes close to the end, when a stable token has a
    // successor. After that the intervals get shorter, so that a token that never changes is asked for only a few
    // times.
    if lifetime > SUCCESSOR_MS * 10 / 9 {
        spread(SUCCESSOR_MS, 7)
    } else {
        lifetime / 8
    }
}
