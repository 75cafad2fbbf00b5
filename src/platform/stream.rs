//! A connection, plain or by TLS, whose reads and writes end at a given moment.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};

use crate::sys::{self, Failpoint, OwnSocket, connect_first};

/// A socket whose reads and writes fail after a moment, however many there are.
#[derive(Debug)]
pub(super) struct Wire {
    pub socket: OwnSocket,
    pub end: Instant,
}

impl Wire {
    pub fn connect(addresses: &[SocketAddr], end: Instant) -> io::Result<Wire> {
        let left = left(end)?;
        let stream = connect_first(addresses, left)?;
        stream.set_nodelay(true)?;
        let socket = OwnSocket::of(stream)?;
        Ok(Wire { socket, end })
    }
}

/// Reports a time limit as a timeout. The system reports it as “would block”. rustls takes that for a non-blocking
/// socket, and ends a handshake that has read anything as if it were done.
fn out_of_time(e: io::Error) -> io::Error {
    match e.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => e,
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut stream = self.socket.get()?;
            stream.set_read_timeout(Some(left(self.end)?))?;
            match stream.read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                read => return read.map_err(out_of_time),
            }
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let mut stream = self.socket.get()?;
            stream.set_write_timeout(Some(left(self.end)?))?;
            sys::hit_failpoint(Failpoint::Sending);
            match stream.write(bytes) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                written => return written.map_err(out_of_time),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The time that is left until `end`. Fails if none is left.
pub(super) fn left(end: Instant) -> io::Result<Duration> {
    match end.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

/// A connection, plain or by TLS.
pub(super) enum Channel {
    Plain(Wire),
    Tls(Box<StreamOwned<ClientConnection, Wire>>),
}

/// A connection whose time limit can be moved.
pub(super) trait Timed: Read + Write + Send + Sync + 'static {
    /// Makes reads and writes fail from this moment on.
    fn ends(&mut self, end: Instant);

    fn is_tls(&self) -> bool;
}

impl Timed for Channel {
    fn ends(&mut self, end: Instant) {
        self.wire_mut().end = end;
    }

    fn is_tls(&self) -> bool {
        matches!(self, Channel::Tls(_))
    }
}

impl Channel {
    fn wire_mut(&mut self) -> &mut Wire {
        match self {
            Channel::Plain(wire) => wire,
            Channel::Tls(tls) => &mut tls.sock,
        }
    }
}

impl Read for Channel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Channel::Plain(wire) => wire.read(buffer),
            Channel::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Channel::Plain(wire) => wire.write(bytes),
            Channel::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Channel::Plain(wire) => wire.flush(),
            // rustls holds back an error of its last write until it is flushed.
            Channel::Tls(tls) => tls.flush(),
        }
    }
}
