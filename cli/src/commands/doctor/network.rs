//! Checks of the way to each platform in use: DNS, connection, TLS, and whether its clock and this host's agree.

use std::collections::HashSet;

use wxtoken::tool::{Probe, Store, unread_proxy};

use super::{Findings, LOOK_AGAIN, Level};
use crate::args::Cli;
use crate::ui::shell::quoted;
use crate::ui::time::span;

/// Seconds by which two clocks may differ. A header Date has whole seconds, and takes time to arrive.
const SLACK: i64 = 5;
/// Seconds beyond which the difference is a problem, because tokens end earlier or later than they seem to.
const FAR: i64 = 60;

pub fn look(store: &Store, cli: &Cli, found: &mut Findings) {
    let in_use = match store.base_urls_in_use() {
        Ok(in_use) => in_use,
        Err(failure) => {
            found.failure("network", Level::Problem, &failure, LOOK_AGAIN);
            return;
        }
    };
    let by_proxy = uses_proxy(cli);
    if by_proxy {
        found.note("proxy", "requests go through the proxy that is set");
    }
    let mut compared = false;
    let mut seen = HashSet::new();
    for (option, url) in in_use {
        if !seen.insert(url.clone()) {
            continue;
        }
        match store.probe(&url) {
            Ok(probe) => {
                reached(option, &url, &probe, by_proxy, found);
                if let Some(date) = probe.date {
                    clock(&url, date, found);
                    compared = true;
                }
            }
            Err(failure) => {
                let remedy = format!("correct the option {option}");
                found.failure("network", Level::Problem, &failure, &remedy);
            }
        }
    }
    if !compared {
        found.note("clock", "not compared: no answer came with a date");
    }
}

/// Notes a proxy that other programs of this host use. It is a problem only if a platform is not reached without it.
pub fn look_at_environment(cli: &Cli, found: &mut Findings) {
    if let Some(variable) = unread_proxy().filter(|_| !uses_proxy(cli)) {
        found.note(
            "proxy",
            format!(
                "{variable} is set and not read here; WXTOKEN_PROXY or -o proxy=URL sets a proxy"
            ),
        );
    }
}

fn uses_proxy(cli: &Cli) -> bool {
    let said = cli.options().unwrap_or_default();
    let said = said.iter().rfind(|(name, _)| *name == "proxy");
    match said {
        Some((_, url)) => !url.is_empty(),
        None => std::env::var("WXTOKEN_PROXY").is_ok_and(|url| !url.is_empty()),
    }
}

fn reached(option: &str, url: &str, probe: &Probe, by_proxy: bool, found: &mut Findings) {
    let (host, authority) = host(url);
    if probe.addresses.is_empty() {
        let why = probe.no_address.clone();
        let why = why.unwrap_or_else(|| format!("{host} has no address here"));
        match by_proxy {
            true => found.note("dns", format!("{why}; the proxy looks it up")),
            false => found.advise(
                "dns",
                Level::Problem,
                why,
                format!(
                    "try getent hosts {}; see /etc/resolv.conf, and the option {option}",
                    quoted(&host)
                ),
            ),
        }
    } else if probe.addresses != [host.trim_matches(['[', ']'])] {
        found.ok("dns", format!("{host} is {}", probe.addresses.join(", ")));
    }
    if let Some(variable) = probe.unread_proxy.filter(|_| probe.no_answer.is_some()) {
        let why =
            format!("{variable} is set and not read here: requests to {url} do not use that proxy");
        let remedy = format!("set WXTOKEN_PROXY to its URL: export WXTOKEN_PROXY=\"${variable}\"");
        found.advise("proxy", Level::Problem, why, remedy);
    }
    let check = if url.starts_with("https://") {
        "tls"
    } else {
        "http"
    };
    match (&probe.no_answer, probe.status) {
        (Some(why), _) if probe.addresses.is_empty() && !by_proxy => {
            found.note(check, format!("{url}: {why}"))
        }
        (Some(why), _) => {
            let remedy = match (&probe.advice, probe.is_tls_failure) {
                (advice, true) => {
                    let advice = advice.as_deref().unwrap_or_default();
                    format!(
                        "{advice} See who answers: openssl s_client -connect {authority} -servername {host}"
                    )
                }
                (Some(advice), false) => advice.clone(),
                (None, false) => format!(
                    "try curl -sv {}/ and let this host out to it, through a firewall or -o proxy=http://HOST:PORT",
                    quoted(url)
                ),
            };
            found.advise(check, Level::Problem, format!("{url}: {why}"), remedy);
        }
        (None, _) => {
            let saw = format!("{url} answers in {} ms", probe.took_ms);
            found.ok(
                check,
                if check == "tls" {
                    format!("{saw}, with a certificate that is trusted")
                } else {
                    saw
                },
            );
        }
    }
}

fn clock(url: &str, date: i64, found: &mut Findings) {
    let off = chrono::Utc::now().timestamp() - date;
    let way = if off > 0 { "ahead of" } else { "behind" };
    let saw = format!("this host is {} {way} {url}", span(off.abs()));
    let remedy = "let NTP set it: timedatectl set-ntp true; timedatectl status";
    match off.abs() {
        0..=SLACK => found.ok("clock", format!("agrees with {url}")),
        ..=FAR => found.advise("clock", Level::Warning, saw, remedy),
        _ => found.advise("clock", Level::Problem, saw, remedy),
    }
}

/// Returns a URL's host, and the host with its port.
fn host(url: &str) -> (String, String) {
    let behind = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = behind.split('/').next().unwrap_or(behind);
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match authority.rsplit_once(':').filter(|(_, port)| is_port(port)) {
        Some((host, _)) => (host.to_owned(), authority.to_owned()),
        None => (authority.to_owned(), format!("{authority}:443")),
    }
}
