//! `wxtoken reject`: the API refused a token.

use std::time::{Duration, Instant};

use wxtoken::tool::{Store, Stored};

use crate::args::Reject;
use crate::exit::ExitResult;
use crate::prompt;
use crate::ui::output;
use crate::ui::time::span;

/// How long the keeper is given to look into a rejection.
const PATIENCE: Duration = Duration::from_secs(10);

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
    let mut after = store.stored(Some(name))?;
    if store.has_keeper() == Some(true) {
        // The next command is another process, and is to find what came of it.
        let began = Instant::now();
        while is_open(&stored, &after) && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
            after = store.stored(Some(name))?;
        }
    }
    output::print_line(&format!("{name}: {}", what_follows(&stored, &after, store)))
}

/// Whether the keeper has yet to look into the rejection.
fn is_open(before: &Stored, after: &Stored) -> bool {
    after.rejected && after.until_fetch_ms == 0 && before.token == after.token
}

/// True for a reader and for a process that fetches.
fn what_follows(before: &Stored, after: &Stored, store: &Store) -> String {
    if !after.rejected {
        return match before.token == after.token {
            true => "rejected; the platform takes it, and get gives it as before".into(),
            false => "another has been fetched by now".into(),
        };
    }
    let wait = span((after.until_fetch_ms + 999) / 1000);
    let who = match store.has_keeper() {
        Some(true) => "the keeper",
        _ => "the next get",
    };
    match (after.until_fetch_ms, after.is_checked) {
        (0, true) => format!(
            "rejected; {who} asks the platform whether it takes this token, and fetches another if not"
        ),
        (0, false) => format!("rejected; {who} fetches another"),
        _ if after.is_served => {
            format!(
                "rejected; no other may be fetched for {wait}, and get gives this one till then"
            )
        }
        _ => format!("rejected; no other may be fetched for {wait}"),
    }
}
