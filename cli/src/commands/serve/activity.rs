//! The last call of each client, and the number of its calls since the start, for the page. It is kept in memory
//! only. It is bounded, since the names are the store's.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::audit::seconds;

/// The most clients that are remembered. A store has fewer. Beyond that, all are forgotten, removed ones too.
const MOST: usize = 10_000;

#[derive(Default)]
pub struct Activity(Mutex<HashMap<String, Calls>>);

/// The calls of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    pub answered: u64,
    /// Calls that were refused or failed.
    pub unanswered: u64,
    pub last: Option<LastCall>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastCall {
    /// The time of the call in Unix seconds.
    pub at: i64,
    pub verb: &'static str,
    pub account: Option<String>,
    /// The result: `ok`, or the audit's word for a refusal or failure.
    pub result: String,
}

impl Activity {
    pub fn note(&self, client: &str, verb: &'static str, account: Option<&str>, result: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST && !all.contains_key(client) {
            all.clear();
        }
        let calls = all.entry(client.to_owned()).or_default();
        match result {
            "ok" => calls.answered += 1,
            _ => calls.unanswered += 1,
        }
        calls.last = Some(LastCall {
            at: seconds(),
            verb,
            account: account.map(str::to_owned),
            result: result.to_owned(),
        });
    }

    /// The calls of a client, or zeros if it has not called.
    pub fn of(&self, client: &str) -> Calls {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(client).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_its_last_call_and_its_counts() {
        let activity = Activity::default();
        assert_eq!(activity.of("web"), Calls::default());
        activity.note("web", "get", Some("shop"), "ok");
        activity.note("web", "reject", None, "not allowed");
        let calls = activity.of("web");
        assert_eq!((calls.answered, calls.unanswered), (1, 1));
        let last = calls.last.unwrap();
        assert_eq!((last.verb, &*last.result), ("reject", "not allowed"));
        for name in 0..2 * MOST {
            activity.note(&name.to_string(), "get", None, "ok");
        }
        assert!(activity.0.lock().unwrap().len() <= MOST);
    }
}
