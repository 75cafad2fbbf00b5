//! `wxtoken get`, the only command that prints a token.

use serde_json::json;
use wxtoken::tool::Store;

use crate::args::Get;
use crate::exit::ExitResult;
use crate::ui::output;

pub fn run(store: &Store, get: &Get) -> ExitResult {
    let token = store.get(get.name.as_deref())?;
    if !get.json {
        return output::print_line(&token.value);
    }
    let name = match &get.name {
        Some(name) => Some(name.clone()),
        None => store.default_account()?,
    };
    output::print_json(&json!({
        "name": name,
        "token": &*token.value,
        "expires_at": (token.expires_at > 0).then_some(token.expires_at),
    }))
}
