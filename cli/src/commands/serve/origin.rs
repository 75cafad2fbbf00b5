//! The origin of a request.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::HeaderMap;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct Origin {
    pub peer: Peer,
    pub is_over_tls: bool,
    /// The names in the client's certificate.
    pub certificate_names: Arc<[String]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// A user of this host, on the Unix socket.
    User(u32),
    Ip(IpAddr),
}

impl Peer {
    /// Whether the peer is on this host.
    pub fn is_local(self) -> bool {
        match self {
            Peer::User(_) => true,
            Peer::Ip(ip) => ip.to_canonical().is_loopback(),
        }
    }

    /// The peer under which failures are counted. For IPv6 it is the whole network.
    pub fn network(self) -> Peer {
        match self {
            Peer::Ip(ip) => Peer::Ip(match ip.to_canonical() {
                IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
                v4 => v4,
            }),
            user => user,
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Peer::User(uid) => write!(f, "unix:uid={uid}"),
            Peer::Ip(ip) => ip.to_canonical().fmt(f),
        }
    }
}

/// The peer that asks, behind a proxy or not.
#[derive(Clone, Debug)]
pub struct Asker {
    pub peer: Peer,
    /// Whether the other end of the connection is the one that asks. This is so if no proxy is known to be between.
    pub is_direct: bool,
}

impl Asker {
    /// Whether the peer is on this host, with no proxy between.
    pub fn is_neighbour(&self) -> bool {
        self.is_direct && self.peer.is_local()
    }
}

/// The refusal of a request from a proxy that is not trusted.
#[derive(Debug, PartialEq, Eq)]
pub struct Forwarded;

impl Origin {
    /// Finds the peer behind a trusted proxy. Fails if another local proxy forwards for strangers, because all of
    /// them would count as peers of this host.
    pub fn asker(
        &self,
        headers: &HeaderMap,
        trusted: &[Option<IpAddr>],
    ) -> Result<Asker, Forwarded> {
        let told = headers.get_all("x-forwarded-for").iter().next_back();
        let is_forwarded = told.is_some() || headers.contains_key("forwarded");
        let is_trusted = trusted.iter().any(|proxy| match (proxy, self.peer) {
            (None, Peer::User(_)) => true,
            (Some(proxy), Peer::Ip(ip)) => ip.to_canonical() == proxy.to_canonical(),
            _ => false,
        });
        if is_trusted && is_forwarded {
            // The last address in the list is the one that the proxy itself saw.
            let last = told.and_then(|told| told.to_str().ok()?.rsplit(',').next());
            let ip = last.and_then(|last| last.trim().parse().ok());
            return match ip {
                Some(ip) => Ok(Asker {
                    peer: Peer::Ip(ip),
                    is_direct: false,
                }),
                None => Err(Forwarded),
            };
        }
        if is_forwarded && self.peer.is_local() {
            return Err(Forwarded);
        }
        // If a trusted proxy does not name its peer, strangers must not gain the proxy's own place.
        Ok(Asker {
            peer: self.peer,
            is_direct: !is_trusted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(peer: Peer) -> Origin {
        Origin {
            peer,
            is_over_tls: false,
            certificate_names: Arc::from([]),
        }
    }

    fn ip(text: &str) -> Peer {
        Peer::Ip(text.parse().unwrap())
    }

    fn headers(told: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for one in told {
            headers.append("x-forwarded-for", one.parse().unwrap());
        }
        headers
    }

    #[test]
    fn an_untrusted_proxy_does_not_speak_for_others() {
        let told = headers(&["203.0.113.7"]);
        for local in [
            Peer::User(33),
            ip("127.0.0.1"),
            ip("::1"),
            ip("::ffff:127.0.0.1"),
        ] {
            assert!(origin(local).asker(&told, &[]).is_err(), "{local}");
            let asker = origin(local).asker(&headers(&[]), &[]).unwrap();
            assert!(asker.is_neighbour() && asker.peer == local);
        }
        // From elsewhere, the header is only the caller's claim.
        let asker = origin(ip("10.0.0.9")).asker(&told, &[]).unwrap();
        assert_eq!(asker.peer, ip("10.0.0.9"));
        assert!(asker.is_direct && !asker.is_neighbour());
    }

    #[test]
    fn a_trusted_proxys_last_address_counts_and_no_peer_behind_it_is_local() {
        let trusted = [None, Some("127.0.0.1".parse().unwrap())];
        for proxy in [Peer::User(33), ip("127.0.0.1")] {
            let told = headers(&["127.0.0.1", "1.1.1.1, 203.0.113.7"]);
            let asker = origin(proxy).asker(&told, &trusted).unwrap();
            assert_eq!(asker.peer, ip("203.0.113.7"));
            assert!(!asker.is_neighbour());
            for told in [&["127.0.0.1"][..], &[]] {
                let asker = origin(proxy).asker(&headers(told), &trusted).unwrap();
                assert!(!asker.is_neighbour() && !asker.is_direct);
            }
            assert!(origin(proxy).asker(&headers(&["x"]), &trusted).is_err());
        }
        assert!(
            origin(ip("127.0.0.2"))
                .asker(&headers(&["1.1.1.1"]), &trusted)
                .is_err()
        );
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        assert_eq!(ip("2001:db8::1").network(), ip("2001:db8::ffff").network());
        assert_ne!(ip("2001:db8::1").network(), ip("2001:db8:0:1::1").network());
        assert_ne!(ip("10.0.0.1").network(), ip("10.0.0.2").network());
        assert_eq!(ip("::ffff:10.0.0.1").network(), ip("10.0.0.1"));
    }
}
