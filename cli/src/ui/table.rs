//! The table that people read: a row for each token, and under it what failed and what to do.
//!
//! What is said stands here; how it is fitted into the terminal's columns, in `layout`.

use anstyle::Style;

use wxtoken::tool::{AccountReport, Error, Hint, Report, TokenReport, TokenState};

use crate::needs::lack_of;
use crate::ui::hint::{ADD, command, in_commands};
use crate::ui::layout::{Layout, Line};
use crate::ui::output::{BOLD, DIM, GREEN, PLAIN, RED, YELLOW};
use crate::ui::plural::count;
use crate::ui::terminal::Terminal;
use crate::ui::time::{age, moment, short_moment, span};
use crate::ui::width::wrap;

/// Columns of what is said under a row where nobody says how many there are.
const READABLE: usize = 100;
/// For how long a false rejection is worth a word.
const LATELY_S: i64 = 3600;
/// How far that is set in.
const INDENT: usize = 4;

/// A row before it is laid out.
pub struct Row {
    pub name: String,
    pub is_current: bool,
    /// Empty under the row that says it.
    pub kind: &'static str,
    pub id: String,
    pub life: Life,
    pub age: String,
    /// To the second, and shorter.
    pub when: [String; 2],
    pub by: String,
    notes: Vec<Note>,
}

/// What stands in the place of the bar.
pub enum Life {
    Bar {
        filled: f64,
        left: i64,
        word: Option<&'static str>,
        style: Style,
    },
    Words(String, Style),
}

/// What is said under a row.
struct Note {
    mark: &'static str,
    ascii_mark: &'static str,
    style: Style,
    text: String,
}

/// The whole screen.
pub fn draw(report: &Report, terminal: &Terminal) -> Vec<Line> {
    let mut lines = header(report, terminal);
    let rows: Vec<Row> = report
        .accounts
        .iter()
        .flat_map(|account| {
            account
                .tokens
                .iter()
                .map(|token| row(report, account, token))
        })
        .collect();
    if rows.is_empty() && report.unknown_accounts.is_empty() {
        let hint = format!("no account yet: {ADD}");
        lines.push(Line::default());
        lines.push(Line::default().with(PLAIN, hint));
        return lines;
    }
    if rows.is_empty() {
        return lines;
    }
    let layout = Layout::fit(&rows, terminal);
    lines.push(Line::default());
    lines.push(layout.titles());
    for row in &rows {
        lines.push(layout.line(row));
        let most = terminal
            .columns
            .unwrap_or(READABLE)
            .saturating_sub(INDENT + 2);
        for note in &row.notes {
            let mark = if terminal.unicode {
                note.mark
            } else {
                note.ascii_mark
            };
            for (i, text) in wrap(&note.text, most).into_iter().enumerate() {
                let lead = if i == 0 { mark } else { " " };
                let lead = format!("{}{lead} ", " ".repeat(INDENT));
                lines.push(
                    Line::default()
                        .with(note.style, lead)
                        .with(note.style, text),
                );
            }
        }
    }
    lines
}

fn header(report: &Report, terminal: &Terminal) -> Vec<Line> {
    let dot = if terminal.unicode { " · " } else { ", " };
    let (keeper, style) = match report.keeper {
        Some(true) => ("a keeper is running", GREEN),
        Some(false) => ("no keeper", DIM),
        None => ("keeper unknown: its mailbox is closed to this user", DIM),
    };
    let mut lines = vec![
        Line::default()
            .with(BOLD, format!("wxtoken {}", report.version))
            .with(PLAIN, format!("  {}", report.store)),
        Line::default()
            .with(PLAIN, count(report.size(), "account"))
            .with(DIM, dot)
            .with(style, keeper)
            .with(DIM, dot)
            .with(PLAIN, moment(report.now, report.now)),
    ];
    if let Some(away) = &report.away {
        let said = format!("the server is away, and this is what was seen of it last: {away}");
        lines.push(Line::default().with(YELLOW, said));
    }
    if let Some(server) = &report.server {
        let role = match server.role.as_deref() {
            Some("master") => "a master",
            Some("slave") => "a replica",
            _ => "of unknown role",
        };
        let said = format!("the server is {role}");
        let took = format!("answers in {:.1} ms", server.round_trip_ms);
        lines.push(
            Line::default()
                .with(PLAIN, said)
                .with(DIM, dot)
                .with(DIM, took),
        );
    }
    let degraded = report.degraded.iter().map(|why| format!("degraded: {why}"));
    let without_keeper = report.reader.iter().filter(|_| report.keeper != Some(true));
    let reader = without_keeper.map(|why| format!("no token can be fetched from here: {why}"));
    let unknown = report.unknown_accounts.iter().map(ToString::to_string);
    let not_trusted = report.not_trusted.iter().map(ToString::to_string);
    for said in degraded.chain(reader).chain(not_trusted).chain(unknown) {
        for text in wrap(&said, terminal.columns.unwrap_or(READABLE)) {
            lines.push(Line::default().with(YELLOW, text));
        }
    }
    lines
}

fn row(report: &Report, account: &AccountReport, token: &TokenReport) -> Row {
    let is_own = token.is_access_token();
    let has_own = account.tokens.iter().any(TokenReport::is_access_token);
    // Under its account's row; alone, by the name that get takes.
    let mut name = match is_own || !has_own {
        true => account.name_of(token),
        false => format!("  /{}", token.credential),
    };
    let same = |other: &&TokenReport| other.credential == token.credential;
    if account.tokens.iter().filter(same).count() > 1 {
        let host = token.base_url.split("://").last().unwrap_or_default();
        name.push_str(&format!(" @{host}"));
    }
    let lack = if is_own {
        lack_of(account, report)
    } else {
        None
    };
    let mut notes = Vec::new();
    if let Some(lack) = &lack {
        let command = command(&lack.hint).unwrap_or_default();
        notes.push(Note {
            mark: "→",
            ascii_mark: "->",
            style: YELLOW,
            text: format!("{}: {command}", lack.what),
        });
    } else if let Some(error) = token.failure() {
        notes.extend(failure(report, token, error));
    }
    notes.extend(rejections(report, token));
    Row {
        name,
        is_current: is_own && account.current,
        kind: if is_own { account.kind } else { "" },
        id: if is_own {
            account.id.clone()
        } else {
            String::new()
        },
        life: life(report, token, lack.is_some()),
        age: match (token.fetched_at, token.is_valid() || token.rejected) {
            (Some(at), true) => age(report.now - at),
            _ => String::new(),
        },
        when: token.fetched_at.map_or_else(Default::default, |at| {
            [moment(at, report.now), short_moment(at, report.now)]
        }),
        by: token.fetched_by.clone(),
        notes,
    }
}

/// What rejections have shown: callers who err, or another program that fetches.
fn rejections(report: &Report, token: &TokenReport) -> Vec<Note> {
    let mut notes = Vec::new();
    if let Some(error) = &token.contested {
        let cause = error.detail.as_ref().unwrap_or(&error.what);
        notes.push(Note {
            mark: "✗",
            ascii_mark: "x ",
            style: YELLOW,
            text: format!("ended long before its time, again and again: {cause}"),
        });
        notes.extend(error.hint.as_deref().map(remedy));
    }
    if let Some(at) = token
        .false_reject_at
        .filter(|at| report.now - at < LATELY_S)
    {
        notes.push(Note {
            mark: "✗",
            ascii_mark: "x ",
            style: YELLOW,
            text: format!(
                "rejected {} ago while the platform takes it; {} so far",
                span(report.now - at),
                count(
                    usize::try_from(token.false_rejects).unwrap_or(0),
                    "false rejection"
                ),
            ),
        });
    }
    notes
}

fn remedy(hint: &Hint) -> Note {
    Note {
        mark: "→",
        ascii_mark: "->",
        style: PLAIN,
        text: in_commands(hint),
    }
}

/// The row says who it is about; what is left is the cause, and what to do.
fn failure(report: &Report, token: &TokenReport, error: &Error) -> Vec<Note> {
    // While there is a valid token, nobody goes without.
    let style = if token.is_valid() { YELLOW } else { RED };
    let times = match token.failures_in_a_row {
        0 | 1 => String::new(),
        more => format!("failed {more} times in a row: "),
    };
    let cause = error.detail.as_ref().unwrap_or(&error.what);
    let next = match token.retry_at.map(|at| at - report.now) {
        Some(seconds) if seconds > 0 => format!("next try in {}", span(seconds)),
        _ => "the next get tries again".into(),
    };
    let what = Note {
        mark: "✗",
        ascii_mark: "x ",
        style,
        text: format!("{times}{cause}; {next}"),
    };
    let hint = error.hint.as_deref().map(remedy);
    std::iter::once(what).chain(hint).collect()
}

fn life(report: &Report, token: &TokenReport, lacks: bool) -> Life {
    let now = report.now;
    let ends = token.expires_at.unwrap_or(0);
    if token.rejected {
        let style = if token.is_valid() { YELLOW } else { RED };
        return Life::Words("rejected".into(), style);
    }
    if token.is_valid() {
        let whole = ends - token.fetched_at.unwrap_or(now);
        let (word, style) = match token.state {
            TokenState::Usable => (Some("refresh due"), YELLOW),
            _ => (None, GREEN),
        };
        return Life::Bar {
            filled: (ends - now) as f64 / whole.max(1) as f64,
            left: ends - now,
            word,
            style,
        };
    }
    match token.expires_at {
        Some(at) if at <= now => Life::Words(format!("expired {} ago", span(now - at)), RED),
        Some(_) => Life::Words("no longer valid".into(), RED),
        None if lacks => Life::Words("waiting".into(), YELLOW),
        None if token.failure().is_some() => Life::Words("no token".into(), RED),
        None => Life::Words("no token yet".into(), DIM),
    }
}
