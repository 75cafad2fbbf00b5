//! The error type of the library. An error says what failed, why, and what to do. It never holds a secret or a token.
//!
//! This module is at the bottom of the map. Everything above may return its errors, and the C boundary copies them out.

use std::ffi::CStr;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Makes [`Status`] from its table. A row has the variant, the number, the name in C, and the meaning.
macro_rules! statuses {
    ($($status:ident = $number:literal, $name:literal, $meaning:literal;)*) => {
        /// The kind of a failure. The numbers are those of `wxtoken_status`, and are never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(i32)]
        pub enum Status {
            $(#[doc = $meaning] $status = $number,)*
        }

        impl Status {
            /// Every status, in the order of the numbers.
            pub const ALL: [Status; [$($number),*].len()] = [$(Status::$status),*];

            /// The name of the C constant, as a C string.
            pub fn c_name(self) -> &'static CStr {
                match self {
                    $(Status::$status => $name,)*
                }
            }

            /// The meaning of the status, as one sentence without a full stop.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Status::$status => $meaning,)*
                }
            }
        }
    };
}

// `make tables` writes the pages that list the statuses.
statuses! {
    Argument = 1, c"WXTOKEN_E_ARGUMENT", "an argument, option or environment variable is unusable; nothing was changed";
    Account = 2, c"WXTOKEN_E_ACCOUNT", "the account is not in this store, or its parent is missing";
    Store = 3, c"WXTOKEN_E_STORE", "the store cannot be opened, read or written, or belongs to another program";
    Secret = 4, c"WXTOKEN_E_SECRET", "no valid token, and the secret, ticket or refresh token for a fetch is missing or unreadable";
    Network = 5, c"WXTOKEN_E_NETWORK", "the platform was not reached: DNS, connect, TLS, or a reset";
    Reply = 6, c"WXTOKEN_E_REPLY", "a host answered, but not with a valid token response";
    Api = 7, c"WXTOKEN_E_API", "the platform answered an errcode";
    Timeout = 8, c"WXTOKEN_E_TIMEOUT", "the call's timeout_ms passed, in a fetch or in waiting for another process";
    Internal = 9, c"WXTOKEN_E_INTERNAL", "a defect in the library; the host goes on";
}

impl Status {
    /// Returns the status with this number. An unknown number, written by a newer library, is `Internal`.
    pub fn from_code(code: i64) -> Status {
        Self::ALL
            .into_iter()
            .find(|s| *s as i64 == code)
            .unwrap_or(Status::Internal)
    }

    /// The name of the C constant, such as `WXTOKEN_E_STORE`.
    pub fn name(self) -> &'static str {
        self.c_name().to_str().unwrap_or_default()
    }
}

/// A failure in parts, so that each place that shows it can render and shorten it in its own way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The kind of the failure.
    pub status: Status,
    /// The platform's errcode if the status is [`Status::Api`], else 0.
    pub errcode: i32,
    /// The milliseconds until another try makes sense, or 0 for at once or unknown.
    pub retry_after_ms: i64,
    /// One clause that says what failed, without the cause.
    pub what: String,
    /// The cause, in the words of its source.
    pub detail: Option<String>,
    /// Advice on what to do. It is boxed, because every `Result` is as large as its error.
    pub hint: Option<Box<Hint>>,
}

/// Advice on a failure. Names of C functions or commands are filled in when the hint is shown.
///
/// `before` is text in front of the advice: a sentence that says why, or the start of one, such as “Restore the key,
/// or”.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hint {
    /// Register this account, which is not in the store.
    Register {
        /// The account's name.
        account: String,
    },
    /// Register this account, which is not in the store, as this kind.
    RegisterAs {
        /// The account's name.
        account: String,
        /// The kind that the account must have for another account to use it.
        kind: String,
    },
    /// Register an account, or make one the current account, because there is none.
    ChooseCurrent,
    /// Register this account again: its secret is wrong or cannot be read.
    RegisterAgain {
        /// The account's name.
        account: String,
        /// The account's kind.
        kind: String,
        /// The account's appid, corpid and so on.
        id: String,
        /// Text in front of the advice.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
    },
    /// Register every account again, because the store has lost them.
    RegisterAll {
        /// Text in front of the advice.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
    },
    /// Put a field of this account.
    Put {
        /// The account's name.
        account: String,
        /// The name of the field.
        field: String,
        /// Text in front of the advice.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
    },
    /// Add this host's address to the platform's allow list. The platform refuses requests from it.
    AllowAddress {
        /// The address that the platform saw, if it said so.
        address: Option<String>,
        /// The name of the allow list, and where to find it.
        list: String,
        /// The account to retry after that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<String>,
    },
    /// End the back-off of this account, once the cause is fixed.
    Retry {
        /// The account's name.
        account: String,
        /// Text in front of the advice.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
    },
    /// Look at what is left of this account's daily quota. End the back-off when the quota is cleared.
    Quota {
        /// The account's name.
        account: String,
        /// Text in front of the advice.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
    },
    /// Start a keeper, as this user if the user is known.
    Keep {
        /// The owner of the store.
        user: Option<String>,
    },
    /// Whole sentences that name no function, and no command except `wxtoken keep`.
    Do(String),
}

/// The result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Makes a failure without an errcode and without a time for the next try.
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

    /// Makes a failure of [`Status::Argument`].
    pub fn argument(what: impl Into<String>) -> Error {
        Error::new(Status::Argument, what)
    }

    /// Makes a failure of [`Status::Store`].
    pub fn store(what: impl Into<String>) -> Error {
        Error::new(Status::Store, what)
    }

    /// Adds the cause.
    pub fn because(mut self, detail: impl Into<String>) -> Error {
        self.detail = Some(detail.into());
        self
    }

    /// Adds advice.
    pub fn hint(mut self, hint: Hint) -> Error {
        self.hint = Some(Box::new(hint));
        self
    }

    /// Adds advice if there is any.
    pub fn hint_if(self, hint: Option<Hint>) -> Error {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// Adds advice as a sentence, [`Hint::Do`].
    pub fn advise(self, sentence: impl Into<String>) -> Error {
        self.hint(Hint::Do(sentence.into()))
    }

    /// Returns the failure as text for a row, with its parts.
    pub(crate) fn to_stored(&self) -> String {
        let text = StoredText {
            what: self.what.clone(),
            detail: self.detail.clone(),
            hint: self
                .hint
                .as_ref()
                .and_then(|hint| serde_json::to_value(hint).ok()),
        };
        serde_json::to_string(&text).unwrap_or_else(|_| self.to_string())
    }

    /// Reads a failure from a row. A text from an older version without parts becomes `what`.
    pub(crate) fn from_stored(status: Status, text: &str) -> Error {
        match serde_json::from_str(text) {
            Ok(StoredText { what, detail, hint }) => Error {
                detail,
                // A hint from a newer version may be unknown here.
                hint: hint
                    .and_then(|hint| serde_json::from_value(hint).ok())
                    .map(Box::new),
                ..Error::new(status, what)
            },
            Err(_) => Error::new(status, text),
        }
    }
}

/// The parts of a failure, which a row keeps as one text.
#[derive(Serialize, Deserialize)]
struct StoredText {
    what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<serde_json::Value>,
}

/// Shows what failed and why, without the hint, as for a line of a log.
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
    /// Returns the whole error in one line. The hint names C functions.
    pub fn for_c(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{self}; hint: {}", hint.for_c()),
            None => self.to_string(),
        }
    }
}

/// The advice to a program to end a back-off.
const RETRY: &str = "put the field retry with wxtoken_put.";

impl Hint {
    /// Returns the advice in whole sentences that name C functions.
    pub fn for_c(&self) -> String {
        match self {
            Hint::Register { .. } => {
                "Register it with wxtoken_register. wxtoken_report lists the accounts of the store."
                    .into()
            }
            Hint::RegisterAs { kind, .. } => {
                format!("Register it with wxtoken_register, as kind {kind}.")
            }
            Hint::ChooseCurrent => "Register an account with wxtoken_register, or make one the \
                                    current one with wxtoken_put."
                .into(),
            Hint::RegisterAgain { before, .. } => {
                Hint::sentence(before, "register the account again with wxtoken_register.")
            }
            Hint::RegisterAll { before } => {
                Hint::sentence(before, "register the accounts again with wxtoken_register.")
            }
            Hint::Put { field, before, .. } => Hint::sentence(
                before,
                &format!("put the field {field} with wxtoken_put (see docs/credentials.md)."),
            ),
            Hint::AllowAddress {
                address,
                list,
                account,
            } => {
                let allow = Hint::allow(address, list);
                match account {
                    Some(_) => format!("{allow} Then {RETRY}"),
                    None => allow,
                }
            }
            Hint::Retry { before, .. } => Hint::sentence(before, RETRY),
            Hint::Quota { before, .. } => {
                let look = "`wxtoken quota` shows what is left of the day.";
                Hint::sentence(
                    before,
                    &format!("{look} When the quota is cleared, {RETRY}"),
                )
            }
            Hint::Keep { user: Some(user) } => format!("Start `wxtoken keep` as {user}."),
            Hint::Keep { user: None } => "Start `wxtoken keep` as the store's owner.".into(),
            Hint::Do(sentence) => sentence.clone(),
        }
    }

    /// Returns the sentence on adding a host's address to an allow list. It names no function and no command.
    pub fn allow(address: &Option<String>, list: &str) -> String {
        match address {
            Some(address) => format!("Add {address} to {list}."),
            None => format!("Add the address by which this host reaches the Internet to {list}."),
        }
    }

    /// Appends advice to the text in front of it. The first letter becomes a capital if it begins a sentence.
    pub fn sentence(before: &Option<String>, advice: &str) -> String {
        let capital = || {
            let (first, rest) = advice.split_at(advice.len().min(1));
            first.to_ascii_uppercase() + rest
        };
        match before {
            Some(before) if before.ends_with('.') => format!("{before} {}", capital()),
            Some(before) => format!("{before} {advice}"),
            None => capital(),
        }
    }

    /// Returns the hint with this text in front of its advice, if the variant has a place for it.
    pub fn after(mut self, words: impl Into<String>) -> Hint {
        if let Hint::RegisterAgain { before, .. }
        | Hint::RegisterAll { before }
        | Hint::Put { before, .. }
        | Hint::Retry { before, .. }
        | Hint::Quota { before, .. } = &mut self
        {
            *before = Some(words.into());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Error {
        let hint = Hint::RegisterAgain {
            account: "shop".into(),
            kind: "official".into(),
            id: "wx1".into(),
            before: None,
        };
        Error::new(Status::Api, "WeChat refused")
            .because("errcode 40125")
            .hint(hint.after("The secret is wrong."))
    }

    #[test]
    fn a_failure_is_shown_in_its_parts() {
        let error = refused();
        assert_eq!(error.to_string(), "WeChat refused: errcode 40125");
        assert_eq!(
            error.for_c(),
            "WeChat refused: errcode 40125; hint: The secret is wrong. Register the account again with wxtoken_register."
        );
        assert_eq!(Error::store("full").for_c(), "full");
    }

    #[test]
    fn a_stored_failure_keeps_its_parts() {
        let error = refused();
        let stored = error.to_stored();
        assert_eq!(Error::from_stored(Status::Api, &stored), error);
        let old = Error::from_stored(Status::Api, "errcode 40125: the secret is wrong");
        assert_eq!(old.what, "errcode 40125: the secret is wrong");
        assert_eq!((old.detail, old.hint), (None, None));
        // A hint from a newer version that this one does not know.
        let newer = r#"{"what":"w","hint":{"fly":{}}}"#;
        assert_eq!(Error::from_stored(Status::Api, newer).what, "w");
    }

    #[test]
    fn advice_begins_a_sentence_or_continues_one() {
        let put = Hint::Put {
            account: "p".into(),
            field: "verify_ticket".into(),
            before: None,
        };
        let advice = "ut the field verify_ticket with wxtoken_put (see docs/credentials.md).";
        assert_eq!(put.for_c(), format!("P{advice}"));
        let after = |words: &str| put.clone().after(words).for_c();
        assert_eq!(after("It is old."), format!("It is old. P{advice}"));
        assert_eq!(after("Wait, or"), format!("Wait, or p{advice}"));
        let retry = Hint::Retry {
            account: "p".into(),
            before: None,
        };
        let advice = "ut the field retry with wxtoken_put.";
        assert_eq!(retry.for_c(), format!("P{advice}"));
        let after = retry.after("The day is over. Now,").for_c();
        assert_eq!(after, format!("The day is over. Now, p{advice}"));
        let quota = Hint::Quota {
            account: "p".into(),
            before: Some("None is left.".into()),
        };
        assert_eq!(
            quota.for_c(),
            format!(
                "None is left. `wxtoken quota` shows what is left of the day. When the quota is cleared, p{advice}"
            )
        );
        let allow = |account: Option<&str>| Hint::AllowAddress {
            address: Some("203.0.113.7".into()),
            list: "the list".into(),
            account: account.map(str::to_owned),
        };
        let sentence = "Add 203.0.113.7 to the list.";
        assert_eq!(allow(None).for_c(), sentence);
        assert_eq!(
            allow(Some("p")).for_c(),
            format!("{sentence} Then p{advice}")
        );
        let told = Hint::Do("Wait.".into());
        assert_eq!(told.clone().after("Look."), told);
    }
}
