//! The table of `wxtoken status`: a row for each token, with its failures and remedies below it.
//!
//! The content is made here, and `layout` fits it into the terminal's columns.

use anstyle::Style;

use wxtoken::tool::{AccountReport, Error, Report, TokenReport};

use crate::standing::{Life, Tone, Trouble, troubles_of};
use crate::ui::hint::{ADD, command, in_commands};
use crate::ui::layout::{Layout, Line};
use crate::ui::output::{BOLD, DIM, GREEN, PLAIN, RED, YELLOW};
use crate::ui::plural::count;
use crate::ui::terminal::Terminal;
use crate::ui::time::{age, moment, short_moment, span};
use crate::ui::width::wrap;

/// The width of notes if the width of the terminal is unknown.
const READABLE: usize = 100;
/// The indentation of notes.
const INDENT: usize = 4;

/// A row before it is laid out.
pub struct Row {
    pub name: String,
    pub is_current: bool,
    /// Empty in the rows of tickets, below the row of the account.
    pub kind: &'static str,
    pub id: String,
    pub life: Cell,
    pub age: String,
    /// The time of the fetch, to the second and in a shorter form.
    pub when: [String; 2],
    pub by: String,
    notes: Vec<Note>,
}

/// The cell that shows the life left: a bar, or words in its place.
pub enum Cell {
    Bar {
        filled: f64,
        left: i64,
        word: Option<&'static str>,
        style: Style,
    },
    Words(String, Style),
}

/// A note below a row.
struct Note {
    mark: &'static str,
    ascii_mark: &'static str,
    style: Style,
    text: String,
}

/// Returns all lines of the table.
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
        let said = format!("the server is away, and this is its last known state: {away}");
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
    // Below the row of its account a ticket has a short name. Alone it has the name that get takes.
    let mut name = match is_own || !has_own {
        true => account.name_of(token),
        false => format!("  /{}", token.credential),
    };
    let same = |other: &&TokenReport| other.credential == token.credential;
    if account.tokens.iter().filter(same).count() > 1 {
        let host = token.base_url.split("://").last().unwrap_or_default();
        name.push_str(&format!(" @{host}"));
    }
    let troubles = troubles_of(report, account, token);
    let lacks = troubles.iter().any(|one| matches!(one, Trouble::Lacks(_)));
    let notes = troubles.iter().flat_map(notes_of).collect();
    Row {
        name,
        is_current: is_own && account.current,
        kind: if is_own { account.kind } else { "" },
        id: if is_own {
            account.id.clone()
        } else {
            String::new()
        },
        life: life(Life::of(token, report.now, lacks)),
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

/// Returns the notes on a trouble: its cause, and what to do. The row names the account.
fn notes_of(trouble: &Trouble) -> Vec<Note> {
    let style = style_of(trouble.tone());
    let (what, hint) = match trouble {
        Trouble::Lacks(lack) => {
            let command = command(&lack.hint).unwrap_or_default();
            return vec![Note {
                mark: "→",
                ascii_mark: "->",
                style,
                text: format!("{}: {command}", lack.what),
            }];
        }
        Trouble::Fails {
            error,
            times,
            next_in,
            ..
        } => {
            let times = match times {
                0 | 1 => String::new(),
                more => format!("failed {more} times in a row: "),
            };
            let next = match next_in {
                Some(seconds) => format!("next try in {}", span(*seconds)),
                None => "the next get tries again".into(),
            };
            (
                format!("{times}{}; {next}", cause(error)),
                error.hint.as_deref(),
            )
        }
        Trouble::Contested(error) => {
            let cause = cause(error);
            let said = format!("ended long before its time, again and again: {cause}");
            (said, error.hint.as_deref())
        }
        Trouble::FalselyRejected { seconds_ago, times } => {
            let said = format!(
                "rejected {} ago, but the platform accepts it; {} so far",
                span(*seconds_ago),
                count(*times, "false rejection"),
            );
            (said, None)
        }
    };
    let what = Note {
        mark: "✗",
        ascii_mark: "x ",
        style,
        text: what,
    };
    let remedy = hint.map(|hint| Note {
        mark: "→",
        ascii_mark: "->",
        style: PLAIN,
        text: in_commands(hint),
    });
    std::iter::once(what).chain(remedy).collect()
}

fn cause(error: &Error) -> &str {
    error.detail.as_ref().unwrap_or(&error.what)
}

fn style_of(tone: Tone) -> Style {
    match tone {
        Tone::Quiet => DIM,
        Tone::Good => GREEN,
        Tone::Warning => YELLOW,
        Tone::Bad => RED,
    }
}

fn life(life: Life) -> Cell {
    let style = style_of(life.tone());
    let words = match life {
        Life::Left {
            share,
            seconds,
            is_due,
        } => {
            return Cell::Bar {
                filled: share,
                left: seconds,
                word: is_due.then_some("refresh due"),
                style,
            };
        }
        Life::Rejected { .. } => "rejected".into(),
        Life::Expired { seconds_ago } => format!("expired {} ago", span(seconds_ago)),
        Life::Ended => "no longer valid".into(),
        Life::Waiting => "waiting".into(),
        Life::Failed => "no token".into(),
        Life::NotFetched => "no token yet".into(),
    };
    Cell::Words(words, style)
}
