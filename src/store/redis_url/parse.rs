//! The parser of a store's URL, and the errors of an invalid one.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::{Identity, Listener, PASSWORD_FILE, RedisUrl};
use crate::error::{Error, Result};
use crate::sys;
use crate::url_parts::{decoded, login_of, parse_authority};

/// The forms of a valid store string, for the hint.
const FORMS: &str = "A store is the path of a file, or a URL: redis://HOST:6379, rediss://USER:PASSWORD@HOST/0 (TLS), \
    redis+unix:///PATH/redis.sock, redis+sentinel://HOST1,HOST2/MASTER, redis+cluster://HOST1,HOST2.";
const HOSTS: &str = "must be like redis://HOST:6379";
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
const SENTINELS: &str = "must be like redis+sentinel://HOST1:26379,HOST2,HOST3/MASTER";
/// The parameter for the file of a certificate. redis-py and Celery use these names of parameters.
pub(super) const CERTIFICATE: &str = "ssl_certfile";
pub(super) const CERTIFICATE_KEY: &str = "ssl_keyfile";
pub(super) const PREFIX: &str = "wxtoken";
const LONGEST_PREFIX: usize = 64;

const CLUSTER: &str = "must be like redis+cluster://HOST1:6379,HOST2,HOST3";

pub(super) const OURS: [&str; 7] = [
    "redis",
    "rediss",
    "redis+unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
];

/// Schemes that are not supported, and the advice for each.
pub(super) const OTHERS: [(&str, &str); 3] = [
    (
        "valkey",
        "has the scheme valkey; Valkey is named by redis://",
    ),
    (
        "valkeys",
        "has the scheme valkeys; Valkey with TLS is named by rediss://",
    ),
    (
        "file",
        "has the scheme file; a file is named by its path alone",
    ),
];

/// The error of an invalid URL. The URL is not shown, because the flaw may lie in its password.
pub(super) fn flaw(scheme: &str, why: &str) -> Error {
    Error::argument(format!("invalid store URL {scheme}://…"))
        .because(why)
        .advise(FORMS)
}

pub(super) fn parse_after(scheme: &str, rest: &str) -> Result<RedisUrl> {
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
    let (listener, db) = if scheme.ends_with("+cluster") {
        let listener = cluster_of(place, scheme.starts_with("rediss"));
        (listener.map_err(|why| flaw(&why))?, None)
    } else if is_sentinel {
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
        identity: None,
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
            "has a user name but no password; a password alone is written redis://:PASSWORD@HOST",
        ));
    }
    let mut seen = Vec::new();
    let mut key = None;
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
            CERTIFICATE | CERTIFICATE_KEY if !url.is_tls() => {
                return Err(flaw(
                    "names a certificate, which only TLS takes: rediss://, rediss+sentinel://",
                ));
            }
            CERTIFICATE | CERTIFICATE_KEY => {
                let path = PathBuf::from(decoded(value).map_err(|why| flaw(&why))?);
                if !path.is_absolute() {
                    return Err(flaw(
                        "does not name a certificate or its key by an absolute path",
                    ));
                }
                match name {
                    CERTIFICATE => {
                        url.identity = Some(Box::new(Identity {
                            certificate: path.clone(),
                            key: path,
                        }));
                    }
                    _ => key = Some(path),
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
                    "has a parameter that is not prefix, db of a socket, ssl_certfile and ssl_keyfile of TLS, or sentinel_user and sentinel_password",
                ));
            }
        }
    }
    match (&mut url.identity, key) {
        (Some(identity), Some(key)) => identity.key = key,
        (None, Some(_)) => return Err(flaw("names ssl_keyfile, but no ssl_certfile")),
        _ => {}
    }
    Ok(url)
}

/// Parses the sentinels, the name of the master, and the database.
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
    let listener = Listener::Sentinels {
        hosts: hosts_of(hosts, SENTINEL_PORT, SENTINELS)?,
        master: master.into(),
        is_tls,
    };
    let db = parts.next().map(|db| db.strip_suffix('/').unwrap_or(db));
    Ok((listener, db.filter(|db| !db.is_empty())))
}

/// Parses the nodes of a cluster, which has one database.
fn cluster_of(place: &str, is_tls: bool) -> Result<Listener, String> {
    let place = place.strip_suffix('/').unwrap_or(place);
    if place.contains('/') {
        return Err(format!(
            "has a path, and a cluster has one database; it {CLUSTER}"
        ));
    }
    Ok(Listener::Cluster {
        hosts: hosts_of(place, PORT, CLUSTER)?,
        is_tls,
    })
}

/// Parses hosts separated by commas, sorts them, and removes duplicates.
fn hosts_of(list: &str, port: u16, forms: &str) -> Result<Vec<(String, u16)>, String> {
    let hosts = list.split(',').map(|host| {
        let (host, port) = parse_authority(host, port, forms)?;
        Ok((host.to_ascii_lowercase(), port))
    });
    let mut hosts = hosts.collect::<Result<Vec<_>, String>>()?;
    hosts.sort();
    hosts.dedup();
    Ok(hosts)
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
