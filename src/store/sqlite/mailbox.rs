//! The FIFO next to the store, by which readers reach a keeper.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use super::obstacle::remedy;
use crate::error::{Error, Result};
use crate::store::{Inbox, KeeperChannel, Message, NotSent};
use crate::sys;

/// The path of a store's FIFO.
pub fn mailbox_path(store: &Path) -> PathBuf {
    store.with_added_extension("mailbox")
}

pub struct Mailbox {
    store: PathBuf,
    path: PathBuf,
}

impl Mailbox {
    pub fn of(store: &Path) -> Mailbox {
        Mailbox {
            path: mailbox_path(store),
            store: store.to_owned(),
        }
    }

    /// The remedy if this user may not give the FIFO to the store's group, because it is not a member. A setgid
    /// directory does it instead.
    fn group_remedy(&self, e: &io::Error, directory: &Path) -> Option<String> {
        let (store, directory) = (self.store.display(), directory.display());
        (e.raw_os_error() == Some(libc::EPERM)).then(|| {
            format!(
                "As root, run `chgrp --reference {store} {directory} && chmod g+s {directory}`: \
                 the mailbox then has the store's group."
            )
        })
    }
}

impl KeeperChannel for Mailbox {
    fn send(&self, message: &Message) -> Result<(), NotSent> {
        let owner_uid = sys::owner_uid(&self.store).map_err(|_| NotSent::Refused)?;
        sys::send(&self.path, owner_uid, &message.line()).map_err(|e| match e {
            sys::NotSent::NoReader => NotSent::NoKeeper,
            sys::NotSent::Refused(e) if e.kind() == io::ErrorKind::WouldBlock => NotSent::Full,
            sys::NotSent::Refused(_) => NotSent::Refused,
        })
    }

    fn is_listened_to(&self) -> Option<bool> {
        sys::has_reader(&self.path)
    }

    fn keeper_user(&self) -> String {
        sys::owner_name(&self.store)
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn listen(&self) -> Result<Box<dyn Inbox>> {
        let fifo = sys::Mailbox::open(&self.path, &self.store).map_err(|e| {
            let directory = self.path.parent().unwrap_or(&self.store);
            let what = format!("cannot open mailbox {}", self.path.display());
            Error::store(what)
                .because(format!(
                    "{}; its directory is {}",
                    sys::os_message(&e),
                    sys::describe(directory)
                ))
                .advise(format!(
                    "{}Until it can be opened, readers of the store cannot reach this keeper.",
                    remedy(&e)
                        .or_else(|| self.group_remedy(&e, directory))
                        .map_or_else(String::new, |advice| advice + " ")
                ))
        })?;
        Ok(Box::new(FifoInbox {
            fifo,
            store: self.store.clone(),
        }))
    }
}

struct FifoInbox {
    fifo: sys::Mailbox,
    store: PathBuf,
}

impl Inbox for FifoInbox {
    fn fd(&self) -> BorrowedFd<'_> {
        self.fifo.fd()
    }

    fn is_in_place(&self) -> bool {
        // The operator may have opened the store to its group since.
        let _ = self.fifo.match_store_mode(&self.store);
        self.fifo.is_in_place()
    }

    fn read(&mut self, most: usize) -> Vec<Message> {
        let lines = self.fifo.read(most);
        lines
            .iter()
            .filter_map(|line| Message::parse(line))
            .collect()
    }
}
