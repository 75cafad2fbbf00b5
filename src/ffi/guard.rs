//! What stands around every export: panics end here, and a failure is written into the caller's memory.

use std::any::Any;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::types::{wxtoken_error, wxtoken_status};
use crate::error::{Error, Result, Status};

/// Runs one export's body and turns its outcome into a status.
///
/// # Safety
/// `err` is NULL or points to a `wxtoken_error` to write to.
pub unsafe fn call(err: *mut wxtoken_error, body: impl FnOnce() -> Result<()>) -> wxtoken_status {
    // The state behind a panic is only reached through locks that ignore poison, and is whole between any two steps.
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(defect(&*panic)));
    match outcome {
        Ok(()) => wxtoken_status::WXTOKEN_OK,
        Err(error) => {
            // SAFETY: passed on from the caller.
            unsafe { write(err, &error) };
            error.status.into()
        }
    }
}

/// A panic's message is not passed on: it may quote what was being worked on.
fn defect(_panic: &(dyn Any + Send)) -> Error {
    Error::new(
        Status::Internal,
        "a defect in libwxtoken was caught; nothing is known to be damaged: please report it with the version and the call",
    )
}

unsafe fn write(err: *mut wxtoken_error, error: &Error) {
    if err.is_null() {
        return;
    }
    // SAFETY: not NULL, so the caller vouches for it; nobody else writes to it during the call.
    let out = unsafe { &mut *err };
    out.status = error.status.into();
    out.errcode = error.errcode;
    out.retry_after_ms = error.retry_after_ms;
    let text = fit(&error.message, out.message.len() - 1);
    for (place, byte) in out.message.iter_mut().zip(text.bytes().chain([0])) {
        *place = byte as c_char;
    }
}

/// The longest beginning of `text` with at most `most` bytes that does not cut a character.
fn fit(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
