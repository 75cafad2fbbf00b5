//! The lease in a row: which leader may fetch, and until when. It runs out by itself when its leader is frozen.

use super::Row;
use crate::clock::Now;

/// No lease is longer: timeout_ms is 600 s at most.
pub(super) const LONGEST_LEASE_MS: i64 = 601_000;

impl Row {
    pub fn lease_is_active(&self, now: Now) -> bool {
        // A process that cannot learn the epoch is taken to be in the same one. A lease that is too long for that shows otherwise.
        let same_epoch = self.epoch == now.epoch || self.epoch.is_empty() || now.epoch.is_empty();
        let left = self.lease_until - now.steady_ms;
        self.lease_id != 0 && same_epoch && (1..=LONGEST_LEASE_MS).contains(&left)
    }

    pub fn lease_has_run_out(&self, now: Now) -> bool {
        self.lease_id != 0 && !self.lease_is_active(now)
    }
}

/// A leader's intent, written before the request.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    pub id: i64,
    pub slot: i64,
    pub length_ms: i64,
}

impl Row {
    /// Makes the steady times count in this epoch. A token from another one keeps what the wall clock leaves it.
    pub(super) fn move_to_epoch(&mut self, now: Now) {
        if self.epoch != now.epoch {
            self.epoch = now.epoch.into();
            self.fetched_steady = now.steady_ms - (now.wall_ms - self.fetched_at).max(0);
        }
    }

    /// Ends the lease. False when it has passed to somebody else, whose row this now is.
    pub(super) fn release(&mut self, lease_id: i64) -> bool {
        let ours = self.lease_id == lease_id;
        if ours {
            self.lease_id = 0;
            self.lease_until = 0;
        }
        ours
    }

    /// Gives the lead back with nothing noted: what was lacking is another credential's.
    pub fn release_lease(&mut self, lease_id: i64) {
        self.release(lease_id);
    }
}
