//! A look at a platform's host, for `wxtoken doctor`: its addresses, its answer, its clock.

use std::net::ToSocketAddrs;

use ureq::http::Uri;

use super::http::{agent, no_response};
use crate::clock::Deadline;
use crate::error::Result;
use crate::options::Options;
use crate::sys::BlockedSignals;

/// What a look at a platform's host found.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// The addresses of its name.
    pub addresses: Vec<String>,
    /// The HTTP status of its answer.
    pub status: Option<u16>,
    /// What its clock says, by the header Date, in Unix seconds.
    pub date: Option<i64>,
    /// How long the answer took, in milliseconds.
    pub took_ms: i64,
    /// Why there is none.
    pub no_answer: Option<String>,
    /// Whether it was TLS that failed.
    pub is_tls_failure: bool,
}

/// Asks for `/`, with neither secret nor token.
pub fn probe(base: &str, options: &Options, deadline: &Deadline) -> Result<Probe> {
    use crate::clock::boot_ms;
    let mut probe = Probe::default();
    let host = base.parse::<Uri>().ok();
    if let Some(host) = host.as_ref().and_then(Uri::host) {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = (bare, 0).to_socket_addrs();
        let found = found.map(|all| all.map(|address| address.ip().to_string()).collect());
        probe.addresses = found.unwrap_or_default();
        probe.addresses.dedup();
    }
    let agent = agent(base, options, deadline)?;
    let _shield = BlockedSignals::new();
    let sent = boot_ms();
    match agent.get(format!("{base}/")).call() {
        Ok(response) => {
            probe.status = Some(response.status().as_u16());
            let date = response.headers().get("date").and_then(|d| d.to_str().ok());
            let date = date.and_then(|d| chrono::DateTime::parse_from_rfc2822(d).ok());
            probe.date = date.map(|date| date.timestamp());
        }
        Err(error) => {
            let none = no_response(&error, options, deadline);
            probe.is_tls_failure = none.is_tls;
            probe.no_answer = Some(none.why);
        }
    }
    probe.took_ms = boot_ms() - sent;
    Ok(probe)
}
