//! Shared by the targets: handles on stores in private directories, without a platform to connect to.
#![allow(dead_code)]

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;

use ::wxtoken::ffi::*;

pub fn error() -> wxtoken_error {
    wxtoken_error {
        status: wxtoken_status::WXTOKEN_OK,
        errcode: 0,
        retry_after_ms: 0,
        message: [0; 496],
    }
}

pub fn token() -> wxtoken_token {
    wxtoken_token {
        expires_at: 0,
        length: 0,
        value: [0; 1024],
    }
}

/// Opens a store and passes the handle on; None if the library refused the store.
pub fn open<T>(path: &Path, work: impl FnOnce(Option<*mut wxtoken>) -> T) -> T {
    let text = CString::new(path.as_os_str().as_bytes()).unwrap();
    let mut handle = ptr::null_mut();
    let mut err = error();
    // SAFETY: valid pointers.
    let status = unsafe { wxtoken_init(text.as_ptr(), &mut handle, &mut err) };
    assert_ne!(status, wxtoken_status::WXTOKEN_E_INTERNAL);
    if status != wxtoken_status::WXTOKEN_OK {
        return work(None);
    }
    for option in [
        c"api_base_url",
        c"work_base_url",
        c"qq_base_url",
        c"douyin_base_url",
        c"dingtalk_base_url",
        c"feishu_base_url",
        c"qqbot_base_url",
        c"douyin_open_base_url",
        c"douyin_game_base_url",
        c"lark_base_url",
        c"xiaohongshu_base_url",
        c"baidu_base_url",
        c"qidian_base_url",
    ] {
        // Port 1 on loopback refuses connections at once.
        // SAFETY: a live handle, valid strings.
        let set = unsafe {
            wxtoken_set(handle, option.as_ptr(), c"http://127.0.0.1:1".as_ptr(), ptr::null_mut())
        };
        assert_eq!(set, wxtoken_status::WXTOKEN_OK);
    }
    let done = work(Some(handle));
    // SAFETY: freed once.
    unsafe { wxtoken_free(handle) };
    done
}

/// Uses one store for all runs of a target, because opening is not tested here.
pub fn with_store(work: impl FnOnce(&Path, *mut wxtoken)) {
    static DIRECTORY: OnceLock<tempfile::TempDir> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(|| tempfile::tempdir().unwrap());
    let path = directory.path().join("tokens.db");
    open(&path, |handle| work(&path, handle.unwrap()));
}

/// The bytes of a store with two accounts and a pushed secret.
pub fn sound_store() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.db");
        open(&path, |handle| {
            // SAFETY: a live handle, valid strings.
            unsafe {
                wxtoken_register(
                    handle.unwrap(),
                    c"shop".as_ptr(),
                    c"official".as_ptr(),
                    c"wx1".as_ptr(),
                    c"secret".as_ptr(),
                    ptr::null_mut(),
                );
                wxtoken_register(
                    handle.unwrap(),
                    c"platform".as_ptr(),
                    c"component".as_ptr(),
                    c"wx2".as_ptr(),
                    c"secret".as_ptr(),
                    ptr::null_mut(),
                );
                wxtoken_put(
                    handle.unwrap(),
                    c"platform".as_ptr(),
                    c"verify_ticket".as_ptr(),
                    c"ticket".as_ptr(),
                    ptr::null_mut(),
                );
            }
        });
        std::fs::read(&path).unwrap()
    })
}
