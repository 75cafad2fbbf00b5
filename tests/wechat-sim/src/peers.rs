//! The user whose process holds the other end of a loopback connection.

use std::net::{Ipv6Addr, SocketAddr};

/// The uid of a loopback peer, from the kernel's table of sockets. None if its socket is closed.
pub fn uid(peer: SocketAddr) -> Option<u32> {
    let address = in_table(peer);
    let table = match peer {
        SocketAddr::V4(_) => "/proc/net/tcp",
        SocketAddr::V6(_) => "/proc/net/tcp6",
    };
    // An IPv4 connection through an IPv6 socket is in the other table.
    let mapped = match peer {
        SocketAddr::V4(v4) => Some(SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port())),
        SocketAddr::V6(_) => None,
    };
    find(table, &address)
        .or_else(|| mapped.and_then(|mapped| find("/proc/net/tcp6", &in_table(mapped))))
}

fn find(table: &str, address: &str) -> Option<u32> {
    /// The state of a connection whose socket is open.
    const ESTABLISHED: &str = "01";
    let text = std::fs::read_to_string(table).ok()?;
    let row = text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state) = (*fields.get(1)?, *fields.get(3)?);
        (local == address && state == ESTABLISHED).then(|| fields.get(7)?.parse().ok())
    });
    row.flatten()
}

/// An address as the kernel writes it: each 32 bits in the byte order of the machine, then the port.
fn in_table(address: SocketAddr) -> String {
    let words = |octets: &[u8]| -> String {
        octets
            .chunks(4)
            .filter_map(|word| word.try_into().ok())
            .map(|word| format!("{:08X}", u32::from_ne_bytes(word)))
            .collect()
    };
    let ip = match address {
        SocketAddr::V4(v4) => words(&v4.ip().octets()),
        SocketAddr::V6(v6) => words(&Ipv6Addr::octets(v6.ip())),
    };
    format!("{ip}:{:04X}", address.port())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_peer_is_known_by_its_user() {
        let me = std::fs::metadata("/proc/self").unwrap().uid();
        for listen in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(door) = TcpListener::bind(listen) else {
                continue; // a machine without IPv6
            };
            let caller = TcpStream::connect(door.local_addr().unwrap()).unwrap();
            assert_eq!(uid(caller.local_addr().unwrap()), Some(me), "{listen}");
        }
        assert_eq!(uid("127.0.0.1:1".parse().unwrap()), None);
    }
}
