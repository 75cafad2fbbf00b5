//! What can stop a command, in words and as an exit code.
//!
//! The codes are a promise to scripts; `commands::manual` documents them.

use std::io;
use std::path::Path;

use wxtoken::tool::{Error, Status};

use crate::ui::output;
use crate::ui::time::span;

/// The answer was no: a check failed, or a question was not answered with yes.
pub const NO: u8 = 1;
/// As clap's own.
pub const USAGE: u8 = 2;
/// A file, the terminal, stdin or stdout.
pub const IO: u8 = 3;
/// Added to the number of the `wxtoken_status`.
pub const CALL: i32 = 10;

/// An exit code, or why there is another.
pub type ExitResult = Result<u8, Failure>;

/// Why a command stopped.
#[derive(Debug)]
pub enum Failure {
    /// A call of the library failed.
    Call(Error),
    /// What was asked for cannot be.
    Usage(String),
    /// Something could not be read or written.
    Io(String),
}

impl From<Error> for Failure {
    fn from(failure: Error) -> Failure {
        Failure::Call(failure)
    }
}

impl Failure {
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::Usage(message.into())
    }

    /// “cannot read FILE: permission denied”.
    pub fn io(what: &str, e: &io::Error) -> Failure {
        Failure::Io(format!("cannot {what}: {}", reason(e)))
    }

    pub fn no_account(name: &str, known: &[String]) -> Failure {
        let known = match known {
            [] => "there is none yet: `wxtoken account add` registers one".into(),
            some => format!("there are {}", some.join(", ")),
        };
        let message = format!("no account \"{name}\" in this store: {known}");
        Failure::Call(Error::new(Status::Account, message))
    }

    pub fn argument(message: &str) -> Failure {
        Failure::Call(Error::argument(message))
    }

    pub fn no_store(path: &Path) -> Failure {
        Failure::Call(Error::store(format!(
            "there is no store {}: `wxtoken account add` makes one; another path is named by --store or WXTOKEN_STORE",
            path.display()
        )))
    }

    /// Whether it is the store that could not be read, be it held by somebody.
    pub fn is_of_store(&self) -> bool {
        let Failure::Call(failure) = self else {
            return false;
        };
        matches!(failure.status, Status::Store | Status::Timeout)
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Call(failure) => u8::try_from(CALL + failure.status as i32).unwrap_or(19),
            Failure::Usage(_) => USAGE,
            Failure::Io(_) => IO,
        }
    }

    pub fn message(&self) -> String {
        match self {
            Failure::Call(failure) => in_commands(&failure.for_c()),
            Failure::Usage(message) | Failure::Io(message) => message.clone(),
        }
    }

    /// On stderr, with a second line on the next try where one makes sense.
    pub fn show(&self) {
        output::complain(&self.message());
        if let Failure::Call(failure) = self
            && failure.retry_after_ms > 0
        {
            let seconds = (failure.retry_after_ms + 999) / 1000;
            output::complain(&format!("the next try makes sense in {}", span(seconds)));
        }
    }
}

/// The library's advice names C functions: here are the commands that call them.
pub fn in_commands(message: &str) -> String {
    const COMMANDS: [(&str, &str); 6] = [
        ("wxtoken_register", "`wxtoken account add`"),
        ("wxtoken_report lists", "`wxtoken account list` shows"),
        ("wxtoken_report", "`wxtoken status`"),
        ("wxtoken_put", "`wxtoken put`"),
        ("wxtoken_get", "`wxtoken get`"),
        ("wxtoken_reject", "`wxtoken reject`"),
    ];
    COMMANDS
        .iter()
        .fold(message.to_owned(), |text, (function, command)| {
            text.replace(function, command)
        })
}

/// What the system said, without Rust's “(os error 13)”.
pub fn reason(e: &io::Error) -> String {
    let text = e.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => text,
    }
}
