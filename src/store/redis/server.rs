//! The way to the server: its connections, the first questions on a new one, and the wait for a server that is away.
//!
//! Every question can be asked twice, because a change compares the record byte by byte. So a question whose answer
//! is lost is asked once more over a new connection. If the first one was carried out, its new bytes are there. Only
//! the messages to a keeper are not compared (`mail`).

use std::io;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use super::clock::ServerClock;
use super::cluster::{Node, Nodes};
use super::converse::Said;
use super::link::Link;
use super::meta::{KeptMark, Meta, meta_key};
use super::question::{
    Broken, Question, Role, Trouble, has_replicas, is_master, is_timeout, replica, words,
};
use super::refusal::{Refusal, error_of};
use super::resp::Reply;
use crate::clock::{Deadline, Now, boot_ms};
use crate::error::{Error, Result, Status};
use crate::options::{IpVersion, Options};
use crate::platform::{IdentityFiles, NoWay, Tls, alert};
use crate::store::RedisUrl;
use crate::store::redis_url::Listener;
use crate::sync::{Mutex, lock};
use crate::sys::BlockedSignals;

/// The time limit of one step. A slower server counts as away, and a fetch that can do without the store has the rest
/// of its time.
pub(super) const PATIENCE: Duration = Duration::from_millis(3000);
/// The shortest silence that counts as absence. A shorter one may be due to one call's short deadline.
pub(super) const SILENCE: Duration = Duration::from_millis(1000);
/// The time in ms between two tries to reach a server that is away.
pub(super) const TRY_EACH_MS: i64 = 1000;
/// The most idle connections that are kept for the next calls.
const MOST_IDLE: usize = 4;
/// The most idle connections that are kept to all nodes of a cluster.
const MOST_IDLE_OF_ALL: usize = 16;

/// One server, as this process reaches it.
pub struct Server {
    pub url: RedisUrl,
    pub(super) ip_version: IpVersion,
    pub(super) tls: Option<Tls>,
    idle: Mutex<Vec<Link>>,
    /// The nodes of a cluster, as this process knows them.
    pub(super) nodes: Mutex<Nodes>,
    /// The place in the URL of the sentinel to ask first.
    pub(super) first_sentinel: AtomicUsize,
    pub(super) away: Mutex<Option<Away>>,
    pub(super) clock: ServerClock,
    pub meta: Mutex<Option<Meta>>,
    pub(super) kept_mark: KeptMark,
}

/// The failure of the last try to reach the server.
pub(super) struct Away {
    pub(super) next_try: i64,
    pub(super) why: Error,
}

impl Server {
    pub fn new(url: &RedisUrl, options: &Options) -> Result<Server> {
        Ok(Server {
            url: url.clone(),
            ip_version: options.ip_version,
            tls: url
                .is_tls()
                .then(|| {
                    let identity = url.identity.as_ref();
                    let identity = identity.map(|identity| IdentityFiles {
                        certificate: &identity.certificate,
                        key: &identity.key,
                    });
                    Tls::with_identity(options, identity)
                })
                .transpose()?,
            idle: Mutex::default(),
            nodes: Mutex::default(),
            first_sentinel: AtomicUsize::new(0),
            away: Mutex::new(None),
            clock: ServerClock::default(),
            meta: Mutex::new(None),
            kept_mark: KeptMark::of(url),
        })
    }

    pub fn now(&self) -> Now {
        self.clock.now()
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.url.listener, Listener::Cluster { .. })
    }

    pub(super) fn known_as_away(&self) -> Option<Error> {
        let away = lock(&self.away);
        let away = away.as_ref().filter(|away| boot_ms() < away.next_try)?;
        Some(away.why.clone())
    }

    pub fn close_idle(&self) {
        let idle = std::mem::take(&mut *lock(&self.idle));
        drop(idle);
    }

    /// Asks in one exchange. Returns the values of each script, or the one reply of another command. `doing` is for
    /// messages, such as `cannot read`.
    pub fn ask(
        &self,
        questions: &[Question],
        role: Role,
        by: &Deadline,
        doing: &str,
    ) -> Result<Vec<Vec<Reply>>, Trouble> {
        let _shield = BlockedSignals::new();
        if let Listener::Cluster { hosts, .. } = &self.url.listener {
            return self.ask_cluster(hosts, questions, role, by, doing);
        }
        let mut is_second = false;
        loop {
            let began = Instant::now();
            let end = began + by.left().min(PATIENCE);
            if by.has_passed() {
                return Err(Trouble::Away(self.ran_out(by, doing)));
            }
            let mut link = match self.idle_link(None) {
                Some(link) if !role.is_master() || link.is_master != Some(false) => link,
                _ => self.connect(end, by, doing)?,
            };
            match self.exchange(&mut link, questions, role, end, doing) {
                Ok(values) => {
                    self.keep(link);
                    return Ok(values);
                }
                // The server was the master, and another one is now.
                Err(Broken::Refused(Trouble::Refused(Refusal::ReadOnly, _))) if !is_second => {
                    drop(link);
                    self.close_idle();
                    is_second = true;
                }
                Err(Broken::Refused(trouble)) => return Err(trouble),
                Err(Broken::Lost(e)) => {
                    drop(link);
                    // The other connections are most likely lost too.
                    self.close_idle();
                    let is_silence = is_timeout(&e);
                    if is_second || is_silence {
                        let error = self.lost(&e, by, doing);
                        if !is_silence || began.elapsed() >= SILENCE {
                            self.note_away(&error);
                        }
                        return Err(Trouble::Away(error));
                    }
                    is_second = true;
                }
            }
        }
    }

    fn exchange(
        &self,
        link: &mut Link,
        questions: &[Question],
        role: Role,
        end: Instant,
        doing: &str,
    ) -> Result<Vec<Vec<Reply>>, Broken> {
        // Each answer comes with the server's role and the store's mark, because both may change under an open
        // connection.
        let mut beside = vec![words(&["GET", &meta_key(&self.url.prefix)])];
        if role.is_master() {
            beside.push(words(&["ROLE"]));
        }
        let questions: Vec<&Question> = questions.iter().collect();
        let Said { to, mut beside } = self.converse(link, &questions, &beside, end)?;
        let mut is_followed = false;
        if role.is_master()
            && let Some(reply) = beside.pop()
        {
            link.is_master = is_master(&reply);
            is_followed = has_replicas(&reply);
        }
        let meta = beside.pop().unwrap_or(Reply::Nothing);
        let mut given = Vec::new();
        for said in to {
            given.push(said.map_err(|message| self.refused(doing, &message))?);
        }
        if link.is_master == Some(false) && role.is_master() {
            return Err(self.refused(doing, "READONLY"));
        }
        if role == Role::MasterAndReplica && is_followed {
            // A separate exchange, because a script that the server did not know was sent again after the others.
            // The secret that was kept on this host is there if no replica answers.
            link.exchange(&[replica()], end)?;
        }
        self.check_meta(link, meta, end, doing)?;
        Ok(given)
    }

    pub(super) fn refused(&self, doing: &str, message: &str) -> Broken {
        Broken::Refused(Trouble::Refused(
            Refusal::of(message),
            error_of(&self.url, doing, message),
        ))
    }

    /// Takes an idle connection, in a cluster one to this node.
    pub(super) fn idle_link(&self, node: Option<&Node>) -> Option<Link> {
        loop {
            // A connection is not dropped while the mutex is held, because that takes the fork lock.
            let link = {
                let mut idle = lock(&self.idle);
                let place = idle.iter().rposition(|link| link.node.as_ref() == node)?;
                idle.swap_remove(place)
            };
            if link.is_quiet() {
                return Some(link);
            }
        }
    }

    pub(super) fn keep(&self, link: Link) {
        let mut idle = lock(&self.idle);
        let to_same = idle.iter().filter(|other| other.node == link.node).count();
        if to_same < MOST_IDLE && idle.len() < MOST_IDLE_OF_ALL {
            idle.push(link);
            return;
        }
        drop(idle);
        drop(link);
    }

    pub(super) fn note_away(&self, why: &Error) {
        // The deadline of one call does not count for another.
        let why = match why.status {
            Status::Timeout => silent(Error::store(why.what.clone()), SILENCE),
            _ => why.clone(),
        };
        *lock(&self.away) = Some(Away {
            next_try: boot_ms() + TRY_EACH_MS,
            why,
        });
    }

    fn ran_out(&self, by: &Deadline, doing: &str) -> Error {
        let what = format!("{doing} store {}", self.url);
        Error::new(Status::Timeout, what).because(by.missed("no answer"))
    }

    pub(super) fn not_reached(&self, no_way: NoWay, by: &Deadline, doing: &str) -> Error {
        if no_way.is_timeout && by.has_passed() {
            return self.ran_out(by, doing);
        }
        let error = Error::store(format!("{doing} store {}", self.url)).because(no_way.what);
        error.advise(no_way.advice.unwrap_or_else(|| {
            "See whether the server runs there, and lets this host in (bind, protected-mode, firewall).".into()
        }))
    }

    pub(super) fn lost(&self, e: &io::Error, by: &Deadline, doing: &str) -> Error {
        let error = Error::store(format!("{doing} store {}", self.url));
        if let Some(alert) = alert(e) {
            let why = format!(
                "TLS: the server asks for a certificate, or does not take this one ({alert})"
            );
            return error
                .because(why)
                .advise("Name one that it takes in the URL: ?ssl_certfile=FILE&ssl_keyfile=FILE.");
        }
        match e.kind() {
            _ if is_timeout(e) && by.has_passed() => self.ran_out(by, doing),
            _ if is_timeout(e) => silent(error, PATIENCE),
            io::ErrorKind::InvalidData => error
                .because("the other end does not speak the protocol of Redis")
                .advise("See which program listens there."),
            _ => error
                .because("the server closed the connection")
                .advise("See the server's log."),
        }
    }
}

fn silent(error: Error, waited: Duration) -> Error {
    error
        .because(format!("no answer within {} ms", waited.as_millis()))
        .advise("See whether the server is overloaded, stopped, or cut off by the network.")
}
