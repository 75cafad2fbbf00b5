//! Connections to the platforms. They are kept for the next call, made like those of a fetch, and limited by turns.
//! Each thread of connections has its own, so that none moves from one thread to another.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::ThreadId;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tower_service::Service;
use wxtoken::tool::{Error, PlatformLink, Status, Store, WechatHost};

use super::super::work::CONNECTS;

/// The longest idle time of a connection. It is shorter than the platforms' own.
const IDLE: Duration = Duration::from_secs(20);
/// The most idle connections that a thread keeps to a host.
const MOST_IDLE: usize = 32;

pub struct Upstream {
    store: Arc<Store>,
    connects: Arc<Semaphore>,
    /// Clients by the thread that uses them and by host.
    clients: Mutex<HashMap<(ThreadId, WechatHost), HttpClient>>,
    ways: Mutex<HashMap<WechatHost, Arc<Way>>>,
}

type HttpClient = Client<Connector, Body>;

impl Upstream {
    pub fn of(store: Arc<Store>) -> Upstream {
        Upstream {
            store,
            connects: Arc::new(Semaphore::new(CONNECTS)),
            clients: Mutex::default(),
            ways: Mutex::default(),
        }
    }

    /// The host's own URL, to which a path is appended.
    pub fn base_url(&self, host: WechatHost) -> Result<String, Error> {
        Ok(self.way(host)?.base_url.clone())
    }

    /// Sends a request whose URL belongs to that host, and waits for the head of its answer.
    pub async fn send(
        &self,
        host: WechatHost,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, Error> {
        let client = self.client(host)?;
        let sent = client.request(request).await;
        sent.map_err(|e| failure(host, &e))
    }

    /// Makes the next calls read the certificates of `ca_file` again and use new connections.
    pub fn forget(&self) {
        let of_clients = self.clients.lock();
        of_clients.unwrap_or_else(PoisonError::into_inner).clear();
        let of_ways = self.ways.lock();
        of_ways.unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn client(&self, host: WechatHost) -> Result<HttpClient, Error> {
        let key = (std::thread::current().id(), host);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let connector = Connector {
            way: self.way(host)?,
            connects: self.connects.clone(),
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MOST_IDLE)
            .build(connector);
        clients.insert(key, client);
        Ok(clients[&key].clone())
    }

    fn way(&self, host: WechatHost) -> Result<Arc<Way>, Error> {
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(way) = ways.get(&host) {
            return Ok(way.clone());
        }
        let option = host.option();
        let urls = self.store.base_urls();
        let found = urls.into_iter().find(|(name, _)| *name == option);
        let base_url = found.map(|(_, url)| url).unwrap_or_default();
        let way = Arc::new(Way {
            link: self.store.link(&base_url)?,
            base_url,
        });
        ways.insert(host, way.clone());
        Ok(way)
    }
}

struct Way {
    base_url: String,
    link: PlatformLink,
}

impl Way {
    async fn connect(self: Arc<Way>, connects: Arc<Semaphore>) -> Result<Wire, Error> {
        let ended = |_| Error::new(Status::Internal, "the server ends");
        let turn = connects.acquire_owned().await.map_err(|_| ended(()))?;
        let way = self.clone();
        let connected = tokio::task::spawn_blocking(move || {
            // The thread has its turn until it ends, even if the caller leaves.
            let _turn = turn;
            way.link.connect()
        });
        let connected = connected.await;
        let stream = connected.map_err(|_| ended(()))??;
        let broken = |e: io::Error| self.link.no_handshake(&e);
        stream.set_nonblocking(true).map_err(broken)?;
        let stream = TcpStream::from_std(stream).map_err(broken)?;
        let Some(tls) = self.link.tls() else {
            return Ok(TokioIo::new(Box::new(stream)));
        };
        let name = ServerName::try_from(self.link.host().to_owned());
        let name = name.map_err(|_| broken(io::ErrorKind::InvalidInput.into()))?;
        let shaken = TlsConnector::from(tls).connect(name, stream);
        match tokio::time::timeout(self.link.limit(), shaken).await {
            Ok(Ok(stream)) => Ok(TokioIo::new(Box::new(stream))),
            Ok(Err(e)) => Err(broken(e)),
            Err(_) => Err(broken(io::ErrorKind::TimedOut.into())),
        }
    }
}

/// A connection, plain or by TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}
type Wire = TokioIo<Box<dyn Stream>>;

impl Connection for Box<dyn Stream> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

#[derive(Clone)]
struct Connector {
    way: Arc<Way>,
    connects: Arc<Semaphore>,
}

impl Service<Uri> for Connector {
    type Response = Wire;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Wire, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(self.way.clone().connect(self.connects.clone()))
    }
}

/// The failure of the connection, or else of the request. The client's own error may hold the request.
fn failure(host: WechatHost, e: &hyper_util::client::legacy::Error) -> Error {
    let mut cause = std::error::Error::source(e);
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref::<Error>() {
            return error.clone();
        }
        if let Some(e) = inner.downcast_ref::<hyper::Error>() {
            let why = match () {
                () if e.is_parse() => "its answer is not HTTP",
                () if e.is_body_write_aborted() || e.is_user() => "the request was not sent whole",
                () => "it broke the connection off",
            };
            let status = if e.is_parse() {
                Status::Reply
            } else {
                Status::Network
            };
            return Error::new(status, format!("no answer from {}", host.name())).because(why);
        }
        cause = inner.source();
    }
    Error::new(Status::Network, format!("no answer from {}", host.name()))
}
