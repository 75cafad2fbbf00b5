//! A bare connection to a platform's host, for a server that speaks HTTP over it itself. It uses the name look-up,
//! the proxy, the limits and the trusted certificates of a fetch.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use ureq::http::Uri;

use super::no_way::{self, NoWay};
use super::resolver::{Host, host_and_port};
use super::stream::Wire;
use super::tls::Tls;
use super::tunnel::{self, Target};
use crate::error::{Error, Result, Status};
use crate::options::Options;
use crate::sys::BlockedSignals;

/// The way to one platform's host.
pub struct PlatformLink {
    base: String,
    host: String,
    port: u16,
    tls: Option<Tls>,
    options: Options,
}

impl PlatformLink {
    /// A link to the host of this base URL. Reads `ca_file`.
    pub fn new(base: &str, options: &Options) -> Result<PlatformLink> {
        let uri: Uri = base
            .parse()
            .map_err(|_| Error::new(Status::Internal, "a base URL is not a URL"))?;
        let (host, port) = host_and_port(&uri);
        let is_secure = uri.scheme_str() == Some("https");
        Ok(PlatformLink {
            base: base.to_owned(),
            host: host.to_owned(),
            port,
            tls: is_secure.then(|| Tls::new(options)).transpose()?,
            options: options.clone(),
        })
    }

    /// The host's name, without the port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The settings of the TLS handshake. None for a host of plain HTTP.
    pub fn tls(&self) -> Option<Arc<ClientConfig>> {
        self.tls.as_ref().map(Tls::config)
    }

    /// The time limit of a connection, including its handshake.
    pub fn limit(&self) -> Duration {
        Duration::from_millis(self.options.connect_timeout_ms.unsigned_abs())
    }

    /// Connects, through the proxy if there is one. Blocks for up to `connect_timeout_ms`.
    pub fn connect(&self) -> Result<TcpStream> {
        let _shield = BlockedSignals::new();
        let wire = self.wire().map_err(|no_way| self.failure(no_way))?;
        let stream = wire.socket.get().and_then(TcpStream::try_clone);
        let stream = stream.and_then(|stream| {
            stream.set_read_timeout(None)?;
            stream.set_write_timeout(None)?;
            Ok(stream)
        });
        stream.map_err(|e| self.failure(NoWay::io("", &e)))
    }

    fn wire(&self) -> Result<Wire, NoWay> {
        let end = Instant::now() + self.limit();
        // A host of plain HTTP is on loopback or in a private network, so no proxy is used for it.
        let proxy = self.options.proxy.as_ref().filter(|_| self.tls.is_some());
        let (name, port) = match proxy {
            Some(proxy) => (proxy.host.as_str(), proxy.port),
            None => (self.host.as_str(), self.port),
        };
        let ip_version = self.options.ip_version;
        let looked_up = Host {
            name,
            is_proxy: proxy.is_some(),
        };
        let addresses = looked_up.addresses(port, ip_version, self.limit())?;
        let target = Target {
            host: &self.host,
            port: self.port,
            ip_version,
        };
        tunnel::reach(proxy, &addresses, &target, end)
    }

    /// The failure of a connection, in the words of a fetch.
    fn failure(&self, no_way: NoWay) -> Error {
        let mut what = no_way.what;
        if no_way.is_timeout {
            let limit = self.options.connect_timeout_ms;
            what = format!("{what} within connect_timeout_ms ({limit} ms)");
        }
        let error =
            Error::new(Status::Network, format!("cannot reach {}", self.base)).because(what);
        match no_way.advice {
            Some(advice) => error.advise(advice),
            None => error,
        }
    }

    /// The failure of a handshake on such a connection.
    pub fn no_handshake(&self, e: &io::Error) -> Error {
        let no_way = match &self.tls {
            Some(tls) => tls.no_handshake(&self.host, e),
            None => NoWay::new(no_way::words(e)),
        };
        self.failure(no_way)
    }
}

impl std::fmt::Debug for PlatformLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PlatformLink({})", self.base)
    }
}
