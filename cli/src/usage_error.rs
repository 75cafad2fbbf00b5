//! The command line, read; and how a mistake in it is answered: without repeating what may be a secret.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};

use crate::args::Cli;
use crate::exit::USAGE;
use crate::ui::output;

/// What the command line says; else it has been answered, and this is the exit code.
pub fn parse() -> Result<Cli, u8> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let parsed = Cli::command().try_get_matches_from(&words);
    match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => Ok(cli),
        Err(e) => Err(answer(&e, &words)),
    }
}

fn answer(e: &clap::Error, words: &[OsString]) -> u8 {
    if !e.use_stderr() || e.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = e.print();
        return u8::try_from(e.exit_code()).unwrap_or(USAGE);
    }
    if let Some(message) = stray(e, words) {
        output::complain(&message);
        return USAGE;
    }
    if e.kind() == ErrorKind::InvalidUtf8 && words.iter().all(|word| word.to_str().is_some()) {
        // Of what clap takes from the environment, this alone is a text.
        output::complain("environment variable WXTOKEN_STORE is not UTF-8: correct or unset it");
        return USAGE;
    }
    let rendered = e.render().to_string();
    output::complain(rendered.trim_start_matches("error: ").trim_end());
    USAGE
}

/// For an argument too many: clap would show it, and it may be a secret.
fn stray(e: &clap::Error, words: &[OsString]) -> Option<String> {
    if e.kind() != ErrorKind::UnknownArgument && e.kind() != ErrorKind::TooManyValues {
        return None;
    }
    let what = match e.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) if argument.starts_with("--") => {
            let name = argument.split('=').next().unwrap_or_default();
            format!("there is no option {name}")
        }
        Some(ContextValue::String(argument)) if argument.starts_with('-') => {
            let letter: String = argument.chars().take(2).collect();
            format!("there is no option {letter}")
        }
        _ => "there is an argument too many, which is not repeated here".into(),
    };
    let verb = words.iter().find_map(|word| match word.to_str()? {
        "account" => {
            Some("name a file with --secret-file (- is stdin), or leave it out and be asked")
        }
        "put" => Some("name a file with --file (- is stdin), or leave it out and be asked"),
        "reject" => Some("name a file with --token-file (- is stdin)"),
        _ => None,
    });
    let advice = verb.map(|how| {
        format!("; a secret is never an argument, where the list of processes and the shell's history show it: {how}")
    });
    Some(format!(
        "{what}{}; `wxtoken --help` says more",
        advice.unwrap_or_default()
    ))
}
