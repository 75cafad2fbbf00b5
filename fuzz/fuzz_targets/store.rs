//! Any bytes as the store's file. It opens, is set aside whole, or is refused unchanged.
#![no_main]

#[path = "../common.rs"]
mod common;

use std::ptr;

use ::wxtoken::ffi::*;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.db");
    // The first byte chooses between the bytes as they are and the bytes laid over a sound store.
    let sound = common::sound_store();
    let content = match bytes.split_first() {
        Some((0, rest)) => rest.to_vec(),
        Some((first, rest)) => {
            let mut content = sound.to_vec();
            let at = usize::from(*first) * 96 % content.len();
            let end = content.len().min(at + rest.len());
            content[at..end].copy_from_slice(&rest[..end - at]);
            content
        }
        None => Vec::new(),
    };
    std::fs::write(&path, &content).unwrap();
    let refused = common::open(&path, |handle| {
        let Some(handle) = handle else { return true };
        let mut err = common::error();
        // SAFETY: a live handle, valid strings.
        unsafe {
            let mut needed = 0;
            wxtoken_report(handle, ptr::null_mut(), 0, &mut needed, &mut err);
            wxtoken_reject(handle, c"shop".as_ptr(), c"token".as_ptr(), &mut err);
            let status = wxtoken_register(
                handle,
                c"shop".as_ptr(),
                c"official".as_ptr(),
                c"wx1".as_ptr(),
                c"secret".as_ptr(),
                &mut err,
            );
            assert_ne!(status, wxtoken_status::WXTOKEN_E_INTERNAL);
        }
        false
    });
    if refused {
        assert_eq!(std::fs::read(&path).unwrap(), content, "refused, but changed");
    }
});
