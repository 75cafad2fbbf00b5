//! The command line. The manual itself is `manual.txt`, so that it reads as one page.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::{account::AccountSpec, simulator::Options};

/// WeChat's token endpoints on loopback, to try and to test against without an account.
#[derive(Debug, Parser)]
#[command(name = "wechat-sim", version, after_long_help = include_str!("manual.txt"), after_help = MORE)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub mode: Mode,
}

const MORE: &str = "See `wechat-sim --help` for the manual.";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Mode {
    /// Serve until SIGTERM or SIGINT; prints one line of JSON when ready
    Serve(Serve),
    /// Run a command against a simulator of its own, and exit with its code
    Exec(Exec),
    /// Print what WeChat would push: makes a verify ticket or a suite ticket in a running simulator
    Push(Push),
}

/// The options of `serve`, and of `exec` before its `--`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Where plain http listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = loopback)]
    pub listen: SocketAddr,
    /// Where https listens (the proxy and the bad TLS listeners take free ports of this address)
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = loopback)]
    pub tls_listen: SocketAddr,
    /// Where the control API listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = loopback)]
    pub control: SocketAddr,
    /// Where ca.pem is written [default: a temporary directory, removed at exit]
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Lifetime of tokens in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 7200)]
    pub lifetime: u64,
    /// An account, KIND as in the manual, or KIND:ID@PARENT:SECRET; give it again for more [default: the demo accounts]
    #[arg(long = "account", value_name = "KIND:ID:SECRET")]
    pub accounts: Vec<AccountSpec>,
    /// Hold each token reply back that long
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub delay_ms: u64,
    /// Do not tell each request on stderr (exec never does)
    #[arg(long)]
    pub quiet: bool,
    /// Exit when the parent process dies
    #[arg(long)]
    pub parent_death: bool,
}

/// `exec`
#[derive(Debug, Args)]
pub struct Exec {
    /// How the simulator is started.
    #[command(flatten)]
    pub serve: Serve,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// `push`
#[derive(Debug, Args)]
pub struct Push {
    /// The component_appid or suite_id
    pub id: String,
    /// The control API of the simulator
    #[arg(long, value_name = "URL", env = "WXSIM_CONTROL", value_parser = control_address)]
    pub control: SocketAddr,
    /// As if it had been pushed that long ago
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub age_ms: u64,
    /// Print the ticket alone, not the XML
    #[arg(long)]
    pub ticket_only: bool,
}

impl Serve {
    /// The same, as the library takes it.
    pub fn options(&self, log: bool) -> Options {
        Options {
            listen: self.listen,
            tls_listen: self.tls_listen,
            control: self.control,
            dir: self.dir.clone(),
            lifetime_ms: self.lifetime.saturating_mul(1000),
            delay_ms: self.delay_ms,
            accounts: self.accounts.clone(),
            log,
        }
    }
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "write ADDRESS:PORT, as 127.0.0.1:0")?;
    match address.ip().is_loopback() {
        true => Ok(address),
        false => Err("the simulator is for loopback only: use 127.0.0.1 or [::1]".into()),
    }
}

fn control_address(url: &str) -> Result<SocketAddr, String> {
    loopback(url.trim_start_matches("http://").trim_end_matches('/'))
}
