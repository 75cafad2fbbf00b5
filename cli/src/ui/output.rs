//! All output of the program: results on stdout, messages on stderr. By default only a terminal gets colours.
//!
//! Text is written in one piece. A reader that has gone away (`wxtoken status | head -1`) is not a failure.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use wxtoken::tool::json_shown;

use crate::args::Color;
use crate::exit::{ExitResult, Failure};
use crate::ui::width::printable;

pub const GREEN: Style = AnsiColor::Green.on_default();
pub const YELLOW: Style = AnsiColor::Yellow.on_default();
pub const RED: Style = AnsiColor::Red.on_default();
pub const BOLD: Style = Style::new().bold();
pub const DIM: Style = Style::new().dimmed();
pub const PLAIN: Style = Style::new();

/// Sets whether stdout and stderr get colours.
pub fn choose_color(color: Color) {
    let choice = match color {
        Color::Auto => anstream::ColorChoice::Auto,
        Color::Always => anstream::ColorChoice::AlwaysAnsi,
        Color::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}

pub fn print(text: &str) -> ExitResult {
    let mut out = anstream::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        Err(e) => Err(Failure::io("write to stdout", &e)),
        Ok(()) => Ok(0),
    }
}

/// Prints lines with names from a store. Anybody may have chosen these, so characters that cannot be seen are made
/// visible.
pub fn print_lines(text: &str) -> ExitResult {
    let lines = text.split('\n').map(printable);
    print(&lines.collect::<Vec<String>>().join("\n"))
}

pub fn print_line(line: &str) -> ExitResult {
    print_lines(&format!("{line}\n"))
}

pub fn print_json(value: &impl Serialize) -> ExitResult {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| Failure::unusable("write JSON", e.to_string()))?;
    print(&format!("{}\n", json_shown(&text)))
}

pub fn error(message: &str) {
    complain(RED, "error", message);
}

pub fn warning(message: &str) {
    complain(YELLOW, "warning", message);
}

/// Prints a hint, in whole sentences, below the message that it belongs to.
pub fn hint(sentences: &str) {
    complain(BOLD, "hint", sentences);
}

/// Writes a line to stderr. A stderr that is closed is ignored.
fn complain(style: Style, label: &str, message: &str) {
    let mut err = anstream::stderr().lock();
    let _ = writeln!(err, "{style}{label}:{style:#} {}", printable(message));
}

/// Reports that a question was not answered with yes.
pub fn say_nothing_is_changed() {
    let _ = writeln!(anstream::stderr().lock(), "nothing is changed");
}

/// Asks a question that only a person at a terminal can answer with yes. The option `instead` answers it too.
pub fn confirm(question: &str, instead: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("there is nobody to ask")
            .because(question)
            .advise(format!("Confirm with {instead}.")));
    }
    let mut err = anstream::stderr().lock();
    let _ = write!(err, "{} [y/N] ", printable(question));
    let _ = err.flush();
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|e| Failure::io("read the answer", &e))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
