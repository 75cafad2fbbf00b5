//! Connects to the first of several addresses that answers, as in RFC 8305. The next attempt begins 250 ms after the
//! last one, or as soon as that fails. Earlier attempts go on. If the time is short, attempts follow each other sooner,
//! so that each address has its turn.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd};
use std::time::{Duration, Instant};

/// The longest time for which an attempt runs alone.
const HEAD_START: Duration = Duration::from_millis(250);

/// Returns the first connection that succeeds. The error is a timeout if an attempt is still under way. Otherwise it is
/// that of the last attempt that had a route.
pub fn connect_first(addresses: &[SocketAddr], within: Duration) -> io::Result<TcpStream> {
    let end = Instant::now() + within;
    let turns = u32::try_from(addresses.len() + 1).unwrap_or(u32::MAX);
    let head_start = HEAD_START.min(within / turns);
    let mut waiting = in_turns(addresses);
    let mut attempts: Vec<TcpStream> = Vec::new();
    let mut next_at = Instant::now();
    let mut failed = None;
    loop {
        let now = Instant::now();
        if now >= end {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if attempts.is_empty() || now >= next_at {
            if let Some(address) = waiting.pop_front() {
                match begin(&address) {
                    Ok(attempt) => {
                        attempts.push(attempt);
                        next_at = now + head_start;
                    }
                    Err(e) => keep(&mut failed, e),
                }
                continue;
            }
            if attempts.is_empty() {
                return Err(failed.unwrap_or(io::ErrorKind::AddrNotAvailable.into()));
            }
        }
        let until = if waiting.is_empty() {
            end
        } else {
            end.min(next_at)
        };
        for place in writable(&attempts, until - now)?.into_iter().rev() {
            let attempt = attempts.swap_remove(place);
            match attempt.take_error()? {
                None => {
                    attempt.set_nonblocking(false)?;
                    return Ok(attempt);
                }
                Some(e) => {
                    keep(&mut failed, e);
                    next_at = now;
                }
            }
        }
    }
}

/// Keeps the error that says more. A host without IPv6 has no route to an IPv6 address, whatever the other attempts
/// return.
fn keep(failed: &mut Option<io::Error>, e: io::Error) {
    let kinds = [
        io::ErrorKind::NetworkUnreachable,
        io::ErrorKind::AddrNotAvailable,
    ];
    let has_no_route = kinds.contains(&e.kind()) || e.raw_os_error() == Some(libc::EAFNOSUPPORT);
    if failed.is_none() || !has_no_route {
        *failed = Some(e);
    }
}

/// Returns the addresses with the two families alternating, starting with the family of the first.
fn in_turns(addresses: &[SocketAddr]) -> VecDeque<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second): (VecDeque<_>, VecDeque<_>) = addresses
        .iter()
        .copied()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let mut turns = VecDeque::with_capacity(addresses.len());
    while !first.is_empty() || !second.is_empty() {
        turns.extend(first.pop_front());
        turns.extend(second.pop_front());
    }
    turns
}

pub(super) fn new_socket(family: libc::c_int) -> io::Result<TcpStream> {
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: socket takes three numbers, and returns a descriptor that nothing else has, or -1.
    match unsafe { libc::socket(family, kind, 0) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: socket has returned the descriptor, which nothing else has.
        descriptor => Ok(unsafe { TcpStream::from_raw_fd(descriptor) }),
    }
}

/// Begins to connect, and does not wait.
fn begin(address: &SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv6() {
        libc::AF_INET6
    } else {
        libc::AF_INET
    };
    let socket = new_socket(family)?;
    let connected = match address {
        SocketAddr::V4(v4) => {
            // SAFETY: a sockaddr_in is a plain struct of integers, for which all zeros is a value.
            let mut raw: libc::sockaddr_in = unsafe { std::mem::zeroed() };
            raw.sin_family = family as libc::sa_family_t;
            raw.sin_port = v4.port().to_be();
            raw.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
            connect(&socket, &raw)
        }
        SocketAddr::V6(v6) => {
            // SAFETY: a sockaddr_in6 is a plain struct of integers, for which all zeros is a value.
            let mut raw: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
            raw.sin6_family = family as libc::sa_family_t;
            raw.sin6_port = v6.port().to_be();
            raw.sin6_addr.s6_addr = v6.ip().octets();
            raw.sin6_scope_id = v6.scope_id();
            connect(&socket, &raw)
        }
    };
    match connected {
        Err(e) if e.raw_os_error() != Some(libc::EINPROGRESS) => Err(e),
        _ => Ok(socket),
    }
}

/// Calls connect() with a sockaddr of either family.
pub(super) fn connect<T>(socket: &TcpStream, address: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    let address: *const T = address;
    // SAFETY: `address` points to a sockaddr of its family, of `length` bytes.
    match unsafe { libc::connect(socket.as_raw_fd(), address.cast(), length) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Returns which of these have connected or failed within a time. Returns none if a signal came first.
fn writable(sockets: &[TcpStream], within: Duration) -> io::Result<Vec<usize>> {
    let mut polled: Vec<libc::pollfd> = sockets
        .iter()
        .map(|socket| libc::pollfd {
            fd: socket.as_raw_fd(),
            events: libc::POLLOUT,
            revents: 0,
        })
        .collect();
    let count = polled.len() as libc::nfds_t;
    // Rounded up: a poll of 0 ms would be repeated without a pause.
    let ms = i32::try_from(within.as_millis() + 1).unwrap_or(i32::MAX);
    // SAFETY: `polled` holds `count` entries, whose descriptors are open.
    if unsafe { libc::poll(polled.as_mut_ptr(), count, ms) } == -1 {
        let e = io::Error::last_os_error();
        return match e.kind() {
            io::ErrorKind::Interrupted => Ok(Vec::new()),
            _ => Err(e),
        };
    }
    let ready = polled
        .iter()
        .enumerate()
        .filter(|(_, one)| one.revents != 0);
    Ok(ready.map(|(place, _)| place).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const LONG: Duration = Duration::from_secs(60);

    fn addresses(of: &[&str]) -> Vec<SocketAddr> {
        of.iter().map(|address| address.parse().unwrap()).collect()
    }

    /// Returns a listener, its address, and an address of 127/8 that nobody listens on.
    fn open_and_closed() -> (TcpListener, SocketAddr, SocketAddr) {
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = TcpListener::bind("127.0.0.9:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let address = open.local_addr().unwrap();
        (open, address, closed)
    }

    #[test]
    fn families_take_turns_beginning_with_the_first() {
        let given = addresses(&["[::1]:1", "[::2]:1", "1.1.1.1:1", "[::3]:1", "1.1.1.2:1"]);
        let expected = addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"]);
        assert_eq!(in_turns(&given), expected);
        assert_eq!(in_turns(&given[2..3]), &given[2..3]);
        assert!(in_turns(&[]).is_empty());
    }

    #[test]
    fn an_address_that_refuses_makes_way_at_once() {
        let (_open, address, closed) = open_and_closed();
        let connected = connect_first(&[closed, closed, address], LONG).unwrap();
        assert_eq!(connected.peer_addr().unwrap(), address);
        let refused = connect_first(&[closed, closed], LONG).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn an_address_that_does_not_answer_is_not_waited_for() {
        let (_open, address, _) = open_and_closed();
        // A listener whose queue is full drops new connections: nobody accepts here.
        let silent = TcpListener::bind("127.0.0.2:0").unwrap();
        // SAFETY: the descriptor is open and listens already.
        unsafe { libc::listen(silent.as_raw_fd(), 0) };
        let dead = silent.local_addr().unwrap();
        let mut fill = Vec::new();
        while let Ok(filler) = TcpStream::connect_timeout(&dead, Duration::from_millis(200)) {
            fill.push(filler);
        }
        let connected = connect_first(&[dead, dead, dead, address], LONG).unwrap();
        assert_eq!(connected.peer_addr().unwrap(), address);
        // Each has its turn in a time that is shorter than one's head start. The machine may stall, so any try counts.
        let short = || connect_first(&[dead, address], Duration::from_millis(200));
        assert!((0..20).any(|_| short().is_ok()));
        let timeout = connect_first(&[dead], Duration::from_millis(50)).unwrap_err();
        assert_eq!(timeout.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_refusal_is_not_hidden_by_an_address_without_a_route() {
        let refused = || io::Error::from_raw_os_error(libc::ECONNREFUSED);
        for code in [libc::ENETUNREACH, libc::EADDRNOTAVAIL, libc::EAFNOSUPPORT] {
            let no_route = || io::Error::from_raw_os_error(code);
            for order in [[refused(), no_route()], [no_route(), refused()]] {
                let mut failed = None;
                order.into_iter().for_each(|e| keep(&mut failed, e));
                let kept = failed.and_then(|e| e.raw_os_error());
                assert_eq!(kept, Some(libc::ECONNREFUSED));
            }
        }
    }

    #[test]
    fn an_empty_list_of_addresses_is_an_error() {
        assert!(connect_first(&[], LONG).is_err());
    }
}
