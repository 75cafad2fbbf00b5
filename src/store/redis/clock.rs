//! The server's clock as this process knows it: its distance from this host's boot clock.
//!
//! Every answer carries the server's time. So all hosts count leases and ages by one clock, and a wrong wall clock on
//! a host does no harm.

use crate::clock::{Now, boot_ms};
use crate::store::ClockStep;
use crate::sync::{Mutex, lock};
use crate::sys;

/// The epoch of the server's clock, which is the same for each host and through its reboots.
const EPOCH: &str = "server";
/// The time in which two clocks may drift apart by 1 ms. It makes an old sample count for less.
const STRAYS_EACH_MS: i64 = 10_000;
/// The largest difference that is not a step. A larger one means that the server's clock was set, or another server
/// answers.
const STEP_MS: i64 = 1000;

#[derive(Default)]
pub struct ServerClock {
    known: Mutex<Option<Sample>>,
    step: Mutex<Option<ClockStep>>,
}

#[derive(Clone, Copy)]
struct Sample {
    offset_ms: i64,
    /// The largest error of `offset_ms`.
    error_ms: i64,
    at_boot_ms: i64,
}

impl ServerClock {
    /// Takes in the server's time from an answer. `sent` and `answered` are times of the boot clock.
    pub fn learn(&self, server_ms: i64, sent: i64, answered: i64) {
        let new = Sample {
            offset_ms: server_ms - (sent + answered) / 2,
            error_ms: (answered - sent) / 2 + 1,
            at_boot_ms: answered,
        };
        let mut known = lock(&self.known);
        let Some(old) = *known else {
            *known = Some(new);
            return;
        };
        let age = (new.at_boot_ms - old.at_boot_ms) / STRAYS_EACH_MS;
        let by_ms = new.offset_ms - old.offset_ms;
        let is_step = by_ms.abs() > STEP_MS + new.error_ms + old.error_ms;
        if new.error_ms < old.error_ms + age || is_step {
            *known = Some(new);
        }
        if is_step {
            let at_wall_ms = new.at_boot_ms + new.offset_ms;
            *lock(&self.step) = Some(ClockStep { at_wall_ms, by_ms });
        }
    }

    /// The last step of the server's clock, or the difference between two servers.
    pub fn step(&self) -> Option<ClockStep> {
        *lock(&self.step)
    }

    /// The server's time. Before the first answer it is this host's time.
    pub fn now(&self) -> Now {
        let known = *lock(&self.known);
        let ms = match known {
            Some(sample) => boot_ms() + sample.offset_ms,
            None => sys::clock_ms(libc::CLOCK_REALTIME),
        };
        Now {
            wall_ms: ms,
            steady_ms: ms,
            epoch: EPOCH,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(clock: &ServerClock) -> i64 {
        lock(&clock.known).unwrap().offset_ms
    }

    #[test]
    fn the_fastest_answer_sets_the_clock_and_a_step_is_followed() {
        let clock = ServerClock::default();
        clock.learn(1_000_100, 0, 200);
        assert_eq!(offset(&clock), 1_000_000);
        clock.learn(1_000_305, 300, 302);
        assert_eq!(offset(&clock), 1_000_004);
        // An answer that took long counts for less.
        clock.learn(1_000_999, 400, 600);
        assert_eq!(offset(&clock), 1_000_004);
        // A slow answer counts once the older one is stale.
        clock.learn(6_000_999, 5_000_400, 5_000_600);
        assert_eq!(offset(&clock), 1_000_499);
        assert_eq!(clock.step(), None);
        clock.learn(9_000_000, 5_001_000, 5_001_400);
        assert_eq!(offset(&clock), 9_000_000 - 5_001_200);
        let step = clock.step().unwrap();
        assert_eq!(step.by_ms, 9_000_000 - 5_001_200 - 1_000_499);
        assert_eq!(step.at_wall_ms, 9_000_200);
    }

    #[test]
    fn now_is_the_servers_time_by_both_clocks() {
        let clock = ServerClock::default();
        let boot = boot_ms();
        clock.learn(boot + 3_600_000, boot, boot);
        let now = clock.now();
        assert_eq!(now.wall_ms, now.steady_ms);
        assert!((3_600_000..3_660_000).contains(&(now.wall_ms - boot)));
    }
}
