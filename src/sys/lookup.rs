//! Looks a host name up with getaddrinfo. Rust's own look-up drops the reason of a failure.

use std::ffi::CString;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr;

/// The reason why a name has no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAddress {
    /// The name does not exist (NXDOMAIN).
    NoName,
    /// The name exists, without an address of the requested family.
    NoSuchAddress,
    /// No name server gave a usable answer (EAI_AGAIN): none can be reached, or each one failed.
    TryAgain,
    /// A name server failed permanently.
    Failed,
    /// This process lacks memory, or a system call failed with this error.
    System(i32),
}

/// Returns the addresses of a host name, of one family or of both with `None`.
pub fn look_up(host: &str, port: u16, is_v6: Option<bool>) -> Result<Vec<SocketAddr>, NoAddress> {
    let host = CString::new(host).map_err(|_| NoAddress::NoName)?;
    // SAFETY: an addrinfo of zeros asks for anything.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_socktype = libc::SOCK_STREAM;
    hints.ai_family = match is_v6 {
        None => libc::AF_UNSPEC,
        Some(false) => libc::AF_INET,
        Some(true) => libc::AF_INET6,
    };
    let mut first: *mut libc::addrinfo = ptr::null_mut();
    // SAFETY: the arguments are a C string, no service, hints, and a place for the list, which is freed below.
    let code = unsafe { libc::getaddrinfo(host.as_ptr(), ptr::null(), &hints, &mut first) };
    if code != 0 {
        return Err(reason(code));
    }
    let mut found = Vec::new();
    let mut next = first;
    while !next.is_null() {
        // SAFETY: this is an entry of the list, which lives until it is freed.
        let entry = unsafe { &*next };
        found.extend(address(entry, port));
        next = entry.ai_next;
    }
    // SAFETY: getaddrinfo returned the list, which is freed once.
    unsafe { libc::freeaddrinfo(first) };
    match found.is_empty() {
        true => Err(NoAddress::NoSuchAddress),
        false => Ok(found),
    }
}

fn reason(code: i32) -> NoAddress {
    match code {
        libc::EAI_NONAME => NoAddress::NoName,
        libc::EAI_NODATA | EAI_ADDRFAMILY => NoAddress::NoSuchAddress,
        libc::EAI_AGAIN => NoAddress::TryAgain,
        libc::EAI_MEMORY => NoAddress::System(libc::ENOMEM),
        libc::EAI_SYSTEM => {
            let error = std::io::Error::last_os_error();
            NoAddress::System(error.raw_os_error().unwrap_or(libc::EIO))
        }
        _ => NoAddress::Failed,
    }
}

/// An error code of glibc that the crate libc lacks.
const EAI_ADDRFAMILY: i32 = -9;

fn address(entry: &libc::addrinfo, port: u16) -> Option<SocketAddr> {
    let length = usize::try_from(entry.ai_addrlen).ok()?;
    match entry.ai_family {
        libc::AF_INET if length >= size_of::<libc::sockaddr_in>() => {
            // SAFETY: the address is a sockaddr_in of that length, as the family says.
            let raw = unsafe { entry.ai_addr.cast::<libc::sockaddr_in>().read_unaligned() };
            let ip = Ipv4Addr::from(raw.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(ip, port).into())
        }
        libc::AF_INET6 if length >= size_of::<libc::sockaddr_in6>() => {
            // SAFETY: the address is a sockaddr_in6 of that length, as the family says.
            let raw = unsafe { entry.ai_addr.cast::<libc::sockaddr_in6>().read_unaligned() };
            let ip = Ipv6Addr::from(raw.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, port, 0, raw.sin6_scope_id).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_resolves_to_itself_in_its_family() {
        let found = |host, is_v6| look_up(host, 443, is_v6);
        assert_eq!(
            found("127.0.0.1", None),
            Ok(vec!["127.0.0.1:443".parse().unwrap()])
        );
        assert_eq!(
            found("::1", Some(true)),
            Ok(vec!["[::1]:443".parse().unwrap()])
        );
        assert!(found("::1", Some(false)).is_err());
        assert_eq!(found("nul\0inside", None), Err(NoAddress::NoName));
    }

    #[test]
    fn each_reason_is_told() {
        for (code, why) in [
            (libc::EAI_NONAME, NoAddress::NoName),
            (libc::EAI_NODATA, NoAddress::NoSuchAddress),
            (EAI_ADDRFAMILY, NoAddress::NoSuchAddress),
            (libc::EAI_AGAIN, NoAddress::TryAgain),
            (libc::EAI_FAIL, NoAddress::Failed),
            (libc::EAI_MEMORY, NoAddress::System(libc::ENOMEM)),
        ] {
            assert_eq!(reason(code), why);
        }
    }
}
