//! The table of endpoints. A new kind of credential is a row here and a `TokenKind`; a new platform is also a `Host`.
//!
//! This file contains the parts that rows share. Each row states how its credential differs from one of these.

mod business;
mod douyin;
mod feishu;
mod official;
mod others;
mod wecom;

use crate::{
    errcodes::Code::Number,
    kinds::TokenKind,
    routes::{Bearer, Credential, Fields, From, Older, Quota, Route, Rule},
};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Every endpoint.
pub fn routes() -> impl Iterator<Item = &'static Route> + Clone {
    [
        official::ROUTES,
        wecom::ROUTES,
        others::ROUTES,
        douyin::ROUTES,
        feishu::ROUTES,
        business::ROUTES,
    ]
    .into_iter()
    .flatten()
}

/// Every parameter that names an account. Those of an account with a parent come first, because its parent is named in
/// the same request.
pub fn id_names() -> impl Iterator<Item = &'static str> {
    let (children, others): (Vec<_>, Vec<_>) = routes().partition(|row| row.bearer().is_some());
    children
        .into_iter()
        .chain(others)
        .filter_map(Route::id_name)
}

/// Every parameter whose value must stay hidden.
pub fn secret_names() -> impl Iterator<Item = &'static str> {
    routes().flat_map(Route::secret_names)
}

/// The classic token: each fetch mints.
const MINTED: Credential = Credential {
    kind: TokenKind::Classic,
    prefix: "",
    // Real ones have 136 to 157 characters.
    length: 140,
    rule: Rule::Mints,
    older: Older::Grace,
    quota: daily(2_000),
    per_corp: None,
    reply: ACCESS_TOKEN,
};

/// WeCom's token: it repeats while it is valid, unless the switch says otherwise.
const REPEATED: Credential = Credential {
    kind: TokenKind::Work,
    length: 214,
    rule: Rule::Repeats {
        window_ms: 0,
        switch: |switches| switches.work_same_token,
    },
    quota: daily(u64::MAX),
    reply: Fields {
        frame: r#"{"errcode":0,"errmsg":"ok"}"#,
        ..ACCESS_TOKEN
    },
    ..MINTED
};

/// A ticket for the pages of an official account.
const TICKET: Credential = Credential {
    kind: TokenKind::JsapiTicket,
    length: 86,
    rule: Rule::Repeats {
        window_ms: 0,
        switch: |switches| switches.ticket_same,
    },
    older: Older::Lives,
    quota: tickets(DAY, 1_000_000),
    reply: Fields {
        token: "ticket",
        ..REPEATED.reply
    },
    ..MINTED
};

/// The fields of most replies.
pub const ACCESS_TOKEN: Fields = Fields {
    frame: "{}",
    inside: None,
    token: "access_token",
    expires: "expires_in",
    is_text: false,
    refresh: None,
};

const fn daily(limit: u64) -> Quota {
    Quota {
        span_ms: DAY,
        limit,
        setting: |spec| spec.daily_quota,
    }
}

const fn tickets(span_ms: u64, limit: u64) -> Quota {
    Quota {
        span_ms,
        limit,
        setting: |spec| spec.ticket_quota,
    }
}

/// The token of most other platforms: it repeats while it is valid, and older ones still work.
const REPEATED_ELSEWHERE: Credential = Credential {
    rule: Rule::Repeats {
        window_ms: 0,
        switch: |_| true,
    },
    older: Older::Lives,
    quota: daily(u64::MAX),
    ..MINTED
};

/// The token of an official account, carried in the query.
const OFFICIAL_TOKEN: Bearer = Bearer {
    from: From::Query(&["access_token"]),
    kinds: &[TokenKind::Classic, TokenKind::Stable, TokenKind::Authorizer],
    missing: Number(41001),
    malformed: Some(Number(40014)),
    unknown: Number(40001),
    expired: Number(42001),
};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use serde::Serialize;

    use super::*;
    use crate::routes::Check;

    #[test]
    fn every_row_identifies_an_account_and_has_a_reply() {
        let mut kinds = BTreeSet::new();
        for row in routes() {
            assert!(
                row.id_name().or(row.bearer().map(|_| "")).is_some(),
                "{}",
                row.path
            );
            let Some(credential) = row.credential() else {
                continue;
            };
            assert!(
                kinds.insert(credential.kind),
                "two rows of {:?}",
                credential.kind
            );
            let mut frame = serde_json::from_str(credential.reply.frame).unwrap();
            assert!(
                credential.reply.object(&mut frame).is_some(),
                "{}",
                row.path
            );
        }
    }

    #[test]
    fn the_manual_names_every_endpoint_credential_and_kind_of_account() {
        let manual = include_str!("manual.txt");
        let is_between = |c: char| c.is_whitespace() || ",?:".contains(c);
        let words: BTreeSet<&str> = manual.split(is_between).collect();
        // The list of kinds goes on in a second line.
        let joined: String = manual.split_whitespace().collect();
        let listed: BTreeSet<&str> = joined.split(['|', '"']).collect();
        let mut missing = BTreeSet::new();
        for row in routes() {
            if !words.contains(row.path) {
                missing.insert(format!("the endpoint {}", row.path));
            }
            if let Some(credential) = row.credential() {
                let name = name(credential.kind);
                if !manual.contains(&format!("[{name}]")) {
                    missing.insert(format!("the credential [{name}]"));
                }
            }
            for check in row.checks {
                if let Check::Account(kind, ..) | Check::Child(kind, ..) = check {
                    let name = name(kind);
                    if !listed.contains(name.as_str()) {
                        missing.insert(format!("the kind {name} at POST /accounts"));
                    }
                }
            }
        }
        assert!(missing.is_empty(), "manual.txt lacks {missing:?}");
    }

    fn name(kind: impl Serialize) -> String {
        serde_json::to_value(kind).unwrap().as_str().unwrap().into()
    }
}
