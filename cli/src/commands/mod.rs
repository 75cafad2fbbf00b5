//! The commands, and the store that they work on.

mod account;
mod client;
mod doctor;
mod get;
mod keep;
mod maintenance;
mod manual;
mod put;
mod reject;
mod retry;
mod serve;
mod status;

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;

use wxtoken::tool::{Error, Store};

use crate::args::{Cli, Command};
use crate::exit::{ExitResult, Failure};

pub fn run(cli: &Cli) -> ExitResult {
    refuse_password(cli)?;
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
        Command::Serve(serve) => serve::run(&std::sync::Arc::new(open(cli)?), serve),
        Command::Client(verb) => client::run(cli, verb),
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

/// Fails on a password in an argument, where the list of processes and the shell's history show it.
fn refuse_password(cli: &Cli) -> Result<(), Failure> {
    let store = cli.store.as_deref().unwrap_or_default();
    let login = store
        .split_once("://")
        .and_then(|(_, rest)| rest.rsplit_once('@'));
    if login.is_some_and(|(login, _)| login.contains(':')) {
        return Err(Failure::usage("--store holds a password").advise(
            "A password is never an argument, where the list of processes and the shell's history show it. \
             Give the URL in WXTOKEN_STORE, or its password in a file that WXTOKEN_STORE_PASSWORD_FILE names.",
        ));
    }
    Ok(())
}

/// Opens the store, making it when there is none.
fn open(cli: &Cli) -> Result<Store, Failure> {
    let options = cli.options()?;
    let files = Store::locate(cli.store.as_deref())?.files;
    let path = files.map(|files| files.store);
    let new = path.filter(|path| std::fs::symlink_metadata(path).is_err());
    let store = Store::open(cli.store.as_deref())?;
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

/// Opens a store that is there. A mistyped path does not become a store.
fn existing(cli: &Cli) -> Result<Store, Failure> {
    if let Some(files) = Store::locate(cli.store.as_deref())?.files {
        let path = files.store;
        if std::fs::symlink_metadata(&path).is_err_and(|e| e.kind() == ErrorKind::NotFound) {
            return Err(Failure::no_store(&path));
        }
    }
    // What else may be wrong with it, opening it says.
    open(cli)
}
