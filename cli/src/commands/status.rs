//! `wxtoken status`: selects the accounts to show, and the form to show them in.

use wxtoken::tool::{Report, TokenReport};

use crate::args::{Cli, Status};
use crate::exit::{ExitResult, Failure, NO};
use crate::needs::kind_of;
use crate::ui::terminal::Terminal;
use crate::ui::{output, prometheus, table};

/// The credential meant by an account's name alone.
const ACCESS_TOKEN: &str = "access_token";

pub fn run(cli: &Cli, status: &Status) -> ExitResult {
    if status.prometheus {
        return metrics(cli, status);
    }
    let stored = select(super::existing(cli)?.report()?, &status.name)?;
    let report = complete(stored.clone(), &status.name);
    if status.json {
        output::print_json(&stored)?;
    } else {
        let terminal = Terminal::of_stdout();
        let lines: Vec<String> = table::draw(&report, &terminal)
            .iter()
            .map(|line| line.render(terminal.columns, terminal.unicode) + "\n")
            .collect();
        output::print(&lines.concat())?;
    }
    Ok(exit_code(status, &report))
}

/// Prints metrics. For a store that cannot be read it prints `wxtoken_up 0`, and the exit code is that of the failure.
fn metrics(cli: &Cli, status: &Status) -> ExitResult {
    let read = super::existing(cli).and_then(|store| Ok(store.report()?));
    if read.as_ref().is_err_and(Failure::is_of_store) {
        output::print(&prometheus::write_down())?;
    }
    let report = complete(select(read?, &status.name)?, &status.name);
    output::print(&prometheus::write(&report))?;
    Ok(exit_code(status, &report))
}

fn exit_code(status: &Status, report: &Report) -> u8 {
    let lacks = report.rows().any(|(_, token)| !token.is_valid());
    if status.check && lacks { NO } else { 0 }
}

/// Reduces a report to the named accounts and credentials. Without names, keeps all of it.
fn select(mut report: Report, names: &[String]) -> Result<Report, Failure> {
    for name in names {
        let (account, credential) = parted(name);
        let Some(account) = report.account(account) else {
            return Err(Failure::no_account(account, &report));
        };
        let known = kind_of(account).map_or_else(Vec::new, |kind| kind.credentials);
        if !known.contains(&credential) {
            let what = format!("account \"{}\" has no such credential", account.name);
            return Err(Failure::usage(what).advise(format!(
                "An account of kind {} has {}.",
                account.kind,
                known.join(", ")
            )));
        }
    }
    report.unknown_accounts.retain(|_| names.is_empty());
    report.accounts.retain(|account| {
        names.is_empty() || names.iter().any(|name| parted(name).0 == account.name)
    });
    for account in &mut report.accounts {
        let name = &account.name;
        let tokens = &mut account.tokens;
        tokens.retain(|token| is_whole(name, names) || is_named(name, token.credential, names));
    }
    Ok(report)
}

/// Adds a row for each token that was never fetched, if it is an account's access token or was named.
fn complete(mut report: Report, names: &[String]) -> Report {
    for account in &mut report.accounts {
        let known = kind_of(account).map_or_else(Vec::new, |kind| kind.credentials);
        for credential in known {
            let is_shown = is_named(&account.name, credential, names)
                || credential == ACCESS_TOKEN && is_whole(&account.name, names);
            let tokens = &mut account.tokens;
            if is_shown && !tokens.iter().any(|token| token.credential == credential) {
                let at = if credential == ACCESS_TOKEN {
                    0
                } else {
                    tokens.len()
                };
                tokens.insert(at, TokenReport::absent(credential));
            }
        }
    }
    report
}

/// Splits a name into an account and one of its credentials.
fn parted(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or((name, ACCESS_TOKEN))
}

fn is_whole(account: &str, names: &[String]) -> bool {
    names.is_empty() || names.iter().any(|name| name == account)
}

fn is_named(account: &str, credential: &str, names: &[String]) -> bool {
    names
        .iter()
        .any(|name| parted(name) == (account, credential))
}
