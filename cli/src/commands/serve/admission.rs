//! Identifies the client of a call and checks its rights. A client is known by a key, by a certificate's name, or by
//! the user on the Unix socket. Clients are looked up at each call, so a change of them takes effect with the next
//! call.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use wxtoken::tool::{
    ClientSet, Error, LivingToken, STAND_IN_LIFE_S, ServerClient, StandInKeys, Verb,
};

use super::audit::{Event, seconds, time};
use super::limits::Slowed;
use super::origin::{Asker, Origin};
use super::server::Server;
use super::work::Busy;

/// A client that has been identified.
pub struct Caller {
    pub name: String,
    pub client: ServerClient,
}

/// The reason why a call is refused or failed.
#[derive(Debug)]
pub enum Refusal {
    /// A proxy that is not trusted forwards for others.
    Forwarded,
    /// A form was sent from another site.
    FromElsewhere,
    /// The key is missing or wrong.
    Unknown,
    /// There were so many wrong keys that keys are not checked for now.
    TooManyWrongKeys,
    /// The client lacks this right.
    NotAllowed(Verb),
    /// The client may not see this account.
    NotSeen,
    /// The client makes more calls than it may.
    TooManyCalls(Duration),
    /// The library returned an error.
    Failed(Error),
}

impl From<Busy> for Refusal {
    fn from(busy: Busy) -> Refusal {
        Refusal::Failed(busy.into())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Failed(error)
    }
}

impl Refusal {
    /// One word for the audit.
    fn word(&self) -> String {
        match self {
            Refusal::Forwarded => "forwarded".into(),
            Refusal::FromElsewhere => "from elsewhere".into(),
            Refusal::Unknown => "unknown".into(),
            Refusal::TooManyWrongKeys => "too many wrong keys".into(),
            Refusal::NotAllowed(_) => "not allowed".into(),
            Refusal::NotSeen => "no such account".into(),
            Refusal::TooManyCalls(_) => "too many calls".into(),
            Refusal::Failed(error) if error.errcode != 0 => {
                format!("{} {}", error.status.name(), error.errcode)
            }
            Refusal::Failed(error) => error.status.name().into(),
        }
    }
}

/// The key in the head of a request.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// One call, from its head to its line in the audit.
pub struct Call<'a> {
    pub server: &'a Arc<Server>,
    pub origin: &'a Origin,
    pub asker: Option<Asker>,
    pub verb: &'static str,
    pub client: Option<String>,
    pub account: Option<String>,
    /// The path of a forwarded call.
    pub path: Option<String>,
    /// Whether a successful call has a line in the audit.
    pub is_audited: bool,
    began: Instant,
}

impl<'a> Call<'a> {
    pub fn begin(server: &'a Arc<Server>, origin: &'a Origin, verb: &'static str) -> Call<'a> {
        Call {
            server,
            origin,
            asker: None,
            verb,
            client: None,
            account: None,
            path: None,
            is_audited: true,
            began: Instant::now(),
        }
    }

    /// Finds out who asks. Fails if a proxy that is not trusted forwards for others.
    pub fn find_asker(&mut self, headers: &HeaderMap) -> Result<Asker, Refusal> {
        let asker = self
            .origin
            .asker(headers, &self.server.trusted_proxies)
            .map_err(|_| Refusal::Forwarded)?;
        self.asker = Some(asker.clone());
        Ok(asker)
    }

    /// Identifies the client by this key, or without a key by its certificate or user. May delay the answer to a
    /// wrong key.
    pub async fn admit(&mut self, key: Option<&str>) -> Result<Caller, Refusal> {
        let set = self.clients().await?;
        let found = match key {
            Some(key) => set.of_key(key),
            None => self.known_otherwise(&set),
        };
        let Some((name, client)) = found else {
            return Err(self.refuse_stranger().await);
        };
        self.take(name, client)
    }

    /// Identifies a client that needs no key, by its certificate or user. None if there is none.
    pub async fn admit_without_key(&mut self) -> Result<Option<Caller>, Refusal> {
        let set = self.clients().await?;
        match self.known_otherwise(&set) {
            Some((name, client)) => self.take(name, client).map(Some),
            None => Ok(None),
        }
    }

    /// Accepts a client that has proved who it is, and counts the call against its rate.
    pub fn take(&mut self, name: &str, client: &ServerClient) -> Result<Caller, Refusal> {
        self.client = Some(name.to_owned());
        let taken = self.server.rates.take(&name.to_owned(), Instant::now());
        taken.map_err(Refusal::TooManyCalls)?;
        Ok(Caller {
            name: name.to_owned(),
            client: client.clone(),
        })
    }

    pub async fn clients(&self) -> Result<Arc<ClientSet>, Refusal> {
        if let Some(known) = self.server.clients.known() {
            return Ok(known);
        }
        let lookup = self.server.clients.clone();
        Ok(self.server.work.look(move |_| lookup.now()).await??)
    }

    /// The keys with which stand-ins are made and recognised.
    pub async fn stand_in_keys(&self) -> Result<Arc<StandInKeys>, Refusal> {
        self.server.stand_ins.keys(&self.server.work).await
    }

    /// Identifies a client by its certificate or user. Behind a proxy these are the proxy's, so they do not count.
    fn known_otherwise<'s>(&self, set: &'s ClientSet) -> Option<(&'s str, &'s ServerClient)> {
        let asker = self.asker.as_ref()?;
        if !asker.is_direct {
            return None;
        }
        let names = self.origin.certificate_names.iter();
        if let Some(found) = names.filter_map(|name| set.named(name)).next() {
            return Some(found);
        }
        match asker.peer {
            super::origin::Peer::User(uid) => set.named(self.server.peers.get(&uid)?),
            super::origin::Peer::Ip(_) => None,
        }
    }

    /// Returns the answer to a wrong key. Delays it if there were many.
    pub async fn refuse_stranger(&self) -> Refusal {
        let peer = self
            .asker
            .as_ref()
            .map_or(self.origin.peer, |asker| asker.peer);
        match self.server.strangers.judge(peer, Instant::now()) {
            Slowed::Not => Refusal::Unknown,
            Slowed::Refused => Refusal::TooManyWrongKeys,
            Slowed::HeldBack => {
                self.server.strangers.hold_back(peer).await;
                Refusal::Unknown
            }
        }
    }

    /// The time since the call began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Writes the call's line in the audit.
    pub fn end(self, outcome: &Result<(), Refusal>) {
        let counts = &self.server.counts;
        let (count, result) = match outcome {
            Ok(()) => (&counts.served, "ok".to_owned()),
            Err(refusal @ Refusal::Failed(error)) => {
                self.server.note_failure(error);
                (&counts.failed, refusal.word())
            }
            Err(refusal) => (&counts.refused, refusal.word()),
        };
        count.fetch_add(1, Ordering::Relaxed);
        if let Some(client) = &self.client {
            let account = self.account.as_deref();
            let activity = &self.server.activity;
            activity.note(client, self.verb, account, &result);
        }
        // A flood of strangers must not fill the disk, so calls that are refused unheard have one line a second.
        let is_unheard = matches!(
            outcome,
            Err(Refusal::TooManyWrongKeys
                | Refusal::Forwarded
                | Refusal::FromElsewhere
                | Refusal::TooManyCalls(_))
        );
        if !self.is_audited && outcome.is_ok() {
            return;
        }
        if is_unheard && self.server.unheard.take(&(), Instant::now()).is_err() {
            return;
        }
        let peer = self.asker.map_or(self.origin.peer, |asker| asker.peer);
        self.server.audit.note(Event {
            time: time(),
            client: self.client,
            address: peer.to_string(),
            verb: self.verb,
            account: self.account,
            path: self.path,
            result,
            ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
    }
}

impl Caller {
    /// Fails unless the client has this right.
    pub fn require(&self, verb: Verb) -> Result<(), Refusal> {
        match self.client.may(verb) {
            true => Ok(()),
            false => Err(Refusal::NotAllowed(verb)),
        }
    }

    /// Fails unless the client has this right or may forward. A client that may forward gets stand-ins from calls for
    /// tokens.
    pub fn require_or_forward(&self, verb: Verb) -> Result<(), Refusal> {
        match self.client.may(Verb::Forward) {
            true => Ok(()),
            false => self.require(verb),
        }
    }

    /// The stand-in for an account's token, which this client uses in forwarded calls.
    pub fn stand_in(&self, keys: &StandInKeys, account: &str) -> Result<LivingToken, Refusal> {
        let now = seconds();
        let text = self.client.stand_in(keys, account, now);
        let text = text.ok_or(Refusal::Unknown)?;
        Ok(LivingToken {
            value: text.into(),
            expires_at: now + STAND_IN_LIFE_S,
            left_ms: STAND_IN_LIFE_S * 1000,
        })
    }

    /// Fails unless the client sees this account.
    pub fn require_sight(&self, account: &str) -> Result<(), Refusal> {
        match self.client.sees(account) {
            true => Ok(()),
            false => Err(Refusal::NotSeen),
        }
    }
}
