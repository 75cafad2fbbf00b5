//! `wxtoken status`: which of its faces is asked for, and of what.

use serde_json::Value;

use crate::cli::{Cli, Status};
use crate::output;
use crate::prometheus;
use crate::report::{self, ACCESS_TOKEN, Report, Token};
use crate::screen;
use crate::table;
use crate::trouble::{NO, Trouble, Verdict};

pub fn run(cli: &Cli, status: &Status) -> Verdict {
    if status.prometheus {
        return metrics(cli, status);
    }
    let store = crate::existing(cli)?;
    if let Some(seconds) = status.watch {
        return screen::watch(&store, &status.name, seconds);
    }
    if status.json {
        let mut json = report::json(&store)?;
        let verdict = verdict(status, &only(Report::read(&json), &status.name)?);
        keep_named(&mut json, &status.name);
        output::print_json(&json)?;
        return Ok(verdict);
    }
    let report = only(Report::of(&store)?, &status.name)?;
    let sight = output::sight();
    let lines: Vec<String> = table::draw(&report, &sight)
        .iter()
        .map(|line| line.render(sight.columns, sight.unicode) + "\n")
        .collect();
    output::print(&lines.concat())?;
    Ok(verdict(status, &report))
}

/// A store that cannot be read is a metric too; the exit code says it all the same.
fn metrics(cli: &Cli, status: &Status) -> Verdict {
    let read = crate::existing(cli).and_then(|store| Report::of(&store));
    if read.as_ref().is_err_and(Trouble::is_of_store) {
        output::print(&prometheus::write_down())?;
    }
    let report = only(read?, &status.name)?;
    output::print(&prometheus::write(&report))?;
    Ok(verdict(status, &report))
}

fn verdict(status: &Status, report: &Report) -> u8 {
    let lacks = report.rows().any(|(_, token)| !token.is_valid());
    if status.check && lacks { NO } else { 0 }
}

/// The rows that were named, be there a token or not; all that there are when none was.
pub fn only(mut report: Report, names: &[String]) -> Result<Report, Trouble> {
    if names.is_empty() {
        return Ok(report);
    }
    for name in names {
        let (account, credential) = name.split_once('/').unwrap_or((name, ACCESS_TOKEN));
        let there = report.names();
        let found = report.accounts.iter_mut().find(|one| one.name == account);
        let Some(account) = found else {
            return Err(Trouble::no_account(account, &there));
        };
        let known = account
            .kind()
            .map(|kind| kind.credentials)
            .unwrap_or_default();
        if !known.contains(&credential) {
            return Err(Trouble::usage(format!(
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
