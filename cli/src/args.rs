//! What can be said on the command line.

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
    /// The store: the path of an SQLite file, or a URL as redis://HOST [default: $XDG_STATE_HOME/wxtoken/tokens.db]
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        value_name = "STORE",
        env = "WXTOKEN_STORE",
        hide_env_values = true
    )]
    pub store: Option<String>,

    /// The mode of a store that this makes, as 640 for one that its group reads [default: 600]
    ///
    /// One of 600, 640 and 660. A store that is there keeps its mode. Its key is its owner's alone all the same.
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        value_name = "MODE",
        value_parser = store_mode
    )]
    pub mode: Option<u32>,

    /// Sets an option, as timeout_ms=3000 or proxy=http://127.0.0.1:3128; may be repeated
    ///
    /// The options are those of wxtoken_set: the end of `wxtoken --help` and the page wxtoken(1) list them.
    #[arg(
        short = 'o',
        long = "option",
        global = true,
        help_heading = "Global options",
        value_name = "NAME=VALUE"
    )]
    option: Vec<String>,

    /// When to use colours
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

/// A mode that shuts strangers out of the tokens.
fn store_mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode @ (0o600 | 0o640 | 0o660)) => Ok(mode),
        _ => Err("a store has mode 600, 640 or 660".into()),
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
    /// Print a token that is valid now, and nothing else
    Get(Get),
    /// Register accounts, list and remove them, choose the current one
    #[command(subcommand)]
    Account(Account),
    /// Hand over what is known later: a pushed ticket, a refresh token, a parent
    ///
    /// A ticket or a refresh token is asked for without echo where stdin is a terminal, and read from stdin where it is
    /// not. It is never an argument, which everybody on the host could see.
    Put(Put),
    /// Say that the API refused a token: the next get fetches another
    ///
    /// Compares first: if another token is stored by now, nothing happens. Another is fetched for a reject at most once in
    /// 30 s: until then get gives the same one.
    Reject(Reject),
    /// Try again now what has failed: its cause is mended
    ///
    /// After a failure every process waits before the next request, for some errcodes an hour or a day. This ends the wait
    /// for every token and ticket of the account. The next get, or the keeper, asks the platform again.
    Retry(Retry),
    /// Show how many calls are left of an account's day, look a rid up, or clear the day's counts
    ///
    /// WeChat counts calls by account and API, and answers errcode 45009 when none is left of the day. Without PATH it shows the
    /// calls that wxtoken itself makes for the account, and customer messages. Official accounts, mini programs, third-party
    /// platforms and accounts that are authorized to one have these counts.
    Quota(Quota),
    /// Show every token: its age, the life left to it, failures and what to do
    ///
    /// To watch it, have `watch` run it again and again: watch -c -n2 wxtoken --color=always status
    ///
    /// For Prometheus, have a timer write a file that the textfile collector reads, and put it in place whole:
    /// wxtoken status --prometheus > wxtoken.prom.new && mv wxtoken.prom.new wxtoken.prom
    Status(Status),
    /// Keep every token fresh, until it is stopped: one per host, as a service
    ///
    /// With --from it is a bridge: it fills this store from another one. Programs of this host then read a file, hold no key
    /// and need no network.
    Keep(Keep),
    /// Keep every token fresh, and hand tokens to clients over HTTP: the central server
    ///
    /// Answers its own API under /v1, and WeChat's own calls, as GET /cgi-bin/token, with a client's key in the place of the
    /// secret. `wxtoken client` says who the clients are.
    Serve(Serve),
    /// Say who may ask a server for tokens
    #[command(subcommand)]
    Client(Client),
    /// Look for what is wrong, and say how it is mended
    Doctor(Doctor),
    /// Copy accounts, and what was put for them, from one store into another
    ///
    /// FROM and TO are the path of a file, or a URL as redis://HOST. Secrets are sealed anew with the key of TO. Tokens are
    /// not copied: TO fetches its own. A token of official_classic or douyin in FROM ends when TO fetches one, so let one of the
    /// two stores be used from then on.
    ///
    /// An account that TO lacks is put in. One that differs there is left as it is and named, since nobody knows which is
    /// newer; so is one that was removed there. --replace takes both from FROM. Of what was put, the later holds. To do it
    /// again does no harm, and ends a copy that was cut off.
    Copy(Copy),
    /// Make a new key, and seal every secret with it
    Rekey,
    /// Write accounts and secrets, still sealed, to a new file
    Backup(Backup),
    /// Put what a backup holds in the place of what is there
    Restore(Restore),
    /// Print completions for a shell
    Completions(Completions),
    /// Print the manual page, or write one for each command
    Man(Man),
}

#[derive(Args)]
pub struct Get {
    /// An account, or account/credential, such as shop/jsapi_ticket [default: the current account]
    pub name: Option<String>,
    /// Name, token and expires_at (Unix seconds, or null where no end is known) as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Subcommand)]
pub enum Account {
    /// Register an account, or change one
    ///
    /// Its secret is asked for without echo where stdin is a terminal, and read from stdin where it is not. It is never
    /// an argument, which everybody on the host could see.
    Add(AccountAdd),
    /// List the accounts
    List(AccountList),
    /// Take an account out of the store, with the tokens that only it has
    Remove(AccountRemove),
    /// Make an account the current one: the one that `get` without a name means
    Use(AccountUse),
}

#[derive(Args)]
pub struct AccountAdd {
    /// A name of your choosing
    pub name: String,
    /// What kind of account it is
    #[arg(long, value_parser = PossibleValuesParser::new(kinds_of_account()))]
    pub kind: String,
    /// The appid, corpid, suite_id, or what the platform calls it
    #[arg(long)]
    pub id: String,
    /// Read the secret from a file; - is stdin
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// The account of the platform that an authorizer, or of the suite that a work_authorized, belongs to
    #[arg(long, value_name = "NAME")]
    pub parent: Option<String>,
}

#[derive(Args)]
pub struct AccountList {
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct AccountRemove {
    /// Its name
    pub name: String,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

#[derive(Args)]
pub struct AccountUse {
    /// Its name
    pub name: String,
}

#[derive(Args)]
pub struct Put {
    /// The account
    pub name: String,
    /// What is put: a secret of this name, its parent, that it is the current account, or that it is tried again
    #[arg(value_parser = PossibleValuesParser::new(fields()))]
    pub field: String,
    /// The account that is the parent; with parent only
    pub value: Option<String>,
    /// Read the value from a file; - is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "value")]
    pub file: Option<PathBuf>,
}

#[derive(Args)]
pub struct Reject {
    /// An account, or account/credential [default: the current account]
    pub name: Option<String>,
    /// Read the refused token from a file; - is stdin [default: the token that is stored]
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
    /// Show what WeChat noted of this request, within 7 days; the whole errmsg may be given
    #[arg(long, conflicts_with = "clear")]
    pub rid: Option<String>,
    /// Set the day's counts of all APIs back to 0: ten times a month
    #[arg(long)]
    pub clear: bool,
    /// Do not ask
    #[arg(short, long, requires = "clear")]
    pub yes: bool,
    /// As JSON
    #[arg(long, conflicts_with = "clear")]
    pub json: bool,
}

#[derive(Args)]
pub struct Status {
    /// Only these: accounts, or account/credential
    pub name: Vec<String>,
    /// The library's report as JSON
    #[arg(long)]
    pub json: bool,
    /// Metrics for a Prometheus textfile collector
    #[arg(long, conflicts_with = "json")]
    pub prometheus: bool,
    /// Exit with 1 when a token is missing, expired or rejected
    #[arg(long)]
    pub check: bool,
}

#[derive(Args)]
pub struct Doctor {
    /// Ask nothing of the network
    #[arg(long)]
    pub offline: bool,
    /// The findings as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Keep {
    /// Bring every token from this store, as https://HOST:8443 or redis://HOST, and fetch none
    #[arg(long, value_name = "STORE")]
    pub from: Option<String>,
    /// The key file of that store [default: the option key_file, or the place beside the store]
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
    /// The store to write; it is made when there is none
    pub to: String,
    /// Accounts that differ in TO, or were removed there, become those of FROM
    #[arg(long)]
    pub replace: bool,
    /// The key file of FROM [default: the option key_file, or the place beside the store]
    #[arg(long, value_name = "FILE")]
    pub from_key: Option<String>,
    /// The key file of TO
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
    /// The file to write; it must not exist. The key is not in it: keep a copy of that elsewhere
    pub file: PathBuf,
}

#[derive(Args)]
pub struct Restore {
    /// A file that `wxtoken backup` wrote
    pub file: PathBuf,
    /// Do not ask
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
    /// The options that were set, parted at the first `=`.
    pub fn options(&self) -> Result<Vec<(&str, &str)>, Failure> {
        let parted = self.option.iter().map(|option| option.split_once('='));
        parted.collect::<Option<_>>().ok_or_else(|| {
            Failure::usage("an option has no value").advise("Write it as -o NAME=VALUE.")
        })
    }
}

/// `made_up` is of the tests' build.
fn shipped_kinds() -> impl Iterator<Item = KindOfAccount> {
    kinds().into_iter().filter(|kind| kind.name != "made_up")
}

fn kinds_of_account() -> Vec<PossibleValue> {
    shipped_kinds()
        .map(|kind| {
            let needs = match &kind.needs[..] {
                [] => String::new(),
                fields => format!("; needs {} put", fields.join(" and ")),
            };
            PossibleValue::new(kind.name).help(format!("{}{needs}", kind.about))
        })
        .collect()
}

/// What `put` takes for some kind of account.
fn fields() -> Vec<&'static str> {
    let mut fields = Vec::new();
    for field in shipped_kinds().flat_map(|kind| kind.fields) {
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    fields
}
