//! `wxtoken put`: stores what arrives after registration. The command line holds names only, and no secret.

use super::{existing, retry};
use crate::args::{Cli, Put};
use crate::exit::{ExitResult, Failure};
use crate::prompt;
use crate::ui::output;

pub fn run(cli: &Cli, put: &Put) -> ExitResult {
    let (name, field) = (put.name.as_str(), put.field.as_str());
    match field {
        "current" => {
            if put.value.as_deref().is_some_and(|value| value != "1") || put.file.is_some() {
                return Err(Failure::usage("current takes no value")
                    .advise("It makes the account the current one."));
            }
            existing(cli)?.put(name, field, None)?;
            output::print_line(&format!("{name} is the current account"))
        }
        "retry" => {
            if put.value.is_some() || put.file.is_some() {
                return Err(Failure::usage("retry takes no value")
                    .advise("It ends the back-off of the account."));
            }
            retry::run(&existing(cli)?, Some(name))
        }
        "parent" => {
            let Some(parent) = put.value.as_deref() else {
                return Err(Failure::usage("no parent is named")
                    .advise("Name it: `wxtoken put NAME parent PARENT`."));
            };
            existing(cli)?.put(name, field, Some(parent))?;
            output::print_line(&format!("{name}: its parent is {parent}"))
        }
        secret => put_secret(cli, put, secret),
    }
}

fn put_secret(cli: &Cli, put: &Put, field: &str) -> ExitResult {
    if put.value.is_some() {
        return Err(Failure::usage(format!("a {field} is never an argument")).advise(
            "The process list and the shell's history show arguments. Name a file with --file (- is stdin), or leave it \
             out and be asked.",
        ));
    }
    let store = existing(cli)?;
    let value = prompt::secret(put.file.as_deref(), &format!("{field} of {}", put.name))?;
    store.put(&put.name, field, Some(&value))?;
    output::print_line(&format!("{}: its {field} is put", put.name))
}
