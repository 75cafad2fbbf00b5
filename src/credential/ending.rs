//! How a back-off ends ahead of its time: a secret is changed, or somebody asks for another try.
//!
//! A program that changes things all the time must not drain a quota. So a row remembers when it was last changed, and when
//! a program last asked. The two times are fields in the text of the last failure, where an older version ignores them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Row;
use crate::clock::Now;

/// A credential that keeps being refused costs one request in this time, however often it is changed.
pub(super) const MINUTE_MS: i64 = 60_000;

/// A change after so long a pause is taken for a person's.
pub(super) const PAUSE_MS: i64 = 600_000;

/// When back-offs of a row were last ended, by the wall clock.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Endings {
    #[serde(default)]
    changed_at: i64,
    #[serde(default)]
    asked_at: i64,
}

impl Row {
    /// A secret was changed. The first try after that is free. While changes go on, the next try comes a minute after the
    /// last failure. Whether the row has changed.
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

    /// The account now has a secret that this credential was refused with before. The next try comes a minute after the
    /// last failure. Whether the row has changed.
    pub fn shorten_backoff(&mut self) -> bool {
        let is_longer = self.failures > 0 && self.backoff_ms > MINUTE_MS;
        if is_longer {
            self.backoff_ms = MINUTE_MS;
        }
        is_longer
    }

    /// Ends the back-off for a program, at most once a minute. The error is how many milliseconds it has to wait.
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

    /// Ends the back-off for a person, as often as wanted. Whether there was a failure.
    pub fn end_backoff(&mut self) -> bool {
        let has_failed = self.failures > 0;
        self.clear_failures();
        self.end_refusals() || has_failed
    }

    /// The part of a row that outlives its account. The next registration then does not begin a new count. None when the
    /// last failure, change or retry is ten minutes old.
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

    /// How long until a back-off may be ended: the last failure is a minute old, or nobody has ended one for ten.
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

/// How long until a moment is this old. One in the future is a clock that was set back, and not worth waiting for.
fn until_older_ms(at: i64, age_ms: i64, now: Now) -> i64 {
    let age = now.wall_ms - at;
    if (0..age_ms).contains(&age) {
        age_ms - age
    } else {
        0
    }
}
