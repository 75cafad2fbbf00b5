//! How a reader reaches the keeper: it asks for a fetch, and names the keeper that should be running.

use super::session::Session;
use crate::account::Credential;
use crate::clock::boot_ms;
use crate::error::{Error, Hint, Status};
use crate::store::{Access, KeeperChannel, Message, NotSent};

/// The shortest time in milliseconds between two requests to a keeper for one credential.
const ASK_MS: i64 = 500;

impl Session {
    /// Returns whether this process must leave fetching to others, because it may not read the key or not write the
    /// store.
    pub fn is_reader(&self) -> bool {
        self.vault.is_unreadable()
            || self.store().access() == Access::Reader
            || self.lacks_key().is_some()
    }

    /// Returns whether this process must leave a credential to others: it is a reader, or a bridge brings the token.
    pub(super) fn leaves_to_others(&self, found: &Credential) -> bool {
        self.is_reader() || self.is_for_a_bridge(found)
    }

    /// Returns the error of a host that does not have the key to secrets that another host has sealed.
    pub fn lacks_key(&self) -> Option<Error> {
        if !self.store().has_secrets_of_other_hosts() || self.vault.exists() {
            return None;
        }
        let key = self.vault.path().display();
        let store = self.store_name();
        let what = format!("this host has no key to the secrets of store {store}");
        let error = Error::new(Status::Secret, what).because(format!("there is no file {key}"));
        Some(error.advise(format!(
            "Copy the key file of a host that registered accounts to {key}, mode 0600, or run wxtoken keep on such a host. If that key is lost, remove the accounts and add them again."
        )))
    }

    pub(super) fn keeper(&self) -> &'static dyn KeeperChannel {
        self.store().keeper_channel()
    }

    /// Returns the reason why this process is a reader, with the remedy.
    pub fn why_reader(&self) -> Option<Error> {
        let unreadable = self.vault.read_error();
        let unreadable = unreadable.or_else(|| self.lacks_key());
        unreadable.or_else(|| self.store().why_reader(&self.deadline))
    }

    /// Returns whether this process is a reader and a keeper fetches for it. A keeper itself never counts as a reader.
    pub fn has_keeper(&self) -> bool {
        !self.is_keeper && self.is_reader() && self.keeper().is_listened_to() == Some(true)
    }

    /// Asks a keeper to fetch, at most every [`ASK_MS`]. Returns false if no keeper is listening.
    pub fn ask_keeper(&self, found: &Credential, asked_at: &mut Option<i64>) -> bool {
        if self.is_keeper {
            return false;
        }
        let now = boot_ms();
        if asked_at.is_some_and(|asked| now - asked < ASK_MS) {
            return true;
        }
        *asked_at = Some(now);
        match self.keeper().send(&Message::Wanted(found.name())) {
            // A full channel means that a keeper is there and has much to read.
            Ok(()) | Err(NotSent::Full) => true,
            Err(NotSent::Refused | NotSent::NoKeeper) => false,
        }
    }

    /// Returns why nobody fetches for a reader, and what to do about it, for the reader's error.
    pub fn no_keeper(&self) -> (String, Option<Hint>) {
        let keeper = self.keeper();
        match keeper.is_listened_to() {
            Some(true) => ("the keeper was asked".into(), None),
            Some(false) => {
                let user = Some(keeper.keeper_user());
                let why = "no keeper is running on this store".into();
                (why, Some(Hint::Keep { user }))
            }
            None => {
                let mailbox = keeper.place();
                let why = format!("this process may not write to the keeper's mailbox, {mailbox}");
                (why, None)
            }
        }
    }
}
