//! What a row allows a caller now: a token that is fresh, usable or spent, or a failure that stands for everybody.

use super::Row;
use crate::clock::Now;
use crate::error::{Error, Status};

/// How far before everybody's refresh time a keeper's lies. A stable token has its successor 300 s before its end, and the
/// refresh time is at most 289 s before it.
const KEEPER_HEAD_START_MS: i64 = 5000;

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

/// Until when a token is fresh while its row stays as it is, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreshSpan {
    until_wall_ms: i64,
    until_steady_ms: i64,
}

impl FreshSpan {
    pub fn includes(&self, now: Now) -> bool {
        now.wall_ms < self.until_wall_ms && now.steady_ms < self.until_steady_ms
    }
}

impl Row {
    /// None where more than the time may change what a caller may do.
    pub fn fresh_span(&self, now: Now) -> Option<FreshSpan> {
        let is_plain = !self.rejected && self.epoch == now.epoch && !now.epoch.is_empty();
        if !is_plain || self.freshness(now) != Freshness::Fresh {
            return None;
        }
        let early = (self.expires_at - self.refresh_at).max(0);
        let lifetime = self.expires_at - self.fetched_at;
        Some(FreshSpan {
            until_wall_ms: self.expires_at - early,
            until_steady_ms: self.fetched_steady + lifetime - early,
        })
    }

    pub fn freshness(&self, now: Now) -> Freshness {
        self.freshness_with(now, 0)
    }

    /// The freshness for a caller who has not rejected the token, of a credential whose tokens are checked.
    pub fn freshness_for_bystander(&self, now: Now) -> Freshness {
        match self.freshness(now) {
            Freshness::Spent if self.is_unchecked() && self.left_ms(now) > 0 => Freshness::Usable,
            other => other,
        }
    }

    /// The same for a keeper, whose window opens earlier than that of all others.
    pub fn keeper_freshness(&self, now: Now) -> Freshness {
        self.freshness_with(now, self.head_start_ms())
    }

    /// How much earlier: not so early that a stable token would have no successor yet.
    pub(super) fn head_start_ms(&self) -> i64 {
        ((self.expires_at - self.refresh_at) / 2).clamp(0, KEEPER_HEAD_START_MS)
    }

    /// Whether the token lives shorter than this, and had more when it was fetched: then another fetch may help. One that the
    /// platform gave with less is not fetched again for it, since it may be all that the platform gives.
    pub fn lacks_life(&self, min_life_ms: i64, now: Now) -> bool {
        let lifetime = self.expires_at - self.fetched_at;
        self.left_ms(now) < min_life_ms && lifetime >= min_life_ms
    }

    /// How long until a keeper's window opens.
    pub fn until_keeper_refresh_ms(&self, now: Now) -> i64 {
        self.until_refresh_ms(now) - self.head_start_ms()
    }

    pub(super) fn until_refresh_ms(&self, now: Now) -> i64 {
        self.left_ms(now) - (self.expires_at - self.refresh_at)
    }

    pub(super) fn freshness_with(&self, now: Now, head_start_ms: i64) -> Freshness {
        if self.token.is_none() || self.left_ms(now) <= 0 {
            return Freshness::Spent;
        }
        if self.rejected {
            // Where the platform may not be asked now, for a budget or an earlier failure, the token may still be good: it is
            // served again. Once somebody has set out to replace it, what comes of that is the answer to everybody.
            let is_due = self.rejection_is_due(now) && self.standing_failure(now, 0).is_none();
            return if self.replacement_attempted || is_due {
                Freshness::Spent
            } else {
                Freshness::Fresh
            };
        }
        if self.until_refresh_ms(now) > head_start_ms {
            Freshness::Fresh
        } else {
            Freshness::Usable
        }
    }

    /// How long the token may still be handed out, by whichever clock says less.
    pub fn left_ms(&self, now: Now) -> i64 {
        let lifetime = self.expires_at - self.fetched_at;
        let by_wall = self.expires_at - now.wall_ms;
        if self.epoch == now.epoch && !now.epoch.is_empty() {
            let by_steady = lifetime - (now.steady_ms - self.fetched_steady);
            return by_wall.min(by_steady);
        }
        // Fetched in another epoch: only the wall clock can tell, and one that stands before the fetch cannot.
        if now.wall_ms < self.fetched_at - 5000 {
            return 0;
        }
        by_wall
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
        let mut error = Error::from_stored(Status::from_code(self.last_status), &self.last_error);
        error.errcode = i32::try_from(self.last_errcode).unwrap_or(0);
        error.retry_after_ms = self.backoff_ms - since;
        Some(error)
    }
}
