//! One connection to the server. It serves one exchange at a time, and is dropped at the first error. So a late reply
//! is never taken for the answer to the next question.
//!
//! A connection belongs to one fork generation. A forked child closes its copy of the descriptor before it does
//! anything else (`sys::OwnSocket`). No process shuts a connection down, because the other side of a fork may use it.

use std::io::{self, BufReader, Write};
use std::time::Instant;

use super::cluster::Node;
use super::resp::{Reply, put_request, read_reply};
use crate::platform::{NoWay, Reach, ServerAddress, ServerStream};

pub struct Link {
    stream: BufReader<ServerStream>,
    /// Whether the server says that it is a master. None if it does not say.
    pub is_master: Option<bool>,
    /// The node of a cluster at the other end.
    pub node: Option<Node>,
    /// Whether the other end runs scripts. A proxy may not.
    pub has_scripts: bool,
    /// Whether the questions are for a slot that is being moved to this node, which then wants ASKING before each.
    pub is_asking: bool,
}

impl Link {
    pub fn connect(address: &ServerAddress, reach: &Reach, end: Instant) -> Result<Link, NoWay> {
        let stream = ServerStream::connect(address, reach, end)?;
        Ok(Link {
            stream: BufReader::with_capacity(4096, stream),
            is_master: None,
            node: None,
            has_scripts: true,
            is_asking: false,
        })
    }

    /// Sends all requests in one piece, and reads as many replies.
    pub fn exchange(&mut self, requests: &[Vec<Vec<u8>>], end: Instant) -> io::Result<Vec<Reply>> {
        let mut out = Vec::new();
        for request in requests {
            if self.is_asking {
                put_request([b"ASKING".as_slice()].into_iter(), &mut out);
            }
            put_request(request.iter().map(Vec::as_slice), &mut out);
        }
        let wire = self.stream.get_mut();
        wire.ends(end);
        wire.write_all(&out)?;
        wire.flush()?;
        let mut replies = Vec::new();
        for _ in requests {
            if self.is_asking {
                read_reply(&mut self.stream)?;
            }
            replies.push(read_reply(&mut self.stream)?);
        }
        Ok(replies)
    }

    /// Whether nothing has arrived since the last exchange, not even the end of the connection.
    pub fn is_quiet(&self) -> bool {
        self.stream.buffer().is_empty() && !self.stream.get_ref().has_input()
    }
}
