//! The way to a master by its sentinels. The sentinels are asked in turn. The server that one names is connected to,
//! and asked whether it is the master. This is repeated for each new connection.
//!
//! The first one to be asked is the one that answered last, or the one after that which did not answer. A call may have
//! time for one silent sentinel only. The next call then asks another one.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::link::Link;
use super::question::{Trouble, words};
use super::refusal::error_of;
use super::resp::Reply;
use super::server::{SILENCE, Server};
use crate::clock::Deadline;
use crate::error::Error;
use crate::platform::ServerAddress;

/// The longest wait for one sentinel.
const SENTINEL: Duration = Duration::from_millis(400);
/// The longest wait for the server that a sentinel names. It may be the one that is down.
const NAMED: Duration = Duration::from_millis(1000);
/// The pause before the sentinels are asked again, while they name a server that is not the master.
const AGAIN: Duration = Duration::from_millis(100);

impl Server {
    pub(super) fn connect_by_sentinels(
        &self,
        hosts: &[(String, u16)],
        master: &str,
        end: Instant,
        by: &Deadline,
        doing: &str,
    ) -> Result<Link, Trouble> {
        let began = Instant::now();
        loop {
            let (host, port) = match self.find_master(hosts, master, end, doing) {
                Ok(found) => found,
                Err(error) => {
                    if began.elapsed() >= SILENCE || by.left() >= SILENCE {
                        self.note_away(&error);
                    }
                    return Err(Trouble::Away(error));
                }
            };
            let address = ServerAddress::Tcp { host: &host, port };
            let named_end = end.min(Instant::now() + NAMED);
            let trouble = match self.connect_to(&address, named_end, by, doing) {
                Ok(link) if link.is_master != Some(false) => return Ok(link),
                Ok(_) => Trouble::Away(error_of(&self.url, doing, "READONLY")),
                Err(trouble) => trouble,
            };
            // The sentinels may be about to promote another server.
            if Instant::now() + AGAIN >= end {
                return Err(trouble);
            }
            std::thread::sleep(AGAIN);
        }
    }

    /// The address of the master, from the first sentinel that answers.
    fn find_master(
        &self,
        hosts: &[(String, u16)],
        master: &str,
        end: Instant,
        doing: &str,
    ) -> Result<(String, u16), Error> {
        let mut why = Vec::new();
        let first = self.first_sentinel.load(Ordering::Relaxed);
        for place in (0..hosts.len()).map(|step| (first + step) % hosts.len()) {
            if !why.is_empty() && Instant::now() >= end {
                break;
            }
            let (host, port) = &hosts[place];
            let sentinel_end = end.min(Instant::now() + SENTINEL);
            match self.ask_sentinel(host, *port, master, sentinel_end) {
                Ok(found) => {
                    self.first_sentinel.store(place, Ordering::Relaxed);
                    return Ok(found);
                }
                Err(e) => {
                    why.push(format!("{host}: {e}"));
                    let next = (place + 1) % hosts.len();
                    self.first_sentinel.store(next, Ordering::Relaxed);
                }
            }
        }
        let what = format!("{doing} store {}", self.url);
        Err(Error::store(what)
            .because(format!(
                "no sentinel names the master {master}: {}",
                why.join("; ")
            ))
            .advise(
                "See whether the sentinels run, and which masters they know: SENTINEL MASTERS.",
            ))
    }

    fn ask_sentinel(
        &self,
        host: &str,
        port: u16,
        master: &str,
        end: Instant,
    ) -> Result<(String, u16), String> {
        let address = ServerAddress::Tcp { host, port };
        let mut link = Link::connect(&address, &self.reach(), end).map_err(|no_way| no_way.what)?;
        let mut requests = Vec::new();
        let password = self.url.sentinel_password.as_str();
        match (self.url.sentinel_user.as_str(), password) {
            (_, "") => {}
            ("", password) => requests.push(words(&["AUTH", password])),
            (user, password) => requests.push(words(&["AUTH", user, password])),
        }
        requests.push(words(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", master]));
        let replies = link.exchange(&requests, end);
        let mut replies = replies.map_err(|_| "it does not answer".to_owned())?;
        let parts = match replies.pop().unwrap_or(Reply::Nothing) {
            Reply::List(parts) => parts,
            Reply::Nothing => return Err("it does not know that master".into()),
            Reply::Failure(message) => {
                // The first word says what is missing. The rest may quote the request.
                let code = message.split_whitespace().next().unwrap_or_default();
                return Err(format!("it refuses ({code})"));
            }
            _ => return Err("it is not a sentinel".into()),
        };
        let mut parts = parts.into_iter();
        let host = parts.next().and_then(Reply::text);
        let port = parts.next().and_then(|port| port.number());
        let port = port.and_then(|port| u16::try_from(port).ok());
        host.zip(port)
            .ok_or_else(|| "it is not a sentinel".to_owned())
    }
}
