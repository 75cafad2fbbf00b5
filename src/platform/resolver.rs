//! Looks up host names within the caller's time limit, and explains why no address was found.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::no_way::NoWay;
use crate::options::IpVersion;
use crate::proxy::Proxy;
use crate::sys::{self, BlockedSignals, NoAddress, no_thread_advice};

/// Finds the addresses to connect to, which are the proxy's if there is one. Names are looked up on a thread to keep
/// the deadline, as in ureq's own resolver. An IP address needs no thread. A thread that cannot start is an error
/// instead of a panic.
#[derive(Debug)]
pub(super) struct HostResolver {
    pub proxy: Option<Proxy>,
    pub ip_version: IpVersion,
}

impl Resolver for HostResolver {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let (name, port) = match &self.proxy {
            Some(proxy) => (proxy.host.as_str(), proxy.port),
            None => host_and_port(uri),
        };
        let host = Host {
            name,
            is_proxy: self.proxy.is_some(),
        };
        let addresses = host.addresses(port, self.ip_version, *timeout.after)?;
        let mut found = self.empty();
        for address in addresses.into_iter().take(16) {
            found.push(address);
        }
        Ok(found)
    }
}

/// A URL's host without brackets, and its port.
pub(super) fn host_and_port(uri: &Uri) -> (&str, u16) {
    let host = uri.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
        Some("http") => 80,
        _ => 443,
    });
    (bare, port)
}

/// A host whose addresses are looked up.
pub(super) struct Host<'a> {
    pub name: &'a str,
    pub is_proxy: bool,
}

impl Host<'_> {
    pub fn addresses(
        &self,
        port: u16,
        version: IpVersion,
        within: Duration,
    ) -> Result<Vec<SocketAddr>, NoWay> {
        if let Ok(address) = self.name.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let (answer, answered) = mpsc::sync_channel(1);
        let name = self.name.to_owned();
        std::thread::Builder::new()
            .name("wxtoken-dns".into())
            .spawn(move || {
                BlockedSignals::block_all_in_library_thread();
                let found = sys::look_up(&name, port, is_v6(version));
                // After the timeout, no one receives this any more.
                let _ = answer.send(found.map_err(|why| (why, servers_of(why))));
            })
            .map_err(|e| no_thread(&e))?;
        let mut no_way = match answered.recv_timeout(within) {
            Ok(Ok(addresses)) => return Ok(addresses),
            Ok(Err((why, servers))) => self.no_address(why, servers, version),
            Err(_) => self.no_answer_in_time(NameServers::of_this_host(MOMENT)),
        };
        no_way.is_general |= self.is_proxy;
        Err(no_way)
    }

    /// The failure of a look-up that did not end in time. musl waits for unreachable name servers, where glibc
    /// reports them at once.
    fn no_answer_in_time(&self, servers: NameServers) -> NoWay {
        match (servers.is_reached, self.is_proxy) {
            (false, _) => servers.no_answer(&self.words()),
            (true, true) => {
                NoWay::new(format!("DNS did not answer for {}", self.words())).timeout()
            }
            (true, false) => NoWay::new("DNS did not answer").timeout(),
        }
    }

    fn words(&self) -> String {
        match self.is_proxy {
            true => format!("the proxy's host {}", self.name),
            false => format!("the host {}", self.name),
        }
    }

    fn no_address(&self, why: NoAddress, servers: NameServers, version: IpVersion) -> NoWay {
        let host = self.words();
        let no_way = match (why, version) {
            (NoAddress::NoName | NoAddress::NoSuchAddress, IpVersion::V4 | IpVersion::V6) => {
                let number = if version == IpVersion::V4 { 4 } else { 6 };
                let what =
                    format!("DNS has no IPv{number} address of {host}, and ip_version is {number}");
                NoWay::new(what).advise("Set the option ip_version to any.")
            }
            (NoAddress::NoName, _) => NoWay::new(format!("DNS does not know {host}")),
            (NoAddress::NoSuchAddress, _) => {
                NoWay::new(format!("DNS knows {host}, but no address of it"))
            }
            (NoAddress::TryAgain, _) => return servers.no_answer(&host),
            (NoAddress::Failed, _) => {
                NoWay::new(format!("the name server failed to look up {host}"))
            }
            (NoAddress::System(code), _) => {
                let e = io::Error::from_raw_os_error(code);
                NoWay::io(&format!("cannot look up {host}: "), &e)
            }
        };
        match (self.is_proxy, &no_way.advice) {
            (true, None) if !no_way.is_local => no_way.advise("Correct the option proxy."),
            _ => no_way,
        }
    }
}

fn is_v6(version: IpVersion) -> Option<bool> {
    match version {
        IpVersion::Any => None,
        IpVersion::V4 => Some(false),
        IpVersion::V6 => Some(true),
    }
}

/// The failure to start the thread of a look-up.
fn no_thread(e: &io::Error) -> NoWay {
    NoWay {
        is_local: true,
        ..NoWay::new("no thread could be started to look the host's name up")
    }
    .advise(no_thread_advice(e))
}

/// The name servers of this host, and whether they can be reached. They explain EAI_AGAIN, a
/// failure with many causes.
struct NameServers {
    named: Vec<IpAddr>,
    is_reached: bool,
}

const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The longest wait for a name server that has just answered or failed.
const PATIENCE: Duration = Duration::from_millis(100);

/// The wait for a name server after the time limit has passed. A refusal comes within it.
const MOMENT: Duration = Duration::from_millis(2);

fn servers_of(why: NoAddress) -> NameServers {
    match why {
        NoAddress::TryAgain => NameServers::of_this_host(PATIENCE),
        _ => NameServers {
            named: Vec::new(),
            is_reached: false,
        },
    }
}

/// The first three name servers of a file, as the system's resolver uses them.
fn named_in(resolv_conf: &str) -> Vec<IpAddr> {
    let lines = resolv_conf.lines();
    let words = lines.map(|line| {
        let mut words = line.split_whitespace();
        (words.next(), words.next().unwrap_or_default())
    });
    words
        .filter(|(first, _)| *first == Some("nameserver"))
        .filter_map(|(_, server)| server.split('%').next()?.parse().ok())
        .take(3)
        .collect()
}

/// Asks a name server for the root's name servers. Silence counts as reached: a network that drops packets shows in a
/// timeout.
fn can_reach(server: IpAddr, patience: Duration) -> bool {
    const ROOT_NS: [u8; 17] = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];
    let any: SocketAddr = match server {
        IpAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        IpAddr::V6(_) => ([0u16; 8], 0).into(),
    };
    let ask = || {
        let socket = UdpSocket::bind(any)?;
        socket.connect((server, 53))?;
        socket.set_read_timeout(Some(patience))?;
        socket.send(&ROOT_NS)?;
        socket.recv(&mut [0; 512])
    };
    match ask() {
        Ok(_) => true,
        Err(e) => matches!(
            e.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        ),
    }
}

impl NameServers {
    fn of_this_host(patience: Duration) -> NameServers {
        let text = std::fs::read_to_string(RESOLV_CONF).unwrap_or_default();
        let named = named_in(&text);
        let is_reached = named.iter().any(|server| can_reach(*server, patience));
        NameServers { named, is_reached }
    }

    fn no_answer(&self, host: &str) -> NoWay {
        let named: Vec<String> = self.named.iter().map(IpAddr::to_string).collect();
        let named = named.join(", ");
        let no_way = if self.named.is_empty() {
            NoWay::new(format!(
                "{host} cannot be looked up: {RESOLV_CONF} names no name server"
            ))
            .advise(format!(
                "Put a name server into {RESOLV_CONF}; in a container, see its DNS settings."
            ))
        } else if self.is_reached {
            NoWay::new(format!(
                "the name server ({named}) temporarily failed to look up {host} (EAI_AGAIN)"
            ))
        } else {
            NoWay::new(format!(
                "{host} cannot be looked up: no name server can be reached; {RESOLV_CONF} names {named}"
            ))
            .advise("Start the name server, or let this host out to it.")
        };
        // A name server that fails for one name may know another.
        NoWay {
            is_general: !self.is_reached,
            ..no_way
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_read_as_the_system_reads_them() {
        let text = "# nameserver 1.1.1.1\nsearch x\nnameserver 127.0.0.53\n nameserver\t::1\nnameserver fe80::1%eth0\nnameserver 9.9.9.9\nnameservers 8.8.8.8\n";
        let named: Vec<String> = named_in(text).iter().map(IpAddr::to_string).collect();
        assert_eq!(named, ["127.0.0.53", "::1", "fe80::1"]);
        assert!(named_in("").is_empty());
    }

    #[test]
    fn a_timeout_names_unreachable_name_servers() {
        let host = Host {
            name: "h.example",
            is_proxy: false,
        };
        let said = |named: &[&str], is_reached| {
            let named = named.iter().map(|s| s.parse().unwrap()).collect();
            host.no_answer_in_time(NameServers { named, is_reached })
        };
        let nobody = said(&[], false);
        assert!(nobody.what.contains("names no name server"), "{nobody}");
        assert!(nobody.is_general && !nobody.is_timeout);
        let unreached = said(&["127.0.0.1"], false);
        assert!(unreached.what.contains("can be reached"), "{unreached}");
        let slow = said(&["127.0.0.1"], true);
        assert!(slow.is_timeout && !slow.is_general, "{slow}");
    }

    #[test]
    fn each_reason_has_its_own_words() {
        let host = Host {
            name: "h.example",
            is_proxy: false,
        };
        let said = |why, named: &[&str], is_reached, version| {
            let named = named.iter().map(|s| s.parse().unwrap()).collect();
            host.no_address(why, NameServers { named, is_reached }, version)
                .what
        };
        let all = [
            said(NoAddress::NoName, &[], false, IpVersion::Any),
            said(NoAddress::NoSuchAddress, &[], false, IpVersion::Any),
            said(NoAddress::NoSuchAddress, &[], false, IpVersion::V4),
            said(NoAddress::NoName, &[], false, IpVersion::V6),
            said(NoAddress::TryAgain, &[], false, IpVersion::Any),
            said(NoAddress::TryAgain, &["127.0.0.1"], false, IpVersion::Any),
            said(NoAddress::TryAgain, &["127.0.0.1"], true, IpVersion::Any),
            said(NoAddress::Failed, &[], false, IpVersion::Any),
            said(NoAddress::System(libc::EMFILE), &[], false, IpVersion::Any),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(one.contains("the host h.example"), "{one}");
            assert!(!all[i + 1..].contains(one), "{one}");
        }
    }
}
