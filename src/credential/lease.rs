//! The lease in a row: which leader may fetch, and until when. It runs out by itself if its leader is frozen.

use super::Row;
use crate::clock::Now;

/// The length of the longest lease in milliseconds, since `timeout_ms` is 600 s at most.
pub(super) const LONGEST_LEASE_MS: i64 = 601_000;

impl Row {
    pub fn lease_is_active(&self, now: Now) -> bool {
        // A process that cannot read the epoch counts as being in the same one. A lease longer than the limit is of
        // another epoch.
        let same_epoch = self.epoch == now.epoch || self.epoch.is_empty() || now.epoch.is_empty();
        let left = self.lease_until - now.steady_ms;
        self.lease_id != 0 && same_epoch && (1..=LONGEST_LEASE_MS).contains(&left)
    }

    pub fn lease_has_run_out(&self, now: Now) -> bool {
        self.lease_id != 0 && !self.lease_is_active(now)
    }
}

/// A leader's intent, which is written before the request.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    pub id: i64,
    pub slot: i64,
    pub length_ms: i64,
}

impl Row {
    /// Moves the steady times into this epoch. A token from another epoch keeps the life that it has now, and a spent
    /// one stays spent.
    pub(super) fn move_to_epoch(&mut self, now: Now) {
        if self.epoch != now.epoch {
            let lifetime = self.expires_at - self.fetched_at;
            let age_ms = lifetime - self.left_ms(now).min(lifetime);
            self.epoch = now.epoch.into();
            self.fetched_steady = now.steady_ms - age_ms;
        }
    }

    /// Ends the lease. Returns false if another leader has claimed since.
    pub(super) fn release(&mut self, lease_id: i64) -> bool {
        let ours = self.lease_id == lease_id;
        if ours {
            self.lease_id = 0;
            self.lease_until = 0;
        }
        ours
    }

    /// Releases the lease with nothing noted, because the parent's credential was the one that failed.
    pub fn release_lease(&mut self, lease_id: i64) {
        self.release(lease_id);
    }
}
