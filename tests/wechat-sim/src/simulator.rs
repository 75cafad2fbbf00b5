//! The simulator as a whole: its start, its addresses, and its end when dropped.
//!
//! It runs on its own thread. Every listener is bound before `start` returns, so a test can connect at once.

use std::{
    collections::BTreeMap,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    thread::JoinHandle,
};

use serde::Serialize;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::{
    account::AccountSpec,
    doors::Doors,
    tls::make_certificates,
    world::{Defaults, Shared, World},
};

/// The options of a simulator.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address for plain http.
    pub listen: SocketAddr,
    /// The address for https. The proxy and the bad TLS listeners take free ports of this address.
    pub tls_listen: SocketAddr,
    /// The address of the control API.
    pub control: SocketAddr,
    /// The directory for `ca.pem`; by default a temporary one, removed at the end.
    pub dir: Option<PathBuf>,
    /// The lifetime of tokens, unless the account sets one.
    pub lifetime_ms: u64,
    /// The delay of token replies, unless the account sets one.
    pub delay_ms: u64,
    /// The accounts; empty for the demo accounts.
    pub accounts: Vec<AccountSpec>,
    /// Whether each request is logged to stderr, without secrets.
    pub log: bool,
}

impl Default for Options {
    fn default() -> Self {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Options {
            listen: anywhere,
            tls_listen: anywhere,
            control: anywhere,
            dir: None,
            lifetime_ms: 7_200_000,
            delay_ms: 0,
            accounts: Vec::new(),
            log: false,
        }
    }
}

/// The demo accounts, in the form of the command line.
const DEMO: [&str; 11] = [
    "official:wxdemo0000000001:demo-secret-0000000000000000000000001",
    "work:wwdemo0000000001:demo-corpsecret-000000000000000000000000001",
    "component:wxdemocomponent01:demo-componentsecret-00000000001",
    "suite:wwdemosuite000001:demo-suitesecret-00000000000000000000000001",
    "provider:wwdemoprovider001:demo-providersecret-00000000000000000000000000000000000000000001",
    "qq:1100000001:demo-qqsecret-000000000000000001",
    "douyin:ttdemo00000000001:demo-douyinsecret-0000000000000000000001",
    "dingtalk:dingdemo000000000001:demo-dingsecret-000000000000000000000000000000000000000000000001",
    "feishu:cli_demo000000001:demo-feishusecret-00000000000001",
    "authorizer:wxdemoauthorizer1@wxdemocomponent01:refreshtoken@@@demo-00000000000000000000000000000000000001",
    "work_authorized:wwdemoauthcorp001@wwdemosuite000001:demo-permanentcode-000000000000000000000001",
];

/// The accounts that exist if none is given.
pub fn demo_accounts() -> Vec<AccountSpec> {
    let parsed = DEMO.iter().map(|account| account.parse());
    parsed
        .collect::<Result<_, _>>()
        .expect("the demo accounts are written as the command line takes them")
}

/// The addresses of all listeners: the ready line of `serve`.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs)]
pub struct Endpoints {
    pub http: String,
    pub https: String,
    pub control: String,
    pub proxy: String,
    pub ca_file: PathBuf,
    pub pid: u32,
    pub bad_tls: BTreeMap<String, String>,
    pub reset_handshake: String,
    pub redirect_target: String,
}

impl Endpoints {
    /// The ready line, as printed.
    pub fn to_json(&self) -> Value {
        serde_json::json!(self)
    }
}

/// A running simulator.
#[derive(Debug)]
pub struct Simulator {
    pub(crate) world: Shared,
    endpoints: Endpoints,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _dir: Option<TempDir>,
}

impl Simulator {
    /// Binds, writes `ca.pem`, and serves until dropped. Refuses an address that is not on loopback.
    pub fn start(options: Options) -> io::Result<Simulator> {
        let certificates = make_certificates()?;
        let (dir, ca_file) = write_ca(options.dir.as_deref(), &certificates.ca_pem)?;
        let doors = Doors::bind(&options, &certificates)?;
        let endpoints = doors.endpoints(ca_file)?;
        let accounts = if options.accounts.is_empty() {
            demo_accounts()
        } else {
            options.accounts
        };
        let defaults = Defaults {
            accounts,
            lifetime_ms: options.lifetime_ms,
            delay_ms: options.delay_ms,
        };
        let world = World::create(defaults, endpoints.clone());

        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let shared = world.clone();
        let thread = std::thread::Builder::new()
            .name("wechat-sim".into())
            .spawn(move || {
                runtime.block_on(async move {
                    if let Err(error) = doors.open(&shared, certificates, options.log) {
                        eprintln!("wechat-sim: cannot serve: {error}");
                    }
                    // An error also means that the simulator was dropped.
                    let _ = stopped.await;
                });
            })?;
        Ok(Simulator {
            world,
            endpoints,
            stop: Some(stop),
            thread: Some(thread),
            _dir: dir,
        })
    }

    /// The contents of the ready line.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has already been printed.
            let _ = thread.join();
        }
    }
}

fn write_ca(dir: Option<&Path>, pem: &str) -> io::Result<(Option<TempDir>, PathBuf)> {
    let temporary = match dir {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("wechat-sim-").tempdir()?),
    };
    let dir = dir
        .or(temporary.as_ref().map(TempDir::path))
        .unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let file = dir.canonicalize()?.join("ca.pem");
    fs::write(&file, pem).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot write {}: {error}", file.display()),
        )
    })?;
    Ok((temporary, file))
}
