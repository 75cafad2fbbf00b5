//! The one error type. An error tells what failed, why, and what to do; it never holds a secret or a token.
//!
//! Lives on the ground floor: everything above may return it, and the C boundary copies it out.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What kind of failure it was; the numbers are those of `wxtoken_status` and are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    /// An argument, option or environment variable is wrong.
    Argument = 1,
    /// There is no such account, or the parent that it needs is not there.
    Account = 2,
    /// The store cannot be opened, read or written.
    Store = 3,
    /// There is no valid token, and this process cannot read the secret.
    Secret = 4,
    /// The platform was not reached.
    Network = 5,
    /// The server answered, and the response is not a valid token response.
    Reply = 6,
    /// The platform answered an errcode.
    Api = 7,
    /// The deadline passed.
    Timeout = 8,
    /// A defect in the library.
    Internal = 9,
}

impl Status {
    const ALL: [Status; 9] = [
        Status::Argument,
        Status::Account,
        Status::Store,
        Status::Secret,
        Status::Network,
        Status::Reply,
        Status::Api,
        Status::Timeout,
        Status::Internal,
    ];

    /// The status with this number; what is unknown (a newer library wrote it) is `Internal`.
    pub fn from_code(code: i64) -> Status {
        Self::ALL
            .into_iter()
            .find(|s| *s as i64 == code)
            .unwrap_or(Status::Internal)
    }

    /// The name of the C constant.
    pub fn name(self) -> &'static str {
        match self {
            Status::Argument => "WXTOKEN_E_ARGUMENT",
            Status::Account => "WXTOKEN_E_ACCOUNT",
            Status::Store => "WXTOKEN_E_STORE",
            Status::Secret => "WXTOKEN_E_SECRET",
            Status::Network => "WXTOKEN_E_NETWORK",
            Status::Reply => "WXTOKEN_E_REPLY",
            Status::Api => "WXTOKEN_E_API",
            Status::Timeout => "WXTOKEN_E_TIMEOUT",
            Status::Internal => "WXTOKEN_E_INTERNAL",
        }
    }
}

/// A failure in parts, so that each place where it is shown can render and cut it in its own way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of failure it was.
    pub status: Status,
    /// WeChat's errcode with [`Status::Api`], else 0.
    pub errcode: i32,
    /// When another try makes sense; 0 is at once or unknown.
    pub retry_after_ms: i64,
    /// What failed, on what: one clause, without its cause.
    pub what: String,
    /// The cause, in the words of whoever gave it.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<Hint>,
}

/// What to do about a failure. A function of C or a command is named only when the hint is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hint {
    /// Register this account, which is not in the store.
    Register {
        /// Its name.
        account: String,
    },
    /// Register this account again: its secret is wrong or cannot be read.
    RegisterAgain {
        /// Its name.
        account: String,
        /// The kind that it has.
        kind: String,
        /// Its appid, corpid and so on.
        id: String,
    },
    /// Put a field of this account.
    Put {
        /// The account's name.
        account: String,
        /// The field.
        field: String,
    },
    /// Start a keeper, as this user where it is known.
    Keep {
        /// The owner of the store.
        user: Option<String>,
    },
    /// A sentence that names neither a function nor a command, but for `wxtoken keep`.
    Do(String),
}

/// What a call comes to.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure with no errcode and no time for a next try.
    pub fn new(status: Status, what: impl Into<String>) -> Error {
        Error {
            status,
            errcode: 0,
            retry_after_ms: 0,
            what: what.into(),
            detail: None,
            hint: None,
        }
    }

    /// One of [`Status::Argument`].
    pub fn argument(what: impl Into<String>) -> Error {
        Error::new(Status::Argument, what)
    }

    /// One of [`Status::Store`].
    pub fn store(what: impl Into<String>) -> Error {
        Error::new(Status::Store, what)
    }

    /// Gives the cause.
    pub fn because(mut self, detail: impl Into<String>) -> Error {
        self.detail = Some(detail.into());
        self
    }

    /// Says what to do.
    pub fn hint(mut self, hint: Hint) -> Error {
        self.hint = Some(hint);
        self
    }

    /// Says what to do in a sentence, as [`Hint::Do`].
    pub fn advise(self, sentence: impl Into<String>) -> Error {
        self.hint(Hint::Do(sentence.into()))
    }

    /// The text of a failure in a row of the store, with its parts.
    pub(crate) fn to_stored(&self) -> String {
        let text = StoredText {
            what: self.what.clone(),
            detail: self.detail.clone(),
            hint: self.hint.clone(),
        };
        serde_json::to_string(&text).unwrap_or_else(|_| self.to_string())
    }

    /// The failure that a row holds. A text from before there were parts is the whole of `what`.
    pub(crate) fn from_stored(status: Status, text: &str) -> Error {
        match serde_json::from_str(text) {
            Ok(StoredText { what, detail, hint }) => Error {
                detail,
                hint,
                ..Error::new(status, what)
            },
            Err(_) => Error::new(status, text),
        }
    }
}

/// The parts of a failure that a row keeps as one text.
#[derive(Serialize, Deserialize)]
struct StoredText {
    what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<Hint>,
}

/// What failed and why, without the hint: a line of a log.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// The whole of it in one line, for a program that calls the C functions.
    pub fn for_c(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{self}; hint: {}", hint.for_c()),
            None => self.to_string(),
        }
    }
}

impl Hint {
    /// What to do, in functions of C.
    pub fn for_c(&self) -> String {
        match self {
            Hint::Register { .. } => {
                "register it with wxtoken_register; wxtoken_report lists the accounts there are"
                    .into()
            }
            Hint::RegisterAgain { .. } => "register the account again (wxtoken_register)".into(),
            Hint::Put { field, .. } => format!("put {field} (wxtoken_put)"),
            Hint::Keep { user: Some(user) } => format!("start `wxtoken keep` as {user}"),
            Hint::Keep { user: None } => "start `wxtoken keep` as the store's owner".into(),
            Hint::Do(sentence) => sentence.clone(),
        }
    }
}
