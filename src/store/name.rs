//! The name of a store: its identity in a process, and the form in which messages show it.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::redis_url::RedisUrl;
use super::server_url::ServerUrl;
use crate::characters::{Allowed, flaws, remedy};
use crate::error::{Error, Result};
use crate::options::{Options, check_variable};
use crate::sys;

/// The place of a store. Two spellings of one place are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StoreName {
    /// The absolute path of an SQLite file, its directory resolved.
    File(PathBuf),
    /// The URL of a store in Redis.
    Redis(RedisUrl),
    /// The URL of a wxtoken server, which has the store.
    Server(ServerUrl),
}

impl StoreName {
    /// Parses the caller's string. Without one it takes `$WXTOKEN_STORE`, else a place in the user's state directory.
    pub fn parse(store: Option<&str>) -> Result<StoreName> {
        let path = match store {
            Some(path) => {
                check_path("a store", path)?;
                if let Some(named) = StoreName::of_url(path) {
                    return named;
                }
                PathBuf::from(path)
            }
            None if sys::is_secure() => return Err(no_environment()),
            None => match variable(STORE_VARIABLE)? {
                Some(path) if path.is_empty() => return Err(empty_variable()),
                Some(path) => match path.to_str().and_then(StoreName::of_url) {
                    Some(named) => return named,
                    None => path.into(),
                },
                None => default_path()?,
            },
        };
        resolve(&path).map(StoreName::File)
    }

    /// Parses a URL. Returns None for the path of a file.
    fn of_url(store: &str) -> Option<Result<StoreName>> {
        if let Some(url) = ServerUrl::parse(store) {
            return Some(url.map(StoreName::Server));
        }
        RedisUrl::parse(store).map(|url| url.map(StoreName::Redis))
    }

    /// Whether a look at the store is a question to another host.
    pub fn is_on_a_server(&self) -> bool {
        !matches!(self, StoreName::File(_))
    }

    /// The path of the key to this store's secrets. It is empty for a server, which keeps the secrets and their key
    /// itself.
    pub fn key_file(&self, options: &Options) -> PathBuf {
        match (&options.key_file, self) {
            (_, StoreName::Server(_)) => PathBuf::new(),
            (Some(path), _) => path.into(),
            (None, StoreName::File(path)) => path.with_added_extension("key"),
            (None, StoreName::Redis(url)) => url.key_file(),
        }
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreName::File(path) => path.display().fmt(f),
            StoreName::Redis(url) => url.fmt(f),
            StoreName::Server(url) => url.fmt(f),
        }
    }
}

const STORE_VARIABLE: &str = "WXTOKEN_STORE";

fn no_environment() -> Error {
    Error::argument("no store is named, and the environment is not read")
        .because(
            "this program has rights that its caller lacks (set-user-ID, set-group-ID or capabilities)",
        )
        .advise("Pass the path of the store, and set options by name.")
}

fn empty_variable() -> Error {
    Error::argument(format!("environment variable {STORE_VARIABLE} is empty"))
        .advise("Give it the path of a file, or unset it.")
}

/// The path in an environment variable, if it is set. A line end or quotes in it would name a second store, so they
/// fail.
fn variable(name: &str) -> Result<Option<OsString>> {
    let value = sys::variable(name);
    if let Some(value) = &value {
        check_variable(name, &value.to_string_lossy(), Allowed::Text)?;
    }
    Ok(value)
}

/// Fails on a path with a line end or quotes, which would name another file. `of` says what the path is for.
pub fn check_path(of: &str, path: &str) -> Result<()> {
    match flaws(path, Allowed::Text) {
        None => Ok(()),
        Some(flaws) => Err(Error::argument(format!("invalid path of {of}"))
            .because(format!("it has {flaws}"))
            .advise(remedy(path))),
    }
}

/// Returns the absolute path of a file, with its directory resolved.
fn resolve(path: &Path) -> Result<PathBuf> {
    let shown = path.display();
    let text = path.to_string_lossy();
    if text.is_empty() {
        return Err(Error::argument("the store's path is empty").advise("Name the path of a file."));
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
                sys::os_message(&e)
            ))
            .advise("Create the directory, or name another path.")
    })?;
    Ok(directory.join(name))
}

fn default_path() -> Result<PathBuf> {
    let state = match variable("XDG_STATE_HOME")?.filter(|p| Path::new(p).is_absolute()) {
        Some(state) => PathBuf::from(state),
        None => match variable("HOME")?.filter(|p| Path::new(p).is_absolute()) {
            Some(home) => Path::new(&home).join(".local/state"),
            None => {
                return Err(Error::argument("no store is named, and HOME is not set")
                    .advise("Pass a path, or set WXTOKEN_STORE."));
            }
        },
    };
    let directory = state.join("wxtoken");
    sys::create_private_directory(&directory).map_err(|e| {
        Error::store(format!("cannot create directory {}", directory.display()))
            .because(sys::os_message(&e))
            .advise("Pass a path, or set WXTOKEN_STORE.")
    })?;
    Ok(directory.join("tokens.db"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            StoreName::parse(winding.to_str()).unwrap(),
            StoreName::parse(plain.to_str()).unwrap()
        );
    }

    #[test]
    fn the_key_lies_next_to_the_store_unless_an_option_names_another_path() {
        let store = StoreName::File("/var/lib/tokens.db".into());
        let mut options = Options::default();
        let beside = store.key_file(&options);
        assert_eq!(beside, Path::new("/var/lib/tokens.db.key"));
        options.key_file = Some("/run/key".into());
        assert_eq!(store.key_file(&options), Path::new("/run/key"));
        let server = StoreName::parse(Some("unix:/run/wxtoken.sock")).unwrap();
        assert_eq!(server.key_file(&options), Path::new(""));
        assert_eq!(store.to_string(), "/var/lib/tokens.db");
    }

    #[test]
    fn a_path_with_a_hidden_flaw_makes_no_second_store() {
        let directory = tempfile::tempdir().unwrap();
        let plain = directory.path().join("tokens.db").display().to_string();
        for (bad, said) in [
            (format!("{plain}\r"), "a line end at the end"),
            (format!("\"{plain}\""), "quotes around it"),
            (format!("'{plain}'"), "quotes around it"),
            (format!("{plain} "), "a blank at the end"),
            (format!(" {plain}"), "a blank at the start"),
            (format!("\u{FEFF}{plain}"), "U+FEFF at the start"),
        ] {
            let error = StoreName::parse(Some(&bad)).unwrap_err();
            assert!(error.for_c().contains(said), "{error}");
        }
        let spaced = directory.path().join("my tokens.db");
        assert!(StoreName::parse(spaced.to_str()).is_ok());
    }

    #[test]
    fn a_store_is_named_by_the_path_of_a_file() {
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        let named = StoreName::parse(Some("t.db")).unwrap();
        assert_eq!(named, StoreName::File(here.join("t.db")));
        for bad in [
            "",
            "redis:/h",
            "mysql://h",
            "/",
            "/var/",
            "..",
            "/nonexistent/t.db",
        ] {
            assert!(StoreName::parse(Some(bad)).is_err(), "{bad:?}");
        }
        for redis in ["redis://h", "rediss://h"] {
            let named = StoreName::parse(Some(redis)).unwrap();
            assert!(matches!(named, StoreName::Redis(_)), "{named}");
        }
    }
}
