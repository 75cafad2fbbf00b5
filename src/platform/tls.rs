//! TLS to a host. Certificates are always verified, and a failure names its cause.

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore,
    SignatureScheme, StreamOwned,
};
use zeroize::Zeroizing;

use super::issuer::issuer_of;
use super::no_way::{self, NoWay, ran_out};
use super::stream::Wire;
use crate::error::{Error, Result, Status};
use crate::options::Options;
use crate::sys;

/// The certificates of `ca_file`. Fails if the file cannot be used.
pub fn own_roots(options: &Options) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(path) = &options.ca_file else {
        return Ok(roots);
    };
    let pem = sys::require_readable_file(path)
        .and_then(|()| std::fs::read(path))
        .map_err(|e| {
            Error::argument(format!("cannot read ca_file {}", path.display()))
                .because(sys::os_message(&e))
                .advise("Correct the option ca_file.")
        })?;
    let own: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let (added, _) = roots.add_parsable_certificates(own.unwrap_or_default());
    if added == 0 {
        return Err(Error::argument(format!(
            "ca_file {} holds no certificate in PEM form",
            path.display()
        ))
        .advise("Correct the option ca_file."));
    }
    Ok(roots)
}

/// The certificates of the web PKI and of `ca_file`.
fn roots(options: &Options) -> Result<RootCertStore> {
    let mut roots = own_roots(options)?;
    let web = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned();
    roots.add_parsable_certificates(web);
    Ok(roots)
}

/// The settings of a handshake, for one request.
#[derive(Debug)]
pub struct Tls {
    config: Arc<ClientConfig>,
    verifier: Arc<Verifier>,
}

/// The verifier of rustls. It also keeps the authority's name, which the error lacks.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    /// The name of the unknown authority.
    stranger: OnceLock<String>,
}

/// The certificate by which this host proves its identity: its file and the file of its key, which may be one file.
pub struct IdentityFiles<'a> {
    pub certificate: &'a Path,
    pub key: &'a Path,
}

impl IdentityFiles<'_> {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let bytes_of = |path: &Path| {
            let read = sys::require_readable_file(path).and_then(|()| std::fs::read(path));
            read.map(Zeroizing::new).map_err(|e| {
                Error::argument(format!("cannot read {}", path.display()))
                    .because(sys::os_message(&e))
                    .advise(CORRECT)
            })
        };
        let holds_no = |path: &Path, what: &str| {
            Error::argument(format!("{} holds no {what} in PEM form", path.display()))
                .advise(CORRECT)
        };
        let pem = bytes_of(self.certificate)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| holds_no(self.certificate, "certificate"))?;
        // The error's own text may quote the file.
        let key = PrivateKeyDer::from_pem_slice(&bytes_of(self.key)?)
            .map_err(|_| holds_no(self.key, "private key"))?;
        Ok((chain, key))
    }
}

/// The advice for a flaw in a certificate or its key.
const CORRECT: &str = "Correct ssl_certfile and ssl_keyfile in the store's URL.";

/// The TLS alert by which a server broke a connection off. The server may want a certificate of this host, or refuse
/// the one it got.
#[cfg(feature = "redis")]
pub fn alert(e: &io::Error) -> Option<String> {
    match e.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(alert) => Some(format!("{alert:?}")),
        _ => None,
    }
}

impl Tls {
    pub fn new(options: &Options) -> Result<Tls> {
        Tls::with_identity(options, None)
    }

    /// The settings for a server that asks this host for a certificate.
    pub fn with_identity(options: &Options, identity: Option<IdentityFiles>) -> Result<Tls> {
        let defect = |e: &dyn std::error::Error| {
            Error::new(Status::Internal, "cannot set TLS up").because(e.to_string())
        };
        let provider = Arc::new(ring::default_provider());
        let roots = Arc::new(roots(options)?);
        let inner = WebPkiServerVerifier::builder_with_provider(roots, provider.clone());
        let verifier = Arc::new(Verifier {
            inner: inner.build().map_err(|e| defect(&e))?,
            stranger: OnceLock::new(),
        });
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| defect(&e))?;
        // rustls calls every custom verifier dangerous. This one accepts nothing that rustls's own refuses.
        let config = builder
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone());
        let config = match identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = identity.read()?;
                config.with_client_auth_cert(chain, key).map_err(|_| {
                    let (certificate, key) = (identity.certificate, identity.key);
                    let of = certificate.display();
                    Error::argument(format!("the key {} cannot be used", key.display()))
                        .because(format!("it is not that of the certificate {of}"))
                        .advise(CORRECT)
                })?
            }
        };
        Ok(Tls {
            config: Arc::new(config),
            verifier,
        })
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        self.config.clone()
    }

    pub(super) fn no_handshake(&self, host: &str, e: &io::Error) -> NoWay {
        self.verifier.no_handshake(host, e)
    }

    pub(super) fn shake_hands(
        &self,
        mut wire: Wire,
        host: &str,
    ) -> Result<StreamOwned<ClientConnection, Wire>, NoWay> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            NoWay::new("TLS: the host's name is not one that a certificate can hold")
        })?;
        let mut connection = ClientConnection::new(self.config.clone(), name)
            .map_err(|e| self.verifier.failure(host, &e))?;
        match connection.complete_io(&mut wire) {
            Ok(_) => Ok(StreamOwned::new(connection, wire)),
            Err(e) => Err(self.verifier.no_handshake(host, &e)),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        if let Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) = &verified {
            let others: Vec<&[u8]> = intermediates.iter().map(|der| &**der).collect();
            if let Some(name) = issuer_of(end_entity, &others) {
                let _ = self.stranger.set(name);
            }
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

impl Verifier {
    fn no_handshake(&self, host: &str, e: &io::Error) -> NoWay {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        let inner = e.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
        match inner {
            Some(e) => self.failure(host, e),
            None if ran_out(e) => {
                NoWay::new("the host accepted the connection, but did not finish the TLS handshake")
                    .timeout()
            }
            // A server of plain HTTP may hang up on a greeting that it does not understand.
            None if matches!(e.kind(), UnexpectedEof | ConnectionReset | BrokenPipe) => NoWay {
                is_tls: true,
                ..NoWay::new(format!(
                    "TLS: the host hung up in the handshake ({}): it does not speak TLS, or a firewall cuts it off",
                    no_way::words(e)
                ))
            },
            None => NoWay::io("the connection broke off in the TLS handshake: ", e),
        }
    }

    fn failure(&self, host: &str, e: &rustls::Error) -> NoWay {
        let (what, advice) = match e {
            rustls::Error::InvalidCertificate(e) => self.refused(host, e),
            rustls::Error::InvalidMessage(_) => (
                "TLS: the other end does not speak TLS".into(),
                "See what it is: a host of plain HTTP, a portal that asks for a login, or another port.",
            ),
            rustls::Error::AlertReceived(alert) => (
                format!("TLS: the host ended the handshake ({alert:?})"),
                "See whether it is the right host, and which versions of TLS it speaks.",
            ),
            rustls::Error::PeerIncompatible(_) => (
                "TLS: the host supports no version and cipher of this library".into(),
                "Let it speak TLS 1.2 or 1.3.",
            ),
            _ => (
                "TLS: the handshake failed".into(),
                "See who answers: openssl s_client -connect HOST:PORT.",
            ),
        };
        NoWay {
            is_tls: true,
            ..NoWay::new(what).advise(advice)
        }
    }

    /// The reason why a certificate was refused, and the remedy.
    fn refused(&self, host: &str, e: &CertificateError) -> (String, &'static str) {
        const CLOCK: &str = "If this host's clock is wrong, set it: timedatectl set-ntp true. Otherwise the certificate needs \
            to be renewed.";
        const AUTHORITY: &str = "If a proxy of yours signs certificates, name the file of its own by the option ca_file.";
        match e {
            CertificateError::ExpiredContext { time, not_after } => (
                format!(
                    "TLS: the host's certificate expired at {}; this host's clock says {}",
                    utc(*not_after),
                    utc(*time)
                ),
                CLOCK,
            ),
            CertificateError::NotValidYetContext { time, not_before } => (
                format!(
                    "TLS: the host's certificate is not valid before {}; this host's clock says {}",
                    utc(*not_before),
                    utc(*time)
                ),
                CLOCK,
            ),
            CertificateError::UnknownIssuer => (
                match self.stranger.get() {
                    Some(name) => format!(
                        "TLS: the host's certificate is signed by \"{name}\", an authority that is not trusted here"
                    ),
                    None => "TLS: the host's certificate is signed by an authority that is not trusted here".into(),
                },
                AUTHORITY,
            ),
            CertificateError::NotValidForNameContext { presented, .. } => (
                format!("TLS: the host's certificate is for {}, and not for {host}", listed(presented)),
                "See whether that host is meant, and which one answers in its place.",
            ),
            other => {
                let why: String = other.to_string().chars().take(80).collect();
                (format!("TLS: the host's certificate was refused: {why}"), AUTHORITY)
            }
        }
    }
}

/// A time in UTC, for comparison with another clock.
fn utc(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).ok();
    let time = seconds.and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
    match time {
        Some(time) => time.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        None => "a time beyond all calendars".into(),
    }
}

/// The names in a certificate, without rustls's wrapping: `DnsName("a.example")`.
fn listed(presented: &[String]) -> String {
    const MOST: usize = 3;
    let bare = presented.iter().map(|name| {
        let inner = name
            .split_once('(')
            .and_then(|(_, rest)| rest.strip_suffix(')'));
        let inner = inner.unwrap_or(name).trim_matches('"');
        let plain = inner.replace(|c: char| c.is_control() || c == '"', " ");
        plain.chars().take(60).collect::<String>()
    });
    let names: Vec<String> = bare.take(MOST).collect();
    match presented.len() {
        0 => "no name".into(),
        1..=MOST => names.join(", "),
        count => format!("{} and {} more names", names.join(", "), count - MOST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_certificate_are_listed_bare() {
        let list =
            |names: &[&str]| listed(&names.iter().map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(list(&[]), "no name");
        assert_eq!(list(&["DnsName(\"*.a.example\")"]), "*.a.example");
        assert_eq!(
            list(&["DnsName(\"a\")", "IpAddress(10.0.0.1)"]),
            "a, 10.0.0.1"
        );
        assert_eq!(list(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more names");
        assert!(!list(&["DnsName(\"a\n\"b\")"]).contains(['\n', '"']));
    }

    #[test]
    fn times_are_shown_in_utc() {
        let at = |seconds| {
            utc(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
                seconds,
            )))
        };
        assert_eq!(at(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(at(1_700_000_000), "2023-11-14 22:13:20 UTC");
        at(u64::MAX);
    }
}
