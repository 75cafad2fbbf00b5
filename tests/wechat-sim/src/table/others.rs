//! Other platforms of the same shape: QQ, Douyin, DingTalk, Feishu.

use super::*;
use crate::{
    errcodes::{
        Code::{self, Name},
        Host,
    },
    kinds::Kind,
    routes::{
        Check::{Account, Bearer as Carries, Has, Ip, Is, Secret},
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
    kinds: &[TokenKind::Dingtalk],
    missing: DINGTALK_TOKEN_WRONG,
    malformed: None,
    unknown: DINGTALK_TOKEN_WRONG,
    expired: DINGTALK_TOKEN_WRONG,
};

const FEISHU_TOKEN: Bearer = Bearer {
    from: From::Header("authorization", "Bearer "),
    kinds: &[TokenKind::Feishu],
    missing: Number(99991661),
    malformed: None,
    unknown: Number(99991663),
    expired: Number(99991663),
};

/// Their endpoints.
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
            // Douyin documents no list of addresses: a stand-in.
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
