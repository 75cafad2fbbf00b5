//! A proxy to a server's socket, on its own port, that tampers with the traffic.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The tampering with an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Closes the connection before the request reaches the server.
    CutBefore,
    /// Lets the server process the request, and closes the connection before passing the reply on.
    CutAfter,
    /// Lets the server process the request, and never passes the reply on.
    Swallow,
    /// Passes the reply on after this many milliseconds.
    Delay(u64),
    /// Sends another reply before the server's.
    Prepend(String),
    /// Accepts the connection, and never answers.
    BlackHole,
}

/// The exchanges that a fault applies to: their requests contain a text, and their number is limited.
struct Rule {
    fault: Fault,
    holds: String,
    left: u64,
}

struct State {
    server: PathBuf,
    tls: Option<Arc<ServerConfig>>,
    rules: Mutex<Vec<Rule>>,
    is_over: AtomicBool,
    spoiled: AtomicU64,
    connections: AtomicU64,
}

/// A running proxy. It owns its port until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

impl Proxy {
    /// Starts a proxy to the server on this socket.
    pub fn to(server: &Path) -> Proxy {
        Proxy::start(server, None)
    }

    /// Starts a proxy with TLS and a certificate for `127.0.0.1`. Returns the PEM of its authority too.
    pub fn by_tls(server: &Path) -> (Proxy, String) {
        let (config, ca) = certified().expect("a certificate");
        (Proxy::start(server, Some(config)), ca)
    }

    fn start(server: &Path, tls: Option<Arc<ServerConfig>>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            server: server.to_owned(),
            tls,
            rules: Mutex::default(),
            is_over: AtomicBool::new(false),
            spoiled: AtomicU64::new(0),
            connections: AtomicU64::new(0),
        });
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                if shared.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(client) = client else { continue };
                shared.connections.fetch_add(1, Ordering::Relaxed);
                let state = shared.clone();
                thread::spawn(move || {
                    // Reads alternate between the two sides.
                    let _ = client.set_nodelay(true);
                    let _ = client.set_read_timeout(Some(TURN));
                    match &state.tls {
                        None => carry(&mut &client, &state),
                        Some(config) => {
                            let Ok(connection) = ServerConnection::new(config.clone()) else {
                                return;
                            };
                            carry(&mut StreamOwned::new(connection, &client), &state);
                        }
                    }
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Proxy { address, state }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The URL of the store behind it.
    pub fn url(&self) -> String {
        let scheme = if self.state.tls.is_some() {
            "rediss"
        } else {
            "redis"
        };
        format!("{scheme}://{}", self.address)
    }

    /// Tampers with the next `times` exchanges whose request contains a text; an empty text matches any.
    pub fn spoil(&self, fault: Fault, holds: &str, times: u64) {
        self.state.rules.lock().unwrap().push(Rule {
            fault,
            holds: holds.into(),
            left: times,
        });
    }

    /// Ends the tampering.
    pub fn heal(&self) {
        self.state.rules.lock().unwrap().clear();
    }

    /// The number of exchanges that were tampered with.
    pub fn spoiled(&self) -> u64 {
        self.state.spoiled.load(Ordering::Relaxed)
    }

    /// The number of connections so far.
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    /// The fault for this request, if any.
    fn fault(&self, request: &[u8]) -> Option<Fault> {
        let text = String::from_utf8_lossy(request);
        let mut rules = self.rules.lock().unwrap();
        let rule = rules
            .iter_mut()
            .find(|rule| rule.left > 0 && text.contains(&rule.holds))?;
        rule.left -= 1;
        self.spoiled.fetch_add(1, Ordering::Relaxed);
        Some(rule.fault.clone())
    }
}

const TURN: Duration = Duration::from_millis(1);

/// Carries one connection, one exchange at a time: everything that the client has sent, then everything that the server
/// answers.
fn carry(client: &mut (impl Read + Write), state: &State) {
    let Ok(mut server) = UnixStream::connect(&state.server) else {
        return;
    };
    let _ = server.set_read_timeout(Some(TURN));
    let mut fault = None;
    while !state.is_over.load(Ordering::Relaxed) {
        match some(client) {
            Some(request) if request.is_empty() => return,
            Some(request) => {
                fault = state.fault(&request);
                match fault {
                    Some(Fault::CutBefore) => return,
                    Some(Fault::BlackHole) => {
                        wait_for_the_end(client, state);
                        return;
                    }
                    _ => {}
                }
                if server.write_all(&request).is_err() {
                    return;
                }
            }
            None => {}
        }
        match some(&mut server) {
            Some(reply) if reply.is_empty() => return,
            Some(reply) => {
                match fault.take() {
                    Some(Fault::CutAfter) => return,
                    Some(Fault::Swallow) => {
                        wait_for_the_end(client, state);
                        return;
                    }
                    Some(Fault::Delay(ms)) => thread::sleep(Duration::from_millis(ms)),
                    Some(Fault::Prepend(other)) => {
                        let _ = client.write_all(other.as_bytes());
                    }
                    _ => {}
                }
                let sent = client.write_all(&reply).and_then(|()| client.flush());
                if sent.is_err() {
                    return;
                }
            }
            None => {}
        }
    }
}

/// The bytes that have arrived: empty at the end of the connection, None if there are none yet.
fn some(from: &mut impl Read) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 1 << 16];
    match from.read(&mut bytes) {
        Ok(count) => {
            bytes.truncate(count);
            Some(bytes)
        }
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
        Err(_) => Some(Vec::new()),
    }
}

fn wait_for_the_end(client: &mut impl Read, state: &State) {
    while !state.is_over.load(Ordering::Relaxed) {
        if some(client).is_some_and(|bytes| bytes.is_empty()) {
            return;
        }
    }
}

/// A certificate for `127.0.0.1`, and the PEM of the authority that signed it.
fn certified() -> Result<(Arc<ServerConfig>, String), Box<dyn std::error::Error>> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate()?;
    let ca = authority.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["127.0.0.1".into()])?.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok((Arc::new(config), ca))
}
