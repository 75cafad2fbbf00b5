//! The way through a proxy to a host, by HTTP CONNECT or SOCKS5. Each failure names the proxy, and never its
//! password.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::echo;
use super::no_way::{self, NoWay, ran_out};
use super::resolver::Host;
use super::socks::socks5;
use super::stream::{Wire, left};
use crate::options::IpVersion;
use crate::proxy::{Protocol, Proxy};

/// The longest answer to CONNECT that is read, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// The end of the tunnel.
pub(super) struct Target<'a> {
    /// A name, or an address without brackets.
    pub host: &'a str,
    pub port: u16,
    pub ip_version: IpVersion,
}

/// Connects to `target`, through the proxy if there is one. `addresses` are then the proxy's, otherwise the target's.
pub(super) fn reach(
    proxy: Option<&Proxy>,
    addresses: &[SocketAddr],
    target: &Target,
    end: Instant,
) -> Result<Wire, NoWay> {
    match proxy {
        Some(proxy) => open(proxy, addresses, target, end),
        None => Wire::connect(addresses, end).map_err(|e| NoWay::no_connection(&e)),
    }
}

/// Connects to the first of the proxy's `addresses` that answers, and makes the proxy connect to `target`.
fn open(
    proxy: &Proxy,
    addresses: &[SocketAddr],
    target: &Target,
    end: Instant,
) -> Result<Wire, NoWay> {
    let connect = || Wire::connect(addresses, end).map_err(|e| unreachable(proxy, &e));
    match proxy.protocol {
        Protocol::Http => http_connect(proxy, connect()?, target),
        Protocol::Socks5h => socks5(proxy, connect()?, target.host, target.port),
        Protocol::Socks5 => {
            let host = Host {
                name: target.host,
                is_proxy: false,
            };
            let left = left(end).map_err(|e| unreachable(proxy, &e))?;
            let found = host.addresses(target.port, target.ip_version, left)?;
            let mut failed = NoWay::new("the host has no address");
            for address in found {
                let host = address.ip().to_string();
                match socks5(proxy, connect()?, &host, target.port) {
                    Err(e) if !e.is_general && !e.is_timeout => failed = e,
                    done => return done,
                }
            }
            Err(failed)
        }
    }
}

fn unreachable(proxy: &Proxy, e: &io::Error) -> NoWay {
    if ran_out(e) {
        return NoWay::proxy(proxy, "did not take a connection").timeout();
    }
    let mut no_way = NoWay::proxy(
        proxy,
        format_args!("cannot be reached: {}", no_way::words(e)),
    );
    no_way.is_local = no_way::is_local(e);
    no_way.advise("Start the proxy, or correct the option proxy.")
}

/// The failure of a read or write during the exchange with a proxy.
pub(super) fn broken(proxy: &Proxy, doing: &str, e: &io::Error) -> NoWay {
    match e.kind() {
        _ if ran_out(e) => NoWay::proxy(
            proxy,
            format_args!("took the connection and did not answer {doing}"),
        )
        .timeout(),
        io::ErrorKind::UnexpectedEof => NoWay::proxy(
            proxy,
            format_args!("closed the connection without an answer to {doing}"),
        ),
        _ => NoWay::proxy(
            proxy,
            format_args!("broke off {doing}: {}", no_way::words(e)),
        ),
    }
}

fn http_connect(proxy: &Proxy, mut wire: Wire, target: &Target) -> Result<Wire, NoWay> {
    let host = match target.host.contains(':') {
        true => format!("[{}]:{}", target.host, target.port),
        false => format!("{}:{}", target.host, target.port),
    };
    let mut request = Zeroizing::new(format!(
        "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {}\r\nProxy-Connection: Keep-Alive\r\n",
        crate::http_config::USER_AGENT
    ));
    if let Some((user, password)) = &proxy.login {
        let login = Zeroizing::new(format!("{user}:{}", password.as_str()));
        let login = Zeroizing::new(base64(login.as_bytes()));
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(&login);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    let answer = wire
        .write_all(request.as_bytes())
        .and_then(|()| read_head(&mut wire));
    let head = answer.map_err(|e| broken(proxy, "CONNECT", &e))?;
    let Some(answer) = head.as_deref().and_then(Answer::parse) else {
        let what = "answered CONNECT with something that is not HTTP";
        return Err(NoWay::proxy(proxy, what)
            .advise("Correct the option proxy: for a SOCKS proxy it begins with socks5h://."));
    };
    match answer.status {
        200..=299 => Ok(wire),
        407 => Err(wants_login(proxy, &answer.schemes)),
        status => {
            let what = format_args!("refused to connect to {host}: HTTP {status}");
            let mut no_way = NoWay::proxy(proxy, what);
            // The proxy may connect to another host.
            no_way.is_general = false;
            Err(no_way.advise(match status {
                403 => "Let the proxy allow that host and port.",
                400 | 404 | 405 | 501 => {
                    "See whether the option proxy names a proxy that takes CONNECT."
                }
                _ => {
                    "See the proxy's log: it may be unable to reach that host or to find its name."
                }
            }))
        }
    }
}

/// The head of an answer. None if it is not HTTP, is too long, or is followed by data before the tunnel is used.
fn read_head(wire: &mut Wire) -> io::Result<Option<Vec<u8>>> {
    const BEGIN: &[u8] = b"HTTP/1.";
    let mut head = Vec::new();
    let mut part = [0; 1024];
    loop {
        match wire.read(&mut part)? {
            0 if head.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            0 => return Ok(None),
            read => head.extend_from_slice(&part[..read]),
        }
        let begun = head.len().min(BEGIN.len());
        if head[..begun] != BEGIN[..begun] || head.len() > MAX_HEAD {
            return Ok(None);
        }
        // A line feed alone also ends a line, as RFC 9112 allows.
        let ends = |end: &[u8]| head.windows(end.len()).any(|part| part == end);
        if ends(b"\r\n\r\n") || ends(b"\n\n") {
            return Ok(Some(head));
        }
    }
}

/// A proxy's answer to CONNECT.
struct Answer {
    status: u16,
    /// The schemes in its headers Proxy-Authenticate. The proxy accepts any of them.
    schemes: Vec<String>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Option<Answer> {
        let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        let (head, behind) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let status = lines.next()?.split(' ').nth(1)?;
        let status = status.parse().ok().filter(|_| status.len() == 3)?;
        // No data may come from the host, because nothing has been sent to it yet.
        if (200..300).contains(&status) && !behind.is_empty() {
            return None;
        }
        let headers = lines.filter_map(|line| line.split_once(':'));
        let asked = headers.filter(|(name, _)| name.eq_ignore_ascii_case("proxy-authenticate"));
        let schemes = asked.filter_map(|(_, value)| {
            let is_token = |c: char| c.is_ascii_alphanumeric() || c == '-';
            let scheme = value.trim().split(|c| !is_token(c)).next()?;
            (!scheme.is_empty() && scheme.len() <= 20).then(|| scheme.to_owned())
        });
        let mut schemes: Vec<String> = schemes.take(4).collect();
        schemes.dedup();
        Some(Answer { status, schemes })
    }
}

fn wants_login(proxy: &Proxy, schemes: &[String]) -> NoWay {
    // A proxy may send the login back.
    let password = proxy.login.as_ref().map(|(_, password)| password.as_str());
    let repeats = |scheme: &String| echo::repeats(scheme, password);
    let asks = match schemes {
        schemes if schemes.iter().any(repeats) => "its login scheme repeats the password".into(),
        [] => "it does not name a login scheme".into(),
        schemes => format!("it asks for {}", schemes.join(", ")),
    };
    let takes_basic = schemes.is_empty() || schemes.iter().any(|s| s.eq_ignore_ascii_case("basic"));
    let what = match &proxy.login {
        Some(_) => "refused the user name and password (HTTP 407)",
        None => "wants a user name and password (HTTP 407)",
    };
    NoWay::proxy(proxy, format_args!("{what}: {asks}")).advise(match (&proxy.login, takes_basic) {
        (_, false) => "Only Basic is supported: let the proxy take it, or set the option proxy to a local one that logs in.",
        (Some(_), true) => "Correct the user name and password in the option proxy.",
        (None, true) => "Set the option proxy to http://USER:PASSWORD@HOST:PORT.",
    })
}

/// Encodes bytes in base64, by RFC 4648.
fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4648, section 10.
    #[test]
    fn logins_are_encoded_as_rfc_4648_says() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn an_answer_yields_its_status_and_the_schemes_it_asks_for() {
        let parse =
            |text: &str| Answer::parse(text.as_bytes()).map(|a| (a.status, a.schemes.join(" ")));
        let asked = "HTTP/1.1 407 x\r\nproxy-authenticate: NTLM\r\nProxy-Authenticate:Basic realm=\"a\"\r\n\r\nbody";
        assert_eq!(parse(asked), Some((407, "NTLM Basic".into())));
        assert_eq!(parse("HTTP/1.0 200 OK\r\n\r\n"), Some((200, String::new())));
        assert_eq!(
            parse("HTTP/1.0 200 OK\nA: b\n\n"),
            Some((200, String::new()))
        );
        assert_eq!(parse("HTTP/1.1 503\r\n\r\n"), Some((503, String::new())));
        for bad in [
            "HTTP/1.1\r\n\r\n",
            "HTTP/1.1 2000 x\r\n\r\n",
            "HTTP/1.1 200 x\r\n\r\nmore",
            "HTTP/1.1 200 x\r\n",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
