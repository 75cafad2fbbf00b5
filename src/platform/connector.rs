//! The way to a host for ureq: the first address that answers, a proxy's tunnel, and TLS. No step waits beyond the
//! deadline.

use std::fmt;
use std::io;
use std::time::Instant;

use ureq::config::Config;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

use super::no_way::{NoWay, ran_out};
use super::resolver::host_and_port;
use super::stream::{Channel, Timed};
use super::tls::Tls;
use super::tunnel::{self, Target};
use crate::clock::Deadline;
use crate::options::IpVersion;
use crate::proxy::Proxy;

/// The settings of one request's connection.
#[derive(Debug)]
pub(super) struct Way {
    pub proxy: Option<Proxy>,
    pub ip_version: IpVersion,
    /// The settings of TLS, for a host of https://.
    pub tls: Option<Tls>,
    /// The deadline of the call. No step waits beyond it, whatever limit ureq gives to the step.
    pub by: Deadline,
}

impl Way {
    /// Names the proxy in a failure that comes from behind it. The proxy itself may be what answers or hangs up.
    fn named(&self, mut no_way: NoWay) -> NoWay {
        if let Some(proxy) = &self.proxy {
            no_way.what += &format!(" (through {})", proxy.words());
        }
        no_way
    }
}

impl Connector<()> for Way {
    type Out = Socket<Channel>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        _chained: Option<()>,
    ) -> Result<Option<Socket<Channel>>, ureq::Error> {
        let end = end_of(details.timeout, &self.by);
        let (host, port) = host_and_port(details.uri);
        // If there is a proxy, `details.addrs` are its addresses.
        let target = Target {
            host,
            port,
            ip_version: self.ip_version,
        };
        let wire = tunnel::reach(self.proxy.as_ref(), &details.addrs, &target, end)?;
        let channel = match &self.tls {
            Some(tls) => match tls.shake_hands(wire, host) {
                Ok(stream) => Channel::Tls(Box::new(stream)),
                Err(no_way) => return Err(self.named(no_way).into()),
            },
            None => Channel::Plain(wire),
        };
        Ok(Some(Socket::new(channel, details.config, self.by)))
    }
}

/// The end of a step with this limit. ureq's limit “not happening” alone would overflow a clock.
fn end_of(timeout: NextTimeout, by: &Deadline) -> Instant {
    Instant::now() + by.left().min(*timeout.after)
}

/// A connection for one request.
pub(super) struct Socket<C> {
    channel: C,
    buffers: LazyBuffers,
    by: Deadline,
}

impl<C> fmt::Debug for Socket<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

impl<C: Timed> Socket<C> {
    pub fn new(channel: C, config: &Config, by: Deadline) -> Socket<C> {
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Socket {
            channel,
            buffers,
            by,
        }
    }

    fn ends(&mut self, timeout: NextTimeout) {
        self.channel.ends(end_of(timeout, &self.by));
    }
}

fn told(e: io::Error, timeout: NextTimeout) -> ureq::Error {
    match ran_out(&e) {
        true => ureq::Error::Timeout(timeout.reason),
        false => e.into(),
    }
}

impl<C: Timed> Transport for Socket<C> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let timeout = timeout.for_write();
        self.ends(timeout);
        let output = &self.buffers.output()[..amount];
        let sent = self.channel.write_all(output);
        sent.and_then(|()| self.channel.flush())
            .map_err(|e| told(e, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let timeout = timeout.for_read();
        self.ends(timeout);
        let input = self.buffers.input_append_buf();
        let amount = self.channel.read(input).map_err(|e| told(e, timeout))?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    /// A connection serves one request only.
    fn is_open(&mut self) -> bool {
        false
    }

    fn is_tls(&self) -> bool {
        self.channel.is_tls()
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::Wire;
    use super::*;
    use std::net::TcpListener;
    use std::time::Duration;
    use ureq::unversioned::transport::time;

    /// ureq may give a fresh limit to each wait of a loop, or forget one.
    #[test]
    fn no_wait_goes_beyond_the_end_of_the_call() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        let channel = Channel::Plain(Wire::connect(&[address], end).unwrap());
        let mut socket = Socket::new(channel, &Config::default(), Deadline::after(50));
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
