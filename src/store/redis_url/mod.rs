//! The URL of a store in Redis, parsed. Two spellings of one place are equal, and the password is never shown.

mod parse;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use self::parse::{CERTIFICATE, CERTIFICATE_KEY, OTHERS, OURS, PREFIX, flaw, parse_after};
use crate::error::{Error, Result};
use crate::sys;

const PASSWORD_FILE: &str = "WXTOKEN_STORE_PASSWORD_FILE";

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Listener {
    /// The name of a host in lower case, or an address without brackets.
    Tcp {
        host: String,
        port: u16,
        is_tls: bool,
    },
    Unix(PathBuf),
    /// Sentinels that know the master of this name. Each is a name in lower case and a port.
    Sentinels {
        hosts: Vec<(String, u16)>,
        master: String,
        is_tls: bool,
    },
    /// Some nodes of a cluster, which lead to the others. Each is a name in lower case and a port.
    Cluster {
        hosts: Vec<(String, u16)>,
        is_tls: bool,
    },
}

/// The files of a certificate and of its key. They may be one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The URL of a store in Redis.
#[derive(Clone)]
pub struct RedisUrl {
    pub listener: Listener,
    /// The user name. Empty is the server's default user.
    pub user: String,
    /// The password. Empty is none.
    pub password: Zeroizing<String>,
    /// The certificate by which this host proves its identity over TLS.
    pub identity: Option<Box<Identity>>,
    /// The user name for the sentinels, which have logins of their own.
    pub sentinel_user: String,
    pub sentinel_password: Zeroizing<String>,
    pub db: u32,
    /// The text with which the names of all its keys begin.
    pub prefix: String,
    /// The directory of the key and the lock file on this host, from the environment at the time when the URL was
    /// parsed.
    pub state_directory: PathBuf,
}

impl RedisUrl {
    /// Parses a store string as a URL. Returns None for the path of a file, which has no scheme.
    pub fn parse(store: &str) -> Option<Result<RedisUrl>> {
        let (scheme, rest) = store.split_once(':')?;
        let is_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let begins = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
        if !begins || !scheme.chars().all(is_scheme) {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let is_known = OURS.contains(&scheme.as_str()) || OTHERS.iter().any(|(s, _)| *s == scheme);
        let Some(rest) = rest.strip_prefix("//") else {
            // A file may have a colon in its name, but a URL without its slashes must not become a file.
            return is_known.then(|| Err(flaw(&scheme, "has no // after its scheme")));
        };
        Some(parse_after(&scheme, rest).and_then(RedisUrl::with_password_file))
    }

    /// The part of a file's name that tells this store from others on the host: `redis_h.example_6379_0_wxtoken`.
    pub fn file_stem(&self) -> String {
        let place = match &self.listener {
            Listener::Tcp { host, port, is_tls } => {
                let scheme = if *is_tls { "rediss" } else { "redis" };
                format!("{scheme}_{host}_{port}")
            }
            Listener::Unix(path) => format!("redis_{}", path.display()),
            Listener::Sentinels { hosts, master, .. } => {
                let hosts: Vec<String> = hosts.iter().map(host_and_port).collect();
                format!("sentinel_{master}_{}", hosts.join("_"))
            }
            Listener::Cluster { hosts, .. } => {
                let hosts: Vec<String> = hosts.iter().map(host_and_port).collect();
                format!("cluster_{}", hosts.join("_"))
            }
        };
        let text = format!("{place}_{}_{}", self.db, self.prefix);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let plain: String = text
            .chars()
            .map(|c| if is_plain(c) { c } else { '-' })
            .collect();
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        let mark: String = digest.as_ref()[..4]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let length = plain.len().min(100);
        format!("{}.{mark}", &plain[..length])
    }

    fn find_state_directory() -> PathBuf {
        let variable = |name: &str| {
            let path = sys::variable(name).map(PathBuf::from);
            path.filter(|path| path.is_absolute())
        };
        let state = variable("XDG_STATE_HOME");
        let state = state.or_else(|| variable("HOME").map(|home| home.join(".local/state")));
        // A service without a home directory.
        let state = state.unwrap_or_else(|| "/var/lib".into());
        state.join("wxtoken")
    }

    /// Whether the server and its sentinels are reached by TLS.
    pub fn is_tls(&self) -> bool {
        match &self.listener {
            Listener::Tcp { is_tls, .. }
            | Listener::Sentinels { is_tls, .. }
            | Listener::Cluster { is_tls, .. } => *is_tls,
            Listener::Unix(_) => false,
        }
    }

    /// The default path of the key on this host. An option may name another.
    pub fn key_file(&self) -> PathBuf {
        self.state_directory.join(self.file_stem() + ".key")
    }

    /// Reads the password from the file that the environment names, if the URL has none.
    fn with_password_file(mut self) -> Result<RedisUrl> {
        let Some(path) = sys::variable(PASSWORD_FILE).filter(|path| !path.is_empty()) else {
            return Ok(self);
        };
        if self.password.is_empty() {
            self.password = read_password(Path::new(&path))?;
        }
        Ok(self)
    }
}

pub fn host_and_port((host, port): &(String, u16)) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

fn read_password(path: &Path) -> Result<Zeroizing<String>> {
    let what = || {
        let what = format!(
            "cannot use the password file {} of {PASSWORD_FILE}",
            path.display()
        );
        Error::argument(what)
    };
    let text = sys::require_readable_file(path).and_then(|()| std::fs::read_to_string(path));
    let text = Zeroizing::new(text.map_err(|e| what().because(sys::os_message(&e)))?);
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() || password.contains(char::is_control) {
        return Err(what()
            .because("it does not hold one line of text")
            .advise("Write the password alone into it."));
    }
    Ok(Zeroizing::new(password.to_owned()))
}

impl PartialEq for RedisUrl {
    fn eq(&self, other: &RedisUrl) -> bool {
        let parts = |url: &RedisUrl| (url.listener.clone(), url.db, url.prefix.clone());
        parts(self) == parts(other)
            && self.logins() == other.logins()
            && self.identity == other.identity
    }
}

impl RedisUrl {
    fn logins(&self) -> [&str; 4] {
        [
            &self.user,
            &self.password,
            &self.sentinel_user,
            &self.sentinel_password,
        ]
    }
}

impl Eq for RedisUrl {}

impl Hash for RedisUrl {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.listener, self.db, &self.prefix).hash(state);
    }
}

/// The store's URL without the password and without defaults.
impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = match (self.user.as_str(), self.password.is_empty()) {
            ("", true) => String::new(),
            (user, _) => format!("{user}:***@"),
        };
        let mut query = Vec::new();
        match &self.listener {
            Listener::Tcp { host, port, is_tls } => {
                let scheme = if *is_tls { "rediss" } else { "redis" };
                let place = host_and_port(&(host.clone(), *port));
                write!(f, "{scheme}://{login}{place}")?;
                if self.db != 0 {
                    write!(f, "/{}", self.db)?;
                }
            }
            Listener::Sentinels {
                hosts,
                master,
                is_tls,
            } => {
                let scheme = if *is_tls { "rediss" } else { "redis" };
                let hosts: Vec<String> = hosts.iter().map(host_and_port).collect();
                write!(f, "{scheme}+sentinel://{login}{}/{master}", hosts.join(","))?;
                if self.db != 0 {
                    write!(f, "/{}", self.db)?;
                }
            }
            Listener::Cluster { hosts, is_tls } => {
                let scheme = if *is_tls { "rediss" } else { "redis" };
                let hosts: Vec<String> = hosts.iter().map(host_and_port).collect();
                write!(f, "{scheme}+cluster://{login}{}", hosts.join(","))?;
            }
            Listener::Unix(path) => {
                write!(f, "redis+unix://{login}{}", path.display())?;
                if self.db != 0 {
                    query.push(format!("db={}", self.db));
                }
            }
        }
        if self.prefix != PREFIX {
            query.push(format!("prefix={}", self.prefix));
        }
        if let Some(identity) = &self.identity {
            let Identity { certificate, key } = &**identity;
            query.push(format!("{CERTIFICATE}={}", certificate.display()));
            if key != certificate {
                query.push(format!("{CERTIFICATE_KEY}={}", key.display()));
            }
        }
        if !self.sentinel_user.is_empty() {
            query.push(format!("sentinel_user={}", self.sentinel_user));
        }
        if !self.sentinel_password.is_empty() {
            query.push("sentinel_password=***".into());
        }
        match query.is_empty() {
            true => Ok(()),
            false => write!(f, "?{}", query.join("&")),
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> RedisUrl {
        RedisUrl::parse(text).unwrap().unwrap()
    }

    #[test]
    fn two_spellings_of_one_place_are_one_store() {
        for (one, other) in [
            ("redis://h", "REDIS://H:6379/0"),
            ("redis://h/", "redis://h?prefix=wxtoken"),
            ("redis://h/3", "redis://h/3/?"),
            ("redis://:p%40ss@h", "redis://:%70%40ss@h:6379"),
            ("redis://[::1]", "redis://[::1]:6379"),
            (
                "redis+unix:///run/r.sock",
                "redis+unix:///run/%72.sock?db=0&prefix=wxtoken",
            ),
            (
                "rediss://u:p@h/7?prefix=a:b",
                "rediss://u:p@h:6379/7?prefix=a%3ab",
            ),
            (
                "redis+sentinel://b,a/m",
                "redis+sentinel://A:26379,b:26379,a/m/0",
            ),
            (
                "redis+sentinel://[::1]:7/m/2?sentinel_password=x",
                "redis+sentinel://[::1]:7/m/2/?sentinel_password=%78",
            ),
            (
                "redis+cluster://b,a:7000",
                "redis+cluster://A:7000,b:6379,b/",
            ),
        ] {
            assert_eq!(url(one), url(other), "{one} {other}");
            assert_eq!(url(one).to_string(), url(other).to_string());
            assert_eq!(url(one).file_stem(), url(other).file_stem());
        }
        let apart = [
            "redis://h",
            "redis://g",
            "redis://h:1",
            "redis://h/1",
            "redis://h?prefix=x",
            "rediss://h",
            "redis+unix:///h",
            "redis+cluster://h",
            "redis+cluster://h,g",
        ];
        for (i, one) in apart.iter().enumerate() {
            for other in &apart[i + 1..] {
                assert_ne!(url(one), url(other));
                assert_ne!(url(one).file_stem(), url(other).file_stem());
            }
        }
    }

    #[test]
    fn a_shown_url_names_the_same_place_without_its_password() {
        let users = ["", "joe"];
        let passwords = ["", "hush", "h%40u%2Fs%3Ah%25", "***"];
        for place in [
            "redis://{}h",
            "rediss://{}h:7/2",
            "redis+unix://{}/run/a%20b.sock?db=4&prefix=p",
            "rediss+sentinel://{}h:7,[::1]/m/3?prefix=p",
            "redis://{}[fe80::1]:9?prefix=a.b",
        ] {
            for user in users {
                for password in passwords {
                    if !user.is_empty() && password.is_empty() {
                        continue;
                    }
                    let login = match (user, password) {
                        ("", "") => String::new(),
                        _ => format!("{user}:{password}@"),
                    };
                    let parsed = url(&place.replace("{}", &login));
                    let shown = parsed.to_string();
                    assert_eq!(shown, format!("{parsed:?}"));
                    assert!(!shown.contains("hush") && !shown.contains("h@u"), "{shown}");
                    assert_eq!(shown.contains("***"), !password.is_empty());
                    let again = url(&shown.replace(' ', "%20"));
                    assert_eq!(again.listener, parsed.listener);
                    assert_eq!((again.db, again.prefix), (parsed.db, parsed.prefix.clone()));
                    assert!(!parsed.file_stem().contains(['/', ' ', '@']));
                }
            }
        }
    }

    #[test]
    fn the_parts_are_decoded() {
        let parsed = url("rediss://j%3Ae:p%40%2F@h.example:7000/12?prefix=shop");
        assert_eq!(parsed.user, "j:e");
        assert_eq!(*parsed.password, "p@/");
        assert_eq!((parsed.db, parsed.prefix.as_str()), (12, "shop"));
        let tcp = |host: &str, port, is_tls| Listener::Tcp {
            host: host.into(),
            port,
            is_tls,
        };
        assert_eq!(parsed.listener, tcp("h.example", 7000, true));
        assert_eq!(url("redis://[::1]").listener, tcp("::1", 6379, false));
        let socket = url("redis+unix://:p@/run/my.sock?db=2");
        assert_eq!(socket.listener, Listener::Unix("/run/my.sock".into()));
        assert_eq!((socket.db, socket.password.as_str()), (2, "p"));
    }

    #[test]
    fn a_certificate_and_its_key_are_files_or_one_file() {
        let text = "rediss://h:6379?ssl_certfile=/c.pem&ssl_keyfile=/k.pem";
        let two = url(text);
        let identity = |certificate: &str, key: &str| {
            Some(Box::new(Identity {
                certificate: certificate.into(),
                key: key.into(),
            }))
        };
        assert_eq!(two.identity, identity("/c.pem", "/k.pem"));
        assert_eq!(two.to_string(), text);
        let one = url("rediss+sentinel://h/m?ssl_certfile=/c.pem");
        assert_eq!(one.identity, identity("/c.pem", "/c.pem"));
        assert!(one.to_string().ends_with("?ssl_certfile=/c.pem"), "{one}");
        assert_ne!(two, url("rediss://h"));
        assert_eq!(two.file_stem(), url("rediss://h").file_stem());
    }

    #[test]
    fn a_flawed_url_is_refused_with_a_valid_form_and_is_not_shown() {
        for (bad, said) in [
            ("redis://", "has a host that is not a name or an address"),
            ("redis:/hush", "has no // after its scheme"),
            ("redis:hush", "has no // after its scheme"),
            ("redis://:hush", "host"),
            ("redis://joe:hush", "port"),
            ("redis://joe@h", "no password"),
            ("redis://h:0", "port"),
            ("redis://h:65536", "port"),
            ("redis://h/hush", "not the number of a database"),
            ("redis://h/1/2", "not the number of a database"),
            ("redis://h?prefix=", "prefix"),
            ("redis://h?prefix=a{b}", "prefix"),
            ("redis://h?db=1", "/N after the host"),
            ("redis://h?prefix=a&prefix=b", "twice"),
            ("redis://h?password=hush", "parameter"),
            ("redis://:hu#sh@h", "%23"),
            ("redis://:hu@sh@h", "%40"),
            ("redis://:hu%zzsh@h", "%25"),
            ("redis+unix://hush", "absolute path"),
            ("redis+unix:///", "absolute path"),
            ("redis+unix:///s?db=x", "number of a database"),
            ("valkey://:hush@h", "redis://"),
            ("redis+sentinel://:hush@h", "does not name a master"),
            ("redis+sentinel://h,/hush", "host"),
            ("redis+sentinel://h/m?db=1", "/N after the host"),
            ("redis://h?ssl_certfile=/hush", "only TLS"),
            ("rediss://h?ssl_certfile=hush", "absolute path"),
            ("rediss://h?ssl_keyfile=/hush", "ssl_certfile"),
            ("redis://h?sentinel_password=hush", "parameter"),
            ("rediss+cluster://:hush@h/1", "one database"),
            ("redis+cluster://h,,hush", "host"),
            ("mysql://root:hush@h", "its scheme"),
            ("https://hush", "its scheme"),
            ("file:///var/hush", "path alone"),
        ] {
            let error = RedisUrl::parse(bad).expect(bad).expect_err(bad);
            let shown = error.for_c();
            assert!(shown.contains(said), "{bad}: {shown}");
            assert!(
                shown.contains("hint: A store is the path of a file"),
                "{shown}"
            );
            assert!(!shown.contains("hu"), "{bad}: {shown}");
        }
    }

    #[test]
    fn a_path_is_not_a_url() {
        for path in [
            "tokens.db",
            "/var/lib/tokens.db",
            "./redis://h",
            "C:tokens.db",
            "a:b/c",
            "/a://b",
            "",
            "redis",
            "://h",
        ] {
            assert!(RedisUrl::parse(path).is_none(), "{path}");
        }
    }
}
