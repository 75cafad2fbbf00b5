//! The one error type. An error tells what failed, on what, and what to do; it never holds a secret or a token.
//!
//! Lives on the ground floor: everything above may return it, and the C boundary copies it out.

use std::fmt;

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

/// A failure with its next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of failure it was.
    pub status: Status,
    /// WeChat's errcode with [`Status::Api`], else 0.
    pub errcode: i32,
    /// When another try makes sense; 0 is at once or unknown.
    pub retry_after_ms: i64,
    /// What failed, on what, and what to do.
    pub message: String,
}

/// What a call comes to.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failure with no errcode and no time for a next try.
    pub fn new(status: Status, message: impl Into<String>) -> Error {
        Error {
            status,
            errcode: 0,
            retry_after_ms: 0,
            message: message.into(),
        }
    }

    /// One of [`Status::Argument`].
    pub fn argument(message: impl Into<String>) -> Error {
        Error::new(Status::Argument, message)
    }

    /// One of [`Status::Store`].
    pub fn store(message: impl Into<String>) -> Error {
        Error::new(Status::Store, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
