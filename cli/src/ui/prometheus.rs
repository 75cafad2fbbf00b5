//! `wxtoken status --prometheus`: the text exposition format, for a textfile collector.

use std::collections::HashSet;
use std::fmt::Write;

use wxtoken::tool::{AccountReport, Report, TokenReport};

use crate::ui::width::printable;

/// A metric of a token: its name, type and help, and its value if it has one.
type Metric = (
    &'static str,
    &'static str,
    &'static str,
    fn(&TokenReport) -> Option<i64>,
);

const OF_A_TOKEN: [Metric; 12] = [
    (
        "wxtoken_token_valid",
        "gauge",
        "Whether there is a token that is valid now.",
        |t| Some(i64::from(t.is_valid())),
    ),
    (
        "wxtoken_token_fetched_at_seconds",
        "gauge",
        "When the token was fetched, in Unix time.",
        |t| t.fetched_at,
    ),
    (
        "wxtoken_token_expires_at_seconds",
        "gauge",
        "When the token ends, in Unix time.",
        |t| t.expires_at,
    ),
    (
        "wxtoken_token_rejected",
        "gauge",
        "Whether the API refused the token that is stored.",
        |t| Some(i64::from(t.rejected)),
    ),
    (
        "wxtoken_fetches_total",
        "counter",
        "Tokens fetched from the platform.",
        |t| Some(t.fetches),
    ),
    (
        "wxtoken_rejects_total",
        "counter",
        "How often callers rejected the token.",
        |t| Some(t.rejects),
    ),
    (
        "wxtoken_false_rejects_total",
        "counter",
        "How many of these rejections the platform contradicted.",
        |t| Some(t.false_rejects),
    ),
    (
        "wxtoken_contested",
        "gauge",
        "Whether another program seems to fetch this token: the platform ends it long before its time, again and again.",
        |t| Some(i64::from(t.contested.is_some())),
    ),
    (
        "wxtoken_failures_in_a_row",
        "gauge",
        "Fetches that failed since the last success.",
        |t| Some(t.failures_in_a_row),
    ),
    (
        "wxtoken_last_errcode",
        "gauge",
        "The errcode of the last failure; 0 if it had none, or nothing failed.",
        |t| {
            Some(
                t.last_error
                    .as_ref()
                    .map_or(0, |error| i64::from(error.errcode)),
            )
        },
    ),
    (
        "wxtoken_retry_at_seconds",
        "gauge",
        "When the next fetch is tried after a failure, in Unix time.",
        |t| t.retry_at,
    ),
    (
        "wxtoken_forced_refreshes_today",
        "gauge",
        "Refreshes by force today (UTC+8); the library stops at 18.",
        |t| Some(t.forces_today),
    ),
];

pub fn write(report: &Report) -> String {
    let mut out = String::new();
    // A report from memory does not show that the store can be read.
    let could_read = i64::from(report.away.is_none());
    alone(
        &mut out,
        "wxtoken_up",
        "Whether the store could be read.",
        "",
        could_read,
    );
    let version = format!("{{version=\"{}\"}}", escaped(report.version));
    alone(
        &mut out,
        "wxtoken_build_info",
        "The version of the library.",
        &version,
        1,
    );
    if let Some(keeper) = report.keeper {
        let help = "Whether a keeper refreshes this store's tokens.";
        alone(
            &mut out,
            "wxtoken_keeper_running",
            help,
            "",
            i64::from(keeper),
        );
    }
    let help = "Whether tokens are kept in memory, because the store cannot be written.";
    alone(
        &mut out,
        "wxtoken_degraded",
        help,
        "",
        i64::from(report.degraded.is_some()),
    );
    if report.server.is_some() || report.away.is_some() {
        let help = "Whether the store's server is not reached, and these are the values seen last.";
        let is_away = i64::from(report.away.is_some());
        alone(&mut out, "wxtoken_store_is_away", help, "", is_away);
    }
    if let Some(server) = &report.server {
        let name = "wxtoken_store_round_trip_seconds";
        head(
            &mut out,
            name,
            "gauge",
            "How long the store's server took to answer one request.",
        );
        let _ = writeln!(out, "{name} {}", server.round_trip_ms / 1000.0);
        if let Some(role) = &server.role {
            let help = "Whether the store's server is a master, which accepts writes.";
            let is_master = i64::from(role == "master");
            alone(&mut out, "wxtoken_store_is_master", help, "", is_master);
        }
    }
    let accounts = i64::try_from(report.accounts.len()).unwrap_or(i64::MAX);
    alone(
        &mut out,
        "wxtoken_accounts",
        "Accounts in the store.",
        "",
        accounts,
    );
    let unknown = i64::try_from(report.unknown_accounts.len()).unwrap_or(i64::MAX);
    alone(
        &mut out,
        "wxtoken_unknown_accounts",
        "Accounts of a kind that this version does not know.",
        "",
        unknown,
    );
    for (name, kind, help, value) in OF_A_TOKEN {
        let mut seen = HashSet::new();
        let samples: Vec<(String, i64)> = report
            .rows()
            .filter_map(|(account, token)| Some((labels(account, token), value(token)?)))
            .filter(|(labels, _)| seen.insert(labels.clone()))
            .collect();
        if samples.is_empty() {
            continue;
        }
        head(&mut out, name, kind, help);
        for (labels, value) in samples {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    }
    out
}

/// Returns the metrics of a store that cannot be read.
pub fn write_down() -> String {
    let mut out = String::new();
    alone(
        &mut out,
        "wxtoken_up",
        "Whether the store could be read.",
        "",
        0,
    );
    out
}

fn alone(out: &mut String, name: &str, help: &str, labels: &str, value: i64) {
    head(out, name, "gauge", help);
    let _ = writeln!(out, "{name}{labels} {value}");
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}");
    let _ = writeln!(out, "# TYPE {name} {kind}");
}

fn labels(account: &AccountReport, token: &TokenReport) -> String {
    format!(
        "{{account=\"{}\",kind=\"{}\",credential=\"{}\",base_url=\"{}\"}}",
        escaped(&account.name),
        escaped(account.kind),
        escaped(token.credential),
        escaped(&token.base_url)
    )
}

fn escaped(value: &str) -> String {
    printable(value).replace('\\', r"\\").replace('"', "\\\"")
}
