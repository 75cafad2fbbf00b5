//! The URL of a store in Redis, taken apart. Two spellings of one place are equal, and no password is ever shown.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::sys;
use crate::url_parts::{decoded, login_of, parse_authority};

/// What a right one looks like.
const FORMS: &str = "A store is the path of a file, or a URL: redis://HOST:6379, rediss://USER:PASSWORD@HOST/0 (TLS), \
    redis+unix:///PATH/redis.sock, redis+sentinel://HOST1,HOST2/MASTER.";
const HOSTS: &str = "must be like redis://HOST:6379";
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
const SENTINELS: &str = "must be like redis+sentinel://HOST1:26379,HOST2,HOST3/MASTER";
const PREFIX: &str = "wxtoken";
const LONGEST_PREFIX: usize = 64;
const PASSWORD_FILE: &str = "WXTOKEN_STORE_PASSWORD_FILE";

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Listener {
    /// A host's name in lower case, or an address without brackets.
    Tcp {
        host: String,
        port: u16,
        is_tls: bool,
    },
    Unix(PathBuf),
    /// Sentinels that know which server is the master of this name; each as a name in lower case and a port.
    Sentinels {
        hosts: Vec<(String, u16)>,
        master: String,
        is_tls: bool,
    },
}

/// A store in Redis.
#[derive(Clone)]
pub struct RedisUrl {
    pub listener: Listener,
    /// Empty is the server's default user.
    pub user: String,
    /// Empty is none.
    pub password: Zeroizing<String>,
    /// For the sentinels, which have logins of their own.
    pub sentinel_user: String,
    pub sentinel_password: Zeroizing<String>,
    pub db: u32,
    /// What the names of all its keys begin with.
    pub prefix: String,
    /// Where this host keeps what belongs to the store: the key and the lock file. As the environment had it when the URL was read.
    pub state_directory: PathBuf,
}

impl RedisUrl {
    /// The URL that a store string is. None for the path of a file, which has no scheme.
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
            // A file may have a colon in its name; a URL that lacks its slashes is not to become one.
            return is_known.then(|| Err(flaw(&scheme, "has no // after its scheme")));
        };
        Some(parse_after(&scheme, rest).and_then(RedisUrl::with_password_file))
    }

    /// What tells it from the others of this host in the name of a file: `redis_h.example_6379_0_wxtoken`.
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
        // A service without a home.
        let state = state.unwrap_or_else(|| "/var/lib".into());
        state.join("wxtoken")
    }

    /// Whether its server, and its sentinels, are spoken to by TLS.
    pub fn is_tls(&self) -> bool {
        match &self.listener {
            Listener::Tcp { is_tls, .. } | Listener::Sentinels { is_tls, .. } => *is_tls,
            Listener::Unix(_) => false,
        }
    }

    /// Where this host keeps the key, unless an option says otherwise.
    pub fn key_file(&self) -> PathBuf {
        self.state_directory.join(self.file_stem() + ".key")
    }

    /// The password of the file that the environment names, where the URL has none.
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

const OURS: [&str; 5] = [
    "redis",
    "rediss",
    "redis+unix",
    "redis+sentinel",
    "rediss+sentinel",
];

/// Schemes that are not for this version, and what to write in their place.
const OTHERS: [(&str, &str); 6] = [
    (
        "valkey",
        "has the scheme valkey; Valkey is named by redis://",
    ),
    (
        "valkeys",
        "has the scheme valkeys; Valkey with TLS is named by rediss://",
    ),
    (
        "redis+cluster",
        "has the scheme redis+cluster, which this version does not support",
    ),
    (
        "rediss+cluster",
        "has the scheme rediss+cluster, which this version does not support",
    ),
    (
        "unix",
        "has the scheme unix; a Redis server's socket is named by redis+unix:///PATH",
    ),
    (
        "file",
        "has the scheme file; a file is named by its path alone",
    ),
];

/// The URL stays out of the message: what is wrong with it may be where its password stands.
fn flaw(scheme: &str, why: &str) -> Error {
    Error::argument(format!("invalid store URL {scheme}://…"))
        .because(why)
        .advise(FORMS)
}

fn parse_after(scheme: &str, rest: &str) -> Result<RedisUrl> {
    let flaw = |why: &str| flaw(scheme, why);
    if let Some((_, why)) = OTHERS.iter().find(|(other, _)| *other == scheme) {
        return Err(flaw(why));
    }
    if !OURS.contains(&scheme) {
        return Err(flaw("its scheme is not one that this version knows"));
    }
    if rest.contains('#') {
        return Err(flaw("holds #, which must be %23 in a password"));
    }
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (login, place) = match place.rsplit_once('@') {
        Some((login, place)) => (login_of(login).map_err(|why| flaw(&why))?, place),
        None => (Default::default(), place),
    };
    let is_unix = scheme == "redis+unix";
    let is_sentinel = scheme.ends_with("+sentinel");
    let (listener, db) = if is_sentinel {
        sentinels_of(place, scheme.starts_with("rediss")).map_err(|why| flaw(&why))?
    } else if is_unix {
        let path = decoded(place).map_err(|why| flaw(&why))?;
        if !path.starts_with('/') || path.ends_with('/') {
            return Err(flaw("does not name a socket by its absolute path"));
        }
        (Listener::Unix(path.into()), None)
    } else {
        let (authority, path) = place.split_once('/').unwrap_or((place, ""));
        let (host, port) = parse_authority(authority, PORT, HOSTS).map_err(|why| flaw(&why))?;
        let listener = Listener::Tcp {
            host: host.to_ascii_lowercase(),
            port,
            is_tls: scheme == "rediss",
        };
        (
            listener,
            Some(path.strip_suffix('/').unwrap_or(path)).filter(|db| !db.is_empty()),
        )
    };
    let mut url = RedisUrl {
        listener,
        user: login.0,
        password: login.1,
        sentinel_user: String::new(),
        sentinel_password: Zeroizing::default(),
        db: match db {
            Some(db) => {
                db_of(db).ok_or_else(|| flaw("has a path that is not the number of a database"))?
            }
            None => 0,
        },
        prefix: PREFIX.into(),
        state_directory: RedisUrl::find_state_directory(),
    };
    if !url.user.is_empty() && url.password.is_empty() && sys::variable(PASSWORD_FILE).is_none() {
        return Err(flaw(
            "has a user name and no password; a password alone is written redis://:PASSWORD@HOST",
        ));
    }
    let mut seen = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if seen.contains(&name) {
            return Err(flaw("names a parameter twice"));
        }
        seen.push(name);
        match name {
            "prefix" => {
                url.prefix = prefix_of(value).ok_or_else(|| {
                    flaw("has a prefix that is not 1 to 64 of the characters A-Z a-z 0-9 . _ : -")
                })?
            }
            "sentinel_user" | "sentinel_password" if is_sentinel => {
                let value = decoded(value).map_err(|why| flaw(&why))?;
                match name {
                    "sentinel_user" => url.sentinel_user = value,
                    _ => url.sentinel_password = Zeroizing::new(value),
                }
            }
            "db" if is_unix => {
                url.db = db_of(value)
                    .ok_or_else(|| flaw("has a db that is not the number of a database"))?;
            }
            "db" => {
                return Err(flaw(
                    "has the parameter db; a database is named by /N after the host",
                ));
            }
            _ => {
                return Err(flaw(
                    "has a parameter that is not prefix, db of a socket, or sentinel_user and sentinel_password",
                ));
            }
        }
    }
    Ok(url)
}

/// The sentinels, the name of the master, and the database.
fn sentinels_of(place: &str, is_tls: bool) -> Result<(Listener, Option<&str>), String> {
    let mut parts = place.splitn(3, '/');
    let hosts = parts.next().unwrap_or_default();
    let master = parts.next().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if master.is_empty() || !master.chars().all(is_plain) {
        return Err(format!(
            "does not name a master behind its hosts; it {SENTINELS}"
        ));
    }
    let hosts = hosts.split(',').map(|host| {
        let (host, port) = parse_authority(host, SENTINEL_PORT, SENTINELS)?;
        Ok((host.to_ascii_lowercase(), port))
    });
    let mut hosts = hosts.collect::<Result<Vec<_>, String>>()?;
    hosts.sort();
    hosts.dedup();
    let listener = Listener::Sentinels {
        hosts,
        master: master.into(),
        is_tls,
    };
    let db = parts.next().map(|db| db.strip_suffix('/').unwrap_or(db));
    Ok((listener, db.filter(|db| !db.is_empty())))
}

fn host_and_port((host, port): &(String, u16)) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

fn db_of(text: &str) -> Option<u32> {
    let is_number = (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn prefix_of(text: &str) -> Option<String> {
    let prefix = decoded(text).ok()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    let is_sound = (1..=LONGEST_PREFIX).contains(&prefix.len()) && prefix.chars().all(is_plain);
    is_sound.then_some(prefix)
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
        parts(self) == parts(other) && self.logins() == other.logins()
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

/// As a URL, without the password, and without what is as it would be anyway.
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
        ];
        for (i, one) in apart.iter().enumerate() {
            for other in &apart[i + 1..] {
                assert_ne!(url(one), url(other));
                assert_ne!(url(one).file_stem(), url(other).file_stem());
            }
        }
    }

    #[test]
    fn what_is_shown_is_a_url_of_the_same_place_and_holds_no_password() {
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
    fn a_flaw_is_told_with_what_a_right_one_looks_like_and_shows_nothing_of_the_url() {
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
            ("redis://h?sentinel_password=hush", "parameter"),
            ("rediss+cluster://:hush@h", "does not support"),
            ("unix:/hush", "//"),
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
