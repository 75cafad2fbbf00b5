//! The clients of a server: added, changed, rotated, removed.

use crate::client::Client;
use crate::error::Result;
use crate::names;
use crate::options::LogLevel;
use crate::server_clients::{ClientSet, NewKey, Verb};
use crate::store::{self, Commit};

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
        let accounts = accounts.map(|names| self.known_names(names)).transpose()?;
        self.change_server_clients(|set, now_ms| set.add(name, accounts.clone(), allow, now_ms))
    }

    /// Changes a client. A parameter of None leaves that property as it is. For the accounts, an inner None stands for
    /// all accounts.
    pub fn change_server_client(
        &self,
        name: &str,
        accounts: Option<Option<&[&str]>>,
        allow: Option<&[Verb]>,
    ) -> Result<()> {
        let accounts = match accounts {
            Some(Some(names)) => Some(Some(self.known_names(names)?)),
            Some(None) => Some(None),
            None => None,
        };
        self.change_server_clients(|set, _| set.change(name, accounts.clone(), allow))
    }

    /// Checks that these accounts exist, so that a mistyped name is an error.
    fn known_names(&self, accounts: &[&str]) -> Result<Vec<String>> {
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
