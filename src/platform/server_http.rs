//! One HTTP exchange with a wxtoken server, over TCP, TLS or a socket in the file system, and the connections that
//! are kept for the next exchange.
//!
//! If the server has closed a kept connection, this is found before the connection is used. If it closes the
//! connection a moment later, the exchange is repeated on a new one, since each call of that server may be made
//! twice.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::{self, HeaderValue, Uri, header};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout};
use ureq::{Agent, AsSendBody, Body};
use zeroize::Zeroizing;

use super::connector::Socket;
use super::no_way::{self, NoWay};
use super::resolver::host_and_port;
use super::server_stream::{Reach, ServerAddress, ServerStream};
use super::stream::Timed;
use super::tls::Tls;
use crate::clock::Deadline;
use crate::error::Result;
use crate::http_config;
use crate::options::{IpVersion, Options};
use crate::sync::{Mutex, PoisonError, lock};
use crate::sys::BlockedSignals;

/// The most connections that are kept for the next calls.
const MOST_IDLE: usize = 2;

/// A wxtoken server, and the way to it.
pub struct ServerHttp {
    /// The URL before the path of each call.
    base: String,
    /// The path of the server's socket, if it listens in the file system.
    socket: Option<PathBuf>,
    ip_version: IpVersion,
    tls: Option<Tls>,
    idle: Mutex<Vec<ServerStream>>,
}

/// One call of the server.
pub struct Call<'a> {
    pub method: &'static str,
    pub path: &'a str,
    pub key: Option<&'a str>,
    /// The JSON body, if the call has one.
    pub body: Option<Zeroizing<Vec<u8>>>,
    /// The size limit of the answer.
    pub most_bytes: usize,
}

/// The answer of a server.
pub struct Answer {
    pub status: u16,
    pub body: Zeroizing<Vec<u8>>,
}

/// The reason why a call has no answer.
pub enum NoAnswer {
    NotReached(NoWay),
    /// The time ran out after the call was sent.
    Timeout,
    /// The connection broke, or the other end does not speak HTTP. The text says which.
    Broken(String),
}

impl ServerHttp {
    /// A client of this server. `socket` is the path of a socket in the file system, for a server that listens there.
    pub fn new(base: &str, socket: Option<PathBuf>, options: &Options) -> Result<ServerHttp> {
        let is_tls = base.starts_with("https://");
        Ok(ServerHttp {
            base: base.into(),
            socket,
            ip_version: options.ip_version,
            tls: is_tls.then(|| Tls::new(options)).transpose()?,
            idle: Mutex::default(),
        })
    }

    /// Makes one call before the deadline. A new connection may take all of that time.
    pub fn call(
        &self,
        call: &Call,
        by: &Deadline,
        connect_limit: Duration,
    ) -> Result<Answer, NoAnswer> {
        let _shield = BlockedSignals::new();
        if let Some(kept) = self.idle_stream() {
            match self.exchange(kept, call, by) {
                Err(NoAnswer::Broken(_)) => {}
                other => return other,
            }
        }
        let stream = self
            .connect(by, connect_limit)
            .map_err(NoAnswer::NotReached)?;
        self.exchange(stream, call, by)
    }

    pub fn close_idle(&self) {
        let idle = std::mem::take(&mut *lock(&self.idle));
        drop(idle);
    }

    fn connect(&self, by: &Deadline, limit: Duration) -> Result<ServerStream, NoWay> {
        let reach = Reach {
            ip_version: self.ip_version,
            tls: self.tls.as_ref(),
        };
        let end = Instant::now() + by.left().min(limit);
        let uri: Uri = self.base.parse().unwrap_or_default();
        let (host, port) = host_and_port(&uri);
        let address = match &self.socket {
            Some(path) => ServerAddress::Unix(path),
            None => ServerAddress::Tcp { host, port },
        };
        ServerStream::connect(&address, &reach, end)
    }

    fn exchange(
        &self,
        stream: ServerStream,
        call: &Call,
        by: &Deadline,
    ) -> Result<Answer, NoAnswer> {
        let lent = Lent(Arc::new(Mutex::new(stream)));
        let ready = Ready {
            lent: lent.clone(),
            by: *by,
        };
        let agent = Agent::with_parts(http_config::common().clone(), ready, Nowhere);
        let sent = self.send(&agent, call, by);
        let mut response = sent.map_err(|e| no_answer(&e))?;
        let body = response.body_mut().with_config();
        let body = body.limit(call.most_bytes as u64).read_to_vec();
        let body = Zeroizing::new(body.map_err(|e| no_answer(&e))?);
        let ends = response.headers().get(header::CONNECTION);
        let is_over = ends.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
        let status = response.status().as_u16();
        drop((response, agent));
        if let Some(stream) = lent.back().filter(|_| !is_over) {
            self.keep(stream);
        }
        Ok(Answer { status, body })
    }

    fn send(
        &self,
        agent: &Agent,
        call: &Call,
        by: &Deadline,
    ) -> Result<http::Response<Body>, ureq::Error> {
        let mut request = http::Request::builder()
            .method(call.method)
            .uri(format!("{}{}", self.base, call.path));
        if let Some(key) = call.key {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
                .map_err(|_| ureq::Error::BadUri("key".into()))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        match &call.body {
            Some(json) => {
                let request = request.header(header::CONTENT_TYPE, "application/json");
                run(agent, request.body(json.as_slice())?, by)
            }
            None => run(agent, request.body(())?, by),
        }
    }

    /// Takes an idle connection.
    fn idle_stream(&self) -> Option<ServerStream> {
        loop {
            // A connection is not dropped while the mutex is held, because that takes the fork lock.
            let stream = lock(&self.idle).pop()?;
            if !stream.has_input() {
                return Some(stream);
            }
        }
    }

    fn keep(&self, stream: ServerStream) {
        let mut idle = lock(&self.idle);
        if idle.len() < MOST_IDLE {
            idle.push(stream);
            return;
        }
        drop(idle);
        drop(stream);
    }
}

fn run(
    agent: &Agent,
    request: http::Request<impl AsSendBody>,
    by: &Deadline,
) -> Result<http::Response<Body>, ureq::Error> {
    let request = agent.configure_request(request);
    agent.run(request.timeout_global(Some(by.left())).build())
}

/// Names the kind of an error without its message.
fn no_answer(error: &ureq::Error) -> NoAnswer {
    NoAnswer::Broken(match error {
        ureq::Error::Timeout(_) => return NoAnswer::Timeout,
        ureq::Error::Io(e) => no_way::words(e),
        ureq::Error::BodyExceedsLimit(_) => "its answer is too long".into(),
        _ => "it does not answer in HTTP".into(),
    })
}

/// A connection that an agent uses, and that is kept afterwards.
#[derive(Clone, Debug)]
struct Lent(Arc<Mutex<ServerStream>>);

impl Lent {
    /// The connection, once the agent has released it.
    fn back(self) -> Option<ServerStream> {
        let stream = Arc::try_unwrap(self.0).ok()?;
        Some(stream.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Read for Lent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        lock(&self.0).read(buffer)
    }
}

impl Write for Lent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        lock(&self.0).flush()
    }
}

impl Timed for Lent {
    fn ends(&mut self, end: Instant) {
        lock(&self.0).ends(end);
    }

    fn is_tls(&self) -> bool {
        lock(&self.0).is_tls()
    }
}

/// Gives an agent the connection that is already open.
#[derive(Debug)]
struct Ready {
    lent: Lent,
    by: Deadline,
}

impl Connector<()> for Ready {
    type Out = Socket<Lent>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        _chained: Option<()>,
    ) -> Result<Option<Socket<Lent>>, ureq::Error> {
        Ok(Some(Socket::new(
            self.lent.clone(),
            details.config,
            self.by,
        )))
    }
}

/// A resolver that finds no address, because none is needed.
#[derive(Debug)]
struct Nowhere;

impl Resolver for Nowhere {
    fn resolve(
        &self,
        _uri: &Uri,
        _config: &Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut found = self.empty();
        found.push(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        Ok(found)
    }
}
