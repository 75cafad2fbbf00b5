//! `wxtoken status`: which of its faces is asked for, and of what.

use serde_json::Value;

use crate::args::{Cli, Status};
use crate::exit::{ExitResult, Failure, NO};
use crate::report::{self, ACCESS_TOKEN, Report, Token};
use crate::ui::terminal::Terminal;
use crate::ui::{output, prometheus, table};

pub fn run(cli: &Cli, status: &Status) -> ExitResult {
    if status.prometheus {
        return metrics(cli, status);
    }
    let store = super::existing(cli)?;
    if status.json {
        let mut json = report::json(&store)?;
        let code = exit_code(status, &select(Report::read(&json), &status.name)?);
        keep_named(&mut json, &status.name);
        output::print_json(&json)?;
        return Ok(code);
    }
    let report = select(Report::of(&store)?, &status.name)?;
    let terminal = Terminal::of_stdout();
    let lines: Vec<String> = table::draw(&report, &terminal)
        .iter()
        .map(|line| line.render(terminal.columns, terminal.unicode) + "\n")
        .collect();
    output::print(&lines.concat())?;
    Ok(exit_code(status, &report))
}

/// A store that cannot be read is a metric too; the exit code says it all the same.
fn metrics(cli: &Cli, status: &Status) -> ExitResult {
    let read = super::existing(cli).and_then(|store| Report::of(&store));
    if read.as_ref().is_err_and(Failure::is_of_store) {
        output::print(&prometheus::write_down())?;
    }
    let report = select(read?, &status.name)?;
    output::print(&prometheus::write(&report))?;
    Ok(exit_code(status, &report))
}

fn exit_code(status: &Status, report: &Report) -> u8 {
    let lacks = report.rows().any(|(_, token)| !token.is_valid());
    if status.check && lacks { NO } else { 0 }
}

/// The rows that were named, be there a token or not; all that there are when none was.
fn select(mut report: Report, names: &[String]) -> Result<Report, Failure> {
    if names.is_empty() {
        return Ok(report);
    }
    for name in names {
        let (account, credential) = name.split_once('/').unwrap_or((name, ACCESS_TOKEN));
        let there = report.names();
        let found = report.accounts.iter_mut().find(|one| one.name == account);
        let Some(account) = found else {
            return Err(Failure::no_account(account, &there));
        };
        let known = account
            .kind()
            .map(|kind| kind.credentials)
            .unwrap_or_default();
        if !known.contains(&credential) {
            return Err(Failure::usage(format!(
                "account \"{}\", of kind {}, has {}",
                account.name,
                account.kind,
                known.join(", ")
            )));
        }
        if !account
            .tokens
            .iter()
            .any(|token| token.credential == credential)
        {
            account.tokens.push(Token::none(credential));
        }
    }
    for account in &mut report.accounts {
        let whole = names.contains(&account.name);
        account.tokens.retain(|token| {
            whole || names.contains(&format!("{}/{}", account.name, token.credential))
        });
    }
    Ok(report)
}

fn keep_named(report: &mut Value, names: &[String]) {
    let Some(accounts) = report["accounts"]
        .as_array_mut()
        .filter(|_| !names.is_empty())
    else {
        return;
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    accounts.retain_mut(|account| {
        let name = text(&account["name"]);
        if names.contains(&name) {
            return true;
        }
        let prefix = format!("{name}/");
        if let Some(tokens) = account["tokens"].as_array_mut() {
            tokens
                .retain(|token| names.contains(&format!("{prefix}{}", text(&token["credential"]))));
        }
        names.iter().any(|named| named.starts_with(&prefix))
    });
}
