//! What `--help` ends with, and the manual repeats: examples, exit codes, options of the library, environment, files.

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
    ("WXTOKEN_STORE", "the store, when --store does not name one"),
    (
        "WXTOKEN_STORE_PASSWORD_FILE",
        "a file with the password of a store's URL that has none",
    ),
    (
        "WXTOKEN_<OPTION>",
        "the default of an option, such as WXTOKEN_TIMEOUT_MS",
    ),
    ("NO_COLOR, CLICOLOR_FORCE", "colours never, or always"),
    (
        "COLUMNS",
        "how wide the table of status is where stdout is not a terminal",
    ),
];

pub const FILES: [(&str, &str); 5] = [
    (
        "~/.local/state/wxtoken/tokens.db",
        "the store, when nothing else is named; in $XDG_STATE_HOME/wxtoken where that is set",
    ),
    (
        "<store>.key",
        "the key that seals the secrets, mode 0600; keep a copy of it apart from those of the store",
    ),
    (
        "<store>.lock",
        "on which processes take turns; never removed, never written",
    ),
    (
        "<store>.mailbox",
        "a FIFO by which those who may only read the store reach `wxtoken keep`",
    ),
    ("<store>.corrupt-*", "a damaged store that was set aside"),
];

/// With the exit codes, the environment and the files.
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

/// What `--option` takes: the name of each, and the rest of its row.
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
        (NO.to_string(), "doctor found a problem, status --check a token that is not valid, copy an account that differs, quota an API that is not counted, or the answer was no".into()),
        (USAGE.to_string(), "the command line is wrong".into()),
        (IO.to_string(), "a file, the terminal, stdin or stdout cannot be read or written".into()),
    ];
    codes.extend(statuses().into_iter().map(|(number, name, meaning)| {
        ((CALL + number).to_string(), format!("{name}: {meaning}"))
    }));
    codes
}
