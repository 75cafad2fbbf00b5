//! What accounts lack before they can have a token, and the failures that stand.

use std::os::unix::fs::MetadataExt;

use nix::unistd::AccessFlags;
use wxtoken::tool::{Paths, Store};

use super::access::{may, user};
use super::{Findings, Level};
use crate::exit::in_commands;
use crate::report::Report;
use crate::ui::advice::{Advice, unlisted};
use crate::ui::plural::count;
use crate::ui::time::span;

pub fn look(store: &Store, report: &Report, paths: &Paths, found: &mut Findings) {
    if let Some(why) = &report.degraded {
        found.advise(
            "store",
            Level::Problem,
            format!("tokens are kept in memory only: {why}"),
            "let this user write to the store",
        );
    }
    keeper(report, paths, found);
    if report.accounts.is_empty() {
        found.advise(
            "accounts",
            Level::Note,
            "no account yet",
            "wxtoken account add NAME --kind KIND --id ID",
        );
        return;
    }
    if report.current().is_none() {
        found.advise(
            "accounts",
            Level::Note,
            "no account is the current one: get needs a name",
            "wxtoken account use NAME",
        );
    }
    let mut sound = 0;
    for account in &report.accounts {
        if let Some((lack, command)) = account.lacks(report) {
            found.advise(
                "account",
                Level::Problem,
                format!("{}: {lack}", account.name),
                command,
            );
        } else if let Err(failure) = store.check_secrets(&account.name) {
            secret(paths, in_commands(&failure.for_c()), found);
        } else {
            sound += 1;
        }
    }
    if sound > 0 {
        found.ok(
            "accounts",
            format!("{} with all that a fetch takes", count(sound, "account")),
        );
    }
}

fn secret(paths: &Paths, why: String, found: &mut Findings) {
    // Said once, by the key's own check.
    if paths.key.exists() && !may(&paths.key, AccessFlags::R_OK) {
        return;
    }
    found.advise(
        "account",
        Level::Problem,
        why,
        "restore the key that fits, or register the account again: wxtoken account add",
    );
}

fn keeper(report: &Report, paths: &Paths, found: &mut Findings) {
    let fetches = may(&paths.key, AccessFlags::R_OK) || !paths.key.exists();
    let owner = std::fs::metadata(&paths.store)
        .map_or_else(|_| "its owner".into(), |meta| user(meta.uid()));
    match report.keeper {
        Some(true) => found.ok("keeper", "it is running"),
        Some(false) if fetches => found.note(
            "keeper",
            "none is running: whoever needs a token fetches it",
        ),
        Some(false) => found.advise(
            "keeper",
            Level::Problem,
            "none is running, and this user may not fetch",
            format!("start wxtoken keep as {owner}"),
        ),
        None => found.advise(
            "keeper",
            Level::Warning,
            format!(
                "this user may not write to {}, and cannot ask for a token",
                paths.mailbox.display()
            ),
            "let its group read the store, and start wxtoken keep anew",
        ),
    }
}

pub fn failures(report: &Report, found: &mut Findings) {
    for (account, token) in report.rows() {
        let Some(error) = &token.error else {
            continue;
        };
        let said = Advice::of(account, error);
        let level = if token.is_valid() {
            Level::Warning
        } else {
            Level::Problem
        };
        let name = format!("{}/{}", account.name, token.credential);
        if let Some(unlisted) = unlisted(error) {
            let host = match unlisted.address {
                Some(address) => format!(
                    "{name}: the platform sees this host as {address}, and does not let it in"
                ),
                None => format!(
                    "{name}: the platform does not let this host's address in, and does not say which it is"
                ),
            };
            found.advise(
                "allow list",
                level,
                format!("{host} (errcode {})", error.errcode),
                unlisted.remedy(),
            );
            continue;
        }
        let next = match token.retry_at.map(|at| at - report.now) {
            Some(seconds) if seconds > 0 => format!("the next try is in {}", span(seconds)),
            _ => "the next get tries again".into(),
        };
        let remedy = said
            .remedy
            .map_or(next.clone(), |remedy| format!("{remedy}; {next}"));
        found.advise("failure", level, format!("{name}: {}", said.what), remedy);
    }
}
