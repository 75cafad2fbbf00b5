//! The store string that names a wxtoken server: `https://host[:port]`, `http://` to a loopback address, or
//! `unix:/path.sock`.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::base_url;
use crate::error::{Error, Result};

/// The URL of a wxtoken server. Two spellings of one place are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServerUrl {
    /// The base of its paths, such as `https://tokens.example.com`.
    Http(String),
    /// The absolute path of its socket.
    Unix(PathBuf),
}

impl ServerUrl {
    /// Parses a store string as a server's URL. Returns None for any other store.
    pub fn parse(store: &str) -> Option<Result<ServerUrl>> {
        let (scheme, rest) = store.split_once(':')?;
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => Some(parse_http(store)),
            "unix" => Some(parse_unix(rest)),
            _ => None,
        }
    }

    /// Whether the server is reached by TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self, ServerUrl::Http(base) if base.starts_with("https://"))
    }
}

fn parse_http(store: &str) -> Result<ServerUrl> {
    let flaw = |why: String| {
        // A refused URL may hold a password, so it is not repeated.
        Error::argument("invalid URL of a wxtoken server")
            .because(why)
            .advise("Write https://host[:port], or http:// to a loopback address. The client key goes into the option server_key_file.")
    };
    let (scheme, rest) = store.split_once("//").unwrap_or((store, ""));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let scheme = scheme.to_ascii_lowercase();
    let authority = authority.to_ascii_lowercase();
    let default_port = if scheme == "https:" { ":443" } else { ":80" };
    let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
    let base = format!("{scheme}//{authority}{path}");
    base_url::parse(&base, "", false)
        .map(ServerUrl::Http)
        .map_err(flaw)
}

fn parse_unix(path: &str) -> Result<ServerUrl> {
    // The form of others: unix:///run/wxtoken.sock.
    let path = match path.strip_prefix("//") {
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    };
    if !Path::new(path).is_absolute() || path.contains(['?', '#']) {
        return Err(
            Error::argument(format!("invalid socket of a wxtoken server \"{path}\""))
                .because("it is not an absolute path")
                .advise("Write unix:/path/to/the.sock."),
        );
    }
    let components = Path::new(path).components();
    Ok(ServerUrl::Unix(components.collect()))
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerUrl::Http(base) => f.write_str(base),
            ServerUrl::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        ServerUrl::parse(text).unwrap().unwrap().to_string()
    }

    #[test]
    fn two_spellings_of_a_server_are_one() {
        assert_eq!(parsed("HTTPS://Tokens.Example/"), "https://tokens.example");
        assert_eq!(parsed("https://h:443"), "https://h");
        assert_eq!(parsed("https://h:8443/Wx/"), "https://h:8443/Wx");
        assert_eq!(parsed("http://[::1]:80"), "http://[::1]");
        assert_eq!(parsed("http://127.0.0.1:8787"), "http://127.0.0.1:8787");
        assert_eq!(parsed("unix:/run//wxtoken.sock"), "unix:/run/wxtoken.sock");
        assert_eq!(parsed("unix:///run/wxtoken.sock"), "unix:/run/wxtoken.sock");
    }

    #[test]
    fn other_stores_are_not_servers() {
        for other in [
            "t.db",
            "/var/t.db",
            "redis://h",
            "redis+unix:///s",
            "C:/t.db",
        ] {
            assert!(ServerUrl::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_refused_url_is_not_repeated_if_it_may_hold_a_password() {
        for bad in [
            "http://tokens.example",
            "https://",
            "https://user:hunter2@h",
            "https://h?key=hunter2",
            "unix:run/sock",
            "unix:",
        ] {
            let error = ServerUrl::parse(bad).unwrap().unwrap_err();
            assert!(!error.for_c().contains("hunter2"), "{error}");
            assert!(error.hint.is_some(), "{bad}");
        }
    }
}
