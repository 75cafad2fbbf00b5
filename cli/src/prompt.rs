//! Input of secrets, from a prompt without echo, a file, or stdin. A secret is never an argument: `ps` and the shell's
//! history show those.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::SignalFd;
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::signals;
use crate::ui::output;
use crate::ui::shell::quoted;

/// A secret that is wiped from memory when dropped.
pub type Secret = Zeroizing<String>;

/// The longest input in bytes. No secret or token is that long.
const MOST: u64 = 64 * 1024;
/// The longest line in bytes that a terminal returns.
const MOST_TYPED: usize = 4096;

/// Reads a secret from `file` if one is given, where `-` is stdin. Without a file, prompts for it if stdin is a
/// terminal, and reads stdin otherwise.
pub fn secret(file: Option<&Path>, what: &str) -> Result<Secret, Failure> {
    match file {
        Some(path) if path == Path::new("-") => from_stdin(what),
        Some(path) => from_file(path, what),
        None if io::stdin().is_terminal() => from_prompt(what),
        None => from_stdin(what),
    }
}

fn from_prompt(what: &str) -> Result<Secret, Failure> {
    let prompt = format!("The {what}, not shown as you type: ");
    let typed = ask(&prompt).map_err(|e| Failure::io(&format!("ask for the {what}"), &e))?;
    if typed.trim().is_empty() {
        return Err(Failure::usage(format!("no {what} was typed")).because("nothing is changed"));
    }
    Ok(Zeroizing::new(typed.trim().to_owned()))
}

/// Reads a line without echo. Echo ends before the prompt is shown, so that text pasted at once is not seen either.
fn ask(prompt: &str) -> io::Result<Secret> {
    let mut silent = Silent::begin()?;
    silent.terminal.write_all(prompt.as_bytes())?;
    while let Some(signal) = silent.wait()? {
        // The signal ends the program, stops it until it is continued, or is ignored.
        silent.pass_on(signal)?;
        silent.terminal.write_all(prompt.as_bytes())?;
    }
    let mut line = Zeroizing::new([0; MOST_TYPED]);
    let length = silent.terminal.read(&mut line[..])?;
    let text = std::str::from_utf8(&line[..length]).map_err(io::Error::other)?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// A terminal whose echo is off until this value is dropped. Signals that end or stop the program wait until the
/// terminal is restored.
struct Silent {
    terminal: File,
    as_it_was: Termios,
    held: SigSet,
    signals: SignalFd,
}

impl Silent {
    fn begin() -> io::Result<Silent> {
        let terminal = File::options().read(true).write(true).open("/dev/tty")?;
        let as_it_was = tcgetattr(&terminal)?;
        let held = SigSet::from_iter([
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGHUP,
            Signal::SIGQUIT,
            Signal::SIGTSTP,
        ]);
        let silent = Silent {
            signals: signals::hold(&held)?,
            terminal,
            as_it_was,
            held,
        };
        silent.silence()?;
        Ok(silent)
    }

    fn silence(&self) -> nix::Result<()> {
        let mut silent = self.as_it_was.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        silent.local_flags.insert(LocalFlags::ECHONL);
        tcsetattr(&self.terminal, SetArg::TCSAFLUSH, &silent)
    }

    /// Waits for a line. Returns the signal that came before it, if any.
    fn wait(&self) -> io::Result<Option<Signal>> {
        loop {
            if let Some(told) = self.signals.read_signal()? {
                return Ok(Signal::try_from(told.ssi_signo.cast_signed()).ok());
            }
            let mut waited = [self.terminal.as_fd(), self.signals.as_fd()]
                .map(|fd| PollFd::new(fd, PollFlags::POLLIN));
            match poll(&mut waited, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                polled => polled?,
            };
            if waited[1].any() != Some(true) {
                return Ok(None);
            }
        }
    }

    fn pass_on(&self, signal: Signal) -> nix::Result<()> {
        // TCSAFLUSH discards the text typed so far. The shell would read it.
        tcsetattr(&self.terminal, SetArg::TCSAFLUSH, &self.as_it_was)?;
        self.held.thread_unblock()?;
        raise(signal)?;
        self.held.thread_block()?;
        self.silence()
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, SetArg::TCSANOW, &self.as_it_was);
        let _ = self.held.thread_unblock();
    }
}

fn from_stdin(what: &str) -> Result<Secret, Failure> {
    read(io::stdin().lock(), &format!("the {what} from stdin"))
}

fn from_file(path: &Path, what: &str) -> Result<Secret, Failure> {
    let named = format!("the {what} from {}", path.display());
    let file = File::open(path).map_err(|e| Failure::io(&format!("read {named}"), &e))?;
    if let Ok(meta) = file.metadata()
        && meta.is_file()
        && meta.mode() & 0o044 != 0
    {
        output::warning(&format!(
            "others may read {} (mode {:04o})",
            path.display(),
            meta.mode() & 0o7777
        ));
        output::hint(&format!(
            "Close it with `chmod 600 {}`.",
            quoted(&path.to_string_lossy())
        ));
    }
    read(file, &named)
}

/// Reads a secret, without the line end that editors and `echo` add.
fn read(from: impl Read, named: &str) -> Result<Secret, Failure> {
    let mut text = Zeroizing::new(String::new());
    from.take(MOST).read_to_string(&mut text).map_err(|e| {
        // The text of the error is not shown. That the input is not text says enough.
        match e.kind() {
            io::ErrorKind::InvalidData => {
                Failure::unusable(&format!("read {named}"), "it is not UTF-8")
            }
            _ => Failure::io(&format!("read {named}"), &e),
        }
    })?;
    let trimmed = text.trim_end_matches(['\r', '\n']);
    if trimmed.is_empty() {
        return Err(Failure::unusable(&format!("read {named}"), "it is empty"));
    }
    Ok(Zeroizing::new(trimmed.to_owned()))
}
