//! What callers may name: accounts, ids, secrets, and the paths of a store and its key.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::options::Options;

pub const MAX_NAME: usize = 128;
pub const MAX_ID: usize = 128;
pub const MAX_SECRET: usize = 512;

pub fn check_account(name: &str) -> Result<()> {
    if name.is_empty()
        || name.len() > MAX_NAME
        || name.contains('/')
        || name.chars().any(char::is_control)
    {
        return Err(Error::argument(format!(
            "an account name has 1 to {MAX_NAME} bytes, no slash and no control character"
        )));
    }
    Ok(())
}

/// `account`, or `account/ticket` once there are tickets.
pub fn check_credential(name: &str) -> Result<()> {
    let Some((account, ticket)) = name.split_once('/') else {
        return check_account(name);
    };
    check_account(account)?;
    let shown: String = ticket
        .chars()
        .filter(|c| !c.is_control())
        .take(32)
        .collect();
    Err(Error::argument(format!(
        "account \"{account}\" has no credential \"{shown}\": this version knows access tokens, named by the account alone"
    )))
}

pub fn check_id(what: &str, id: &str) -> Result<()> {
    if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Error::argument(format!(
            "an {what} has 1 to {MAX_ID} printable ASCII characters and no space"
        )));
    }
    Ok(())
}

pub fn check_secret(secret: &str) -> Result<()> {
    if secret.is_empty()
        || secret.len() > MAX_SECRET
        || !secret.bytes().all(|b| b.is_ascii_graphic())
    {
        return Err(Error::argument(format!(
            "a secret has 1 to {MAX_SECRET} printable ASCII characters and no space: check for a stray line end"
        )));
    }
    Ok(())
}

/// The absolute path of a store: what the caller says, else `$WXTOKEN_STORE`, else a place in the user's state
/// directory. Its directory is resolved, so that two spellings of one path are one store.
pub fn store_path(store: Option<&str>) -> Result<PathBuf> {
    let path = match store {
        Some(path) => PathBuf::from(path),
        None => match std::env::var_os("WXTOKEN_STORE") {
            Some(path) => path.into(),
            None => default_path()?,
        },
    };
    let shown = path.display();
    let text = path.to_string_lossy();
    if text.is_empty() {
        return Err(Error::argument("the store's path is empty"));
    }
    if text.starts_with("redis://") || text.starts_with("rediss://") {
        return Err(Error::argument(
            "a store in Redis is not in this version: name the path of a file",
        ));
    }
    if text.ends_with('/') {
        return Err(Error::store(format!(
            "store {shown} is a directory: name a file in it"
        )));
    }
    let Some(name) = path.file_name() else {
        return Err(Error::argument(format!(
            "store {shown} is no path of a file"
        )));
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let directory = directory.canonicalize().map_err(|e| {
        Error::store(format!(
            "cannot open store {shown}: its directory {}: {e}: create it, or name another path",
            directory.display()
        ))
    })?;
    Ok(directory.join(name))
}

fn default_path() -> Result<PathBuf> {
    let state = match std::env::var_os("XDG_STATE_HOME").filter(|p| Path::new(p).is_absolute()) {
        Some(state) => PathBuf::from(state),
        None => match std::env::var_os("HOME").filter(|p| Path::new(p).is_absolute()) {
            Some(home) => Path::new(&home).join(".local/state"),
            None => {
                return Err(Error::argument(
                    "no store is named and HOME is not set: pass a path, or set WXTOKEN_STORE",
                ));
            }
        },
    };
    let directory = state.join("wxtoken");
    crate::sys::create_private_directory(&directory).map_err(|e| {
        Error::store(format!(
            "cannot create directory {}: {e}: pass a path, or set WXTOKEN_STORE",
            directory.display()
        ))
    })?;
    Ok(directory.join("tokens.db"))
}

/// Where the key to a store's secrets lies.
pub fn key_path(options: &Options, store: &Path) -> PathBuf {
    match &options.key_file {
        Some(path) => path.clone(),
        None => store.with_added_extension("key"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_secrets_have_limits() {
        assert!(check_account(&"n".repeat(128)).is_ok());
        for bad in ["", "a/b", "a\nb", &"n".repeat(129)] {
            assert!(check_account(bad).is_err(), "{bad:?}");
        }
        assert!(check_account("服务号 1").is_ok());
        for bad in ["", "a b", "a\n", "é", &"s".repeat(513)] {
            assert!(check_secret(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn two_spellings_of_a_path_are_one_store() {
        let directory = tempfile::tempdir().unwrap();
        let plain = directory.path().join("tokens.db");
        let winding = directory
            .path()
            .join("./../")
            .join(directory.path().file_name().unwrap())
            .join("tokens.db");
        assert_eq!(
            store_path(winding.to_str()).unwrap(),
            store_path(plain.to_str()).unwrap()
        );
    }
}
