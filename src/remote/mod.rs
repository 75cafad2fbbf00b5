//! A wxtoken server as a store: its calls, its answers, and how long a server that cannot be reached is waited for.
//!
//! The server has the secrets, fetches, and knows the cost of a failure. Its client knows names and tokens. So this
//! module keeps no rows and takes no locks: the server's answer is the result. A failure is passed on with its errcode,
//! its hint and the time of the next try.

mod answer;
mod client_key;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use self::answer::{accounts_of, error_of, json_of, token_of};
use self::client_key::client_key;
use crate::clock::{Deadline, boot_ms};
use crate::error::{Error, Result, Status};
use crate::options::{IpVersion, Options};
use crate::platform::{Answer, Call, NoAnswer, NoWay, ServerHttp};
use crate::store::ServerUrl;
use crate::sync::{Mutex, lock};

pub use self::answer::{RemoteAccount, RemoteToken};

/// The time in milliseconds between two tries of a server that cannot be reached.
const TRY_EACH_MS: i64 = 1000;
/// The size in bytes of the longest answer about one account.
const MOST_BYTES: usize = 16 * 1024;
/// The size in bytes of the longest report.
const MOST_BYTES_OF_REPORT: usize = 64 * 1024 * 1024;

/// One server, as this process reaches it.
pub struct Remote {
    url: ServerUrl,
    /// One way for each set of options that decide how the server is reached, the newest at the end.
    ways: Mutex<Vec<Arc<Way>>>,
    away: Mutex<Option<Away>>,
}

/// The number of ways that are kept. No program has that many sets of options.
const MOST_WAYS: usize = 8;

/// The way to a server under some options.
struct Way {
    ca_file: Option<PathBuf>,
    ip_version: IpVersion,
    http: ServerHttp,
}

impl Way {
    fn is_of(&self, options: &Options) -> bool {
        self.ca_file == options.ca_file && self.ip_version == options.ip_version
    }
}

/// A server that was not reached.
struct Away {
    next_try: i64,
    why: Error,
}

/// One call of a handle, with its options and its deadline.
pub struct Caller<'a> {
    pub remote: &'a Remote,
    pub options: &'a Options,
    pub by: Deadline,
}

/// The reason why a call has no result.
pub enum Trouble {
    /// The server does not answer, or cannot answer for now. What this process knows is good meanwhile.
    Away(Error),
    /// The server's own answer.
    Answered(Error),
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Error {
        match trouble {
            Trouble::Away(error) | Trouble::Answered(error) => error,
        }
    }
}

/// The HTTP statuses for an unknown key and for a missing right.
const REFUSED: [u16; 2] = [401, 403];

impl Remote {
    /// Makes a server's state. Does not connect yet.
    pub fn new(url: &ServerUrl, options: &Options) -> Result<Remote> {
        let remote = Remote {
            url: url.clone(),
            ways: Mutex::default(),
            away: Mutex::new(None),
        };
        remote.way(options)?;
        Ok(remote)
    }

    fn way(&self, options: &Options) -> Result<Arc<Way>> {
        let known = lock(&self.ways)
            .iter()
            .find(|way| way.is_of(options))
            .cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let (base, socket) = match &self.url {
            ServerUrl::Http(base) => (base.as_str(), None),
            ServerUrl::Unix(path) => ("http://localhost", Some(path.clone())),
        };
        let way = Arc::new(Way {
            ca_file: options.ca_file.clone(),
            ip_version: options.ip_version,
            http: ServerHttp::new(base, socket, options)?,
        });
        let mut ways = lock(&self.ways);
        ways.push(way.clone());
        let forgotten = (ways.len() > MOST_WAYS).then(|| ways.remove(0));
        drop(ways);
        drop(forgotten);
        Ok(way)
    }

    pub fn url(&self) -> &ServerUrl {
        &self.url
    }

    pub fn close_idle(&self) {
        let ways = lock(&self.ways).clone();
        ways.iter().for_each(|way| way.http.close_idle());
    }

    fn known_as_away(&self) -> Option<Error> {
        let away = lock(&self.away);
        let away = away.as_ref().filter(|away| boot_ms() < away.next_try)?;
        Some(away.why.clone())
    }

    fn note_away(&self, why: &Error) {
        *lock(&self.away) = Some(Away {
            next_try: boot_ms() + TRY_EACH_MS,
            why: why.clone(),
        });
    }
}

impl Caller<'_> {
    /// Gets the token of an account, or another credential. None stands for the current account.
    pub fn token(&self, name: Option<&str>) -> Result<RemoteToken, Trouble> {
        let doing = format!("cannot get {}", words_of(name));
        let asked_at = boot_ms();
        let answer = self.call("GET", &path_of("/v1/token", name), None, MOST_BYTES, &doing)?;
        token_of(&answer.body, asked_at).ok_or_else(|| Trouble::Away(self.is_not_one(&doing)))
    }

    /// Reports that the API refused this token.
    pub fn reject(&self, name: Option<&str>, token: &str) -> Result<(), Trouble> {
        let doing = format!("cannot reject {}", words_of(name));
        let body = json_of("token", Some(token));
        let path = path_of("/v1/reject", name);
        self.call("POST", &path, Some(body), MOST_BYTES, &doing)?;
        Ok(())
    }

    /// Puts a field of an account.
    pub fn put(&self, account: &str, field: &str, value: Option<&str>) -> Result<()> {
        let path = format!("/v1/put/{}/{}", encoded(account), encoded(field));
        let doing = format!("cannot put {field} of account \"{account}\"");
        let body = json_of("value", value);
        self.call("PUT", &path, Some(body), MOST_BYTES, &doing)?;
        Ok(())
    }

    /// Returns the server's record of an account.
    pub fn account(&self, name: &str) -> Result<RemoteAccount> {
        let path = format!("/v1/account/{}", encoded(name));
        let doing = format!("cannot look for account \"{name}\"");
        let answer = self.call("GET", &path, None, MOST_BYTES, &doing)?;
        let account = serde_json::from_slice(&answer.body);
        account.map_err(|_| self.is_not_one(&doing))
    }

    /// Returns the accounts whose tokens this client may get.
    pub fn accounts(&self) -> Result<Vec<RemoteAccount>> {
        let doing = "cannot list the accounts";
        let answer = self.call("GET", "/v1/account", None, MOST_BYTES_OF_REPORT, doing)?;
        accounts_of(&answer.body).ok_or_else(|| self.is_not_one(doing))
    }

    /// Returns the report on the accounts that this client may see.
    pub fn report(&self) -> Result<serde_json::Map<String, serde_json::Value>> {
        let doing = "cannot get the report";
        let answer = self.call("GET", "/v1/status", None, MOST_BYTES_OF_REPORT, doing)?;
        let report = serde_json::from_slice(&answer.body);
        report.map_err(|_| self.is_not_one(doing))
    }

    fn call(
        &self,
        method: &'static str,
        path: &str,
        body: Option<Zeroizing<Vec<u8>>>,
        most_bytes: usize,
        doing: &str,
    ) -> Result<Answer, Trouble> {
        let key = client_key(self.options).map_err(Trouble::Answered)?;
        if let Some(mut why) = self.remote.known_as_away() {
            // The note may be from a call about another account.
            why.what = self.at_server(doing);
            return Err(Trouble::Away(why));
        }
        let call = Call {
            method,
            path,
            key: key.as_ref().map(|key| key.as_str()),
            body,
            most_bytes,
        };
        let way = self.remote.way(self.options).map_err(Trouble::Answered)?;
        let limit = Duration::from_millis(self.options.connect_timeout_ms.unsigned_abs());
        let answer = way.http.call(&call, &self.by, limit).map_err(|none| {
            let error = self.no_answer(none, doing);
            if error.status == Status::Store {
                self.remote.note_away(&error);
            }
            Trouble::Away(error)
        })?;
        *lock(&self.remote.away) = None;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        let Some(mut error) = error_of(&answer.body) else {
            return Err(Trouble::Away(self.is_not_one(doing)));
        };
        let is_refusal = REFUSED.contains(&answer.status);
        let passes = matches!(error.status, Status::Store | Status::Timeout);
        let error = match error.status {
            // The server does not name accounts that it does not have.
            Status::Account => {
                let why = std::mem::replace(&mut error.what, self.at_server(doing));
                error.because(why)
            }
            _ => error,
        };
        Err(match passes && !is_refusal {
            true => Trouble::Away(error),
            false => Trouble::Answered(error),
        })
    }

    fn at_server(&self, doing: &str) -> String {
        format!("{doing} at server {}", self.remote.url)
    }

    fn no_answer(&self, none: NoAnswer, doing: &str) -> Error {
        let what = self.at_server(doing);
        match none {
            NoAnswer::NotReached(no_way) if no_way.is_timeout && self.by.has_passed() => {
                Error::new(Status::Timeout, what).because(self.by.missed(&no_way.what))
            }
            NoAnswer::NotReached(NoWay {
                what: why, advice, ..
            }) => Error::store(what)
                .because(why)
                .advise(advice.unwrap_or_else(|| {
                    "See whether wxtoken serve runs there, and lets this host in.".into()
                })),
            NoAnswer::Timeout => {
                Error::new(Status::Timeout, what).because(self.by.missed("no answer"))
            }
            NoAnswer::Broken(why) => Error::store(what)
                .because(why)
                .advise("See what listens there, and the log of wxtoken serve."),
        }
    }

    /// Returns the error of an answer that is not from a wxtoken server.
    fn is_not_one(&self, doing: &str) -> Error {
        Error::store(self.at_server(doing))
            .because("what answers there is not a wxtoken server")
            .advise("Correct the store's URL, or see what stands in front of the server.")
    }
}

fn words_of(name: Option<&str>) -> String {
    match name {
        Some(name) => format!("the token of \"{name}\""),
        None => "the token of the current account".into(),
    }
}

fn path_of(verb: &str, name: Option<&str>) -> String {
    let Some(name) = name else {
        return verb.into();
    };
    let parts: Vec<String> = name.split('/').map(encoded).collect();
    format!("{verb}/{}", parts.join("/"))
}

/// Returns a piece of a path, percent-encoded.
fn encoded(piece: &str) -> String {
    let mut path = String::new();
    for byte in piece.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                path.push(char::from(byte));
            }
            // A dot is encoded too: a piece of only dots would mean the directory above.
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_name_is_one_piece_of_the_path() {
        assert_eq!(path_of("/v1/token", None), "/v1/token");
        assert_eq!(path_of("/v1/token", Some("shop")), "/v1/token/shop");
        assert_eq!(
            path_of("/v1/token", Some("shop/jsapi_ticket")),
            "/v1/token/shop/jsapi_ticket"
        );
        assert_eq!(path_of("/v1/token", Some("..")), "/v1/token/%2E%2E");
        assert_eq!(encoded("店 a?b#c%"), "%E5%BA%97%20a%3Fb%23c%25");
    }

    #[test]
    fn a_server_that_is_away_is_tried_once_a_second() {
        let url = ServerUrl::Unix("/nonexistent/wxtoken.sock".into());
        let options = Options::default();
        let remote = Remote::new(&url, &options).unwrap();
        let caller = Caller {
            remote: &remote,
            options: &options,
            by: Deadline::after(1000),
        };
        let error = Error::from(caller.token(Some("shop")).err().unwrap());
        assert_eq!(error.status, Status::Store);
        assert!(error.for_c().contains("unix:/nonexistent"), "{error}");
        let known = remote.known_as_away().unwrap();
        assert_eq!(known, error);
        let other = Error::from(caller.token(Some("other")).err().unwrap());
        assert_eq!(
            other.for_c(),
            error.for_c().replace("\"shop\"", "\"other\"")
        );
        *lock(&remote.away) = Some(Away {
            next_try: boot_ms(),
            why: error,
        });
        assert!(remote.known_as_away().is_none());
    }
}
