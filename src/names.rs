//! What callers may name: accounts, ids, secrets, and the paths of a store and its key.

use std::path::{Path, PathBuf};

use crate::error::{Error, Hint, Result};
use crate::options::Options;

/// The name of the credential that an account's name alone stands for.
pub const ACCESS_TOKEN: &str = "access_token";
pub const MAX_NAME: usize = 128;
pub const MAX_ID: usize = 128;
/// The longest secret, in bytes: what WeChat says to reserve for a token.
pub const MAX_SECRET: usize = 512;

pub fn check_account(name: &str) -> Result<()> {
    if name.is_empty()
        || name.len() > MAX_NAME
        || name.contains('/')
        || name.chars().any(char::is_control)
    {
        return Err(Error::argument("invalid account name").because(format!(
            "must be 1 to {MAX_NAME} bytes without slashes and control characters"
        )));
    }
    Ok(())
}

/// Parts `account` or `account/credential`. An account alone stands for its access token, and no name for that of the
/// current account.
pub fn split(name: Option<&str>) -> Result<(Option<&str>, &str)> {
    let Some(name) = name else {
        return Ok((None, ACCESS_TOKEN));
    };
    let (account, credential) = name.split_once('/').unwrap_or((name, ACCESS_TOKEN));
    check_account(account)?;
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if credential.is_empty() || credential.len() > MAX_NAME || !credential.bytes().all(is_word) {
        return Err(
            Error::argument(format!("invalid credential name after \"{account}/\""))
                .advise(format!("Use a name such as {account}/jsapi_ticket.")),
        );
    }
    Ok((Some(account), credential))
}

pub fn check_id(what: &str, id: &str) -> Result<()> {
    if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Error::argument(format!("invalid {what}")).because(format!(
            "must be 1 to {MAX_ID} printable ASCII characters without spaces"
        )));
    }
    Ok(())
}

/// An app secret, or a field that is kept like one.
pub fn check_secret(what: &str, secret: &str) -> Result<()> {
    if secret.is_empty()
        || secret.len() > MAX_SECRET
        || !secret.bytes().all(|b| b.is_ascii_graphic())
    {
        return Err(Error::argument(format!("invalid {what}"))
            .because(format!(
                "must be 1 to {MAX_SECRET} printable ASCII characters without spaces"
            ))
            .advise("Check for a stray line end."));
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
        return Err(Error::argument("the store's path is empty").advise("Name the path of a file."));
    }
    if text.starts_with("redis://") || text.starts_with("rediss://") {
        return Err(Error::argument("this version has no stores in Redis")
            .advise("Name the path of a file."));
    }
    if text.ends_with('/') {
        return Err(
            Error::store(format!("store path \"{shown}\" is a directory"))
                .advise("Name a file in it."),
        );
    }
    let Some(name) = path.file_name() else {
        return Err(Error::argument(format!(
            "store path \"{shown}\" does not name a file"
        )));
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let directory = directory.canonicalize().map_err(|e| {
        Error::store(format!("cannot open store {shown}"))
            .because(format!(
                "its directory {}: {}",
                directory.display(),
                crate::sys::os_message(&e)
            ))
            .advise("Create the directory, or name another path.")
    })?;
    Ok(directory.join(name))
}

fn default_path() -> Result<PathBuf> {
    let state = match std::env::var_os("XDG_STATE_HOME").filter(|p| Path::new(p).is_absolute()) {
        Some(state) => PathBuf::from(state),
        None => match std::env::var_os("HOME").filter(|p| Path::new(p).is_absolute()) {
            Some(home) => Path::new(&home).join(".local/state"),
            None => {
                return Err(Error::argument("no store is named, and HOME is not set")
                    .advise("Pass a path, or set WXTOKEN_STORE."));
            }
        },
    };
    let directory = state.join("wxtoken");
    crate::sys::create_private_directory(&directory).map_err(|e| {
        Error::store(format!("cannot create directory {}", directory.display()))
            .because(crate::sys::os_message(&e))
            .advise("Pass a path, or set WXTOKEN_STORE.")
    })?;
    Ok(directory.join("tokens.db"))
}

/// The name of an account's other credential.
pub fn join(account: &str, credential: &str) -> String {
    format!("{account}/{credential}")
}

/// How alike two names must be for one to be taken for the other's misspelling, from 0 to 1.
const ALIKE: f64 = 0.75;

/// The known name that is nearest to one that is not known, if any is near.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::jaro(&given, &name.to_lowercase()), name))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// What to choose from instead of a name that is not known: the nearest, else all of them, behind `all` (“The options are”).
pub fn choose(given: &str, known: &[&str], all: &str) -> Hint {
    Hint::Do(match nearest(given, known.iter().copied()) {
        Some(near) => format!("Did you mean {near}?"),
        None => format!("{all} {}.", known.join(", ")),
    })
}

/// The longest name that is repeated in a message, in bytes. A secret is longer.
const MAX_REPEATED: usize = 30;

/// An unknown name in quotes behind a space, for a message. Empty where it may be a secret in the wrong argument.
pub fn repeated(given: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_./-".contains(&b);
    if given.is_empty() || given.len() > MAX_REPEATED || !given.bytes().all(is_plain) {
        return String::new();
    }
    format!(" \"{given}\"")
}

/// The lock file of a store.
pub fn lock_path(store: &Path) -> PathBuf {
    store.with_added_extension("lock")
}

/// The FIFO that a store's keeper reads.
pub fn mailbox_path(store: &Path) -> PathBuf {
    store.with_added_extension("mailbox")
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
            assert!(check_secret("secret", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_is_an_account_with_or_without_a_credential() {
        assert_eq!(split(None).unwrap(), (None, ACCESS_TOKEN));
        assert_eq!(split(Some("店铺")).unwrap(), (Some("店铺"), ACCESS_TOKEN));
        let ticket = split(Some("店铺/jsapi_ticket")).unwrap();
        assert_eq!(ticket, (Some("店铺"), "jsapi_ticket"));
        for bad in [
            "",
            "/",
            "/jsapi_ticket",
            "shop/",
            "shop/a/b",
            "shop/票",
            "shop/A",
        ] {
            assert!(split(Some(bad)).is_err(), "{bad:?}");
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

    #[test]
    fn ids_and_credentials_have_limits_too() {
        for good in ["wx1", &"i".repeat(MAX_ID)] {
            assert!(check_id("appid", good).is_ok(), "{good:?}");
        }
        for bad in ["", "a b", "é", &"i".repeat(MAX_ID + 1)] {
            assert!(check_id("appid", bad).is_err(), "{bad:?}");
        }
        assert!(check_secret("secret", &"s".repeat(MAX_SECRET)).is_ok());
        let longest = join("shop", &"c".repeat(MAX_NAME));
        assert!(split(Some(&longest)).is_ok());
        assert!(split(Some(&format!("{longest}c"))).is_err());
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest_or_all() {
        let known = ["timeout_ms", "connect_timeout_ms", "log"];
        for (given, near) in [
            ("timeout", "timeout_ms"),
            ("TIMEOUT_MS", "timeout_ms"),
            ("timeout-ms", "timeout_ms"),
            ("conect_timeout_ms", "connect_timeout_ms"),
            ("colour", ""),
            ("", ""),
        ] {
            assert_eq!(nearest(given, known).unwrap_or_default(), near, "{given}");
        }
        assert_eq!(nearest("店铺一", ["店铺", "客户"]), Some("店铺"));
        let said = |given: &str| choose(given, &known, "The options are").for_c();
        assert_eq!(said("timeout"), "Did you mean timeout_ms?");
        let all = "The options are timeout_ms, connect_timeout_ms, log.";
        assert_eq!(said("colour"), all);
    }

    #[test]
    fn what_may_be_a_secret_is_not_repeated() {
        assert_eq!(repeated("time.out-_/9"), " \"time.out-_/9\"");
        assert_eq!(
            repeated(&"a".repeat(30)),
            format!(" \"{}\"", "a".repeat(30))
        );
        for hidden in [
            "",
            "a b",
            "a\n",
            "票",
            "a=b",
            &"a".repeat(31),
            &"0".repeat(32),
        ] {
            assert_eq!(repeated(hidden), "", "{hidden:?}");
        }
    }

    #[test]
    fn a_stores_files_lie_beside_it() {
        let store = Path::new("/var/lib/tokens.db");
        assert_eq!(lock_path(store), Path::new("/var/lib/tokens.db.lock"));
        assert_eq!(mailbox_path(store), Path::new("/var/lib/tokens.db.mailbox"));
        let mut options = Options::default();
        assert_eq!(
            key_path(&options, store),
            Path::new("/var/lib/tokens.db.key")
        );
        options.key_file = Some("/run/key".into());
        assert_eq!(key_path(&options, store), Path::new("/run/key"));
    }

    #[test]
    fn a_store_is_named_by_the_path_of_a_file() {
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        assert_eq!(store_path(Some("t.db")).unwrap(), here.join("t.db"));
        for bad in [
            "",
            "redis://h",
            "rediss://h",
            "/",
            "/var/",
            "..",
            "/nonexistent/t.db",
        ] {
            assert!(store_path(Some(bad)).is_err(), "{bad:?}");
        }
        for redis in ["redis://h", "rediss://h"] {
            let error = store_path(Some(redis)).unwrap_err();
            assert!(error.for_c().contains("Redis"), "{error}");
        }
    }
}
