//! The time to hold off after a failure, and the day by which the platforms count their quotas.

/// The time for which to leave the platform alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A fault of this process or its options. Other processes may go on asking.
    NotShared,
    /// From 2 s, doubling to 60 s. The fault may pass by itself.
    BackOff,
    /// Someone has to act. Ask again after this many seconds.
    Seconds(i64),
    /// Until the current minute of the wall clock ends.
    NextMinute,
    /// Until midnight UTC+8, when the platform's day ends, but at most an hour at a time.
    NextDay,
}

const DAY_MS: i64 = 86_400_000;

const UTC8_MS: i64 = 8 * 3_600_000;

/// The day of WeChat's calendar (UTC+8) that contains this moment.
pub fn platform_day(wall_ms: i64) -> i64 {
    (wall_ms + UTC8_MS).div_euclid(DAY_MS)
}

impl Wait {
    /// The length in milliseconds, before jitter.
    pub fn length_ms(self, wall_ms: i64, failures: i64) -> i64 {
        match self {
            Wait::NotShared => 0,
            Wait::BackOff => (2000 << failures.clamp(0, 5)).min(60_000),
            Wait::Seconds(seconds) => seconds * 1000,
            Wait::NextMinute => 60_000 - wall_ms.rem_euclid(60_000) + 1000,
            Wait::NextDay => {
                let midnight = (platform_day(wall_ms) + 1) * DAY_MS - UTC8_MS;
                (midnight - wall_ms + 1000).min(3_600_000)
            }
        }
    }
}
