//! Rejections: a caller reports that the API refused a token. Callers can be wrong, so the report is checked before it
//! costs anything.
//!
//! - A caller's rejection sets `rejected`, but only if the stored token is the one that it names.
//! - **Checked.** A recipe may have a check: a cheap call that takes the token. The leader makes that call first.
//!   Meanwhile the processes that have rejected the token wait, and bystanders are served it. Without a check, the
//!   token is replaced on the callers' word.
//! - **Accepted.** The platform accepts the token: `rejected` is cleared and nothing is fetched. The row counts the
//!   false reject (`false_rejects`). Callers that go on for `OUTLASTS_AFTER_MS` get one fetch nevertheless, and another
//!   each hour.
//! - **Refused.** The leader fetches at once. On the stable endpoint, a normal fetch may repeat the refused token. A
//!   forced fetch then follows under the same lease.
//! - **Unknown.** Any other answer says nothing about the token. It is then replaced on the callers' word.
//! - **Budgets.** Rejections cause one request in `GAP_MS`, and `MAX_FETCHES_PER_DAY` fetches in a day of UTC+8. In
//!   between, the token is served again. Forced refreshes stay within `MAX_FORCED_REFRESHES_PER_DAY` (18): WeChat's
//!   page 获取稳定版接口调用凭据 allows 20, 30 s apart, and the rest is left to people. A leader deducts each from the budget
//!   before it asks, and returns what it did not spend.
//! - **Replacement attempted.** Once a leader has tried to replace the token (`replacement_attempted`), the result of
//!   that try is the answer for every process.

use serde::{Deserialize, Serialize};

use super::{Lease, Row};
use crate::clock::Now;
use crate::platform::Verdict;
use crate::platform::errcodes::platform_day;

/// The shortest time in milliseconds between two requests that only rejections ask for.
pub(super) const GAP_MS: i64 = 30_000;

/// The number of fetches in a day that only rejections ask for. A test account has 200 on the classic endpoint.
pub(super) const MAX_FETCHES_PER_DAY: i64 = 200;

/// The number of forced refreshes in a day. WeChat allows 20, and two are left to people.
pub(super) const MAX_FORCED_REFRESHES_PER_DAY: i64 = 18;

/// The number of forced refreshes in a day for tokens that the platform accepts.
const MAX_FORCED_FOR_ACCEPTED: i64 = 9;

/// The time in milliseconds after which an accepted token is replaced nevertheless, if callers keep rejecting it.
pub(super) const OUTLASTS_AFTER_MS: i64 = 600_000;

/// The pause in milliseconds between two fetches for a token that the platform accepts. After a pause of this length,
/// rejections start a new count.
pub(super) const OUTLASTS_AGAIN_AFTER_MS: i64 = 3_600_000;

/// The number of early refusals, each within a day of the last, that show another program fetching for the account.
const REVOKED_BY_OTHERS_FROM: i64 = 3;

const DAY_MS: i64 = 86_400_000;

/// The history of rejections that a row keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RejectionHistory {
    /// The number of rejected tokens that the platform accepted.
    pub false_rejects: i64,
    /// The time when the platform last accepted a rejected token, or 0 after it has refused one.
    pub accepted_at: i64,
    /// The time from which on a token that is still rejected is replaced although the platform accepts it.
    pub outlasts_at: i64,
    /// The number of fetches for rejections on the day `Row::force_day`.
    pub fetches_today: i64,
    /// The number of times that the platform refused the token long before its end, each within a day of the last.
    pub revoked: i64,
    pub revoked_at: i64,
    /// The lease of the leader that checks the token.
    pub checking: i64,
}

/// The platform's remedies for a rejected token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remedies {
    /// Whether a fetch can be forced.
    pub force: bool,
    /// Whether a token can be checked.
    pub check: bool,
}

/// A leader's plan for a rejected token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RejectionPlan {
    /// Whether to check the token with the platform first.
    pub check: bool,
    /// Whether the first fetch is forced, because a normal fetch has already repeated the token.
    pub force: bool,
    /// Whether one forced fetch has been deducted from the day's budget.
    pub may_force: bool,
}

/// The result of a leader's work on a rejected token.
#[derive(Clone, Debug, Default)]
pub struct RejectionOutcome {
    /// The platform's verdict, if the token was checked.
    pub verdict: Option<Verdict>,
    /// Whether a forced fetch was made.
    pub forced: bool,
}

impl Row {
    /// Marks the token as refused by the API, if it is still the stored one. Returns whether it is.
    pub fn reject(&mut self, token: &str) -> bool {
        if self.token.as_deref() != Some(token) {
            return false;
        }
        self.rejects += 1;
        // A rejection that has been looked into since its caller read the row is not looked into again.
        if !self.rejected {
            self.rejected = true;
            self.replacement_attempted = false;
        }
        true
    }

    /// Returns whether bystanders may still be served the rejected token.
    pub(super) fn is_unchecked(&self) -> bool {
        self.rejected && !self.replacement_attempted
    }

    /// Returns whether a leader may act on the rejection now.
    pub(super) fn rejection_is_due(&self, now: Now) -> bool {
        let is_being_checked = self.is_being_checked();
        is_being_checked || (self.until_gap_is_over_ms(now) == 0 && self.budget_allows(now))
    }

    /// Returns whether a leader is checking the token, or was killed while it did.
    fn is_being_checked(&self) -> bool {
        self.lease_id != 0 && self.lease_id == self.rejections.checking
    }

    fn budget_allows(&self, now: Now) -> bool {
        let is_today = self.force_day == platform_day(now.wall_ms);
        !is_today || self.rejections.fetches_today < MAX_FETCHES_PER_DAY
    }

    pub(super) fn until_gap_is_over_ms(&self, now: Now) -> i64 {
        let since = now.wall_ms - self.reject_asked_at;
        if (0..GAP_MS).contains(&since) {
            GAP_MS - since
        } else {
            0
        }
    }

    /// Returns the milliseconds until a leader may ask the platform because of the rejection.
    pub fn until_rejection_is_due_ms(&self, now: Now) -> i64 {
        let gap = match self.replacement_attempted || self.is_being_checked() {
            true => 0,
            false => self.until_gap_is_over_ms(now),
        };
        let failure = self.standing_failure(now, 0);
        gap.max(failure.map_or(0, |failure| failure.retry_after_ms))
    }

    /// Returns a new leader's plan for the rejection, and deducts its cost from the day's budgets.
    pub(super) fn plan_for_rejection(
        &mut self,
        lease: Lease,
        remedies: Remedies,
        now: Now,
    ) -> RejectionPlan {
        let day = platform_day(now.wall_ms);
        if self.force_day != day {
            self.force_day = day;
            self.forces = 0;
            self.rejections.fetches_today = 0;
        }
        if !self.rejected || self.token.is_none() || self.left_ms(now) <= 0 {
            return RejectionPlan::default();
        }
        let check = remedies.check && !self.replacement_attempted;
        let has_force = remedies.force && self.forces < MAX_FORCED_REFRESHES_PER_DAY;
        // A normal fetch has already returned the token that the API refuses. Only a forced one helps.
        let force = has_force && self.same_token_reissued;
        let may_force = force || (has_force && check);
        self.reject_asked_at = now.wall_ms;
        self.rejections.fetches_today += 1;
        self.forces += i64::from(may_force);
        if check {
            self.rejections.checking = lease.id;
        } else {
            self.replacement_attempted = true;
        }
        RejectionPlan {
            check,
            force,
            may_force,
        }
    }

    /// Returns the number of forced refreshes on this day. The row's own count is of the day of its last claim.
    pub fn forces_today(&self, now: Now) -> i64 {
        match self.force_day == platform_day(now.wall_ms) {
            true => self.forces,
            false => 0,
        }
    }

    /// Returns whether callers have rejected an accepted token for so long that it is replaced nevertheless.
    pub fn rejections_outlast(&self, now: Now) -> bool {
        self.is_run_of_false_rejects(now) && now.wall_ms >= self.rejections.outlasts_at
    }

    /// Returns whether a fetch may be forced for a token that the platform accepts.
    pub fn may_force_for_accepted(&self) -> bool {
        self.forces <= MAX_FORCED_FOR_ACCEPTED
    }

    fn is_run_of_false_rejects(&self, now: Now) -> bool {
        let at = self.rejections.accepted_at;
        at != 0 && (0..OUTLASTS_AGAIN_AFTER_MS).contains(&(now.wall_ms - at))
    }

    /// Notes that the platform accepts the rejected token, which is then served again. Returns false if another leader
    /// has claimed since.
    pub fn refute_rejection(&mut self, lease_id: i64, plan: RejectionPlan, now: Now) -> bool {
        let outcome = RejectionOutcome {
            verdict: Some(Verdict::Accepted),
            forced: false,
        };
        self.conclude_rejection(lease_id, plan, &outcome, now);
        let is_ours = self.release(lease_id);
        if is_ours {
            self.rejections.fetches_today -= 1;
        }
        is_ours
    }

    /// Notes what a leader has learned, before its token or its failure is saved. Does nothing if another leader has
    /// claimed since.
    pub fn conclude_rejection(
        &mut self,
        lease_id: i64,
        plan: RejectionPlan,
        outcome: &RejectionOutcome,
        now: Now,
    ) {
        if self.lease_id != lease_id {
            return;
        }
        if plan.may_force && !outcome.forced {
            self.forces -= 1;
        }
        match &outcome.verdict {
            None => {}
            Some(Verdict::Accepted) => {
                self.note_false_reject(now);
                self.rejected = false;
            }
            Some(Verdict::Refused(_)) => {
                if self.until_refresh_ms(now) > 0 {
                    self.note_early_end(now);
                }
                self.rejections.accepted_at = 0;
                self.replacement_attempted = true;
            }
            Some(Verdict::Unknown(_)) => self.replacement_attempted = true,
        }
    }

    fn note_false_reject(&mut self, now: Now) {
        if !self.is_run_of_false_rejects(now) {
            self.rejections.outlasts_at = now.wall_ms + OUTLASTS_AFTER_MS;
        } else if self.rejections_outlast(now) {
            self.rejections.outlasts_at = now.wall_ms + OUTLASTS_AGAIN_AFTER_MS;
        }
        self.rejections.accepted_at = now.wall_ms;
        self.rejections.false_rejects += 1;
    }

    fn note_early_end(&mut self, now: Now) {
        let history = &mut self.rejections;
        if !(0..DAY_MS).contains(&(now.wall_ms - history.revoked_at)) {
            history.revoked = 0;
        }
        history.revoked += 1;
        history.revoked_at = now.wall_ms;
    }

    /// Returns how many times lately the platform has refused the token long before its end. Returns 0 below a
    /// threshold.
    pub fn early_ends(&self, now: Now) -> i64 {
        let history = &self.rejections;
        let is_recent = (0..DAY_MS).contains(&(now.wall_ms - history.revoked_at));
        if is_recent && history.revoked >= REVOKED_BY_OTHERS_FROM {
            history.revoked
        } else {
            0
        }
    }
}
