//! The channel by which a process that may only read the store tells the keeper that it needs a token, or that one
//! was refused.
//!
//! The keeper's answer is the row in the store. The reader waits for it as it would for any other leader.

use std::os::fd::BorrowedFd;

use serde_json::json;

use crate::error::Result;

use crate::names;
use crate::secrets::fingerprint;

/// The channel from a store's readers to its keeper.
pub trait KeeperChannel {
    /// Leaves a message for the keeper without waiting.
    fn send(&self, message: &Message) -> Result<(), NotSent>;

    /// Returns whether a keeper listens, or None if this process may not ask.
    fn is_listened_to(&self) -> Option<bool>;

    /// The user that a keeper runs as, to be named in messages.
    fn keeper_user(&self) -> String;

    /// The place where messages to the keeper go, to be named in error messages.
    fn place(&self) -> String;

    /// Opens the keeper's end.
    fn listen(&self) -> Result<Box<dyn Inbox>>;
}

/// The keeper's end of the channel.
pub trait Inbox: Send {
    /// The descriptor on which `poll` waits for a message.
    fn fd(&self) -> BorrowedFd<'_>;

    /// Returns whether messages still arrive here. If not, the keeper must listen again. It also gives write access
    /// to everyone who may read the store now.
    fn is_in_place(&self) -> bool;

    /// Reads up to `most` messages. Malformed ones are dropped.
    fn read(&mut self, most: usize) -> Vec<Message>;
}

/// The reason why a message was not left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// No keeper listens.
    NoKeeper,
    /// The channel is full: the keeper has much to read, or hangs.
    Full,
    /// This process may not write there, or the place does not belong to the keeper.
    Refused,
}

/// A message to the keeper.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// The reader has no valid token of this name.
    Wanted(String),
    /// The API refused the token that has this name and fingerprint. The token itself never enters the FIFO.
    Rejected { name: String, fingerprint: String },
}

/// The fingerprint by which a rejection names a token.
pub fn token_fingerprint(name: &str, token: &str) -> String {
    fingerprint(name, token)
}

impl Message {
    /// The message as it is sent. It begins with a line end, so that an unfinished line before it cannot spoil it.
    pub fn line(&self) -> String {
        let message = match self {
            Message::Wanted(name) => json!({ "want": name }),
            Message::Rejected { name, fingerprint } => {
                json!({ "reject": name, "fingerprint": fingerprint })
            }
        };
        format!("\n{message}\n")
    }

    /// Parses a line. Returns None for anything that is not a message, since every process that may write there may
    /// write nonsense.
    pub fn parse(line: &str) -> Option<Message> {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| message.get(key)?.as_str().map(str::to_owned);
        let sound = |name: &String| names::split(Some(name)).is_ok();
        if let Some(name) = text("want").filter(sound) {
            return Some(Message::Wanted(name));
        }
        Some(Message::Rejected {
            name: text("reject").filter(sound)?,
            fingerprint: text("fingerprint").filter(|f| f.len() <= 64)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_arrives_as_it_was_sent_and_nonsense_is_dropped() {
        for message in [
            Message::Wanted("店铺/jsapi_ticket".into()),
            Message::Rejected {
                name: "sh\"op".into(),
                fingerprint: token_fingerprint("sh\"op", "T"),
            },
        ] {
            let line = message.line();
            assert!(line.starts_with('\n') && line.ends_with('\n') && !line.trim().contains('\n'));
            assert_eq!(Message::parse(line.trim()), Some(message));
        }
        for bad in [
            "",
            "{}",
            "[1]",
            "{\"want\":1}",
            "{\"want\":\"a/b/c\"}",
            "{\"reject\":\"shop\"}",
        ] {
            assert_eq!(Message::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_longest_message_is_sent_in_one_piece() {
        // A control character would take six bytes in JSON, but a name has none.
        let name = format!(
            "{}/{}",
            "\"".repeat(names::MAX_NAME),
            "a".repeat(names::MAX_NAME)
        );
        let message = Message::Rejected {
            fingerprint: token_fingerprint(&name, "T"),
            name,
        };
        assert!(message.line().len() <= crate::sys::MAX_MESSAGE);
    }
}
