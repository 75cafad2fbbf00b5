//! WeCom's ban of an address from which 2,000 calls failed within an hour: it lasts an hour.

use std::{collections::BTreeMap, net::IpAddr};

use crate::account::Window;

const HOUR: u64 = 3_600_000;
const FAILURES: u64 = 2_000;

/// The failed calls of each address, and until when it is banned.
#[derive(Debug, Default)]
pub struct Bans(BTreeMap<IpAddr, (Window, u64)>);

impl Bans {
    /// Whether calls from there are refused unread.
    pub fn is_banned(&self, address: IpAddr, now: u64) -> bool {
        self.0.get(&address).is_some_and(|(_, until)| now < *until)
    }

    /// Takes note of a call that failed. A ban is not made longer by what it refuses.
    pub fn count_failure(&mut self, address: IpAddr, now: u64) {
        if self.is_banned(address, now) {
            return;
        }
        let (failed, until) = self.0.entry(address).or_default();
        // The last one that is allowed is the one that bans.
        if !failed.take(now, HOUR, FAILURES - 1) {
            *failed = Window::default();
            *until = now.saturating_add(HOUR);
        }
    }
}
