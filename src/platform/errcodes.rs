//! What an errcode means when it answers a token fetch: how long to hold off, and what a person should do.
//!
//! From WeChat's published lists. The same number means other things in answers to business calls (40001 there is a
//! stale token), which this library never sees: the caller tells it by `wxtoken_reject`.

pub use super::backoff::{Wait, platform_day};
use crate::hosts::{self, Platform};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrcodeRule {
    pub wait: Wait,
    /// What to do, as the end of a message.
    pub advice: &'static str,
}

/// Whose code it is; None: everybody's.
type On = Option<&'static Platform>;

const API: On = Some(&hosts::API);

const WORK: On = Some(&hosts::WORK);

const DOUYIN: On = Some(&hosts::DOUYIN);

const FEISHU: On = Some(&hosts::FEISHU);

const WRONG_ID: &str =
    "the platform does not know this id: register the account again with the right one";

const WRONG_SECRET: &str = "the secret is wrong: register the account again with the right one";

/// Codes that need someone to act or time to pass; any other code is taken for a fault of configuration.
static TABLE: &[(On, i64, Wait, &str)] = &[
    (
        None,
        -1,
        Wait::BackOff,
        "the platform is busy; it is tried again",
    ),
    (
        WORK,
        45033,
        Wait::BackOff,
        "too many calls at once; it is tried again",
    ),
    (
        None,
        40001,
        Wait::Seconds(60),
        "the secret is wrong or not this account's: register the account again with the right one",
    ),
    (None, 40125, Wait::Seconds(60), WRONG_SECRET),
    (None, 40013, Wait::Seconds(60), WRONG_ID),
    (
        None,
        40002,
        Wait::Seconds(60),
        "the platform did not take the request: check api_base_url",
    ),
    (
        None,
        41002,
        Wait::Seconds(60),
        "the id is missing: register the account again",
    ),
    (
        None,
        41004,
        Wait::Seconds(60),
        "the secret is missing: register the account again",
    ),
    (
        None,
        43002,
        Wait::Seconds(60),
        "the platform did not take the request: check api_base_url",
    ),
    (
        API,
        40164,
        Wait::Seconds(60),
        "add this host's address, which the message names, to the account's IP allow list",
    ),
    (
        WORK,
        60020,
        Wait::Seconds(60),
        "add this host's address, which the message names, to the app's trusted IPs",
    ),
    (
        API,
        40243,
        Wait::Seconds(60),
        "the secret is frozen: unfreeze it in the account's console",
    ),
    (
        API,
        50004,
        Wait::Seconds(60),
        "this account may not use access tokens",
    ),
    (API, 50007, Wait::Seconds(60), "the account is frozen"),
    (
        API,
        61024,
        Wait::Seconds(60),
        "the account belongs to a third-party platform: fetch by that platform's component token",
    ),
    (
        API,
        89501,
        Wait::Seconds(300),
        "the administrator has been asked to allow this host's address: wait for the answer",
    ),
    (
        API,
        89503,
        Wait::Seconds(300),
        "the administrator must allow this host's address first",
    ),
    (
        API,
        89506,
        Wait::Seconds(86_400),
        "the administrator refused this host's address twice: it may ask again in 24 hours",
    ),
    (
        API,
        89507,
        Wait::Seconds(3600),
        "the administrator refused this host's address: it may ask again in an hour",
    ),
    (WORK, 40091, Wait::Seconds(60), WRONG_SECRET),
    (
        WORK,
        50003,
        Wait::Seconds(60),
        "the app is disabled: enable it in the console",
    ),
    (
        API,
        45009,
        Wait::NextDay,
        "the day's quota of token fetches is used up; something else fetches this account's token",
    ),
    (
        API,
        45011,
        Wait::NextMinute,
        "too many fetches in this minute; something else fetches this account's token",
    ),
    (
        API,
        61003,
        Wait::Seconds(60),
        "the account has not authorized this platform, or no longer does: ask its owner to authorize it, and put the refresh_token that comes of it",
    ),
    (
        API,
        61004,
        Wait::Seconds(60),
        "add this host's address to the platform's IP allow list",
    ),
    (
        API,
        61005,
        Wait::Seconds(60),
        "the verify_ticket has expired: put the next one that WeChat pushes",
    ),
    (
        API,
        61006,
        Wait::Seconds(60),
        "the verify_ticket is not valid: put the next one that WeChat pushes",
    ),
    (
        API,
        61011,
        Wait::Seconds(60),
        "the platform does not know this component_appid: register the parent again with the right one",
    ),
    (
        API,
        61023,
        Wait::Seconds(60),
        "the refresh_token is not valid: ask the account's owner to authorize again, and put the one that comes of it",
    ),
    (
        WORK,
        40080,
        Wait::Seconds(60),
        "the suite's secret is wrong: register the account again with the right one",
    ),
    (
        WORK,
        40083,
        Wait::Seconds(60),
        "WeCom does not know this suite_id: register the account again with the right one",
    ),
    (
        WORK,
        40084,
        Wait::Seconds(60),
        "the permanent_code is not valid: the corporation has removed the app, or authorized it anew; register the account again with the code that came of it",
    ),
    (
        WORK,
        40085,
        Wait::Seconds(60),
        "the suite_ticket is not valid: put the next one that WeCom pushes",
    ),
    // Where the codes are words.
    (
        None,
        0,
        Wait::Seconds(60),
        "if the id or the secret is wrong, register the account again with the right one",
    ),
    (DOUYIN, 40015, Wait::Seconds(60), WRONG_ID),
    (DOUYIN, 40017, Wait::Seconds(60), WRONG_SECRET),
    (FEISHU, 10003, Wait::Seconds(60), WRONG_ID),
    (FEISHU, 10014, Wait::Seconds(60), WRONG_SECRET),
    (
        FEISHU,
        99_991_400,
        Wait::BackOff,
        "too many calls at once; it is tried again",
    ),
];

/// The platform did not take the parent's token, and not its successor either.
pub const STALE_PARENT: ErrcodeRule = ErrcodeRule {
    wait: Wait::BackOff,
    advice: "it did not take the token that this is fetched with, which was rejected; it is tried again",
};

/// `failures`: how many failed in a row before this one.
pub fn judge(platform: &Platform, code: i64, failures: i64) -> ErrcodeRule {
    if *platform == hosts::WORK && code == 45009 {
        // A minute's limit first; if it still holds then it is the hour's.
        let wait = if failures == 0 { 60 } else { 3600 };
        return ErrcodeRule {
            wait: Wait::Seconds(wait),
            advice: "WeCom's limit of calls is used up: something calls too often from this address",
        };
    }
    TABLE
        .iter()
        .find(|(on, number, _, _)| *number == code && on.is_none_or(|on| on == platform))
        .map_or(
            ErrcodeRule {
                wait: Wait::Seconds(60),
                advice: "look the errcode up in the platform's list of return codes",
            },
            |(_, _, wait, advice)| ErrcodeRule {
                wait: *wait,
                advice,
            },
        )
}

#[cfg(test)]
mod tests {
    use super::super::backoff::*;
    use super::*;

    #[test]
    fn transient_failures_double_from_two_seconds_to_a_minute() {
        let waits: Vec<i64> = (0..8).map(|n| Wait::BackOff.length_ms(0, n)).collect();
        assert_eq!(waits, [2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000]);
    }

    #[test]
    fn a_days_quota_ends_at_midnight_in_shenzhen() {
        // 2026-03-01 15:59:00 UTC is 23:59:00 there.
        let before_midnight = 1_772_380_740_000;
        assert_eq!(Wait::NextDay.length_ms(before_midnight, 0), 61_000);
        assert_eq!(
            Wait::NextDay.length_ms(before_midnight - 7_200_000, 0),
            3_600_000
        );
        assert_eq!(
            platform_day(before_midnight) + 1,
            platform_day(before_midnight + 60_000)
        );
    }

    #[test]
    fn one_number_may_mean_two_things() {
        assert_eq!(judge(&hosts::API, 45009, 0).wait, Wait::NextDay);
        assert_eq!(judge(&hosts::WORK, 45009, 0).wait, Wait::Seconds(60));
        assert_eq!(judge(&hosts::WORK, 45009, 1).wait, Wait::Seconds(3600));
        assert_eq!(
            judge(&hosts::WORK, 40164, 0).advice,
            judge(&hosts::WORK, 99999, 0).advice
        );
    }

    #[test]
    fn a_minutes_quota_ends_a_second_into_the_next() {
        assert_eq!(Wait::NextMinute.length_ms(60_000, 0), 61_000);
        assert_eq!(Wait::NextMinute.length_ms(119_000, 0), 2_000);
    }

    #[test]
    fn a_busy_platform_is_asked_again_soon() {
        assert_eq!(judge(&hosts::API, -1, 0).wait, Wait::BackOff);
        assert_ne!(judge(&hosts::API, 1, 0).wait, Wait::BackOff);
    }
}
