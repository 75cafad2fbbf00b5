//! The codes of platforms other than WeChat's.

use super::*;

const DOUYIN: On = Some(&hosts::DOUYIN);

/// Feishu's codes, which are Lark's too.
const FEISHU: On = Some(&hosts::FEISHU);

const QQBOT: On = Some(&hosts::QQBOT);

const DOUYIN_OPEN: On = Some(&hosts::DOUYIN_OPEN);

const DOUYIN_GAME: On = Some(&hosts::DOUYIN_GAME);

pub(super) static TABLE: &[Row] = &[
    (DOUYIN, 40015, Wait::Seconds(60), WRONG_ID),
    (DOUYIN, 40017, Wait::Seconds(60), WRONG_SECRET),
    (FEISHU, 10003, Wait::Seconds(60), WRONG_ID),
    (FEISHU, 10014, Wait::Seconds(60), WRONG_SECRET),
    (FEISHU, 99_991_400, Wait::BackOff, TOO_MANY),
    (QQBOT, 100_007, Wait::Seconds(60), WRONG_ID),
    (
        QQBOT,
        100_016,
        Wait::Seconds(60),
        RegisterAgain("The id or the secret is wrong."),
    ),
    (DOUYIN_OPEN, 10003, Wait::Seconds(60), WRONG_ID),
    (
        DOUYIN_OPEN,
        10013,
        Wait::Seconds(60),
        RegisterAgain("The id or the secret is wrong."),
    ),
    (DOUYIN_OPEN, 10020, Wait::BackOff, TOO_MANY),
    (
        DOUYIN_GAME,
        28_001_005,
        Wait::BackOff,
        Do("The platform is busy. The request is made again."),
    ),
    (
        DOUYIN_GAME,
        28_001_038,
        Wait::Seconds(60),
        RegisterAgain("The id or the secret is wrong."),
    ),
    (DOUYIN_GAME, 28_005_139, Wait::BackOff, TOO_MANY),
];

/// Codes that refuse the account's secret, or the pair of id and secret.
pub(super) static BLAMES_SECRET: &[(On, i64)] = &[
    (DOUYIN, 40015),
    (DOUYIN, 40017),
    (FEISHU, 10003),
    (FEISHU, 10014),
    (QQBOT, 100_007),
    (QQBOT, 100_016),
    (DOUYIN_OPEN, 10003),
    (DOUYIN_OPEN, 10013),
    (DOUYIN_GAME, 28_001_038),
];
