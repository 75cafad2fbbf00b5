//! An account: its credentials, its settings, its tokens at each endpoint, and the quotas it has used up.
//!
//! An official account is one (id, secret). A WeCom corp is several accounts of one id: each secret is an app with a
//! token of its own. Settings left unset follow what WeChat documents, scaled down when the lifetime is short.

use std::{collections::BTreeMap, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::tokens::Slots;

/// WeChat's five minutes: how long two tokens overlap, and how long before its end a stable token is renewed.
const FIVE_MINUTES: u64 = 300_000;
/// Lifetimes shorter than this get an overlap of a 24th instead, the same share as 300 s of 7,200.
const SHORT_LIFETIME: u64 = 600_000;
const DAY: u64 = 86_400_000;

/// Whose rules an account follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An official account or mini program: classic and stable tokens, in separate slots.
    Official,
    /// An app of a WeCom corp.
    Work,
}

/// The endpoint a token came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// `/cgi-bin/token`
    Classic,
    /// `/cgi-bin/stable_token`
    Stable,
    /// `/cgi-bin/gettoken`
    Work,
}

/// What `POST /accounts` takes. A setting left out keeps what it was, or the default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSpec {
    /// appid or corpid
    pub id: String,
    /// appsecret or corpsecret
    pub secret: String,
    /// Whose rules apply.
    pub kind: Kind,
    /// Lifetime of its tokens; replies say it in whole seconds, rounded up.
    pub lifetime_ms: Option<u64>,
    /// How long each token reply is held back.
    pub delay_ms: Option<u64>,
    /// The only addresses it may be used from; left out, any.
    pub allow_ips: Option<Vec<IpAddr>>,
    /// Fetches a day at each endpoint: 2,000 classic, 500,000 stable, unlimited for WeCom.
    pub daily_quota: Option<u64>,
    /// Fetches a minute at the stable endpoint: 10,000.
    pub minute_quota: Option<u64>,
    /// How long before its end a stable token is renewed: 300,000.
    pub renew_window_ms: Option<u64>,
    /// How long a superseded token still works: 300,000.
    pub grace_ms: Option<u64>,
    /// The least time between two forced refreshes: 30,000.
    pub force_gap_ms: Option<u64>,
    /// Forced refreshes a day: 20.
    pub force_per_day: Option<u64>,
}

impl AccountSpec {
    /// An account with WeChat's own limits.
    pub fn new(kind: Kind, id: &str, secret: &str) -> Self {
        AccountSpec {
            id: id.into(),
            secret: secret.into(),
            kind,
            lifetime_ms: None,
            delay_ms: None,
            allow_ips: None,
            daily_quota: None,
            minute_quota: None,
            renew_window_ms: None,
            grace_ms: None,
            force_gap_ms: None,
            force_per_day: None,
        }
    }
}

/// `KIND:ID:SECRET`, as on the command line.
impl FromStr for AccountSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':');
        let kind = match parts.next() {
            Some("official") => Kind::Official,
            Some("work") => Kind::Work,
            _ => return Err("write KIND:ID:SECRET with KIND official or work".into()),
        };
        match (parts.next(), parts.next()) {
            (Some(id), Some(secret)) if !id.is_empty() && !secret.is_empty() => {
                Ok(AccountSpec::new(kind, id, secret))
            }
            _ => Err("write KIND:ID:SECRET, with neither id nor secret empty".into()),
        }
    }
}

/// Counts uses within a span of simulated time. A span starts at its first use, not at midnight, so that no test
/// depends on the hour it runs at.
#[derive(Debug, Default)]
pub struct Window {
    started: Option<u64>,
    used: u64,
}

impl Window {
    /// Takes one of `limit` uses per `span` ms; false when none is left.
    pub fn take(&mut self, now: u64, span: u64, limit: u64) -> bool {
        if self.started.is_none_or(|start| now >= start + span) {
            *self = Window {
                started: Some(now),
                used: 0,
            };
        }
        if self.used >= limit {
            return false;
        }
        self.used += 1;
        true
    }
}

/// An account as the service keeps it.
#[derive(Debug)]
pub struct Account {
    /// Credentials and settings.
    pub spec: AccountSpec,
    /// Its tokens, by the endpoint that minted them.
    pub slots: BTreeMap<TokenKind, Slots>,
    /// Fetches of the day, by endpoint.
    pub day: BTreeMap<TokenKind, Window>,
    /// Stable fetches of the minute.
    pub minute: Window,
    /// Forced refreshes of the day.
    pub forced_day: Window,
    /// When the last forced refresh was.
    pub forced_at: Option<u64>,
    /// How far this account's time was moved ahead of the simulator's.
    pub advanced_ms: u64,
    default_lifetime_ms: u64,
}

impl Account {
    /// A new account; `default_lifetime_ms` is for a spec that sets none.
    pub fn new(spec: AccountSpec, default_lifetime_ms: u64) -> Self {
        let kinds: &[TokenKind] = match spec.kind {
            Kind::Official => &[TokenKind::Classic, TokenKind::Stable],
            Kind::Work => &[TokenKind::Work],
        };
        Account {
            slots: kinds.iter().map(|kind| (*kind, Slots::default())).collect(),
            day: BTreeMap::new(),
            minute: Window::default(),
            forced_day: Window::default(),
            forced_at: None,
            advanced_ms: 0,
            default_lifetime_ms,
            spec,
        }
    }

    /// Takes over a newer spec; its tokens and used quotas stay.
    pub fn update(&mut self, newer: AccountSpec) {
        let older = std::mem::replace(&mut self.spec, newer);
        let spec = &mut self.spec;
        spec.lifetime_ms = spec.lifetime_ms.or(older.lifetime_ms);
        spec.delay_ms = spec.delay_ms.or(older.delay_ms);
        spec.allow_ips = spec.allow_ips.take().or(older.allow_ips);
        spec.daily_quota = spec.daily_quota.or(older.daily_quota);
        spec.minute_quota = spec.minute_quota.or(older.minute_quota);
        spec.renew_window_ms = spec.renew_window_ms.or(older.renew_window_ms);
        spec.grace_ms = spec.grace_ms.or(older.grace_ms);
        spec.force_gap_ms = spec.force_gap_ms.or(older.force_gap_ms);
        spec.force_per_day = spec.force_per_day.or(older.force_per_day);
    }

    /// Lifetime of its tokens in ms.
    pub fn lifetime(&self) -> u64 {
        self.spec.lifetime_ms.unwrap_or(self.default_lifetime_ms)
    }

    /// How long a superseded token still works.
    pub fn grace(&self) -> u64 {
        self.spec.grace_ms.unwrap_or_else(|| self.five_minutes())
    }

    /// How long before its end a stable token is renewed.
    pub fn renew_window(&self) -> u64 {
        self.spec
            .renew_window_ms
            .unwrap_or_else(|| self.five_minutes())
    }

    /// Whether it may be used from `peer`.
    pub fn admits(&self, peer: IpAddr) -> bool {
        self.spec
            .allow_ips
            .as_ref()
            .is_none_or(|ips| ips.contains(&peer))
    }

    /// Takes one of the day's fetches at that endpoint; false when none is left.
    pub fn take_daily(&mut self, kind: TokenKind, now: u64) -> bool {
        let limit = self.spec.daily_quota.unwrap_or(match kind {
            TokenKind::Classic => 2_000,
            TokenKind::Stable => 500_000,
            TokenKind::Work => u64::MAX,
        });
        self.day.entry(kind).or_default().take(now, DAY, limit)
    }

    /// Takes one of the minute's stable fetches; false when none is left.
    pub fn take_minute(&mut self, now: u64) -> bool {
        self.minute
            .take(now, 60_000, self.spec.minute_quota.unwrap_or(10_000))
    }

    /// Takes one of the day's forced refreshes; false when none is left.
    pub fn take_force(&mut self, now: u64) -> bool {
        self.forced_day
            .take(now, DAY, self.spec.force_per_day.unwrap_or(20))
    }

    /// Whether a forced refresh was so recent that another is not due.
    pub fn inside_force_gap(&self, now: u64) -> bool {
        let gap = self.spec.force_gap_ms.unwrap_or(30_000);
        self.forced_at
            .is_some_and(|at| now < at.saturating_add(gap))
    }

    fn five_minutes(&self) -> u64 {
        let lifetime = self.lifetime();
        if lifetime < SHORT_LIFETIME {
            lifetime / 24
        } else {
            FIVE_MINUTES
        }
    }
}
