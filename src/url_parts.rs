//! The common parts of URLs: a login, a host and a port. An error never shows what may be a password.

use zeroize::Zeroizing;

/// Decodes the user name and the password of `user:password`. Either may be empty.
pub fn login_of(login: &str) -> Result<(String, Zeroizing<String>), String> {
    if login.contains('@') {
        return Err("holds more than one @; in a user name or password it must be %40".into());
    }
    // RFC 3986 allows these characters unescaped.
    let may_stand = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:%".contains(c);
    if !login.chars().all(may_stand) {
        return Err(
            "holds a character in its user name or password that must be written as %XX".into(),
        );
    }
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    Ok((decoded(user)?, Zeroizing::new(decoded(password)?)))
}

/// Decodes percent-encoding.
pub fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        rest = others;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let code = match others {
            [high, low, ..] => digit(high).zip(digit(low)),
            _ => None,
        };
        let Some((high, low)) = code else {
            return Err("holds a % that two hexadecimal digits do not follow; in a user name or password it must be %25".into());
        };
        bytes.push((high * 16 + low) as u8);
        rest = &others[2..];
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains(char::is_control) => Ok(text),
        _ => Err("has a user name or password that is not text".into()),
    }
}

/// Parses `host[:port]`. An IPv6 address is returned without its brackets. `forms` says what a valid URL looks like.
pub fn parse_authority(
    authority: &str,
    default_port: u16,
    forms: &str,
) -> Result<(String, u16), String> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let parted = rest.split_once(']');
            let is_v6 = |address: &str| address.parse::<std::net::Ipv6Addr>().is_ok();
            let Some((address, behind)) = parted.filter(|(address, _)| is_v6(address)) else {
                return Err(format!(
                    "has brackets without an IPv6 address in them; it {forms}"
                ));
            };
            match (behind, behind.strip_prefix(':')) {
                ("", _) => (address, None),
                (_, Some(port)) => (address, Some(port)),
                _ => return Err(format!("has something behind its host; it {forms}")),
            }
        }
        None => match authority.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err("has several colons; an IPv6 address stands in brackets, and a user name and password end with @".into());
            }
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || !host.chars().all(is_host) {
        return Err(format!(
            "has a host that is not a name or an address; it {forms}"
        ));
    }
    let port = match port {
        None => default_port,
        Some(text) => match text.parse::<u16>() {
            Ok(port) if port > 0 && text.bytes().all(|b| b.is_ascii_digit()) => port,
            _ => return Err("has a port that is not 1 to 65535".into()),
        },
    };
    Ok((host.to_owned(), port))
}
