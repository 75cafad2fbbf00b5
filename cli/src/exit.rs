//! The failure that stops a command, and its exit code.
//!
//! Scripts rely on the codes; `help` documents them.

use std::io;
use std::path::Path;

use wxtoken::tool::{Error, Hint, Report, Status, choose};

use crate::ui::hint::{ADD, in_commands};
use crate::ui::output;
use crate::ui::time::span;

/// A check failed, or a question was not answered with yes.
pub const NO: u8 = 1;
/// The command line is not valid. Clap uses this code too.
pub const USAGE: u8 = 2;
/// A file, the terminal, stdin or stdout could not be read or written.
pub const IO: u8 = 3;
/// Added to the `wxtoken_status` of a failed call.
pub const CALL: i32 = 10;

/// The exit code of a command, or the failure that has one of its own.
pub type ExitResult = Result<u8, Failure>;

/// The reason why a command stopped.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    error: Error,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let code = u8::try_from(CALL + error.status as i32).unwrap_or(CALL as u8);
        Failure { code, error }
    }
}

impl Failure {
    /// A command line that cannot be carried out.
    pub fn usage(what: impl Into<String>) -> Failure {
        Failure {
            code: USAGE,
            error: Error::argument(what),
        }
    }

    /// A read or a write that failed: “cannot read FILE: permission denied”.
    pub fn io(what: &str, e: &io::Error) -> Failure {
        Failure::unusable(what, reason(e))
    }

    /// Input that was read but cannot be used: “cannot read FILE: it is empty”.
    pub fn unusable(what: &str, why: impl Into<String>) -> Failure {
        Failure {
            code: IO,
            error: Error::new(Status::Internal, format!("cannot {what}")).because(why),
        }
    }

    pub fn no_account(name: &str, report: &Report) -> Failure {
        if let Some(unknown) = report.unknown_account(name) {
            let error = Error::new(Status::Account, unknown.to_string());
            return error.advise("Upgrade libwxtoken.").into();
        }
        let what = format!("account \"{name}\" not found in store {}", report.store);
        let known: Vec<&str> = report
            .accounts
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        let hint = match known[..] {
            [] => Hint::Register {
                account: name.into(),
            },
            _ => choose(name, &known, "The accounts are"),
        };
        Error::new(Status::Account, what).hint(hint).into()
    }

    pub fn no_store(path: &Path) -> Failure {
        Error::store(format!("there is no store {}", path.display()))
            .advise(format!(
                "`{ADD}` creates it. --store or WXTOKEN_STORE names another path."
            ))
            .into()
    }

    /// Adds the cause.
    pub fn because(self, detail: impl Into<String>) -> Failure {
        Failure {
            error: self.error.because(detail),
            ..self
        }
    }

    /// Adds a hint, in whole sentences.
    pub fn advise(self, sentences: impl Into<String>) -> Failure {
        Failure {
            error: self.error.advise(sentences),
            ..self
        }
    }

    /// Whether the store could not be read, perhaps because another process holds it.
    pub fn is_of_store(&self) -> bool {
        let codes = [Status::Store, Status::Timeout].map(|status| CALL + status as i32);
        codes.contains(&i32::from(self.code))
    }

    pub fn exit_code(&self) -> u8 {
        self.code
    }

    pub fn error(&self) -> &Error {
        &self.error
    }

    /// Prints the error to stderr, with its hint and the time of the next try.
    pub fn show(&self) {
        output::error(&self.error.to_string());
        if let Some(hint) = &self.error.hint {
            output::hint(&in_commands(hint));
        }
        if self.error.retry_after_ms > 0 {
            let seconds = (self.error.retry_after_ms + 999) / 1000;
            output::hint(&format!("Try again in {}.", span(seconds)));
        }
    }
}

/// The system's message, without Rust's “(os error 13)”.
pub fn reason(e: &io::Error) -> String {
    let text = e.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => text,
    }
}
