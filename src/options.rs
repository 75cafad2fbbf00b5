//! The options of a handle: one table of names, with `$WXTOKEN_<OPTION>` as the default.
//!
//! A value is checked when it is set. The call that sets a bad value returns the error.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::base_url::{self, ALLOW_PLAIN_HTTP};
use crate::characters::{Allowed, flaws, remedy};
use crate::error::{Error, Result};
use crate::hosts::{self, PLATFORMS, Platform};
use crate::http_config;
use crate::names::{choose, repeated};
use crate::proxy::{Proxy, UnreadProxy};
use crate::sys;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Off,
    Error,
    Info,
    Debug,
}

/// The address families that a host name is looked up in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpVersion {
    Any,
    V4,
    V6,
}

/// A value that is never shown. An empty one counts as not set.
#[derive(Clone, Default)]
pub struct Hidden(pub Zeroizing<String>);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

#[derive(Clone, Debug)]
pub struct Options {
    /// The base URLs, one for each of [`PLATFORMS`].
    pub base_urls: Vec<String>,
    pub timeout_ms: i64,
    pub connect_timeout_ms: i64,
    pub refresh_ahead_s: i64,
    pub background_refresh: bool,
    pub revalidate_ms: i64,
    pub proxy: Option<Proxy>,
    pub ip_version: IpVersion,
    pub allow_plain_http: bool,
    pub ca_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    pub server_key: Hidden,
    pub server_key_file: Option<PathBuf>,
    pub log: LogLevel,
    /// A proxy that the environment names for other programs. It is not an option: requests do not use it.
    pub unread_proxy: Option<UnreadProxy>,
}

/// One option. The table is the only place for its name, its default, its values, and its description.
pub struct OptionRow {
    pub name: &'static str,
    /// The description of the option, in one line.
    pub help: &'static str,
    takes: Takes,
}

type Field<T> = fn(&mut Options) -> &mut T;

/// The values that an option takes, and the field that holds them.
enum Takes {
    /// A URL in [`Options::base_urls`]. An empty value is the platform's own.
    BaseUrl(&'static Platform),
    Number {
        default: i64,
        range: (i64, i64),
        unit: &'static str,
        field: Field<i64>,
    },
    /// 0 or 1, by default 0.
    Switch(Field<bool>),
    Proxy(Field<Option<Proxy>>),
    /// An IP version, by default any.
    Version(Field<IpVersion>),
    /// A path. An empty value is the default that `default` names.
    File {
        default: &'static str,
        field: Field<Option<PathBuf>>,
    },
    /// A log level, by default off.
    Level(Field<LogLevel>),
    /// A client key. An empty value is none, the default.
    Key(Field<Hidden>),
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

/// The default of `revalidate_ms` for a store on a server.
const REVALIDATE_SERVER_MS: i64 = 1000;

/// Every option, in the order of the pages that list them. `make tables` writes those pages. A help text has 44
/// characters at most, so that its row fits into a line of the header.
#[rustfmt::skip]
pub static TABLE: [OptionRow; 26] = [
    base_url_of(&hosts::API, "official accounts, mini programs"),
    base_url_of(&hosts::WORK, "WeCom"),
    base_url_of(&hosts::QQ, "QQ mini programs"),
    base_url_of(&hosts::DOUYIN, "Douyin mini programs, the old endpoint"),
    base_url_of(&hosts::DINGTALK, "DingTalk"),
    base_url_of(&hosts::FEISHU, "Feishu"),
    base_url_of(&hosts::QQBOT, "QQ bots"),
    base_url_of(&hosts::DOUYIN_OPEN, "Douyin's open platform"),
    base_url_of(&hosts::DOUYIN_GAME, "Douyin mini games"),
    base_url_of(&hosts::LARK, "Lark"),
    base_url_of(&hosts::XIAOHONGSHU, "Xiaohongshu mini programs"),
    base_url_of(&hosts::BAIDU, "Baidu smart programs"),
    base_url_of(&hosts::QIDIAN, "QiDian"),
    number_of("timeout_ms", 8000, (1, 600_000), "ms", |o| &mut o.timeout_ms,
        "the longest a call waits; saving may add 2 s"),
    number_of("connect_timeout_ms", 3000, (1, 600_000), "ms", |o| &mut o.connect_timeout_ms,
        "for DNS, again for connect and TLS together"),
    number_of("refresh_ahead_s", 270, (0, 3600), "s", |o| &mut o.refresh_ahead_s,
        "how early to refresh; 1/10 of a life at most"),
    row("background_refresh", Takes::Switch(|o| &mut o.background_refresh),
        "1: a thread refreshes ahead; no caller waits"),
    number_of("revalidate_ms", 200, (0, 60_000), "ms", |o| &mut o.revalidate_ms,
        "how soon another process's change is seen"),
    row("proxy", Takes::Proxy(|o| &mut o.proxy),
        "http:// or socks5h://[user:pass@]host:port"),
    row("ip_version", Takes::Version(|o| &mut o.ip_version),
        "which addresses of a host's name are used"),
    row(ALLOW_PLAIN_HTTP, Takes::Switch(|o| &mut o.allow_plain_http),
        "1: a private address may be plain http"),
    file_of("ca_file", "none", |o| &mut o.ca_file,
        "extra PEM certificates to trust"),
    file_of("key_file", "<store>.key", |o| &mut o.key_file,
        "the key that seals the secrets"),
    row("server_key", Takes::Key(|o| &mut o.server_key),
        "this program's key at a wxtoken server"),
    file_of("server_key_file", "none", |o| &mut o.server_key_file,
        "the file of that key"),
    row("log", Takes::Level(|o| &mut o.log),
        "off, error, info or debug; to stderr"),
];

impl OptionRow {
    /// Returns the default, as the pages show it.
    pub fn default(&self) -> String {
        match &self.takes {
            Takes::BaseUrl(platform) => platform.base_url.into(),
            Takes::Number { default, .. } => default.to_string(),
            Takes::Switch(_) => "0".into(),
            Takes::Proxy(_) | Takes::Key(_) => "none".into(),
            Takes::Version(_) => "any".into(),
            Takes::File { default, .. } => (*default).into(),
            Takes::Level(_) => "off".into(),
        }
    }

    /// Returns the values that the option takes: the limits and the unit of a number, or a description.
    pub fn range(&self) -> String {
        match &self.takes {
            Takes::BaseUrl(_) | Takes::Proxy(_) => "a URL".into(),
            Takes::Number { range, unit, .. } => format!("{} to {} {unit}", range.0, range.1),
            Takes::Switch(_) => "0 or 1".into(),
            Takes::Version(_) => "any, 4 or 6".into(),
            Takes::File { .. } => "a path".into(),
            Takes::Level(_) => "a level".into(),
            Takes::Key(_) => "a client key".into(),
        }
    }

    /// Returns the characters that a value may contain.
    fn allowed(&self) -> Allowed {
        match &self.takes {
            Takes::File { .. } => Allowed::Text,
            _ => Allowed::Ascii,
        }
    }

    fn put(&self, options: &mut Options, value: &str) -> Result<(), String> {
        match &self.takes {
            Takes::BaseUrl(platform) => {
                let url = base_url::parse(value, platform.base_url, options.allow_plain_http)?;
                let place = PLATFORMS.iter().position(|known| known == platform);
                if let Some(i) = place {
                    options.base_urls[i] = url;
                }
            }
            Takes::Number { range, field, .. } => *field(options) = number(value, *range)?,
            Takes::Switch(field) => {
                let is_on = number(value, (0, 1))? == 1;
                if self.name == ALLOW_PLAIN_HTTP && !is_on {
                    options.refuse_plain_base_urls()?;
                }
                *field(options) = is_on;
            }
            Takes::Proxy(field) => {
                *field(options) = match value {
                    "" => None,
                    url => Some(Proxy::parse(url)?),
                }
            }
            Takes::Version(field) => *field(options) = version(value)?,
            Takes::File { field, .. } => *field(options) = path(value)?,
            Takes::Level(field) => *field(options) = level(value)?,
            Takes::Key(field) => *field(options) = Hidden(Zeroizing::new(value.into())),
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
            ip_version: IpVersion::Any,
            allow_plain_http: false,
            ca_file: None,
            key_file: None,
            server_key: Hidden::default(),
            server_key_file: None,
            log: LogLevel::Off,
            unread_proxy: None,
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
    /// Returns the defaults, changed by the environment. In a secure program the environment is ignored.
    pub fn from_environment() -> Result<Options> {
        // This reads the environment too, which a request must not do.
        http_config::common();
        let mut options = Options::default();
        options.note_unread_proxy();
        // Base URLs are checked by this option, and stand before it in the table.
        let is_judge = |row: &&OptionRow| row.name == ALLOW_PLAIN_HTTP;
        let judge = TABLE.iter().filter(is_judge);
        let given = sys::variables("WXTOKEN_");
        for row in judge.chain(TABLE.iter().filter(|row| !is_judge(row))) {
            let is_its = |(name, _): &&(OsString, OsString)| {
                let upper = row.name.bytes().map(|byte| byte.to_ascii_uppercase());
                name.as_bytes().iter().copied().eq(upper)
            };
            let Some((_, value)) = given.iter().find(is_its) else {
                continue;
            };
            let variable = format!("WXTOKEN_{}", row.name.to_ascii_uppercase());
            let value = match value.clone().into_string() {
                Ok(value) => value,
                Err(_) => {
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

    fn note_unread_proxy(&mut self) {
        self.unread_proxy = UnreadProxy::of_environment();
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

    fn refuse_plain_base_urls(&self) -> Result<(), String> {
        let plain = PLATFORMS.iter().zip(&self.base_urls);
        let mut plain = plain.filter(|(_, url)| base_url::is_plain_beyond_loopback(url));
        match plain.next() {
            None => Ok(()),
            Some((platform, url)) => Err(format!("must be 1 while {} is {url}", platform.option)),
        }
    }

    /// Sets another default of `revalidate_ms`, unless the environment sets one. A look at a store on a server costs
    /// more than one at a file.
    pub fn look_less_often(&mut self) {
        if sys::variable("WXTOKEN_REVALIDATE_MS").is_none() {
            self.revalidate_ms = REVALIDATE_SERVER_MS;
        }
    }

    /// Returns the base URL of a platform.
    pub fn base_url(&self, platform: &Platform) -> &str {
        let place = PLATFORMS.iter().position(|known| *known == platform);
        place.map_or(platform.base_url, |i| &self.base_urls[i])
    }
}

/// Fails on a value of the environment with invisible characters, or with quotes, blanks or a line end from an env
/// file.
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

/// Makes a path absolute, so that a daemon that changes its directory later uses the same file.
fn path(value: &str) -> Result<Option<PathBuf>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    std::path::absolute(value)
        .map(Some)
        .map_err(|e| format!("is not a path: {e}"))
}

fn version(value: &str) -> Result<IpVersion, String> {
    match value {
        "any" => Ok(IpVersion::Any),
        "4" => Ok(IpVersion::V4),
        "6" => Ok(IpVersion::V6),
        _ => Err("must be one of any, 4, 6".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> Result<Options> {
        let mut options = Options::default();
        options.set(name, value).map(|()| options)
    }

    #[test]
    fn a_trailing_slash_does_not_make_another_identity() {
        let options = set("work_base_url", "https://example.com/").unwrap();
        assert_eq!(options.base_url(&crate::hosts::WORK), "https://example.com");
    }

    #[test]
    fn a_server_is_looked_at_less_often_than_a_file() {
        let mut options = Options::default();
        let of_a_file = options.revalidate_ms;
        options.look_less_often();
        assert_eq!(options.revalidate_ms, REVALIDATE_SERVER_MS);
        assert!(options.revalidate_ms > of_a_file);
    }

    #[test]
    fn plain_http_to_a_private_address_needs_the_option() {
        let allowed = |url: &str| {
            let mut options = Options::default();
            options.set("allow_plain_http", "1")?;
            options.set("work_base_url", url).map(|()| options)
        };
        for private in [
            "http://10.0.0.1",
            "http://172.16.0.1:8080/wx",
            "http://172.31.255.255",
            "http://192.168.1.1",
            "http://169.254.1.1",
            "http://100.64.0.1",
            "http://100.127.255.255",
            "http://[fd00::1]:80",
            "http://[fe80::1]",
            "http://[::ffff:10.0.0.1]",
        ] {
            let error = set("work_base_url", private).unwrap_err();
            assert!(error.for_c().contains("allow_plain_http=1"), "{error}");
            let mut options = allowed(private).unwrap();
            options.set("background_refresh", "0").unwrap();
            let error = options.set("allow_plain_http", "0").unwrap_err();
            assert!(error.for_c().contains(private), "{error}");
            options.set("work_base_url", "").unwrap();
            options.set("allow_plain_http", "0").unwrap();
        }
        for public in [
            "http://8.8.8.8",
            "http://172.15.0.1",
            "http://172.32.0.1",
            "http://100.63.0.1",
            "http://100.128.0.1",
            "http://192.169.0.1",
            "http://[2001:db8::1]",
            "http://[::ffff:8.8.8.8]",
            "http://gateway.internal",
            "http://10.0.0.1.example.com",
            "http://0.0.0.0",
        ] {
            assert!(allowed(public).is_err(), "{public}");
        }
        assert!(allowed("http://127.0.0.1:1").is_ok());
    }

    #[test]
    fn a_proxy_is_kept_in_parts_and_refused_without_showing_its_password() {
        assert_eq!(set("proxy", "").unwrap().proxy, None);
        let proxy = set("proxy", "http://u:p@127.0.0.1:3128").unwrap().proxy;
        assert_eq!(proxy.unwrap().to_string(), "127.0.0.1:3128");
        let said = set("proxy", "http://me:s3c#ret@127.0.0.1:3128")
            .unwrap_err()
            .for_c();
        assert!(said.contains("%23") && !said.contains("s3c"), "{said}");
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
    fn each_option_takes_the_values_of_its_kind() {
        assert!(set("background_refresh", "1").unwrap().background_refresh);
        assert!(!set("background_refresh", "0").unwrap().background_refresh);
        for level in ["off", "error", "info", "debug"] {
            assert!(set("log", level).is_ok(), "{level}");
        }
        assert!(set("log", "loud").is_err());
        for (value, version) in [
            ("any", IpVersion::Any),
            ("4", IpVersion::V4),
            ("6", IpVersion::V6),
        ] {
            assert_eq!(set("ip_version", value).unwrap().ip_version, version);
        }
        for bad in ["", "5", "ipv4", "04"] {
            assert!(set("ip_version", bad).is_err(), "{bad:?}");
        }
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
