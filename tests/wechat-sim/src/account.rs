//! An account: its credentials, its settings, its tokens at each endpoint, and its used quotas.
//!
//! An official account is one (id, secret). A WeCom corp is several accounts with one id: each secret is an app with
//! its own token. An authorizer, or a corp that authorized a suite, is one (id, parent). Unset settings have WeChat's
//! documented values, scaled down when the lifetime is short.
//! what WeChat documents, scaled down when the lifetime is short.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    str::FromStr,
};

use serde::Deserialize;

use crate::{
    kinds::{Kind, TokenKind},
    routes::Credential,
    tokens::Slots,
    world::CENTURY,
};

/// WeChat's five minutes: two tokens overlap this long, and a stable token is renewed this long before its end.
pub const FIVE_MINUTES: u64 = 300_000;
/// The lifetime that the windows are made for. A window that would fill half of a shorter lifetime is scaled down.
const USUAL_LIFETIME: u64 = 7_200_000;
/// A day.
pub const DAY: u64 = 86_400_000;
const MONTH: u64 = 30 * DAY;
/// The number of times a month that the daily counts may be reset.
const CLEARS: u64 = 10;
/// The number of pushed tickets that an account remembers.
const PUSHES: usize = 256;

/// The body of `POST /accounts`. A missing setting keeps its value, or has the default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSpec {
    /// appid, corpid, suite_id, or the platform's name for it.
    pub id: String,
    /// The app's secret. For an authorizer it is the refresh token, for an authorized corp the permanent code; for
    /// these two the simulator makes one up if it is empty.
    #[serde(default)]
    pub secret: String,
    /// The kind, which decides the rules.
    pub kind: Kind,
    /// The component or suite that an authorizer or an authorized corp is authorized to.
    pub parent: Option<String>,
    /// Lifetime of its tokens. Replies give it in whole seconds, rounded up.
    pub lifetime_ms: Option<u64>,
    /// The delay of each token reply.
    pub delay_ms: Option<u64>,
    /// The only addresses that may use it; None for any.
    pub allow_ips: Option<Vec<IpAddr>>,
    /// Daily fetches at each token endpoint: 2,000 for classic and QQ, 500,000 for stable, unlimited for the others.
    pub daily_quota: Option<u64>,
    /// Daily calls of each business endpoint of api.weixin.qq.com; unlimited by default.
    pub business_quota: Option<u64>,
    /// Fetches of each ticket: 1,000,000 a day. For WeCom, 400 an hour for the corp (its first app's setting counts)
    /// and 100 an hour for the app.
    pub ticket_quota: Option<u64>,
    /// Fetches per minute at the stable endpoint: 10,000.
    pub minute_quota: Option<u64>,
    /// Time before its end when a token is renewed: 300,000 ms for a stable token, 1,800,000 ms for a Feishu token.
    pub renew_window_ms: Option<u64>,
    /// Time for which a superseded token still works: 300,000 ms.
    pub grace_ms: Option<u64>,
    /// The least time between two forced refreshes: 30,000 ms.
    pub force_gap_ms: Option<u64>,
    /// Daily forced refreshes: 20.
    pub force_per_day: Option<u64>,
}

impl AccountSpec {
    /// An account with WeChat's own limits.
    pub fn new(kind: Kind, id: &str, secret: &str) -> Self {
        AccountSpec {
            id: id.into(),
            secret: secret.into(),
            kind,
            parent: None,
            lifetime_ms: None,
            delay_ms: None,
            allow_ips: None,
            daily_quota: None,
            business_quota: None,
            ticket_quota: None,
            minute_quota: None,
            renew_window_ms: None,
            grace_ms: None,
            force_gap_ms: None,
            force_per_day: None,
        }
    }

    /// An authorizer of a component or an authorized corp of a suite, with its refresh token or permanent code.
    pub fn child(kind: Kind, id: &str, parent: &str, secret: &str) -> Self {
        AccountSpec {
            parent: Some(parent.into()),
            ..AccountSpec::new(kind, id, secret)
        }
    }

    /// The flaw of this spec, in the words of the control API.
    pub fn complaint(&self) -> Option<&'static str> {
        match (self.kind.needs_parent(), &self.parent) {
            (true, None) => Some(
                "missing field `parent`: the component, suite or store app it is authorized to",
            ),
            (false, Some(_)) => {
                Some("only authorizer, work_authorized and feishu_tenant have a `parent`")
            }
            (false, None) if self.secret.is_empty() => Some("missing field `secret`"),
            _ => None,
        }
    }

    /// Whether both describe the same account.
    pub fn is_same(&self, other: &AccountSpec) -> bool {
        self.id == other.id
            && self.kind == other.kind
            && self.parent == other.parent
            && (self.kind != Kind::Work || self.secret == other.secret)
    }
}

/// `KIND:ID:SECRET` or `KIND:ID@PARENT:SECRET`, as on the command line.
impl FromStr for AccountSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':');
        let kind: Kind = match parts.next().map(str::parse) {
            Some(Ok(kind)) => kind,
            Some(Err(error)) => return Err(format!("write KIND:ID:SECRET; {error}")),
            None => return Err("write KIND:ID:SECRET".into()),
        };
        let (id, secret) = match (parts.next(), parts.next()) {
            (Some(id), Some(secret)) if !id.is_empty() && !secret.is_empty() => (id, secret),
            _ => return Err("write KIND:ID:SECRET, with neither id nor secret empty".into()),
        };
        match (kind.needs_parent(), id.split_once('@')) {
            (true, Some((id, parent))) if !id.is_empty() && !parent.is_empty() => {
                Ok(AccountSpec::child(kind, id, parent, secret))
            }
            (true, _) => Err(
                "write KIND:ID@PARENT:SECRET for an authorizer, work_authorized or feishu_tenant"
                    .into(),
            ),
            (false, _) => Ok(AccountSpec::new(kind, id, secret)),
        }
    }
}

/// Counts uses within a span of simulated time. A span starts at its first use, not at midnight, so that no test
/// depends on the time of day.
#[derive(Debug, Default)]
pub struct Window {
    started: Option<u64>,
    used: u64,
}

impl Window {
    /// Takes one of `limit` uses per `span` ms. Returns false if none is left.
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

    /// The number of uses taken in the current span.
    pub fn used(&self, now: u64, span: u64) -> u64 {
        match self.started {
            Some(start) if now < start + span => self.used,
            _ => 0,
        }
    }
}

/// An account as the service keeps it.
#[derive(Debug)]
pub struct Account {
    /// Credentials and settings.
    pub spec: AccountSpec,
    /// Its tokens, by the endpoint that minted them.
    pub slots: BTreeMap<TokenKind, Slots>,
    /// Fetches of the current day or hour, by endpoint.
    pub used: BTreeMap<TokenKind, Window>,
    /// Calls of the current day, by business endpoint.
    called: BTreeMap<&'static str, Window>,
    /// Resets of the daily counts this month.
    cleared: Window,
    /// Fetches by this app of a corp of the credentials that its apps share.
    pub used_as_app: BTreeMap<TokenKind, Window>,
    /// Stable fetches of the current minute.
    pub minute: Window,
    /// Forced refreshes of the current day.
    pub forced_day: Window,
    /// The time of the last forced refresh.
    pub forced_at: Option<u64>,
    /// How far this account's time is ahead of the simulator's.
    pub advanced_ms: u64,
    /// Whether its parent may fetch tokens for it. Without a parent it has no meaning.
    pub authorized: bool,
    /// The tickets that were pushed to it, with their times. A time before the simulator's start is negative.
    pushed: VecDeque<(String, i64)>,
    default_lifetime_ms: u64,
}

impl Account {
    /// A new account; `default_lifetime_ms` applies if the spec sets none.
    pub fn new(spec: AccountSpec, default_lifetime_ms: u64) -> Self {
        Account {
            slots: BTreeMap::new(),
            used: BTreeMap::new(),
            called: BTreeMap::new(),
            cleared: Window::default(),
            used_as_app: BTreeMap::new(),
            minute: Window::default(),
            forced_day: Window::default(),
            forced_at: None,
            advanced_ms: 0,
            authorized: true,
            pushed: VecDeque::new(),
            default_lifetime_ms,
            spec,
        }
    }

    /// Applies a newer spec. Tokens and used quotas stay.
    pub fn update(&mut self, newer: AccountSpec) {
        let older = std::mem::replace(&mut self.spec, newer);
        let spec = &mut self.spec;
        if spec.secret.is_empty() {
            spec.secret = older.secret;
        }
        spec.lifetime_ms = spec.lifetime_ms.or(older.lifetime_ms);
        spec.delay_ms = spec.delay_ms.or(older.delay_ms);
        spec.allow_ips = spec.allow_ips.take().or(older.allow_ips);
        spec.daily_quota = spec.daily_quota.or(older.daily_quota);
        spec.business_quota = spec.business_quota.or(older.business_quota);
        spec.ticket_quota = spec.ticket_quota.or(older.ticket_quota);
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

    /// Time for which a superseded token still works.
    pub fn grace(&self) -> u64 {
        self.spec
            .grace_ms
            .unwrap_or_else(|| self.scaled(FIVE_MINUTES))
    }

    /// Time before its end when a token is renewed, for tokens that have such a window.
    pub fn renew_window(&self, usual_ms: u64) -> u64 {
        match self.spec.renew_window_ms {
            Some(set) if usual_ms > 0 => set,
            _ => self.scaled(usual_ms),
        }
    }

    /// Whether it may be used from `peer`.
    pub fn admits(&self, peer: IpAddr) -> bool {
        self.spec
            .allow_ips
            .as_ref()
            .is_none_or(|ips| ips.contains(&peer))
    }

    /// Takes one of the fetches allowed in the current span. Returns false if none is left.
    pub fn take_quota(&mut self, credential: &Credential, now: u64) -> bool {
        let limit = self.quota_of(credential);
        let used = self.used.entry(credential.kind).or_default();
        used.take(now, credential.quota.span_ms, limit)
    }

    /// The number of fetches allowed in the current span.
    pub fn quota_of(&self, credential: &Credential) -> u64 {
        let quota = &credential.quota;
        (quota.setting)(&self.spec).unwrap_or(quota.limit)
    }

    /// The number of fetches made today.
    pub fn used_today(&self, kind: TokenKind, now: u64) -> u64 {
        self.used.get(&kind).map_or(0, |used| used.used(now, DAY))
    }

    /// Takes one of today's calls of a business endpoint. Returns false if none is left.
    pub fn take_call(&mut self, path: &'static str, now: u64) -> bool {
        let limit = self.calls_a_day();
        let called = self.called.entry(path).or_default();
        called.take(now, DAY, limit)
    }

    /// The number of calls of each business endpoint that a day allows.
    pub fn calls_a_day(&self) -> u64 {
        self.spec.business_quota.unwrap_or(u64::MAX)
    }

    /// The number of calls of a business endpoint made today.
    pub fn called_today(&self, path: &str, now: u64) -> u64 {
        self.called
            .get(path)
            .map_or(0, |called| called.used(now, DAY))
    }

    /// Resets the daily counts. Returns false if that was done too often this month.
    pub fn clear_counts(&mut self, now: u64) -> bool {
        let may = self.cleared.take(now, MONTH, CLEARS);
        if may {
            self.used.clear();
            self.called.clear();
        }
        may
    }

    /// Takes one of an app's fetches of a credential that the apps of its corp share. Returns false if none is left.
    pub fn take_app_quota(&mut self, credential: &Credential, limit: u64, now: u64) -> bool {
        let limit = (credential.quota.setting)(&self.spec).unwrap_or(limit);
        let used = self.used_as_app.entry(credential.kind).or_default();
        used.take(now, credential.quota.span_ms, limit)
    }

    /// Takes one of this minute's stable fetches. Returns false if none is left.
    pub fn take_minute(&mut self, now: u64) -> bool {
        self.minute
            .take(now, 60_000, self.spec.minute_quota.unwrap_or(10_000))
    }

    /// Takes one of today's forced refreshes. Returns false if none is left.
    pub fn take_force(&mut self, now: u64) -> bool {
        self.forced_day
            .take(now, DAY, self.spec.force_per_day.unwrap_or(20))
    }

    /// Whether the last forced refresh was too recent for another.
    pub fn inside_force_gap(&self, now: u64) -> bool {
        let gap = self.spec.force_gap_ms.unwrap_or(30_000);
        self.forced_at
            .is_some_and(|at| now < at.saturating_add(gap))
    }

    /// Records a ticket that was pushed `age` ms ago.
    pub fn push(&mut self, ticket: String, now: u64, age: u64) {
        if self.pushed.len() == PUSHES {
            self.pushed.pop_front();
        }
        let now = (now + self.advanced_ms).cast_signed();
        self.pushed
            .push_back((ticket, now - age.min(CENTURY).cast_signed()));
    }

    /// The time since that ticket was pushed, in ms of the account's time. `None` if it never was.
    pub fn age_of(&self, ticket: &str, now: u64) -> Option<u64> {
        let (_, at) = self.pushed.iter().find(|(pushed, _)| pushed == ticket)?;
        let now = (now + self.advanced_ms).cast_signed();
        Some((now - at).max(0).cast_unsigned())
    }

    /// All its values that must stay hidden: its secret, tickets pushed to it, and its tokens.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let tokens = self.slots.values().flat_map(Slots::iter);
        std::iter::once(self.spec.secret.as_str())
            .chain(self.pushed.iter().map(|(ticket, _)| ticket.as_str()))
            .filter(|secret| !secret.is_empty())
            // A scripted token may be as short as an ordinary word of a request.
            .chain(
                tokens
                    .map(|(_, token)| token.value.as_str())
                    .filter(|token| token.len() >= 16),
            )
    }

    fn scaled(&self, usual_ms: u64) -> u64 {
        let lifetime = self.lifetime();
        if lifetime < 2 * usual_ms {
            // Multiplying first could overflow: a lifetime may be as long as a century.
            lifetime / (USUAL_LIFETIME / usual_ms)
        } else {
            usual_ms
        }
    }
}
