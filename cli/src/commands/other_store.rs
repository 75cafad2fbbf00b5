//! A store named by another argument than `--store`, with its password and its key.

use std::path::Path;

use wxtoken::tool::Store;

use super::holds_password;
use crate::exit::Failure;
use crate::prompt;

/// Makes a store use this key file, if one is given.
pub fn set_key(store: &Store, key: Option<&str>) -> Result<(), Failure> {
    if let Some(key) = key {
        store.set("key_file", key)?;
    }
    Ok(())
}

/// Returns the name of a store as the library takes it, with the password from a file if one is given.
pub fn named(which: &str, store: &str, password_file: Option<&Path>) -> Result<String, Failure> {
    if holds_password(store) {
        let name = which.trim_start_matches('-').to_ascii_lowercase();
        let option = format!("--{name}-password-file");
        return Err(
            Failure::usage(format!("{which} holds a password")).advise(format!(
                "A password is never an argument, because the process list and the shell's history show arguments. \
                 Give it in a file that {option} or WXTOKEN_STORE_PASSWORD_FILE names."
            )),
        );
    }
    let Some(file) = password_file else {
        return Ok(store.to_owned());
    };
    let Some((scheme, rest)) = store.split_once("://") else {
        let what = format!("{which} is a file, which has no password");
        return Err(Failure::usage(what));
    };
    let password = prompt::secret(Some(file), "password")?;
    let (user, place) = rest.split_once('@').unwrap_or(("", rest));
    Ok(format!("{scheme}://{user}:{}@{place}", encoded(&password)))
}

/// Percent-encodes a password for a URL.
fn encoded(password: &str) -> String {
    password
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}
