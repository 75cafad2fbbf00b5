//! Reads C strings. NULL, the length and UTF-8 are checked here, and a message names the parameter.

use std::ffi::c_char;

use crate::error::{Error, Result};

/// The longest string that any parameter takes, in bytes. The callee checks narrower limits.
pub const MAX: usize = 4096;

/// Reads a parameter that may not be NULL.
///
/// # Safety
/// `text` is NULL or points to a NUL-terminated string that does not change during `'a`.
pub unsafe fn required<'a>(text: *const c_char, parameter: &str) -> Result<&'a str> {
    // SAFETY: passed on from the caller.
    unsafe { optional(text, parameter) }?
        .ok_or_else(|| Error::argument(format!("{parameter} is NULL")).advise("Pass a string."))
}

/// Reads a parameter that may be NULL.
///
/// # Safety
/// As for [`required`].
pub unsafe fn optional<'a>(text: *const c_char, parameter: &str) -> Result<Option<&'a str>> {
    // SAFETY: passed on from the caller.
    match unsafe { bytes(text, parameter) }? {
        Some(bytes) => utf8(bytes, parameter).map(Some),
        None => Ok(None),
    }
}

/// Reads a parameter that may be NULL, as bytes that are not yet checked for UTF-8.
///
/// # Safety
/// As for [`required`].
#[inline(always)]
pub unsafe fn bytes<'a>(text: *const c_char, parameter: &str) -> Result<Option<&'a [u8]>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: strnlen stops at the NUL that the caller vouches for, or at the limit.
    let length = unsafe { libc::strnlen(text, MAX + 1) };
    if length > MAX {
        return Err(Error::argument(format!(
            "{parameter} is longer than {MAX} bytes"
        )));
    }
    // SAFETY: the `length` bytes before the NUL are readable and unchanging.
    Ok(Some(unsafe {
        std::slice::from_raw_parts(text.cast::<u8>(), length)
    }))
}

/// Checks bytes that [`bytes`] has read.
pub fn utf8<'a>(bytes: &'a [u8], parameter: &str) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|_| Error::argument(format!("{parameter} is not UTF-8")))
}
