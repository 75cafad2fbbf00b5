//! A redis-server that listens by TLS itself, and requires certificates of its clients.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, Error, IsCa, Issuer, KeyPair};

use crate::{RedisServer, Value};

/// The number of ports to try, since another program may take one first.
const PORTS: usize = 50;

/// A running server, with its files in a private directory.
pub struct TlsServer {
    pub server: RedisServer,
    port: u16,
    directory: tempfile::TempDir,
}

impl TlsServer {
    pub fn start() -> TlsServer {
        let directory = tempfile::tempdir().expect("a directory for certificates");
        write_files(directory.path()).expect("certificates");
        let path = |name: &str| directory.path().join(name).display().to_string();
        let (certificate, key, ca) = (path("server.pem"), path("server.key"), path("ca.pem"));
        let server = RedisServer::with(&[
            "--bind",
            "127.0.0.1",
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &ca,
            "--tls-auth-clients",
            "yes",
        ]);
        let port = (0..PORTS).find_map(|_| {
            let free = TcpListener::bind("127.0.0.1:0").ok()?;
            let port = free.local_addr().ok()?.port();
            drop(free);
            let set = server.ask(&["CONFIG", "SET", "tls-port", &port.to_string()]);
            (!matches!(set, Value::Failure(_))).then_some(port)
        });
        TlsServer {
            server,
            port: port.expect("redis-server listens by TLS"),
            directory,
        }
    }

    /// The path of `ca.pem`, `client.pem`, `client.key` or `other.key`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The URL of the store on it, for a client without a certificate.
    pub fn url(&self) -> String {
        format!("rediss://127.0.0.1:{}", self.port)
    }
}

fn write_files(directory: &Path) -> Result<(), Error> {
    let write = |name: &str, text: String| {
        std::fs::write(directory.join(name), text).expect("a file of a certificate");
    };
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate()?;
    write("ca.pem", authority.self_signed(&authority_key)?.pem());
    let issuer = Issuer::new(authority, authority_key);
    for name in ["server", "client"] {
        let key = KeyPair::generate()?;
        let mut certificate = CertificateParams::new(vec!["127.0.0.1".into()])?;
        // A certificate with the name of its authority counts as self-signed.
        let subject = &mut certificate.distinguished_name;
        subject.push(DnType::CommonName, name);
        write(
            &format!("{name}.pem"),
            certificate.signed_by(&key, &issuer)?.pem(),
        );
        write(&format!("{name}.key"), key.serialize_pem());
    }
    write("other.key", KeyPair::generate()?.serialize_pem());
    Ok(())
}
