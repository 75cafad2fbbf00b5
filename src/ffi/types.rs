//! The types of the C API, which cbindgen writes into the header. Layouts and numbers are frozen.

use std::ffi::c_char;

use crate::client::Client;
use crate::error::Status;

/// A handle: an open store with options of its own. wxtoken_init makes it, and wxtoken_free frees it. Many threads may
/// use it at once. After a fork() both sides may go on using it, and each frees its own copy.
#[allow(non_camel_case_types)]
pub struct wxtoken {
    pub(super) client: Client,
}

/// The result of a call. A newer library may add statuses: treat one that you do not know as a failure.
///
/// Log err->message: it has the particulars, and often a hint. Then do this:
///
///     status              try again             to mend it
///     WXTOKEN_E_ARGUMENT  no                    correct the call, or the variable that the message names
///     WXTOKEN_E_ACCOUNT   no                    register the account, or put its parent; is it the right store?
///     WXTOKEN_E_STORE     when it is mended     operator: owner, mode and free space of the store
///     WXTOKEN_E_SECRET    when it is mended     put the ticket; operator: restore the key file, or start a keeper
///     WXTOKEN_E_NETWORK   after retry_after_ms  operator, if it lasts: DNS, firewall, proxy, ca_file
///     WXTOKEN_E_REPLY     after retry_after_ms  operator: what answers at the base URL?
///     WXTOKEN_E_API       after retry_after_ms  operator: look the errcode up; secret, IP allow list or quota
///     WXTOKEN_E_TIMEOUT   after retry_after_ms  allow a longer timeout_ms; operator, if it lasts: network, disk
///     WXTOKEN_E_INTERNAL  no                    report it, with the version and the call
///
/// A retry_after_ms of 0 means that no time is known: try again at the next use, or after a few seconds. A try that
/// comes too early does no harm. It makes no request, and gets the same failure.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum wxtoken_status {
    /// Done.
    WXTOKEN_OK = 0,
    /// An argument, option or environment variable is unusable; nothing was changed.
    WXTOKEN_E_ARGUMENT = 1,
    /// The account is not in this store, or its parent is missing.
    WXTOKEN_E_ACCOUNT = 2,
    /// The store cannot be opened, read or written, or belongs to another program.
    WXTOKEN_E_STORE = 3,
    /// No valid token, and the secret, ticket or refresh token for a fetch is missing or unreadable.
    WXTOKEN_E_SECRET = 4,
    /// The platform was not reached: DNS, connect, TLS, or a reset.
    WXTOKEN_E_NETWORK = 5,
    /// A host answered, but not with a valid token response.
    WXTOKEN_E_REPLY = 6,
    /// The platform answered an errcode.
    WXTOKEN_E_API = 7,
    /// The call's timeout_ms passed, in a fetch or in waiting for another process.
    WXTOKEN_E_TIMEOUT = 8,
    /// A defect in the library; the host goes on.
    WXTOKEN_E_INTERNAL = 9,
}

/// The reason of a failure, in 512 bytes of the caller. A call writes it on failure only. NULL may be passed instead.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct wxtoken_error {
    /// The status that the call returned.
    pub status: wxtoken_status,
    /// The platform's errcode with WXTOKEN_E_API, else 0. It is 0 for DingTalk, whose codes are words.
    pub errcode: i32,
    /// Milliseconds until the next request; no process makes one sooner. 0 means that no time is known.
    pub retry_after_ms: i64,
    /// A text for people, NUL-terminated UTF-8: "what failed: its cause; hint: What to do." A long text is shortened in
    /// the cause first, and in the hint last. It never holds a secret or a token.
    pub message: [c_char; 496],
}

/// The longest name of an account, in bytes.
pub const NAME_MAX: usize = crate::names::MAX_NAME;

/// Bytes of `wxtoken_error::message`, where cbindgen needs the number itself.
pub const MESSAGE_SIZE: usize = 496;

/// Bytes of `wxtoken_token::value`, where cbindgen needs the number itself.
pub const TOKEN_SIZE: usize = 1024;

/// A token, in the caller's memory. A call writes it on success only.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct wxtoken_token {
    /// The time of its end in Unix seconds, or 0 if none is known. A platform may end it earlier: see wxtoken_reject.
    pub expires_at: i64,
    /// Bytes of value, without the NUL.
    pub length: usize,
    /// The token, NUL-terminated. Only the first length + 1 bytes are written.
    pub value: [c_char; 1024],
}

impl From<Status> for wxtoken_status {
    fn from(status: Status) -> Self {
        match status {
            Status::Argument => Self::WXTOKEN_E_ARGUMENT,
            Status::Account => Self::WXTOKEN_E_ACCOUNT,
            Status::Store => Self::WXTOKEN_E_STORE,
            Status::Secret => Self::WXTOKEN_E_SECRET,
            Status::Network => Self::WXTOKEN_E_NETWORK,
            Status::Reply => Self::WXTOKEN_E_REPLY,
            Status::Api => Self::WXTOKEN_E_API,
            Status::Timeout => Self::WXTOKEN_E_TIMEOUT,
            Status::Internal => Self::WXTOKEN_E_INTERNAL,
        }
    }
}

const _: () = assert!(size_of::<wxtoken_error>() == 512);
const _: () = assert!(std::mem::offset_of!(wxtoken_error, message) + MESSAGE_SIZE == 512);
const _: () =
    assert!(std::mem::offset_of!(wxtoken_token, value) + TOKEN_SIZE == size_of::<wxtoken_token>());
const _: () = assert!(crate::platform::MAX_TOKEN < TOKEN_SIZE);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_the_number_and_the_name_of_its_row() {
        for status in Status::ALL {
            let in_c = wxtoken_status::from(status);
            assert_eq!(in_c as i32, status as i32);
            assert_eq!(format!("{in_c:?}"), status.name());
        }
    }
}
