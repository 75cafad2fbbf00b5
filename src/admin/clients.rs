//! The clients of a server: added, rotated, removed; and looked up, by a server, at each call.

use std::sync::Arc;

use super::brief::patience;
use crate::client::Client;
use crate::error::{Error, Result, Status};
use crate::names;
use crate::options::LogLevel;
use crate::server_clients::{ClientSet, NewKey, Verb};
use crate::store::{self, Commit};
use crate::sync::{Mutex, lock};

impl Client {
    pub fn server_clients(&self) -> Result<ClientSet> {
        let session = self.session()?;
        let record = store::read(session.store(), &session.deadline, |there| there.clients())?;
        ClientSet::of_text(record.as_deref())
    }

    pub fn add_server_client(
        &self,
        name: &str,
        accounts: Option<&[&str]>,
        allow: &[Verb],
    ) -> Result<NewKey> {
        self.session()?.require_trusted()?;
        let accounts = accounts.map(|names| self.known(names)).transpose()?;
        self.change_server_clients(|set, now_ms| set.add(name, accounts.clone(), allow, now_ms))
    }

    /// What is None stays as it is; of the accounts, an inner None is all of them.
    pub fn change_server_client(
        &self,
        name: &str,
        accounts: Option<Option<&[&str]>>,
        allow: Option<&[Verb]>,
    ) -> Result<()> {
        let accounts = match accounts {
            Some(Some(names)) => Some(Some(self.known(names)?)),
            Some(None) => Some(None),
            None => None,
        };
        self.change_server_clients(|set, _| set.change(name, accounts.clone(), allow))
    }

    /// Fails for an account that is not there: it was mistyped.
    fn known(&self, accounts: &[&str]) -> Result<Vec<String>> {
        let session = self.session()?;
        for account in accounts {
            names::check_account(account)?;
            let is_there = store::read(session.store(), &session.deadline, |there| {
                there.has_account(account)
            })?;
            if !is_there {
                return Err(session.no_account(Some(account)));
            }
        }
        Ok(accounts.iter().map(|&name| name.into()).collect())
    }

    pub fn rotate_server_client(&self, name: &str) -> Result<NewKey> {
        self.change_server_clients(|set, now_ms| set.rotate(name, now_ms))
    }

    pub fn finish_server_client(&self, name: &str) -> Result<bool> {
        self.change_server_clients(|set, _| set.finish_rotation(name))
    }

    pub fn remove_server_client(&self, name: &str) -> Result<()> {
        self.change_server_clients(|set, _| set.remove(name))
    }

    fn change_server_clients<T>(
        &self,
        mut change: impl FnMut(&mut ClientSet, i64) -> Result<T>,
    ) -> Result<T> {
        let session = self.session()?;
        let now_ms = session.now().wall_ms;
        let changed = store::change_clients(session.store(), &session.deadline, |record| {
            let mut set = ClientSet::of_text(record.as_deref())?;
            let result = change(&mut set, now_ms)?;
            *record = Some(set.to_text()?);
            Ok((Commit::Yes, result))
        })?;
        session.log(LogLevel::Info, "changed the server's clients");
        Ok(changed)
    }
}

/// What a server knows of its clients. Each look reads the store, so that a change counts from the next call on; while the
/// store is away, the clients are those of the last look.
pub struct ClientLookup {
    client: Arc<Client>,
    last: Mutex<Option<Seen>>,
}

#[derive(Clone)]
struct Seen {
    record: Option<String>,
    set: Arc<ClientSet>,
}

impl ClientLookup {
    pub(crate) fn new(client: Arc<Client>) -> ClientLookup {
        ClientLookup {
            client,
            last: Mutex::new(None),
        }
    }

    /// The clients as they are now.
    pub fn now(&self) -> Result<Arc<ClientSet>> {
        let last = lock(&self.last).clone();
        let session = self.client.session()?;
        let by = patience(&session, last.is_some());
        let read = store::read(session.store(), &by, |there| there.clients());
        match (read, last) {
            (Ok(record), Some(seen)) if record == seen.record => Ok(seen.set),
            // Who removes the last client leaves an empty record: one that is gone was lost, and a keeper puts it back.
            (Ok(None), Some(seen)) => Ok(seen.set),
            (Ok(record), _) => {
                let set = Arc::new(ClientSet::of_text(record.as_deref())?);
                *lock(&self.last) = Some(Seen {
                    record,
                    set: set.clone(),
                });
                Ok(set)
            }
            (Err(e), Some(seen)) if is_of_store(&e) => Ok(seen.set),
            (Err(e), _) => Err(e),
        }
    }
}

fn is_of_store(e: &Error) -> bool {
    matches!(e.status, Status::Store | Status::Timeout)
}
