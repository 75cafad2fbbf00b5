//! The layout of a table: the columns that fit, the width of each, and rows drawn in them.
//!
//! A line consists of styled pieces of known width, so that every line fits its terminal.

use anstyle::Style;

use crate::ui::output::{BOLD, DIM, GREEN, PLAIN};
use crate::ui::table::{Cell, Row};
use crate::ui::terminal::Terminal;
use crate::ui::time::span;
use crate::ui::width::{cut, pad, printable, width};

/// The width of a bar.
const BAR: usize = 20;
/// The spaces between two columns.
const GAP: usize = 2;

/// One line, in styled pieces.
#[derive(Clone, Default)]
pub struct Line(Vec<(Style, String)>);

/// The width of each column. A column of width 0 is left out.
pub struct Layout {
    name: usize,
    kind: usize,
    id: usize,
    bar: usize,
    left: usize,
    age: usize,
    when: usize,
    /// The index of the form in which the time of a fetch is shown.
    when_in: usize,
    by: usize,
    unicode: bool,
}

/// The content of a row's columns.
struct Cells<'a> {
    style: Style,
    mark: &'a str,
    name: (Style, &'a str),
    kind: &'a str,
    id: &'a str,
    life: Vec<(Style, String)>,
    age: &'a str,
    when: &'a str,
    by: &'a str,
}

impl Line {
    pub fn with(mut self, style: Style, text: impl Into<String>) -> Line {
        self.0.push((style, printable(&text.into())));
        self
    }

    /// Returns the line with escape codes, cut to `most` columns and without spaces at its end.
    pub fn render(&self, most: Option<usize>, unicode: bool) -> String {
        let filled = |(_, text): &(Style, String)| !text.trim_end().is_empty();
        let Some(last) = self.0.iter().rposition(filled) else {
            return String::new();
        };
        let mut room = most.unwrap_or(usize::MAX);
        let mut drawn = String::new();
        for (i, (style, text)) in self.0.iter().enumerate().take(last + 1) {
            let text = if i == last { text.trim_end() } else { text };
            let text = cut(text, room, unicode);
            room -= width(&text);
            drawn.push_str(&format!("{style}{text}{style:#}"));
        }
        drawn
    }
}

impl Layout {
    /// Returns a layout that fits the terminal. It begins with all columns, and shrinks them until they fit.
    pub fn fit(rows: &[Row], terminal: &Terminal) -> Layout {
        let widest = |cell: fn(&Row) -> &str, title: &str| {
            let cells = rows.iter().map(|row| width(cell(row)));
            cells.max().unwrap_or(0).max(width(title))
        };
        let kind = widest(|row| row.kind, "KIND");
        let mut layout = Layout {
            // In a row without a kind, the name may take that column too.
            name: widest(
                |row| if row.kind.is_empty() { "" } else { &row.name },
                "NAME",
            )
            .max(
                widest(|row| if row.kind.is_empty() { &row.name } else { "" }, "")
                    .saturating_sub(GAP + kind),
            ),
            kind,
            id: widest(|row| &row.id, "ID"),
            bar: BAR,
            left: 6,
            age: 3,
            when: widest(|row| &row.when[0], "FETCHED"),
            when_in: 0,
            by: widest(|row| &row.by, "BY"),
            unicode: terminal.unicode,
        };
        let Some(most) = terminal.columns else {
            return layout;
        };
        let uncut = layout.name;
        layout.shrink(most, widest(|row| process(&row.by), "BY"));
        // The columns that were cut share the room that is left, the names first.
        let whole = widest(|row| &row.name, "NAME");
        let name = if layout.kind > 0 { uncut } else { whole };
        layout.name = name.min(layout.name + layout.spare(most));
        if layout.by > 0 {
            let by = widest(|row| &row.by, "BY");
            layout.by = by.min(layout.by + layout.spare(most));
        }
        layout
    }

    fn shrink(&mut self, most: usize, bare_by: usize) {
        let steps: [&dyn Fn(&mut Layout); 11] = [
            &|layout| layout.id = 0,
            &|layout| layout.by = bare_by,
            &|layout| (layout.when, layout.when_in) = (5, 1),
            &|layout| layout.name = layout.name.min(16),
            &|layout| layout.by = layout.by.min(7),
            &|layout| layout.kind = layout.kind.min(10),
            &|layout| layout.by = 0,
            &|layout| layout.kind = 0,
            &|layout| layout.when = 0,
            &|layout| layout.bar = BAR / 2,
            &|layout| layout.name = layout.name.min(8),
        ];
        for step in steps {
            if self.width() <= most {
                break;
            }
            step(self);
        }
    }

    fn width(&self) -> usize {
        let column = |width: usize| if width > 0 { width + GAP } else { 0 };
        let optional = column(self.kind) + column(self.id) + column(self.when) + column(self.by);
        2 + self.name + GAP + optional + self.life() + GAP + self.age
    }

    fn spare(&self, most: usize) -> usize {
        most.saturating_sub(self.width())
    }

    fn life(&self) -> usize {
        self.bar + 1 + self.left
    }

    pub fn titles(&self) -> Line {
        self.draw(&Cells {
            style: BOLD,
            mark: "",
            name: (BOLD, "NAME"),
            kind: "KIND",
            id: "ID",
            life: vec![(BOLD, pad("LIFE LEFT", self.life()))],
            age: "AGE",
            when: ["FETCHED", "AT"][self.when_in],
            by: "BY",
        })
    }

    pub fn line(&self, row: &Row) -> Line {
        let fits = width(&row.by) <= self.by;
        self.draw(&Cells {
            style: PLAIN,
            mark: if row.is_current { "*" } else { "" },
            name: (if row.is_current { BOLD } else { PLAIN }, &row.name),
            kind: row.kind,
            id: &row.id,
            life: self.draw_life(&row.life),
            age: &row.age,
            when: &row.when[self.when_in],
            by: if fits { &row.by } else { process(&row.by) },
        })
    }

    fn draw(&self, cells: &Cells) -> Line {
        let gap = " ".repeat(GAP);
        let cell = |text: &str, to: usize| pad(&cut(text, to, self.unicode), to);
        let mut line = Line::default().with(GREEN, pad(cells.mark, 2));
        if cells.kind.is_empty() && self.kind > 0 {
            line = line.with(
                cells.name.0,
                cell(cells.name.1, self.name + GAP + self.kind),
            );
        } else {
            line = line.with(cells.name.0, cell(cells.name.1, self.name));
            if self.kind > 0 {
                line = line
                    .with(PLAIN, &gap)
                    .with(cells.style, cell(cells.kind, self.kind));
            }
        }
        if self.id > 0 {
            line = line
                .with(PLAIN, &gap)
                .with(cells.style, cell(cells.id, self.id));
        }
        line = line.with(PLAIN, &gap);
        line.0.extend(cells.life.iter().cloned());
        let before = " ".repeat(self.age.saturating_sub(width(cells.age)));
        line = line
            .with(PLAIN, &gap)
            .with(cells.style, format!("{before}{}", cells.age));
        for (text, to) in [(cells.when, self.when), (cells.by, self.by)] {
            if to > 0 {
                line = line.with(PLAIN, &gap).with(cells.style, cell(text, to));
            }
        }
        line
    }

    fn draw_life(&self, life: &Cell) -> Vec<(Style, String)> {
        let (filled, left, word, style) = match life {
            Cell::Words(words, style) => {
                let words = cut(words, self.life(), self.unicode);
                return vec![(*style, pad(&words, self.life()))];
            }
            Cell::Bar {
                filled,
                left,
                word,
                style,
            } => (filled, left, word, *style),
        };
        let [full, empty] = if self.unicode {
            ["█", "░"]
        } else {
            ["#", "-"]
        };
        let cells = (filled * self.bar as f64).round();
        let cells = cells.clamp(1.0, self.bar as f64) as usize;
        let rest = self.bar - cells;
        // If the word does not fit, the colour and the time left say it.
        let words = word.map(|word| format!(" {word} "));
        let words = words
            .filter(|words| width(words) <= rest)
            .unwrap_or_default();
        let left = pad(&cut(&span(*left), self.left, self.unicode), self.left);
        let empty = empty.repeat(rest - width(&words));
        vec![
            (style, full.repeat(cells)),
            (style, words),
            (DIM, empty),
            (style, format!(" {left}")),
        ]
    }
}

/// Returns rows of text, with each column as wide as its widest cell.
pub fn in_columns<const N: usize>(rows: &[[String; N]]) -> Vec<Line> {
    let widest = |column: usize| rows.iter().map(|row| width(&row[column])).max();
    let widths: [usize; N] = std::array::from_fn(|column| widest(column).unwrap_or(0));
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths);
        cells.fold(Line::default(), |line, (cell, wide)| {
            line.with(PLAIN, pad(cell, wide + GAP))
        })
    };
    rows.iter().map(line).collect()
}

/// Returns `php-fpm8.2` for `php-fpm8.2[4711]`.
fn process(by: &str) -> &str {
    by.rsplit_once('[').map_or(by, |(name, _)| name)
}
