//! The number of forwarded calls by client, path and result, for metrics. The number of series is bounded, whatever
//! paths callers invent.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use super::paths::OTHER;

const MOST: usize = 2000;

/// The result of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Result {
    Ok,
    /// The platform answered with an errcode.
    Errcode,
    Refused,
    Failed,
}

impl Result {
    fn word(self) -> &'static str {
        match self {
            Result::Ok => "ok",
            Result::Errcode => "errcode",
            Result::Refused => "refused",
            Result::Failed => "failed",
        }
    }
}

#[derive(Default)]
pub struct Counts(Mutex<BTreeMap<(String, String, Result), u64>>);

impl Counts {
    pub fn note(&self, client: &str, path: &str, result: Result) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (client.to_owned(), path.to_owned(), result);
        if all.len() >= MOST && !all.contains_key(&key) {
            key.1 = OTHER.to_owned();
        }
        *all.entry(key).or_default() += 1;
    }

    /// Writes the counts of the clients that `sees` accepts, in the format of Prometheus.
    pub fn write(&self, sees: impl Fn(&str) -> bool, to: &mut String) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        to.push_str(
            "# HELP wxtoken_forwarded_calls_total Calls that were forwarded for a client, by path and by result.\n\
             # TYPE wxtoken_forwarded_calls_total counter\n",
        );
        for ((client, path, result), count) in all.iter().filter(|((client, ..), _)| sees(client)) {
            let result = result.word();
            let _ = writeln!(
                to,
                "wxtoken_forwarded_calls_total{{client=\"{client}\",path=\"{path}\",result=\"{result}\"}} {count}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(counts: &Counts, client: &str) -> String {
        let mut text = String::new();
        counts.write(|name| name == client, &mut text);
        text
    }

    #[test]
    fn calls_are_counted_by_client_path_and_result() {
        let counts = Counts::default();
        for _ in 0..3 {
            counts.note("web", "/cgi-bin/user/info", Result::Ok);
        }
        counts.note("web", "/cgi-bin/user/info", Result::Errcode);
        counts.note("crm", "/wxa/a", Result::Failed);
        let web = written(&counts, "web");
        assert!(web.contains(
            "wxtoken_forwarded_calls_total{client=\"web\",path=\"/cgi-bin/user/info\",result=\"ok\"} 3\n"
        ));
        assert!(web.contains("result=\"errcode\"} 1\n") && !web.contains("crm"));
    }

    #[test]
    fn the_number_of_paths_is_bounded() {
        let counts = Counts::default();
        for number in 0..3 * MOST {
            counts.note("web", &format!("/p/{number}"), Result::Ok);
        }
        assert!(counts.0.lock().unwrap().len() <= MOST + 4);
        assert!(written(&counts, "web").contains("path=\"other\""));
    }
}
