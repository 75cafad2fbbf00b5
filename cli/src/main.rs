//! The command `wxtoken`: one host's tokens from the shell, and what an operator does with their store.
//!
//! Here: from the command line to an exit code. `cli` is what can be said, `mistake` what is
//! answered when something else is; each verb has its file. Output is written at
//! one place, `output`; no secret goes anywhere, and a token only where `get` puts it.
#![deny(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used)]

mod account;
mod advice;
mod cli;
mod doctor;
mod input;
mod keep;
mod layout;
mod maintain;
mod manual;
mod mistake;
mod output;
mod prometheus;
mod put;
mod report;
mod screen;
mod status;
mod table;
mod text;
mod token;
mod trouble;

use std::io::ErrorKind;
use std::process::ExitCode;

use wxtoken::tool::Store;

use cli::{Cli, Command};
use trouble::{Trouble, Verdict};

fn main() -> ExitCode {
    let code = match mistake::parse() {
        Ok(cli) => {
            output::choose_color(cli.color);
            run(&cli)
        }
        Err(code) => Ok(code),
    };
    let code = code.unwrap_or_else(|trouble| {
        trouble.tell();
        trouble.exit_code()
    });
    ExitCode::from(code)
}

fn run(cli: &Cli) -> Verdict {
    match &cli.command {
        Command::Get(get) => token::get(&existing(cli)?, get),
        Command::Reject(reject) => token::reject(&existing(cli)?, reject),
        Command::Account(verb) => account::run(cli, verb),
        Command::Put(put) => put::run(cli, put),
        Command::Status(status) => status::run(cli, status),
        Command::Doctor(doctor) => doctor::run(cli, doctor),
        Command::Keep => {
            keep::run(&open(cli)?)?;
            Ok(0)
        }
        Command::Rekey => maintain::rekey(&existing(cli)?),
        Command::Backup(backup) => maintain::backup(&existing(cli)?, backup),
        Command::Restore(restore) => {
            maintain::require_file(&restore.file)?;
            maintain::restore(&open(cli)?, restore)
        }
        Command::Completions(completions) => manual::completions(completions),
        Command::Man(man) => manual::pages(man),
    }
}

/// Opens the store, making it when there is none.
fn open(cli: &Cli) -> Result<Store, Trouble> {
    let options = cli.options()?;
    let store = Store::open(cli.store.as_deref())?;
    for (name, value) in options {
        store.set(name, value)?;
    }
    Ok(store)
}

/// Opens a store that is there: a path that was mistyped is not to become a store.
fn existing(cli: &Cli) -> Result<Store, Trouble> {
    let path = Store::locate(cli.store.as_deref())?.store;
    match std::fs::symlink_metadata(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Err(Trouble::no_store(&path)),
        // What else may be wrong with it, opening it says.
        _ => open(cli),
    }
}
