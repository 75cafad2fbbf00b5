//! The arguments of `wxtoken serve` and `wxtoken client`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use wxtoken::tool::Verb;

#[derive(Args)]
pub struct Serve {
    /// Listen on unix:/PATH, http://127.0.0.1:PORT or https://ADDRESS:PORT; port 0 takes a free port; may be repeated
    ///
    /// Sockets passed by systemd are used too. TCP sockets among them speak https if --tls-cert is given.
    #[arg(long, value_name = "URL")]
    pub listen: Vec<String>,
    /// Allow http:// on addresses other than loopback; keys and tokens can then be read in transit
    #[arg(long)]
    pub allow_plain_http: bool,
    /// The certificate for https://, with its chain, in PEM; read again on SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// The CA of client certificates, in PEM; a DNS name in a certificate is the name of a client
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub client_ca: Option<PathBuf>,
    /// A user of this host that is a client on the Unix socket without a key; may be repeated
    #[arg(long, value_name = "uid=UID:NAME", value_parser = peer)]
    pub peer: Vec<(u32, String)>,
    /// A proxy in front of the server whose X-Forwarded-For is trusted: its IP address, or unix; may be repeated
    #[arg(long, value_name = "ADDRESS", value_parser = proxy)]
    pub trusted_proxy: Vec<Option<IpAddr>>,
    /// The mode of the Unix sockets that the server creates
    #[arg(long, value_name = "MODE", default_value = "660", value_parser = socket_mode)]
    pub socket_mode: u32,
    /// The least remaining life, in seconds, of a token in a reply of WeChat's own format; one with less is refreshed
    /// first
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(i64).range(300..=3600))]
    pub min_life_s: i64,
    /// Calls that a client may make per second, and twice as many in a burst
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// Connections that may be open at the same time
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: u32,
    /// The paths that are forwarded for clients with the right forward, separated by commas, such as /cgi-bin/user/info
    /// or /wxa/* [default: every path]
    #[arg(long, value_name = "PATHS", value_delimiter = ',', value_parser = super::forwarding::pattern)]
    pub forward_paths: Vec<String>,
    /// Seconds that the platform may take to answer a forwarded call, and that a body may stall
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub forward_timeout_s: u32,
    /// The largest body of a forwarded call or of its reply, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub forward_max_mib: u32,
    /// Calls that are forwarded at the same time; others wait up to 5 seconds
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub forward_at_once: u32,
    /// Write the audit, a line of JSON for each call, to this file; opened again on SIGHUP [default: stdout]
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
        _ => Err("write an octal mode such as 660".into()),
    }
}

#[derive(Subcommand)]
pub enum Client {
    /// Add a client, and print its key
    Add(ClientAdd),
    /// List the clients
    List(ClientList),
    /// Change what a client may see or do; its key stays the same
    Change(ClientChange),
    /// Give a client a second key; the first one stays valid until the rotation is finished
    Rotate(ClientRotate),
    /// Remove a client; its keys are refused from the next call on
    Remove(ClientRemove),
}

#[derive(Args)]
pub struct ClientAdd {
    /// A name of your choosing, such as shop-web
    pub name: String,
    /// The accounts that the client may see, separated by commas [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub accounts: Option<Vec<String>>,
    /// The rights of the client, separated by commas
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
    /// The client
    pub name: String,
    /// The accounts that the client may see from now on, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub accounts: Option<Vec<String>>,
    /// Let the client see every account from now on
    #[arg(long, conflicts_with = "accounts")]
    pub all_accounts: bool,
    /// The rights of the client from now on, separated by commas
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
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct ClientRotate {
    /// The client
    pub name: String,
    /// Finish the rotation: end the older key
    #[arg(long)]
    pub finish: bool,
}

#[derive(Args)]
pub struct ClientRemove {
    /// The client
    pub name: String,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
}
