//! The server's certificate, and the names in clients' certificates. A signal makes the files be read again. If they
//! cannot be read, the certificate stays as it was.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;
use webpki::EndEntityCert;
use wxtoken::tool::Error;

use crate::exit::Failure;

/// The time limit of a handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    pub fn read(cert: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Tls, Failure> {
        Ok(Tls {
            config: RwLock::new(config(cert, key, client_ca)?),
            cert: cert.into(),
            key: key.into(),
            client_ca: client_ca.map(Path::to_owned),
        })
    }

    pub fn reload(&self) -> Result<(), Failure> {
        let read = config(&self.cert, &self.key, self.client_ca.as_deref())?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    /// Shakes hands. Returns None if the handshake fails or takes too long.
    pub async fn accept(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let config = self
            .config
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let shaken = TlsAcceptor::from(config).accept(stream);
        tokio::time::timeout(HANDSHAKE, shaken).await.ok()?.ok()
    }
}

/// The DNS names in the verified certificate of the other end.
pub fn names_of(stream: &TlsStream<TcpStream>) -> Vec<String> {
    let (_, session) = stream.get_ref();
    let shown = session.peer_certificates().unwrap_or_default();
    let Some(Ok(certificate)) = shown.first().map(EndEntityCert::try_from) else {
        return Vec::new();
    };
    certificate.valid_dns_names().map(str::to_owned).collect()
}

fn config(cert: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Arc<ServerConfig>, Failure> {
    let chain = certificates(cert)?;
    // The error's own text may quote the file.
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|_| cannot_use(key).because("it holds no private key in PEM that can be read"))?;
    let builder = ServerConfig::builder();
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(path)? {
                roots
                    .add(root)
                    .map_err(|e| cannot_use(path).because(e.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
                .allow_unauthenticated()
                .build()
                .map_err(|e| cannot_use(path).because(e.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain, private)
        .map_err(|e| cannot_use(cert).because(e.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(cannot_use(path)
            .because("it holds no certificate in PEM")
            .into()),
        Err(e) => Err(cannot_use(path).because(e.to_string()).into()),
    }
}

fn cannot_use(path: &Path) -> Error {
    Error::argument(format!("cannot use {}", path.display()))
}
