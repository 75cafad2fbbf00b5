//! open.douyin.com and minigame.zijieapi.com: Douyin's stable tokens, and its tickets.

use super::*;
use crate::{
    errcodes::Host,
    kinds::Kind,
    routes::{
        Check::{Account, Bearer as Carries, Ip, Is, Secret},
        Gives::Token,
        Sent,
    },
};

const CLIENT_TOKEN: Bearer = Bearer {
    from: From::Header("access-token", ""),
    kinds: &[TokenKind::DouyinStable],
    missing: Number(28_001_003),
    malformed: None,
    unknown: Number(28_001_003),
    expired: Number(28_001_008),
};

/// Nested, as in all replies of the open platform.
const NESTED: Fields = Fields {
    frame: r#"{"data":{"error_code":0,"description":""},"message":"success"}"#,
    inside: Some("data"),
    ..ACCESS_TOKEN
};

const NESTED_TICKET: Credential = Credential {
    length: 64,
    reply: Fields {
        token: "ticket",
        ..NESTED
    },
    ..REPEATED_ELSEWHERE
};

/// The endpoints.
pub const ROUTES: &[Route] = &[
    Route {
        path: "/oauth/stable_client_token/",
        host: Host::DouyinOpen,
        sent: Sent::Json,
        checks: &[
            Account(Kind::DouyinStable, "client_key", Number(10_003)),
            Secret("client_secret", Number(10_013)),
            // Douyin documents neither an address list nor a code for this. Both codes are stand-ins.
            Is("grant_type", "client_credential", Number(2_100_005)),
            Ip(Number(40164)),
        ],
        gives: Token(Credential {
            kind: TokenKind::DouyinStable,
            prefix: "clt.",
            length: 80,
            reply: NESTED,
            ..REPEATED_ELSEWHERE
        }),
    },
    Route {
        path: "/js/getticket/",
        host: Host::DouyinOpen,
        sent: Sent::Get,
        checks: &[Carries(CLIENT_TOKEN)],
        gives: Token(Credential {
            kind: TokenKind::DouyinJsapiTicket,
            ..NESTED_TICKET
        }),
    },
    Route {
        path: "/open/getticket/",
        host: Host::DouyinOpen,
        sent: Sent::Get,
        checks: &[Carries(CLIENT_TOKEN)],
        gives: Token(Credential {
            kind: TokenKind::DouyinOpenTicket,
            ..NESTED_TICKET
        }),
    },
    Route {
        path: "/mgplatform/api/apps/stable_token",
        host: Host::DouyinGame,
        sent: Sent::Json,
        checks: &[
            Account(Kind::DouyinGame, "appid", Number(28_001_038)),
            Secret("secret", Number(28_001_038)),
            Is("grant_type", "client_credential", Number(28_001_038)),
            // A stand-in, since no code is documented.
            Ip(Number(40164)),
        ],
        gives: Token(Credential {
            kind: TokenKind::DouyinGame,
            prefix: "080112",
            length: 54,
            rule: Rule::Stable,
            quota: daily(500_000),
            reply: Fields {
                frame: r#"{"data":{},"err_msg":"","err_no":0}"#,
                inside: Some("data"),
                ..ACCESS_TOKEN
            },
            ..MINTED
        }),
    },
];
