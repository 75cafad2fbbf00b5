//! The options of a handle: one table of names, checked when they are set, with `$WXTOKEN_<OPTION>` as the default.
//!
//! A value that gets in here is usable later; what is wrong with one is said at the call that sets it.

use std::net::IpAddr;
use std::path::PathBuf;

use ureq::http::Uri;

use crate::characters::{Allowed, flaws, remedy};
use crate::error::{Error, Result};
use crate::hosts::{self, PLATFORMS, Platform};
use crate::names::{choose, repeated};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Off,
    Error,
    Info,
    Debug,
}

#[derive(Clone, Debug)]
pub struct Options {
    /// One for each of [`PLATFORMS`].
    pub base_urls: Vec<String>,
    pub timeout_ms: i64,
    pub connect_timeout_ms: i64,
    pub refresh_ahead_s: i64,
    pub background_refresh: bool,
    pub revalidate_ms: i64,
    pub proxy: Option<String>,
    pub ca_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    pub log: LogLevel,
}

/// One option: the only place that says its name, its default, what it takes, and what it is.
pub struct OptionRow {
    pub name: &'static str,
    /// What it is, in one line.
    pub help: &'static str,
    takes: Takes,
}

type Field<T> = fn(&mut Options) -> &mut T;

/// What a value must be, and where it goes.
enum Takes {
    /// Goes into [`Options::base_urls`]; empty is the platform's own.
    BaseUrl(&'static Platform),
    Number {
        default: i64,
        range: (i64, i64),
        unit: &'static str,
        field: Field<i64>,
    },
    /// 0 or 1; by default 0.
    Switch(Field<bool>),
    Proxy(Field<Option<String>>),
    /// Empty is the default, which `default` names.
    File {
        default: &'static str,
        field: Field<Option<PathBuf>>,
    },
    /// By default off.
    Level(Field<LogLevel>),
}

const fn row(name: &'static str, takes: Takes, help: &'static str) -> OptionRow {
    OptionRow { name, help, takes }
}

const fn base_url_of(platform: &'static Platform, help: &'static str) -> OptionRow {
    row(platform.option, Takes::BaseUrl(platform), help)
}

const fn number_of(
    name: &'static str,
    default: i64,
    range: (i64, i64),
    unit: &'static str,
    field: Field<i64>,
    help: &'static str,
) -> OptionRow {
    let takes = Takes::Number {
        default,
        range,
        unit,
        field,
    };
    row(name, takes, help)
}

const fn file_of(
    name: &'static str,
    default: &'static str,
    field: Field<Option<PathBuf>>,
    help: &'static str,
) -> OptionRow {
    row(name, Takes::File { default, field }, help)
}

/// Every option, in the order of the pages that list them: `make tables` writes those. A help has 45 characters at most,
/// so that its row fits into a line of the header.
#[rustfmt::skip]
pub static TABLE: [OptionRow; 15] = [
    base_url_of(&hosts::API, "official accounts, mini programs"),
    base_url_of(&hosts::WORK, "WeCom"),
    base_url_of(&hosts::QQ, "QQ mini programs"),
    base_url_of(&hosts::DOUYIN, "Douyin mini programs"),
    base_url_of(&hosts::DINGTALK, "DingTalk"),
    base_url_of(&hosts::FEISHU, "Feishu"),
    number_of("timeout_ms", 8000, (1, 600_000), "ms", |o| &mut o.timeout_ms,
        "the longest a call waits; saving may add 2 s"),
    number_of("connect_timeout_ms", 3000, (1, 600_000), "ms", |o| &mut o.connect_timeout_ms,
        "for DNS, again for connect and TLS together"),
    number_of("refresh_ahead_s", 270, (0, 3600), "s", |o| &mut o.refresh_ahead_s,
        "how early to refresh; 1/10 of a life at most"),
    row("background_refresh", Takes::Switch(|o| &mut o.background_refresh),
        "with 1 a thread refreshes ahead; nobody waits"),
    number_of("revalidate_ms", 200, (0, 60_000), "ms", |o| &mut o.revalidate_ms,
        "how soon another process's change is seen"),
    row("proxy", Takes::Proxy(|o| &mut o.proxy),
        "http://[user:password@]host:port"),
    file_of("ca_file", "none", |o| &mut o.ca_file,
        "PEM certificates to trust beside the web PKI"),
    file_of("key_file", "<store>.key", |o| &mut o.key_file,
        "the key that seals the secrets"),
    row("log", Takes::Level(|o| &mut o.log),
        "off, error, info or debug; to stderr"),
];

impl OptionRow {
    /// Its default, as the pages name it.
    pub fn default(&self) -> String {
        match &self.takes {
            Takes::BaseUrl(platform) => platform.base_url.into(),
            Takes::Number { default, .. } => default.to_string(),
            Takes::Switch(_) => "0".into(),
            Takes::Proxy(_) => "none".into(),
            Takes::File { default, .. } => (*default).into(),
            Takes::Level(_) => "off".into(),
        }
    }

    /// What it takes: limits and unit of a number, or what else a value is.
    pub fn range(&self) -> String {
        match &self.takes {
            Takes::BaseUrl(_) | Takes::Proxy(_) => "a URL".into(),
            Takes::Number { range, unit, .. } => format!("{} to {} {unit}", range.0, range.1),
            Takes::Switch(_) => "0 or 1".into(),
            Takes::File { .. } => "a path".into(),
            Takes::Level(_) => "a level".into(),
        }
    }

    /// What may stand in a value.
    fn allowed(&self) -> Allowed {
        match &self.takes {
            Takes::File { .. } => Allowed::Text,
            _ => Allowed::Ascii,
        }
    }

    fn put(&self, options: &mut Options, value: &str) -> Result<(), String> {
        match &self.takes {
            Takes::BaseUrl(platform) => {
                let url = base_url(value, platform.base_url)?;
                let place = PLATFORMS.iter().position(|known| known == platform);
                if let Some(i) = place {
                    options.base_urls[i] = url;
                }
            }
            Takes::Number { range, field, .. } => *field(options) = number(value, *range)?,
            Takes::Switch(field) => *field(options) = number(value, (0, 1))? == 1,
            Takes::Proxy(field) => *field(options) = proxy(value)?,
            Takes::File { field, .. } => *field(options) = path(value)?,
            Takes::Level(field) => *field(options) = level(value)?,
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        let mut options = Options {
            base_urls: PLATFORMS.iter().map(|p| p.base_url.into()).collect(),
            timeout_ms: 0,
            connect_timeout_ms: 0,
            refresh_ahead_s: 0,
            background_refresh: false,
            revalidate_ms: 0,
            proxy: None,
            ca_file: None,
            key_file: None,
            log: LogLevel::Off,
        };
        for row in &TABLE {
            if let Takes::Number { default, field, .. } = &row.takes {
                *field(&mut options) = *default;
            }
        }
        options
    }
}

impl Options {
    /// The defaults, changed by what stands in the environment.
    pub fn from_environment() -> Result<Options> {
        let mut options = Options::default();
        for row in &TABLE {
            let variable = format!("WXTOKEN_{}", row.name.to_ascii_uppercase());
            let value = match std::env::var(&variable) {
                Ok(value) => value,
                Err(std::env::VarError::NotPresent) => continue,
                Err(std::env::VarError::NotUnicode(_)) => {
                    return Err(Error::argument(format!(
                        "invalid environment variable {variable}"
                    ))
                    .because("is not UTF-8")
                    .advise("Correct or unset it."));
                }
            };
            check_variable(&variable, &value, row.allowed())?;
            row.put(&mut options, &value).map_err(|why| {
                Error::argument(format!("invalid environment variable {variable}"))
                    .because(why)
                    .advise("Correct or unset it.")
            })?;
        }
        Ok(options)
    }

    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let Some(row) = TABLE.iter().find(|row| row.name == name) else {
            let known: Vec<&str> = TABLE.iter().map(|row| row.name).collect();
            return Err(
                Error::argument(format!("unknown option{}", repeated(name))).hint(choose(
                    name,
                    &known,
                    "The options are",
                )),
            );
        };
        let invalid = || Error::argument(format!("invalid option {name}"));
        if let Some(flaws) = flaws(value, row.allowed()) {
            return Err(invalid()
                .because(format!("its value has {flaws}"))
                .advise(remedy(value)));
        }
        row.put(self, value).map_err(|why| invalid().because(why))
    }

    /// The base URL to ask a platform at.
    pub fn base_url(&self, platform: &Platform) -> &str {
        let place = PLATFORMS.iter().position(|known| *known == platform);
        place.map_or(platform.base_url, |i| &self.base_urls[i])
    }
}

/// Fails on a value of the environment with quotes, blanks or a line end that an env file has left, or what cannot be seen.
pub fn check_variable(variable: &str, value: &str, allowed: Allowed) -> Result<()> {
    match flaws(value, allowed) {
        None => Ok(()),
        Some(flaws) => Err(
            Error::argument(format!("invalid environment variable {variable}"))
                .because(format!("its value has {flaws}"))
                .advise(remedy(value)),
        ),
    }
}

fn number(value: &str, (least, most): (i64, i64)) -> Result<i64, String> {
    match value.parse::<i64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("must be a whole number from {least} to {most}")),
    }
}

fn level(value: &str) -> Result<LogLevel, String> {
    match value {
        "off" => Ok(LogLevel::Off),
        "error" => Ok(LogLevel::Error),
        "info" => Ok(LogLevel::Info),
        "debug" => Ok(LogLevel::Debug),
        _ => Err("must be one of off, error, info, debug".into()),
    }
}

/// Absolute from here on: a daemon that changes its directory later means the same file.
fn path(value: &str) -> Result<Option<PathBuf>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    std::path::absolute(value)
        .map(Some)
        .map_err(|e| format!("is not a path: {e}"))
}

/// `https://host[:port][/prefix]`, or plain http to a loopback address; empty is the default.
fn base_url(value: &str, default: &str) -> Result<String, String> {
    if value.is_empty() {
        return Ok(default.into());
    }
    let url = value.trim_end_matches('/');
    let uri: Uri = url
        .parse()
        .map_err(|_| "is not a URL such as https://host".to_string())?;
    let Some(host) = uri.host().filter(|host| !host.is_empty()) else {
        return Err("is not a URL such as https://host".into());
    };
    if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
        return Err("must not hold a user name or a password".into());
    }
    if uri.authority().is_some_and(|a| !has_sound_port(a.as_str())) {
        return Err("has a port that is not 1 to 65535".into());
    }
    if uri.query().is_some() || url.contains('#') {
        return Err("must not hold a query or a fragment".into());
    }
    match uri.scheme_str() {
        Some("https") => Ok(url.into()),
        Some("http") if is_loopback(host) => Ok(url.into()),
        Some("http") => {
            Err("may be plain http to a loopback address only, as secrets travel in the request; must begin with https://".into())
        }
        _ => Err("must begin with https://".into()),
    }
}

/// Whether what stands behind the host, if anything, is a port.
fn has_sound_port(authority: &str) -> bool {
    let behind_host = authority
        .rsplit_once(']')
        .map_or(authority, |(_, rest)| rest);
    match behind_host.rsplit_once(':') {
        Some((_, port)) => port.parse::<u16>().is_ok_and(|port| port > 0),
        None => true,
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// `http://[user:password@]host:port`, an HTTP CONNECT proxy; empty is none.
fn proxy(value: &str) -> Result<Option<String>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    let authority = value
        .strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'));
    let is_sound = authority.is_some_and(|authority| {
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        !host.is_empty() && !host.contains('/') && has_sound_port(host)
    });
    if !is_sound || ureq::Proxy::new(value).is_err() {
        return Err("must be the URL of an HTTP proxy, such as http://127.0.0.1:3128".into());
    }
    Ok(Some(value.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> Result<Options> {
        let mut options = Options::default();
        options.set(name, value).map(|()| options)
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for fine in [
            "http://127.0.0.1:80",
            "http://[::1]:8080/",
            "http://localhost:9",
            "https://example.com/p",
        ] {
            assert!(set("api_base_url", fine).is_ok(), "{fine}");
        }
        for bad in [
            "http://example.com",
            "http://127.0.0.1.example.com",
            "http://10.0.0.1",
            "ftp://127.0.0.1",
            "https://",
            "https://u:p@example.com",
            "https://example.com/?q=1",
            "https://example.com/#f",
            "example.com",
            "https://exa mple.com",
            "https://127.0.0.1:port",
            "https://127.0.0.1:65536",
            "https://127.0.0.1:0",
            "https://127.0.0.1:",
            "http://[::1]:99999",
        ] {
            assert!(set("api_base_url", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_trailing_slash_does_not_make_another_identity() {
        let options = set("work_base_url", "https://example.com/").unwrap();
        assert_eq!(options.base_url(&crate::hosts::WORK), "https://example.com");
    }

    #[test]
    fn a_proxy_is_reached_by_http_alone() {
        for fine in ["", "http://127.0.0.1:3128", "http://u:p@proxy.example:80/"] {
            assert!(set("proxy", fine).is_ok(), "{fine}");
        }
        for bad in [
            "https://127.0.0.1:3128",
            "socks5://127.0.0.1:1080",
            "http://127.0.0.1:99999",
            "http://",
            "127.0.0.1:3128",
            "http://127.0.0.1:3128/path",
        ] {
            assert!(set("proxy", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_have_limits_and_say_them() {
        let error = set("timeout_ms", "0").unwrap_err();
        assert!(error.for_c().contains("from 1 to 600000"), "{error}");
        for bad in ["", " 1", "1.5", "-1", "99999999999999999999"] {
            assert!(set("timeout_ms", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_value_with_a_flaw_is_refused_by_every_option_and_is_not_shown() {
        for row in &TABLE {
            for bad in [
                "\"v4lue\"",
                "'v4lue'",
                "v4lue\r",
                " v4lue",
                "v4lue ",
                "\u{FEFF}v4lue",
                "v4\u{200B}lue",
            ] {
                for error in [
                    set(row.name, bad).unwrap_err(),
                    check_variable("WXTOKEN_X", bad, row.allowed()).unwrap_err(),
                ] {
                    let said = error.for_c();
                    assert!(said.contains("its value has "), "{}: {said}", row.name);
                    assert!(!said.contains("v4lue"), "{}: {said}", row.name);
                }
            }
        }
        let error = set("key_file", "/srv/my keys/k").map(|_| ());
        assert!(error.is_ok(), "{error:?}");
    }

    #[test]
    fn an_unknown_option_is_answered_with_the_known_ones() {
        let error = set("timeout", "1").unwrap_err();
        let said = "unknown option \"timeout\"; hint: Did you mean timeout_ms?";
        assert_eq!(error.for_c(), said);
        let error = set("0123456789abcdef0123456789abcdef", "1").unwrap_err();
        let said = "unknown option; hint: The options are api_base_url, ";
        assert!(error.for_c().starts_with(said), "{}", error.for_c());
        assert!(error.for_c().contains("timeout_ms"), "{error}");
    }

    #[test]
    fn a_value_is_taken_as_it_is_said() {
        assert!(set("background_refresh", "1").unwrap().background_refresh);
        assert!(!set("background_refresh", "0").unwrap().background_refresh);
        for level in ["off", "error", "info", "debug"] {
            assert!(set("log", level).is_ok(), "{level}");
        }
        assert!(set("log", "loud").is_err());
        let at = |value: &str| set("key_file", value).unwrap().key_file;
        assert_eq!(at(""), None);
        assert_eq!(at("/run/key"), Some("/run/key".into()));
        assert!(at("key").unwrap().is_absolute());
        let least_and_most = [("1", 1), ("600000", 600_000)];
        for (value, number) in least_and_most {
            assert_eq!(set("timeout_ms", value).unwrap().timeout_ms, number);
        }
        let error = set("api_base_url", "http://example.com").unwrap_err();
        assert!(error.for_c().contains("loopback"), "{error}");
    }
}
