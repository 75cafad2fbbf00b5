//! One connection to the server. It is used for one exchange at a time, and dropped at the first error: a reply that comes late
//! must never be taken for the answer to the next question.
//!
//! A connection belongs to one fork generation. A forked child closes its copy by the descriptor, before it runs
//! (`sys::OwnSocket`). Nobody shuts a connection down: the other side of a fork may use it.

use std::io::{self, BufReader, Write};
use std::time::Instant;

use super::cluster::Node;
use super::resp::{Reply, put_request, read_reply};
use crate::platform::{NoWay, Reach, ServerAddress, ServerStream};

pub struct Link {
    stream: BufReader<ServerStream>,
    /// Whether the server said that it is a master. None where it does not say.
    pub is_master: Option<bool>,
    /// The node of a cluster that it leads to.
    pub node: Option<Node>,
    /// Whether the other end runs scripts; a proxy may not.
    pub has_scripts: bool,
    /// Whether what is asked is for a slot that is on its way to this node, which wants each question announced.
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

    /// Sends requests in one piece, and reads as many replies.
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

    /// Whether the connection is as it was left: nothing has come, not even its end.
    pub fn is_quiet(&self) -> bool {
        self.stream.buffer().is_empty() && !self.stream.get_ref().has_input()
    }
}
