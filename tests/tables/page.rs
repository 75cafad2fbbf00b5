//! A file that lists the contents of a table of the library. It is compared line by line, or rewritten if
//! WXTOKEN_WRITE_TABLES is set.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// The mark of a text in a Chinese page that is still in English.
pub const TODO: &str = "**TODO**";

pub struct Page {
    file: &'static str,
    lines: Vec<String>,
    /// Places where a list differs from its table, with the right text. Writing the page corrects these.
    outdated: Vec<String>,
    flaws: Vec<String>,
}

impl Page {
    pub fn open(file: &'static str) -> Page {
        let text = std::fs::read_to_string(path(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        Page {
            file,
            lines: text.lines().map(str::to_owned).collect(),
            outdated: Vec::new(),
            flaws: Vec::new(),
        }
    }

    /// Writes the page if WXTOKEN_WRITE_TABLES is set, and returns the remaining flaws.
    pub fn close(mut self) -> Vec<String> {
        for (i, line) in self.lines.iter().enumerate() {
            if line.contains(TODO) {
                let (file, number) = (self.file, i + 1);
                self.flaws
                    .push(format!("{file}:{number}: translate what follows {TODO}"));
            }
        }
        if std::env::var_os("WXTOKEN_WRITE_TABLES").is_none() {
            self.outdated.append(&mut self.flaws);
            return self.outdated;
        }
        let text = self.lines.join("\n") + "\n";
        std::fs::write(path(self.file), text).unwrap();
        self.flaws
    }

    /// Expects a block of lines that begin with `mark`. The first word of the first line is `first`.
    pub fn expect_block(&mut self, mark: &str, first: &str, wanted: &[String]) {
        let begins = |line: &String| {
            let rest = line.strip_prefix(mark);
            rest.is_some_and(|rest| rest.split(' ').next() == Some(first))
        };
        let Some(start) = self.lines.iter().position(begins) else {
            return self.lacks(&format!("a block that begins with {mark}{first}"));
        };
        let is_inside = |line: &&String| line.strip_prefix(mark).is_some_and(|l| !l.is_empty());
        let length = self.lines[start..].iter().take_while(is_inside).count();
        let wanted = wanted.iter().map(|line| format!("{mark}{line}")).collect();
        self.expect(start..start + length, wanted);
    }

    /// Expects these rows in the Markdown table that has a row for `name`. `row` makes each row from its old cells.
    pub fn expect_rows<T>(
        &mut self,
        name: &str,
        wanted: &[T],
        row: impl Fn(&T, &dyn Fn(&str) -> Option<Vec<String>>) -> String,
    ) {
        let Some(place) = self.table(name) else {
            return self.lacks(&format!("a table with a row for {name}"));
        };
        let old = self.lines[place.clone()].to_vec();
        let cells = |name: &str| old.iter().map(|l| cells(l)).find(|cells| cells[0] == name);
        let wanted = wanted.iter().map(|item| row(item, &cells)).collect();
        self.expect(place, wanted);
    }

    /// The rows of the table that has one for `name`, each with its line number and its cells.
    pub fn rows(&self, name: &str) -> Vec<(usize, Vec<String>)> {
        let place = self.table(name).unwrap_or_default();
        let rows = place.map(|i| (i + 1, cells(&self.lines[i])));
        rows.collect()
    }

    /// Expects this comment above the first line that begins with `begin`.
    pub fn expect_comment(&mut self, begin: &str, wanted: &str) {
        let Some(item) = self.lines.iter().position(|line| line.starts_with(begin)) else {
            let item = begin.trim();
            return self.lacks(&format!("a line that begins with {item}, below\n{wanted}"));
        };
        let is_comment = |line: &&String| line.trim_start().starts_with('/');
        let above = self.lines[..item].iter().rev().take_while(is_comment);
        let start = item - above.count();
        self.expect(start..item, vec![wanted.to_owned()]);
    }

    pub fn expect_word(&mut self, what: &str, word: &str) {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let has = |line: &String| line.split(|c| !is_word(c)).any(|found| found == word);
        if !self.lines.iter().any(has) {
            self.lacks(&format!("the {what} {word}"));
        }
    }

    /// The names of the constants of type Kind in a file of Go.
    pub fn kinds_of_go(&self) -> Vec<String> {
        let constants = self.lines.iter().filter_map(|line| {
            let (name, rest) = line.trim().split_once(' ')?;
            rest.starts_with("Kind = \"").then(|| name.to_owned())
        });
        constants.collect()
    }

    pub fn expect_text(&mut self, text: &str) {
        if !self.lines.iter().any(|line| line.contains(text)) {
            self.lacks(&format!("the text “{text}”"));
        }
    }

    pub fn flaw(&mut self, line: usize, why: &str) {
        self.flaws.push(format!("{}:{line}: {why}", self.file));
    }

    fn lacks(&mut self, what: &str) {
        self.flaws.push(format!("{}: lacks {what}", self.file));
    }

    fn expect(&mut self, place: Range<usize>, wanted: Vec<String>) {
        let found = &self.lines[place.clone()];
        let differ = found.iter().zip(&wanted).position(|(a, b)| a != b);
        let first = differ.unwrap_or(found.len().min(wanted.len()));
        if found == wanted {
            return;
        }
        let should = wanted.get(first).map_or("nothing more", |line| line);
        let (file, line) = (self.file, place.start + first + 1);
        self.outdated
            .push(format!("{file}:{line}: there should stand\n    {should}"));
        self.lines.splice(place, wanted);
    }

    /// The lines of a table below its head.
    fn table(&self, name: &str) -> Option<Range<usize>> {
        let row = format!("| {name} |");
        let inside = self.lines.iter().position(|line| line.starts_with(&row))?;
        let is_rule = |line: &String| line.starts_with("|-");
        let start = self.lines[..inside].iter().rposition(is_rule)? + 1;
        let is_row = |line: &&String| line.starts_with('|');
        let length = self.lines[start..].iter().take_while(is_row).count();
        Some(start..start + length)
    }
}

fn cells(row: &str) -> Vec<String> {
    let row = row.trim().trim_start_matches('|');
    let row = row.strip_suffix('|').unwrap_or(row);
    row.split('|').map(|cell| cell.trim().to_owned()).collect()
}

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}
