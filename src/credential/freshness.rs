//! Freshness: a row's token is fresh, usable or spent, or a failure stands for every process.

use super::Row;
use crate::clock::Now;
use crate::error::{Error, Status};
use crate::platform::MAX_TOKEN;

/// The milliseconds by which a keeper's refresh time is earlier than that of other processes. A stable token has a
/// successor 300 s before its end, and the refresh time is at most 289 s before the end.
const KEEPER_HEAD_START_MS: i64 = 5000;

/// The use that a caller may make of a row's token now, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// The token may be returned.
    Fresh,
    /// The token may be returned, and the next one should be fetched.
    Usable,
    /// No token may be returned.
    Spent,
}

/// The end of a token's freshness by both clocks, as long as its row does not change.
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
    /// Returns how long the token stays fresh. Returns None if something other than time may end that.
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

    /// Returns the freshness for a bystander, a caller that has not rejected the token. For a credential whose tokens
    /// are checked.
    pub fn freshness_for_bystander(&self, now: Now) -> Freshness {
        match self.freshness(now) {
            Freshness::Spent if self.is_unchecked() && self.left_ms(now) > 0 => Freshness::Usable,
            other => other,
        }
    }

    /// Returns the freshness for a keeper, which may fetch earlier than other processes.
    pub fn keeper_freshness(&self, now: Now) -> Freshness {
        self.freshness_with(now, self.head_start_ms())
    }

    /// Returns the milliseconds by which a keeper may fetch early. It is limited so that a stable token has a successor
    /// by then.
    pub(super) fn head_start_ms(&self) -> i64 {
        ((self.expires_at - self.refresh_at) / 2).clamp(0, KEEPER_HEAD_START_MS)
    }

    /// Returns whether the token has less life left than this, and had more when it was fetched. Then another fetch may
    /// help. A token that the platform gave with less life is not fetched again, since the platform may give no more.
    pub fn lacks_life(&self, min_life_ms: i64, now: Now) -> bool {
        let lifetime = self.expires_at - self.fetched_at;
        self.left_ms(now) < min_life_ms && lifetime >= min_life_ms
    }

    /// Returns the milliseconds until a keeper may fetch.
    pub fn until_keeper_refresh_ms(&self, now: Now) -> i64 {
        self.until_refresh_ms(now) - self.head_start_ms()
    }

    pub(super) fn until_refresh_ms(&self, now: Now) -> i64 {
        self.left_ms(now) - (self.expires_at - self.refresh_at)
    }

    /// Returns the token, if it is one that can be returned to a caller in C. A server or a file may hold another text.
    pub fn sound_token(&self) -> Option<&str> {
        self.token.as_deref().filter(|token| {
            (1..=MAX_TOKEN).contains(&token.len())
                && token.bytes().all(|byte| byte.is_ascii_graphic())
        })
    }

    pub(super) fn freshness_with(&self, now: Now, head_start_ms: i64) -> Freshness {
        if self.sound_token().is_none() || self.left_ms(now) <= 0 {
            return Freshness::Spent;
        }
        if self.rejected {
            // The check may have to wait, for a budget or an earlier failure. The token may still be valid, so it is
            // returned meanwhile. Once a leader has tried to replace it, the result of that try is the answer for every
            // process.
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

    /// Returns the milliseconds for which the token may still be returned, by the clock that says less.
    pub fn left_ms(&self, now: Now) -> i64 {
        let lifetime = self.expires_at - self.fetched_at;
        let by_wall = self.expires_at - now.wall_ms;
        if self.epoch == now.epoch && !now.epoch.is_empty() {
            let by_steady = lifetime - (now.steady_ms - self.fetched_steady);
            return by_wall.min(by_steady);
        }
        // The token was fetched in another epoch, so only the wall clock counts. A wall clock that is before the fetch
        // does not.
        if now.wall_ms < self.fetched_at - 5000 {
            return 0;
        }
        by_wall
    }

    /// Moves the times of the token back, because the clock that they count by was set back.
    #[cfg(feature = "redis")]
    pub fn move_token_back(&mut self, ms: i64) {
        self.fetched_at -= ms;
        self.fetched_steady -= ms;
        self.refresh_at -= ms;
        self.expires_at -= ms;
    }

    /// Returns the failure that stands for every process until its back-off is over. A timeout does not stand for a
    /// caller with clearly more time than the leader had.
    pub fn standing_failure(&self, now: Now, patience_ms: i64) -> Option<Error> {
        let caller_has_more_time = self.failed_budget_ms > 0
            && self.failed_budget_ms.saturating_mul(4) < patience_ms.saturating_mul(3);
        if caller_has_more_time {
            return None;
        }
        let since = now.wall_ms - self.failed_at;
        // A negative age means that the wall clock was set back. The back-off is then ignored.
        if self.failures == 0 || !(0..self.backoff_ms).contains(&since) {
            return None;
        }
        let mut error = Error::from_stored(Status::from_code(self.last_status), &self.last_error);
        error.errcode = i32::try_from(self.last_errcode).unwrap_or(0);
        error.retry_after_ms = self.backoff_ms - since;
        Some(error)
    }
}
