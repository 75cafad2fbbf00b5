//! Merging a row that this process could not write with the one in the store.

use super::{Row, SecretRefusal};

impl Row {
    /// Takes over what a process noted while it could not write: the later token, the later failure.
    pub fn merge(&mut self, kept: &Row) {
        let later_token = kept.fetched_at > self.fetched_at;
        if later_token || (kept.token == self.token && kept.rejected) {
            self.token.clone_from(&kept.token);
            self.fetched_at = kept.fetched_at;
            self.expires_at = kept.expires_at;
            self.refresh_at = kept.refresh_at;
            self.fetched_steady = kept.fetched_steady;
            self.epoch.clone_from(&kept.epoch);
            self.fetched_by.clone_from(&kept.fetched_by);
            self.secret_worked.clone_from(&kept.secret_worked);
            self.fetches = self.fetches.max(kept.fetches);
            self.rejects = self.rejects.max(kept.rejects);
            self.rejected = kept.rejected;
            self.same_token_reissued = kept.same_token_reissued;
            self.replacement_attempted = kept.replacement_attempted;
        }
        if kept.reject_asked_at > self.reject_asked_at {
            self.reject_asked_at = kept.reject_asked_at;
            self.rejections.clone_from(&kept.rejections);
        }
        if self.force_day <= kept.force_day {
            let same_day = self.force_day == kept.force_day;
            self.forces = kept.forces.max(if same_day { self.forces } else { 0 });
            self.force_day = kept.force_day;
        }
        let put_at = |row: &Row| row.pushed.as_ref().map_or(0, |put| put.at);
        if put_at(kept) > put_at(self) {
            self.pushed.clone_from(&kept.pushed);
            self.pushed_before.clone_from(&kept.pushed_before);
        }
        for refusal in &kept.refusals {
            let known =
                |known: &SecretRefusal| known.secret == refusal.secret && known.at >= refusal.at;
            if !self.refusals.iter().any(known) {
                self.refusals.retain(|known| known.secret != refusal.secret);
                self.refusals.push(refusal.clone());
            }
        }
        if later_token && kept.fetched_at > self.failed_at {
            self.failures = 0;
        }
        if kept.failed_at > self.failed_at && kept.failed_at > self.fetched_at {
            self.failures = kept.failures;
            self.failed_at = kept.failed_at;
            self.backoff_ms = kept.backoff_ms;
            self.failed_budget_ms = kept.failed_budget_ms;
            self.last_status = kept.last_status;
            self.last_errcode = kept.last_errcode;
            self.last_error.clone_from(&kept.last_error);
        }
    }

    /// Returns whether this row knows everything that `kept` does.
    pub fn includes(&self, kept: &Row) -> bool {
        let mut with = self.clone();
        with.merge(kept);
        with == *self
    }
}
