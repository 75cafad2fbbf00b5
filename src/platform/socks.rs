//! The SOCKS5 client: RFC 1928, and RFC 1929 for the login.

use std::io::{Read, Write};
use std::net::IpAddr;

use zeroize::Zeroizing;

use super::no_way::NoWay;
use super::stream::Wire;
use super::tunnel::broken;
use crate::proxy::Proxy;

const NO_LOGIN: u8 = 0;
const LOGIN: u8 = 2;
const NONE_OF_THESE: u8 = 0xff;

/// Makes a proxy connect to a host, by its name or address.
pub(super) fn socks5(proxy: &Proxy, mut wire: Wire, host: &str, port: u16) -> Result<Wire, NoWay> {
    let greeting: &[u8] = match proxy.login {
        Some(_) => &[5, 2, LOGIN, NO_LOGIN],
        None => &[5, 1, NO_LOGIN],
    };
    let talk = |wire: &mut Wire, message: &[u8]| {
        let mut answer = [0; 2];
        let talked = wire
            .write_all(message)
            .and_then(|()| wire.read_exact(&mut answer));
        talked
            .map(|()| answer)
            .map_err(|e| broken(proxy, "SOCKS5", &e))
    };
    match (talk(&mut wire, greeting)?, &proxy.login) {
        ([5, NO_LOGIN], _) => {}
        ([5, LOGIN], Some((user, password))) => {
            let mut login = Zeroizing::new(vec![1, user.len() as u8]);
            login.extend_from_slice(user.as_bytes());
            login.push(password.len() as u8);
            login.extend_from_slice(password.as_bytes());
            let [_, status] = talk(&mut wire, &login)?;
            if status != 0 {
                return Err(NoWay::proxy(proxy, "refused the user name and password")
                    .advise("Correct them in the option proxy."));
            }
        }
        ([5, NONE_OF_THESE], None) => {
            return Err(NoWay::proxy(proxy, "wants a user name and password")
                .advise("Set the option proxy to socks5h://USER:PASSWORD@HOST:PORT."));
        }
        ([5, _], _) => {
            return Err(
                NoWay::proxy(proxy, "offers no login that this library knows")
                    .advise("Let it take a user name and password (RFC 1929)."),
            );
        }
        _ => {
            return Err(NoWay::proxy(proxy, "does not speak SOCKS5")
                .advise("Correct the option proxy: for an HTTP proxy it begins with http://."));
        }
    }
    let asked = talk(&mut wire, &request(host, port)?)?;
    if asked[0] != 5 {
        return Err(NoWay::proxy(proxy, "does not speak SOCKS5"));
    }
    if asked[1] != 0 {
        let what = format_args!("did not connect to {host}:{port}: {}", refusal(asked[1]));
        let mut no_way = NoWay::proxy(proxy, what);
        no_way.is_general = false;
        return Err(no_way);
    }
    // The address from which the proxy connected is not used.
    let mut skip = |count: usize| {
        let mut bytes = vec![0; count];
        let read = wire.read_exact(&mut bytes);
        read.map(|()| bytes)
            .map_err(|e| broken(proxy, "SOCKS5", &e))
    };
    let kind = skip(2)?[1];
    let length = match kind {
        1 => 4,
        4 => 16,
        _ => usize::from(skip(1)?[0]),
    };
    skip(length + 2)?;
    Ok(wire)
}

/// The request to connect to a name or an address.
fn request(host: &str, port: u16) -> Result<Vec<u8>, NoWay> {
    let mut request = vec![5, 1, 0];
    match host.parse() {
        Ok(IpAddr::V4(v4)) => {
            request.push(1);
            request.extend_from_slice(&v4.octets());
        }
        Ok(IpAddr::V6(v6)) => {
            request.push(4);
            request.extend_from_slice(&v6.octets());
        }
        Err(_) => {
            let length = u8::try_from(host.len())
                .map_err(|_| NoWay::new("the host's name is longer than SOCKS5 takes"))?;
            request.extend_from_slice(&[3, length]);
            request.extend_from_slice(host.as_bytes());
        }
    }
    request.extend_from_slice(&port.to_be_bytes());
    Ok(request)
}

/// The reasons for a refusal, from RFC 1928, section 6.
fn refusal(code: u8) -> String {
    match code {
        1 => "general failure".into(),
        2 => "its rules do not allow it".into(),
        3 => "network is unreachable".into(),
        4 => "it cannot reach the host, or cannot find its name".into(),
        5 => "connection refused".into(),
        6 => "TTL expired".into(),
        7 => "it does not take CONNECT".into(),
        8 => "it does not take this kind of address".into(),
        other => format!("code {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socks_request_has_the_form_of_its_host() {
        assert_eq!(
            request("1.2.3.4", 443).unwrap(),
            [5, 1, 0, 1, 1, 2, 3, 4, 1, 187]
        );
        assert_eq!(
            request("ab", 80).unwrap(),
            [5, 1, 0, 3, 2, b'a', b'b', 0, 80]
        );
        assert_eq!(request("::1", 80).unwrap().len(), 22);
        assert!(request(&"a".repeat(256), 80).is_err());
    }
}
