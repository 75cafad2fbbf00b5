//! api.weixin.qq.com: official accounts, mini programs and the open platform.

use super::*;
use crate::{
    errcodes::Host,
    kinds::Kind,
    openapi::Openapi::{Clear, Quota as QuotaLeft, Rid},
    routes::{
        Check::{self, Account, Bearer as Carries, Child, Has, Ip, Is, Pushed, SameId, Secret},
        Gives::{self, Openapi, Service, Token},
        Sent,
    },
};

const COMPONENT_TOKEN: Bearer = Bearer {
    from: From::Query(&["access_token", "component_access_token"]),
    kinds: &[TokenKind::Component],
    malformed: None,
    ..OFFICIAL_TOKEN
};

/// Official accounts: the checks of the classic and the stable token, in the order of the live service.
const OFFICIAL_CHECKS: &[Check] = &[
    Has("appid", Number(41002)),
    Account(Kind::Official, "appid", Number(40013)),
    Is("grant_type", "client_credential", Number(40002)),
    Has("secret", Number(41004)),
    Secret("secret", Number(40125)),
    Ip(Number(40164)),
];

/// A user's login: it checks the account's secret, and no address list.
pub const OFFICIAL_SECRET: &[Check] = &[
    Has("appid", Number(41002)),
    Account(Kind::Official, "appid", Number(40013)),
    Has("secret", Number(41004)),
    Secret("secret", Number(40125)),
];

/// The token of any account that may make these calls.
const ANY_TOKEN: Bearer = Bearer {
    kinds: &[
        TokenKind::Classic,
        TokenKind::Stable,
        TokenKind::Authorizer,
        TokenKind::Component,
    ],
    ..OFFICIAL_TOKEN
};

const IP_LIST: Gives = Service(r#"{"ip_list":["127.0.0.1"]}"#);

/// The endpoints.
pub const ROUTES: &[Route] = &[
    Route {
        path: "/cgi-bin/token",
        host: Host::Weixin,
        sent: Sent::Get,
        checks: OFFICIAL_CHECKS,
        gives: Token(MINTED),
    },
    Route {
        path: "/cgi-bin/stable_token",
        host: Host::Weixin,
        sent: Sent::Json,
        checks: OFFICIAL_CHECKS,
        gives: Token(Credential {
            kind: TokenKind::Stable,
            rule: Rule::Stable,
            quota: daily(500_000),
            ..MINTED
        }),
    },
    Route {
        path: "/cgi-bin/ticket/getticket",
        host: Host::Weixin,
        sent: Sent::Get,
        checks: &[Carries(OFFICIAL_TOKEN), Is("type", "jsapi", Number(40097))],
        gives: Token(TICKET),
    },
    Route {
        path: "/cgi-bin/ticket/getticket",
        host: Host::Weixin,
        sent: Sent::Get,
        checks: &[
            Carries(OFFICIAL_TOKEN),
            Is("type", "wx_card", Number(40097)),
        ],
        gives: Token(Credential {
            kind: TokenKind::CardTicket,
            ..TICKET
        }),
    },
    Route {
        path: "/cgi-bin/ticket/getticket",
        host: Host::Weixin,
        sent: Sent::Get,
        checks: &[Carries(OFFICIAL_TOKEN), Is("type", "2", Number(40097))],
        gives: Token(Credential {
            kind: TokenKind::SdkTicket,
            ..TICKET
        }),
    },
    Route {
        path: "/cgi-bin/getcallbackip",
        host: Host::Weixin,
        sent: Sent::Either,
        checks: &[Carries(OFFICIAL_TOKEN)],
        gives: IP_LIST,
    },
    Route {
        path: "/cgi-bin/get_api_domain_ip",
        host: Host::Weixin,
        sent: Sent::Either,
        checks: &[Carries(ANY_TOKEN)],
        gives: IP_LIST,
    },
    Route {
        path: "/cgi-bin/openapi/quota/get",
        host: Host::Weixin,
        sent: Sent::Json,
        checks: &[Carries(ANY_TOKEN)],
        gives: Openapi(QuotaLeft),
    },
    Route {
        path: "/cgi-bin/openapi/rid/get",
        host: Host::Weixin,
        sent: Sent::Json,
        checks: &[Carries(ANY_TOKEN)],
        gives: Openapi(Rid),
    },
    Route {
        path: "/cgi-bin/clear_quota/v2",
        host: Host::Weixin,
        sent: Sent::Either,
        checks: &[
            Has("appid", Number(41002)),
            Account(Kind::Official, "appid", Number(40013)),
            Has("appsecret", Number(41004)),
            Secret("appsecret", Number(40125)),
            Ip(Number(40164)),
        ],
        gives: Openapi(Clear),
    },
    Route {
        path: "/cgi-bin/component/clear_quota/v2",
        host: Host::Weixin,
        sent: Sent::Either,
        checks: &[
            Has("component_appid", Number(41018)),
            Account(Kind::Component, "component_appid", Number(40013)),
            Has("appsecret", Number(41004)),
            Secret("appsecret", Number(40125)),
            Ip(Number(61004)),
        ],
        gives: Openapi(Clear),
    },
    Route {
        path: "/cgi-bin/component/api_component_token",
        host: Host::Weixin,
        sent: Sent::Json,
        checks: &[
            Has("component_appid", Number(41018)),
            Account(Kind::Component, "component_appid", Number(40013)),
            Has("component_appsecret", Number(41004)),
            Secret("component_appsecret", Number(40125)),
            Pushed {
                name: "component_verify_ticket",
                good_for_ms: 12 * HOUR,
                unknown: Number(61006),
                stale: Number(61005),
            },
            Ip(Number(61004)),
        ],
        gives: Token(Credential {
            kind: TokenKind::Component,
            length: 157,
            quota: daily(u64::MAX),
            reply: Fields {
                token: "component_access_token",
                ..ACCESS_TOKEN
            },
            ..MINTED
        }),
    },
    Route {
        path: "/cgi-bin/component/api_authorizer_token",
        host: Host::Weixin,
        sent: Sent::Json,
        checks: &[
            Carries(COMPONENT_TOKEN),
            SameId("component_appid", Number(61011)),
            Child(Kind::Authorizer, "authorizer_appid", Number(61003)),
            Secret("authorizer_refresh_token", Number(61023)),
            Ip(Number(61004)),
        ],
        gives: Token(Credential {
            kind: TokenKind::Authorizer,
            length: 157,
            quota: daily(u64::MAX),
            reply: Fields {
                token: "authorizer_access_token",
                refresh: Some("authorizer_refresh_token"),
                ..ACCESS_TOKEN
            },
            ..MINTED
        }),
    },
    Route {
        path: "/cgi-bin/component/api_get_authorizer_info",
        host: Host::Weixin,
        sent: Sent::Json,
        checks: &[
            Carries(COMPONENT_TOKEN),
            SameId("component_appid", Number(61011)),
            Child(Kind::Authorizer, "authorizer_appid", Number(61003)),
        ],
        gives: Service(r#"{"authorizer_info":{"nick_name":"demo"},"authorization_info":{}}"#),
    },
];
