//! Any value of any option. It is accepted, or refused with the previous value kept. No message shows a password.
#![no_main]

#[path = "../common.rs"]
mod common;

use wxtoken::tool::{Status, Store, options};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [choice, rest @ ..] = bytes else { return };
    let all = options();
    let option = all[usize::from(*choice) % all.len()].name;
    let Ok(value) = std::str::from_utf8(rest) else { return };
    // Files of this machine must not take part in the test.
    if option == "ca_file" && !value.is_empty() {
        return;
    }
    common::with_store(|path, _| {
        let store = Store::open(path.to_str()).unwrap();
        let before = store.base_urls();
        let Err(error) = store.set(option, value) else { return };
        assert_eq!(error.status, Status::Argument, "{error}");
        assert_eq!(store.base_urls(), before);
        let said = error.for_c();
        let login = value.rsplit_once('@').map_or("", |(login, _)| login);
        let password = login.rsplit_once(':').map_or("", |(_, password)| password);
        // A message has its own words, such as “password” and “ip_version”. None of them has a digit and a capital
        // letter.
        let has = |of: fn(&u8) -> bool| password.bytes().any(|byte| of(&byte));
        let is_no_word = has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase);
        let is_long = password.len() >= 8 && is_no_word && password.bytes().all(|byte| byte.is_ascii_graphic());
        assert!(!is_long || !said.contains(password), "{said}");
    });
});
