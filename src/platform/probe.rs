//! A look at a platform's host, for `wxtoken doctor`: its addresses, its answer, its clock.

use ureq::http::Uri;

use super::http::{Limits, agent, no_response};
use super::resolver::{Host, host_and_port};
use crate::clock::Deadline;
use crate::error::Result;
use crate::options::Options;
use crate::sys::BlockedSignals;

/// The findings about a platform's host.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// The addresses of the host's name.
    pub addresses: Vec<String>,
    /// The reason why no address was found.
    pub no_address: Option<String>,
    /// The HTTP status of the answer.
    pub status: Option<u16>,
    /// The host's time in Unix seconds, from the header Date.
    pub date: Option<i64>,
    /// The milliseconds until the answer.
    pub took_ms: i64,
    /// The reason why no answer came.
    pub no_answer: Option<String>,
    /// The advice for a missing answer.
    pub advice: Option<String>,
    /// Whether TLS failed.
    pub is_tls_failure: bool,
    /// The variable that names a proxy for other programs, and would apply to this host.
    pub unread_proxy: Option<&'static str>,
}

/// Requests `/`, without a secret or a token.
pub fn probe(base: &str, options: &Options, deadline: &Deadline) -> Result<Probe> {
    use crate::clock::boot_ms;
    let mut probe = Probe::default();
    if let Ok(uri) = base.parse::<Uri>() {
        let (name, port) = host_and_port(&uri);
        let host = Host {
            name,
            is_proxy: false,
        };
        match host.addresses(port, options.ip_version, deadline.left()) {
            Ok(found) => probe.addresses = found.iter().map(|a| a.ip().to_string()).collect(),
            Err(why) => probe.no_address = Some(why.what),
        }
        probe.addresses.dedup();
    }
    let unread = options.unread_proxy.as_ref();
    let unread = unread.filter(|unread| options.proxy.is_none() && unread.concerns(base));
    probe.unread_proxy = unread.map(|unread| unread.variable);
    let agent = agent(base, options, deadline)?;
    let _shield = BlockedSignals::new();
    let sent = boot_ms();
    let request = agent.get(format!("{base}/"));
    match Limits::of(base, options, deadline).on(request).call() {
        Ok(response) => {
            probe.status = Some(response.status().as_u16());
            let date = response.headers().get("date").and_then(|d| d.to_str().ok());
            let date = date.and_then(|d| chrono::DateTime::parse_from_rfc2822(d).ok());
            probe.date = date.map(|date| date.timestamp());
        }
        Err(error) => {
            let none = no_response(&error, base, options, deadline);
            probe.is_tls_failure = none.is_tls;
            probe.no_answer = Some(none.why);
            probe.advice = none.advice;
        }
    }
    probe.took_ms = boot_ms() - sent;
    Ok(probe)
}
