//! The questions to the server, and their possible outcomes.

use std::io;

use super::refusal::Refusal;
use super::resp::Reply;
use super::script::{Script, What};
use crate::error::Error;

/// One question to the server.
pub enum Question {
    Script(&'static Script, String, Vec<Vec<u8>>),
    Plain(Vec<Vec<u8>>),
}

impl Question {
    pub fn script(script: &'static Script, key: &str, args: &[&[u8]]) -> Question {
        let args = args.iter().map(|arg| arg.to_vec()).collect();
        Question::Script(script, key.into(), args)
    }

    /// A command whose key is the word after its name.
    pub fn plain(parts: &[&str]) -> Question {
        Question::Plain(words(parts))
    }

    pub fn is_script(&self) -> bool {
        matches!(self, Question::Script(..))
    }

    /// Whether it writes a row.
    pub fn is_of_a_row(&self) -> bool {
        matches!(self, Question::Script(script, ..) if script.what == What::CompareAndSet)
    }

    pub fn key(&self) -> &str {
        match self {
            Question::Script(_, key, _) => key,
            Question::Plain(parts) => {
                let key = parts.get(1).map(|part| std::str::from_utf8(part));
                key.and_then(Result::ok).unwrap_or_default()
            }
        }
    }
}

pub(super) fn words(parts: &[&str]) -> Vec<Vec<u8>> {
    parts.iter().map(|part| part.as_bytes().to_vec()).collect()
}

/// The longest wait, in ms, for a replica to have a write.
const REPLICA_MS: &str = "200";

/// The command that waits until a replica has the writes of this connection.
pub(super) fn replica() -> Vec<Vec<u8>> {
    words(&["WAIT", "1", REPLICA_MS])
}

/// The reason for the lack of an answer.
#[derive(Debug)]
pub enum Trouble {
    /// The server is unreachable or silent. It may have carried out the question.
    Away(Error),
    Refused(Refusal, Error),
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Error {
        match trouble {
            Trouble::Away(error) | Trouble::Refused(_, error) => error,
        }
    }
}

/// The server that may answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Any,
    Master,
    /// The master. If it has replicas, the write also waits for one of them.
    MasterAndReplica,
}

impl Role {
    pub fn is_master(self) -> bool {
        self != Role::Any
    }
}

/// The failure of a connection, or a refusal. The connection is dropped after either.
pub(super) enum Broken {
    Lost(io::Error),
    Refused(Trouble),
}

impl From<io::Error> for Broken {
    fn from(e: io::Error) -> Broken {
        Broken::Lost(e)
    }
}

pub(super) fn is_timeout(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
    )
}

/// Whether ROLE names a master. None if the server does not know ROLE, like some proxies.
pub(super) fn is_master(role: &Reply) -> Option<bool> {
    let Reply::List(parts) = role else {
        return None;
    };
    let name = parts.first()?.clone().text()?;
    Some(name == "master")
}

/// Whether a master's ROLE lists replicas.
pub(super) fn has_replicas(role: &Reply) -> bool {
    let Reply::List(parts) = role else {
        return false;
    };
    matches!(parts.get(2), Some(Reply::List(replicas)) if !replicas.is_empty())
}
