//! The listeners. All are on loopback and bound before the first is served. Each connection is a task.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use crate::{
    bad_tls,
    connection::{self, Stream},
    control, peers, proxy,
    service::Door,
    simulator::{Endpoints, Options},
    tls::Certificates,
    world::Shared,
};

/// Large enough for a burst of a few hundred clients.
const BACKLOG: i32 = 1024;

/// The bound listeners.
pub struct Doors {
    http: StdListener,
    https: StdListener,
    control: StdListener,
    proxy: StdListener,
    redirect_target: StdListener,
    reset_handshake: StdListener,
    bad_tls: Vec<(&'static str, StdListener)>,
}

impl Doors {
    /// Binds all. An error names the address.
    pub fn bind(options: &Options, certificates: &Certificates) -> io::Result<Doors> {
        let free = SocketAddr::new(options.tls_listen.ip(), 0);
        let bad = certificates
            .bad
            .iter()
            .map(|(name, _)| Ok((*name, bind(free)?)));
        Ok(Doors {
            http: bind(options.listen)?,
            https: bind(options.tls_listen)?,
            control: bind(options.control)?,
            proxy: bind(free)?,
            redirect_target: bind(free)?,
            reset_handshake: bind(free)?,
            bad_tls: bad.collect::<io::Result<_>>()?,
        })
    }

    /// The addresses of the listeners.
    pub fn endpoints(&self, ca_file: PathBuf) -> io::Result<Endpoints> {
        let url = |scheme: &str, door: &StdListener| {
            Ok::<_, io::Error>(format!("{scheme}://{}", door.local_addr()?))
        };
        let bad = self
            .bad_tls
            .iter()
            .map(|(name, door)| Ok((name.to_string(), url("https", door)?)));
        Ok(Endpoints {
            http: url("http", &self.http)?,
            https: url("https", &self.https)?,
            control: url("http", &self.control)?,
            proxy: url("http", &self.proxy)?,
            ca_file,
            pid: std::process::id(),
            bad_tls: bad.collect::<io::Result<_>>()?,
            reset_handshake: url("https", &self.reset_handshake)?,
            redirect_target: url("http", &self.redirect_target)?,
        })
    }

    /// Starts to accept connections. Must be called on the runtime.
    pub fn open(self, shared: &Shared, certificates: Certificates, log: bool) -> io::Result<()> {
        let https = self.https.local_addr()?;
        let world = shared.clone();
        accept(self.http, move |tcp, peer| {
            enter(world.clone(), tcp, peer, Door::Http, None, log)
        })?;
        let (world, config) = (shared.clone(), certificates.server);
        accept(self.https, move |tcp, peer| {
            enter(
                world.clone(),
                tcp,
                peer,
                Door::Https,
                Some(config.clone()),
                log,
            )
        })?;
        let world = shared.clone();
        accept(self.redirect_target, move |tcp, peer| {
            connection::serve(
                world.clone(),
                Stream::Plain(tcp),
                peer,
                Door::RedirectTarget,
                log,
            )
        })?;
        let world = shared.clone();
        accept(self.control, move |tcp, _| {
            control::serve(world.clone(), tcp)
        })?;
        let world = shared.clone();
        accept(self.proxy, move |tcp, _| {
            proxy::serve(world.clone(), tcp, https)
        })?;
        let world = shared.clone();
        accept(self.reset_handshake, move |tcp, _| {
            bad_tls::reset_handshake(world.clone(), tcp)
        })?;
        for ((name, door), (_, config)) in self.bad_tls.into_iter().zip(certificates.bad) {
            let world = shared.clone();
            accept(door, move |tcp, _| {
                bad_tls::serve(world.clone(), tcp, name, config.clone())
            })?;
        }
        Ok(())
    }
}

fn bind(address: SocketAddr) -> io::Result<StdListener> {
    let told = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    };
    if !address.ip().is_loopback() {
        let message =
            format!("refusing to listen on {address}: the simulator is for loopback only");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).map_err(told)?;
    socket.set_reuse_address(true).map_err(told)?;
    socket.bind(&address.into()).map_err(told)?;
    socket.listen(BACKLOG).map_err(told)?;
    socket.set_nonblocking(true).map_err(told)?;
    Ok(socket.into())
}

/// Accepts connections for as long as the runtime lives. Each connection is a task.
fn accept<T>(
    door: StdListener,
    serve: impl Fn(TcpStream, SocketAddr) -> T + Send + 'static,
) -> io::Result<()>
where
    T: Future<Output = ()> + Send + 'static,
{
    let door = TcpListener::from_std(door)?;
    tokio::spawn(async move {
        loop {
            match door.accept().await {
                Ok((tcp, peer)) => {
                    // Without it, a reply in several writes waits for the client's delayed ACK.
                    let _ = tcp.set_nodelay(true);
                    drop(tokio::spawn(serve(tcp, peer)));
                }
                // No descriptor is free: wait for some connections to end.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    });
    Ok(())
}

fn count(shared: &Shared, peer: SocketAddr) {
    let by_uid = shared.lock().switches.peer_uids;
    // Looked up before anything is answered, while the peer certainly still has its end open.
    let uid = by_uid.then(|| peers::uid(peer).map_or("unknown".into(), |uid| uid.to_string()));
    let counters = &mut shared.lock().tally.all;
    counters.connections += 1;
    if let Some(uid) = uid {
        *counters.connections_by_uid.entry(uid).or_default() += 1;
    }
}

async fn enter(
    shared: Shared,
    tcp: TcpStream,
    peer: SocketAddr,
    door: Door,
    config: Option<Arc<ServerConfig>>,
    log: bool,
) {
    count(&shared, peer);
    let stream = match config {
        None => Stream::Plain(tcp),
        Some(config) => match TlsAcceptor::from(config).accept(tcp).await {
            Ok(tls) => Stream::Tls(Box::new(tls)),
            Err(_) => return,
        },
    };
    connection::serve(shared, stream, peer, door, log).await;
}
