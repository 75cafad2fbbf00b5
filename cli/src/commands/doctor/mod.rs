//! `wxtoken doctor`: checks everything that a token depends on, and names a command that fixes each fault.
//!
//! It changes nothing. It does not create an absent store, and it fetches no token. To test the file system it creates
//! a file, which it removes again.

mod access;
mod accounts;
mod companion_files;
mod environment;
mod filesystem;
mod network;
mod server;
mod store_file;

use std::io;
use std::path::PathBuf;

use anstyle::Style;
use serde_json::json;
use wxtoken::tool::{Condition, Error, Paths, Place, Store};

use crate::args::{Cli, Doctor};
use crate::exit::{ExitResult, NO};
use crate::ui::hint::in_commands;
use crate::ui::output::{self, BOLD, DIM, GREEN, RED, YELLOW};
use crate::ui::plural::count;
use crate::ui::terminal::Terminal;
use crate::ui::width::{pad, printable, wrap};

/// The remedy for a failure of the library that has no hint.
const LOOK_AGAIN: &str = "fix it, then check again: wxtoken doctor";

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Ok,
    /// Good to know.
    Note,
    /// It works now, and may fail later.
    Warning,
    /// It does not work, or secrets are exposed.
    Problem,
}

/// The result of one check.
struct Finding {
    /// The name of the check, such as `store` or `dns`.
    check: &'static str,
    level: Level,
    saw: String,
    /// The action to take, if one is needed.
    remedy: Option<String>,
}

/// All findings, in the order of the checks.
#[derive(Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    pub fn ok(&mut self, check: &'static str, saw: impl Into<String>) {
        self.add(check, Level::Ok, saw, None);
    }

    pub fn note(&mut self, check: &'static str, saw: impl Into<String>) {
        self.add(check, Level::Note, saw, None);
    }

    pub fn advise(
        &mut self,
        check: &'static str,
        level: Level,
        saw: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(check, level, saw, Some(remedy.into()));
    }

    /// Adds a failure of the library. The remedy is its hint, or `remedy` if it has none.
    pub fn failure(&mut self, check: &'static str, level: Level, error: &Error, remedy: &str) {
        let hint = error.hint.as_deref().map(in_commands);
        let remedy = hint.unwrap_or_else(|| remedy.to_owned());
        self.advise(check, level, error.to_string(), remedy);
    }

    fn add(
        &mut self,
        check: &'static str,
        level: Level,
        saw: impl Into<String>,
        remedy: Option<String>,
    ) {
        self.0.push(Finding {
            check,
            level,
            saw: printable(&saw.into()),
            remedy: remedy.as_deref().map(printable),
        });
    }

    fn of(&self, level: Level) -> usize {
        self.0
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    }
}

pub fn run(cli: &Cli, doctor: &Doctor) -> ExitResult {
    let options = cli.options()?;
    let mut found = Findings::default();
    found.ok("version", format!("wxtoken {}", env!("CARGO_PKG_VERSION")));
    environment::look(&mut found);
    network::look_at_environment(cli, &mut found);
    match Store::locate(cli.store.as_deref()) {
        Ok(mut place) => {
            let key_file = options.iter().rfind(|(name, _)| *name == "key_file");
            if let Some((_, path)) = key_file.filter(|(_, path)| !path.is_empty()) {
                place.key = std::path::absolute(path).unwrap_or(PathBuf::from(path));
            }
            let may_be_opened = match &mut place.files {
                Some(paths) => {
                    paths.key.clone_from(&place.key);
                    let is_readable = store_file::look(paths, &mut found);
                    filesystem::look(paths, &mut found);
                    is_readable && may_be_opened(paths, &mut found)
                }
                None => true,
            };
            if may_be_opened {
                look_inside(cli, doctor, &place, &mut found);
            }
        }
        Err(failure) => {
            let hint = failure.hint.as_deref().map(in_commands).unwrap_or_default();
            let remedy = format!("{hint} --store or WXTOKEN_STORE names a store.");
            let saw = failure.to_string();
            found.advise("store", Level::Problem, saw, remedy.trim_start());
        }
    }
    show(doctor, &found)?;
    Ok(if found.of(Level::Problem) > 0 { NO } else { 0 })
}

/// Whether opening the store would leave its file unchanged. Reports why if not.
fn may_be_opened(paths: &Paths, found: &mut Findings) -> bool {
    let (level, why, remedy) = match Store::condition(&paths.store) {
        Ok(Condition::Sound) => return true,
        Ok(Condition::Empty) => (
            Level::Problem,
            "it is empty, and was not changed",
            "if it had accounts: wxtoken restore FILE; if not, register some: wxtoken account add",
        ),
        Ok(Condition::Unfinished) => (
            Level::Warning,
            "it lacks tables of this version, which the next call creates; it was not opened",
            "wxtoken account list, then check again: wxtoken doctor",
        ),
        Ok(Condition::HalfWritten) => (
            Level::Warning,
            "a process was killed while it wrote, and the next call undoes its change; it was not opened",
            "wxtoken account list, then check again: wxtoken doctor",
        ),
        Ok(Condition::Damaged) => (
            Level::Problem,
            "it is damaged, or is not a store; it was not opened",
            "bring its accounts back: wxtoken restore FILE, or register them again; or name another path: --store",
        ),
        Err(failure) => {
            found.failure("open", Level::Problem, &failure, LOOK_AGAIN);
            return false;
        }
    };
    found.advise("open", level, why, remedy);
    false
}

/// Runs the checks that need an open store.
fn look_inside(cli: &Cli, doctor: &Doctor, place: &Place, found: &mut Findings) {
    let opened = crate::commands::open(cli).and_then(|store| Ok((store.report()?, store)));
    let (report, store) = match opened {
        Ok(opened) => opened,
        Err(failure) => {
            found.failure("open", Level::Problem, failure.error(), LOOK_AGAIN);
            return;
        }
    };
    found.ok(
        "open",
        format!(
            "it opens, and has {}",
            count(report.accounts.len(), "account")
        ),
    );
    server::look(&store, found);
    accounts::look(&store, &report, place, found);
    match doctor.offline {
        true => found.note("network", "not checked, because of --offline"),
        false => network::look(&store, cli, found),
    }
    accounts::failures(&report, found);
    accounts::contests(&report, found);
}

fn show(doctor: &Doctor, found: &Findings) -> ExitResult {
    if doctor.json {
        let listed = found.0.iter().map(|finding| {
            json!({
                "check": finding.check,
                "level": finding.level.name(),
                "saw": finding.saw,
                "remedy": finding.remedy,
            })
        });
        let listed: Vec<_> = listed.collect();
        return output::print_json(
            &json!({ "problems": found.of(Level::Problem), "findings": listed }),
        );
    }
    let terminal = Terminal::of_stdout();
    let columns = terminal.columns.unwrap_or(100);
    let arrow = if terminal.unicode { "→" } else { ">" };
    let mut text = String::new();
    for finding in &found.0 {
        let style = finding.level.style();
        let lead = format!(
            "{style}{}{style:#}{}",
            pad(finding.level.name(), 9),
            pad(finding.check, 13)
        );
        for (i, line) in wrap(&finding.saw, columns.saturating_sub(22))
            .iter()
            .enumerate()
        {
            let lead = if i == 0 { &lead } else { &" ".repeat(22) };
            text.push_str(&format!("{lead}{line}\n"));
        }
        let remedy = finding.remedy.as_deref().unwrap_or_default();
        for (i, line) in wrap(remedy, columns.saturating_sub(24)).iter().enumerate() {
            let lead = if i == 0 { arrow } else { " " };
            text.push_str(&format!("{}{lead} {BOLD}{line}{BOLD:#}\n", " ".repeat(22)));
        }
    }
    text.push_str(&format!(
        "\n{}, {}\n",
        count(found.of(Level::Problem), "problem"),
        count(found.of(Level::Warning), "warning")
    ));
    output::print(&text)
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Problem => "problem",
        }
    }

    fn style(self) -> Style {
        match self {
            Level::Ok => GREEN,
            Level::Note => DIM,
            Level::Warning => YELLOW,
            Level::Problem => RED,
        }
    }
}

/// Whether something is at a path. A link that leads nowhere counts.
fn is_there(path: &std::path::Path) -> bool {
    !matches!(std::fs::symlink_metadata(path), Err(e) if e.kind() == io::ErrorKind::NotFound)
}
