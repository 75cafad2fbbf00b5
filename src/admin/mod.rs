//! The operator's half of the command `wxtoken`: what it does with a store, and how it inspects the store's
//! surroundings.

mod accounts;
mod brief;
mod client_lookup;
mod clients;
mod copy;
mod quota;
mod rekey;

use std::path::{Path, PathBuf};

pub use self::brief::{AccountBrief, AccountLookup, TokenOwners};
pub use self::client_lookup::ClientLookup;

use self::accounts::{remove, restore};
use self::copy::Side;
use self::rekey::{opened, rekey, seal_for};

pub use self::copy::Copied;
pub use self::quota::{QuotaAnswer, check_api_path, rid_in};

use crate::client::Client;
use crate::client::session::Session;
use crate::clock::Deadline;
use crate::error::{Error, Result, Status};
use crate::names;
use crate::options::{LogLevel, Options};
use crate::platform::{self, Probe};
use crate::process::last_known;
use crate::secrets::Secret;
use crate::server_clients::StandInKeys;
use crate::store::{
    self, StoreName, StoreSnapshot, check_path, lock_path, mailbox_path, read_backup, write_backup,
};

/// The location of a store and its key.
#[derive(Clone, Debug)]
pub struct Place {
    /// The store's path, or its URL without the password.
    pub name: String,
    /// The file of the key that seals the secrets, by default `<store>.key`.
    pub key: PathBuf,
    /// The files of the store, if it is a file.
    pub files: Option<Paths>,
}

/// The files that belong to a store.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The SQLite file of the store.
    pub store: PathBuf,
    /// The file of the key that seals the secrets, by default `<store>.key`.
    pub key: PathBuf,
    /// The lock file, `<store>.lock`.
    pub lock: PathBuf,
    /// The FIFO that a keeper reads, `<store>.mailbox`.
    pub mailbox: PathBuf,
}

/// The effects of removing an account.
#[derive(Clone, Debug, Default)]
pub struct Removed {
    /// The number of tokens and tickets that only this account used.
    pub credentials: usize,
    /// Whether the account was the current one. If so, no account is current now.
    pub was_current: bool,
    /// The accounts whose parent it was.
    pub children: Vec<String>,
}

/// A callback that receives how many items of a long task are done, and how many there are.
pub type Progress = dyn Fn(usize, usize) + Send + Sync;

/// Yields the items of a long task, and reports the progress.
fn told<'a, T>(
    items: impl ExactSizeIterator<Item = T> + 'a,
    tell: &'a Progress,
) -> impl Iterator<Item = T> + 'a {
    let of = items.len();
    items.enumerate().map(move |(before, item)| {
        tell(before + 1, of);
        item
    })
}

impl Client {
    /// Returns the location of the store of this name, whether or not it exists.
    pub fn locate(store: Option<&str>) -> Result<Place> {
        let store = StoreName::parse(store)?;
        Ok(place(&store, &Options::from_environment()?))
    }

    pub fn place(&self) -> Place {
        place(self.store(), &self.options())
    }

    pub fn remove(&self, name: &str) -> Result<Removed> {
        names::check_account(name)?;
        let session = self.session()?;
        let Some(removed) = remove(session.store(), name, &session.deadline)? else {
            return Err(session.no_account(Some(name)));
        };
        last_known(self.store(), |known| known.forget_account(name));
        session.state.shared.invalidate_all();
        session.log(LogLevel::Info, &format!("removed account \"{name}\""));
        Ok(removed)
    }

    pub fn rekey(&self, tell: &Progress) -> Result<usize> {
        let session = self.session()?;
        let resealed = rekey(session.store(), &session.vault, &session.deadline, tell)?;
        session.log(LogLevel::Info, "sealed every secret with a new key");
        Ok(resealed)
    }

    /// Writes a backup. Returns the number of accounts in it.
    pub fn backup(&self, to: &Path, tell: &Progress) -> Result<usize> {
        check_path("a backup", &to.to_string_lossy())?;
        let session = self.session()?;
        // The backup may be restored into another store.
        let sealed_for_any = session.vault.clone().sealing_for(None);
        let snapshot = opened(session.store(), &session.deadline, |there| {
            seal_for(&session.vault, &sealed_for_any, there, tell)
        })?;
        write_backup(to, &snapshot)?;
        Ok(snapshot.accounts.len() + snapshot.unknown.len())
    }

    pub fn restore(&self, from: &Path, tell: &Progress) -> Result<usize> {
        let session = self.session()?;
        session.require_trusted()?;
        let mut snapshot = read_backup(from, &session.deadline)?;
        check_names(
            || format!("cannot restore from {}", from.display()),
            &snapshot,
        )?;
        let sealed_for_any = session.vault.clone().sealing_for(None);
        seal_for(&sealed_for_any, &session.vault, &mut snapshot, tell)?;
        restore(session.store(), &snapshot, &session.deadline, tell)?;
        session.state.shared.invalidate_all();
        Ok(snapshot.accounts.len() + snapshot.unknown.len())
    }

    /// Copies accounts, and what was put for them, into another store.
    pub fn copy_to(&self, to: &Client, replace: bool, tell: &Progress) -> Result<Copied> {
        let from = self.session()?;
        let into = to.session()?;
        into.require_trusted()?;
        into.require_key()?;
        let side = |session: &Session| Side {
            store: session.store(),
            vault: session.vault.clone(),
            step_ms: session.options.timeout_ms,
        };
        let copied = copy::copy(&side(&from), &side(&into), replace, tell)?;
        into.state.shared.invalidate_all();
        Ok(copied)
    }

    pub fn check_secrets(&self, name: &str) -> Result<()> {
        names::check_account(name)?;
        let session = self.session()?;
        let found = session.read_credential(Some(name))?;
        session.fetch_secrets(&found).map(|_| ())
    }

    pub fn stand_in_keys(&self) -> Result<StandInKeys> {
        let derived = self.session()?.vault.derive(StandInKeys::PURPOSE)?;
        Ok(StandInKeys::new(derived))
    }

    pub fn secret(&self, name: &str) -> Result<Secret> {
        names::check_account(name)?;
        let session = self.session()?;
        let found = session.read_credential(Some(name))?;
        let secret = session.fetch_secrets(&found)?.secret;
        secret.ok_or_else(|| {
            Error::new(
                Status::Secret,
                format!("account \"{name}\" has no secret of its own"),
            )
        })
    }

    pub fn base_urls_in_use(&self) -> Result<Vec<(&'static str, String)>> {
        let session = self.session()?;
        let accounts = store::read(session.store(), &session.deadline, |there| there.accounts())?;
        let mut in_use = Vec::new();
        for account in &accounts {
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

/// Fails on a name that could not have been registered.
fn check_names(doing: impl Fn() -> String, there: &StoreSnapshot) -> Result<()> {
    let known = there.accounts.iter().map(|account| &account.name);
    let unknown = there.unknown.iter().map(|account| &account.name);
    for name in known.chain(unknown) {
        names::check_account(name).map_err(|e| Error::store(doing()).because(e.to_string()))?;
    }
    Ok(())
}

fn place(store: &StoreName, options: &Options) -> Place {
    let key = store.key_file(options);
    let files = match store {
        StoreName::File(path) => Some(Paths {
            key: key.clone(),
            lock: lock_path(path),
            mailbox: mailbox_path(path),
            store: path.clone(),
        }),
        StoreName::Redis(_) | StoreName::Server(_) => None,
    };
    Place {
        name: store.to_string(),
        key,
        files,
    }
}
