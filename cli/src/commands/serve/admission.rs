//! Who asks, and whether it may: by a key, by a certificate's name, or by the user on the Unix socket. The clients are looked
//! up at each call, so that a change of them counts from the next call on.

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

/// A client that is known.
pub struct Caller {
    pub name: String,
    pub client: ServerClient,
}

/// Why a call is not answered.
#[derive(Debug)]
pub enum Refusal {
    /// A proxy that is not trusted speaks for others.
    Forwarded,
    /// A form that was sent from another site.
    FromElsewhere,
    /// No key, or a wrong one.
    Unknown,
    /// So many wrong keys that they are not looked at for now.
    TooManyWrongKeys,
    /// The client does not have this right.
    NotAllowed(Verb),
    /// The client does not see this account.
    NotSeen,
    /// More calls than the client may make.
    TooManyCalls(Duration),
    /// The library's word.
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

/// The key that comes in the head of a request.
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
    /// Whether it has a line in the audit, unless something is wrong.
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

    /// Finds out who asks. Fails for a proxy that may not speak for others.
    pub fn find_asker(&mut self, headers: &HeaderMap) -> Result<Asker, Refusal> {
        let asker = self
            .origin
            .asker(headers, &self.server.trusted_proxies)
            .map_err(|_| Refusal::Forwarded)?;
        self.asker = Some(asker.clone());
        Ok(asker)
    }

    /// The client that has this key, or none where it has come without one. Holds back the answer to a wrong one.
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

    /// The client that needs no key, if there is one: by its certificate or its user.
    pub async fn admit_without_key(&mut self) -> Result<Option<Caller>, Refusal> {
        let set = self.clients().await?;
        match self.known_otherwise(&set) {
            Some((name, client)) => self.take(name, client).map(Some),
            None => Ok(None),
        }
    }

    /// A client that is known by what it holds.
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

    /// What stand-ins are made by and known by.
    pub async fn stand_in_keys(&self) -> Result<Arc<StandInKeys>, Refusal> {
        self.server.stand_ins.keys(&self.server.work).await
    }

    /// By a certificate, or by the user. Behind a proxy the certificate is the proxy's, and so is the user.
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

    /// The answer to a wrong key, held back where there were many.
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

    /// How long it has taken so far.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Writes the line of the audit.
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
        // A flood of strangers is not to fill the disk: of those who are refused unheard, a line a second tells enough.
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
    /// Fails unless it has this right.
    pub fn require(&self, verb: Verb) -> Result<(), Refusal> {
        match self.client.may(verb) {
            true => Ok(()),
            false => Err(Refusal::NotAllowed(verb)),
        }
    }

    /// The same for one that may forward, which is given stand-ins by the calls of others.
    pub fn require_or_forward(&self, verb: Verb) -> Result<(), Refusal> {
        match self.client.may(Verb::Forward) {
            true => Ok(()),
            false => self.require(verb),
        }
    }

    /// What stands for the token of an account in the calls that this client has forwarded.
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

    /// Fails unless it sees this account.
    pub fn require_sight(&self, account: &str) -> Result<(), Refusal> {
        match self.client.sees(account) {
            true => Ok(()),
            false => Err(Refusal::NotSeen),
        }
    }
}
