//! `wxtoken client`: adds, lists, changes, rotates and removes the clients of a server.
//!
//! Each change takes effect in running servers from the next call on.

use serde_json::json;
use wxtoken::tool::{NewKey, ServerClient, Store, Verb};

use super::existing;
use crate::args::{Cli, Client, ClientAdd, ClientChange, ClientList, ClientRemove, ClientRotate};
use crate::exit::{ExitResult, Failure, NO};
use crate::ui::layout;
use crate::ui::output;
use crate::ui::terminal::Terminal;
use crate::ui::time::date;

pub fn run(cli: &Cli, verb: &Client) -> ExitResult {
    let store = existing(cli)?;
    match verb {
        Client::Add(added) => add(&store, added),
        Client::Change(changed) => change(&store, changed),
        Client::List(listed) => list(&store, listed),
        Client::Rotate(rotated) => rotate(&store, rotated),
        Client::Remove(removed) => remove(&store, removed),
    }
}

fn add(store: &Store, new: &ClientAdd) -> ExitResult {
    let accounts = new.accounts.as_deref().map(borrowed);
    let key = store.add_client(&new.name, accounts.as_deref(), &verbs(&new.allow))?;
    print_key(&key)
}

fn change(store: &Store, change: &ClientChange) -> ExitResult {
    let accounts = change.accounts.as_deref().map(borrowed);
    let accounts = match (change.all_accounts, &accounts) {
        (true, _) => Some(None),
        (false, Some(names)) => Some(Some(&names[..])),
        (false, None) => None,
    };
    let allow = change.allow.as_deref().map(verbs);
    if accounts.is_none() && allow.is_none() {
        return Err(Failure::usage("there is nothing to change")
            .advise("Give --accounts, --all-accounts or --allow."));
    }
    store.change_client(&change.name, accounts, allow.as_deref())?;
    output::print_line(&format!("{}: changed", change.name))
}

fn borrowed(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

fn verbs(names: &[String]) -> Vec<Verb> {
    let is_named = |verb: &Verb| names.iter().any(|name| name == verb.name());
    Verb::ALL.into_iter().filter(is_named).collect()
}

/// Prints the key alone on stdout, so that a script can take it, and a hint on stderr.
fn print_key(key: &NewKey) -> ExitResult {
    let code = output::print_line(&key.text)?;
    output::hint(
        "This is the key. It is shown once. Give it to the client, and keep it nowhere else.",
    );
    Ok(code)
}

fn list(store: &Store, listed: &ClientList) -> ExitResult {
    let clients = store.clients()?;
    if listed.json {
        let all: Vec<_> = clients
            .all()
            .map(|(name, client)| {
                json!({
                    "name": name,
                    "accounts": client.accounts,
                    "allow": client.allow,
                    "added_at": client.added_at / 1000,
                    "keys": client.keys_made_at().map(|at| json!({"made_at": at / 1000})).collect::<Vec<_>>(),
                })
            })
            .collect();
        return output::print_json(&all);
    }
    let mut rows = vec![["NAME", "ACCOUNTS", "ALLOW", "KEYS"].map(str::to_owned)];
    rows.extend(clients.all().map(|(name, client)| {
        [
            name.to_owned(),
            accounts_of(client),
            client.allow.join(","),
            keys_of(client),
        ]
    }));
    if rows.len() == 1 {
        return output::print_line("no client yet: wxtoken client add NAME");
    }
    let lines = layout::in_columns(&rows);
    let unicode = Terminal::of_stdout().unicode;
    let lines = lines.iter().map(|line| line.render(None, unicode) + "\n");
    output::print(&lines.collect::<String>())
}

fn accounts_of(client: &ServerClient) -> String {
    match &client.accounts {
        Some(names) => names.join(","),
        None => "all".into(),
    }
}

fn keys_of(client: &ServerClient) -> String {
    let dates: Vec<String> = client.keys_made_at().map(|at| date(at / 1000)).collect();
    dates.join(" and ")
}

fn rotate(store: &Store, rotated: &ClientRotate) -> ExitResult {
    let name = &rotated.name;
    if rotated.finish {
        let said = match store.finish_client(name)? {
            true => format!("{name}: the older key has ended"),
            false => format!("{name}: it has one key, which stays valid"),
        };
        return output::print_line(&said);
    }
    let key = store.rotate_client(name)?;
    let code = print_key(&key)?;
    output::hint(&format!(
        "Both keys are valid until `wxtoken client rotate {name} --finish`."
    ));
    Ok(code)
}

fn remove(store: &Store, remove: &ClientRemove) -> ExitResult {
    let name = &remove.name;
    if !remove.yes {
        let there = store.clients()?;
        let Some((name, client)) = there.named(name) else {
            // The library's error names the clients that exist.
            store.remove_client(name)?;
            return Ok(NO);
        };
        let question = format!(
            "Remove client \"{name}\" (accounts: {})? Its keys are refused from the next call on.",
            accounts_of(client)
        );
        if !output::confirm(&question, "--yes")? {
            output::say_nothing_is_changed();
            return Ok(NO);
        }
    }
    store.remove_client(name).map_err(Failure::from)?;
    output::print_line(&format!("{name}: removed"))
}
