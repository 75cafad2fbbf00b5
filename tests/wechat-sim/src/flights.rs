//! The token requests being answered now, so that a test can say "never two at once".
//!
//! A killed client is no longer in flight, even if its task has not noticed yet. Before each new request is counted,
//! the sockets of the others are checked. Flights are facts, not counts, so they survive a reset.

use std::mem::MaybeUninit;

use socket2::{SockRef, Socket};
use tokio::net::TcpStream;

/// The open flights.
#[derive(Debug, Default)]
pub struct Flights {
    next: u64,
    open: Vec<Flight>,
}

#[derive(Debug)]
struct Flight {
    key: u64,
    id: Option<String>,
    /// A second descriptor of the connection; `None` if none was free.
    socket: Option<Socket>,
}

impl Flights {
    /// Begins a request of that id. Returns the key for `end`.
    pub fn begin(&mut self, id: Option<&str>, tcp: &TcpStream) -> u64 {
        self.open.retain(|flight| !flight.is_abandoned());
        self.next += 1;
        let socket = SockRef::from(tcp).try_clone().ok();
        self.open.push(Flight {
            key: self.next,
            id: id.map(str::to_owned),
            socket,
        });
        self.next
    }

    /// Ends a flight. Must be called before the connection is closed, because the second descriptor would keep it open.
    pub fn end(&mut self, key: u64) {
        self.open.retain(|flight| flight.key != key);
    }

    /// The number of flights.
    pub fn count(&self) -> u64 {
        self.open.len() as u64
    }

    /// The number of flights of an id.
    pub fn count_of(&self, id: &str) -> u64 {
        self.open
            .iter()
            .filter(|flight| flight.id.as_deref() == Some(id))
            .count() as u64
    }
}

impl Flight {
    fn is_abandoned(&self) -> bool {
        let peeked = self
            .socket
            .as_ref()
            .map(|socket| socket.peek(&mut [MaybeUninit::uninit()]));
        match peeked {
            Some(Ok(read)) => read == 0,
            Some(Err(error)) => error.kind() != std::io::ErrorKind::WouldBlock,
            None => false,
        }
    }
}
