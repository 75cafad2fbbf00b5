//! Ends a lease for each process that has watched it for its whole length, whatever the server's clock says by then.
//!
//! A server's clock may be set back, and a replica with another clock may take over. Without this module, a dead
//! leader's lease would last longer by the time that the clock went back.

use std::collections::HashMap;

use crate::clock::{Now, boot_ms};
use crate::credential::Row;
use crate::sync::{Mutex, lock};

/// The lease of each row as this process first saw it.
#[derive(Default)]
pub struct LeaseWatch(Mutex<HashMap<String, Seen>>);

struct Seen {
    lease_id: i64,
    /// The lease's end by this host's boot clock.
    ends_at: i64,
}

impl LeaseWatch {
    /// Ends the lease in a row that was read, if this process has watched it for as long as it had left when first
    /// seen.
    pub fn judge(&self, row_key: &str, row: &mut Row, now: Now) {
        let mut leases = lock(&self.0);
        if row.lease_id == 0 {
            leases.remove(row_key);
            return;
        }
        let seen = leases.get(row_key);
        match seen.filter(|seen| seen.lease_id == row.lease_id) {
            Some(seen) if boot_ms() >= seen.ends_at => row.lease_until = 0,
            Some(_) => {}
            None => {
                let left = row.lease_until.saturating_sub(now.steady_ms);
                let seen = Seen {
                    lease_id: row.lease_id,
                    ends_at: boot_ms().saturating_add(left),
                };
                leases.insert(row_key.into(), seen);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_watched_to_its_end_is_over_whatever_its_row_says() {
        let watch = LeaseWatch::default();
        let now = Now {
            wall_ms: 1_000_000,
            steady_ms: 1_000_000,
            epoch: "server",
        };
        let leased = |id: i64, left: i64| Row {
            lease_id: id,
            lease_until: now.steady_ms + left,
            ..Row::default()
        };
        let judged = |key: &str, mut row: Row| {
            watch.judge(key, &mut row, now);
            row.lease_until
        };
        assert_eq!(judged("a", leased(1, 60_000)), 1_060_000);
        // The lease has 60 s left, whatever the row says later.
        assert_eq!(judged("a", leased(1, 300_000)), 1_300_000);
        assert_eq!(judged("b", leased(2, 1)), 1_000_001);
        std::thread::sleep(std::time::Duration::from_millis(5));
        assert_eq!(judged("b", leased(2, 300_000)), 0);
        // A new lease is watched from its own beginning.
        assert_eq!(judged("b", leased(3, 300_000)), 1_300_000);
        assert_eq!(judged("a", leased(1, 300_000)), 1_300_000);
    }
}
