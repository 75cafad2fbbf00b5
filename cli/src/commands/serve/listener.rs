//! The sockets on which a server listens: those that it creates, and those that systemd passes.

use std::io;
use std::net::{SocketAddr, TcpStream as StdTcp};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdUnix, UnixStream as StdStream};
use std::path::{Path, PathBuf};

use listenfd::ListenFd;
use tokio::net::{TcpListener, UnixListener};

use super::address::{Address, refuse_plain};
use super::unusable;
use crate::exit::Failure;

pub enum Listener {
    /// A Unix socket and its address. The path is there if the server must remove it.
    Unix(UnixListener, String, Option<PathBuf>),
    Tcp {
        socket: TcpListener,
        address: SocketAddr,
        is_tls: bool,
    },
}

/// A connection that has no thread yet.
pub enum Accepted {
    Unix(StdStream),
    Tcp(StdTcp, SocketAddr),
}

impl Listener {
    pub fn bind(address: &Address, socket_mode: u32) -> Result<Listener, Failure> {
        match address {
            Address::Unix(path) => bind_unix(path, socket_mode)
                .map_err(|e| unusable(&format!("listen on unix:{}", path.display()), &e)),
            Address::Http(at) => bind_tcp(*at, false),
            Address::Https(at) => bind_tcp(*at, true),
        }
    }

    pub fn url(&self) -> String {
        match self {
            Listener::Unix(_, path, _) => format!("unix:{path}"),
            Listener::Tcp {
                address, is_tls, ..
            } => format!("http{}://{address}", if *is_tls { "s" } else { "" }),
        }
    }

    /// Whether others can read the traffic of this listener.
    pub fn is_plain_and_open(&self) -> bool {
        matches!(self, Listener::Tcp { address, is_tls: false, .. } if !address.ip().is_loopback())
    }

    pub fn is_tls(&self) -> bool {
        matches!(self, Listener::Tcp { is_tls: true, .. })
    }

    pub async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Listener::Unix(socket, ..) => Ok(Accepted::Unix(socket.accept().await?.0.into_std()?)),
            Listener::Tcp { socket, .. } => {
                let (stream, peer) = socket.accept().await?;
                // Answers are small, and each is written whole.
                let _ = stream.set_nodelay(true);
                Ok(Accepted::Tcp(stream.into_std()?, peer))
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, _, Some(path)) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn bind_tcp(at: SocketAddr, is_tls: bool) -> Result<Listener, Failure> {
    std::net::TcpListener::bind(at)
        .and_then(|socket| from_tcp(socket, is_tls))
        .map_err(|e| unusable(&format!("listen on {at}"), &e))
}

fn from_tcp(socket: std::net::TcpListener, is_tls: bool) -> io::Result<Listener> {
    socket.set_nonblocking(true)?;
    Ok(Listener::Tcp {
        address: socket.local_addr()?,
        socket: TcpListener::from_std(socket)?,
        is_tls,
    })
}

/// Binds a Unix socket. The socket of a dead server is replaced; that of a living one is not.
fn bind_unix(path: &Path, mode: u32) -> io::Result<Listener> {
    if let Ok(there) = std::fs::symlink_metadata(path)
        && there.file_type().is_socket()
        && let Err(e) = StdStream::connect(path)
        && e.kind() == io::ErrorKind::ConnectionRefused
    {
        std::fs::remove_file(path)?;
    }
    let socket = StdUnix::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    from_unix(socket, path.display().to_string(), Some(path.to_owned()))
}

fn from_unix(socket: StdUnix, name: String, ours: Option<PathBuf>) -> io::Result<Listener> {
    socket.set_nonblocking(true)?;
    Ok(Listener::Unix(UnixListener::from_std(socket)?, name, ours))
}

/// The sockets that systemd passes.
pub fn passed(has_tls: bool, allow_plain_http: bool) -> Result<Vec<Listener>, Failure> {
    let mut from_manager = ListenFd::from_env();
    let mut listeners = Vec::new();
    for at in 0..from_manager.len() {
        let taken = match from_manager.take_unix_listener(at) {
            Ok(Some(socket)) => {
                let name = socket.local_addr().ok();
                let name = name.and_then(|name| Some(name.as_pathname()?.display().to_string()));
                from_unix(socket, name.unwrap_or_default(), None)
            }
            Ok(None) => continue,
            Err(_) => match from_manager.take_tcp_listener(at) {
                Ok(Some(socket)) => from_tcp(socket, has_tls),
                Ok(None) => continue,
                Err(e) => Err(e),
            },
        };
        let listener = taken.map_err(|e| unusable("use a socket that was passed", &e))?;
        if listener.is_plain_and_open() && !allow_plain_http {
            return Err(refuse_plain());
        }
        listeners.push(listener);
    }
    Ok(listeners)
}
