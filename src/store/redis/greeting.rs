//! A new connection: how often one is tried, its login, and the check of the store's mark.

use std::time::Instant;

use super::link::Link;
use super::meta::{Meta, meta_key};
use super::question::{Broken, Trouble, is_master, is_timeout, words};
use super::refusal::{Refusal, error_of};
use super::resp::Reply;
use super::server::{SILENCE, Server, TRY_EACH_MS};
use crate::clock::{Deadline, boot_ms};
use crate::platform::{Reach, ServerAddress};
use crate::store::redis_url::Listener;
use crate::sync::lock;

impl Server {
    pub(super) fn connect(
        &self,
        end: Instant,
        by: &Deadline,
        doing: &str,
    ) -> Result<Link, Trouble> {
        if let Some(away) = &mut *lock(&self.away) {
            if boot_ms() < away.next_try {
                return Err(Trouble::Away(away.why.clone()));
            }
            // This thread tries to connect, so the others need not.
            away.next_try = boot_ms() + TRY_EACH_MS;
        }
        match &self.url.listener {
            Listener::Tcp { host, port, .. } => {
                let address = ServerAddress::Tcp { host, port: *port };
                self.connect_to(&address, end, by, doing)
            }
            Listener::Unix(path) => self.connect_to(&ServerAddress::Unix(path), end, by, doing),
            Listener::Sentinels { hosts, master, .. } => {
                self.connect_by_sentinels(hosts, master, end, by, doing)
            }
            // `ask_cluster` asks a cluster, because it knows the node.
            Listener::Cluster { hosts, .. } => {
                let (host, port) = &hosts[0];
                let address = ServerAddress::Tcp { host, port: *port };
                self.connect_to(&address, end, by, doing)
            }
        }
    }

    pub(super) fn connect_to(
        &self,
        address: &ServerAddress,
        end: Instant,
        by: &Deadline,
        doing: &str,
    ) -> Result<Link, Trouble> {
        let began = Instant::now();
        let mut link = Link::connect(address, &self.reach(), end).map_err(|no_way| {
            let is_silence = no_way.is_timeout;
            let error = self.not_reached(no_way, by, doing);
            if !self.is_cluster() && (!is_silence || began.elapsed() >= SILENCE) {
                self.note_away(&error);
            }
            Trouble::Away(error)
        })?;
        match self.greet(&mut link, end, doing) {
            Ok(()) => {
                *lock(&self.away) = None;
                Ok(link)
            }
            Err(Broken::Refused(trouble)) => Err(trouble),
            Err(Broken::Lost(e)) => {
                let error = self.lost(&e, by, doing);
                if !self.is_cluster() && (!is_timeout(&e) || began.elapsed() >= SILENCE) {
                    self.note_away(&error);
                }
                Err(Trouble::Away(error))
            }
        }
    }

    pub(super) fn reach(&self) -> Reach<'_> {
        Reach {
            ip_version: self.ip_version,
            tls: self.tls.as_ref(),
        }
    }

    /// Logs in, learns the server's role, and checks the store's mark.
    fn greet(&self, link: &mut Link, end: Instant, doing: &str) -> Result<(), Broken> {
        let mut requests = Vec::new();
        match (self.url.user.as_str(), self.url.password.as_str()) {
            (_, "") => {}
            ("", password) => requests.push(words(&["AUTH", password])),
            (user, password) => requests.push(words(&["AUTH", user, password])),
        }
        if self.url.db != 0 {
            requests.push(words(&["SELECT", &self.url.db.to_string()]));
        }
        requests.push(words(&["ROLE"]));
        // In a cluster, the store's mark may lie on another node.
        let is_cluster = self.is_cluster();
        if !is_cluster {
            requests.push(words(&["GET", &meta_key(&self.url.prefix)]));
        }
        let mut replies = link.exchange(&requests, end)?;
        let meta = if is_cluster { None } else { replies.pop() };
        let role = replies.pop().unwrap_or(Reply::Nothing);
        let is_unknown = |text: &str| Refusal::of(text) == Refusal::Unknown;
        replies.extend(match &role {
            Reply::Failure(text) if is_unknown(text) => None,
            role => Some(role.clone()),
        });
        for reply in replies {
            if let Reply::Failure(message) = reply {
                let error = error_of(&self.url, doing, &message);
                return Err(Broken::Refused(Trouble::Refused(
                    Refusal::of(&message),
                    error,
                )));
            }
        }
        link.is_master = is_master(&role);
        match meta {
            Some(meta) => self.check_meta(link, meta, end, doing),
            None => Ok(()),
        }
    }

    /// Refuses a store that is not ours, and writes a mark if there is none.
    pub(super) fn check_meta(
        &self,
        link: &mut Link,
        meta: Reply,
        end: Instant,
        doing: &str,
    ) -> Result<(), Broken> {
        let refused = |message: &str| self.refused(doing, message);
        let mut there = meta;
        if there == Reply::Nothing {
            if link.is_master == Some(false) {
                return Err(refused("READONLY"));
            }
            // A lost mark is written again as it was, because secrets that other processes know are sealed for it.
            let known = lock(&self.meta).clone();
            let known = known.or_else(|| self.kept_mark.read());
            let text = known.unwrap_or_else(Meta::new).to_text();
            let key = meta_key(&self.url.prefix);
            let requests = [words(&["SET", &key, &text, "NX"]), words(&["GET", &key])];
            let mut replies = link.exchange(&requests, end)?;
            there = replies.pop().unwrap_or(Reply::Nothing);
            if let Some(Reply::Failure(message)) = replies.pop() {
                return Err(refused(&message));
            }
        }
        if let Reply::Failure(message) = &there {
            return Err(refused(message));
        }
        let text = there.text().unwrap_or_default();
        if lock(&self.meta)
            .as_ref()
            .is_some_and(|known| known.to_text() == text)
        {
            return Ok(());
        }
        match Meta::parse(&self.url, &text) {
            Ok(meta) => {
                self.kept_mark.keep(&meta);
                *lock(&self.meta) = Some(meta);
                Ok(())
            }
            Err(error) => Err(Broken::Refused(Trouble::Refused(Refusal::Other, error))),
        }
    }
}
