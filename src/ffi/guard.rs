//! What stands around every export: panics end here, and a failure is written into the caller's memory.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::message;
use super::types::{MESSAGE_SIZE, wxtoken_error, wxtoken_status};
use crate::error::{Error, Result, Status};
use crate::sys::away_from_fork;

/// Runs one export's body and turns its outcome into a status.
///
/// # Safety
/// `err` is NULL or points to a `wxtoken_error` to write to.
pub unsafe fn call(err: *mut wxtoken_error, body: impl FnOnce() -> Result<()>) -> wxtoken_status {
    // SAFETY: passed on from the caller.
    unsafe { quick_call(err, || away_from_fork(body)) }
}

/// Runs the body of an export that may be done without a lock: what is not runs [`away_from_fork`].
///
/// # Safety
/// `err` is NULL or points to a `wxtoken_error` to write to.
#[inline(always)]
pub unsafe fn quick_call(
    err: *mut wxtoken_error,
    body: impl FnOnce() -> Result<()>,
) -> wxtoken_status {
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
    Error::new(Status::Internal, "internal error (panic caught)")
        .advise("Please report it, with the version and the call. Nothing is known to be damaged.")
}

unsafe fn write(err: *mut wxtoken_error, error: &Error) {
    if err.is_null() {
        return;
    }
    let text = message::render(error, MESSAGE_SIZE - 1);
    // SAFETY: not NULL, so the caller vouches for it. Written through pointers: it may be uninitialised, and a reference
    // to an enum that holds no valid value would be undefined. The text and its NUL fit.
    unsafe {
        (&raw mut (*err).status).write(error.status.into());
        (&raw mut (*err).errcode).write(error.errcode);
        (&raw mut (*err).retry_after_ms).write(error.retry_after_ms);
        let message = (&raw mut (*err).message).cast::<u8>();
        message.copy_from_nonoverlapping(text.as_ptr(), text.len());
        message.add(text.len()).write(0);
    }
}
