//! The URL of a proxy, parsed once, when the option is set. A URL that other programs would read differently is
//! refused, without showing its password.

use std::fmt;

use ureq::http::Uri;
use zeroize::Zeroizing;

use crate::base_url::is_loopback;
use crate::sys;
use crate::url_parts::{login_of, parse_authority};

/// The protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP CONNECT.
    Http,
    /// SOCKS5. This host looks the names up.
    Socks5,
    /// SOCKS5. The proxy looks the names up.
    Socks5h,
}

/// A proxy, as the parts of its URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub protocol: Protocol,
    /// The host: a name, or an address without brackets.
    pub host: String,
    pub port: u16,
    /// The user name and the password.
    pub login: Option<(String, Zeroizing<String>)>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Shows the address without the login, for messages.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

const FORMS: &str =
    "must be the URL of a proxy, such as http://127.0.0.1:3128 or socks5h://127.0.0.1:1080";

impl Proxy {
    /// Parses `scheme://[user:password@]host[:port]`.
    pub fn parse(url: &str) -> Result<Proxy, String> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(format!("does not begin with a scheme; it {FORMS}"));
        };
        let (protocol, port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Protocol::Http, 80),
            "socks5" => (Protocol::Socks5, 1080),
            "socks5h" => (Protocol::Socks5h, 1080),
            "https" => {
                return Err(
                    "has the scheme https, and TLS to the proxy itself is not supported; \
                    the proxy of an https:// host is usually http://HOST:PORT"
                        .into(),
                );
            }
            _ => {
                return Err(format!(
                    "has a scheme that is not http, socks5 or socks5h; it {FORMS}"
                ));
            }
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        refuse_delimiters(rest)?;
        let (login, authority) = match rest.rsplit_once('@') {
            Some((login, authority)) => (Some(parse_login(login, protocol)?), authority),
            None => (None, rest),
        };
        let (host, port) = parse_authority(authority, port, FORMS)?;
        Ok(Proxy {
            protocol,
            host,
            port,
            login,
        })
    }

    /// Returns the proxy's name for a message.
    pub fn words(&self) -> String {
        format!("the proxy {self}")
    }
}

/// Fails on characters that end the host for some programs and not for others.
fn refuse_delimiters(rest: &str) -> Result<(), String> {
    let has_login = rest.contains('@');
    for (delimiter, escaped) in [('#', "%23"), ('?', "%3F"), ('/', "%2F"), ('\\', "%5C")] {
        if rest.contains(delimiter) {
            return Err(match has_login {
                true => {
                    format!("holds {delimiter}, which must be {escaped} in a user name or password")
                }
                false if delimiter == '/' => "must not have a path".into(),
                false => format!("must not hold {delimiter}"),
            });
        }
    }
    Ok(())
}

fn parse_login(login: &str, protocol: Protocol) -> Result<(String, Zeroizing<String>), String> {
    let (user, password) = login_of(login)?;
    if user.is_empty() && password.is_empty() {
        return Err("has an @ and no user name before it".into());
    }
    match protocol {
        Protocol::Http if user.contains(':') => {
            Err("has a user name with a colon, which HTTP cannot send".into())
        }
        Protocol::Socks5 | Protocol::Socks5h
            if ![user.len(), password.len()]
                .iter()
                .all(|n| (1..=255).contains(n)) =>
        {
            Err(
                "must have a user name and a password of 1 to 255 bytes each, as SOCKS5 sends them"
                    .into(),
            )
        }
        _ => Ok((user, password)),
    }
}

/// A proxy for other programs: a variable such as `https_proxy`, and the hosts that `no_proxy` excludes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadProxy {
    pub variable: &'static str,
    no_proxy: String,
}

impl UnreadProxy {
    /// The variables that curl reads for a host of https://, in curl's order.
    const VARIABLES: [&'static str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

    pub fn of_environment() -> Option<UnreadProxy> {
        let value = |name: &str| sys::variable(name).filter(|value| !value.is_empty());
        let is_set = |name: &&str| value(name).is_some();
        let variable = Self::VARIABLES.into_iter().find(is_set)?;
        let no_proxy = value("no_proxy").or_else(|| value("NO_PROXY"));
        Some(UnreadProxy {
            variable,
            no_proxy: no_proxy.unwrap_or_default().to_string_lossy().into_owned(),
        })
    }

    /// Returns the advice on a proxy that this library does not use.
    pub fn advice(&self) -> String {
        let variable = self.variable;
        format!(
            "{variable} is set and not read here: set the option proxy (WXTOKEN_PROXY) to that URL."
        )
    }

    /// Returns whether other programs would use that proxy for this base URL.
    pub fn concerns(&self, base: &str) -> bool {
        let uri = base.parse::<Uri>().ok();
        let Some(host) = uri.as_ref().and_then(Uri::host) else {
            return false;
        };
        let is_out = |rule: &str| {
            let suffix = rule.trim().trim_start_matches("*.").trim_start_matches('.');
            let before = host.strip_suffix(suffix).filter(|_| !suffix.is_empty());
            rule.trim() == "*"
                || before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
        };
        base.starts_with("https://")
            && !is_loopback(host)
            && !self.no_proxy.split([',', ' ']).any(is_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        for (url, protocol, shown, login) in [
            (
                "http://127.0.0.1:3128",
                Protocol::Http,
                "127.0.0.1:3128",
                None,
            ),
            (
                "http://proxy.example/",
                Protocol::Http,
                "proxy.example:80",
                None,
            ),
            (
                "HTTP://u:p@[::1]:80/",
                Protocol::Http,
                "[::1]:80",
                Some(("u", "p")),
            ),
            (
                "http://me:p%23s%40s%25@h:1",
                Protocol::Http,
                "h:1",
                Some(("me", "p#s@s%")),
            ),
            ("http://me@h:1", Protocol::Http, "h:1", Some(("me", ""))),
            ("http://:key@h:1", Protocol::Http, "h:1", Some(("", "key"))),
            (
                "http://u:a:b+c@h:1",
                Protocol::Http,
                "h:1",
                Some(("u", "a:b+c")),
            ),
            ("socks5://h", Protocol::Socks5, "h:1080", None),
            (
                "socks5h://u:p@10.0.0.1:9",
                Protocol::Socks5h,
                "10.0.0.1:9",
                Some(("u", "p")),
            ),
        ] {
            let proxy = Proxy::parse(url).unwrap();
            assert_eq!(
                (proxy.protocol, proxy.to_string().as_str()),
                (protocol, shown),
                "{url}"
            );
            let taken = proxy
                .login
                .as_ref()
                .map(|(user, password)| (user.as_str(), password.as_str()));
            assert_eq!(taken, login, "{url}");
        }
    }

    #[test]
    fn an_ambiguous_url_is_refused_without_showing_its_password() {
        for (url, part) in [
            ("http://me:s3cret#x@h:1", "%23"),
            ("http://me:s3cret/x@h:1", "%2F"),
            ("http://me:s3cret?x@h:1", "%3F"),
            ("http://me:s3cret\\x@h:1", "%5C"),
            ("http://me:s3cret@x@h:1", "%40"),
            ("http://me:s3cret%x@h:1", "%25"),
            ("http://me:s3cret%@h:1", "%25"),
            ("http://me:s3cret x@h:1", "%XX"),
            ("http://me:s3cret[x@h:1", "%XX"),
            ("http://me:s3crét@h:1", "%XX"),
            ("http://me:s3cret%00@h:1", "not text"),
            ("http://me:s3cret%ff@h:1", "not text"),
            ("http://m%3Ae:s3cret@h:1", "colon"),
            ("http://me:s3cret:h:1", "colons"),
            ("http://@h:1", "no user name"),
            ("socks5://me@h:1", "SOCKS5"),
            ("http://h:1/s3cret", "path"),
            ("http://h:1#s3cret", "#"),
            ("http://h:1?s3cret", "?"),
            ("http://", "host"),
            ("http://:80", "host"),
            ("http://s3 cret:80", "host"),
            ("http://h:0", "65535"),
            ("http://h:99999", "65535"),
            ("http://h:", "65535"),
            ("http://h:+1", "65535"),
            ("http://[::1", "IPv6"),
            ("http://[h]:1", "IPv6"),
            ("http://[::1]x", "behind"),
            ("http://::1:80", "brackets"),
            ("h:1", "scheme"),
            ("https://h:1", "https"),
            ("socks4://h:1", "scheme"),
            ("ftp://h:1", "scheme"),
            ("me:s3cret@h:1", "scheme"),
        ] {
            let why = Proxy::parse(url).unwrap_err();
            assert!(why.contains(part), "{url}: {why}");
            assert!(!why.contains("s3c"), "{why}");
        }
    }

    #[test]
    fn no_text_form_of_a_proxy_shows_its_password() {
        let proxy = Proxy::parse("http://me:s3cret@h:1").unwrap();
        assert_eq!(
            format!("{proxy:?} {proxy} {}", proxy.words()),
            "h:1 h:1 the proxy h:1"
        );
    }

    #[test]
    fn a_proxy_for_other_programs_applies_unless_no_proxy_names_the_host() {
        let concerns = |no_proxy: &str, base: &str| {
            let no_proxy = no_proxy.to_owned();
            UnreadProxy {
                variable: "https_proxy",
                no_proxy,
            }
            .concerns(base)
        };
        let host = "https://api.weixin.qq.com";
        for none in [
            "",
            "localhost,10.0.0.1",
            "xin.qq.com",
            "api.weixin.qq.com.cn",
            " , ",
        ] {
            assert!(concerns(none, host), "{none:?}");
        }
        for out in [
            "*",
            "qq.com",
            ".qq.com",
            "*.qq.com",
            "localhost, api.weixin.qq.com",
        ] {
            assert!(!concerns(out, host), "{out:?}");
        }
        assert!(!concerns("", "http://10.0.0.1") && !concerns("", "https://127.0.0.1:1"));
    }
}
