//! `wxtoken serve`: a keeper that also hands tokens out. It keeps every account fresh, and gives tokens to the
//! clients of the store over HTTP.
//!
//! The keeper runs in the main thread, with its signals, its log and its reports to the service manager (`keep`).
//! Next to it, the door is a thread that accepts connections, and the threads that connections stay on (`lanes`).
//! Answers from memory are given there. A call of the library that may block runs on a thread of its own, within
//! limits (`work`).
//!
//! The modules, from the outside in: `listener` accepts connections, `tls` shakes hands, `connection` reads requests
//! within limits, and `router` finds the handler. `admission` identifies the client and checks its rights. `native`,
//! `wechat` and `page` answer.

mod activity;
mod address;
mod admission;
mod audit;
mod connection;
mod forward;
mod handed;
mod health;
#[cfg(feature = "fuzzing")]
pub mod in_process;
mod lanes;
mod limits;
mod listener;
mod native;
mod origin;
mod owners;
mod paced;
mod page;
mod problem;
mod router;
mod server;
mod stand_ins;
mod tls;
mod wechat;
mod work;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use wxtoken::tool::{Error, Status, Store};

use self::address::Address;
use self::audit::Audit;
use self::connection::Connections;
use self::lanes::Lanes;
use self::listener::Listener;
use self::server::Server;
use self::tls::Tls;
use crate::args::Serve;
use crate::commands::keep::log::Log;
use crate::commands::keep::{self, Companion};
use crate::exit::{ExitResult, Failure, reason};

/// The time that calls under way have when the server ends.
const DRAIN: Duration = Duration::from_secs(15);
/// Descriptors that are not connections: the store, its locks, fetches.
const OTHER_DESCRIPTORS: u64 = 512;

pub fn run(store: &Arc<Store>, serve: &Serve) -> ExitResult {
    let mut addresses = Vec::new();
    for url in &serve.listen {
        addresses.push(Address::parse(url, serve.allow_plain_http)?);
    }
    let tls = match (&serve.tls_cert, &serve.tls_key) {
        (Some(cert), Some(key)) => {
            Some(Arc::new(Tls::read(cert, key, serve.client_ca.as_deref())?))
        }
        _ => None,
    };
    let needs_tls = addresses.iter().any(|one| matches!(one, Address::Https(_)));
    if needs_tls && tls.is_none() {
        return Err(Failure::usage("https:// needs a certificate")
            .advise("Name its files with --tls-cert and --tls-key."));
    }
    keep::run_with(store, None, |log| {
        Door::open(store.clone(), serve, &addresses, tls, log)
            .map_err(|failure| failure.error().clone())
    })?;
    Ok(0)
}

/// The part of the server that answers calls.
struct Door {
    /// The runtime that accepts connections.
    runtime: Runtime,
    lanes: Arc<Lanes>,
    server: Arc<Server>,
    tls: Option<Arc<Tls>>,
    connections: Arc<Connections>,
    closing: watch::Sender<bool>,
}

impl Door {
    fn open(
        store: Arc<Store>,
        serve: &Serve,
        addresses: &[Address],
        tls: Option<Arc<Tls>>,
        log: &Log,
    ) -> Result<Door, Failure> {
        let most = raise_descriptors().map_or(serve.max_connections, |limit| {
            serve.max_connections.min(room(limit))
        });
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_io()
            .enable_time()
            .build()
            .map_err(|e| Failure::io("start the server's threads", &e))?;
        let audit = Audit::start(serve.audit.as_deref())?;
        let server = Arc::new(Server::new(store, serve, audit, *log));
        let (closing, _) = watch::channel(false);
        let connections = Arc::new(Connections::new(most));
        let door = Door {
            runtime,
            lanes: Arc::new(Lanes::open()?),
            server,
            tls,
            connections,
            closing,
        };
        door.listen(serve, addresses, log)?;
        Ok(door)
    }

    fn listen(&self, serve: &Serve, addresses: &[Address], log: &Log) -> Result<(), Failure> {
        let _entered = self.runtime.enter();
        let mut listeners = listener::passed(self.tls.is_some(), serve.allow_plain_http)?;
        for address in addresses {
            listeners.push(Listener::bind(address, serve.socket_mode)?);
        }
        if listeners.is_empty() {
            return Err(Failure::usage("there is no address to listen on").advise(
                "Name one, such as --listen unix:/run/wxtoken/serve.sock or --listen http://127.0.0.1:8787.",
            ));
        }
        let router = router::of(self.server.clone());
        for listener in listeners {
            log.line(&format!("listening on {}", listener.url()));
            if listener.is_plain_and_open() {
                log.line(&format!(
                    "WARNING: {} is not encrypted: keys and tokens can be read on the way",
                    listener.url()
                ));
            }
            self.runtime.spawn(connection::accept(
                listener,
                self.tls.clone(),
                router.clone(),
                self.connections.clone(),
                self.lanes.clone(),
                self.closing.subscribe(),
            ));
        }
        Ok(())
    }
}

impl Companion for Door {
    fn reload(&self, log: &Log) {
        self.server.audit.reopen();
        self.server.forwarding.reload();
        let Some(tls) = &self.tls else { return };
        match tls.reload() {
            Ok(()) => log.line("read the certificate again"),
            Err(failure) => log.line(&format!(
                "the certificate stays as it was: {}",
                failure.error()
            )),
        }
    }

    fn end(self, log: &Log) {
        let _ = self.closing.send(true);
        let drained = self
            .runtime
            .block_on(async { tokio::time::timeout(DRAIN, self.connections.all_gone()).await });
        if drained.is_err() {
            log.line("some calls are not done: they are cut off");
        }
        self.runtime.shutdown_background();
        self.server.audit.end();
    }
}

/// Raises the soft limit of descriptors to the hard one, since connections are descriptors. Returns the limit after
/// that.
fn raise_descriptors() -> Option<u64> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    // A service may not be allowed to change it.
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => Some(hard),
        Err(_) => Some(soft),
    }
}

fn room(descriptors: u64) -> u32 {
    let room = descriptors
        .saturating_sub(OTHER_DESCRIPTORS)
        .max(descriptors / 2);
    u32::try_from(room).unwrap_or(u32::MAX)
}

/// The failure to use a file or a socket, as an error of the command.
fn unusable(what: &str, e: &std::io::Error) -> Failure {
    Error::new(Status::Argument, format!("cannot {what}"))
        .because(reason(e))
        .into()
}
