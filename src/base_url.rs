//! Parsing and checking a platform's base URL.

use std::net::{IpAddr, Ipv4Addr};

use ureq::http::Uri;

/// The option that allows base URLs with plain http.
pub const ALLOW_PLAIN_HTTP: &str = "allow_plain_http";

/// Parses a base URL, `https://host[:port][/prefix]`. Plain http is allowed to a loopback address, and with
/// `allow_plain` to a private one. An empty value is the default.
pub fn parse(value: &str, default: &str, allow_plain: bool) -> Result<String, String> {
    if value.is_empty() {
        return Ok(default.into());
    }
    let url = value.trim_end_matches('/');
    let uri: Uri = url
        .parse()
        .map_err(|_| "is not a URL such as https://host".to_string())?;
    let Some(host) = uri.host().filter(|host| !host.is_empty()) else {
        return Err("is not a URL such as https://host".into());
    };
    if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
        return Err("must not hold a user name or a password".into());
    }
    if uri.authority().is_some_and(|a| !has_sound_port(a.as_str())) {
        return Err("has a port that is not 1 to 65535".into());
    }
    if uri.query().is_some() || url.contains('#') {
        return Err("must not hold a query or a fragment".into());
    }
    match uri.scheme_str() {
        Some("https") => Ok(url.into()),
        Some("http") if is_loopback(host) => Ok(url.into()),
        Some("http") => match (is_private(host), allow_plain) {
            (true, true) => Ok(url.into()),
            (true, false) => Err(format!("is plain http to a private address, and secrets travel in the request; that takes {ALLOW_PLAIN_HTTP}=1, set before it")),
            (false, true) => Err("may be plain http to a loopback or private address only (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, link-local, fc00::/7), and not to a name; must begin with https://".into()),
            (false, false) => Err("may be plain http to a loopback address only, as secrets travel in the request; must begin with https://".into()),
        },
        _ => Err("must begin with https://".into()),
    }
}

/// Returns whether the part after the host is absent or a valid port.
fn has_sound_port(authority: &str) -> bool {
    let behind_host = match authority.rsplit_once(']') {
        Some((_, rest)) => rest,
        None => authority.rfind(':').map_or("", |at| &authority[at..]),
    };
    match behind_host.strip_prefix(':') {
        Some(port) => port.parse::<u16>().is_ok_and(|port| port > 0),
        None => behind_host.is_empty(),
    }
}

pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Returns whether a host is an address of a private network: RFC 1918, RFC 6598 (CGNAT), RFC 4193 (ULA), link-local. A
/// host name is not private, because it may resolve to any address.
fn is_private(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => is_private_v4(v4),
        Ok(IpAddr::V6(v6)) => match v6.to_ipv4_mapped() {
            Some(v4) => is_private_v4(v4),
            None => v6.is_unique_local() || v6.is_unicast_link_local(),
        },
        Err(_) => false,
    }
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    ip.is_private() || ip.is_link_local() || (first == 100 && (64..128).contains(&second))
}

/// Returns whether requests to this base URL send secrets in plain text over a network.
pub fn is_plain_beyond_loopback(url: &str) -> bool {
    let uri = url.parse::<Uri>().ok();
    let host = uri.as_ref().and_then(Uri::host);
    url.starts_with("http://") && !host.is_some_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only() {
        for fine in [
            "http://127.0.0.1:80",
            "http://[::1]:8080/",
            "http://localhost:9",
            "https://example.com/p",
        ] {
            assert!(parse(fine, "", false).is_ok(), "{fine}");
        }
        for bad in [
            "http://example.com",
            "http://127.0.0.1.example.com",
            "http://10.0.0.1",
            "ftp://127.0.0.1",
            "https://",
            "https://u:p@example.com",
            "https://example.com/?q=1",
            "https://example.com/#f",
            "example.com",
            "https://exa mple.com",
            "https://127.0.0.1:port",
            "https://127.0.0.1:65536",
            "https://127.0.0.1:0",
            "https://127.0.0.1:",
            "http://[::1]:99999",
            "http://[::1]x",
        ] {
            assert!(parse(bad, "", false).is_err(), "{bad}");
        }
    }
}
