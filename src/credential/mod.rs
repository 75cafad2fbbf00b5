//! One credential's row, and the rules of its life: fresh, usable, spent; claimed, granted, refused, rejected.
//!
//! Pure: every rule takes the moment it is asked at, and neither waits nor stores. Whatever keeps rows (SQLite, Redis,
//! this process's memory) keeps these fields and asks these questions.

use crate::clock::{Now, spread};
use crate::error::{Error, Status};
use crate::platform::errcodes::{Wait, platform_day};
use crate::platform::{FetchError, Grant};

/// A fetch that only a rejection asks for comes at most this often.
pub const REJECT_GAP_MS: i64 = 30_000;
/// WeChat allows 20 forced refreshes a day; two are left to people.
pub const MAX_FORCED_REFRESHES_PER_DAY: i64 = 18;
/// No lease is longer: timeout_ms is 600 s at most.
const LONGEST_LEASE_MS: i64 = 601_000;
/// How far ahead of its end a stable token has a successor.
const SUCCESSOR_MS: i64 = 270_000;
/// How far before everybody's refresh time a keeper's lies. A stable token has its successor 300 s before its end, and the
/// refresh time is at most 289 s before it.
const KEEPER_HEAD_START_MS: i64 = 5000;

/// What a token belongs to. Two accounts with one identity share one token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CredentialKey {
    pub endpoint: String,
    pub base_url: String,
    pub id: String,
    /// What else tells two apart, by the recipe's scope: the secret's fingerprint, the parent's id, or nothing.
    pub scope: String,
}

impl CredentialKey {
    /// Tells this credential from all others of a store, whatever its base URL.
    pub fn owner(&self) -> String {
        format!("{}\0{}\0{}", self.endpoint, self.id, self.scope)
    }
}

/// A secret that was put, or that the platform has sent since to replace it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSecret {
    pub sealed: Vec<u8>,
    pub at: i64,
    /// Of what was put last. When that is put once more it changes nothing: the platform may have replaced it since.
    pub put_fingerprint: String,
}

impl StoredSecret {
    /// Whether it is the same secret, be it sealed anew by now.
    pub fn is_same(&self, other: Option<&StoredSecret>) -> bool {
        other.is_some_and(|other| {
            self.at == other.at && self.put_fingerprint == other.put_fingerprint
        })
    }
}

/// The state of one credential. Times are milliseconds; `_at` is the wall clock, `boot` the boot clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    pub token: Option<String>,
    pub fetched_at: i64,
    pub expires_at: i64,
    pub refresh_at: i64,
    pub fetched_boot: i64,
    /// Which boot of the host `fetched_boot` and `lease_until` count in.
    pub boot_id: String,
    pub fetched_by: String,
    pub fetches: i64,
    pub rejects: i64,
    /// The API refused this token.
    pub rejected: bool,
    /// The platform has handed this token out again after a rejection.
    pub same_token_reissued: bool,
    /// Somebody has set out to replace this rejected token.
    pub replacement_attempted: bool,
    pub reject_fetch_at: i64,
    pub force_day: i64,
    pub forces: i64,
    /// Failures in a row.
    pub failures: i64,
    pub failed_at: i64,
    pub backoff_ms: i64,
    /// What time the fetch had, if it was that which ran out; else 0.
    pub failed_budget_ms: i64,
    pub last_status: i64,
    pub last_errcode: i64,
    pub last_error: String,
    pub lease_id: i64,
    pub lease_until: i64,
    pub lease_slot: i64,
    pub put: Option<StoredSecret>,
    /// What `put` replaced last, sealed: for people, should the platform refuse the new one.
    pub put_before: Option<Vec<u8>>,
}

/// What a caller may do with a row now, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// Hand the token out.
    Fresh,
    /// Hand it out, and let somebody fetch the next one.
    Usable,
    /// There is nothing to hand out.
    Spent,
}

impl Row {
    pub fn freshness(&self, now: Now, boot_id: &str) -> Freshness {
        self.freshness_with(now, boot_id, 0)
    }

    /// The same for a keeper, whose window opens earlier than that of all others.
    pub fn keeper_freshness(&self, now: Now, boot_id: &str) -> Freshness {
        self.freshness_with(now, boot_id, self.head_start_ms())
    }

    /// How much earlier: not so early that a stable token would have no successor yet.
    fn head_start_ms(&self) -> i64 {
        ((self.expires_at - self.refresh_at) / 2).clamp(0, KEEPER_HEAD_START_MS)
    }

    /// How long until a keeper's window opens.
    pub fn until_keeper_refresh_ms(&self, now: Now, boot_id: &str) -> i64 {
        self.until_refresh_ms(now, boot_id) - self.head_start_ms()
    }

    fn until_refresh_ms(&self, now: Now, boot_id: &str) -> i64 {
        self.left_ms(now, boot_id) - (self.expires_at - self.refresh_at)
    }

    fn freshness_with(&self, now: Now, boot_id: &str, head_start_ms: i64) -> Freshness {
        if self.token.is_none() || self.left_ms(now, boot_id) <= 0 {
            return Freshness::Spent;
        }
        if self.rejected {
            // Where no fetch is allowed now, for the gap or for an earlier failure, the token may still be good: it is
            // served again. Once somebody has set out to replace it, what comes of that is the answer to everybody.
            let may_fetch =
                self.may_fetch_for_reject(now) && self.standing_failure(now, 0).is_none();
            return if self.replacement_attempted || may_fetch {
                Freshness::Spent
            } else {
                Freshness::Fresh
            };
        }
        if self.until_refresh_ms(now, boot_id) > head_start_ms {
            Freshness::Fresh
        } else {
            Freshness::Usable
        }
    }

    /// How long the token may still be handed out, by whichever clock says less.
    pub fn left_ms(&self, now: Now, boot_id: &str) -> i64 {
        let lifetime = self.expires_at - self.fetched_at;
        let by_wall = self.expires_at - now.wall_ms;
        if self.boot_id == boot_id && !boot_id.is_empty() {
            let by_boot = lifetime - (now.boot_ms - self.fetched_boot);
            return by_wall.min(by_boot);
        }
        // Fetched before the last boot: only the wall clock can tell, and one that stands before the fetch cannot.
        if now.wall_ms < self.fetched_at - 5000 {
            return 0;
        }
        by_wall
    }

    fn may_fetch_for_reject(&self, now: Now) -> bool {
        let since = now.wall_ms - self.reject_fetch_at;
        !(0..REJECT_GAP_MS).contains(&since)
    }

    /// How long until another may be fetched for a token that was rejected.
    pub fn until_fetch_for_reject_ms(&self, now: Now) -> i64 {
        let gap = match self.replacement_attempted || self.may_fetch_for_reject(now) {
            true => 0,
            false => self.reject_fetch_at + REJECT_GAP_MS - now.wall_ms,
        };
        let failure = self.standing_failure(now, 0);
        gap.max(failure.map_or(0, |failure| failure.retry_after_ms))
    }

    /// The failure that everybody shares until its back-off is over; but a timeout says nothing to a caller who has
    /// clearly more patience than the leader had.
    pub fn standing_failure(&self, now: Now, patience_ms: i64) -> Option<Error> {
        let caller_has_more_time = self.failed_budget_ms > 0
            && self.failed_budget_ms.saturating_mul(4) < patience_ms.saturating_mul(3);
        if caller_has_more_time {
            return None;
        }
        let since = now.wall_ms - self.failed_at;
        // A negative age means that the wall clock was set back: the back-off is not worth trusting.
        if self.failures == 0 || !(0..self.backoff_ms).contains(&since) {
            return None;
        }
        let mut error = Error::new(Status::from_code(self.last_status), &self.last_error);
        error.errcode = i32::try_from(self.last_errcode).unwrap_or(0);
        error.retry_after_ms = self.backoff_ms - since;
        Some(error)
    }

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

/// What the leader is to ask the platform for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchPlan {
    pub force: bool,
    pub failures: i64,
}

impl Row {
    pub fn claim(&mut self, lease: Lease, can_force: bool, now: Now, boot_id: &str) -> FetchPlan {
        let for_reject = self.rejected && self.token.is_some() && self.left_ms(now, boot_id) > 0;
        let day = platform_day(now.wall_ms);
        if self.force_day != day {
            self.force_day = day;
            self.forces = 0;
        }
        // Normal mode has already answered with the very token that the API refuses: only force helps.
        let force = for_reject
            && can_force
            && self.same_token_reissued
            && self.forces < MAX_FORCED_REFRESHES_PER_DAY;
        if for_reject {
            self.replacement_attempted = true;
            self.reject_fetch_at = now.wall_ms;
        }
        if force {
            self.forces += 1;
        }
        self.move_boot(now, boot_id);
        self.lease_id = lease.owner;
        self.lease_slot = lease.slot;
        self.lease_until = now.boot_ms + lease.length_ms;
        FetchPlan {
            force,
            failures: self.failures,
        }
    }

    /// Makes the boot times count in this boot. A token from an earlier one keeps what the wall clock leaves it.
    fn move_boot(&mut self, now: Now, boot_id: &str) {
        if self.boot_id != boot_id {
            self.boot_id = boot_id.into();
            self.fetched_boot = now.boot_ms - (now.wall_ms - self.fetched_at).max(0);
        }
    }

    /// Ends the lease. False when it has passed to somebody else, whose row this now is.
    fn release(&mut self, owner: i64) -> bool {
        let ours = self.lease_id == owner;
        if ours {
            self.lease_id = 0;
            self.lease_until = 0;
        }
        ours
    }

    /// Takes in a grant for a request that was sent at `sent`. False when it came too late.
    pub fn grant(
        &mut self,
        owner: i64,
        grant: &Grant,
        sent: Now,
        refresh_ahead_s: i64,
        boot_id: &str,
    ) -> bool {
        if !self.release(owner) {
            return false;
        }
        let same = self.token.as_deref() == Some(grant.token.as_str());
        let lifetime = grant.expires_in_s * 1000;
        self.same_token_reissued = same && (self.rejected || self.same_token_reissued);
        self.rejected = false;
        self.replacement_attempted = false;
        self.token = Some(grant.token.clone());
        self.fetched_at = sent.wall_ms;
        self.fetched_boot = sent.boot_ms;
        self.boot_id = boot_id.into();
        self.expires_at = sent.wall_ms + lifetime;
        self.refresh_at = self.expires_at - ahead(lifetime, refresh_ahead_s, same);
        self.fetches += 1;
        self.clear_failures();
        true
    }

    /// Takes in a secret that a person or the platform put. False when it is what was put before.
    pub fn put(&mut self, kept: StoredSecret) -> bool {
        if self
            .put
            .as_ref()
            .is_some_and(|known| known.put_fingerprint == kept.put_fingerprint)
        {
            return false;
        }
        self.clear_failures();
        self.replace_put(kept);
        true
    }

    fn replace_put(&mut self, kept: StoredSecret) {
        self.put_before = self.put.take().map(|old| old.sealed);
        self.put = Some(kept);
    }

    /// The platform has sent another secret in place of the one that was put, to a leader who set out with `claimed`.
    /// It counts even if the leader comes too late for its token, unless that secret has been replaced since; then it is
    /// kept beside the other, since nobody can say which of the two holds.
    pub fn rotate_pushed_secret(&mut self, sealed: Vec<u8>, claimed: &Row, now: Now) {
        let Some(put) = &self.put else { return };
        if !put.is_same(claimed.put.as_ref()) {
            self.put_before = Some(sealed);
            return;
        }
        self.replace_put(StoredSecret {
            sealed,
            at: now.wall_ms,
            put_fingerprint: put.put_fingerprint.clone(),
        });
        // What came of the one before is no reason not to ask with this one.
        self.clear_failures();
    }

    /// Earlier failures keep nobody from asking.
    pub fn clear_failures(&mut self) {
        self.failures = 0;
        self.failed_at = 0;
        self.backoff_ms = 0;
    }

    /// Gives the lead back with nothing noted: what was lacking is another credential's.
    pub fn release_lease(&mut self, owner: i64) {
        self.release(owner);
    }

    /// Asks for one more fetch soon: a late leader of a classic endpoint may have superseded this token.
    pub fn refresh_now(&mut self, now: Now) {
        self.refresh_at = self.refresh_at.min(now.wall_ms);
    }

    /// Notes a failure for everybody, unless a fault of the leader's own made it. The error comes back with its `retry_after_ms`;
    /// false when it came too late.
    pub fn record_failure(
        &mut self,
        owner: i64,
        failure: &FetchError,
        plan: FetchPlan,
        budget_ms: i64,
        now: Now,
    ) -> (Error, bool) {
        let mut error = failure.error.clone();
        let in_time = self.release(owner);
        if in_time && plan.force && failure.not_sent {
            // The platform has not seen it, so the day's budget has not either.
            self.forces -= 1;
        }
        if in_time && failure.wait != Wait::NotShared {
            self.failed_budget_ms = match error.status {
                Status::Timeout => budget_ms,
                _ => 0,
            };
            self.backoff_ms = spread(failure.wait.length_ms(now.wall_ms, self.failures), 20).max(1);
            self.failures += 1;
            self.failed_at = now.wall_ms;
            self.last_status = error.status as i64;
            self.last_errcode = i64::from(error.errcode);
            self.last_error.clone_from(&error.message);
            error.retry_after_ms = self.backoff_ms;
        }
        (error, in_time)
    }

    /// Marks the token as refused by the API, if it is still this one. Whether anything changed.
    pub fn reject(&mut self, token: &str) -> bool {
        if self.token.as_deref() != Some(token) {
            return false;
        }
        self.rejects += 1;
        self.rejected = true;
        self.replacement_attempted = false;
        true
    }

    /// Takes in what a process noted while it could not write here: the later token, the later failure.
    pub fn merge(&mut self, kept: &Row) {
        let later_token = kept.fetched_at > self.fetched_at;
        if later_token || (kept.token == self.token && kept.rejected) {
            self.token.clone_from(&kept.token);
            self.fetched_at = kept.fetched_at;
            self.expires_at = kept.expires_at;
            self.refresh_at = kept.refresh_at;
            self.fetched_boot = kept.fetched_boot;
            self.boot_id.clone_from(&kept.boot_id);
            self.fetched_by.clone_from(&kept.fetched_by);
            self.fetches = self.fetches.max(kept.fetches);
            self.rejects = self.rejects.max(kept.rejects);
            self.rejected = kept.rejected;
            self.same_token_reissued = kept.same_token_reissued;
            self.replacement_attempted = kept.replacement_attempted;
            self.reject_fetch_at = self.reject_fetch_at.max(kept.reject_fetch_at);
        }
        if self.force_day <= kept.force_day {
            let same_day = self.force_day == kept.force_day;
            self.forces = kept.forces.max(if same_day { self.forces } else { 0 });
            self.force_day = kept.force_day;
        }
        let put_at = |row: &Row| row.put.as_ref().map_or(0, |put| put.at);
        if put_at(kept) > put_at(self) {
            self.put.clone_from(&kept.put);
            self.put_before.clone_from(&kept.put_before);
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

    /// Whether this row knows all that `kept` does.
    pub fn includes(&self, kept: &Row) -> bool {
        let mut with = self.clone();
        with.merge(kept);
        with == *self
    }
}

/// How long before its end a token is to be refreshed.
fn ahead(lifetime: i64, refresh_ahead_s: i64, same: bool) -> i64 {
    if !same {
        return spread((refresh_ahead_s * 1000).min(lifetime / 10), 7);
    }
    // The platform will not part with a new token yet. Look again close to the end of this one, where a stable token
    // has a successor; and past that point ever closer, so that one that never changes is asked for a few times only.
    if lifetime > SUCCESSOR_MS * 10 / 9 {
        spread(SUCCESSOR_MS, 7)
    } else {
        lifetime / 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: &str = "boot";
    const START: Now = Now {
        wall_ms: 1_800_000_000_000,
        boot_ms: 50_000,
    };

    const PLAIN: FetchPlan = FetchPlan {
        force: false,
        failures: 0,
    };

    fn failure(message: &str, wait: Wait) -> FetchError {
        FetchError {
            error: Error::new(Status::Network, message),
            wait,
            not_sent: true,
            stale_parent: false,
        }
    }

    fn lease() -> Lease {
        Lease {
            owner: 7,
            slot: 0,
            length_ms: 1000,
        }
    }

    fn granted(token: &str, expires_in_s: i64) -> Grant {
        Grant {
            token: token.into(),
            expires_in_s,
            renewed: None,
        }
    }

    fn fetched(row: &mut Row, token: &str, expires_in_s: i64, at: Now) -> FetchPlan {
        let plan = row.claim(lease(), true, at, BOOT);
        assert!(row.grant(7, &granted(token, expires_in_s), at, 270, BOOT));
        plan
    }

    fn refused(row: &mut Row, wait: Wait, at: Now) {
        row.claim(lease(), true, at, BOOT);
        row.record_failure(7, &failure("down", wait), PLAIN, 8000, at);
    }

    #[test]
    fn a_token_is_fresh_then_usable_then_spent() {
        let mut row = Row::default();
        fetched(&mut row, "A", 7200, START);
        assert_eq!(row.freshness(START.plus(6_900_000), BOOT), Freshness::Fresh);
        assert_eq!(
            row.freshness(START.plus(6_950_000), BOOT),
            Freshness::Usable
        );
        assert_eq!(
            row.freshness(START.plus(7_199_999), BOOT),
            Freshness::Usable
        );
        assert_eq!(row.freshness(START.plus(7_200_000), BOOT), Freshness::Spent);
    }

    #[test]
    fn the_refresh_moment_is_spread_by_seven_percent() {
        for _ in 0..1000 {
            let ahead = ahead(7_200_000, 270, false);
            assert!((251_100..=288_900).contains(&ahead), "{ahead}");
            let short = super::ahead(5000, 270, false);
            assert!((465..=535).contains(&short), "{short}");
        }
    }

    #[test]
    fn no_clock_alone_keeps_a_token_alive() {
        let mut row = Row::default();
        fetched(&mut row, "A", 7200, START);
        let set_back = Now {
            wall_ms: START.wall_ms - 86_400_000,
            boot_ms: START.boot_ms + 7_200_000,
        };
        assert_eq!(row.freshness(set_back, BOOT), Freshness::Spent);
        let set_forward = Now {
            wall_ms: START.wall_ms + 7_200_000,
            boot_ms: START.boot_ms,
        };
        assert_eq!(row.freshness(set_forward, BOOT), Freshness::Spent);
        // After a reboot the boot clock says nothing, and a wall clock before the fetch says nothing either.
        let rebooted = Now {
            wall_ms: START.wall_ms - 7_200_000,
            boot_ms: 5,
        };
        assert_eq!(row.freshness(rebooted, "next"), Freshness::Spent);
        let later = Now {
            wall_ms: START.wall_ms + 60_000,
            boot_ms: 5,
        };
        assert_eq!(row.freshness(later, "next"), Freshness::Fresh);
    }

    #[test]
    fn the_same_token_again_is_asked_for_close_to_its_end() {
        let mut row = Row::default();
        fetched(&mut row, "A", 7200, START);
        fetched(&mut row, "A", 600, START.plus(6_600_000));
        let ahead = row.expires_at - row.refresh_at;
        assert!((251_000..=289_000).contains(&ahead), "{ahead}");
        fetched(&mut row, "A", 270, START.plus(6_930_000));
        assert_eq!(row.expires_at - row.refresh_at, 270_000 / 8);
    }

    #[test]
    fn a_late_leader_changes_nothing() {
        let mut row = Row::default();
        row.claim(lease(), true, START, BOOT);
        let second = Lease {
            owner: 8,
            ..lease()
        };
        assert!(row.lease_has_run_out(START.plus(1000), BOOT));
        row.claim(second, true, START.plus(2000), BOOT);
        assert!(row.grant(8, &granted("new", 7200), START.plus(2000), 270, BOOT));
        let saved = row.clone();
        assert!(!row.grant(7, &granted("old", 7200), START, 270, BOOT));
        row.record_failure(7, &failure("late", Wait::BackOff), PLAIN, 8000, START);
        assert_eq!(row, saved);
    }

    #[test]
    fn a_lease_counts_for_who_does_not_know_the_boot() {
        let mut row = Row::default();
        row.claim(lease(), true, START, "");
        assert!(row.lease_is_active(START, BOOT), "its holder did not know");
        row.claim(lease(), true, START, BOOT);
        assert!(row.lease_is_active(START, ""), "this one does not");
        assert!(!row.lease_is_active(START, "another boot"));
        let rebooted = Now {
            boot_ms: 0,
            ..START
        };
        row.lease_until = LONGEST_LEASE_MS + 1;
        assert!(!row.lease_is_active(rebooted, ""), "of an earlier boot");
    }

    #[test]
    fn a_failure_stands_for_everybody_until_its_back_off_is_over() {
        let mut row = Row::default();
        refused(&mut row, Wait::Seconds(60), START);
        let standing = row.standing_failure(START.plus(1000), 8000).unwrap();
        assert_eq!(standing.message, "down");
        assert!((47_000..=71_000).contains(&standing.retry_after_ms));
        assert!(row.standing_failure(START.plus(72_001), 8000).is_none());
        assert!(
            row.standing_failure(START.plus(-86_400_000), 8000)
                .is_none()
        );
    }

    #[test]
    fn a_reject_compares_and_fetches_once_in_thirty_seconds() {
        let mut row = Row::default();
        fetched(&mut row, "A", 7200, START);
        assert!(!row.reject("B"));
        assert_eq!(row.freshness(START, BOOT), Freshness::Fresh);
        assert!(row.reject("A"));
        assert_eq!(row.freshness(START, BOOT), Freshness::Spent);
        fetched(&mut row, "B", 7200, START.plus(1000));
        assert!(row.reject("B"));
        assert_eq!(row.freshness(START.plus(30_999), BOOT), Freshness::Fresh);
        assert_eq!(row.freshness(START.plus(31_000), BOOT), Freshness::Spent);
    }

    #[test]
    fn a_rejected_token_is_not_served_while_its_fetch_fails() {
        let mut row = Row::default();
        fetched(&mut row, "A", 7200, START);
        row.reject("A");
        refused(&mut row, Wait::BackOff, START.plus(1000));
        assert_eq!(row.freshness(START.plus(1001), BOOT), Freshness::Spent);
        assert!(row.standing_failure(START.plus(1001), 8000).is_some());
        fetched(&mut row, "B", 7200, START.plus(5000));
        assert_eq!(row.freshness(START.plus(5000), BOOT), Freshness::Fresh);
    }

    #[test]
    fn a_reject_during_an_earlier_back_off_takes_the_token_from_nobody() {
        let mut row = Row::default();
        fetched(&mut row, "A", 7200, START);
        refused(&mut row, Wait::Seconds(3600), START.plus(1000));
        row.reject("A");
        assert_eq!(row.freshness(START.plus(2000), BOOT), Freshness::Fresh);
        assert_eq!(row.freshness(START.plus(4_400_000), BOOT), Freshness::Spent);
    }

    #[test]
    fn a_force_that_was_never_sent_is_not_counted() {
        let mut row = Row::default();
        fetched(&mut row, "A", 7200, START);
        row.reject("A");
        fetched(&mut row, "A", 7200, START.plus(1000));
        row.reject("A");
        let plan = row.claim(lease(), true, START.plus(40_000), BOOT);
        assert!(plan.force && row.forces == 1);
        row.record_failure(
            7,
            &failure("down", Wait::BackOff),
            plan,
            8000,
            START.plus(40_000),
        );
        assert_eq!(row.forces, 0);
    }

    #[test]
    fn a_timeout_stands_for_those_with_no_more_patience_alone() {
        let mut row = Row::default();
        row.claim(lease(), true, START, BOOT);
        let mut timeout = failure("no answer", Wait::BackOff);
        timeout.error.status = Status::Timeout;
        row.record_failure(7, &timeout, PLAIN, 290, START);
        assert!(row.standing_failure(START, 300).is_some());
        assert!(row.standing_failure(START, 8000).is_none());
        row.claim(lease(), true, START, BOOT);
        row.record_failure(7, &timeout, PLAIN, 7900, START);
        assert!(row.standing_failure(START, 8000).is_some());
    }

    #[test]
    fn a_fault_of_the_leaders_options_is_not_noted() {
        let mut row = Row::default();
        row.claim(lease(), true, START, BOOT);
        let fault = failure("no such ca_file", Wait::NotShared);
        let (error, in_time) = row.record_failure(7, &fault, PLAIN, 8000, START);
        assert!(in_time && error.retry_after_ms == 0);
        assert!(row.standing_failure(START, 8000).is_none());
        assert!(!row.lease_is_active(START, BOOT));
    }

    #[test]
    fn what_was_kept_in_memory_joins_what_others_wrote() {
        let mut stored = Row::default();
        fetched(&mut stored, "A", 7200, START);
        let mut kept = stored.clone();
        fetched(&mut kept, "B", 7200, START.plus(1000));
        refused(&mut stored, Wait::Seconds(60), START.plus(500));
        stored.merge(&kept);
        assert_eq!(stored.token.as_deref(), Some("B"));
        assert!(stored.standing_failure(START.plus(1500), 8000).is_none());
        assert!(stored.includes(&kept));
        // A later failure that another process wrote stays.
        refused(&mut stored, Wait::Seconds(60), START.plus(2000));
        stored.merge(&kept);
        assert!(stored.standing_failure(START.plus(2500), 8000).is_some());
        // A later token is not set back, and a rejection of this one is not lost.
        fetched(&mut stored, "C", 7200, START.plus(3000));
        assert!(stored.includes(&kept));
        let mut rejecting = stored.clone();
        rejecting.reject("C");
        stored.merge(&rejecting);
        assert!(stored.rejected);
    }

    #[test]
    fn force_comes_only_after_the_refused_token_was_handed_out_again() {
        let mut row = Row::default();
        fetched(&mut row, "A", 7200, START);
        row.reject("A");
        assert!(!fetched(&mut row, "A", 7100, START.plus(1000)).force);
        assert_eq!(row.freshness(START.plus(1000), BOOT), Freshness::Fresh);
        row.reject("A");
        assert!(fetched(&mut row, "B", 7200, START.plus(31_000)).force);
        row.reject("B");
        assert!(!fetched(&mut row, "C", 7200, START.plus(62_000)).force);
    }

    #[test]
    fn force_stays_within_its_daily_budget() {
        let mut row = Row::default();
        let mut at = START;
        let mut forced = 0;
        fetched(&mut row, "A", 2_592_000, at);
        let day = platform_day(START.wall_ms);
        for _ in 0..200 {
            at = at.plus(REJECT_GAP_MS);
            assert_eq!(platform_day(at.wall_ms), day);
            row.reject("A");
            forced += i64::from(fetched(&mut row, "A", 2_592_000, at).force);
        }
        assert_eq!(forced, MAX_FORCED_REFRESHES_PER_DAY);
        row.reject("A");
        assert!(fetched(&mut row, "A", 2_592_000, at.plus(86_400_000)).force);
    }

    #[test]
    fn a_wall_clock_set_back_does_not_hold_rejects_up() {
        let mut row = Row::default();
        fetched(&mut row, "A", 7200, START);
        row.reject("A");
        fetched(&mut row, "B", 7200, START);
        row.reject("B");
        let set_back = Now {
            wall_ms: START.wall_ms - 3_600_000,
            boot_ms: START.boot_ms + 1000,
        };
        assert_eq!(row.freshness(set_back, BOOT), Freshness::Spent);
    }

    fn pushed(word: &str, at: i64) -> StoredSecret {
        StoredSecret {
            sealed: word.into(),
            at,
            put_fingerprint: word.into(),
        }
    }

    #[test]
    fn an_owner_is_told_by_endpoint_id_and_scope() {
        let key = CredentialKey {
            endpoint: "stable_token".into(),
            base_url: "https://a".into(),
            id: "wx1".into(),
            scope: "s".into(),
        };
        let elsewhere = CredentialKey {
            base_url: "https://b".into(),
            ..key.clone()
        };
        assert_eq!(key.owner(), elsewhere.owner());
        let another = CredentialKey {
            id: "wx2".into(),
            ..key.clone()
        };
        assert_ne!(key.owner(), another.owner());
    }

    #[test]
    fn a_keepers_window_opens_five_seconds_earlier_or_half_way() {
        let mut row = Row {
            token: Some("A".into()),
            expires_at: START.wall_ms + 7_200_000,
            refresh_at: START.wall_ms + 6_930_000,
            fetched_at: START.wall_ms,
            fetched_boot: START.boot_ms,
            boot_id: BOOT.into(),
            ..Row::default()
        };
        assert_eq!(row.until_keeper_refresh_ms(START, BOOT), 6_925_000);
        let opens = START.plus(6_925_000);
        assert_eq!(row.keeper_freshness(opens, BOOT), Freshness::Usable);
        assert_eq!(row.freshness(opens, BOOT), Freshness::Fresh);
        assert_eq!(
            row.freshness(START.plus(6_930_000), BOOT),
            Freshness::Usable
        );
        row.refresh_at = row.expires_at - 600;
        assert_eq!(row.until_keeper_refresh_ms(START, BOOT), 7_199_100);
        row.refresh_now(START.plus(1000));
        assert_eq!(row.refresh_at, START.wall_ms + 1000);
        row.refresh_now(START.plus(2000));
        assert_eq!(row.refresh_at, START.wall_ms + 1000);
    }

    #[test]
    fn without_a_boot_id_the_wall_clock_alone_counts_but_not_one_set_far_back() {
        let mut row = Row::default();
        row.claim(lease(), true, START, "");
        assert!(row.grant(7, &granted("A", 7200), START, 270, ""));
        let later = Now {
            wall_ms: START.wall_ms,
            boot_ms: START.boot_ms + 7_200_000,
        };
        assert_eq!(row.left_ms(later, ""), 7_200_000);
        assert_eq!(row.left_ms(START.plus(-5000), ""), 7_205_000);
        assert_eq!(row.left_ms(START.plus(-5001), ""), 0);
    }

    #[test]
    fn until_a_fetch_for_a_reject_is_the_gap_or_the_back_off() {
        let mut row = Row::default();
        fetched(&mut row, "A", 7200, START);
        row.reject("A");
        assert_eq!(row.until_fetch_for_reject_ms(START), 0);
        fetched(&mut row, "B", 7200, START);
        row.reject("B");
        assert_eq!(row.rejects, 2);
        assert_eq!(row.until_fetch_for_reject_ms(START.plus(10_000)), 20_000);
        refused(&mut row, Wait::Seconds(60), START.plus(10_000));
        // Somebody has set out already, so the gap does not count.
        let left = row.until_fetch_for_reject_ms(START.plus(11_000));
        assert_eq!(left, row.backoff_ms - 1000);
    }

    #[test]
    fn a_lease_runs_out_only_where_there_is_one() {
        let mut row = Row::default();
        assert!(!row.lease_has_run_out(START, BOOT));
        row.claim(lease(), true, START, BOOT);
        assert!(!row.lease_has_run_out(START.plus(999), BOOT));
        assert!(row.lease_has_run_out(START.plus(1000), BOOT));
        row.release_lease(8);
        assert_eq!(row.lease_id, 7, "another's");
        row.release_lease(7);
        assert_eq!((row.lease_id, row.lease_until), (0, 0));
    }

    #[test]
    fn an_expired_token_is_not_replaced_for_its_rejection() {
        let mut row = Row::default();
        fetched(&mut row, "A", 7200, START);
        row.reject("A");
        row.claim(lease(), true, START.plus(7_200_000), BOOT);
        assert!(!row.replacement_attempted);
        let mut empty = Row {
            rejected: true,
            ..Row::default()
        };
        empty.claim(lease(), true, START, BOOT);
        assert!(!empty.replacement_attempted);
    }

    #[test]
    fn a_token_keeps_its_age_in_another_boot() {
        let mut row = Row::default();
        fetched(&mut row, "A", 7200, START);
        let rebooted = Now {
            wall_ms: START.wall_ms + 60_000,
            boot_ms: 5,
        };
        row.claim(lease(), true, rebooted, "next");
        assert_eq!(row.fetched_boot, 5 - 60_000);
        assert_eq!(row.left_ms(rebooted, "next"), 7_140_000);
    }

    #[test]
    fn a_secret_put_again_changes_nothing_and_another_forgives_failures() {
        let mut row = Row::default();
        refused(&mut row, Wait::Seconds(60), START);
        assert!(row.put(pushed("one", 1)));
        assert_eq!((row.failures, row.failed_at, row.backoff_ms), (0, 0, 0));
        assert!(!row.put(pushed("one", 2)));
        assert_eq!(row.put, Some(pushed("one", 1)));
        assert!(row.put(pushed("two", 3)));
        assert_eq!(row.put_before.as_deref(), Some("one".as_bytes()));
        let put = pushed("two", 3);
        assert!(put.is_same(row.put.as_ref()) && !put.is_same(None));
        assert!(!put.is_same(Some(&pushed("two", 4))));
        assert!(!put.is_same(Some(&pushed("one", 3))));
    }

    #[test]
    fn a_secret_that_the_platform_sends_replaces_the_one_it_was_sent_for() {
        let mut row = Row::default();
        row.rotate_pushed_secret(vec![1], &Row::default(), START);
        assert_eq!(row.put, None, "none was put");
        row.put(pushed("one", 1));
        let claimed = row.clone();
        refused(&mut row, Wait::Seconds(60), START);
        row.rotate_pushed_secret(vec![2], &claimed, START);
        let now = row.put.clone().unwrap();
        assert_eq!((now.sealed, now.at), (vec![2], START.wall_ms));
        assert_eq!((now.put_fingerprint.as_str(), row.failures), ("one", 0));
        row.rotate_pushed_secret(vec![3], &claimed, START.plus(1));
        assert_eq!(row.put.unwrap().sealed, [2], "it has been replaced since");
        assert_eq!(row.put_before, Some(vec![3]));
    }

    #[test]
    fn a_grant_and_failures_are_counted() {
        let mut row = Row::default();
        fetched(&mut row, "A", 7200, START);
        fetched(&mut row, "B", 7200, START);
        assert_eq!(row.fetches, 2);
        refused(&mut row, Wait::Seconds(1), START);
        refused(&mut row, Wait::Seconds(1), START);
        assert_eq!(row.failures, 2);
        // A force that was sent stays counted, and so does one of a leader who is late.
        row.forces = 3;
        let plan = FetchPlan {
            force: true,
            failures: 0,
        };
        row.claim(lease(), true, START, BOOT);
        row.forces = 3;
        let mut sent = failure("down", Wait::BackOff);
        sent.not_sent = false;
        row.record_failure(7, &sent, plan, 8000, START);
        assert_eq!(row.forces, 3);
    }

    #[test]
    fn a_stable_token_of_any_length_has_a_successor_close_to_its_end() {
        assert_eq!(ahead(300_000, 270, true), 300_000 / 8);
        let boundary = SUCCESSOR_MS * 10 / 9;
        assert_eq!(ahead(boundary, 270, true), boundary / 8);
        let ahead = ahead(boundary + 1, 270, true);
        assert!(ahead > boundary / 2, "{ahead}");
    }

    #[test]
    fn a_fetch_that_has_been_set_out_for_is_not_waited_for() {
        let mut row = Row::default();
        fetched(&mut row, "A", 7200, START);
        row.reject("A");
        row.claim(lease(), true, START, BOOT);
        assert_eq!(row.until_fetch_for_reject_ms(START.plus(1000)), 0);
    }

    #[test]
    fn a_third_more_patience_is_not_clearly_more() {
        let mut row = Row::default();
        row.claim(lease(), true, START, BOOT);
        let mut timeout = failure("no answer", Wait::BackOff);
        timeout.error.status = Status::Timeout;
        row.record_failure(7, &timeout, PLAIN, 300, START);
        assert!(row.standing_failure(START, 400).is_some());
        assert!(row.standing_failure(START, 401).is_none());
    }
}
