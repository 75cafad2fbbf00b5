//! Checks of accounts: things that they lack before a fetch, and failures of their tokens.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;

use wxtoken::tool::{Error, Hint, Place, Report, Status, Store, is_readable};

use super::access::user;
use super::{Findings, Level};
use crate::needs::lack_of;
use crate::ui::hint::{ADD, command, in_commands};
use crate::ui::plural::count;
use crate::ui::time::span;

pub fn look(store: &Store, report: &Report, place: &Place, found: &mut Findings) {
    if let Some(why) = &report.degraded {
        found.advise(
            "store",
            Level::Problem,
            format!("tokens are kept in memory only: {why}"),
            "let this user write to the store",
        );
    }
    if let Some(why) = &report.not_trusted {
        let remedy = why.hint.as_deref().map(in_commands).unwrap_or_default();
        found.advise("trust", Level::Problem, why.to_string(), remedy);
    }
    keeper(report, place, found);
    for unknown in &report.unknown_accounts {
        let saw = unknown.to_string();
        found.advise("account", Level::Warning, saw, "upgrade libwxtoken here");
    }
    if report.size() == 0 {
        found.advise("accounts", Level::Note, "no account yet", ADD);
        return;
    }
    let is_unknown = report.unknown_accounts.iter().any(|one| one.current);
    if report.current().is_none() && !is_unknown {
        found.advise(
            "accounts",
            Level::Note,
            "no account is the current one: get needs a name",
            "wxtoken account use NAME",
        );
    }
    let (brought, own): (Vec<_>, Vec<_>) = report
        .accounts
        .iter()
        .partition(|account| account.from.is_some());
    for origin in origins(report) {
        let of_it = brought
            .iter()
            .filter(|one| one.from.as_deref() == Some(origin));
        let many = count(of_it.count(), "account");
        found.ok(
            "accounts",
            format!("{many} that a bridge brings from {origin}"),
        );
    }
    let mut sound = 0;
    for account in own {
        if let Some(lack) = lack_of(account, report) {
            let saw = format!("{}: {}", account.name, lack.what);
            let remedy = command(&lack.hint).unwrap_or_default();
            found.advise("account", Level::Problem, saw, remedy);
        } else if let Err(failure) = store.check_secrets(&account.name) {
            secret(place, &failure, found);
        } else {
            sound += 1;
        }
    }
    if sound > 0 {
        found.ok(
            "accounts",
            format!(
                "{} with everything that a fetch needs",
                count(sound, "account")
            ),
        );
    }
}

/// The stores that a bridge brings accounts from, each once.
fn origins(report: &Report) -> BTreeSet<&str> {
    let all = report.accounts.iter();
    all.filter_map(|account| account.from.as_deref()).collect()
}

fn secret(place: &Place, why: &Error, found: &mut Findings) {
    // The check of the key reports this, once.
    if place.key.exists() && !is_readable(&place.key) {
        return;
    }
    let remedy = format!("restore the key that fits, or register the account again: {ADD}");
    found.failure("account", Level::Problem, why, &remedy);
}

fn keeper(report: &Report, place: &Place, found: &mut Findings) {
    let start = match &place.files {
        Some(files) => {
            let owner = std::fs::metadata(&files.store);
            let owner = owner.map_or_else(|_| "its owner".into(), |meta| user(meta.uid()));
            format!("start wxtoken keep as {owner}")
        }
        None => "start wxtoken keep where the key is".into(),
    };
    let mailbox = match &place.files {
        Some(files) => files.mailbox.display().to_string(),
        None => place.name.clone(),
    };
    if let (Some(false), Some(origin)) = (report.keeper, origins(report).first()) {
        found.advise(
            "bridge",
            Level::Problem,
            format!("none is running: nothing brings the accounts of {origin}"),
            start.replace("wxtoken keep", &format!("wxtoken keep --from {origin}")),
        );
        return;
    }
    match (report.keeper, &report.reader) {
        (Some(true), None) => found.ok("keeper", "it is running"),
        (Some(true), Some(why)) => {
            found.ok("keeper", "it is running");
            found.note(
                "reader",
                format!("the keeper fetches, not this user: {why}"),
            );
        }
        (Some(false), None) => found.note(
            "keeper",
            "none is running: a process that needs a token fetches it",
        ),
        (Some(false), Some(why)) => {
            let saw = format!("none is running, and this user may not fetch: {why}");
            let of_store = why.hint.as_deref().filter(|_| why.status == Status::Store);
            let remedy = match of_store {
                Some(hint) => in_commands(hint),
                None => start,
            };
            found.advise("keeper", Level::Problem, saw, remedy);
        }
        (None, _) => found.advise(
            "keeper",
            Level::Warning,
            format!("this user may not write to {mailbox}, and cannot ask for a token"),
            "let its group read the store, and start wxtoken keep again",
        ),
    }
}

/// Reports tokens that another program ends.
pub fn contests(report: &Report, found: &mut Findings) {
    for (_, token) in report.rows() {
        if let Some(contested) = &token.contested {
            found.failure("token", Level::Warning, contested, "");
        }
    }
}

pub fn failures(report: &Report, found: &mut Findings) {
    for (account, token) in report.rows() {
        let Some(error) = token.failure() else {
            continue;
        };
        let level = if token.is_valid() {
            Level::Warning
        } else {
            Level::Problem
        };
        let name = account.name_of(token);
        let next = match token.retry_at.map(|at| at - report.now) {
            Some(seconds) if seconds > 0 => format!("the next try is in {}", span(seconds)),
            _ => "the next get tries again".into(),
        };
        let remedy = match error.hint.as_deref() {
            Some(hint) => in_commands(hint),
            None => next.clone(),
        };
        let (check, saw) = match error.hint.as_deref() {
            Some(Hint::AllowAddress {
                address: Some(address),
                ..
            }) => (
                "allow list",
                format!("{name}: the platform sees this host as {address}, and does not let it in"),
            ),
            Some(Hint::AllowAddress { address: None, .. }) => (
                "allow list",
                format!(
                    "{name}: the platform does not let this host's address in, and does not say which it is"
                ),
            ),
            _ => ("failure", format!("{name}: {error}")),
        };
        let code = match error.errcode {
            code if code != 0 && check == "allow list" => format!(" (errcode {code})"),
            _ => String::new(),
        };
        found.advise(check, level, format!("{saw}{code}; {next}"), remedy);
    }
}
