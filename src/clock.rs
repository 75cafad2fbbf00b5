//! Time by two clocks: the wall clock, which people and other hosts agree on, and the boot clock, which never steps.
//!
//! No other module reads a clock. The rules about tokens take a [`Now`], so that tests can pass one in.

use std::time::Duration;

use crate::error::{Error, Result, Status};
use crate::sys;

/// One moment, by both clocks of a store. The clocks of a file are those of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970 by the wall clock, which may step in either direction.
    pub wall_ms: i64,
    /// Milliseconds by a clock that never steps, and is the same for every process that uses the store.
    pub steady_ms: i64,
    /// The run of the steady clock that `steady_ms` counts in. It is empty if it cannot be read.
    pub epoch: &'static str,
}

impl Now {
    /// Reads this host's clocks: CLOCK_REALTIME, and CLOCK_BOOTTIME, which counts time asleep. The epoch is this boot.
    pub fn of_host() -> Now {
        Now {
            wall_ms: sys::clock_ms(libc::CLOCK_REALTIME),
            steady_ms: boot_ms(),
            epoch: sys::boot_id(),
        }
    }

    /// Returns this moment, moved by `ms` on both clocks.
    #[cfg(test)]
    pub fn plus(self, ms: i64) -> Now {
        Now {
            wall_ms: self.wall_ms.saturating_add(ms),
            steady_ms: self.steady_ms.saturating_add(ms),
            ..self
        }
    }
}

/// One moment for the hot path, read cheaply from the clocks that the kernel moves once a tick.
///
/// Valid in this process only. The steady clock does not count time when the host is suspended. The wall clock does.
#[derive(Clone, Copy, Debug)]
pub struct CoarseNow {
    pub wall_ms: i64,
    pub steady_ms: i64,
}

/// The most milliseconds by which a [`CoarseNow`] lags behind: the longest tick that a kernel is built with (100 Hz).
pub const COARSE_RESOLUTION_MS: i64 = 10;

impl CoarseNow {
    #[inline(always)]
    pub fn read() -> CoarseNow {
        CoarseNow {
            wall_ms: sys::clock_ms(libc::CLOCK_REALTIME_COARSE),
            steady_ms: sys::clock_ms(libc::CLOCK_MONOTONIC_COARSE),
        }
    }
}

/// Returns the milliseconds since this host's boot.
pub fn boot_ms() -> i64 {
    sys::clock_ms(libc::CLOCK_BOOTTIME)
}

/// The end of one call's slow path, by this host's clock.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    boot_ms: i64,
    budget_ms: i64,
}

impl Deadline {
    pub fn after(budget_ms: i64) -> Deadline {
        Deadline {
            boot_ms: boot_ms().saturating_add(budget_ms),
            budget_ms,
        }
    }

    /// Returns a deadline that is `ms` later.
    pub fn extended(self, ms: i64) -> Deadline {
        Deadline {
            boot_ms: self.boot_ms.saturating_add(ms),
            ..self
        }
    }

    /// Returns the time that is left, zero once the deadline has passed.
    pub fn left(&self) -> Duration {
        let left = self.boot_ms - boot_ms();
        Duration::from_millis(u64::try_from(left).unwrap_or(0))
    }

    pub fn has_passed(&self) -> bool {
        self.left().is_zero()
    }

    /// Returns the error of a call that ran out of time while `doing` something, such as waiting.
    pub fn error(&self, doing: &str) -> Error {
        Error::new(
            Status::Timeout,
            format!("timed out after {} ms {doing}", self.budget_ms),
        )
    }

    /// Returns the cause of a failure that came of too little time: `what` did not happen within timeout_ms.
    pub fn missed(&self, what: &str) -> String {
        format!("{what} within timeout_ms ({} ms)", self.budget_ms)
    }

    /// Sleeps for a random time between two limits, or fails with [`Deadline::error`] if the deadline has passed.
    pub fn pause(&self, from_ms: u64, to_ms: u64, doing: &str) -> Result<()> {
        let left = self.left();
        if left.is_zero() {
            return Err(self.error(doing));
        }
        let span = (to_ms - from_ms) * 1000;
        let pause = Duration::from_micros(from_ms * 1000 + jitter() % (span + 1));
        std::thread::sleep(pause.min(left));
        Ok(())
    }
}

/// Returns a random number. Jitter keeps processes that failed together from trying again together.
pub fn jitter() -> u64 {
    u64::from_ne_bytes(sys::random())
}

/// Returns `value` moved by up to `percent` in either direction.
pub fn spread(value: i64, percent: i64) -> i64 {
    let range = value.saturating_mul(percent) / 100;
    if range == 0 {
        return value;
    }
    let width = range.unsigned_abs() * 2 + 1;
    value - range + i64::try_from(jitter() % width).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_passes_when_nothing_is_left() {
        assert!(boot_ms() > 1000, "this host has just begun");
        let far = Deadline::after(60_000);
        let left = far.left().as_millis();
        assert!((30_000..=60_000).contains(&left) && !far.has_passed());
        assert!(far.pause(0, 1, "waiting").is_ok());
        let over = Deadline::after(-1);
        assert!(over.left().is_zero() && over.has_passed());
        let error = over.pause(0, 1, "waiting for it").unwrap_err();
        assert_eq!(error.for_c(), "timed out after -1 ms waiting for it");
        assert_eq!(
            over.missed("no answer"),
            "no answer within timeout_ms (-1 ms)"
        );
    }

    #[test]
    fn a_spread_stays_within_its_percent_and_uses_all_of_it() {
        let drawn: std::collections::BTreeSet<i64> = (0..2000).map(|_| spread(100, 3)).collect();
        assert_eq!(
            drawn.into_iter().collect::<Vec<_>>(),
            [97, 98, 99, 100, 101, 102, 103]
        );
        assert_eq!(spread(10, 3), 10);
    }
}
