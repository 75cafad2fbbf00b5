//! ureq's way to a host: the first of its addresses that answers, and no step that waits beyond the deadline.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ureq::Timeout;
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout,
    RustlsConnector, Transport,
};

use crate::sys::connect_first;

/// The whole way: a proxy where one is set, a socket, TLS.
pub(super) fn connector() -> impl Connector<(), Out = impl Transport> {
    ().chain(ConnectProxyConnector::default())
        .chain(SocketConnector)
        .chain(RustlsConnector::default())
}

#[derive(Debug)]
struct SocketConnector;

impl<In: Transport> Connector<In> for SocketConnector {
    type Out = Either<In, Socket>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        // A proxy has connected.
        if let Some(chained) = chained {
            return Ok(Some(Either::A(chained)));
        }
        let connected = connect_first(&details.addrs, within(details.timeout));
        let stream = connected.map_err(|e| told(e, details.timeout.reason))?;
        stream.set_nodelay(details.config.no_delay())?;
        let sizes = (
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        Ok(Some(Either::B(Socket {
            stream,
            buffers: LazyBuffers::new(sizes.0, sizes.1),
        })))
    }
}

/// A connection for one request.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    buffers: LazyBuffers,
}

/// How long a step may take. A request always has a limit; what ureq calls “not happening” would overflow a clock.
fn within(timeout: NextTimeout) -> Duration {
    const LONGEST: Duration = Duration::from_secs(86_400);
    LONGEST.min(*timeout.after)
}

fn end_of(timeout: NextTimeout) -> Instant {
    Instant::now() + within(timeout)
}

/// How much of a timeout is left; an error when nothing is.
fn left(end: Instant) -> io::Result<Option<Duration>> {
    match end.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(Some(left)),
    }
}

fn told(e: io::Error, reason: Timeout) -> ureq::Error {
    match e.kind() {
        // What a socket with a time limit says.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ureq::Error::Timeout(reason),
        _ => e.into(),
    }
}

impl Socket {
    fn send(&mut self, amount: usize, end: Instant) -> io::Result<()> {
        let mut sent = 0;
        while sent < amount {
            self.stream.set_write_timeout(left(end)?)?;
            match self.stream.write(&self.buffers.output()[sent..amount]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(some) => sent += some,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn receive(&mut self, end: Instant) -> io::Result<usize> {
        loop {
            self.stream.set_read_timeout(left(end)?)?;
            match self.stream.read(self.buffers.input_append_buf()) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let timeout = timeout.for_write();
        let sent = self.send(amount, end_of(timeout));
        sent.map_err(|e| told(e, timeout.reason))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let timeout = timeout.for_read();
        let received = self.receive(end_of(timeout));
        let amount = received.map_err(|e| told(e, timeout.reason))?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    /// It is never used for a second request.
    fn is_open(&mut self) -> bool {
        false
    }
}
