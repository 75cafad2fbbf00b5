//! The keeper's log.

use std::io::{self, Write};

use chrono::{Local, TimeZone};
use wxtoken::tool::{KeeperEvent, Outcome, PassSummary};

use crate::ui::hint::in_commands;
use crate::ui::plural::count;
use crate::ui::width::printable;

/// Writes one line per event to stderr. A line begins with the time, unless systemd's journal records that by itself.
#[derive(Clone, Copy)]
pub struct Log {
    with_time: bool,
}

impl Log {
    pub fn new() -> Log {
        Log {
            with_time: std::env::var_os("JOURNAL_STREAM").is_none(),
        }
    }

    pub fn line(&self, text: &str) {
        let time = match self.with_time {
            true => format!("{} ", Local::now().format("%Y-%m-%d %H:%M:%S")),
            false => String::new(),
        };
        // A log that cannot be written does not stop the keeper.
        let _ = io::stderr().write_all(format!("{time}{}\n", printable(text)).as_bytes());
    }

    pub fn kept(&self, kept: &KeeperEvent) {
        let name = &kept.name;
        match &kept.outcome {
            Outcome::Fetched { expires_at } => {
                let end = Local.timestamp_opt(*expires_at, 0).single();
                let end = end.map_or(String::new(), |end| end.format("%H:%M:%S").to_string());
                self.line(&format!("fetched {name}: good until {end}"));
            }
            Outcome::Brought => self.line(&format!("brought account {name}")),
            Outcome::Gone => self.line(&format!("removed account {name}: it is gone upstream")),
            Outcome::Rejected => self.line(&format!("a reader rejected {name}")),
            Outcome::Failed(failure) => {
                let again = match failure.retry_after_ms {
                    0 => String::new(),
                    ms => format!("; next try in {} s", (ms + 999) / 1000),
                };
                let hint = match &failure.hint {
                    Some(hint) => format!("; hint: {}", in_commands(hint)),
                    None => String::new(),
                };
                self.line(&format!("failed {name}: {failure}{again}{hint}"));
            }
        }
    }
}

/// Returns the summary of a pass, for the log and the service manager.
pub fn in_words(pass: &PassSummary) -> String {
    let PassSummary {
        accounts,
        credentials,
        without_token,
        overdue,
        next_ms,
        ..
    } = pass;
    let lack = match without_token {
        0 => "all valid".into(),
        n => format!("{n} without a valid token"),
    };
    let hang = match overdue {
        0 => String::new(),
        n => format!(", {n} hanging"),
    };
    format!(
        "{}, {}, {lack}{hang}; next look in {} s",
        count(*accounts, "account"),
        count(*credentials, "credential"),
        next_ms / 1000
    )
}
