//! Looks host names up within the caller's time limit.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::sys::BlockedSignals;

/// Looks names up on a thread, as ureq's own resolver does to keep a deadline; but addresses at once, and a thread that
/// cannot start is an error instead of a panic.
#[derive(Debug)]
pub(super) struct HostResolver;

impl Resolver for HostResolver {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
            Some("http") => 80,
            _ => 443,
        });
        let mut found = self.empty();
        if let Ok(address) = bare.parse::<IpAddr>() {
            found.push(SocketAddr::new(address, port));
            return Ok(found);
        }
        for address in look_up(bare.to_owned(), port, timeout)?.take(16) {
            found.push(address);
        }
        if found.is_empty() {
            return Err(ureq::Error::HostNotFound);
        }
        Ok(found)
    }
}

/// No thread could be had for a look-up.
#[derive(Debug)]
pub(super) struct NoThread;

impl std::fmt::Display for NoThread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no thread could be started to look the host's name up")
    }
}

impl std::error::Error for NoThread {}

fn look_up(
    host: String,
    port: u16,
    timeout: NextTimeout,
) -> Result<std::vec::IntoIter<SocketAddr>, ureq::Error> {
    let (answer, answered) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("wxtoken-dns".into())
        .spawn(move || {
            BlockedSignals::block_all_in_library_thread();
            // Nobody listens any more once the timeout has passed.
            let _ = answer.send((host.as_str(), port).to_socket_addrs());
        })
        .map_err(|_| ureq::Error::Other(Box::new(NoThread)))?;
    match answered.recv_timeout(*timeout.after) {
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(_)) => Err(ureq::Error::HostNotFound),
        Err(_) => Err(ureq::Error::Timeout(timeout.reason)),
    }
}
