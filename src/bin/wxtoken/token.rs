//! `wxtoken get` and `wxtoken reject`.

use serde_json::json;
use wxtoken::tool::Store;

use crate::cli::{Get, Reject};
use crate::input;
use crate::output;
use crate::report::Report;
use crate::trouble::{Trouble, Verdict};

/// The one place where a token leaves the program.
pub fn get(store: &Store, get: &Get) -> Verdict {
    let token = store.get(get.name.as_deref())?;
    if !get.json {
        return output::print_line(&token.value);
    }
    let name = match &get.name {
        Some(name) => Some(name.clone()),
        None => Report::of(store)?.current().map(str::to_owned),
    };
    output::print_json(&json!({
        "name": name,
        "token": &*token.value,
        "expires_at": (token.expires_at > 0).then_some(token.expires_at),
    }))
}

pub fn reject(store: &Store, reject: &Reject) -> Verdict {
    let name = reject.name.as_deref();
    match &reject.token_file {
        Some(file) => {
            let token = input::secret(Some(file), "refused token")?;
            store.reject(name, &token)?;
        }
        None => store.reject(name, &store.get(name)?.value)?,
    }
    let report = Report::of(store)?;
    let Some(name) = name.or(report.current()).map(str::to_owned) else {
        return Err(Trouble::no_account("", &report.names()));
    };
    let is_rejected = report
        .rows()
        .any(|(account, token)| token.is_named(account, &name) && token.rejected);
    output::print_line(&match is_rejected {
        true => format!("{name}: rejected; the next get fetches another"),
        false => format!("{name}: another token is stored by now; nothing is changed"),
    })
}
