//! The command line: commands, arguments and options.

mod forwarding;
mod server;

pub use forwarding::is_plain;
pub use server::{Client, ClientAdd, ClientChange, ClientList, ClientRemove, ClientRotate, Serve};

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use wxtoken::tool::{KindOfAccount, kinds};

use crate::exit::Failure;
use crate::help;

/// One WeChat access token per account, fetched once and shared by every process on this host.
#[derive(Parser)]
#[command(
    name = "wxtoken",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
#[command(after_help = help::EXAMPLES, after_long_help = help::AFTER_HELP.as_str())]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// The store: the path of an SQLite file, or a URL such as redis://HOST [default:
    /// $XDG_STATE_HOME/wxtoken/tokens.db]
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        value_name = "STORE",
        env = "WXTOKEN_STORE",
        hide_env_values = true
    )]
    pub store: Option<String>,

    /// The mode of a new store, such as 640 to let its group read it [default: 600]
    ///
    /// One of 600, 640 and 660. An existing store keeps its mode. Only the owner can read the key, whatever the mode.
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        value_name = "MODE",
        value_parser = store_mode
    )]
    pub mode: Option<u32>,

    /// Set an option, such as timeout_ms=3000 or proxy=http://127.0.0.1:3128; may be repeated
    ///
    /// The options are those of wxtoken_set. The end of `wxtoken --help` and the page wxtoken(1) list them.
    #[arg(
        short = 'o',
        long = "option",
        global = true,
        help_heading = "Global options",
        value_name = "NAME=VALUE"
    )]
    option: Vec<String>,

    /// When to print colours
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = false
    )]
    pub color: Color,

    #[command(subcommand)]
    pub command: Command,
}

/// Parses a mode, and accepts only those that keep other users out of the store.
fn store_mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode @ (0o600 | 0o640 | 0o660)) => Ok(mode),
        _ => Err("the mode of a store is 600, 640 or 660".into()),
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Subcommand)]
pub enum Command {
    /// Print a valid token and nothing else
    Get(Get),
    /// Register, list and remove accounts, and choose the current one
    #[command(subcommand)]
    Account(Account),
    /// Store what arrives after registration: a pushed ticket, a refresh token, a parent
    ///
    /// A ticket or refresh token is typed at a prompt without echo if stdin is a terminal, and read from stdin
    /// otherwise. It is never an argument, because every user of the host can see arguments.
    Put(Put),
    /// Report that the API refused a token, so that the next get fetches another
    ///
    /// Nothing happens if the store already holds another token. A rejection leads to a fetch at most once in 30 s.
    /// Until then, get returns the same token.
    Reject(Reject),
    /// Retry now, after the cause of a failure has been fixed
    ///
    /// After a failure, every process waits before the next request. After some errcodes it waits an hour or a day.
    /// This command ends the wait for every token and ticket of the account. The next get, or the keeper, asks the
    /// platform again.
    Retry(Retry),
    /// Show how many calls an account has left today, look up a rid, or clear the day's counts
    ///
    /// WeChat counts calls by account and API, and answers errcode 45009 when none is left for the day. Without PATH,
    /// the command shows the calls that wxtoken itself makes for the account, and customer messages. Official accounts,
    /// mini programs, third-party platforms and the accounts authorized to one have these counts.
    Quota(Quota),
    /// Show every token: its age, the life it has left, its failures, and what to do
    ///
    /// To watch it, run it with `watch`: watch -c -n2 wxtoken --color=always status
    ///
    /// For Prometheus, let a timer write a file for the textfile collector, and move it into place when it is complete:
    /// wxtoken status --prometheus > wxtoken.prom.new && mv wxtoken.prom.new wxtoken.prom
    Status(Status),
    /// Keep every token fresh until stopped; run one per host, as a service
    ///
    /// With --from it is a bridge: it fills this store from another one. Programs on this host then read a file, hold
    /// no key and need no network.
    Keep(Keep),
    /// Run the central server: keep every token fresh, and hand tokens to clients over HTTP
    ///
    /// The server answers its own API under /v1. It also answers WeChat's own calls, such as GET /cgi-bin/token, with a
    /// client's key in the place of the secret. `wxtoken client` manages the clients.
    Serve(Serve),
    /// Manage the clients that may ask a server for tokens
    #[command(subcommand)]
    Client(Client),
    /// Look for faults, and say how to fix each of them
    Doctor(Doctor),
    /// Copy accounts, and what was put for them, from one store to another
    ///
    /// FROM and TO are each the path of a file, or a URL such as redis://HOST. Secrets are sealed with the key of TO.
    /// Tokens are not copied: TO fetches its own. When TO fetches a token of a kind such as official_classic, the one
    /// in FROM ends. Use only one of the two stores from then on.
    ///
    /// An account that TO lacks is added. An account that differs in TO, or was removed there, is left as it is and
    /// named, because nobody knows which one is newer. With --replace, both are taken from FROM. If both stores have a
    /// pushed secret, the one that was put later is kept. Running the command again is harmless, and completes a copy
    /// that was interrupted.
    Copy(Copy),
    /// Make a new key, and seal every secret with it
    Rekey,
    /// Write accounts and secrets, still sealed, to a new file
    Backup(Backup),
    /// Replace the accounts of the store with those of a backup
    Restore(Restore),
    /// Print completions for a shell
    Completions(Completions),
    /// Print the manual page, or write a page for each command
    Man(Man),
}

#[derive(Args)]
pub struct Get {
    /// An account, or account/credential such as shop/jsapi_ticket [default: the current account]
    pub name: Option<String>,
    /// Print name, token and expires_at as JSON; expires_at is in Unix seconds, or null if unknown
    #[arg(long)]
    pub json: bool,
}

#[derive(Subcommand)]
pub enum Account {
    /// Register an account, or change one
    ///
    /// The secret is typed at a prompt without echo if stdin is a terminal, and read from stdin otherwise. It is never
    /// an argument, because every user of the host can see arguments.
    Add(AccountAdd),
    /// List the accounts
    List(AccountList),
    /// Remove an account from the store, with the tokens that only it has
    Remove(AccountRemove),
    /// Make an account the current one, which `get` uses if no name is given
    Use(AccountUse),
}

#[derive(Args)]
pub struct AccountAdd {
    /// A name of your choosing
    pub name: String,
    /// The kind of the account
    #[arg(long, value_parser = PossibleValuesParser::new(kinds_of_account()))]
    pub kind: String,
    /// The appid, corpid, suite_id, or whatever the platform calls its id
    #[arg(long)]
    pub id: String,
    /// Read the secret from a file; - is stdin
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// The parent account: the component of an authorizer, or the suite of a work_authorized
    #[arg(long, value_name = "NAME")]
    pub parent: Option<String>,
}

#[derive(Args)]
pub struct AccountList {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct AccountRemove {
    /// The account
    pub name: String,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
}

#[derive(Args)]
pub struct AccountUse {
    /// The account
    pub name: String,
}

#[derive(Args)]
pub struct Put {
    /// The account
    pub name: String,
    /// The field to put: a secret of this name, the parent, current to make the account the current one, or retry to
    /// retry now
    #[arg(value_parser = PossibleValuesParser::new(fields()))]
    pub field: String,
    /// The parent account; only with the field parent
    pub value: Option<String>,
    /// Read the value from a file; - is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "value")]
    pub file: Option<PathBuf>,
}

#[derive(Args)]
pub struct Reject {
    /// An account, or account/credential [default: the current account]
    pub name: Option<String>,
    /// Read the refused token from a file; - is stdin [default: the stored token]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

#[derive(Args)]
pub struct Retry {
    /// An account [default: all accounts]
    pub name: Option<String>,
}

#[derive(Args)]
pub struct Quota {
    /// The account
    pub name: String,
    /// The path of an API, such as /cgi-bin/message/custom/send
    #[arg(value_name = "PATH", conflicts_with_all = ["rid", "clear"])]
    pub paths: Vec<String>,
    /// Show what WeChat recorded of this request in the last 7 days; the whole errmsg may be given
    #[arg(long, conflicts_with = "clear")]
    pub rid: Option<String>,
    /// Set the day's counts of all APIs back to 0; WeChat allows it ten times a month
    #[arg(long)]
    pub clear: bool,
    /// Do not ask for confirmation
    #[arg(short, long, requires = "clear")]
    pub yes: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "clear")]
    pub json: bool,
}

#[derive(Args)]
pub struct Status {
    /// The accounts to show, or account/credential [default: all]
    pub name: Vec<String>,
    /// Print the library's report as JSON
    #[arg(long)]
    pub json: bool,
    /// Print metrics for a Prometheus textfile collector
    #[arg(long, conflicts_with = "json")]
    pub prometheus: bool,
    /// Exit with 1 if a token is missing, expired or rejected
    #[arg(long)]
    pub check: bool,
}

#[derive(Args)]
pub struct Doctor {
    /// Do not contact the platforms
    #[arg(long)]
    pub offline: bool,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Keep {
    /// Bring every token from this store, such as https://HOST:8443 or redis://HOST, and fetch none
    #[arg(long, value_name = "STORE")]
    pub from: Option<String>,
    /// The key file of that store [default: the option key_file, or the usual key file of the store]
    #[arg(long, value_name = "FILE", requires = "from")]
    pub from_key: Option<String>,
    /// A file with the password of that store's URL [default: WXTOKEN_STORE_PASSWORD_FILE]
    #[arg(long, value_name = "FILE", requires = "from")]
    pub from_password_file: Option<PathBuf>,
}

#[derive(Args)]
pub struct Copy {
    /// The store to read
    pub from: String,
    /// The store to write; created if it does not exist
    pub to: String,
    /// Take accounts that differ in TO, or were removed there, from FROM
    #[arg(long)]
    pub replace: bool,
    /// The key file of FROM [default: the option key_file, or the usual key file of the store]
    #[arg(long, value_name = "FILE")]
    pub from_key: Option<String>,
    /// The key file of TO [default: the option key_file, or the usual key file of the store]
    #[arg(long, value_name = "FILE")]
    pub to_key: Option<String>,
    /// A file with the password of FROM's URL [default: WXTOKEN_STORE_PASSWORD_FILE]
    #[arg(long, value_name = "FILE")]
    pub from_password_file: Option<PathBuf>,
    /// A file with the password of TO's URL [default: WXTOKEN_STORE_PASSWORD_FILE]
    #[arg(long, value_name = "FILE")]
    pub to_password_file: Option<PathBuf>,
}

#[derive(Args)]
pub struct Backup {
    /// The file to write; it must not exist. It does not contain the key: keep a copy of the key elsewhere
    pub file: PathBuf,
}

#[derive(Args)]
pub struct Restore {
    /// A file written by `wxtoken backup`
    pub file: PathBuf,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
}

#[derive(Args)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

#[derive(Args)]
pub struct Man {
    /// Write wxtoken.1, wxtoken-get.1 and so on into this directory
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

impl Cli {
    /// Returns the options given with `--option`, split at the first `=`.
    pub fn options(&self) -> Result<Vec<(&str, &str)>, Failure> {
        let parted = self.option.iter().map(|option| option.split_once('='));
        parted.collect::<Option<_>>().ok_or_else(|| {
            Failure::usage("an option has no value").advise("Write it as -o NAME=VALUE.")
        })
    }
}

/// All kinds but `made_up`, which exists only in the build for tests.
fn shipped_kinds() -> impl Iterator<Item = KindOfAccount> {
    kinds().into_iter().filter(|kind| kind.name != "made_up")
}

fn kinds_of_account() -> Vec<PossibleValue> {
    shipped_kinds()
        .map(|kind| {
            let needs = match &kind.needs[..] {
                [] => String::new(),
                fields => format!("; needs {}, set with put", fields.join(" and ")),
            };
            PossibleValue::new(kind.name).help(format!("{}{needs}", kind.about))
        })
        .collect()
}

/// The fields that `put` takes for one kind of account or another.
fn fields() -> Vec<&'static str> {
    let mut fields = Vec::new();
    for field in shipped_kinds().flat_map(|kind| kind.fields) {
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    fields
}
