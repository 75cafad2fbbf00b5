//! The other listeners: TLS with client certificates, the Unix socket with its users, and sockets passed by systemd.

use super::*;

use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A certificate authority for this test.
pub(super) struct Authority {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Authority {
            pem: params.self_signed(&key).unwrap().pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Returns a certificate for this name, and its key, in PEM.
    pub fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        (signed.pem(), key.serialize_pem())
    }

    /// Starts a server with TLS and a certificate for `localhost`. It accepts client certificates of this authority.
    pub fn serving(&self, desk: &Desk) -> Serving {
        let (certificate, private) = self.sign("localhost");
        let cert = desk.file("cert.pem", &certificate);
        let key = desk.file("key.pem", &private);
        let ca = desk.file("ca.pem", &self.pem);
        let mut words = vec!["--listen", "https://127.0.0.1:0"];
        words.extend(["--tls-cert", &cert, "--tls-key", &key, "--client-ca", &ca]);
        Serving::with(desk, &words)
    }

    /// Connects to a server and trusts this authority. `own` is the client's certificate, if it has one.
    pub fn connect(
        &self,
        serving: &Serving,
        own: Option<&(String, String)>,
    ) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap())
            .unwrap();
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
        };
        let address = serving
            .url("https://")
            .trim_start_matches("https://")
            .to_owned();
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(patience())).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        Ok(StreamOwned::new(session, stream))
    }
}

#[test]
fn a_certificate_names_its_client_and_a_signal_brings_a_new_one() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    desk.client("crm.example.com", &[]);
    let (authority, other) = (Authority::new(), Authority::new());
    let serving = authority.serving(&desk);
    let get = |stream: &mut StreamOwned<_, _>, key: &str| {
        ask(stream, "GET", "/v1/token/shop", &bearer(key), "")
    };
    let by_key = get(&mut authority.connect(&serving, None).unwrap(), &key);
    assert!(desk.world.accepts(&by_key.token()));
    assert_eq!(
        get(&mut authority.connect(&serving, None).unwrap(), "").status,
        401
    );
    let own = authority.sign("crm.example.com");
    assert_eq!(
        get(&mut authority.connect(&serving, Some(&own)).unwrap(), "").status,
        200
    );
    // The first certificate is signed, but names no client. The second names a client, but is not signed.
    let nobody = authority.sign("nobody.example.com");
    assert_eq!(
        get(&mut authority.connect(&serving, Some(&nobody)).unwrap(), "").status,
        401
    );
    let forged = other.sign("crm.example.com");
    let refused = authority
        .connect(&serving, Some(&forged))
        .and_then(|mut stream| {
            // In TLS 1.3 a refusal comes with the first answer.
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")?;
            stream.read(&mut [0; 1])
        });
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(desk.world.minted(), 1);
    // The new certificate is from another authority.
    let (certificate, private) = other.sign("localhost");
    desk.file("cert.pem", &certificate);
    desk.file("key.pem", &private);
    assert!(other.connect(&serving, None).is_err());
    serving.signal(libc::SIGHUP);
    serving.until_it_says("read the certificate again");
    assert_eq!(
        get(&mut other.connect(&serving, None).unwrap(), &key).status,
        200
    );
    // A file that cannot be read leaves the certificate as it is.
    desk.file("cert.pem", "nonsense");
    serving.signal(libc::SIGHUP);
    serving.until_it_says("the certificate stays as it was");
    assert_eq!(
        get(&mut other.connect(&serving, None).unwrap(), &key).status,
        200
    );
    let written = serving.end();
    assert!(
        written.contains("\"client\":\"crm.example.com\""),
        "{written}"
    );
    has_none_of(&written, &[&key, SECRET, private.lines().nth(1).unwrap()]);
}

#[test]
fn a_handshake_that_does_not_come_keeps_nobody_out() {
    let desk = Desk::with_shop();
    let authority = Authority::new();
    let (certificate, private) = authority.sign("localhost");
    let (cert, key_file) = (
        desk.file("cert.pem", &certificate),
        desk.file("key.pem", &private),
    );
    let serving = Serving::with(
        &desk,
        &[
            "--listen",
            "https://127.0.0.1:0",
            "--tls-cert",
            &cert,
            "--tls-key",
            &key_file,
        ],
    );
    let address = serving
        .url("https://")
        .trim_start_matches("https://")
        .to_owned();
    let mut silent = TcpStream::connect(address).unwrap();
    let mut stream = authority.connect(&serving, None).unwrap();
    assert_eq!(ask(&mut stream, "GET", "/healthz", "", "").status, 200);
    silent.set_read_timeout(Some(patience())).unwrap();
    let read = silent.read(&mut [0]).map_err(|e| e.kind());
    let reset = std::io::ErrorKind::ConnectionReset;
    assert!(
        matches!(read, Ok(0)) || read == Err(reset),
        "it is closed: {read:?}"
    );
}

#[test]
fn a_user_of_the_socket_needs_no_key() {
    let desk = Desk::with_shop();
    desk.client("web", &[]);
    let path = desk.path("serve.sock").display().to_string();
    let listen = format!("unix:{path}");
    // SAFETY: getuid only returns a number.
    let uid = unsafe { libc::getuid() };
    let peer = format!("uid={uid}:web");
    let serving = Serving::with(&desk, &["--listen", &listen, "--peer", &peer]);
    assert_eq!(serving.url("unix:"), listen);
    let connect = || {
        let stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(patience())).unwrap();
        stream
    };
    let get = |path: &str, headers: &str| ask(&mut connect(), "GET", path, headers, "");
    let token = get("/v1/token/shop", "").token();
    // An SDK sends some value in the place of the secret.
    let of_wechat = get(
        "/cgi-bin/token?grant_type=client_credential&appid=wx1&secret=unused",
        "",
    );
    assert_eq!(of_wechat.json()["access_token"], *token);
    // A wrong key is refused here too, and so is the header of a proxy.
    assert_eq!(get("/v1/token/shop", &bearer("wxk_wrong")).status, 401);
    assert_eq!(
        get("/v1/token/shop", "X-Forwarded-For: 1.1.1.1\r\n").status,
        400
    );
    desk.done(&["client", "remove", "web", "--yes"]);
    assert_eq!(get("/v1/token/shop", "").status, 401);
    let written = serving.end();
    assert!(
        written.contains(&format!("\"address\":\"unix:uid={uid}\"")),
        "{written}"
    );
    assert!(
        !std::path::Path::new(&path).exists(),
        "the socket goes with the server"
    );
    // The socket of a killed server is replaced, and the socket of a running one is not.
    let mut killed = Serving::with(&desk, &["--listen", &listen]);
    killed.kill();
    assert!(std::path::Path::new(&path).exists());
    let _living = Serving::with(&desk, &["--listen", &listen]);
    let second = desk.run(&["serve", "--listen", &listen]);
    assert!(
        second.code != 0 && second.err.contains("in use"),
        "{}",
        second.err
    );
    assert_eq!(get("/healthz", "").status, 200);
}

#[test]
fn sockets_that_the_service_manager_passes_are_taken() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, fd) = (socket.local_addr().unwrap(), socket.as_raw_fd());
    let serving = Serving::named(&desk, "serve", &[], |command| {
        let program = command.get_program().to_owned();
        let words: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
        let environment: Vec<_> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        let log = std::fs::File::options()
            .append(true)
            .open(desk.path("serve.log"))
            .unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\""]);
        shell.arg(program).args(words).env_clear().envs(environment);
        shell.stdout(Stdio::null()).stderr(log);
        // SAFETY: the closure makes only system calls.
        unsafe {
            shell.pre_exec(move || {
                // dup2 takes a copy. If `fd` is 3, dup2 of it to itself would leave it to be closed on exec.
                match libc::dup2(libc::dup(fd), 3) {
                    3 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        *command = shell;
    });
    drop(socket);
    assert_eq!(serving.url("http://"), format!("http://{address}"));
    assert_eq!(serving.get("/v1/token/shop", &key).status, 200);
    assert_eq!(desk.world.minted(), 1);
}

#[test]
fn an_address_that_cannot_be_used_is_reported() {
    let desk = Desk::with_shop();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let used = format!("http://{}", taken.local_addr().unwrap());
    for (words, said) in [
        (vec!["serve", "--listen", &used], "in use"),
        (vec!["serve"], "no address to listen on"),
        (
            vec!["serve", "--listen", "http://0.0.0.0:0"],
            "--allow-plain-http",
        ),
        (
            vec!["serve", "--listen", "https://127.0.0.1:0"],
            "--tls-cert",
        ),
        (
            vec!["serve", "--listen", "nonsense"],
            "unix:/run/wxtoken/serve.sock",
        ),
        (
            vec![
                "serve",
                "--listen",
                "http://127.0.0.1:0",
                "--min-life-s",
                "10",
            ],
            "300",
        ),
        (
            vec![
                "serve",
                "--listen",
                "https://127.0.0.1:0",
                "--tls-cert",
                "/none",
                "--tls-key",
                "/none",
            ],
            "/none",
        ),
    ] {
        let run = finished(desk.command(&words), "");
        assert!(
            run.code != 0 && run.err.contains(said),
            "{words:?}: {}",
            run.err
        );
    }
}
