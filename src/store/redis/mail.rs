//! The channel from readers to a keeper: a list of messages on the server, and a key that a keeper keeps alive while
//! it listens.
//!
//! Several keepers share them. Each message goes to one keeper, and the key ends with the last one.
//!
//! A message may arrive twice, which does no harm, or be lost with the answer to the keeper. A reader therefore asks
//! again for a token. A reject that is not noted in the row returns an error.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::question::{Question, Role};
use super::script::{DELETE_IF, LEAVE, TAKE};
use super::server::Server;
use crate::clock::Deadline;
use crate::error::{Error, Result};
use crate::store::{Inbox, KeeperChannel, Message, NotSent};
use crate::sys::{self, Ticker};

/// The longest wait, in ms, to send a message.
const SEND_MS: i64 = 1000;
/// The time in ms between two looks of a keeper for messages.
const LOOK_EACH_MS: u64 = 250;
/// The life of the keeper's key in ms. A keeper that has not looked for so long counts as gone.
const PRESENT_MS: &str = "5000";
/// The most messages in the list. It is more than any keeper needs to catch up.
const MOST: &str = "1000";

pub struct MailBox {
    pub server: Arc<Server>,
    /// The users who may read the key file, to be named in messages.
    pub key_owner: String,
}

fn list_key(server: &Server) -> String {
    format!("{}:{{mail}}", server.url.prefix)
}

fn keeper_key(server: &Server) -> String {
    format!("{}:{{keeper}}", server.url.prefix)
}

impl KeeperChannel for MailBox {
    fn send(&self, message: &Message) -> Result<(), NotSent> {
        match self.is_listened_to() {
            Some(true) => {}
            Some(false) => return Err(NotSent::NoKeeper),
            None => return Err(NotSent::Refused),
        }
        let leave = Question::script(
            &LEAVE,
            &list_key(&self.server),
            &[message.line().trim().as_bytes(), MOST.as_bytes()],
        );
        let by = Deadline::after(SEND_MS);
        let left = self.server.ask(&[leave], Role::Any, &by, "cannot write");
        match left {
            Ok(values) if values[0].first().and_then(|one| one.number()) == Some(0) => {
                Err(NotSent::Full)
            }
            Ok(_) => Ok(()),
            Err(_) => Err(NotSent::Refused),
        }
    }

    fn is_listened_to(&self) -> Option<bool> {
        let exists = Question::plain(&["EXISTS", &keeper_key(&self.server)]);
        let by = Deadline::after(SEND_MS);
        let values = self.server.ask(&[exists], Role::Any, &by, "cannot read");
        Some(values.ok()?[0].first()?.number()? > 0)
    }

    fn keeper_user(&self) -> String {
        self.key_owner.clone()
    }

    fn place(&self) -> String {
        format!("{} of {}", list_key(&self.server), self.server.url)
    }

    fn listen(&self) -> Result<Box<dyn Inbox>> {
        let ticker = Ticker::new(LOOK_EACH_MS).map_err(|e| {
            Error::store(format!(
                "cannot listen to readers of store {}",
                self.server.url
            ))
            .because(sys::os_message(&e))
        })?;
        let inbox = ServerInbox {
            server: self.server.clone(),
            name: u64::from_ne_bytes(sys::random()).to_string(),
            ticker,
        };
        let by = Deadline::after(SEND_MS);
        self.server
            .ask(&[inbox.presence()], Role::Any, &by, "cannot write")?;
        Ok(Box::new(inbox))
    }
}

struct ServerInbox {
    server: Arc<Server>,
    name: String,
    /// A descriptor that can be read now and then. The server does not push messages, so `poll` waits for this
    /// instead.
    ticker: Ticker,
}

impl ServerInbox {
    fn presence(&self) -> Question {
        let key = keeper_key(&self.server);
        Question::plain(&["SET", &key, &self.name, "PX", PRESENT_MS])
    }
}

impl Inbox for ServerInbox {
    fn fd(&self) -> BorrowedFd<'_> {
        self.ticker.fd()
    }

    fn is_in_place(&self) -> bool {
        true
    }

    fn read(&mut self, most: usize) -> Vec<Message> {
        self.ticker.clear();
        let most = most.to_string();
        let take = Question::script(&TAKE, &list_key(&self.server), &[most.as_bytes()]);
        let by = Deadline::after(SEND_MS);
        let questions = [self.presence(), take];
        let Ok(mut values) = self.server.ask(&questions, Role::Any, &by, "cannot read") else {
            return Vec::new();
        };
        let lines = values.pop().unwrap_or_default().into_iter();
        lines
            .filter_map(|line| Message::parse(&line.text()?))
            .collect()
    }
}

impl Drop for ServerInbox {
    fn drop(&mut self) {
        let gone = Question::script(
            &DELETE_IF,
            &keeper_key(&self.server),
            &[self.name.as_bytes()],
        );
        let by = Deadline::after(SEND_MS);
        // If that fails, the key expires.
        let _ = self.server.ask(&[gone], Role::Any, &by, "cannot write");
    }
}
