//! The manual: what `--help` ends with, the man pages, and the shells' completions. All from one set of words.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use wxtoken::tool::{options, statuses};

use crate::args::{Cli, Completions, Man as ManArgs};
use crate::exit::{CALL, ExitResult, Failure, IO, NO, USAGE};
use crate::ui::output;

pub const EXAMPLES: &str = "\
Examples:
  wxtoken account add shop --kind official --id wx0123456789abcdef
  curl \"https://api.weixin.qq.com/cgi-bin/user/get?access_token=$(wxtoken get shop)\"
  wxtoken get shop/jsapi_ticket
  watch -c -n2 wxtoken --color=always status
  wxtoken doctor";

const ENVIRONMENT: [(&str, &str); 4] = [
    ("WXTOKEN_STORE", "the store, when --store does not name one"),
    (
        "WXTOKEN_<OPTION>",
        "the default of an option, such as WXTOKEN_TIMEOUT_MS",
    ),
    ("NO_COLOR, CLICOLOR_FORCE", "colours never, or always"),
    (
        "COLUMNS",
        "how wide the table of status is where stdout is no terminal",
    ),
];

const FILES: [(&str, &str); 5] = [
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
fn library_options() -> Vec<(String, String)> {
    options()
        .into_iter()
        .map(|row| {
            let about = format!("{}; {}, by default {}", row.help, row.range, row.default);
            (row.name.to_owned(), about)
        })
        .collect()
}

fn exit_codes() -> Vec<(String, String)> {
    let mut codes = vec![
        ("0".to_owned(), "done".to_owned()),
        (NO.to_string(), "doctor found a problem, status --check a token that is not valid, or the answer was no".into()),
        (USAGE.to_string(), "the command line is wrong".into()),
        (IO.to_string(), "a file, the terminal, stdin or stdout cannot be read or written".into()),
    ];
    codes.extend(statuses().into_iter().map(|(number, name, meaning)| {
        ((CALL + number).to_string(), format!("{name}: {meaning}"))
    }));
    codes
}

pub fn completions(wanted: &Completions) -> ExitResult {
    let mut script = Vec::new();
    clap_complete::generate(wanted.shell, &mut Cli::command(), "wxtoken", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}

pub fn pages(wanted: &ManArgs) -> ExitResult {
    let pages = all_pages()?;
    match &wanted.out {
        None => match pages.first() {
            Some((_, page)) => output::print(page),
            None => Ok(0),
        },
        Some(directory) => {
            for (name, page) in &pages {
                write_page(directory, name, page)?;
            }
            Ok(0)
        }
    }
}

fn write_page(directory: &Path, name: &str, page: &str) -> Result<(), Failure> {
    let path = directory.join(format!("{name}.1"));
    std::fs::write(&path, page).map_err(|e| Failure::io(&format!("write {}", path.display()), &e))
}

/// The name of each page, and the page; the tool's own first.
fn all_pages() -> Result<Vec<(String, String)>, Failure> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    let mut waiting = vec![(root, "wxtoken".to_owned())];
    while let Some((command, name)) = waiting.pop() {
        for sub in command
            .get_subcommands()
            .filter(|sub| sub.get_name() != "help")
        {
            let of_sub = format!("{name}-{}", sub.get_name());
            waiting.push((sub.clone(), of_sub));
        }
        let page = page(command, &name).map_err(|e| Failure::io("write the manual", &e))?;
        pages.push((name, page));
    }
    Ok(pages)
}

fn page(command: clap::Command, name: &str) -> std::io::Result<String> {
    let is_root = name == "wxtoken";
    let has_verbs = command.has_subcommands();
    let usage = command.clone().render_usage().to_string();
    let page = Man::new(command.display_name(name.to_owned()))
        .title(name.to_owned())
        .source(concat!("wxtoken ", env!("CARGO_PKG_VERSION")))
        .manual("libwxtoken");
    let mut out = Vec::new();
    page.render_title(&mut out)?;
    page.render_name_section(&mut out)?;
    let mut synopsis = Roff::new();
    synopsis.control("SH", ["SYNOPSIS"]);
    synopsis.text([roman(usage.trim_start_matches("Usage: "))]);
    synopsis.to_writer(&mut out)?;
    page.render_description_section(&mut out)?;
    page.render_options_section(&mut out)?;
    if has_verbs {
        page.render_subcommands_section(&mut out)?;
    }
    if is_root {
        let mut roff = Roff::new();
        list(&mut roff, "EXIT STATUS", &exit_codes());
        list(&mut roff, "OPTIONS FOR --option", &library_options());
        list(&mut roff, "ENVIRONMENT", &ENVIRONMENT);
        list(&mut roff, "FILES", &FILES);
        roff.control("SH", ["EXAMPLES"]);
        roff.control("nf", []);
        for line in EXAMPLES.lines().skip(1) {
            roff.text([roman(line.trim_start())]);
        }
        roff.control("fi", []);
        roff.to_writer(&mut out)?;
    } else {
        let mut roff = Roff::new();
        roff.control("SH", ["SEE ALSO"]);
        roff.text([
            bold("wxtoken"),
            roman("(1), where the exit status, the environment and the files stand"),
        ]);
        roff.to_writer(&mut out)?;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn list(roff: &mut Roff, title: &str, entries: &[(impl AsRef<str>, impl AsRef<str>)]) {
    roff.control("SH", [title]);
    for (name, meaning) in entries {
        roff.control("TP", []);
        roff.text([bold(name.as_ref())]);
        roff.text([roman(meaning.as_ref())]);
    }
}
