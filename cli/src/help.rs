//! The end of `--help`, which the manual repeats: examples, exit codes, options of the library, environment, files.

use std::fmt::Write as _;
use std::sync::LazyLock;

use wxtoken::tool::{options, statuses};

use crate::exit::{CALL, IO, NO, USAGE};

pub const EXAMPLES: &str = "\
Examples:
  wxtoken account add shop --kind official --id wx0123456789abcdef
  curl \"https://api.weixin.qq.com/cgi-bin/user/get?access_token=$(wxtoken get shop)\"
  wxtoken get shop/jsapi_ticket
  watch -c -n2 wxtoken --color=always status
  wxtoken doctor";

pub const ENVIRONMENT: [(&str, &str); 5] = [
    ("WXTOKEN_STORE", "the store, if --store is not given"),
    (
        "WXTOKEN_STORE_PASSWORD_FILE",
        "a file with the password for a store's URL that contains none",
    ),
    (
        "WXTOKEN_<OPTION>",
        "the default of an option, such as WXTOKEN_TIMEOUT_MS",
    ),
    ("NO_COLOR, CLICOLOR_FORCE", "turn colours off, or on"),
    (
        "COLUMNS",
        "the width of the output of status and doctor if stdout is not a terminal",
    ),
];

pub const FILES: [(&str, &str); 5] = [
    (
        "~/.local/state/wxtoken/tokens.db",
        "the default store; in $XDG_STATE_HOME/wxtoken if that variable is set",
    ),
    (
        "<store>.key",
        "the key that seals the secrets, mode 0600; keep a copy of it, apart from copies of the store",
    ),
    (
        "<store>.lock",
        "the lock file, by which processes take turns; never removed, never written",
    ),
    (
        "<store>.mailbox",
        "a FIFO by which processes that may only read the store reach `wxtoken keep`",
    ),
    ("<store>.corrupt-*", "a damaged store that was moved aside"),
];

/// The end of `--help`: examples, exit codes, options of the library, environment and files.
pub static AFTER_HELP: LazyLock<String> = LazyLock::new(|| {
    let mut text = format!("{EXAMPLES}\n\nExit status:\n");
    for (code, meaning) in exit_codes() {
        let _ = writeln!(text, "  {code:>2}  {meaning}");
    }
    let _ = writeln!(text, "\nOptions for --option:");
    for (name, meaning) in library_options() {
        let _ = writeln!(text, "  {name}\n        {meaning}");
    }
    for (title, entries) in [("Environment", &ENVIRONMENT[..]), ("Files", &FILES[..])] {
        let _ = writeln!(text, "\n{title}:");
        for (name, meaning) in entries {
            let _ = writeln!(text, "  {name}\n        {meaning}");
        }
    }
    text
});

/// The options that `--option` takes: the name of each, and its description, range and default.
pub fn library_options() -> Vec<(String, String)> {
    options()
        .into_iter()
        .map(|row| {
            let about = format!("{}; {}, by default {}", row.help, row.range, row.default);
            (row.name.to_owned(), about)
        })
        .collect()
}

/// Every exit code and its meaning.
pub fn exit_codes() -> Vec<(String, String)> {
    let mut codes = vec![
        ("0".to_owned(), "done".to_owned()),
        (NO.to_string(), "doctor found a problem, status --check a token that is not valid, copy an account that differs, quota an API that is not counted, or a question was not answered with yes".into()),
        (USAGE.to_string(), "the command line is not valid".into()),
        (IO.to_string(), "a file, the terminal, stdin or stdout could not be read or written".into()),
    ];
    codes.extend(statuses().into_iter().map(|(number, name, meaning)| {
        ((CALL + number).to_string(), format!("{name}: {meaning}"))
    }));
    codes
}
