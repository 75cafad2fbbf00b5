//! A look at the server for an operator: its version and state, and settings that may cost tokens. It changes
//! nothing.
//!
//! A proxy or an ACL may refuse any of the questions. The fact is then reported as unknown.

use std::time::{Duration, Instant};

use super::RedisStore;
use super::link::Link;
use super::meta::meta_key;
use super::question::{Question, Role, Trouble, words};
use super::refusal::Refusal;
use super::resp::Reply;
use crate::clock::Deadline;
use crate::error::Result;
use crate::store::redis_url::Listener;
use crate::store::{RedisUrl, Replica, ServerCheck, ServerReport};
use crate::sys;

/// The time limit of the whole look.
const PATIENCE: Duration = Duration::from_secs(5);
/// The number of round trips that are timed. The shortest counts.
const ROUND_TRIPS: usize = 5;
const DOING: &str = "cannot look at";

impl RedisStore {
    /// Describes the server for the report, with one question.
    pub(super) fn server_in_short(&self, by: &Deadline) -> Result<ServerReport> {
        let began = Instant::now();
        let role = Question::plain(&["ROLE"]);
        let answer = self.server.ask(&[role], Role::Any, by, DOING);
        let round_trip_ms = began.elapsed().as_secs_f64() * 1000.0;
        let role = match answer {
            Ok(values) => values.into_iter().flatten().next().and_then(role_of),
            Err(Trouble::Refused(Refusal::Unknown | Refusal::NoPermission, _)) => None,
            Err(trouble) => return Err(trouble.into()),
        };
        Ok(ServerReport {
            role,
            round_trip_ms: (round_trip_ms * 1000.0).round() / 1000.0,
        })
    }

    /// Describes the server at length, for the doctor.
    pub(super) fn server_at_length(&self, by: &Deadline) -> Result<ServerCheck> {
        let end = Instant::now() + by.left().min(PATIENCE);
        let _shield = sys::BlockedSignals::new();
        let mut link = self.server.connect(end, by, DOING)?;
        let url = &self.server.url;
        look(&mut link, url, end).map_err(|e| self.server.lost(&e, by, DOING))
    }
}

fn look(link: &mut Link, url: &RedisUrl, end: Instant) -> std::io::Result<ServerCheck> {
    let mut ask = |parts: &[&str]| -> std::io::Result<Reply> {
        let replies = link.exchange(&[words(parts)], end)?;
        Ok(replies.into_iter().next().unwrap_or(Reply::Nothing))
    };
    let mut check = ServerCheck {
        user: match url.user.as_str() {
            "" => "default".into(),
            user => user.into(),
        },
        prefix: url.prefix.clone(),
        is_in_the_clear: is_in_the_clear(&url.listener),
        round_trip_us: i64::MAX,
        ..ServerCheck::default()
    };
    for _ in 0..ROUND_TRIPS {
        let host_ms = sys::clock_ms(libc::CLOCK_REALTIME);
        let began = Instant::now();
        let time = ask(&["TIME"])?;
        let took = i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX);
        if took < check.round_trip_us {
            check.round_trip_us = took;
            check.clock_ahead_ms = time_of(time).map(|ms| ms - host_ms - took / 2000);
        }
    }
    check.role = role_of(ask(&["ROLE"])?);
    match ask(&["INFO"])?.text() {
        Some(info) => read_info(&info, &mut check),
        None => check.refused.push("INFO"),
    }
    for name in ["save", "min-replicas-to-write"] {
        let value = match ask(&["CONFIG", "GET", name])? {
            Reply::List(parts) => parts.into_iter().nth(1).and_then(Reply::text),
            _ => None,
        };
        match (value, name) {
            (Some(value), "save") => check.saves = Some(value),
            (Some(value), _) => check.min_replicas = value.parse().ok(),
            (None, _) if !check.refused.contains(&"CONFIG") => check.refused.push("CONFIG"),
            (None, _) => {}
        }
    }
    let mut questions = harmless(&url.prefix);
    if matches!(url.listener, Listener::Cluster { .. }) {
        questions.push(("ASKING", vec!["ASKING".into()]));
    }
    for (name, question) in questions {
        let question: Vec<&str> = question.iter().map(String::as_str).collect();
        if let Reply::Failure(message) = ask(&question)? {
            match Refusal::of(&message) {
                Refusal::NoPermission => check.forbidden.push(name),
                // Without WAIT the store works, and the host keeps each new secret.
                Refusal::Unknown if name != "WAIT" => check.unknown.push(name),
                _ => {}
            }
        }
    }
    Ok(check)
}

/// Every command that the store uses, in a form that changes nothing. The server checks its ACL before it does
/// anything else. Each write goes to a key that does not exist, with XX, or to the store's mark, which is of another
/// type.
fn harmless(prefix: &str) -> Vec<(&'static str, Vec<String>)> {
    let mark = meta_key(prefix);
    let none = format!("{prefix}:{{doctor}}");
    let none = none.as_str();
    let no_script = "0".repeat(40);
    let all: [(&'static str, &[&str]); 20] = [
        ("EVAL", &["EVAL", "return 1", "1", none]),
        ("EVALSHA", &["EVALSHA", &no_script, "1", none]),
        ("TIME", &["TIME"]),
        ("ROLE", &["ROLE"]),
        ("GET", &["GET", none]),
        ("SET", &["SET", none, "1", "XX"]),
        ("DEL", &["DEL", none]),
        ("EXISTS", &["EXISTS", none]),
        ("HGET", &["HGET", none, "f"]),
        ("HGETALL", &["HGETALL", none]),
        ("HSET", &["HSET", &mark, "f", "v"]),
        ("HDEL", &["HDEL", none, "f"]),
        ("ZADD", &["ZADD", none, "XX", "0", "m"]),
        ("ZRANGE", &["ZRANGE", none, "0", "0"]),
        ("ZREM", &["ZREM", none, "m"]),
        ("LLEN", &["LLEN", none]),
        ("LRANGE", &["LRANGE", none, "0", "0"]),
        ("LTRIM", &["LTRIM", none, "0", "0"]),
        ("RPUSH", &["RPUSH", &mark, "m"]),
        ("WAIT", &["WAIT", "0", "1"]),
    ];
    let owned = |question: &[&str]| question.iter().map(|part| (*part).to_owned()).collect();
    all.into_iter()
        .map(|(name, question)| (name, owned(question)))
        .collect()
}

fn role_of(reply: Reply) -> Option<String> {
    match reply {
        Reply::List(parts) => parts.into_iter().next()?.text(),
        _ => None,
    }
}

/// The server's time in milliseconds.
fn time_of(reply: Reply) -> Option<i64> {
    let Reply::List(parts) = reply else {
        return None;
    };
    let seconds = parts.first()?.number()?;
    let micros = parts.get(1)?.number()?;
    seconds.checked_mul(1000)?.checked_add(micros / 1000)
}

fn read_info(info: &str, check: &mut ServerCheck) {
    for line in info.lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match name {
            // Valkey also reports the version of Redis that it is compatible with.
            "redis_version" if check.version.is_none() => {
                check.version = Some(("redis", value.into()));
            }
            "valkey_version" => check.version = Some(("valkey", value.into())),
            "maxmemory" => check.max_memory = value.parse().ok(),
            "maxmemory_policy" => check.eviction = Some(value.into()),
            "aof_enabled" => check.appends = Some(value == "1"),
            "rdb_last_bgsave_status" | "aof_last_write_status" if value != "ok" => {
                check.failed_writes.push(name.into());
            }
            _ if is_replica(name) => check.replicas.extend(replica_of(value)),
            _ => {}
        }
    }
}

/// Whether this names a replica, as `slave0` and `slave1` do, and `slave_expires_tracked_keys` does not.
fn is_replica(name: &str) -> bool {
    let number = name.strip_prefix("slave");
    number.is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Parses a replica from `ip=127.0.0.1,port=6380,state=online,offset=14,lag=0`.
fn replica_of(value: &str) -> Option<Replica> {
    let field = |name: &str| {
        let mut fields = value.split(',').filter_map(|field| field.split_once('='));
        fields.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    Some(Replica {
        address: format!("{}:{}", field("ip")?, field("port")?),
        state: field("state")?.into(),
        lag_s: field("lag").and_then(|lag| lag.parse().ok()).unwrap_or(0),
    })
}

fn is_in_the_clear(listener: &Listener) -> bool {
    let is_loopback = |host: &str| {
        let address = host.parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    };
    match listener {
        Listener::Tcp { host, is_tls, .. } => !is_tls && !is_loopback(host),
        Listener::Sentinels { hosts, is_tls, .. } | Listener::Cluster { hosts, is_tls } => {
            !is_tls && hosts.iter().any(|(host, _)| !is_loopback(host))
        }
        Listener::Unix(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_info_is_read() {
        let info = "# Server\r\nredis_version:7.2.4\r\nvalkey_version:8.1.1\r\n# Memory\r\nmaxmemory:1024\r\n\
            maxmemory_policy:allkeys-lru\r\naof_enabled:0\r\nrdb_last_bgsave_status:err\r\naof_last_write_status:ok\r\n\
            slave_expires_tracked_keys:0\r\nslave0:ip=10.0.0.2,port=6380,state=wait_bgsave,offset=1,lag=12\r\n";
        let mut check = ServerCheck::default();
        read_info(info, &mut check);
        assert_eq!(check.version, Some(("valkey", "8.1.1".into())));
        assert_eq!(check.max_memory, Some(1024));
        assert_eq!(check.eviction.as_deref(), Some("allkeys-lru"));
        assert_eq!(check.appends, Some(false));
        assert_eq!(check.failed_writes, ["rdb_last_bgsave_status"]);
        let replica = Replica {
            address: "10.0.0.2:6380".into(),
            state: "wait_bgsave".into(),
            lag_s: 12,
        };
        assert_eq!(check.replicas, [replica]);
    }

    #[test]
    fn another_host_without_tls_is_in_the_clear() {
        for (url, expected) in [
            ("redis://10.0.0.1", true),
            ("redis://h", true),
            ("rediss://h", false),
            ("redis://localhost", false),
            ("redis://127.0.0.9", false),
            ("redis://[::1]", false),
            ("redis+unix:///s", false),
            ("redis+sentinel://h,127.0.0.1/m", true),
            ("rediss+sentinel://h/m", false),
        ] {
            let url = RedisUrl::parse(url).unwrap().unwrap();
            assert_eq!(is_in_the_clear(&url.listener), expected, "{url}");
        }
    }
}
