//! The way to a server that is not a platform's host: the server of a store.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Instant;

use super::no_way::NoWay;
use super::resolver::Host;
use super::stream::{Channel, Timed, Wire, left};
use super::tls::Tls;
use crate::options::IpVersion;
use crate::sys::{OwnSocket, connect_unix, has_input};

/// A connection to the server. std reads and writes a socket in the file system as it does one of TCP.
pub struct ServerStream(Channel);

/// The address of a server.
pub enum ServerAddress<'a> {
    Tcp { host: &'a str, port: u16 },
    Unix(&'a Path),
}

/// The settings of a connection to a server, besides its address.
pub struct Reach<'a> {
    pub ip_version: IpVersion,
    /// The settings of TLS. None is a connection in plain text.
    pub tls: Option<&'a Tls>,
}

impl ServerStream {
    /// Connects before `end`, including the name look-up and the handshake of TLS.
    pub fn connect(
        address: &ServerAddress,
        reach: &Reach,
        end: Instant,
    ) -> Result<ServerStream, NoWay> {
        let not_reached = |e: io::Error| NoWay::no_connection(&e);
        let within = left(end).map_err(not_reached)?;
        let (wire, name) = match address {
            ServerAddress::Tcp { host, port } => {
                let looked_up = Host {
                    name: host,
                    is_proxy: false,
                };
                let addresses = looked_up.addresses(*port, reach.ip_version, within)?;
                (Wire::connect(&addresses, end), *host)
            }
            ServerAddress::Unix(path) => (
                connect_unix(path, within)
                    .and_then(OwnSocket::of)
                    .map(|socket| Wire { socket, end }),
                "",
            ),
        };
        let wire = wire.map_err(not_reached)?;
        Ok(ServerStream(match reach.tls {
            Some(tls) => Channel::Tls(Box::new(tls.shake_hands(wire, name)?)),
            None => Channel::Plain(wire),
        }))
    }

    /// Makes reads and writes fail from this moment on.
    pub fn ends(&mut self, end: Instant) {
        self.0.ends(end);
    }

    pub(super) fn is_tls(&self) -> bool {
        self.0.is_tls()
    }

    /// Whether unread input has arrived. The end of the connection counts as input.
    pub fn has_input(&self) -> bool {
        let wire = match &self.0 {
            Channel::Plain(wire) => wire,
            Channel::Tls(tls) => &tls.sock,
        };
        wire.socket
            .get()
            .map_or(true, |stream| has_input(stream.as_fd()))
    }
}

impl Read for ServerStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for ServerStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl fmt::Debug for ServerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerStream")
    }
}
