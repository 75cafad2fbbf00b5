//! ureq's way to a host: the first address that answers, a proxy's tunnel, TLS; and no step that waits beyond the deadline.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

use super::no_way::{NoWay, ran_out};
use super::resolver::host_and_port;
use super::tls::Tls;
use super::tunnel::{self, Target};
use crate::clock::Deadline;
use crate::options::IpVersion;
use crate::proxy::Proxy;
use crate::sys::{self, Failpoint, OwnSocket, connect_first};

/// The whole way of one request.
#[derive(Debug)]
pub(super) struct Way {
    pub proxy: Option<Proxy>,
    pub ip_version: IpVersion,
    /// For a host of https://.
    pub tls: Option<Tls>,
    /// The end of the call. No step waits beyond it, whatever limit ureq gives to the step.
    pub by: Deadline,
}

impl Way {
    /// Names the proxy in a failure behind it: it may be the one that answers, or hangs up.
    fn named(&self, mut no_way: NoWay) -> NoWay {
        if let Some(proxy) = &self.proxy {
            no_way.what += &format!(" (through {})", proxy.words());
        }
        no_way
    }
}

impl Connector<()> for Way {
    type Out = Socket;

    fn connect(
        &self,
        details: &ConnectionDetails,
        _chained: Option<()>,
    ) -> Result<Option<Socket>, ureq::Error> {
        let end = end_of(details.timeout, &self.by);
        let (host, port) = host_and_port(details.uri);
        // The resolver gave the proxy's addresses where there is one.
        let wire = match &self.proxy {
            Some(proxy) => {
                let target = Target {
                    host,
                    port,
                    ip_version: self.ip_version,
                };
                tunnel::open(proxy, &details.addrs, &target, end)?
            }
            None => Wire::connect(&details.addrs, end).map_err(|e| match ran_out(&e) {
                true => NoWay::new("no connection").timeout(),
                false => NoWay::io("", &e),
            })?,
        };
        let channel = match &self.tls {
            Some(tls) => match tls.shake_hands(wire, host) {
                Ok(stream) => Channel::Tls(Box::new(stream)),
                Err(no_way) => return Err(self.named(no_way).into()),
            },
            None => Channel::Plain(wire),
        };
        let buffers = LazyBuffers::new(
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        let by = self.by;
        Ok(Some(Socket {
            channel,
            buffers,
            by,
        }))
    }
}

/// A socket whose reads and writes fail at a moment, however they are spread.
#[derive(Debug)]
pub(super) struct Wire {
    socket: OwnSocket,
    end: Instant,
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

/// The system calls a time limit “would block”. rustls takes that for a socket that does not block, and ends a handshake that
/// has read anything as if it were done.
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

/// When a step is to end that has this limit. The limit that ureq calls “not happening” would overflow a clock.
fn end_of(timeout: NextTimeout, by: &Deadline) -> Instant {
    Instant::now() + by.left().min(*timeout.after)
}

/// How much is left of the time; an error when nothing is.
pub(super) fn left(end: Instant) -> io::Result<Duration> {
    match end.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

enum Channel {
    Plain(Wire),
    Tls(Box<StreamOwned<ClientConnection, Wire>>),
}

/// A connection for one request.
pub(super) struct Socket {
    channel: Channel,
    buffers: LazyBuffers,
    by: Deadline,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

impl Socket {
    fn ends(&mut self, timeout: NextTimeout) {
        let end = end_of(timeout, &self.by);
        let wire = match &mut self.channel {
            Channel::Plain(wire) => wire,
            Channel::Tls(tls) => &mut tls.sock,
        };
        wire.end = end;
    }
}

fn told(e: io::Error, timeout: NextTimeout) -> ureq::Error {
    match ran_out(&e) {
        true => ureq::Error::Timeout(timeout.reason),
        false => e.into(),
    }
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let timeout = timeout.for_write();
        self.ends(timeout);
        let output = &self.buffers.output()[..amount];
        let sent = match &mut self.channel {
            Channel::Plain(wire) => wire.write_all(output),
            // rustls keeps an error of its last write to itself until it is flushed.
            Channel::Tls(tls) => tls.write_all(output).and_then(|()| tls.flush()),
        };
        sent.map_err(|e| told(e, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let timeout = timeout.for_read();
        self.ends(timeout);
        let input = self.buffers.input_append_buf();
        let received = match &mut self.channel {
            Channel::Plain(wire) => wire.read(input),
            Channel::Tls(tls) => tls.read(input),
        };
        let amount = received.map_err(|e| told(e, timeout))?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    /// It is never used for a second request.
    fn is_open(&mut self) -> bool {
        false
    }

    fn is_tls(&self) -> bool {
        matches!(self.channel, Channel::Tls(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use ureq::unversioned::transport::time;

    /// A limit that ureq gives anew to each wait of a loop, or that it has forgotten.
    #[test]
    fn no_wait_goes_beyond_the_end_of_the_call() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        let channel = Channel::Plain(Wire::connect(&[address], end).unwrap());
        let buffers = LazyBuffers::new(1024, 1024);
        let by = Deadline::after(50);
        let mut socket = Socket {
            channel,
            buffers,
            by,
        };
        for after in [
            time::Duration::NotHappening,
            Duration::from_secs(3600).into(),
        ] {
            let timeout = NextTimeout {
                after,
                ..NextTimeout::default()
            };
            let waited = socket.await_input(timeout);
            assert!(matches!(waited, Err(ureq::Error::Timeout(_))), "{waited:?}");
        }
    }
}
