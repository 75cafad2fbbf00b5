//! qyapi.weixin.qq.com: WeCom, and its third parties.

use super::*;
use crate::{
    errcodes::Host,
    kinds::Kind,
    routes::{
        Check::{Account, Bearer as Carries, Child, Has, Ip, Is, Pushed, Secret},
        Gives::{Service, Token},
        Sent,
    },
};

pub const WORK_TOKEN: Bearer = Bearer {
    kinds: &[TokenKind::Work, TokenKind::WorkAuthorized],
    malformed: None,
    unknown: Number(40014),
    ..OFFICIAL_TOKEN
};

const PROVIDER_TOKEN: Bearer = Bearer {
    kinds: &[TokenKind::Provider],
    ..WORK_TOKEN
};

const SUITE_TOKEN: Bearer = Bearer {
    from: From::Query(&["suite_access_token"]),
    kinds: &[TokenKind::Suite],
    unknown: Number(40082),
    expired: Number(42009),
    ..WORK_TOKEN
};

/// The endpoints.
pub const ROUTES: &[Route] = &[
    Route {
        path: "/cgi-bin/gettoken",
        host: Host::Wecom,
        sent: Sent::Query,
        checks: &[
            Has("corpsecret", Number(41004)),
            Has("corpid", Number(41002)),
            Account(Kind::Work, "corpid", Number(40013)),
            Secret("corpsecret", Number(40001)),
            Ip(Number(60020)),
        ],
        gives: Token(REPEATED),
    },
    Route {
        path: "/cgi-bin/get_jsapi_ticket",
        host: Host::Wecom,
        sent: Sent::Query,
        checks: &[Carries(WORK_TOKEN)],
        gives: Token(Credential {
            kind: TokenKind::WorkJsapiTicket,
            quota: tickets(HOUR, 400),
            per_corp: Some(100),
            ..TICKET
        }),
    },
    Route {
        path: "/cgi-bin/ticket/get",
        host: Host::Wecom,
        sent: Sent::Query,
        checks: &[
            Carries(WORK_TOKEN),
            Is("type", "agent_config", Number(40005)),
        ],
        gives: Token(Credential {
            kind: TokenKind::WorkAgentTicket,
            quota: tickets(HOUR, 100),
            ..TICKET
        }),
    },
    Route {
        path: "/cgi-bin/get_api_domain_ip",
        host: Host::Wecom,
        sent: Sent::Get,
        checks: &[Carries(WORK_TOKEN)],
        gives: Service(r#"{"errcode":0,"errmsg":"ok","ip_list":["127.0.0.1"]}"#),
    },
    Route {
        path: "/cgi-bin/ticket/get",
        host: Host::Wecom,
        sent: Sent::Query,
        checks: &[Carries(WORK_TOKEN), Is("type", "wx_card", Number(40005))],
        gives: Token(Credential {
            kind: TokenKind::WorkCardTicket,
            quota: tickets(HOUR, 100),
            ..TICKET
        }),
    },
    Route {
        path: "/cgi-bin/agent/list",
        host: Host::Wecom,
        sent: Sent::Either,
        checks: &[Carries(WORK_TOKEN)],
        gives: Service(r#"{"errcode":0,"errmsg":"ok","agentlist":[]}"#),
    },
    Route {
        path: "/cgi-bin/department/list",
        host: Host::Wecom,
        sent: Sent::Query,
        checks: &[Carries(WORK_TOKEN)],
        gives: Service(r#"{"errcode":0,"errmsg":"ok","department":[]}"#),
    },
    Route {
        path: "/cgi-bin/service/get_suite_token",
        host: Host::Wecom,
        sent: Sent::Json,
        checks: &[
            Account(Kind::Suite, "suite_id", Number(40083)),
            Secret("suite_secret", Number(40080)),
            Pushed {
                name: "suite_ticket",
                good_for_ms: 30 * MINUTE,
                unknown: Number(40085),
                stale: Number(40085),
            },
            Ip(Number(60020)),
        ],
        gives: Token(Credential {
            kind: TokenKind::Suite,
            length: 128,
            reply: Fields {
                token: "suite_access_token",
                ..REPEATED.reply
            },
            ..REPEATED
        }),
    },
    Route {
        path: "/cgi-bin/service/get_corp_token",
        host: Host::Wecom,
        sent: Sent::Json,
        checks: &[
            Carries(SUITE_TOKEN),
            Child(Kind::WorkAuthorized, "auth_corpid", Number(40084)),
            Secret("permanent_code", Number(40084)),
            Ip(Number(60020)),
        ],
        gives: Token(Credential {
            kind: TokenKind::WorkAuthorized,
            reply: ACCESS_TOKEN,
            ..REPEATED
        }),
    },
    Route {
        path: "/cgi-bin/service/get_provider_token",
        host: Host::Wecom,
        sent: Sent::Json,
        checks: &[
            Account(Kind::Provider, "corpid", Number(40013)),
            Secret("provider_secret", Number(40001)),
            Ip(Number(60020)),
        ],
        gives: Token(Credential {
            kind: TokenKind::Provider,
            length: 128,
            reply: Fields {
                token: "provider_access_token",
                ..REPEATED.reply
            },
            ..REPEATED
        }),
    },
    Route {
        path: "/cgi-bin/service/get_auth_info",
        host: Host::Wecom,
        sent: Sent::Either,
        checks: &[Carries(SUITE_TOKEN)],
        gives: Service(r#"{"errcode":0,"errmsg":"ok","auth_info":{"agent":[]}}"#),
    },
    Route {
        path: "/cgi-bin/service/get_login_info",
        host: Host::Wecom,
        sent: Sent::Either,
        checks: &[Carries(PROVIDER_TOKEN)],
        gives: Service(r#"{"errcode":0,"errmsg":"ok","usertype":1}"#),
    },
];
