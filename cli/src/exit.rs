//! What can stop a verb, in words and as an exit code.
//!
//! The codes are a promise to scripts; `manual` documents them.

use std::io;
use std::path::Path;

use wxtoken::tool::{Error, Status};

use crate::{output, text};

/// The answer was no: a check failed, or a question was not answered with yes.
pub const NO: u8 = 1;
/// As clap's own.
pub const USAGE: u8 = 2;
/// A file, the terminal, stdin or stdout.
pub const IO: u8 = 3;
/// Added to the number of the `wxtoken_status`.
pub const CALL: i32 = 10;

/// An exit code, or why there is another.
pub type Verdict = Result<u8, Trouble>;

/// Why a verb stopped.
#[derive(Debug)]
pub enum Trouble {
    /// A call of the library failed.
    Call(Error),
    /// What was asked for cannot be.
    Usage(String),
    /// Something could not be read or written.
    Io(String),
}

impl From<Error> for Trouble {
    fn from(failure: Error) -> Trouble {
        Trouble::Call(failure)
    }
}

impl Trouble {
    pub fn usage(message: impl Into<String>) -> Trouble {
        Trouble::Usage(message.into())
    }

    /// “cannot read FILE: permission denied”.
    pub fn io(what: &str, e: &io::Error) -> Trouble {
        Trouble::Io(format!("cannot {what}: {}", text::reason(e)))
    }

    pub fn no_account(name: &str, known: &[String]) -> Trouble {
        let known = match known {
            [] => "there is none yet: `wxtoken account add` registers one".into(),
            some => format!("there are {}", some.join(", ")),
        };
        let message = format!("no account \"{name}\" in this store: {known}");
        Trouble::Call(Error::new(Status::Account, message))
    }

    pub fn argument(message: &str) -> Trouble {
        Trouble::Call(Error::argument(message))
    }

    pub fn no_store(path: &Path) -> Trouble {
        Trouble::Call(Error::store(format!(
            "there is no store {}: `wxtoken account add` makes one; another path is named by --store or WXTOKEN_STORE",
            path.display()
        )))
    }

    /// Whether it is the store that could not be read, be it held by somebody.
    pub fn is_of_store(&self) -> bool {
        let Trouble::Call(failure) = self else {
            return false;
        };
        matches!(failure.status, Status::Store | Status::Timeout)
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Trouble::Call(failure) => u8::try_from(CALL + failure.status as i32).unwrap_or(19),
            Trouble::Usage(_) => USAGE,
            Trouble::Io(_) => IO,
        }
    }

    pub fn message(&self) -> String {
        match self {
            Trouble::Call(failure) => in_commands(&failure.for_c()),
            Trouble::Usage(message) | Trouble::Io(message) => message.clone(),
        }
    }

    /// On stderr, with a second line on the next try where one makes sense.
    pub fn tell(&self) {
        output::complain(&self.message());
        if let Trouble::Call(failure) = self
            && failure.retry_after_ms > 0
        {
            let seconds = (failure.retry_after_ms + 999) / 1000;
            output::complain(&format!(
                "the next try makes sense in {}",
                text::span(seconds)
            ));
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
