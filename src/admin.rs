//! What an operator does with a store, and what looks into its surroundings. For the command `wxtoken`.

use std::path::{Path, PathBuf};

use crate::client::Client;
use crate::clock::Deadline;
use crate::error::{Error, Result};
use crate::names;
use crate::options::{LogLevel, Options};
use crate::platform::{self, Probe};
use crate::process;

/// The files of a store.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The SQLite file.
    pub store: PathBuf,
    /// The key that seals the secrets, by default `<store>.key`.
    pub key: PathBuf,
    /// `<store>.lock`.
    pub lock: PathBuf,
    /// `<store>.mailbox`, the FIFO that a keeper reads.
    pub mailbox: PathBuf,
}

/// What was removed with an account.
#[derive(Clone, Debug, Default)]
pub struct Removed {
    /// Tokens and tickets that no other account has.
    pub credentials: usize,
    /// It was the current one: now there is none.
    pub was_current: bool,
    /// Accounts whose parent it was.
    pub children: Vec<String>,
}

impl Client {
    /// The files of the store at `path`, whether they are there or not.
    pub fn locate(path: Option<&str>) -> Result<Paths> {
        let store = names::store_path(path)?;
        Ok(paths(store, &Options::from_environment()?))
    }

    pub fn paths(&self) -> Paths {
        paths(self.path().to_owned(), &self.options())
    }

    pub fn remove(&self, name: &str) -> Result<Removed> {
        names::check_account(name)?;
        let session = self.session()?;
        let store = &session.view.shared.store;
        let Some(gone) = store.remove(name, session.call())? else {
            return Err(session.no_account(Some(name)));
        };
        process::forget_account(self.path(), name);
        session.view.shared.invalidate_all();
        session.log(LogLevel::Info, &format!("removed account \"{name}\""));
        Ok(Removed {
            credentials: gone.credentials,
            was_current: gone.account.current,
            children: gone.children,
        })
    }

    pub fn rekey(&self) -> Result<usize> {
        let session = self.session()?;
        let resealed = session.view.shared.store.rekey(session.call())?;
        session.log(LogLevel::Info, "sealed every secret with a new key");
        Ok(resealed)
    }

    pub fn backup(&self, to: &Path) -> Result<()> {
        let session = self.session()?;
        session.view.shared.store.backup(to, session.call())
    }

    pub fn restore(&self, from: &Path) -> Result<usize> {
        let session = self.session()?;
        let restored = session.view.shared.store.restore(from, session.call())?;
        session.view.shared.invalidate_all();
        Ok(restored)
    }

    pub fn check_secrets(&self, name: &str) -> Result<()> {
        names::check_account(name)?;
        let session = self.session()?;
        let found = session.read_credential(Some(name))?;
        session.fetch_secrets(&found).map(|_| ())
    }

    pub fn base_urls_in_use(&self) -> Result<Vec<(&'static str, String)>> {
        let session = self.session()?;
        let everything = session.store().all(session.call())?;
        let mut in_use = Vec::new();
        for account in &everything.accounts {
            let platform = account.kind.token().platform;
            let url = session.options.base_url(platform).to_owned();
            if !in_use.contains(&(platform.option, url.clone())) {
                in_use.push((platform.option, url));
            }
        }
        Ok(in_use)
    }

    pub fn probe(&self, base_url: &str) -> Result<Probe> {
        let options = self.options();
        let known = options.base_urls.iter().any(|known| known == base_url);
        if !known {
            return Err(Error::argument("no option holds this base URL"));
        }
        platform::probe(base_url, &options, &Deadline::after(options.timeout_ms))
    }
}

fn paths(store: PathBuf, options: &Options) -> Paths {
    Paths {
        key: names::key_path(options, &store),
        lock: names::lock_path(&store),
        mailbox: names::mailbox_path(&store),
        store,
    }
}
