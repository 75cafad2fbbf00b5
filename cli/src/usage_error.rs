//! Reads the command line. An error message never repeats an argument that may be a secret.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches};

use wxtoken::tool::Hint;

use crate::args::Cli;
use crate::exit::USAGE;
use crate::ui::output;

/// Parses the command line of this process. On failure, or for `--help`, prints the answer and returns the exit code.
pub fn parse() -> Result<Cli, u8> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let parsed = Cli::command().try_get_matches_from(&words);
    let parsed = parsed.and_then(|matches| {
        let mut cli = Cli::from_arg_matches(&matches)?;
        // The library reads the variable itself, and names it in its errors.
        if matches.value_source("store") == Some(ValueSource::EnvVariable) {
            cli.store = None;
        }
        Ok(cli)
    });
    match parsed {
        Ok(cli) => Ok(cli),
        Err(e) => Err(answer(&e, &words)),
    }
}

fn answer(e: &clap::Error, words: &[OsString]) -> u8 {
    if !e.use_stderr() || e.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = e.print();
        return u8::try_from(e.exit_code()).unwrap_or(USAGE);
    }
    let (what, hints) = match e.kind() {
        ErrorKind::UnknownArgument | ErrorKind::TooManyValues => stray(e, words),
        // WXTOKEN_STORE is the only text that clap takes from the environment.
        ErrorKind::InvalidUtf8 if words.iter().all(|word| word.to_str().is_some()) => (
            "invalid environment variable WXTOKEN_STORE: is not UTF-8".into(),
            vec!["Correct or unset it.".into()],
        ),
        ErrorKind::InvalidValue if text(e, ContextKind::InvalidArg) == Some("<FIELD>") => {
            ("there is no such field".into(), vec![valid_values(e)])
        }
        _ => as_clap_says(e),
    };
    output::error(&what);
    for hint in hints {
        output::hint(&hint);
    }
    output::hint("See `wxtoken --help`.");
    USAGE
}

/// Describes an unexpected argument. Clap would show it, and it may be a secret.
fn stray(e: &clap::Error, words: &[OsString]) -> (String, Vec<String>) {
    let what = match text(e, ContextKind::InvalidArg) {
        Some(argument) if argument.starts_with("--") => {
            let name = argument.split('=').next().unwrap_or_default();
            format!("there is no option {name}")
        }
        Some(argument) if argument.starts_with('-') => {
            let letter: String = argument.chars().take(2).collect();
            format!("there is no option {letter}")
        }
        _ => "unexpected argument (not shown: it may be a secret)".into(),
    };
    let near = text(e, ContextKind::SuggestedArg).map(|near| format!("Did you mean {near}?"));
    let command = words.iter().find_map(|word| match word.to_str()? {
        "account" => {
            Some("Name a file with --secret-file (- is stdin), or leave it out and be asked.")
        }
        "put" => Some("Name a file with --file (- is stdin), or leave it out and be asked."),
        "reject" => Some("Name a file with --token-file (- is stdin)."),
        _ => None,
    });
    let secret = command.map(|how| {
        format!(
            "A secret is never an argument, because the process list and the shell's history show arguments. {how}"
        )
    });
    (what, near.into_iter().chain(secret).collect())
}

/// Splits clap's text into the error, which comes first, and the hints that follow it.
fn as_clap_says(e: &clap::Error) -> (String, Vec<String>) {
    let rendered = e.render().to_string();
    let mut paragraphs = rendered
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    let what = paragraphs.next().unwrap_or_default();
    let what = what.trim_start_matches("error: ").to_owned();
    let hints = paragraphs
        .filter(|paragraph| !paragraph.is_empty() && !paragraph.starts_with("For more information"))
        .map(|paragraph| sentence(paragraph.trim_start_matches("tip: ")))
        .collect();
    (what, hints)
}

fn sentence(words: &str) -> String {
    match words.starts_with("Usage: ") {
        true => words.to_owned(),
        false => Hint::sentence(&None, &format!("{words}.")),
    }
}

fn valid_values(e: &clap::Error) -> String {
    let Some(ContextValue::Strings(values)) = e.get(ContextKind::ValidValue) else {
        return "See `wxtoken put --help`.".into();
    };
    format!("The fields are {}.", values.join(", "))
}

fn text(e: &clap::Error, part: ContextKind) -> Option<&str> {
    match e.get(part) {
        Some(ContextValue::String(text)) => Some(text),
        _ => None,
    }
}
