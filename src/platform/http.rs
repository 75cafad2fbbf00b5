//! One HTTP request. TLS is verified, redirects are not followed, connections are not kept, and every wait and size
//! is limited.
//!
//! ureq's errors can hold the URL, and the URL can hold a secret. So this module tells the errors apart and never
//! prints them.

use std::io;
use std::time::Duration;

use ureq::http::HeaderValue;
use ureq::{Agent, RequestBuilder};
use zeroize::Zeroizing;

use super::connector::Way;
use super::no_way::{self, NoWay};
use super::resolver::HostResolver;
use super::tls::Tls;
use crate::clock::Deadline;
use crate::error::{Error, Result, Status};
use crate::http_config::{self, MAX_BYTES};
use crate::options::Options;
use crate::sys::BlockedSignals;

pub struct Request {
    pub path: &'static str,
    pub query: Vec<(&'static str, Zeroizing<String>)>,
    pub headers: Vec<(&'static str, Zeroizing<String>)>,
    /// The JSON to post.
    pub body: Option<Zeroizing<Vec<u8>>>,
    /// Whether the request is a POST rather than a GET.
    pub posts: bool,
}

/// The reason why a request has no response.
pub enum SendError {
    /// This process's own options do not make a valid request.
    Options(Error),
    Transport(TransportError),
}

/// The failure of the way to the host.
pub struct TransportError {
    pub status: Status,
    pub why: String,
    pub advice: Option<String>,
    /// Whether the platform has certainly not seen the request.
    pub not_sent: bool,
    /// Whether this process lacks memory, descriptors or threads. Other processes may succeed.
    pub is_local: bool,
    /// Whether TLS failed. The host may not be the one that was meant.
    pub is_tls: bool,
    /// Whether any other host would be unreachable too.
    pub is_general: bool,
}

impl TransportError {
    fn new(status: Status, why: impl Into<String>) -> TransportError {
        TransportError {
            status,
            why: why.into(),
            advice: None,
            not_sent: false,
            is_local: false,
            is_tls: false,
            is_general: false,
        }
    }
}

pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Sends one request to `base` and returns the answer, whatever its status.
pub fn send(
    base: &str,
    request: &Request,
    options: &Options,
    deadline: &Deadline,
) -> Result<Response, SendError> {
    let agent = agent(base, options, deadline).map_err(SendError::Options)?;
    let limits = Limits::of(base, options, deadline);
    if deadline.has_passed() {
        // The leader may have been frozen after its claim, and another one may have fetched since.
        return Err(SendError::Transport(TransportError {
            not_sent: true,
            ..TransportError::new(Status::Timeout, deadline.missed("the request was not sent"))
        }));
    }
    let url = format!("{base}{}", request.path);
    let _shield = BlockedSignals::new();
    let sent = match &request.body {
        Some(json) => dressed(limits.on(agent.post(&url)), request)
            .content_type("application/json")
            .send(json.as_slice()),
        None if request.posts => dressed(limits.on(agent.post(&url)), request).send_empty(),
        None => dressed(limits.on(agent.get(&url)), request).call(),
    };
    let read = sent.and_then(|mut response| {
        let status = response.status().as_u16();
        let body = response
            .body_mut()
            .with_config()
            .limit(MAX_BYTES as u64)
            .read_to_vec()?;
        Ok(Response { status, body })
    });
    read.map_err(|error| SendError::Transport(no_response(&error, base, options, deadline)))
}

/// Adds the query and the headers. A header may hold a token, so it is marked as sensitive.
fn dressed<Body>(mut builder: RequestBuilder<Body>, request: &Request) -> RequestBuilder<Body> {
    for (name, value) in &request.headers {
        let mut value = HeaderValue::from_str(value);
        if let Ok(value) = &mut value {
            value.set_sensitive(true);
        }
        builder = match value {
            Ok(value) => builder.header(*name, value),
            // No token that was accepted can be invalid in a header. Without the header, the platform answers that it
            // is missing.
            Err(_) => builder,
        };
    }
    let query = request.query.iter();
    builder.query_pairs(query.map(|(name, value)| (*name, value.as_str())))
}

pub(super) fn agent(base: &str, options: &Options, deadline: &Deadline) -> Result<Agent> {
    let secure = base.starts_with("https://");
    // A host of plain HTTP is on loopback or in a private network, so no proxy is used for it.
    let proxy = options.proxy.clone().filter(|_| secure);
    let way = Way {
        proxy: proxy.clone(),
        ip_version: options.ip_version,
        tls: secure.then(|| Tls::new(options)).transpose()?,
        by: *deadline,
    };
    let resolver = HostResolver {
        proxy,
        ip_version: options.ip_version,
    };
    Ok(Agent::with_parts(
        http_config::common().clone(),
        way,
        resolver,
    ))
}

/// The limits of one request.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    is_secure: bool,
    whole: Duration,
    connect: Duration,
}

impl Limits {
    pub(super) fn of(base: &str, options: &Options, deadline: &Deadline) -> Limits {
        Limits {
            is_secure: base.starts_with("https://"),
            whole: deadline.left(),
            connect: Duration::from_millis(options.connect_timeout_ms.unsigned_abs()),
        }
    }

    pub(super) fn on<Body>(self, builder: RequestBuilder<Body>) -> RequestBuilder<Body> {
        builder
            .config()
            .https_only(self.is_secure)
            .timeout_global(Some(self.whole))
            .timeout_resolve(Some(self.connect))
            .timeout_connect(Some(self.connect))
            .build()
    }
}

pub(super) fn no_response(
    error: &ureq::Error,
    base: &str,
    options: &Options,
    deadline: &Deadline,
) -> TransportError {
    let unusable = |why: &str| TransportError::new(Status::Reply, why);
    match error {
        ureq::Error::Other(e) if e.is::<NoWay>() => match e.downcast_ref() {
            Some(no_way) => not_reached(no_way, base, options, deadline),
            None => TransportError::new(Status::Network, "no connection"),
        },
        ureq::Error::Timeout(_) => {
            TransportError::new(Status::Timeout, deadline.missed("no answer"))
        }
        ureq::Error::Io(e) => io_failure(e),
        ureq::Error::LargeResponseHeader(..) => unusable("its headers are longer than 16 KiB"),
        ureq::Error::BodyExceedsLimit(_) => unusable("it is longer than 16 KiB"),
        ureq::Error::Protocol(_) | ureq::Error::Http(_) | ureq::Error::BodyStalled => {
            unusable("it is not HTTP")
        }
        _ => TransportError::new(Status::Network, "the request could not be made"),
    }
}

/// The failure to get a connection. Nothing was sent.
fn not_reached(
    no_way: &NoWay,
    base: &str,
    options: &Options,
    deadline: &Deadline,
) -> TransportError {
    let (status, why) = match no_way.is_timeout {
        true if deadline.has_passed() => (Status::Timeout, deadline.missed(&no_way.what)),
        true => {
            let limit = options.connect_timeout_ms;
            let what = &no_way.what;
            let why = format!("{what} within connect_timeout_ms ({limit} ms)");
            (Status::Network, why)
        }
        false => (Status::Network, no_way.what.clone()),
    };
    let unread = options.unread_proxy.as_ref();
    let unread = unread
        .filter(|unread| options.proxy.is_none() && !no_way.is_local && unread.concerns(base));
    let mut advice = no_way.advice.clone();
    if let Some(unread) = unread {
        let unread = unread.advice();
        advice = Some(match advice {
            // An answer arrived, so a missing proxy is the less likely cause.
            Some(other) if no_way.is_tls => format!("{other} {unread}"),
            Some(other) => format!("{unread} {other}"),
            None => unread,
        });
    }
    TransportError {
        advice,
        not_sent: true,
        is_local: no_way.is_local,
        is_tls: no_way.is_tls,
        is_general: no_way.is_general,
        ..TransportError::new(status, why)
    }
}

/// The failure of a connection that was open.
fn io_failure(e: &io::Error) -> TransportError {
    // An io::Error of this kind carries an error of rustls.
    let is_tls = e.kind() == io::ErrorKind::InvalidData;
    let why = match is_tls {
        true => "TLS: the data of the host was damaged on its way".into(),
        false => no_way::words(e),
    };
    TransportError {
        is_local: no_way::is_local(e),
        is_tls,
        ..TransportError::new(Status::Network, why)
    }
}
