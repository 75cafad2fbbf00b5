//! The whole state of the simulator, behind one lock: accounts, time, switches, faults, counts.
//!
//! Nothing here waits or touches a socket. The lock is therefore held for microseconds and never across an await.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use serde::{Deserialize, Serialize};

use crate::{
    account::{Account, AccountSpec},
    bans::Bans,
    counters::Tally,
    faults::FaultQueue,
    flights::Flights,
    journal::Journal,
    kinds::TokenKind,
    media::Media,
    openapi::Notes,
    simulator::Endpoints,
    tokens::Standing,
};

/// The furthest that time can be advanced, so that sums of times never overflow.
pub const CENTURY: u64 = 100 * 366 * 86_400_000;

/// Behaviour that WeChat does not document. `POST /switches` takes any of these.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Switches {
    /// 40125 in practice, 40001 in the documentation.
    pub wrong_secret_code: i64,
    /// Whether WeCom repeats a valid token.
    pub work_same_token: bool,
    /// Whether a valid ticket is repeated.
    pub ticket_same: bool,
    /// Whether each authorizer token brings a new refresh token, which uses up the one that was sent.
    pub refresh_token_changes: bool,
    /// Whether api.weixin answers with the type text/plain.
    pub text_plain: bool,
    pub force_inside_gap: ForceInsideGap,
    /// The errcode for exceeding the stable fetches of a minute: 45009 or 45011.
    pub minute_quota_code: i64,
    /// Whether connections stay open after a reply.
    pub keep_alive: bool,
    /// Whether connections are counted by the peer's uid.
    pub peer_uids: bool,
    /// Hosts for which the proxy answers 502.
    pub proxy_refuse: Vec<String>,
    /// Hosts for which the proxy never answers.
    pub proxy_hang: Vec<String>,
}

/// The answer to a forced refresh that comes too soon after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForceInsideGap {
    /// The current token.
    #[serde(rename = "current")]
    Current,
    /// The errcode 45009.
    #[serde(rename = "45009")]
    Refused,
}

impl Default for Switches {
    fn default() -> Self {
        Switches {
            wrong_secret_code: 40125,
            work_same_token: true,
            ticket_same: true,
            refresh_token_changes: false,
            text_plain: false,
            force_inside_gap: ForceInsideGap::Current,
            minute_quota_code: 45009,
            keep_alive: true,
            peer_uids: false,
            proxy_refuse: Vec::new(),
            proxy_hang: Vec::new(),
        }
    }
}

/// The state that `/reset` restores.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The initial accounts.
    pub accounts: Vec<AccountSpec>,
    /// The lifetime of tokens, unless the account sets one.
    pub lifetime_ms: u64,
    /// The delay of token replies, unless the account sets one.
    pub delay_ms: u64,
}

/// The state of the service.
#[derive(Debug)]
pub struct World {
    /// The accounts. Several with one id are the apps of a WeCom corp.
    pub accounts: Vec<Account>,
    /// The current switches for undocumented behaviour.
    pub switches: Switches,
    /// The scripted faults.
    pub faults: FaultQueue,
    /// The counts.
    pub tally: Tally,
    /// The token requests that are being answered.
    pub flights: Flights,
    /// The addresses that are banned from WeCom.
    pub bans: Bans,
    /// The uploaded files.
    pub media: Media,
    /// The recent requests.
    pub journal: Journal,
    /// The records of the last refusals.
    pub notes: Notes,
    /// The addresses of the listeners.
    pub endpoints: Endpoints,
    defaults: Defaults,
    started: Instant,
    advanced_ms: u64,
}

/// The world, shared by the tasks and the owner of the simulator.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Mutex<World>>);

impl Shared {
    /// Takes the lock. A panic elsewhere does not invalidate the state, so poisoning is ignored.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// Creates a new world.
    pub fn create(defaults: Defaults, endpoints: Endpoints) -> Shared {
        let mut world = World {
            accounts: Vec::new(),
            switches: Switches::default(),
            faults: FaultQueue::default(),
            tally: Tally::default(),
            media: Media::default(),
            flights: Flights::default(),
            bans: Bans::default(),
            journal: Journal::default(),
            notes: Notes::default(),
            endpoints,
            defaults,
            started: Instant::now(),
            advanced_ms: 0,
        };
        world.reset();
        Shared(Arc::new(Mutex::new(world)))
    }

    /// Restores the initial state: accounts without tokens, no faults, no counts, default switches, time not advanced.
    pub fn reset(&mut self) {
        self.accounts.clear();
        for spec in self.defaults.accounts.clone() {
            self.add_account(spec);
        }
        self.switches = Switches::default();
        self.faults.clear();
        self.tally = Tally::default();
        let bad = &self.endpoints.bad_tls;
        self.tally.all.bad_tls_bytes = bad.keys().map(|name| (name.clone(), 0)).collect();
        self.bans = Bans::default();
        self.journal.clear();
        self.notes = Notes::default();
        self.advanced_ms = 0;
    }

    /// Adds or updates an account and returns it. A known id gets the new secret; a WeCom id gets another app.
    pub fn add_account(&mut self, mut spec: AccountSpec) -> &Account {
        let known = self
            .accounts
            .iter()
            .position(|account| account.spec.is_same(&spec));
        let at = known.unwrap_or(self.accounts.len());
        match known {
            Some(at) => self.accounts[at].update(spec),
            None => {
                if spec.secret.is_empty() && spec.kind.needs_parent() {
                    spec.secret = spec.kind.made_up_secret();
                }
                self.accounts
                    .push(Account::new(spec, self.defaults.lifetime_ms));
            }
        }
        &self.accounts[at]
    }

    /// Milliseconds of the simulator's clock. An account's own advance is added to it.
    pub fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64 + self.advanced_ms
    }

    /// Moves the clock of all accounts.
    pub fn advance(&mut self, ms: u64) {
        self.advanced_ms = self.advanced_ms.saturating_add(ms).min(CENTURY);
    }

    /// The accounts of an id: one, or the apps of a corp.
    pub fn of_id<'a>(&'a mut self, id: &str) -> impl Iterator<Item = &'a mut Account> {
        self.accounts
            .iter_mut()
            .filter(move |account| account.spec.id == id)
    }

    /// The account that keeps what the apps of a corp share: their first.
    pub fn first_of_corp(&self, app: usize) -> usize {
        let corp = &self.accounts[app].spec.id;
        let first = self
            .accounts
            .iter()
            .position(|account| account.spec.kind.is_of_corp() && account.spec.id == *corp);
        first.unwrap_or(app)
    }

    /// The owner's index in `accounts`, and the standing of that token. If several accounts have it, a valid one is
    /// preferred.
    pub fn find_token(
        &self,
        value: &str,
        is_kind: impl Fn(TokenKind) -> bool,
    ) -> Option<(usize, Standing)> {
        let (mut found, started) = (None, self.now());
        for (at, account) in self.accounts.iter().enumerate() {
            let now = started + account.advanced_ms;
            let slots = account.slots.iter().filter(|(kind, _)| is_kind(**kind));
            for token in slots.filter_map(|(_, slots)| slots.find(value)) {
                let standing = token.standing(now);
                if standing == Standing::Valid {
                    return Some((at, standing));
                }
                found.get_or_insert((at, standing));
            }
        }
        found
    }

    /// The delay of token replies for an id.
    pub fn delay_of(&self, id: Option<&str>, secret: Option<&str>) -> u64 {
        let own = self
            .accounts
            .iter()
            .filter(|account| Some(account.spec.id.as_str()) == id);
        let matching = own
            .clone()
            .find(|account| Some(account.spec.secret.as_str()) == secret);
        let account = matching.or_else(|| own.clone().next());
        account
            .and_then(|account| account.spec.delay_ms)
            .unwrap_or(self.defaults.delay_ms)
    }

    /// Whether the text contains an account's secret, a ticket pushed to it, or one of its tokens.
    pub fn knows_a_secret_in(&self, text: &str) -> bool {
        let mut secrets = self.accounts.iter().flat_map(Account::secrets);
        secrets.any(|secret| text.contains(secret))
    }
}
