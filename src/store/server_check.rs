//! What the server of a store says of itself, for an operator. A fact is None where the server does not say it, as a proxy or
//! an ACL that forbids the question.

use serde::Serialize;

/// The server, in a few words, for the report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerReport {
    /// `master` or `slave`, as the server calls itself.
    pub role: Option<String>,
    /// How long one question took.
    pub round_trip_ms: f64,
}

/// The server at length, for the doctor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerCheck {
    /// `redis` or `valkey`, and its version.
    pub version: Option<(&'static str, String)>,
    /// `master` or `slave`, as the server calls itself.
    pub role: Option<String>,
    /// Those of a master.
    pub replicas: Vec<Replica>,
    /// How many replicas a write takes.
    pub min_replicas: Option<i64>,
    /// The memory that it may use; 0 is without a limit.
    pub max_memory: Option<i64>,
    /// What it throws away when that is used up.
    pub eviction: Option<String>,
    /// Whether it writes each change to disk.
    pub appends: Option<bool>,
    /// When it writes a dump to disk; empty is never.
    pub saves: Option<String>,
    /// Its last writes to disk that failed: `rdb_last_bgsave_status`.
    pub failed_writes: Vec<String>,
    /// Commands that the store takes, and that the server forbids this user.
    pub forbidden: Vec<&'static str>,
    /// Commands that the store takes, and that the server does not know.
    pub unknown: Vec<&'static str>,
    /// The user, `default` where the URL names none.
    pub user: String,
    /// What the names of the store's keys begin with.
    pub prefix: String,
    /// Whether passwords and tokens go to another host in the clear.
    pub is_in_the_clear: bool,
    /// The server's clock before this host's.
    pub clock_ahead_ms: Option<i64>,
    /// The shortest of a few.
    pub round_trip_us: i64,
    /// Questions for an operator that the server refuses: `INFO`, `CONFIG`.
    pub refused: Vec<&'static str>,
}

/// One replica of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Its host and port.
    pub address: String,
    /// `online` when it follows.
    pub state: String,
    /// Seconds since it was heard of last.
    pub lag_s: i64,
}
