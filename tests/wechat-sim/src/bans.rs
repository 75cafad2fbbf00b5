//! WeCom's ban: after 2,000 failed calls within an hour, an address is banned for an hour.

use std::{collections::BTreeMap, net::IpAddr};

use crate::account::Window;

const HOUR: u64 = 3_600_000;
const FAILURES: u64 = 2_000;

/// The failed calls of each address, and the end of its ban.
#[derive(Debug, Default)]
pub struct Bans(BTreeMap<IpAddr, (Window, u64)>);

impl Bans {
    /// Whether calls from this address are refused unread.
    pub fn is_banned(&self, address: IpAddr, now: u64) -> bool {
        self.0.get(&address).is_some_and(|(_, until)| now < *until)
    }

    /// Records a failed call. Calls refused by a ban do not prolong it.
    pub fn count_failure(&mut self, address: IpAddr, now: u64) {
        if self.is_banned(address, now) {
            return;
        }
        let (failed, until) = self.0.entry(address).or_default();
        // The last allowed failure is the one that bans.
        if !failed.take(now, HOUR, FAILURES - 1) {
            *failed = Window::default();
            *until = now.saturating_add(HOUR);
        }
    }
}
