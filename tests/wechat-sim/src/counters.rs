//! The simulator's counts, so that tests can say "exactly one".
//!
//! Every count is up to date before its reply is written.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{flights::Flights, service::Outcome};

/// The reply of `GET /counters`.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs)]
pub struct Counters {
    /// All requests on the http and https listeners.
    pub requests: u64,
    pub by_path: BTreeMap<String, u64>,
    pub minted: u64,
    pub minted_by_id: BTreeMap<String, u64>,
    /// Token replies that handed out a token again.
    pub same: u64,
    /// Minted tokens that force_refresh caused.
    pub forced: u64,
    /// Token requests refused, by errcode.
    pub errors: BTreeMap<String, u64>,
    pub business: Business,
    /// Connections accepted on the http and https listeners.
    pub connections: u64,
    /// These connections by the uid of the peer, or "unknown". Counted while the switch `peer_uids` is on.
    pub connections_by_uid: BTreeMap<String, u64>,
    pub proxy_connects: BTreeMap<String, u64>,
    pub bad_tls_bytes: BTreeMap<String, u64>,
    pub bad_tls_connections: BTreeMap<String, u64>,
    /// Token requests being answered now.
    pub in_flight: u64,
    pub max_in_flight_by_id: BTreeMap<String, u64>,
    /// Requests that brought a known secret to the redirect target or to an unknown path.
    pub secrets_seen_on_redirect_target: u64,
    /// Requests to the redirect target.
    pub redirects_followed: u64,
}

/// The outcomes of business calls.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs)]
pub struct Business {
    pub ok: u64,
    pub refused: u64,
}

/// The reply of `GET /counters?id=`: the token requests that named one id.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs)]
pub struct IdCounters {
    pub requests: u64,
    /// These counts by endpoint, since an id may have tokens and tickets.
    pub by_path: BTreeMap<String, PathCounters>,
    /// Business calls with a token of this id.
    pub business: u64,
    pub business_by_path: BTreeMap<String, u64>,
    pub minted: u64,
    pub same: u64,
    pub forced: u64,
    pub errors: BTreeMap<String, u64>,
    pub in_flight: u64,
    pub max_in_flight: u64,
}

/// The token requests of one id at one endpoint.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs)]
pub struct PathCounters {
    pub requests: u64,
    pub minted: u64,
}

/// The running counts.
#[derive(Debug, Default)]
pub struct Tally {
    /// All counts except those by id.
    pub all: Counters,
    by_id: BTreeMap<String, IdCounters>,
}

impl Tally {
    /// Counts a token request's outcome.
    pub fn token(&mut self, id: Option<&str>, path: &str, outcome: &Outcome) {
        let mut nobody = IdCounters::default();
        let own = match id {
            Some(id) => self.by_id.entry(id.into()).or_default(),
            None => &mut nobody,
        };
        own.requests += 1;
        let here = own.by_path.entry(path.into()).or_default();
        here.requests += 1;
        match outcome {
            Outcome::Minted { forced } => {
                self.all.minted += 1;
                own.minted += 1;
                here.minted += 1;
                self.all.forced += u64::from(*forced);
                own.forced += u64::from(*forced);
            }
            Outcome::Same => {
                self.all.same += 1;
                own.same += 1;
            }
            Outcome::Refused(code) => {
                *self.all.errors.entry(code.to_string()).or_default() += 1;
                *own.errors.entry(code.to_string()).or_default() += 1;
            }
            Outcome::Served | Outcome::Nothing => {}
        }
    }

    /// Counts a business request's outcome.
    pub fn business(&mut self, id: Option<&str>, path: &str, outcome: &Outcome) {
        if let Some(id) = id {
            let own = self.by_id.entry(id.into()).or_default();
            own.business += 1;
            *own.business_by_path.entry(path.into()).or_default() += 1;
        }
        match outcome {
            Outcome::Served => self.all.business.ok += 1,
            Outcome::Refused(_) => self.all.business.refused += 1,
            _ => {}
        }
    }

    /// Records how many token requests of an id are in flight at once.
    pub fn saw_in_flight(&mut self, id: &str, flights: u64) {
        let own = self.by_id.entry(id.into()).or_default();
        own.max_in_flight = own.max_in_flight.max(flights);
    }

    /// All counts, including those by id.
    pub fn snapshot(&self, flights: &Flights) -> Counters {
        let non_zero = |number: fn(&IdCounters) -> u64| {
            let pairs = self
                .by_id
                .iter()
                .map(move |(id, own)| (id.clone(), number(own)));
            pairs.filter(|(_, count)| *count > 0).collect()
        };
        Counters {
            in_flight: flights.count(),
            minted_by_id: non_zero(|own| own.minted),
            max_in_flight_by_id: non_zero(|own| own.max_in_flight),
            ..self.all.clone()
        }
    }

    /// The counts of one id; zeros if it never occurred.
    pub fn of(&self, id: &str, flights: &Flights) -> IdCounters {
        IdCounters {
            in_flight: flights.count_of(id),
            ..self.by_id.get(id).cloned().unwrap_or_default()
        }
    }
}
