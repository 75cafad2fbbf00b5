//! The test certificate authority. It is made at each start, and trusted only by clients that are given its `ca.pem`.
//!
//! It signs the good certificate, which names every host that the library may call, and the bad ones that a client must
//! refuse.

use std::{io, sync::Arc};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use tokio_rustls::rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

const NAMES: [&str; 9] = [
    "127.0.0.1",
    "::1",
    "localhost",
    "api.weixin.qq.com",
    "api2.weixin.qq.com",
    "sh.api.weixin.qq.com",
    "sz.api.weixin.qq.com",
    "hk.api.weixin.qq.com",
    "qyapi.weixin.qq.com",
];

/// The certificates of the TLS listeners.
pub struct Certificates {
    /// The authority, for clients to trust.
    pub ca_pem: String,
    /// The good certificate.
    pub server: Arc<ServerConfig>,
    /// The bad ones, by name.
    pub bad: Vec<(&'static str, Arc<ServerConfig>)>,
}

/// Makes the authority and all certificates.
pub fn make_certificates() -> io::Result<Certificates> {
    make().map_err(|error| io::Error::other(format!("cannot make the test certificates: {error}")))
}

fn make() -> Result<Certificates, Box<dyn std::error::Error + Send + Sync>> {
    let (ca, issuer) = authority("wechat-sim test CA")?;
    let (_, stranger) = authority("wechat-sim CA nobody trusts")?;
    let good = named(&NAMES)?;
    let mut expired = good.clone();
    expired.not_before = date_time_ymd(2019, 1, 1);
    expired.not_after = date_time_ymd(2020, 1, 1);

    let mut early = good.clone();
    early.not_before = date_time_ymd(2099, 1, 1);
    early.not_after = date_time_ymd(2100, 1, 1);

    let key = KeyPair::generate()?;
    let bad = vec![
        (
            "wrong_host",
            config(
                named(&["wrong.example.org"])?.signed_by(&key, &issuer)?,
                &key,
            )?,
        ),
        ("expired", config(expired.signed_by(&key, &issuer)?, &key)?),
        (
            "not_yet_valid",
            config(early.signed_by(&key, &issuer)?, &key)?,
        ),
        ("self_signed", config(good.self_signed(&key)?, &key)?),
        (
            "unknown_ca",
            config(good.signed_by(&key, &stranger)?, &key)?,
        ),
    ];
    let server = config(good.signed_by(&key, &issuer)?, &key)?;
    Ok(Certificates {
        ca_pem: ca.pem(),
        server,
        bad,
    })
}

fn authority(name: &str) -> Result<(Certificate, Issuer<'static, KeyPair>), rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?, Issuer::new(params, key)))
}

fn named(names: &[&str]) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(
        names
            .iter()
            .map(|name| name.to_string())
            .collect::<Vec<_>>(),
    )?;
    params
        .distinguished_name
        .push(DnType::CommonName, names[names.len() - 1]);
    Ok(params)
}

fn config(
    certificate: Certificate,
    key: &KeyPair,
) -> Result<Arc<ServerConfig>, tokio_rustls::rustls::Error> {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok(Arc::new(config))
}
