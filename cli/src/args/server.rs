//! What can be said to `wxtoken serve`, and of its clients.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use wxtoken::tool::Verb;

#[derive(Args)]
pub struct Serve {
    /// Where it listens: unix:/PATH, http://127.0.0.1:PORT or https://ADDRESS:PORT; port 0 takes a free one; may be repeated
    ///
    /// Sockets that systemd passes are taken too: those over TCP are https where --tls-cert is given.
    #[arg(long, value_name = "URL")]
    pub listen: Vec<String>,
    /// Let http:// listen on other addresses than loopback, where keys and tokens can be read on the way
    #[arg(long)]
    pub allow_plain_http: bool,
    /// The certificate of https://, with the chain, as PEM; read again on SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// The CA of clients' certificates, as PEM: a DNS name in a certificate is a client's name
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub client_ca: Option<PathBuf>,
    /// A user of this host who is a client on the Unix socket without a key; may be repeated
    #[arg(long, value_name = "uid=UID:NAME", value_parser = peer)]
    pub peer: Vec<(u32, String)>,
    /// A proxy in front, which says in X-Forwarded-For who asks: its address, or unix; may be repeated
    #[arg(long, value_name = "ADDRESS", value_parser = proxy)]
    pub trusted_proxy: Vec<Option<IpAddr>>,
    /// The mode of Unix sockets that it makes
    #[arg(long, value_name = "MODE", default_value = "660", value_parser = socket_mode)]
    pub socket_mode: u32,
    /// The least life in seconds of a token in WeChat's own format: one that has less is fetched again first
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(i64).range(300..=3600))]
    pub min_life_s: i64,
    /// How many calls a client may make in a second; twice as many at once
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// How many connections there may be
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: u32,
    /// The paths that are forwarded for clients that may forward, parted by commas: /cgi-bin/user/info, or /wxa/*
    /// [default: every path]
    #[arg(long, value_name = "PATHS", value_delimiter = ',', value_parser = super::forwarding::pattern)]
    pub forward_paths: Vec<String>,
    /// How long the platform may take to answer a forwarded call, and how long a body may stand still
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub forward_timeout_s: u32,
    /// How long the body of a forwarded call or of its reply may be
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub forward_max_mib: u32,
    /// How many calls are forwarded at a time; others wait up to 5 seconds
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub forward_at_once: u32,
    /// Where the audit goes, a line of JSON for each call; opened again on SIGHUP [default: stdout]
    #[arg(long, value_name = "FILE")]
    pub audit: Option<PathBuf>,
}

fn peer(text: &str) -> Result<(u32, String), String> {
    let parted = text
        .strip_prefix("uid=")
        .and_then(|rest| rest.split_once(':'));
    let uid = parted.and_then(|(uid, name)| Some((uid.parse().ok()?, name.to_owned())));
    uid.ok_or_else(|| "write it as uid=33:shop-web".into())
}

fn proxy(text: &str) -> Result<Option<IpAddr>, String> {
    match text {
        "unix" => Ok(None),
        _ => text
            .parse()
            .map(Some)
            .map_err(|_| "write an IP address, or unix".into()),
    }
}

fn socket_mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode @ 0..=0o777) => Ok(mode),
        _ => Err("write it as 660".into()),
    }
}

#[derive(Subcommand)]
pub enum Client {
    /// Add a client, and print its key
    Add(ClientAdd),
    /// List the clients
    List(ClientList),
    /// Change what a client may see or do; its key stays
    Change(ClientChange),
    /// Give a client another key; the one that it has holds until the rotation is finished
    Rotate(ClientRotate),
    /// Take a client out: its keys are refused from the next call on
    Remove(ClientRemove),
}

#[derive(Args)]
pub struct ClientAdd {
    /// A name of your choosing, as shop-web
    pub name: String,
    /// The accounts that it may see, parted by commas [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub accounts: Option<Vec<String>>,
    /// What it may do, parted by commas
    #[arg(
        long,
        value_name = "VERBS",
        value_delimiter = ',',
        default_values = ["get", "reject"],
        value_parser = PossibleValuesParser::new(Verb::ALL.map(Verb::name))
    )]
    pub allow: Vec<String>,
}

#[derive(Args)]
pub struct ClientChange {
    /// Its name
    pub name: String,
    /// The accounts that it may see from now on, parted by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub accounts: Option<Vec<String>>,
    /// It may see every account from now on
    #[arg(long, conflicts_with = "accounts")]
    pub all_accounts: bool,
    /// What it may do from now on, parted by commas
    #[arg(
        long,
        value_name = "VERBS",
        value_delimiter = ',',
        value_parser = PossibleValuesParser::new(Verb::ALL.map(Verb::name))
    )]
    pub allow: Option<Vec<String>>,
}

#[derive(Args)]
pub struct ClientList {
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct ClientRotate {
    /// Its name
    pub name: String,
    /// End the older key
    #[arg(long)]
    pub finish: bool,
}

#[derive(Args)]
pub struct ClientRemove {
    /// Its name
    pub name: String,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}
