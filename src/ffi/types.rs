//! The types of the C API, as cbindgen writes them into the header. Layouts and numbers are frozen.

use std::ffi::c_char;

use crate::client::Client;
use crate::error::Status;

/// One open store, with options of its own. Any thread may use it, several at once, before and after fork().
///
/// Made by wxtoken_init, ended by wxtoken_free; no other call may be running on it when it is freed. After a fork()
/// both sides may go on using it, and each frees its own copy.
#[allow(non_camel_case_types)]
pub struct wxtoken {
    pub(super) client: Client,
}

/// What a call came to. Numbers are never reused; wxtoken_status_name names them.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum wxtoken_status {
    /// Done.
    WXTOKEN_OK = 0,
    /// An argument is NULL, not UTF-8, too long, or not one of the known ones. Nothing was changed.
    WXTOKEN_E_ARGUMENT = 1,
    /// There is no such account in this store, or the parent that it needs is not there.
    WXTOKEN_E_ACCOUNT = 2,
    /// The store cannot be opened, read or written, or is not ours.
    WXTOKEN_E_STORE = 3,
    /// There is no valid token, and what it takes to fetch one is missing: this process may not read the secret, or a
    /// ticket or refresh token was never put.
    WXTOKEN_E_SECRET = 4,
    /// WeChat was not reached: DNS, connect, TLS, or a reset.
    WXTOKEN_E_NETWORK = 5,
    /// WeChat's host answered, but with something that is no token reply.
    WXTOKEN_E_REPLY = 6,
    /// WeChat answered an errcode.
    WXTOKEN_E_API = 7,
    /// timeout_ms passed, in a fetch of this call's own or in waiting for another's.
    WXTOKEN_E_TIMEOUT = 8,
    /// A defect in this library. The host goes on; please report it.
    WXTOKEN_E_INTERNAL = 9,
}

/// Why a call failed. Memory of the caller's; NULL may be passed wherever one is taken. 512 bytes.
///
/// Written on failure only. No part of it ever holds a secret or a token.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct wxtoken_error {
    /// The same as the call returned.
    pub status: wxtoken_status,
    /// The platform's errcode with WXTOKEN_E_API, else 0; 0 also where its codes are words (DingTalk): see the message.
    pub errcode: i32,
    /// Milliseconds after which another try makes sense; 0 is at once, or unknown.
    pub retry_after_ms: i64,
    /// For people: “what failed: its cause; hint: What to do.” in NUL-terminated UTF-8. What is too long is cut from the
    /// cause first, and from the hint last.
    pub message: [c_char; 496],
}

/// Bytes of `wxtoken_error::message`. The number stands there itself for cbindgen's sake.
pub(super) const MESSAGE: usize = 496;

/// A token. Memory of the caller's; written on success only.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct wxtoken_token {
    /// When it ends, in Unix seconds. It may be revoked earlier: see wxtoken_reject.
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
const _: () = assert!(std::mem::offset_of!(wxtoken_error, message) + MESSAGE == 512);
const _: () = assert!(wxtoken_status::WXTOKEN_E_INTERNAL as i32 == Status::Internal as i32);
const _: () = assert!(wxtoken_status::WXTOKEN_E_ARGUMENT as i32 == Status::Argument as i32);
