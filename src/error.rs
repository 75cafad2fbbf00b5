//! The one error type. An error tells what failed, why, and what to do; it never holds a secret or a token.
//!
//! Lives on the ground floor: everything above may return it, and the C boundary copies it out.

use std::ffi::CStr;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Makes [`Status`] of its table: a row has the variant, the number, the name in C, and the meaning.
macro_rules! statuses {
    ($($status:ident = $number:literal, $name:literal, $meaning:literal;)*) => {
        /// What kind of failure it was; the numbers are those of `wxtoken_status` and are never reused.
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

            /// What it says, in one sentence without its full stop.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Status::$status => $meaning,)*
                }
            }
        }
    };
}

// The pages that list them are written by `make tables`.
statuses! {
    Argument = 1, c"WXTOKEN_E_ARGUMENT", "an argument, option or environment variable is unusable; nothing was changed";
    Account = 2, c"WXTOKEN_E_ACCOUNT", "there is no such account in this store, or its parent is missing";
    Store = 3, c"WXTOKEN_E_STORE", "the store cannot be opened, read or written, or belongs to another program";
    Secret = 4, c"WXTOKEN_E_SECRET", "no valid token, and the secret, ticket or refresh token for a fetch is missing or unreadable";
    Network = 5, c"WXTOKEN_E_NETWORK", "the platform was not reached: DNS, connect, TLS, or a reset";
    Reply = 6, c"WXTOKEN_E_REPLY", "a host answered, but not with a valid token response";
    Api = 7, c"WXTOKEN_E_API", "the platform answered an errcode";
    Timeout = 8, c"WXTOKEN_E_TIMEOUT", "the call's timeout_ms passed, in a fetch or in waiting for another process";
    Internal = 9, c"WXTOKEN_E_INTERNAL", "a defect in the library; the host goes on";
}

impl Status {
    /// The status with this number; what is unknown (a newer library wrote it) is `Internal`.
    pub fn from_code(code: i64) -> Status {
        Self::ALL
            .into_iter()
            .find(|s| *s as i64 == code)
            .unwrap_or(Status::Internal)
    }

    /// The name of the C constant.
    pub fn name(self) -> &'static str {
        self.c_name().to_str().unwrap_or_default()
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
    /// What to do. In a box, since every result is as large as its error.
    pub hint: Option<Box<Hint>>,
}

/// What to do about a failure. A function of C or a command is named only when the hint is shown.
///
/// `before` is what stands before the advice: a sentence that says why, or the beginning of one, as “Restore the key, or”.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hint {
    /// Register this account, which is not in the store.
    Register {
        /// Its name.
        account: String,
    },
    /// Register this account, which is not in the store, as this kind.
    RegisterAs {
        /// Its name.
        account: String,
        /// The kind that another account needs it to be of.
        kind: String,
    },
    /// Register an account, or make one the current one: there is no current account.
    ChooseCurrent,
    /// Register this account again: its secret is wrong or cannot be read.
    RegisterAgain {
        /// Its name.
        account: String,
        /// The kind that it has.
        kind: String,
        /// Its appid, corpid and so on.
        id: String,
        /// See above.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
    },
    /// Register every account again: the store has lost them.
    RegisterAll {
        /// See above.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
    },
    /// Put a field of this account.
    Put {
        /// The account's name.
        account: String,
        /// The field.
        field: String,
        /// See above.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
    },
    /// Let this host in: the platform does not take requests from its address.
    AllowAddress {
        /// The address that the platform saw; it may not say which.
        address: Option<String>,
        /// The list that it belongs on, and where that is.
        list: String,
        /// The account that is tried again after that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<String>,
    },
    /// End the back-off of this account: its cause is mended.
    Retry {
        /// The account's name.
        account: String,
        /// See above.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
    },
    /// See what is left of this account's day, and end the back-off when the quota is cleared.
    Quota {
        /// The account's name.
        account: String,
        /// See above.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
    },
    /// Start a keeper, as this user where it is known.
    Keep {
        /// The owner of the store.
        user: Option<String>,
    },
    /// Whole sentences that name neither a function nor a command, but for `wxtoken keep`.
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
        self.hint = Some(Box::new(hint));
        self
    }

    /// Says what to do, if anything is known beside what the error says already.
    pub fn hint_if(self, hint: Option<Hint>) -> Error {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
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
            hint: self
                .hint
                .as_ref()
                .and_then(|hint| serde_json::to_value(hint).ok()),
        };
        serde_json::to_string(&text).unwrap_or_else(|_| self.to_string())
    }

    /// The failure that a row holds. A text from before there were parts is the whole of `what`.
    pub(crate) fn from_stored(status: Status, text: &str) -> Error {
        match serde_json::from_str(text) {
            Ok(StoredText { what, detail, hint }) => Error {
                detail,
                // One that a newer version wrote may not be known here.
                hint: hint
                    .and_then(|hint| serde_json::from_value(hint).ok())
                    .map(Box::new),
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
    hint: Option<serde_json::Value>,
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
    /// The whole of it in one line, with functions of C in the hint.
    pub fn for_c(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{self}; hint: {}", hint.for_c()),
            None => self.to_string(),
        }
    }
}

/// How a program ends a back-off.
const RETRY: &str = "put the field retry with wxtoken_put.";

impl Hint {
    /// What to do, in functions of C: whole sentences.
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

    /// How a host's address is let in: a sentence that names neither a function nor a command.
    pub fn allow(address: &Option<String>, list: &str) -> String {
        match address {
            Some(address) => format!("Add {address} to {list}."),
            None => format!("Add the address by which this host reaches the Internet to {list}."),
        }
    }

    /// An advice behind the words before it; its first letter becomes a capital where it begins a sentence.
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

    /// The hint with these words before its advice, where it takes some.
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
        // A newer version's hint that this one does not know.
        let newer = r#"{"what":"w","hint":{"fly":{}}}"#;
        assert_eq!(Error::from_stored(Status::Api, newer).what, "w");
    }

    #[test]
    fn an_advice_begins_a_sentence_or_goes_on_with_one() {
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
