//! `wxtoken reject`: the API refused a token.

use wxtoken::tool::{Store, Stored};

use crate::args::Reject;
use crate::exit::ExitResult;
use crate::prompt;
use crate::ui::output;
use crate::ui::time::span;

pub fn run(store: &Store, reject: &Reject) -> ExitResult {
    let stored = store.stored(reject.name.as_deref())?;
    let name = &stored.name;
    let refused = match &reject.token_file {
        Some(file) => Some(prompt::secret(Some(file), "refused token")?),
        None => None,
    };
    let Some(token) = &stored.token else {
        return output::print_line(&format!(
            "{name}: there is no valid token in the store; nothing is changed"
        ));
    };
    if refused.is_some_and(|refused| *refused != **token) {
        return output::print_line(&format!(
            "{name}: another token is stored by now; nothing is changed"
        ));
    }
    store.reject(Some(name), token)?;
    let after = store.stored(Some(name))?;
    output::print_line(&format!("{name}: {}", what_follows(&after, store)))
}

/// True for a reader and for a process that fetches.
fn what_follows(after: &Stored, store: &Store) -> String {
    if !after.rejected {
        return "another has been fetched by now".into();
    }
    let wait = span((after.until_fetch_ms + 999) / 1000);
    match (after.until_fetch_ms, store.has_keeper()) {
        (0, Some(true)) => "rejected; the keeper fetches another".into(),
        (0, _) => "rejected; the next get fetches another".into(),
        _ if after.is_served => {
            format!(
                "rejected; no other may be fetched for {wait}, and get gives this one till then"
            )
        }
        _ => format!("rejected; no other may be fetched for {wait}"),
    }
}
