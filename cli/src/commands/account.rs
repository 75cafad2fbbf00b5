//! `wxtoken account`: add, list, remove, use.

use serde_json::Value;
use wxtoken::tool::{AccountReport, Error, KindOfAccount, Report, Store, check_new_account, kinds};

use super::{existing, open};
use crate::args::{Account, AccountAdd, AccountList, AccountRemove, AccountUse, Cli};
use crate::exit::{ExitResult, Failure, NO};
use crate::needs::lack_of;
use crate::prompt;
use crate::ui::hint::{ADD, command};
use crate::ui::layout;
use crate::ui::output;
use crate::ui::plural::count;
use crate::ui::shell::quoted;
use crate::ui::terminal::Terminal;

pub fn run(cli: &Cli, verb: &Account) -> ExitResult {
    match verb {
        Account::Add(added) => add(cli, added),
        Account::List(listed) => list(&existing(cli)?, listed),
        Account::Remove(removed) => remove(&existing(cli)?, removed),
        Account::Use(used) => make_current(&existing(cli)?, used),
    }
}

fn add(cli: &Cli, new: &AccountAdd) -> ExitResult {
    let kind = kinds().into_iter().find(|kind| kind.name == new.kind);
    let Some(kind) = kind else {
        return Err(Failure::usage("there is no such kind of account"));
    };
    if !kind.has_secret && new.secret_file.is_some() {
        let what = format!("accounts of kind {} have no secret", kind.name);
        return Err(Failure::usage(what).advise("Leave --secret-file out."));
    }
    if new.parent.is_some() && kind.parent.is_none() {
        let what = format!("accounts of kind {} have no parent", kind.name);
        return Err(Failure::usage(what).advise("Leave --parent out."));
    }
    check_new_account(&new.name, kind.name, &new.id)?;
    // The store is opened first, so that nobody types a secret for a store that cannot be used.
    let store = open(cli)?;
    let before = store.report()?;
    check_parent(new, &kind, &before)?;
    let what = match kind.name {
        "work_authorized" => "permanent_code",
        _ => "secret",
    };
    let secret = match kind.has_secret {
        true => Some(prompt::secret(
            new.secret_file.as_deref(),
            &format!("{what} of {} ({} {})", new.name, kind.id_name, new.id),
        )?),
        false => None,
    };
    let secret = secret.as_ref().map(|secret| secret.as_str());
    let mut changed = store.register(&new.name, kind.name, &new.id, secret)?;
    if let Some(parent) = &new.parent {
        store.put(&new.name, "parent", Some(parent))?;
    }
    let after = store.report()?;
    let parent = |report: &Report| report.account(&new.name).and_then(|one| one.parent.clone());
    changed |= parent(&before) != parent(&after);
    output::print_lines(&added(new, &before, &after, changed))
}

/// Checks the parent before anything is registered, so that a wrong parent leaves no half-made account.
fn check_parent(new: &AccountAdd, kind: &KindOfAccount, there: &Report) -> Result<(), Failure> {
    let (Some(parent), Some(wanted)) = (&new.parent, kind.parent) else {
        return Ok(());
    };
    match there.account(parent) {
        None => Err(Failure::no_account(parent, there)),
        Some(found) if found.kind != wanted => {
            let what = format!(
                "the parent of an account of kind {} is of kind {wanted}",
                kind.name
            );
            let why = format!("\"{parent}\" is of kind {}; nothing is changed", found.kind);
            Err(Error::argument(what).because(why).into())
        }
        Some(_) => Ok(()),
    }
}

/// Returns the lines that say what was registered, and what the account still lacks.
fn added(new: &AccountAdd, before: &Report, after: &Report, changed: bool) -> String {
    let verb = match before.account(&new.name) {
        Some(_) if changed => "updated",
        Some(_) => "unchanged",
        None => "registered",
    };
    let mut said = format!("{}: {verb} ({} {})", new.name, new.kind, new.id);
    let is_current = |report: &Report| {
        report
            .current()
            .is_some_and(|current| current.name == new.name)
    };
    if is_current(after) && !is_current(before) {
        said.push_str("; it is the current account");
    }
    said.push('\n');
    if let Some(lack) = after
        .account(&new.name)
        .and_then(|account| lack_of(account, after))
    {
        let command = command(&lack.hint).unwrap_or_default();
        said.push_str(&format!("{}: {}: {command}\n", new.name, lack.what));
    }
    said
}

fn list(store: &Store, listed: &AccountList) -> ExitResult {
    let report = store.report()?;
    if listed.json {
        let accounts: Vec<Value> = report.accounts.iter().map(without_tokens).collect();
        return output::print_json(&accounts);
    }
    if report.size() == 0 {
        return output::print_line(&format!("no account yet: {ADD}"));
    }
    let mut rows = vec![["  NAME", "KIND", "ID", "PARENT"].map(str::to_owned)];
    rows.extend(report.accounts.iter().map(|account| {
        let mark = if account.current { "*" } else { " " };
        [
            format!("{mark} {}", account.name),
            account.kind.to_owned(),
            account.id.clone(),
            account.parent.clone().unwrap_or_default(),
        ]
    }));
    let lines = layout::in_columns(&rows);
    let unicode = Terminal::of_stdout().unicode;
    let lines = lines.iter().map(|line| line.render(None, unicode) + "\n");
    output::print(&lines.collect::<String>())?;
    for unknown in &report.unknown_accounts {
        output::warning(&unknown.to_string());
    }
    Ok(0)
}

fn without_tokens(account: &AccountReport) -> Value {
    let mut account = serde_json::to_value(account).unwrap_or_default();
    if let Some(fields) = account.as_object_mut() {
        fields.remove("tokens");
    }
    account
}

fn remove(store: &Store, remove: &AccountRemove) -> ExitResult {
    let report = store.report()?;
    let known = report.account(&remove.name);
    let known = known.map(|account| (account.kind, &account.id));
    let unknown = report.unknown_account(&remove.name);
    let unknown = unknown.map(|account| (account.kind.as_str(), &account.id));
    let Some((kind, id)) = known.or(unknown) else {
        return Err(Failure::no_account(&remove.name, &report));
    };
    let name = &remove.name;
    if !remove.yes {
        let question =
            format!("Remove account \"{name}\" ({kind} {id}), with its secret and its tokens?");
        if !output::confirm(&question, "--yes")? {
            output::say_nothing_is_changed();
            return Ok(NO);
        }
    }
    let gone = store.remove(name)?;
    let with = match gone.credentials {
        0 => String::new(),
        some => format!(", with {}", count(some, "token")),
    };
    let mut said = format!("{name}: removed{with}\n");
    for child in &gone.children {
        said.push_str(&format!(
            "{child}: its parent is gone: wxtoken put {} parent PARENT, or wxtoken account remove {0}\n",
            quoted(child)
        ));
    }
    let others: Vec<&str> = report
        .accounts
        .iter()
        .map(|one| one.name.as_str())
        .filter(|other| other != name)
        .collect();
    if gone.was_current
        && let Some(other) = others.first()
    {
        said.push_str(&format!(
            "There is no current account any more: wxtoken account use {}\n",
            if others.len() == 1 {
                quoted(other)
            } else {
                "NAME".into()
            }
        ));
    }
    output::print_lines(&said)
}

fn make_current(store: &Store, used: &AccountUse) -> ExitResult {
    store.put(&used.name, "current", None)?;
    output::print_line(&format!("{} is the current account", used.name))
}
