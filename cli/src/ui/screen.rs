//! `wxtoken status --watch`: the table drawn anew on a screen of its own, until Ctrl-C.
//!
//! The signals that end it are taken from a descriptor, so the terminal is always given back as it was.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use wxtoken::tool::Store;

use crate::output::{self, Sight};
use crate::report::Report;
use crate::status;
use crate::table;
use crate::text::wrap;
use crate::trouble::{Trouble, Verdict};

const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const END_OF_LINE: &str = "\x1b[K\r\n";
const REST_OF_SCREEN: &str = "\x1b[J";

pub fn watch(store: &Store, names: &[String], seconds: f64) -> Verdict {
    if !io::stdout().is_terminal() {
        return Err(Trouble::usage(
            "--watch draws on a terminal, and stdout is none: leave it out, or use --json",
        ));
    }
    if !(0.1..=86_400.0).contains(&seconds) {
        return Err(Trouble::usage("--watch takes 0.1 to 86400 seconds"));
    }
    // A name that is not there is said before the screen changes.
    status::only(Report::of(store)?, names)?;
    let signals = ending_signals().map_err(|e| Trouble::io("wait for Ctrl-C", &e.into()))?;
    let _screen = Screen::enter()?;
    loop {
        let frame = frame(store, names, seconds, &output::sight());
        Screen::draw(&frame).map_err(|e| Trouble::io("write to the terminal", &e))?;
        let patience = Duration::from_secs_f64(seconds);
        if let Some(Signal::SIGINT | Signal::SIGTERM | Signal::SIGHUP) = wait(&signals, patience) {
            return Ok(0);
        }
    }
}

/// Blocked here, and so in the threads that the library may start.
fn ending_signals() -> nix::Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGWINCH,
    ] {
        set.add(signal);
    }
    set.thread_block()?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// The signal that came before the time was over. A terminal that has changed its size is one too.
fn wait(signals: &SignalFd, patience: Duration) -> Option<Signal> {
    let millis = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
    let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::NONE);
    let mut waiting = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    let _ = poll(&mut waiting, timeout);
    let told = signals.read_signal().ok().flatten()?;
    Signal::try_from(i32::try_from(told.ssi_signo).ok()?).ok()
}

/// As many lines as there is room for, the last of them saying how it ends.
fn frame(store: &Store, names: &[String], seconds: f64, sight: &Sight) -> String {
    let drawn = Report::of(store)
        .and_then(|report| status::only(report, names))
        .map(|report| {
            table::draw(&report, sight)
                .iter()
                .map(|line| line.render(sight.columns, sight.unicode))
                .collect::<Vec<String>>()
        });
    let mut lines = drawn.unwrap_or_else(|trouble| {
        wrap(
            &format!("wxtoken: {}", trouble.message()),
            sight.columns.unwrap_or(80),
        )
    });
    let room = sight.rows.saturating_sub(2).max(1);
    let hidden = lines.len().saturating_sub(room);
    lines.truncate(room);
    let more = match hidden {
        0 => String::new(),
        some => format!("{some} more lines; "),
    };
    let footer = format!("{more}every {seconds} s, Ctrl-C ends");
    let style = output::DIM;
    let mut frame = String::from(HOME);
    for line in &lines {
        frame.push_str(line);
        frame.push_str(END_OF_LINE);
    }
    frame.push_str(END_OF_LINE.trim_end_matches("\r\n"));
    if lines.len() < room {
        frame.push_str("\r\n");
    }
    frame.push_str(&format!("{style}{footer}{style:#}\x1b[K{REST_OF_SCREEN}"));
    frame
}

/// The other screen of the terminal; left when this is dropped.
struct Screen;

impl Screen {
    fn enter() -> Result<Screen, Trouble> {
        raw(ENTER).map_err(|e| Trouble::io("write to the terminal", &e))?;
        Ok(Screen)
    }

    fn draw(frame: &str) -> io::Result<()> {
        // Colours only where they are wanted; the movements always.
        match anstream::AutoStream::choice(&io::stdout()) {
            anstream::ColorChoice::Never => raw(&without_colors(frame)),
            _ => raw(frame),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = raw(LEAVE);
    }
}

fn raw(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Without the sequences that end with an m.
fn without_colors(frame: &str) -> String {
    let mut plain = String::new();
    let mut rest = frame;
    while let Some(at) = rest.find("\x1b[") {
        let (before, sequence) = rest.split_at(at);
        plain.push_str(before);
        let end = sequence[2..]
            .find(|c: char| c.is_ascii_alphabetic())
            .map_or(sequence.len(), |end| end + 3);
        let (sequence, after) = sequence.split_at(end);
        if !sequence.ends_with('m') {
            plain.push_str(sequence);
        }
        rest = after;
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_and_movements_stay() {
        let drawn = "\x1b[H\x1b[1mbold\x1b[0m\x1b[K\r\nplain";
        assert_eq!(without_colors(drawn), "\x1b[Hbold\x1b[K\r\nplain");
    }
}
