//! The facts that a store's server reports of itself, for an operator. A fact is None if the server does not report
//! it, or if a proxy or an ACL forbids the question.

use serde::Serialize;

/// A server in a few words, for the report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerReport {
    /// The server's role in its own words: `master` or `slave`.
    pub role: Option<String>,
    /// The time that one question took.
    pub round_trip_ms: f64,
}

/// A server at length, for the doctor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerCheck {
    /// The name, `redis` or `valkey`, and its version.
    pub version: Option<(&'static str, String)>,
    /// The server's role in its own words: `master` or `slave`.
    pub role: Option<String>,
    /// The replicas of a master.
    pub replicas: Vec<Replica>,
    /// The number of replicas that the server requires for a write.
    pub min_replicas: Option<i64>,
    /// The memory limit in bytes. 0 means unlimited.
    pub max_memory: Option<i64>,
    /// The policy by which the server evicts keys at its memory limit.
    pub eviction: Option<String>,
    /// Whether the server appends each change to a file on disk.
    pub appends: Option<bool>,
    /// The schedule of dumps to disk. Empty is never.
    pub saves: Option<String>,
    /// The last writes to disk that failed, by their name in INFO, such as `rdb_last_bgsave_status`.
    pub failed_writes: Vec<String>,
    /// Commands that the store uses, and that the server forbids this user.
    pub forbidden: Vec<&'static str>,
    /// Commands that the store uses, and that the server does not know.
    pub unknown: Vec<&'static str>,
    /// The user name. It is `default` if the URL names none.
    pub user: String,
    /// The text with which the names of the store's keys begin.
    pub prefix: String,
    /// Whether passwords and tokens go to another host unencrypted.
    pub is_in_the_clear: bool,
    /// The time in ms by which the server's clock is ahead of this host's.
    pub clock_ahead_ms: Option<i64>,
    /// The shortest of a few round trips.
    pub round_trip_us: i64,
    /// Questions for an operator that the server refuses, such as `INFO` or `CONFIG`.
    pub refused: Vec<&'static str>,
}

/// One replica of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// The replica's host and port.
    pub address: String,
    /// The replica's state. `online` means that it follows.
    pub state: String,
    /// Seconds since the master last heard of the replica.
    pub lag_s: i64,
}
