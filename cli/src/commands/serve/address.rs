//! The address on which a server listens, as given on the command line.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::exit::Failure;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Unix(PathBuf),
    Http(SocketAddr),
    Https(SocketAddr),
}

impl Address {
    pub fn parse(url: &str, allow_plain_http: bool) -> Result<Address, Failure> {
        let flawed = || {
            Failure::usage("cannot read an address of --listen").advise(
                "Write it as unix:/run/wxtoken/serve.sock, http://127.0.0.1:8787 or https://0.0.0.0:8443.",
            )
        };
        if let Some(path) = url.strip_prefix("unix:") {
            // curl and others also write it in this form.
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.starts_with('/') {
                true => Ok(Address::Unix(path.into())),
                false => Err(flawed()),
            };
        }
        if let Some(rest) = url.strip_prefix("https://") {
            return Ok(Address::Https(socket(rest).ok_or_else(flawed)?));
        }
        let rest = url.strip_prefix("http://").ok_or_else(flawed)?;
        let address = socket(rest).ok_or_else(flawed)?;
        if !address.ip().is_loopback() && !allow_plain_http {
            return Err(refuse_plain());
        }
        Ok(Address::Http(address))
    }
}

pub fn refuse_plain() -> Failure {
    Failure::usage("http:// would listen on an address that is not loopback")
        .because("keys and tokens could be read on the way")
        .advise("Listen on https:// with --tls-cert and --tls-key, or say --allow-plain-http.")
}

fn socket(text: &str) -> Option<SocketAddr> {
    let text = text.strip_suffix('/').unwrap_or(text);
    match text.strip_prefix("localhost:") {
        Some(port) => Some((Ipv4Addr::LOCALHOST, port.parse().ok()?).into()),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_unless_it_is_allowed() {
        let parsed = |url| Address::parse(url, false).ok();
        assert_eq!(
            parsed("unix:/run/s.sock"),
            Some(Address::Unix("/run/s.sock".into()))
        );
        assert_eq!(parsed("unix:///run/s.sock"), parsed("unix:/run/s.sock"));
        for url in [
            "http://127.0.0.1:0",
            "http://[::1]:80/",
            "http://localhost:1",
        ] {
            assert!(matches!(parsed(url), Some(Address::Http(_))), "{url}");
        }
        assert!(matches!(
            parsed("https://0.0.0.0:8443"),
            Some(Address::Https(_))
        ));
        for url in ["http://0.0.0.0:80", "http://10.0.0.1:80", "http://[::]:80"] {
            assert_eq!(parsed(url), None, "{url}");
            assert!(Address::parse(url, true).is_ok(), "{url}");
        }
        for url in [
            "",
            "unix:relative",
            "ftp://h:1",
            "http://host",
            "https://h:1",
            "127.0.0.1:80",
        ] {
            assert!(Address::parse(url, true).is_err(), "{url}");
        }
    }
}
