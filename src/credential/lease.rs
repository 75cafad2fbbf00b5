//! The lease in a row: which leader may fetch, and until when. It runs out by itself when its leader is frozen.

use super::Row;
use crate::clock::Now;

/// No lease is longer: timeout_ms is 600 s at most.
pub(super) const LONGEST_LEASE_MS: i64 = 601_000;

impl Row {
    pub fn lease_is_active(&self, now: Now, boot_id: &str) -> bool {
        // Who cannot learn the boot's id is taken to be in the same one: a lease that is too long for that shows otherwise.
        let same_boot = self.boot_id == boot_id || self.boot_id.is_empty() || boot_id.is_empty();
        let left = self.lease_until - now.boot_ms;
        self.lease_id != 0 && same_boot && (1..=LONGEST_LEASE_MS).contains(&left)
    }

    pub fn lease_has_run_out(&self, now: Now, boot_id: &str) -> bool {
        self.lease_id != 0 && !self.lease_is_active(now, boot_id)
    }
}

/// A leader's intent, written before the request.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    pub owner: i64,
    pub slot: i64,
    pub length_ms: i64,
}

impl Row {
    /// Makes the boot times count in this boot. A token from an earlier one keeps what the wall clock leaves it.
    pub(super) fn move_boot(&mut self, now: Now, boot_id: &str) {
        if self.boot_id != boot_id {
            self.boot_id = boot_id.into();
            self.fetched_boot = now.boot_ms - (now.wall_ms - self.fetched_at).max(0);
        }
    }

    /// Ends the lease. False when it has passed to somebody else, whose row this now is.
    pub(super) fn release(&mut self, owner: i64) -> bool {
        let ours = self.lease_id == owner;
        if ours {
            self.lease_id = 0;
            self.lease_until = 0;
        }
        ours
    }

    /// Gives the lead back with nothing noted: what was lacking is another credential's.
    pub fn release_lease(&mut self, owner: i64) {
        self.release(owner);
    }
}
