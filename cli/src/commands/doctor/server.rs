//! Checks of a store's server: its version and role, whether accounts survive a restart or a failover, and this user's
//! rights.

use wxtoken::tool::{ServerCheck, Store};

use super::{Findings, LOOK_AGAIN, Level};
use crate::ui::plural::count;
use crate::ui::time::span;

/// Seconds by which two clocks may differ.
const SLACK_S: i64 = 5;
/// Seconds without a word from a replica beyond which it is reported.
const LAG_S: i64 = 10;
/// Microseconds of a round trip beyond which it is reported. The first look of every process waits for one.
const FAR_US: i64 = 20_000;

pub fn look(store: &Store, found: &mut Findings) {
    match store.check_server() {
        None => {}
        Some(Ok(check)) => {
            itself(&check, found);
            commands(&check, found);
            memory(&check, found);
            persistence(&check, found);
            replicas(&check, found);
            way(&check, found);
            clock(&check, found);
            if !check.refused.is_empty() {
                let refused = check.refused.join(" and ");
                let why = format!(
                    "it refuses {refused}, as a proxy or an ACL does: their answers were not checked"
                );
                found.note("server", why);
            }
        }
        Some(Err(failure)) => found.failure("server", Level::Problem, &failure, LOOK_AGAIN),
    }
}

fn itself(check: &ServerCheck, found: &mut Findings) {
    let version = check.version.as_ref();
    let name = version.map_or("a server of unknown version".into(), |(name, version)| {
        format!("{name} {version}")
    });
    let role = match check.role.as_deref() {
        Some("slave") => "a replica",
        Some("master") => "a master",
        _ => "of unknown role",
    };
    let round_trip = milliseconds(check.round_trip_us);
    let saw = format!("{name}, {role}, answers in {round_trip}");
    let major = version.and_then(|(_, version)| version.split('.').next()?.parse::<u32>().ok());
    if major.is_some_and(|major| major < 6) {
        found.advise(
            "server",
            Level::Problem,
            saw,
            "install Redis 6 or later, or Valkey",
        );
    } else if check.role.as_deref() == Some("slave") {
        let remedy =
            "name the master in the URL, or its sentinels: redis+sentinel://HOST1,HOST2/MASTER";
        let why = format!("{saw}: it takes no writes");
        found.advise("server", Level::Problem, why, remedy);
    } else if check.round_trip_us > FAR_US {
        let remedy = "run a server nearer to this host, or wxtoken keep on a host near the server";
        found.advise("server", Level::Warning, saw, remedy);
    } else {
        found.ok("server", saw);
    }
}

fn commands(check: &ServerCheck, found: &mut Findings) {
    if !check.unknown.is_empty() {
        let why = format!("it does not know {}", check.unknown.join(", "));
        let remedy = "name a server of Redis 6 or later, or a proxy that passes these commands on";
        found.advise("commands", Level::Problem, why, remedy);
    }
    if !check.forbidden.is_empty() {
        let (user, prefix) = (&check.user, &check.prefix);
        let why = format!("user {user} may not use {}", check.forbidden.join(", "));
        let remedy = format!(
            "ACL SETUSER {user} ~{prefix}:* +@read +@write +@scripting +role +time +ping +select +wait +asking"
        );
        found.advise("acl", Level::Problem, why, remedy);
    }
    if check.unknown.is_empty() && check.forbidden.is_empty() {
        found.ok("commands", "scripts and all commands that the store needs");
    }
}

fn memory(check: &ServerCheck, found: &mut Findings) {
    let Some(eviction) = &check.eviction else {
        return;
    };
    let is_limited = check.max_memory.is_some_and(|most| most > 0);
    match (eviction.starts_with("allkeys-"), is_limited) {
        (true, limited) => {
            let level = if limited {
                Level::Problem
            } else {
                Level::Warning
            };
            let why = format!(
                "maxmemory-policy is {eviction}: accounts and tokens are deleted when memory is short"
            );
            found.advise(
                "memory",
                level,
                why,
                "CONFIG SET maxmemory-policy noeviction",
            );
        }
        (false, _) => found.ok("memory", format!("maxmemory-policy is {eviction}")),
    }
}

fn persistence(check: &ServerCheck, found: &mut Findings) {
    for failed in &check.failed_writes {
        let why = format!("its last write to disk failed ({failed})");
        let remedy = "see the server's log: the disk may be full, or its directory not writable";
        found.advise("disk", Level::Problem, why, remedy);
    }
    match (check.appends, check.saves.as_deref()) {
        (Some(true), _) => found.ok("disk", "each change is written to disk (appendonly)"),
        (Some(false), Some("")) => found.advise(
            "disk",
            Level::Warning,
            "nothing is written to disk: a restart loses all accounts",
            "CONFIG SET appendonly yes, then CONFIG REWRITE",
        ),
        (Some(false), Some(_)) => found.advise(
            "disk",
            Level::Note,
            "it writes a dump now and then: a restart loses the changes since the last one",
            "CONFIG SET appendonly yes, then CONFIG REWRITE",
        ),
        _ => {}
    }
}

fn replicas(check: &ServerCheck, found: &mut Findings) {
    for replica in &check.replicas {
        if replica.state != "online" || replica.lag_s > LAG_S {
            let why = format!(
                "replica {} is {}, last heard of {} ago",
                replica.address,
                replica.state,
                span(replica.lag_s)
            );
            let remedy = "see that replica's log, and the network between the two";
            found.advise("replica", Level::Warning, why, remedy);
        }
    }
    if check.role.as_deref() != Some("master") || check.refused.contains(&"INFO") {
        return;
    }
    let replicas = count(check.replicas.len(), "replica");
    match (check.replicas.len(), check.min_replicas) {
        (0, _) => found.note("replicas", "none: if this server fails, no other takes over"),
        (_, Some(0)) => found.advise(
            "replicas",
            Level::Warning,
            format!("{replicas}, and min-replicas-to-write is 0: a master that is cut off accepts writes that are lost later"),
            "CONFIG SET min-replicas-to-write 1, then CONFIG REWRITE",
        ),
        _ => found.ok("replicas", replicas),
    }
}

fn way(check: &ServerCheck, found: &mut Findings) {
    if check.is_in_the_clear {
        found.advise(
            "server tls",
            Level::Warning,
            "tokens and the password go to another host in the clear",
            "let the server listen with TLS (tls-port), and write rediss:// in the URL",
        );
    }
}

fn clock(check: &ServerCheck, found: &mut Findings) {
    let Some(ahead_ms) = check.clock_ahead_ms else {
        return;
    };
    let ahead = ahead_ms / 1000;
    if ahead.abs() <= SLACK_S {
        found.ok("server clock", "agrees with this host's");
        return;
    }
    let way = if ahead > 0 { "ahead of" } else { "behind" };
    found.advise(
        "server clock",
        Level::Warning,
        format!(
            "the server's clock is {} {way} this host's; the life of tokens is counted by the server's",
            span(ahead.abs())
        ),
        "let NTP set both: timedatectl set-ntp true; timedatectl status",
    );
}

fn milliseconds(us: i64) -> String {
    format!("{}.{:02} ms", us / 1000, us % 1000 / 10)
}
