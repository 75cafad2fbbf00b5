//! The commands, and the store that they work on.

mod account;
mod doctor;
mod get;
mod keep;
mod maintenance;
mod manual;
mod put;
mod reject;
mod retry;
mod status;

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;

use wxtoken::tool::{Error, Store};

use crate::args::{Cli, Command};
use crate::exit::{ExitResult, Failure};

pub fn run(cli: &Cli) -> ExitResult {
    match &cli.command {
        Command::Get(get) => get::run(&existing(cli)?, get),
        Command::Reject(reject) => reject::run(&existing(cli)?, reject),
        Command::Retry(retry) => retry::run(&existing(cli)?, retry.name.as_deref()),
        Command::Account(verb) => account::run(cli, verb),
        Command::Put(put) => put::run(cli, put),
        Command::Status(status) => status::run(cli, status),
        Command::Doctor(doctor) => doctor::run(cli, doctor),
        Command::Keep => {
            keep::run(&open(cli)?)?;
            Ok(0)
        }
        Command::Rekey => maintenance::rekey(&existing(cli)?),
        Command::Backup(backup) => maintenance::backup(&existing(cli)?, backup),
        Command::Restore(restore) => {
            maintenance::require_file(&restore.file)?;
            maintenance::restore(&open(cli)?, restore)
        }
        Command::Completions(completions) => manual::completions(completions),
        Command::Man(man) => manual::pages(man),
    }
}

/// Opens the store, making it when there is none.
fn open(cli: &Cli) -> Result<Store, Failure> {
    let options = cli.options()?;
    let path = Store::locate(cli.store.as_deref())?.store;
    let is_new = std::fs::symlink_metadata(&path).is_err();
    let store = Store::open(cli.store.as_deref())?;
    if let Some(mode) = cli.mode.filter(|_| is_new) {
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

/// Opens a store that is there. A mistyped path does not become a store.
fn existing(cli: &Cli) -> Result<Store, Failure> {
    let path = Store::locate(cli.store.as_deref())?.store;
    match std::fs::symlink_metadata(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Err(Failure::no_store(&path)),
        // What else may be wrong with it, opening it says.
        _ => open(cli),
    }
}
