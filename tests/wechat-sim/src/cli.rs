//! The command line. The manual is `manual.txt`, so that it reads as one page.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::{account::AccountSpec, simulator::Options};

/// WeChat's token endpoints on loopback, for trying things out and for tests without an account.
#[derive(Debug, Parser)]
#[command(name = "wechat-sim", version, after_long_help = include_str!("manual.txt"), after_help = MORE)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub mode: Mode,
}

const MORE: &str = "See `wechat-sim --help` for the manual.";

/// A command.
#[derive(Debug, Subcommand)]
pub enum Mode {
    /// Serve until SIGTERM or SIGINT; prints one line of JSON when ready
    Serve(Serve),
    /// Run a command against a private simulator, and exit with its code
    Exec(Exec),
    /// Make a verify ticket or a suite ticket in a running simulator, and print it as WeChat would push it
    Push(Push),
}

/// The options of `serve`, and of `exec` before its `--`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Address for plain http
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = loopback)]
    pub listen: SocketAddr,
    /// Address for https (the proxy and the bad TLS listeners take free ports of this address)
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = loopback)]
    pub tls_listen: SocketAddr,
    /// Address for the control API
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = loopback)]
    pub control: SocketAddr,
    /// Directory for ca.pem [default: a temporary directory, removed at exit]
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Lifetime of tokens in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 7200)]
    pub lifetime: u64,
    /// An account, KIND as in the manual, or KIND:ID@PARENT:SECRET; may be repeated [default: the demo accounts]
    #[arg(long = "account", value_name = "KIND:ID:SECRET")]
    pub accounts: Vec<AccountSpec>,
    /// Delay each token reply by N milliseconds
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub delay_ms: u64,
    /// Do not log requests to stderr (exec never does)
    #[arg(long)]
    pub quiet: bool,
    /// Exit when the parent process dies
    #[arg(long)]
    pub parent_death: bool,
}

/// The arguments of `exec`.
#[derive(Debug, Args)]
pub struct Exec {
    /// The options of the simulator.
    #[command(flatten)]
    pub serve: Serve,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// The arguments of `push`.
#[derive(Debug, Args)]
pub struct Push {
    /// The component_appid or suite_id
    pub id: String,
    /// The control API of the simulator
    #[arg(long, value_name = "URL", env = "WXSIM_CONTROL", value_parser = control_address)]
    pub control: SocketAddr,
    /// Make the ticket N milliseconds old
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub age_ms: u64,
    /// Print only the ticket, without the XML
    #[arg(long)]
    pub ticket_only: bool,
}

impl Serve {
    /// These options in the form that the library takes.
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
