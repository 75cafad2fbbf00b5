//! Where secrets come from: a prompt without echo, a file, or stdin. Never an argument, which `ps` and the shell's
//! history show.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;

use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::ui::output;
use crate::ui::shell::quoted;

/// Wiped from memory when dropped.
pub type Secret = Zeroizing<String>;

/// More than any secret or token has.
const MOST: u64 = 64 * 1024;

/// From the file that is named, `-` being stdin; else from a prompt where stdin is a terminal; else from stdin.
pub fn secret(file: Option<&Path>, what: &str) -> Result<Secret, Failure> {
    match file {
        Some(path) if path == Path::new("-") => from_stdin(what),
        Some(path) => from_file(path, what),
        None if io::stdin().is_terminal() => from_prompt(what),
        None => from_stdin(what),
    }
}

fn from_prompt(what: &str) -> Result<Secret, Failure> {
    let cannot = |e: io::Error| Failure::io(&format!("ask for the {what}"), &e);
    let quiet = Quiet::begin().map_err(cannot)?;
    let asked = rpassword::prompt_password(format!("The {what}, not shown as you type: "));
    drop(quiet);
    let typed = asked.map(Zeroizing::new).map_err(cannot)?;
    if typed.trim().is_empty() {
        return Err(Failure::usage(format!(
            "no {what} was typed: nothing is changed"
        )));
    }
    Ok(Zeroizing::new(typed.trim().to_owned()))
}

/// A terminal without echo from before the prompt is shown, which rpassword leaves to the moment after it: what is pasted at
/// once would be seen. A signal that ends the program, as the one that rpassword raises on Ctrl-C, waits until the terminal
/// is as it was.
struct Quiet {
    terminal: File,
    as_it_was: Termios,
    held: SigSet,
}

impl Quiet {
    fn begin() -> io::Result<Quiet> {
        let held = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
        let terminal = File::options().read(true).write(true).open("/dev/tty")?;
        let as_it_was = tcgetattr(&terminal)?;
        held.thread_block()?;
        let quiet = Quiet {
            terminal,
            as_it_was,
            held,
        };
        quiet.watch()?;
        silence(&quiet.terminal, &quiet.as_it_was)?;
        Ok(quiet)
    }

    /// Passes signals from others on when the terminal is as it was: this thread may be waiting for a key.
    fn watch(&self) -> io::Result<()> {
        let terminal = self.terminal.try_clone()?;
        let (as_it_was, held) = (self.as_it_was.clone(), self.held);
        let pass_on = move || {
            while let Ok(signal) = held.wait() {
                let _ = tcsetattr(&terminal, SetArg::TCSANOW, &as_it_was);
                let _ = held.thread_unblock();
                let _ = raise(signal);
                // Still here, so it is one that is ignored.
                let _ = held.thread_block();
                let _ = silence(&terminal, &as_it_was);
            }
        };
        thread::Builder::new().spawn(pass_on).map(|_| ())
    }
}

/// Ctrl-C is a character then, which rpassword finds whenever it comes to read.
fn silence(terminal: &File, as_it_was: &Termios) -> nix::Result<()> {
    let mut silent = as_it_was.clone();
    let as_rpassword = LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG;
    silent.local_flags.remove(as_rpassword);
    tcsetattr(terminal, SetArg::TCSAFLUSH, &silent)
}

impl Drop for Quiet {
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
        output::warn(&format!(
            "others may read {} (mode {:04o}): chmod 600 {}",
            path.display(),
            meta.mode() & 0o7777,
            quoted(&path.to_string_lossy())
        ));
    }
    read(file, &named)
}

/// Without the line end that editors and `echo` leave.
fn read(from: impl Read, named: &str) -> Result<Secret, Failure> {
    let mut text = Zeroizing::new(String::new());
    from.take(MOST).read_to_string(&mut text).map_err(|e| {
        // Not the text of the error: it is enough to say that it is no text.
        match e.kind() {
            io::ErrorKind::InvalidData => {
                Failure::Io(format!("cannot read {named}: it is not UTF-8"))
            }
            _ => Failure::io(&format!("read {named}"), &e),
        }
    })?;
    let trimmed = text.trim_end_matches(['\r', '\n']);
    if trimmed.is_empty() {
        return Err(Failure::Io(format!("cannot read {named}: it is empty")));
    }
    Ok(Zeroizing::new(trimmed.to_owned()))
}
