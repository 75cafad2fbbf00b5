//! How a process that may only read the store reaches the keeper: that it needs a token, or that one was refused.
//!
//! The answer is the row in the store, for which the reader waits as it would for any other leader.

use std::os::fd::BorrowedFd;

use serde_json::json;

use crate::error::Result;

use crate::names;
use crate::secrets::fingerprint;

/// The way from a store's readers to its keeper.
pub trait KeeperChannel {
    /// Leaves a message for the keeper, and does not wait.
    fn send(&self, message: &Message) -> Result<(), NotSent>;

    /// Whether a keeper listens; None where this process may not ask.
    fn is_listened_to(&self) -> Option<bool>;

    /// Which user a keeper runs as, for messages.
    fn keeper_user(&self) -> String;

    /// Where the messages go, for messages.
    fn place(&self) -> String;

    /// The keeper's end.
    fn listen(&self) -> Result<Box<dyn Inbox>>;
}

/// The keeper's end of the channel.
pub trait Inbox: Send {
    /// To wait for a message by poll().
    fn fd(&self) -> BorrowedFd<'_>;

    /// Whether messages still come here; if not, a keeper listens anew. Lets those write who may read the store as of now.
    fn is_in_place(&self) -> bool;

    /// What has come, at most `most`. Nonsense is thrown away.
    fn read(&mut self, most: usize) -> Vec<Message>;
}

/// Why a message was not left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// Nobody listens.
    NoKeeper,
    /// The keeper has much to read, or hangs.
    Full,
    /// This process may not, or it is not the keeper's.
    Refused,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// There is no valid token of this name.
    Wanted(String),
    /// The API refused the token of this name that has this fingerprint. The token itself stays out of the FIFO.
    Rejected { name: String, fingerprint: String },
}

/// What a rejection names a token by.
pub fn token_fingerprint(name: &str, token: &str) -> String {
    fingerprint(name, token)
}

impl Message {
    /// Begins with the end of a line: what somebody has left there without one spoils no other message.
    pub fn line(&self) -> String {
        let message = match self {
            Message::Wanted(name) => json!({ "want": name }),
            Message::Rejected { name, fingerprint } => {
                json!({ "reject": name, "fingerprint": fingerprint })
            }
        };
        format!("\n{message}\n")
    }

    /// None for anything else: whoever may write there may write nonsense.
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
    fn a_message_comes_as_it_went_and_nonsense_does_not() {
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
        // A control character would take six bytes in JSON; a name has none.
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
