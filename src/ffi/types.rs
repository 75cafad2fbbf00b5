//! The types of the C API, as cbindgen writes them into the header. Layouts and numbers are frozen.

use std::ffi::c_char;

use crate::client::Client;
use crate::error::Status;

/// One open store, with options of its own: wxtoken_init makes it, and wxtoken_free ends it. Any thread may use it,
/// several at once. After a fork() both sides may go on using it, and each frees its own copy.
#[allow(non_camel_case_types)]
pub struct wxtoken {
    pub(super) client: Client,
}

/// The outcome of a call. A newer library may add one: treat a status that you do not know as a failure.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum wxtoken_status {
    /// Done.
    WXTOKEN_OK = 0,
    /// An argument, option or environment variable is unusable; nothing was changed.
    WXTOKEN_E_ARGUMENT = 1,
    /// There is no such account in this store, or its parent is missing.
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

/// The reason of a failure: 512 bytes of the caller's, written on failure only. NULL may be passed instead.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct wxtoken_error {
    /// The status that the call returned.
    pub status: wxtoken_status,
    /// The platform's errcode with WXTOKEN_E_API, else 0. It is 0 too for DingTalk, whose codes are words.
    pub errcode: i32,
    /// 0: no time is known. Else wait so many milliseconds: no process makes a request until then.
    pub retry_after_ms: i64,
    /// For people: "what failed: its cause; hint: What to do." in NUL-terminated UTF-8. What is too long is cut from the
    /// cause first, and from the hint last. It never holds a secret or a token.
    pub message: [c_char; 496],
}

/// The longest name of an account.
pub const NAME_MAX: usize = crate::names::MAX_NAME;

/// Bytes of `wxtoken_error::message`. The number stands there itself for cbindgen's sake.
pub const MESSAGE_SIZE: usize = 496;

/// Bytes of `wxtoken_token::value`. The number stands there itself for cbindgen's sake.
pub const TOKEN_SIZE: usize = 1024;

/// A token, in the caller's memory. Written on success only.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct wxtoken_token {
    /// When it ends, in Unix seconds; 0 where no end is known. A platform may revoke it earlier: see wxtoken_reject.
    pub expires_at: i64,
    /// Bytes in `value`, without the NUL.
    pub length: usize,
    /// NUL-terminated; only the first `length` + 1 bytes are written.
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
