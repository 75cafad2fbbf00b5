//! One HTTP request: TLS verified, no redirects, no idle connections, every wait and every size bounded.
//!
//! ureq's errors can hold the URL, and the URL a secret: they are told apart here and never formatted.

use std::io;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::HeaderValue;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, RequestBuilder, Timeout};
use zeroize::Zeroizing;

use super::connector::connector;
use super::resolver::{HostResolver, NoThread};
use crate::clock::Deadline;
use crate::error::{Error, Result, Status};
use crate::options::Options;
use crate::sys::{self, BlockedSignals, Failpoint};

/// The longest reply, and the longest head of one, that is read.
const MAX_BYTES: usize = 16 * 1024;

const USER_AGENT: &str = concat!("libwxtoken/", env!("CARGO_PKG_VERSION"));

/// What is said where TLS failed, and what to do.
const NO_TLS: (&str, &str) = (
    "TLS: the host's certificate was refused, or the host does not speak TLS",
    "If a proxy of yours signs certificates, name the file of its own by the option ca_file.",
);

pub struct Request {
    pub path: &'static str,
    pub query: Vec<(&'static str, Zeroizing<String>)>,
    pub headers: Vec<(&'static str, Zeroizing<String>)>,
    /// JSON to post.
    pub body: Option<Zeroizing<Vec<u8>>>,
    /// Whether it is a POST, and not a GET.
    pub posts: bool,
}

/// Why a request has no response.
pub enum SendError {
    /// This process's own options do not make a request.
    Options(Error),
    Transport(TransportError),
}

/// How the way to the host failed.
pub struct TransportError {
    pub status: Status,
    pub why: String,
    pub advice: Option<&'static str>,
    /// The platform has certainly not seen the request.
    pub not_sent: bool,
    /// This process lacks what it takes: memory, descriptors, threads. Others may fare better.
    pub is_local: bool,
    /// TLS failed: the host may not be the one that was asked for.
    pub is_tls: bool,
}

pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Sends one request to `base` and reads the answer, whatever its status.
pub fn send(
    base: &str,
    request: &Request,
    options: &Options,
    deadline: &Deadline,
) -> Result<Response, SendError> {
    let agent = agent(base, options, deadline).map_err(SendError::Options)?;
    if deadline.has_passed() {
        // A leader that was frozen after its claim: another one may have fetched since.
        return Err(SendError::Transport(TransportError {
            status: Status::Timeout,
            why: deadline.missed("the request was not sent"),
            advice: None,
            not_sent: true,
            is_local: false,
            is_tls: false,
        }));
    }
    let url = format!("{base}{}", request.path);
    sys::hit_failpoint(Failpoint::Sending);
    let _shield = BlockedSignals::new();
    let sent = match &request.body {
        Some(json) => dressed(agent.post(&url), request)
            .content_type("application/json")
            .send(json.as_slice()),
        None if request.posts => dressed(agent.post(&url), request).send_empty(),
        None => dressed(agent.get(&url), request).call(),
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
    read.map_err(|error| SendError::Transport(no_response(&error, options, deadline)))
}

/// The request with its query and its headers. A header may hold a token: it is marked so that nobody prints it.
fn dressed<Body>(mut builder: RequestBuilder<Body>, request: &Request) -> RequestBuilder<Body> {
    for (name, value) in &request.headers {
        let mut value = HeaderValue::from_str(value);
        if let Ok(value) = &mut value {
            value.set_sensitive(true);
        }
        builder = match value {
            Ok(value) => builder.header(*name, value),
            // Which no token that was taken in can be: the platform answers that there is none.
            Err(_) => builder,
        };
    }
    let query = request.query.iter();
    builder.query_pairs(query.map(|(name, value)| (*name, value.as_str())))
}

pub(super) fn agent(base: &str, options: &Options, deadline: &Deadline) -> Result<Agent> {
    let secure = base.starts_with("https://");
    // A plain target is on loopback, where no proxy may come between.
    let proxy = match &options.proxy {
        Some(url) if secure => Some(
            ureq::Proxy::new(url)
                .map_err(|_| Error::argument("invalid option proxy").because("is not a URL"))?,
        ),
        _ => None,
    };
    let connect = Duration::from_millis(options.connect_timeout_ms.unsigned_abs());
    let config = Config::builder()
        .https_only(secure)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .max_response_header_size(MAX_BYTES)
        .input_buffer_size(2 * MAX_BYTES)
        .max_idle_connections(0)
        .proxy(proxy)
        .user_agent(USER_AGENT)
        .timeout_global(Some(deadline.left()))
        .timeout_resolve(Some(connect))
        .timeout_connect(Some(connect))
        .tls_config(TlsConfig::builder().root_certs(roots(options)?).build())
        .build();
    Ok(Agent::with_parts(config, connector(), HostResolver))
}

/// The web PKI, and the certificates of `ca_file` beside it. Fails when that file is of no use.
pub fn roots(options: &Options) -> Result<RootCerts> {
    let Some(path) = &options.ca_file else {
        return Ok(RootCerts::WebPki);
    };
    let pem = sys::require_readable_file(path)
        .and_then(|()| std::fs::read(path))
        .map_err(|e| {
            Error::argument(format!("cannot read ca_file {}", path.display()))
                .because(sys::os_message(&e))
                .advise("Correct the option ca_file.")
        })?;
    let mut own = Vec::new();
    for item in parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => own.push(certificate),
            Ok(_) => {}
            Err(_) => {
                own.clear();
                break;
            }
        }
    }
    if own.is_empty() {
        return Err(Error::argument(format!(
            "ca_file {} holds no certificate in PEM form",
            path.display()
        ))
        .advise("Correct the option ca_file."));
    }
    let web = webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .map(|der| Certificate::from_der(der).to_owned());
    Ok(own.into_iter().chain(web).collect::<Vec<_>>().into())
}

pub(super) fn no_response(
    error: &ureq::Error,
    options: &Options,
    deadline: &Deadline,
) -> TransportError {
    let network = |why: &str, not_sent| TransportError {
        status: Status::Network,
        why: why.into(),
        advice: None,
        not_sent,
        is_local: false,
        is_tls: false,
    };
    let unusable = |why: &str| TransportError {
        status: Status::Reply,
        why: why.into(),
        advice: None,
        not_sent: false,
        is_local: false,
        is_tls: false,
    };
    let timeout = TransportError {
        status: Status::Timeout,
        why: deadline.missed("no answer"),
        advice: None,
        not_sent: false,
        is_local: false,
        is_tls: false,
    };
    let patience = options.connect_timeout_ms;
    match error {
        ureq::Error::Timeout(_) if deadline.has_passed() => timeout,
        ureq::Error::Timeout(Timeout::Resolve) => network(
            &format!("DNS did not answer within connect_timeout_ms ({patience} ms)"),
            true,
        ),
        ureq::Error::Timeout(Timeout::Connect) => network(
            &format!("no connection within connect_timeout_ms ({patience} ms)"),
            true,
        ),
        ureq::Error::Timeout(_) => timeout,
        ureq::Error::HostNotFound => network("DNS does not know the host", true),
        ureq::Error::ConnectProxyFailed(_) => {
            network("the proxy did not connect to the host", true)
        }
        ureq::Error::ConnectionFailed => network("no connection", true),
        ureq::Error::Io(e) => io_failure(e),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_) => TransportError {
            advice: Some(NO_TLS.1),
            is_tls: true,
            ..network(NO_TLS.0, true)
        },
        ureq::Error::LargeResponseHeader(..) => unusable("its headers are longer than 16 KiB"),
        ureq::Error::BodyExceedsLimit(_) => unusable("it is longer than 16 KiB"),
        ureq::Error::Protocol(_) | ureq::Error::Http(_) | ureq::Error::BodyStalled => {
            unusable("it is not HTTP")
        }
        ureq::Error::Other(e) if e.is::<NoThread>() => TransportError {
            is_local: true,
            advice: Some("Raise the limit of processes (ulimit -u)."),
            ..network(&NoThread.to_string(), true)
        },
        _ => network("the request could not be made", false),
    }
}

fn io_failure(e: &io::Error) -> TransportError {
    use io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, HostUnreachable, InvalidData, NetworkDown,
        NetworkUnreachable, OutOfMemory,
    };
    let is_local = e.kind() == OutOfMemory || e.raw_os_error() == Some(libc::EMFILE);
    // How rustls's own errors arrive through an io::Error.
    let is_tls = e.kind() == InvalidData;
    // A TLS record may be found bad after the request, too.
    let not_sent = matches!(
        e.kind(),
        ConnectionRefused | HostUnreachable | NetworkUnreachable | NetworkDown | AddrNotAvailable
    );
    TransportError {
        status: Status::Network,
        advice: is_tls.then_some(NO_TLS.1),
        why: if is_tls {
            NO_TLS.0.into()
        } else {
            // The kind, not the error: a wrapped one may quote what was sent.
            match e.raw_os_error() {
                Some(code) => sys::os_message(&io::Error::from_raw_os_error(code)).to_lowercase(),
                None => e.kind().to_string(),
            }
        },
        not_sent,
        is_local,
        is_tls,
    }
}
