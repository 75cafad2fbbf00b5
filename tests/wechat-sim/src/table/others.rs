//! Other platforms of the same shape: QQ, Douyin, DingTalk, Feishu, Xiaohongshu, Baidu.

use super::*;
use crate::{
    errcodes::{
        Code::{self, Name},
        Host,
    },
    kinds::Kind,
    routes::{
        Check::{Account, Bearer as Carries, Has, Ip, Is, Pushed, Secret},
        Gives::{Service, Token},
        Sent,
    },
};

const DINGTALK_WRONG: Code = Name("invalidClientIdOrSecret");
const DINGTALK_TOKEN_WRONG: Code = Name("InvalidAuthentication");

const QQ_TOKEN: Bearer = Bearer {
    kinds: &[TokenKind::Qq],
    ..OFFICIAL_TOKEN
};

const DOUYIN_TOKEN: Bearer = Bearer {
    from: From::Either("access_token"),
    kinds: &[TokenKind::Douyin],
    missing: Number(28001003),
    malformed: None,
    unknown: Number(28001003),
    expired: Number(28001003),
};

const DINGTALK_TOKEN: Bearer = Bearer {
    from: From::Header("x-acs-dingtalk-access-token", ""),
    kinds: &[TokenKind::Dingtalk, TokenKind::DingtalkSuite],
    missing: DINGTALK_TOKEN_WRONG,
    malformed: None,
    unknown: DINGTALK_TOKEN_WRONG,
    expired: DINGTALK_TOKEN_WRONG,
};

pub const FEISHU_TOKEN: Bearer = Bearer {
    from: From::Header("authorization", "Bearer "),
    kinds: &[TokenKind::Feishu, TokenKind::FeishuTenant],
    missing: Number(99991661),
    malformed: None,
    unknown: Number(99991663),
    expired: Number(99991663),
};

/// The endpoints.
pub const ROUTES: &[Route] = &[
    Route {
        path: "/api/getToken",
        host: Host::Qq,
        sent: Sent::Get,
        checks: &[
            Has("appid", Number(41002)),
            Account(Kind::Qq, "appid", Number(40013)),
            Is("grant_type", "client_credential", Number(40002)),
            Has("secret", Number(41004)),
            Secret("secret", Number(40125)),
            Ip(Number(40164)),
        ],
        gives: Token(Credential {
            kind: TokenKind::Qq,
            ..MINTED
        }),
    },
    Route {
        path: "/api/json/msgseccheck",
        host: Host::Qq,
        sent: Sent::Either,
        checks: &[Carries(QQ_TOKEN)],
        gives: Service(r#"{"errCode":0,"errMsg":"ok"}"#),
    },
    Route {
        path: "/api/apps/v2/token",
        host: Host::Douyin,
        sent: Sent::Json,
        checks: &[
            Account(Kind::Douyin, "appid", Number(40015)),
            Secret("secret", Number(40017)),
            Is("grant_type", "client_credential", Number(40020)),
            // A stand-in, since Douyin documents no address list.
            Ip(Number(40164)),
        ],
        gives: Token(Credential {
            kind: TokenKind::Douyin,
            prefix: "0801121",
            length: 75,
            quota: daily(u64::MAX),
            reply: Fields {
                frame: r#"{"err_no":0,"err_tips":"success","data":{}}"#,
                inside: Some("data"),
                ..ACCESS_TOKEN
            },
            ..MINTED
        }),
    },
    Route {
        path: "/api/apps/subscribe_notification/developer/v1/notify",
        host: Host::Douyin,
        sent: Sent::Either,
        checks: &[Carries(DOUYIN_TOKEN)],
        gives: Service(r#"{"err_no":0,"err_tips":"success"}"#),
    },
    Route {
        path: "/v1.0/oauth2/accessToken",
        host: Host::Dingtalk,
        sent: Sent::Json,
        checks: &[
            Account(Kind::Dingtalk, "appKey", DINGTALK_WRONG),
            Secret("appSecret", DINGTALK_WRONG),
            Ip(Name("Forbidden.AccessDenied.IpNotInWhiteList")),
        ],
        gives: Token(Credential {
            kind: TokenKind::Dingtalk,
            length: 32,
            rule: Rule::Repeats {
                window_ms: 0,
                switch: |_| true,
            },
            older: Older::Lives,
            quota: daily(u64::MAX),
            reply: Fields {
                token: "accessToken",
                expires: "expireIn",
                ..ACCESS_TOKEN
            },
            ..MINTED
        }),
    },
    Route {
        path: "/v1.0/oauth2/suiteAccessToken",
        host: Host::Dingtalk,
        sent: Sent::Json,
        checks: &[
            Account(Kind::DingtalkSuite, "suiteKey", DINGTALK_WRONG),
            Secret("suiteSecret", DINGTALK_WRONG),
            // DingTalk documents neither a lifetime nor the words of a refusal. These are stand-ins.
            Pushed {
                name: "suiteTicket",
                good_for_ms: DAY,
                unknown: Name("invalidSuiteTicket"),
                stale: Name("invalidSuiteTicket"),
            },
            Ip(Name("Forbidden.AccessDenied.IpNotInWhiteList")),
        ],
        gives: Token(Credential {
            kind: TokenKind::DingtalkSuite,
            length: 32,
            reply: Fields {
                token: "accessToken",
                expires: "expireIn",
                ..ACCESS_TOKEN
            },
            ..REPEATED_ELSEWHERE
        }),
    },
    Route {
        path: "/v1.0/oauth2/jsapiTickets",
        host: Host::Dingtalk,
        sent: Sent::Nowhere,
        checks: &[Carries(DINGTALK_TOKEN)],
        gives: Token(Credential {
            kind: TokenKind::DingtalkJsapiTicket,
            length: 64,
            reply: Fields {
                token: "jsapiTicket",
                expires: "expireIn",
                ..ACCESS_TOKEN
            },
            ..REPEATED_ELSEWHERE
        }),
    },
    Route {
        path: "/app/getAppAccessToken",
        host: Host::Qqbot,
        sent: Sent::Json,
        checks: &[
            Account(Kind::Qqbot, "appId", Number(100_007)),
            Secret("clientSecret", Number(100_016)),
            // A stand-in, since no code is documented.
            Ip(Number(40164)),
        ],
        gives: Token(Credential {
            kind: TokenKind::Qqbot,
            length: 64,
            rule: Rule::Repeats {
                window_ms: MINUTE,
                switch: |_| true,
            },
            reply: Fields {
                is_text: true,
                ..ACCESS_TOKEN
            },
            ..REPEATED_ELSEWHERE
        }),
    },
    Route {
        path: "/api/rmp/token",
        host: Host::Xiaohongshu,
        sent: Sent::Json,
        checks: &[
            // Stand-ins, since no codes are documented.
            Account(Kind::Xiaohongshu, "appid", Number(10_001)),
            Secret("secret", Number(10_001)),
            Ip(Number(10_002)),
        ],
        gives: Token(Credential {
            kind: TokenKind::Xiaohongshu,
            length: 64,
            quota: daily(u64::MAX),
            reply: Fields {
                frame: r#"{"code":0,"msg":"success","success":true,"data":{}}"#,
                inside: Some("data"),
                expires: "expire_in",
                ..ACCESS_TOKEN
            },
            ..MINTED
        }),
    },
    Route {
        path: "/oauth/2.0/token",
        host: Host::Baidu,
        sent: Sent::Get,
        checks: &[
            Is(
                "grant_type",
                "client_credentials",
                Name("unsupported_grant_type"),
            ),
            Account(Kind::Baidu, "client_id", Name("invalid_client")),
            Secret("client_secret", Name("invalid_client")),
            Is("scope", "smartapp_snsapi_base", Name("invalid_scope")),
            // A stand-in, since no code is documented.
            Ip(Name("access_denied")),
        ],
        gives: Token(Credential {
            kind: TokenKind::Baidu,
            length: 71,
            ..REPEATED_ELSEWHERE
        }),
    },
    Route {
        path: "/v1.0/contact/users/me",
        host: Host::Dingtalk,
        sent: Sent::Either,
        checks: &[Carries(DINGTALK_TOKEN)],
        gives: Service(r#"{"nick":"demo","unionId":"demo"}"#),
    },
    Route {
        path: "/open-apis/auth/v3/tenant_access_token/internal",
        host: Host::Feishu,
        sent: Sent::Json,
        checks: &[
            Account(Kind::Feishu, "app_id", Number(10003)),
            Secret("app_secret", Number(10014)),
            Ip(Number(99991401)),
        ],
        gives: Token(Credential {
            kind: TokenKind::Feishu,
            prefix: "t-",
            length: 42,
            rule: Rule::Repeats {
                window_ms: 30 * MINUTE,
                switch: |_| true,
            },
            older: Older::Lives,
            quota: daily(u64::MAX),
            reply: Fields {
                frame: r#"{"code":0,"msg":"ok"}"#,
                token: "tenant_access_token",
                expires: "expire",
                ..ACCESS_TOKEN
            },
            ..MINTED
        }),
    },
    Route {
        path: "/open-apis/bot/v3/info",
        host: Host::Feishu,
        sent: Sent::Either,
        checks: &[Carries(FEISHU_TOKEN)],
        gives: Service(r#"{"code":0,"msg":"ok","bot":{"app_name":"demo"}}"#),
    },
];
