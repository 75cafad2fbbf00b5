//! A store in a cluster. Each key lies on some node. A node that has it not says which one has.
//!
//! This client keeps no map of slots. Each question has one key and goes first to the node that answered for that key
//! last. MOVED and ASK are followed. A node that does not answer is forgotten, and another one is asked who has its
//! keys now.
//!
//! The clock of the store is the clock of the node that has the store's mark, because nodes are different hosts with
//! different clocks.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use super::converse::Said;
use super::link::Link;
use super::meta::meta_key;
use super::question::{
    Broken, Question, Role, Trouble, has_replicas, is_master, is_timeout, replica, words,
};
use super::refusal::Refusal;
use super::resp::Reply;
use super::script::GET;
use super::server::{PATIENCE, SILENCE, Server};
use crate::clock::Deadline;
use crate::platform::ServerAddress;
use crate::sync::lock;

/// A node's host and port.
pub type Node = (String, u16);

/// The longest wait for one node, which may be down.
const NODE: Duration = Duration::from_millis(1000);
/// The pause before a changing cluster is asked again.
const AGAIN: Duration = Duration::from_millis(25);
/// The number of keys whose node is remembered.
const MOST_KEYS: usize = 16_384;

/// The nodes of a cluster, as this process knows them.
#[derive(Default)]
pub struct Nodes {
    /// The node that has each key.
    of_keys: HashMap<String, Node>,
    /// Every node that was heard of, besides those of the URL.
    heard_of: Vec<Node>,
    /// The position, among all nodes, of the one to ask next about a key whose node is unknown.
    next: usize,
}

impl Nodes {
    fn note(&mut self, key: &str, node: &Node) {
        if !self.heard_of.contains(node) {
            self.heard_of.push(node.clone());
        }
        if self.of_keys.len() >= MOST_KEYS {
            self.of_keys.clear();
        }
        self.of_keys.insert(key.into(), node.clone());
    }

    /// Forgets a node that does not answer. Its keys may be on another node by now.
    fn forget(&mut self, gone: &Node) {
        self.of_keys.retain(|_, node| node != gone);
        self.heard_of.retain(|node| node != gone);
        self.next = self.next.wrapping_add(1);
    }

    fn of(&self, key: &str) -> Option<Node> {
        self.of_keys.get(key).cloned()
    }

    /// A node to ask about a key whose node is unknown.
    fn any(&self, seeds: &[Node]) -> Option<Node> {
        let others = self.heard_of.iter().filter(|node| !seeds.contains(node));
        let all: Vec<&Node> = seeds.iter().chain(others).collect();
        let place = self.next.checked_rem(all.len())?;
        Some(all[place].clone())
    }
}

/// The node to which another one sends a question.
struct Sent {
    to: Node,
    /// Whether this holds for one question only, because the slot is being moved there.
    is_once: bool,
}

/// The outcome of asking one node.
enum Turn {
    Values(Vec<Reply>),
    Sent(Sent),
    /// The cluster is changing, so the question is asked again.
    Wait(Trouble),
}

impl Server {
    /// Asks each question of the node that has its key.
    pub(super) fn ask_cluster(
        &self,
        seeds: &[Node],
        questions: &[Question],
        role: Role,
        by: &Deadline,
        doing: &str,
    ) -> Result<Vec<Vec<Reply>>, Trouble> {
        if let Some(why) = self.known_as_away() {
            return Err(Trouble::Away(why));
        }
        let began = Instant::now();
        let way = Way {
            server: self,
            seeds,
            role,
            by,
            began,
            end: began + by.left().min(PATIENCE),
            doing,
        };
        let key = meta_key(&self.url.prefix);
        let mark = way.ask(&Question::script(&GET, &key, &[]))?;
        let mark = match mark.into_iter().next() {
            Some(Reply::Bulk(bytes)) if !bytes.is_empty() => Reply::Bulk(bytes),
            _ => Reply::Nothing,
        };
        way.check_mark(mark, &key)?;
        let mut given = Vec::new();
        for question in questions {
            given.push(way.ask(question)?);
        }
        Ok(given)
    }

    /// Whether an answer about this key carries the time of the store.
    pub(super) fn tells_the_time(&self, key: &str) -> bool {
        !self.is_cluster() || key == meta_key(&self.url.prefix)
    }
}

/// The parameters of one call on a cluster.
struct Way<'a> {
    server: &'a Server,
    seeds: &'a [Node],
    role: Role,
    by: &'a Deadline,
    began: Instant,
    end: Instant,
    doing: &'a str,
}

impl Way<'_> {
    fn ask(&self, question: &Question) -> Result<Vec<Reply>, Trouble> {
        let mut sent = None;
        let mut tries = 0;
        loop {
            tries += 1;
            let (node, is_once) = self.node_for(question.key(), sent.take())?;
            let turn = match self.link_to(&node) {
                Ok(mut link) => {
                    let turn = self.turn(&mut link, question, &node, is_once);
                    if matches!(turn, Ok(Turn::Values(_) | Turn::Sent(_))) {
                        self.server.keep(link);
                    }
                    turn
                }
                Err(trouble) => Err(Broken::Refused(trouble)),
            };
            let trouble = match turn {
                Ok(Turn::Values(values)) => {
                    if !is_once {
                        lock(&self.server.nodes).note(question.key(), &node);
                    }
                    return Ok(values);
                }
                Ok(Turn::Sent(other)) => {
                    if !other.is_once {
                        lock(&self.server.nodes).note(question.key(), &other.to);
                    }
                    sent = Some(other);
                    // Two nodes may send to each other, so the tries are limited.
                    if tries < 16 {
                        continue;
                    }
                    Trouble::Away(self.server.lost(
                        &io::ErrorKind::TimedOut.into(),
                        self.by,
                        self.doing,
                    ))
                }
                Ok(Turn::Wait(trouble)) => trouble,
                Err(Broken::Refused(Trouble::Refused(refusal, error))) => {
                    return Err(Trouble::Refused(refusal, error));
                }
                Err(Broken::Refused(trouble)) => trouble,
                Err(Broken::Lost(e)) => Trouble::Away(self.server.lost(&e, self.by, self.doing)),
            };
            // The node is gone, or is not the right one any more.
            lock(&self.server.nodes).forget(&node);
            if Instant::now() + AGAIN >= self.end {
                if let Trouble::Away(error) = &trouble
                    && self.began.elapsed() >= SILENCE
                {
                    self.server.note_away(error);
                }
                return Err(trouble);
            }
            std::thread::sleep(AGAIN);
        }
    }

    /// The node to ask for a key, and whether it is asked this once only.
    fn node_for(&self, key: &str, sent: Option<Sent>) -> Result<(Node, bool), Trouble> {
        if let Some(Sent { to, is_once }) = sent {
            return Ok((to, is_once));
        }
        let nodes = lock(&self.server.nodes);
        let node = nodes.of(key).or_else(|| nodes.any(self.seeds));
        let unnamed = || {
            self.server
                .lost(&io::ErrorKind::InvalidData.into(), self.by, self.doing)
        };
        node.map(|node| (node, false))
            .ok_or_else(|| Trouble::Away(unnamed()))
    }

    fn link_to(&self, node: &Node) -> Result<Link, Trouble> {
        if let Some(link) = self.server.idle_link(Some(node)) {
            return Ok(link);
        }
        let (host, port) = node;
        let address = ServerAddress::Tcp { host, port: *port };
        let end = self.end.min(Instant::now() + NODE);
        let mut link = self.server.connect_to(&address, end, self.by, self.doing)?;
        link.node = Some(node.clone());
        Ok(link)
    }

    fn turn(
        &self,
        link: &mut Link,
        question: &Question,
        node: &Node,
        is_once: bool,
    ) -> Result<Turn, Broken> {
        let end = self.end.min(Instant::now() + NODE);
        link.is_asking = is_once;
        let role: &[Vec<Vec<u8>>] = match self.role.is_master() {
            true => &[words(&["ROLE"])],
            false => &[],
        };
        let said = self.server.converse(link, &[question], role, end);
        link.is_asking = false;
        let Said { mut to, mut beside } = said?;
        let mut is_followed = false;
        if let Some(reply) = beside.pop() {
            link.is_master = is_master(&reply);
            is_followed = has_replicas(&reply);
        }
        let is_written = question.is_of_a_row() && matches!(to.last(), Some(Ok(_)));
        if self.role == Role::MasterAndReplica && is_written && is_followed {
            // The secret that was kept on this host is there if no replica answers.
            link.exchange(&[replica()], end)?;
        }
        let message = match to.pop() {
            Some(Ok(values)) if link.is_master != Some(false) => return Ok(Turn::Values(values)),
            Some(Ok(_)) | None => "READONLY".into(),
            Some(Err(message)) => message,
        };
        if let Some(sent) = sent_by(&message, node) {
            return Ok(Turn::Sent(sent));
        }
        match self.server.refused(self.doing, &message) {
            Broken::Refused(trouble @ Trouble::Refused(refusal, _)) if passes(refusal) => {
                Ok(Turn::Wait(trouble))
            }
            refused => Err(refused),
        }
    }

    /// Refuses a store that is not ours, and makes a mark if there is none.
    fn check_mark(&self, mark: Reply, key: &str) -> Result<(), Trouble> {
        let (node, _) = self.node_for(key, None)?;
        let mut link = self.link_to(&node)?;
        link.is_master = Some(true);
        match self
            .server
            .check_meta(&mut link, mark, self.end, self.doing)
        {
            Ok(()) => {
                self.server.keep(link);
                Ok(())
            }
            Err(Broken::Refused(trouble)) => Err(trouble),
            Err(Broken::Lost(e)) => {
                let error = self.server.lost(&e, self.by, self.doing);
                if is_timeout(&e) {
                    lock(&self.server.nodes).forget(&node);
                }
                Err(Trouble::Away(error))
            }
        }
    }
}

/// Whether this refusal of a cluster may pass in a moment.
fn passes(refusal: Refusal) -> bool {
    matches!(
        refusal,
        Refusal::ClusterDown
            | Refusal::TryAgain
            | Refusal::Loading
            | Refusal::MasterDown
            | Refusal::ReadOnly
    )
}

/// The node named by `MOVED 3999 host:port` or `ASK 3999 host:port`. An empty host stands for the host of `node`.
fn sent_by(message: &str, node: &Node) -> Option<Sent> {
    let mut words = message.split_whitespace();
    let is_once = match words.next()? {
        "MOVED" => false,
        "ASK" => true,
        _ => return None,
    };
    let (host, port) = words.nth(1)?.rsplit_once(':')?;
    let host = if host.is_empty() { &node.0 } else { host };
    Some(Sent {
        to: (host.to_ascii_lowercase(), port.parse().ok()?),
        is_once,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str, port: u16) -> Node {
        (host.into(), port)
    }

    #[test]
    fn a_redirection_names_its_node() {
        let at = node("h", 1);
        let sent = |message: &str| sent_by(message, &at).map(|sent| (sent.to, sent.is_once));
        assert_eq!(
            sent("MOVED 3999 127.0.0.1:6381"),
            Some((node("127.0.0.1", 6381), false))
        );
        assert_eq!(sent("ASK 3999 ::1:6381"), Some((node("::1", 6381), true)));
        assert_eq!(sent("MOVED 3999 :7"), Some((node("h", 7), false)));
        for other in [
            "MOVED",
            "MOVED 1",
            "MOVED 1 h",
            "MOVED 1 h:x",
            "ERR 1 h:2",
            "",
        ] {
            assert_eq!(sent(other), None, "{other}");
        }
    }

    #[test]
    fn a_node_that_is_gone_is_forgotten_with_its_keys_and_others_are_asked() {
        let seeds = [node("a", 1), node("b", 1)];
        let mut nodes = Nodes::default();
        assert_eq!(nodes.any(&seeds), Some(node("a", 1)));
        nodes.note("k", &node("c", 1));
        nodes.note("l", &node("a", 1));
        assert_eq!(nodes.of("k"), Some(node("c", 1)));
        nodes.forget(&node("a", 1));
        assert_eq!((nodes.of("k"), nodes.of("l")), (Some(node("c", 1)), None));
        assert_eq!(nodes.any(&seeds), Some(node("b", 1)));
        nodes.forget(&node("b", 1));
        assert_eq!(
            nodes.any(&seeds),
            Some(node("c", 1)),
            "one that was heard of"
        );
        assert_eq!(Nodes::default().any(&[]), None);
    }
}
