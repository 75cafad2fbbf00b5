//! `wxtoken reject`: reports that the API refused a token.

use std::time::{Duration, Instant};

use wxtoken::tool::{Store, Stored};

use crate::args::Reject;
use crate::exit::ExitResult;
use crate::prompt;
use crate::ui::output;
use crate::ui::time::span;

/// The time that the keeper has to handle a rejection before this command reports it as open.
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
        // This waits for the keeper, so that the next command finds the outcome in the store.
        let began = Instant::now();
        while is_open(&stored, &after) && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
            after = store.stored(Some(name))?;
        }
    }
    output::print_line(&format!("{name}: {}", what_follows(&stored, &after, store)))
}

/// Whether the keeper has not yet handled the rejection.
fn is_open(before: &Stored, after: &Stored) -> bool {
    after.rejected && after.until_fetch_ms == 0 && before.token == after.token
}

/// Says what happens next. It holds for a reader and for a process that fetches.
fn what_follows(before: &Stored, after: &Stored, store: &Store) -> String {
    if !after.rejected {
        return match before.token == after.token {
            true => "rejected; the platform accepts it, so get returns it as before".into(),
            false => "another token has been fetched".into(),
        };
    }
    let wait = span((after.until_fetch_ms + 999) / 1000);
    let who = match store.has_keeper() {
        Some(true) => "the keeper",
        _ => "the next get",
    };
    match (after.until_fetch_ms, after.is_checked) {
        (0, true) => format!(
            "rejected; {who} asks the platform whether it accepts this token, and fetches another if not"
        ),
        (0, false) => format!("rejected; {who} fetches another"),
        _ if after.is_served => {
            format!(
                "rejected; no other may be fetched for {wait}, and get returns this one until then"
            )
        }
        _ => format!("rejected; no other may be fetched for {wait}"),
    }
}
