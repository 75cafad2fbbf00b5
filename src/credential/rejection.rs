//! Rejections: callers say that the API refused a token. They err, too, so their word is checked before it costs anything.
//!
//! - A caller's rejection sets `rejected`, and only if the stored token is the one named.
//! - **Checked.** A recipe may have a check: a cheap call that takes the token. The leader makes that call first. Meanwhile
//!   the processes that have rejected the token wait, and all others are served it. A recipe without a check has its token
//!   replaced on the callers' word.
//! - **Accepted.** The platform takes the token: `rejected` is cleared and nothing is fetched. The row counts it
//!   (`false_rejects`). Callers who go on for `OUTLASTS_AFTER_MS` get one fetch all the same, and another each hour.
//! - **Refused.** The leader fetches at once. On the stable endpoint a normal fetch may repeat the refused token; a forced
//!   one follows in the same lead.
//! - **Unknown.** Any other answer says nothing about the token. It is then replaced on the callers' word.
//! - **Budgets.** Rejections cause one request in `GAP_MS`, and `MAX_FETCHES_PER_DAY` fetches in a day of UTC+8. In between
//!   the token is served again. Forced refreshes stay within `MAX_FORCED_REFRESHES_PER_DAY` (18): WeChat's page
//!   获取稳定版接口调用凭据 allows 20, 30 s apart; the rest is left to people. A leader takes each off the budget before it asks,
//!   and gives back what it did not spend.
//! - **Once somebody has set out** to replace the token (`replacement_attempted`), what comes of that is the answer to all.

use serde::{Deserialize, Serialize};

use super::{Lease, Row};
use crate::clock::Now;
use crate::platform::Verdict;
use crate::platform::errcodes::platform_day;

/// Between two requests that only rejections ask for.
pub(super) const GAP_MS: i64 = 30_000;

/// Fetches in a day that only rejections ask for. A test account has 200 on the classic endpoint.
pub(super) const MAX_FETCHES_PER_DAY: i64 = 200;

/// WeChat allows 20 forced refreshes a day; two are left to people.
pub(super) const MAX_FORCED_REFRESHES_PER_DAY: i64 = 18;

/// Of these, for tokens that the platform takes.
const MAX_FORCED_FOR_ACCEPTED: i64 = 9;

/// For how long callers must have rejected what the platform takes, before it is replaced all the same.
pub(super) const OUTLASTS_AFTER_MS: i64 = 600_000;

/// The pause between two such fetches. Also the pause after which such rejections begin a new count.
pub(super) const OUTLASTS_AGAIN_AFTER_MS: i64 = 3_600_000;

/// So many early refusals, each within a day of the last, are somebody else's fetches.
const REVOKED_BY_OTHERS_FROM: i64 = 3;

const DAY_MS: i64 = 86_400_000;

/// What a row remembers of rejections, beside the last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RejectionHistory {
    /// Rejections of tokens that the platform takes.
    pub false_rejects: i64,
    /// When the platform last took a rejected token; 0 after it has refused one.
    pub accepted_at: i64,
    /// From when on rejections that go on get a fetch although the platform takes the token.
    pub outlasts_at: i64,
    /// Fetches of this day, by `Row::force_day`.
    pub fetches_today: i64,
    /// The platform refused the token long before its end, so many times, each within a day of the last.
    pub revoked: i64,
    pub revoked_at: i64,
    /// The lease of the leader that checks.
    pub checking: i64,
}

/// What the platform offers for a rejected token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remedies {
    /// A fetch can be forced.
    pub force: bool,
    /// A token can be checked.
    pub check: bool,
}

/// What a leader is to do about a rejected token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RejectionPlan {
    /// The platform is asked about the token first.
    pub check: bool,
    /// The first fetch is forced: a normal one has already repeated the token.
    pub force: bool,
    /// One forced fetch has been taken off the day's budget.
    pub may_force: bool,
}

/// What a leader has learned about a rejected token.
#[derive(Clone, Debug, Default)]
pub struct RejectionOutcome {
    /// What the platform said, where it was asked.
    pub verdict: Option<Verdict>,
    /// It has seen a forced fetch.
    pub forced: bool,
}

impl Row {
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

    /// Whether callers who have not rejected the token themselves may still be served it.
    pub(super) fn is_unchecked(&self) -> bool {
        self.rejected && !self.replacement_attempted
    }

    /// Whether the rejection is about to be looked into.
    pub(super) fn rejection_is_due(&self, now: Now) -> bool {
        let is_being_checked = self.is_being_checked();
        is_being_checked || (self.until_gap_is_over_ms(now) == 0 && self.budget_allows(now))
    }

    /// A leader asks the platform about the token, or was killed doing so.
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

    /// How long until the platform may be asked for a token that was rejected.
    pub fn until_rejection_is_due_ms(&self, now: Now) -> i64 {
        let gap = match self.replacement_attempted || self.is_being_checked() {
            true => 0,
            false => self.until_gap_is_over_ms(now),
        };
        let failure = self.standing_failure(now, 0);
        gap.max(failure.map_or(0, |failure| failure.retry_after_ms))
    }

    /// What a new leader does about the rejection, taken off the day's budgets.
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
        // Normal mode has already answered with the very token that the API refuses: only force helps.
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

    /// Whether callers have gone on for so long to reject what the platform takes, that it is replaced all the same.
    pub fn rejections_outlast(&self, now: Now) -> bool {
        self.is_run_of_false_rejects(now) && now.wall_ms >= self.rejections.outlasts_at
    }

    /// Whether a fetch may be forced for a token that the platform takes.
    pub fn may_force_for_accepted(&self) -> bool {
        self.forces <= MAX_FORCED_FOR_ACCEPTED
    }

    fn is_run_of_false_rejects(&self, now: Now) -> bool {
        let at = self.rejections.accepted_at;
        at != 0 && (0..OUTLASTS_AGAIN_AFTER_MS).contains(&(now.wall_ms - at))
    }

    /// The platform takes the rejected token, which is served again. False when another leader has come since.
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

    /// Notes what a leader has learned, before its grant or its failure is noted. Nothing, when another has come since.
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

    /// How many times lately the platform has refused the token long before its end; 0 when it is not worth a word.
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
