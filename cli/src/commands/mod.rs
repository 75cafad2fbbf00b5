//! The commands, and opening the store that they work on.

mod account;
mod client;
mod copy;
mod doctor;
mod get;
mod keep;
mod maintenance;
mod manual;
mod other_store;
mod put;
mod quota;
mod reject;
mod retry;
mod serve;
mod status;

#[cfg(feature = "fuzzing")]
pub use serve::in_process;
use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;

use wxtoken::tool::{Error, Store};

use crate::args::{Cli, Command, Keep};
use crate::exit::{ExitResult, Failure};
use crate::ui::progress::shown;

pub fn run(cli: &Cli) -> ExitResult {
    refuse_password(cli)?;
    match &cli.command {
        Command::Get(get) => get::run(&existing(cli)?, get),
        Command::Reject(reject) => reject::run(&existing(cli)?, reject),
        Command::Retry(retry) => retry::run(&existing(cli)?, retry.name.as_deref()),
        Command::Quota(quota) => quota::run(&existing(cli)?, quota),
        Command::Account(verb) => account::run(cli, verb),
        Command::Put(put) => put::run(cli, put),
        Command::Status(status) => status::run(cli, status),
        Command::Doctor(doctor) => doctor::run(cli, doctor),
        Command::Keep(keep) => {
            let from = upstream(cli, keep)?;
            keep::run(&open(cli)?, from.as_ref())?;
            Ok(0)
        }
        Command::Serve(serve) => serve::run(&std::sync::Arc::new(open(cli)?), serve),
        Command::Client(verb) => client::run(cli, verb),
        Command::Copy(copy) => copy::run(cli, copy),
        Command::Rekey => maintenance::rekey(&existing(cli)?.telling(shown("sealing secrets"))),
        Command::Backup(backup) => {
            maintenance::backup(&existing(cli)?.telling(shown("sealing secrets")), backup)
        }
        Command::Restore(restore) => {
            maintenance::require_file(&restore.file)?;
            maintenance::restore(&open(cli)?.telling(shown("restoring")), restore)
        }
        Command::Completions(completions) => manual::completions(completions),
        Command::Man(man) => manual::pages(man),
    }
}

/// Fails if `--store` holds a password, because the process list and the shell's history show arguments.
fn refuse_password(cli: &Cli) -> Result<(), Failure> {
    match cli.store.as_deref().is_some_and(holds_password) {
        true => Err(Failure::usage("--store holds a password").advise(
            "A password is never an argument, because the process list and the shell's history show arguments. \
             Give the URL in WXTOKEN_STORE, or its password in a file that WXTOKEN_STORE_PASSWORD_FILE names.",
        )),
        false => Ok(()),
    }
}

/// Opens the upstream, which is the store that a bridge brings tokens from.
fn upstream(cli: &Cli, keep: &Keep) -> Result<Option<Store>, Failure> {
    let Some(from) = &keep.from else {
        return Ok(None);
    };
    let from = other_store::named("--from", from, keep.from_password_file.as_deref())?;
    let from = existing_at(cli, Some(&from))?;
    other_store::set_key(&from, keep.from_key.as_deref())?;
    Ok(Some(from))
}

/// Whether a store's URL has a password in its login, or one for sentinels in its query.
fn holds_password(store: &str) -> bool {
    let Some((_, rest)) = store.split_once("://") else {
        return false;
    };
    let login = rest.rsplit_once('@');
    login.is_some_and(|(login, _)| login.contains(':')) || rest.contains("sentinel_password=")
}

/// Opens the store, and creates it if there is none.
fn open(cli: &Cli) -> Result<Store, Failure> {
    open_at(cli, cli.store.as_deref())
}

/// Opens a store by its name, and creates it if there is none.
fn open_at(cli: &Cli, name: Option<&str>) -> Result<Store, Failure> {
    let options = cli.options()?;
    let files = Store::locate(name)?.files;
    let path = files.map(|files| files.store);
    let new = path.filter(|path| std::fs::symlink_metadata(path).is_err());
    let store = Store::open(name)?;
    if let Some((mode, path)) = cli.mode.zip(new) {
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(|e| {
            let what = format!("cannot set the mode of store {}", path.display());
            Error::store(what).because(crate::exit::reason(&e))
        })?;
    }
    for (name, value) in options {
        store.set(name, value)?;
    }
    Ok(store)
}

/// Opens the store if it exists, and never creates it: a mistyped path does not become a store.
fn existing(cli: &Cli) -> Result<Store, Failure> {
    existing_at(cli, cli.store.as_deref())
}

/// Opens a store by its name if it exists, and never creates it.
fn existing_at(cli: &Cli, name: Option<&str>) -> Result<Store, Failure> {
    if let Some(files) = Store::locate(name)?.files {
        let path = files.store;
        if std::fs::symlink_metadata(&path).is_err_and(|e| e.kind() == ErrorKind::NotFound) {
            return Err(Failure::no_store(&path));
        }
    }
    // Opening it reports any other fault.
    open_at(cli, name)
}
