//! Any bytes as the C strings of every export. Each call returns a status, and leaves outputs unchanged on failure.
//! Nothing crashes.
#![no_main]

#[path = "../common.rs"]
mod common;

use std::ffi::{CString, c_char};
use std::ptr;

use ::wxtoken::ffi::*;

/// One parameter: NULL, or a string without inner NULs.
fn parameter(part: Option<&[u8]>) -> Option<CString> {
    let bytes: Vec<u8> = part?.iter().copied().filter(|byte| *byte != 0).collect();
    if bytes == b"null" {
        return None;
    }
    CString::new(bytes).ok()
}

fn pointer(text: &Option<CString>) -> *const c_char {
    text.as_ref().map_or(ptr::null(), |text| text.as_ptr())
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    common::with_store(|path, handle| {
        let parts: Vec<_> = bytes.split(|byte| *byte == 0).collect();
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| parameter(parts.get(i).copied()));
        let mut err = common::error();
        let mut token = common::token();
        // SAFETY: NUL-terminated strings or NULL, valid outputs, a live handle.
        unsafe {
            // No option may send a request anywhere, or write outside the directory.
            let option = a.as_ref().map(|a| a.to_bytes()).unwrap_or_default();
            if !option.ends_with(b"_base_url") && !matches!(option, b"key_file" | b"proxy" | b"log") {
                wxtoken_set(handle, pointer(&a), pointer(&b), &mut err);
            }
            wxtoken_register(handle, pointer(&a), pointer(&b), pointer(&c), pointer(&d), &mut err);
            wxtoken_put(handle, pointer(&a), pointer(&b), pointer(&c), &mut err);
            wxtoken_reject(handle, pointer(&a), pointer(&b), &mut err);
            wxtoken_get(handle, pointer(&a), &mut token, &mut err);
            let mut needed = 0;
            wxtoken_report(handle, ptr::null_mut(), 0, &mut needed, &mut err);
            let mut buffer = vec![0u8; needed];
            wxtoken_report(handle, buffer.as_mut_ptr().cast(), needed, &mut needed, &mut err);
            assert!(err.message.contains(&0), "the message is not NUL-terminated");
        }
        let _ = path;
    });
});
