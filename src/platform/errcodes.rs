//! The meaning of an errcode that answers a token fetch: how long to hold off, and what a person should do.
//!
//! The codes are from WeChat's published lists. In answers to business calls the same number may mean something else:
//! 40001 there is a stale token. This library never sees those answers; a caller reports such a token by
//! `wxtoken_reject`.

mod others;

use Advice::{Allow, Do, Put, Quota, RegisterAgain, Retry};

pub use super::backoff::{Wait, platform_day};
use crate::hosts::{self, Platform};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrcodeRule {
    pub wait: Wait,
    pub advice: Advice,
    /// Whether the code refuses the account's own secret.
    pub blames_secret: bool,
}

/// The advice for a refusal. The texts are whole sentences. A text before another advice says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    Do(&'static str),
    /// Register the account again.
    RegisterAgain(&'static str),
    /// Put the secret that the recipe takes.
    Put(&'static str),
    /// Add this host's address to this list.
    Allow(&'static str),
    /// End the back-off after the cause is fixed.
    Retry(&'static str),
    /// Check what is left of the day's quota, and end the back-off after it is raised.
    Quota(&'static str),
}

/// The platform of a code. None stands for every platform.
type On = Option<&'static Platform>;

/// A code's platform, its number, how long to hold off, and what to do.
type Row = (On, i64, Wait, Advice);

const API: On = Some(&hosts::API);

const WORK: On = Some(&hosts::WORK);

const WRONG_ID: Advice = RegisterAgain("The platform does not know this id.");

const WRONG_SECRET: Advice = RegisterAgain("The secret is wrong.");

const WRONG_REQUEST: Advice =
    Do("The platform did not take the request. Check the option of its base URL.");

const TOO_MANY: Advice = Do("There are too many calls at once. The request is made again.");

/// Codes that need someone to act, or time to pass. Any other code is taken for a fault of configuration.
static TABLE: &[Row] = &[
    (
        None,
        -1,
        Wait::BackOff,
        Do("The platform is busy. The request is made again."),
    ),
    (WORK, 45033, Wait::BackOff, TOO_MANY),
    (
        None,
        40001,
        Wait::Seconds(60),
        RegisterAgain("The secret is wrong, or another account's."),
    ),
    (None, 40125, Wait::Seconds(60), WRONG_SECRET),
    (None, 40013, Wait::Seconds(60), WRONG_ID),
    (None, 40002, Wait::Seconds(60), WRONG_REQUEST),
    (
        None,
        41002,
        Wait::Seconds(60),
        RegisterAgain("The id is missing."),
    ),
    (
        None,
        41004,
        Wait::Seconds(60),
        RegisterAgain("The secret is missing."),
    ),
    (
        API,
        41018,
        Wait::Seconds(60),
        RegisterAgain("The component_appid is missing."),
    ),
    (None, 43002, Wait::Seconds(60), WRONG_REQUEST),
    (None, 47001, Wait::Seconds(60), WRONG_REQUEST),
    (
        API,
        40164,
        Wait::Seconds(60),
        Allow("the account's IP allow list (公众平台 → 设置与开发 → 基本配置 → IP白名单)"),
    ),
    (
        API,
        45035,
        Wait::Seconds(60),
        Allow("the shop's IP allow list (微信小店 → 服务市场 → 自研 → IP白名单)"),
    ),
    (
        WORK,
        60020,
        Wait::Seconds(60),
        Allow("the app's trusted IPs (企业微信管理后台 → 应用管理 → 企业可信IP)"),
    ),
    (
        API,
        40243,
        Wait::Seconds(60),
        Do("The secret is frozen. Unfreeze it in the account's console."),
    ),
    (
        API,
        50004,
        Wait::Seconds(60),
        Retry(
            "This account may not use access tokens, perhaps as a punishment. See the notices in its console. When it may,",
        ),
    ),
    (
        API,
        50007,
        Wait::Seconds(60),
        Do("The account is frozen. See the account's console."),
    ),
    (
        API,
        61024,
        Wait::Seconds(60),
        Do(
            "The account belongs to a third-party platform. Fetch by that platform's component token.",
        ),
    ),
    (
        API,
        89501,
        Wait::Seconds(300),
        Retry(
            "The administrator has been asked to allow this host's address. When the answer is there,",
        ),
    ),
    (
        API,
        89503,
        Wait::Seconds(300),
        Retry("The administrator must allow this host's address first. After that,"),
    ),
    (
        API,
        89502,
        Wait::Seconds(300),
        Retry("This host's address waits for the administrator. When it is allowed,"),
    ),
    (
        API,
        89504,
        Wait::Seconds(300),
        Retry("This host's address waits for the administrator. When it is allowed,"),
    ),
    (
        API,
        89505,
        Wait::Seconds(300),
        Retry("This host's address waits for the administrator. When it is allowed,"),
    ),
    (
        API,
        89506,
        Wait::Seconds(86_400),
        Retry(
            "The administrator refused this host's address twice. It may ask again in 24 hours. When it is allowed,",
        ),
    ),
    (
        API,
        89507,
        Wait::Seconds(3600),
        Retry(
            "The administrator refused this host's address. It may ask again in an hour. When it is allowed,",
        ),
    ),
    (WORK, 40091, Wait::Seconds(60), WRONG_SECRET),
    (
        WORK,
        50003,
        Wait::Seconds(60),
        Do("The app is disabled. Enable it in the console."),
    ),
    (
        API,
        45009,
        Wait::NextDay,
        Quota(
            "The day's quota of token fetches is used up. Find what else fetches this account's token.",
        ),
    ),
    (
        API,
        45011,
        Wait::NextMinute,
        Do(
            "There were too many fetches in this minute. Find what else fetches this account's token.",
        ),
    ),
    (
        API,
        61003,
        Wait::Seconds(60),
        Put(
            "The account has not authorized this platform, or no longer does. When its owner has authorized it,",
        ),
    ),
    (
        API,
        61004,
        Wait::Seconds(60),
        Allow("the platform's IP allow list (开放平台 → 第三方平台 → 开发配置 → 白名单IP地址列表)"),
    ),
    (
        API,
        61005,
        Wait::Seconds(60),
        Put("The verify_ticket has expired. When WeChat pushes the next one,"),
    ),
    (
        API,
        61006,
        Wait::Seconds(60),
        Put("The verify_ticket is not valid. When WeChat pushes the next one,"),
    ),
    (
        API,
        40091,
        Wait::Seconds(60),
        Put("The verify_ticket is not valid. When WeChat pushes the next one,"),
    ),
    (
        API,
        61011,
        Wait::Seconds(60),
        Do(
            "The platform does not know this component_appid. Register the parent again with the right one.",
        ),
    ),
    (
        API,
        61023,
        Wait::Seconds(60),
        Put("The refresh_token is not valid. When the account's owner has authorized again,"),
    ),
    (
        WORK,
        40080,
        Wait::Seconds(60),
        RegisterAgain("The suite's secret is wrong."),
    ),
    (
        WORK,
        40083,
        Wait::Seconds(60),
        RegisterAgain("WeCom does not know this suite_id."),
    ),
    (
        WORK,
        40084,
        Wait::Seconds(60),
        RegisterAgain(
            "The permanent_code is not valid. The corporation has removed the app, or authorized it again.",
        ),
    ),
    (
        WORK,
        40085,
        Wait::Seconds(60),
        Put("The suite_ticket is not valid. When WeCom pushes the next one,"),
    ),
    // If the platform refuses a token, and then a newly fetched one too, the suite itself is refused.
    (
        WORK,
        40082,
        Wait::Seconds(60),
        Do("WeCom does not take the suite's token. Check the suite's account."),
    ),
    // The codes of some platforms are words.
    (
        None,
        0,
        Wait::Seconds(60),
        RegisterAgain("If the id or the secret is wrong,"),
    ),
];

/// Codes that refuse the account's secret, or the pair of id and secret.
static BLAMES_SECRET: &[(On, i64)] = &[
    (None, 40001),
    (None, 40013),
    (None, 40125),
    (API, 40243),
    (WORK, 40080),
    (WORK, 40091),
];

/// The rule if the platform accepted neither the parent's token nor the next one.
pub const STALE_PARENT: ErrcodeRule = ErrcodeRule {
    wait: Wait::BackOff,
    advice: Do(
        "The platform did not take the token that this is fetched with. Another one is fetched.",
    ),
    blames_secret: false,
};

const WECOM_LIMIT: ErrcodeRule = ErrcodeRule {
    wait: Wait::Seconds(60),
    advice: Retry(
        "WeCom's limit of calls is used up. Find what calls too often from this address. When the limit is over,",
    ),
    blames_secret: false,
};

/// The rule of a code that is in no table.
const UNKNOWN: ErrcodeRule = ErrcodeRule {
    wait: Wait::Seconds(60),
    advice: Do("Look the errcode up in the platform's list of return codes."),
    blames_secret: false,
};

/// Judges a code. `failures` is the number of failures in a row before this one.
pub fn judge(platform: &Platform, code: i64, failures: i64) -> ErrcodeRule {
    if *platform == hosts::WORK && code == 45009 {
        // The limit may be per minute. If it still holds after that, it is per hour.
        let wait = if failures == 0 { 60 } else { 3600 };
        return ErrcodeRule {
            wait: Wait::Seconds(wait),
            ..WECOM_LIMIT
        };
    }
    let platform = if *platform == hosts::LARK {
        &hosts::FEISHU
    } else {
        platform
    };
    let is = |on: On, number: i64| number == code && on.is_none_or(|on| on == platform);
    let blames_secret = BLAMES_SECRET
        .iter()
        .chain(others::BLAMES_SECRET)
        .any(|(on, number)| is(*on, *number));
    let mut rows = TABLE.iter().chain(others::TABLE);
    rows.find(|(on, number, _, _)| is(*on, *number)).map_or(
        ErrcodeRule {
            blames_secret,
            ..UNKNOWN
        },
        |(_, _, wait, advice)| ErrcodeRule {
            wait: *wait,
            advice: *advice,
            blames_secret,
        },
    )
}

/// Every text in an advice, each once.
pub fn sentences() -> Vec<&'static str> {
    let rows = TABLE.iter().chain(others::TABLE);
    let mut all: Vec<&str> = rows.map(|(_, _, _, advice)| advice.text()).collect();
    let beside = [STALE_PARENT, UNKNOWN, WECOM_LIMIT];
    all.extend(beside.map(|rule| rule.advice.text()));
    all.sort_unstable();
    all.dedup();
    all
}

impl Advice {
    fn text(self) -> &'static str {
        match self {
            Do(text) | RegisterAgain(text) | Put(text) | Allow(text) | Retry(text)
            | Quota(text) => text,
        }
    }
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
    fn advice_for_every_platform_does_not_name_the_option_of_one() {
        for (on, code, _, advice) in TABLE.iter().chain(others::TABLE) {
            let names_one = advice.text().contains("_base_url");
            assert!(on.is_some() || !names_one, "{code}: {}", advice.text());
        }
    }

    #[test]
    fn lark_has_the_codes_of_feishu_and_douyins_platforms_have_their_own() {
        for code in [10003, 10014, 99_991_400, 1] {
            let feishu = judge(&hosts::FEISHU, code, 0);
            assert_eq!(judge(&hosts::LARK, code, 0), feishu, "{code}");
        }
        assert!(judge(&hosts::DOUYIN_OPEN, 10013, 0).blames_secret);
        assert!(!judge(&hosts::DOUYIN, 10013, 0).blames_secret);
        assert_eq!(judge(&hosts::DOUYIN, 10020, 0).wait, Wait::Seconds(60));
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
