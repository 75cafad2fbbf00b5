//! What is asked of the server, and what may come of it.

use std::io;

use super::refusal::Refusal;
use super::resp::Reply;
use super::script::{Script, What};
use crate::error::Error;

/// One thing to ask.
pub enum Question {
    Script(&'static Script, String, Vec<Vec<u8>>),
    Plain(Vec<Vec<u8>>),
}

impl Question {
    pub fn script(script: &'static Script, key: &str, args: &[&[u8]]) -> Question {
        let args = args.iter().map(|arg| arg.to_vec()).collect();
        Question::Script(script, key.into(), args)
    }

    /// A command whose key is the word behind its name.
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

/// How long a replica is waited for that is to have what is written, in milliseconds.
const REPLICA_MS: &str = "200";

/// Waits for a replica that has what this connection has written.
pub(super) fn replica() -> Vec<Vec<u8>> {
    words(&["WAIT", "1", REPLICA_MS])
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Trouble {
    /// The server is not there, or says nothing. What was asked may have been done.
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

/// Which server may answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Any,
    Master,
    /// The master; and a replica, where it has one, is waited for, which is to have what is written.
    MasterAndReplica,
}

impl Role {
    pub fn is_master(self) -> bool {
        self != Role::Any
    }
}

/// A connection that is of no use any more, or a refusal, after which it is dropped too.
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

/// What ROLE says. None where the server does not know it, as a proxy.
pub(super) fn is_master(role: &Reply) -> Option<bool> {
    let Reply::List(parts) = role else {
        return None;
    };
    let name = parts.first()?.clone().text()?;
    Some(name == "master")
}

/// Whether a master says in its ROLE that replicas follow it.
pub(super) fn has_replicas(role: &Reply) -> bool {
    let Reply::List(parts) = role else {
        return false;
    };
    matches!(parts.get(2), Some(Reply::List(replicas)) if !replicas.is_empty())
}
