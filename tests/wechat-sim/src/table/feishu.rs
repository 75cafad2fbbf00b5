//! open.feishu.cn: tokens of apps, store apps and their tenants, and tickets. open.larksuite.com has the same paths.

use super::*;
use crate::{
    errcodes::Host,
    kinds::Kind,
    routes::{
        Check::{Account, Bearer as Carries, Child, Ip, Pushed, Secret},
        Gives::Token,
        Sent,
    },
};

const APP_TOKEN: Bearer = Bearer {
    from: From::Either("app_access_token"),
    kinds: &[TokenKind::FeishuStore],
    missing: Number(10_003),
    malformed: None,
    unknown: Number(99_991_664),
    expired: Number(99_991_664),
};

/// It repeats until its last 30 minutes.
const RENEWED_EARLY: Credential = Credential {
    length: 42,
    rule: Rule::Repeats {
        window_ms: 30 * MINUTE,
        switch: |_| true,
    },
    ..REPEATED_ELSEWHERE
};

const APP: Fields = Fields {
    frame: r#"{"code":0,"msg":"ok"}"#,
    token: "app_access_token",
    expires: "expire",
    ..ACCESS_TOKEN
};

/// The endpoints.
pub const ROUTES: &[Route] = &[
    Route {
        path: "/open-apis/auth/v3/app_access_token/internal",
        host: Host::Feishu,
        sent: Sent::Json,
        checks: &[
            Account(Kind::Feishu, "app_id", Number(10_003)),
            Secret("app_secret", Number(10_014)),
            Ip(Number(99_991_401)),
        ],
        gives: Token(Credential {
            kind: TokenKind::FeishuApp,
            prefix: "a-",
            reply: APP,
            ..RENEWED_EARLY
        }),
    },
    Route {
        path: "/open-apis/jssdk/ticket/get",
        host: Host::Feishu,
        sent: Sent::Nowhere,
        checks: &[Carries(others::FEISHU_TOKEN)],
        gives: Token(Credential {
            kind: TokenKind::FeishuJsapiTicket,
            length: 40,
            reply: Fields {
                frame: r#"{"code":0,"msg":"ok","data":{}}"#,
                inside: Some("data"),
                token: "ticket",
                expires: "expire_in",
                ..ACCESS_TOKEN
            },
            ..REPEATED_ELSEWHERE
        }),
    },
    Route {
        path: "/open-apis/auth/v3/app_access_token",
        host: Host::Feishu,
        sent: Sent::Json,
        checks: &[
            Account(Kind::FeishuStore, "app_id", Number(10_003)),
            Secret("app_secret", Number(10_014)),
            // Feishu does not document a lifetime. These are stand-ins.
            Pushed {
                name: "app_ticket",
                good_for_ms: DAY,
                unknown: Number(10_012),
                stale: Number(10_012),
            },
            Ip(Number(99_991_401)),
        ],
        gives: Token(Credential {
            kind: TokenKind::FeishuStore,
            prefix: "a-",
            reply: APP,
            ..RENEWED_EARLY
        }),
    },
    Route {
        path: "/open-apis/auth/v3/tenant_access_token",
        host: Host::Feishu,
        sent: Sent::Json,
        checks: &[
            Carries(APP_TOKEN),
            Child(Kind::FeishuTenant, "tenant_key", Number(10_003)),
            Ip(Number(99_991_401)),
        ],
        gives: Token(Credential {
            kind: TokenKind::FeishuTenant,
            prefix: "t-",
            reply: Fields {
                token: "tenant_access_token",
                ..APP
            },
            ..RENEWED_EARLY
        }),
    },
];
