//! Ending a back-off early, because a secret was changed or another try was asked for.
//!
//! A program that changes secrets all the time must not drain a quota. So a row remembers when its secret was last
//! changed, and when a program last asked for a try. The two times are fields in the text of the last failure, which an
//! older version ignores.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Row;
use crate::clock::Now;

/// The shortest time in milliseconds between two requests for a credential that keeps being refused, however often its
/// secret is changed.
pub(super) const MINUTE_MS: i64 = 60_000;

/// The time in milliseconds without a change after which the next change counts as a person's.
pub(super) const PAUSE_MS: i64 = 600_000;

/// The times by the wall clock when a secret was last changed, and when a program last ended a back-off.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Endings {
    #[serde(default)]
    changed_at: i64,
    #[serde(default)]
    asked_at: i64,
}

impl Row {
    /// Notes that a secret was changed. The first change after a pause ends the back-off. Each further change shortens
    /// it to a minute after the last failure. Returns whether the row has changed.
    pub fn note_change(&mut self, now: Now) -> bool {
        if self.failures == 0 {
            return false;
        }
        let mut endings = self.endings();
        let is_free = self.until_free_ms(endings.changed_at, now) == 0;
        endings.changed_at = now.wall_ms;
        self.set_endings(endings);
        if is_free {
            self.clear_failures();
        } else {
            self.backoff_ms = self.backoff_ms.min(MINUTE_MS);
        }
        true
    }

    /// Shortens the back-off to a minute after the last failure. This is for an account that gets a secret which was
    /// refused before. Returns whether the row has changed.
    pub fn shorten_backoff(&mut self) -> bool {
        let is_longer = self.failures > 0 && self.backoff_ms > MINUTE_MS;
        if is_longer {
            self.backoff_ms = MINUTE_MS;
        }
        is_longer
    }

    /// Ends the back-off for a program, at most once a minute. The error is the number of milliseconds that the program
    /// must wait.
    pub fn end_backoff_for_program(&mut self, now: Now) -> Result<bool, i64> {
        if self.standing_failure(now, 0).is_none() && !self.has_refused(now) {
            return Ok(false);
        }
        let mut endings = self.endings();
        let wait_ms = self.until_free_ms(endings.asked_at, now);
        if wait_ms > 0 {
            return Err(wait_ms);
        }
        endings.asked_at = now.wall_ms;
        self.set_endings(endings);
        Ok(self.end_backoff())
    }

    /// Ends the back-off for a person, as often as it is called. Returns whether there was a failure.
    pub fn end_backoff(&mut self) -> bool {
        let has_failed = self.failures > 0;
        self.clear_failures();
        self.end_refusals() || has_failed
    }

    /// Returns the part of a row that outlives its account, so that registering again does not reset the count of
    /// failures. Returns None if the last failure, change and retry are ten minutes old.
    pub fn memory_of_failures(&self, now: Now) -> Option<Row> {
        let Endings {
            changed_at,
            asked_at,
        } = self.endings();
        let is_recent = |at: &i64| until_older_ms(*at, PAUSE_MS, now) > 0;
        let kept = [self.failed_at, changed_at, asked_at];
        kept.iter().any(is_recent).then(|| Row {
            failures: self.failures,
            failed_at: self.failed_at,
            backoff_ms: self.backoff_ms,
            failed_budget_ms: self.failed_budget_ms,
            last_status: self.last_status,
            last_errcode: self.last_errcode,
            last_error: self.last_error.clone(),
            refusals: self.refusals.clone(),
            ..Row::default()
        })
    }

    /// Returns the milliseconds until a back-off may be ended. That is when the last failure is a minute old, or the
    /// last change or request ten minutes old.
    fn until_free_ms(&self, last_ended_at: i64, now: Now) -> i64 {
        let failure = until_older_ms(self.failed_at, MINUTE_MS, now);
        failure.min(until_older_ms(last_ended_at, PAUSE_MS, now))
    }

    pub(super) fn endings(&self) -> Endings {
        serde_json::from_str(&self.last_error).unwrap_or_default()
    }

    pub(super) fn set_endings(&mut self, endings: Endings) {
        if endings == Endings::default() {
            return;
        }
        let parts = serde_json::from_str::<Map<String, Value>>(&self.last_error);
        let mut parts = parts.unwrap_or_else(|_| {
            let whole = Value::from(self.last_error.as_str());
            Map::from_iter([("what".to_owned(), whole)])
        });
        if let Ok(Value::Object(times)) = serde_json::to_value(endings) {
            parts.extend(times);
        }
        self.last_error = Value::Object(parts).to_string();
    }
}

/// Returns the milliseconds until a moment is this old. A moment in the future means that the clock was set back, and
/// is not waited for.
fn until_older_ms(at: i64, age_ms: i64, now: Now) -> i64 {
    let age = now.wall_ms - at;
    if (0..age_ms).contains(&age) {
        age_ms - age
    } else {
        0
    }
}
