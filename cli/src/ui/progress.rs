//! The progress of long work: one line on stderr, removed at the end.
//!
//! Nothing is shown if stderr is not a terminal, or if the work is done soon.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use wxtoken::tool::Progress;

/// The time before the line is first drawn. Work that takes no longer shows nothing.
const SOON: Duration = Duration::from_millis(300);
/// The time between two drawings of the line.
const EACH: Duration = Duration::from_millis(100);

/// Returns a callback that shows `sealing secrets: 120 of 4000`.
pub fn shown(doing: &'static str) -> Box<Progress> {
    let is_terminal = io::stderr().is_terminal();
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    if !is_terminal || is_dumb {
        return Box::new(|_, _| {});
    }
    let line = Mutex::new(Line::new(doing));
    Box::new(move |done, of| {
        if let Ok(mut line) = line.lock() {
            line.tell(done, of, Instant::now(), &mut io::stderr());
        }
    })
}

struct Line {
    doing: &'static str,
    next: Instant,
    is_drawn: bool,
}

impl Line {
    fn new(doing: &'static str) -> Line {
        Line {
            doing,
            next: Instant::now() + SOON,
            is_drawn: false,
        }
    }

    fn tell(&mut self, done: usize, of: usize, now: Instant, to: &mut impl Write) {
        if done == of {
            self.clear(to);
        }
        if now < self.next || done == of {
            return;
        }
        self.next = now + EACH;
        self.is_drawn = true;
        let _ = write!(to, "\r{}: {done} of {of}\x1b[K", self.doing);
        let _ = to.flush();
    }

    fn clear(&mut self, to: &mut impl Write) {
        if std::mem::take(&mut self.is_drawn) {
            let _ = write!(to, "\r\x1b[K");
            let _ = to.flush();
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.clear(&mut io::stderr());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_drawn_once_in_a_while_and_goes_away() {
        let mut line = Line::new("copying");
        let mut out = Vec::new();
        let begun = Instant::now();
        line.tell(1, 9, begun, &mut out);
        line.tell(9, 9, begun, &mut out);
        assert!(out.is_empty(), "work that is soon done shows nothing");
        line.tell(2, 9, begun + SOON * 2, &mut out);
        line.tell(3, 9, begun + SOON * 2, &mut out);
        line.tell(4, 9, begun + SOON * 2 + EACH, &mut out);
        line.tell(9, 9, begun + SOON * 3, &mut out);
        line.clear(&mut out);
        let drawn = String::from_utf8_lossy(&out);
        let expected = "\rcopying: 2 of 9\x1b[K\rcopying: 4 of 9\x1b[K\r\x1b[K";
        assert_eq!(drawn, expected);
    }
}
