//! The guard around every export. It stops panics, and writes a failure into the caller's memory.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::message;
use super::types::{MESSAGE_SIZE, wxtoken_error, wxtoken_status};
use crate::error::{Error, Result, Status};
use crate::sys::away_from_fork;

/// Runs the body of an export, away from forks, and returns its status.
///
/// # Safety
/// `err` is NULL or points to a `wxtoken_error` to write to.
pub unsafe fn call(err: *mut wxtoken_error, body: impl FnOnce() -> Result<()>) -> wxtoken_status {
    // SAFETY: passed on from the caller.
    unsafe { quick_call(err, || away_from_fork(body)) }
}

/// Runs the body of an export that can succeed without a lock, and returns its status. The body itself calls
/// [`away_from_fork`] for the part that needs locks.
///
/// # Safety
/// `err` is NULL or points to a `wxtoken_error` to write to.
#[inline(always)]
pub unsafe fn quick_call(
    err: *mut wxtoken_error,
    body: impl FnOnce() -> Result<()>,
) -> wxtoken_status {
    // After a panic, other calls reach the shared state through locks that ignore poison. It is whole between any two
    // steps.
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

/// The error for a panic. The panic's own message is dropped, because it may quote a secret.
fn defect(_panic: &(dyn Any + Send)) -> Error {
    Error::new(Status::Internal, "internal error (panic caught)")
        .advise("Please report it, with the version and the call. Nothing is known to be damaged.")
}

unsafe fn write(err: *mut wxtoken_error, error: &Error) {
    if err.is_null() {
        return;
    }
    let text = message::render(error, MESSAGE_SIZE - 1);
    // SAFETY: the caller vouches for a pointer that is not NULL. The memory may be uninitialised, and a reference to an
    // invalid enum value would be undefined, so it is written through pointers. The text and its NUL fit.
    unsafe {
        (&raw mut (*err).status).write(error.status.into());
        (&raw mut (*err).errcode).write(error.errcode);
        (&raw mut (*err).retry_after_ms).write(error.retry_after_ms);
        let message = (&raw mut (*err).message).cast::<u8>();
        message.copy_from_nonoverlapping(text.as_ptr(), text.len());
        message.add(text.len()).write(0);
    }
}
