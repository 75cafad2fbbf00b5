//! `wxtoken keep`: refreshes every account ahead of all others, and fetches for those who may only read the store.
//!
//! One loop: do what is due, then sleep until the next thing is, a reader leaves a message, the store changes, or a signal
//! comes. Everything that matters (locks, leases, back-offs) is the library's; this may be killed at any moment.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use chrono::{Local, TimeZone};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use sd_notify::NotifyState;
use wxtoken::tool::{Error, Keeper, Kept, Outcome, Pass, Paths, Result, Status, Store};

/// However quiet it is, a look at the store now and then: the clock may have been set.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// A store that many change is looked at this often, and no more.
const SHORTEST_SLEEP: Duration = Duration::from_millis(200);
/// And a mailbox that many write to.
const MAIL_SLEEP: Duration = Duration::from_millis(5);
/// After this it counts as ready, be some platform slow.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// Runs until SIGTERM or SIGINT.
pub fn run(store: &Store) -> Result<()> {
    let orders = Orders::new(block_signals().map_err(|e| trouble("cannot wait for signals", e))?);
    let log = Log::new();
    let mut keeper = store.keeper(Arc::new(move |kept: &Kept| log.kept(kept)))?;
    let changes = Changes::of(&store.paths());
    log.line(&format!("keeping {}", store.paths().store.display()));
    if let Some(why) = keeper.no_mailbox() {
        log.line(&why.to_string());
    }
    if let Err(e) = &changes {
        log.line(&format!(
            "no word of changes of the store ({e}): it is looked at every {} s",
            LONGEST_SLEEP.as_secs()
        ));
    }
    let mut progress = Progress::new();
    loop {
        let began = Instant::now();
        let sleep = progress.of(keeper.pass(), &log);
        let plan = Plan {
            earliest: began + SHORTEST_SLEEP,
            mail: began + MAIL_SLEEP,
            until: Instant::now() + sleep.min(LONGEST_SLEEP).min(watchdog()),
        };
        let woken = wait(&mut keeper, changes.as_ref().ok(), &orders, plan);
        if let Some(signal) = orders.end() {
            notify(&[NotifyState::Stopping]);
            keeper.end();
            log.line(&format!("{signal}: ending"));
            return Ok(());
        }
        if orders.look() {
            keeper.look_again();
        } else if woken == Woken::Store {
            keeper.store_changed();
        }
    }
}

/// What has been told of the way so far.
struct Progress {
    began: Instant,
    is_ready: bool,
    stuck: Option<String>,
}

impl Progress {
    fn new() -> Progress {
        Progress {
            began: Instant::now(),
            is_ready: false,
            stuck: None,
        }
    }

    /// Tells how a pass went, and gives how long there is nothing to do.
    fn of(&mut self, pass: Result<Pass>, log: &Log) -> Duration {
        match pass {
            Ok(pass) => {
                if self.stuck.take().is_some() {
                    log.line("the store can be used again");
                }
                // Whoever waits for the service waits for its tokens; but not for a platform that hangs.
                let has_waited = self.began.elapsed() >= READY_WITHIN;
                if !self.is_ready && (pass.in_flight == 0 || has_waited) {
                    log.line(&format!("ready: {}", in_words(&pass)));
                    notify(&[NotifyState::Ready]);
                    self.is_ready = true;
                }
                let status = in_words(&pass);
                notify(&[NotifyState::Status(&status), NotifyState::Watchdog]);
                Duration::from_millis(pass.next_ms.unsigned_abs())
            }
            Err(e) => {
                let message = e.for_c();
                if self.stuck.as_ref() != Some(&message) {
                    log.line(&message);
                    self.stuck = Some(message);
                }
                // It has the only copy of what a lost store held: waiting is all that is to be done.
                notify(&[NotifyState::Watchdog]);
                Duration::from_secs(1)
            }
        }
    }
}

#[derive(PartialEq)]
enum Woken {
    Signal,
    Mail,
    Store,
    Time,
}

/// What signals say, read when there is time for it.
struct Orders {
    signals: SignalFd,
    end: AtomicI32,
    look: AtomicBool,
}

impl Orders {
    fn new(signals: SignalFd) -> Orders {
        Orders {
            signals,
            end: AtomicI32::new(0),
            look: AtomicBool::new(false),
        }
    }

    /// The signal that ends it, if it has come.
    fn end(&self) -> Option<&'static str> {
        while let Ok(Some(info)) = self.signals.read_signal() {
            match i32::try_from(info.ssi_signo).unwrap_or(0) {
                libc::SIGHUP => self.look.store(true, Ordering::Relaxed),
                signal => self.end.store(signal, Ordering::Relaxed),
            }
        }
        let signal = Signal::try_from(self.end.load(Ordering::Relaxed));
        signal.ok().map(Signal::as_str)
    }

    /// SIGHUP says to look again at once; what was held back is tried.
    fn look(&self) -> bool {
        self.look.swap(false, Ordering::Relaxed)
    }
}

/// SIGTERM, SIGINT and SIGHUP are read from a descriptor; in every thread that begins after this.
fn block_signals() -> nix::Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        set.add(signal);
    }
    set.thread_block()?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// When what is looked at.
#[derive(Clone, Copy)]
struct Plan {
    /// A store that many change, and the ends of many fetches.
    earliest: Instant,
    /// A mailbox that somebody floods.
    mail: Instant,
    until: Instant,
}

/// Waits for the next thing to do.
fn wait(keeper: &mut Keeper, changes: Option<&Changes>, orders: &Orders, plan: Plan) -> Woken {
    let (mut has_changed, mut is_done) = (false, false);
    let mut mail_from = plan.mail;
    loop {
        let now = Instant::now();
        if (has_changed || is_done) && now >= plan.earliest {
            return if has_changed {
                Woken::Store
            } else {
                Woken::Time
            };
        }
        if now >= plan.until {
            return Woken::Time;
        }
        let ready = Ready::poll(
            keeper,
            changes,
            orders,
            |what| match what {
                Waiting::Mail => now >= mail_from,
                Waiting::Store => !has_changed,
                Waiting::Done => !is_done,
            },
            {
                let mut end = plan.until;
                if has_changed || is_done {
                    end = end.min(plan.earliest);
                }
                if now < mail_from {
                    end = end.min(mail_from);
                }
                end
            },
        );
        if ready.signal {
            return Woken::Signal;
        }
        if ready.mail {
            if keeper.read_mail() {
                return Woken::Mail;
            }
            mail_from = Instant::now() + MAIL_SLEEP;
        }
        has_changed |= ready.store && changes.is_some_and(Changes::are_of_the_store);
        is_done |= ready.done;
    }
}

#[derive(Clone, Copy)]
enum Waiting {
    Mail,
    Store,
    Done,
}

/// What there is to be read.
#[derive(Default)]
struct Ready {
    signal: bool,
    mail: bool,
    store: bool,
    done: bool,
}

impl Ready {
    fn poll(
        keeper: &Keeper,
        changes: Option<&Changes>,
        orders: &Orders,
        is_awaited: impl Fn(Waiting) -> bool,
        until: Instant,
    ) -> Ready {
        let mut waited = vec![PollFd::new(orders.signals.as_fd(), PollFlags::POLLIN)];
        let mut wait_for = |what, fd: Option<_>| {
            let fd = fd.filter(|_| is_awaited(what))?;
            waited.push(PollFd::new(fd, PollFlags::POLLIN));
            Some(waited.len() - 1)
        };
        let mail = wait_for(Waiting::Mail, keeper.mail_fd());
        let store = wait_for(
            Waiting::Store,
            changes.map(|changes| changes.inotify.as_fd()),
        );
        let done = wait_for(Waiting::Done, Some(keeper.done_fd()));
        let left = until.saturating_duration_since(Instant::now());
        // Rounded up: not to wake a hair too early, and find nothing due.
        let left = PollTimeout::try_from(left + Duration::from_millis(1));
        // An error is a signal that came in between.
        let _ = poll(&mut waited, left.unwrap_or(PollTimeout::MAX));
        let is_ready = |place: Option<usize>| {
            let events = place.and_then(|place| waited.get(place)?.revents());
            events.is_some_and(|events| !events.is_empty())
        };
        Ready {
            signal: is_ready(Some(0)),
            mail: is_ready(mail),
            store: is_ready(store),
            done: is_ready(done),
        }
    }
}

/// Word of every change of the store, or of a key beside it: the directory is watched, since a file may be deleted and made
/// anew.
struct Changes {
    inotify: Inotify,
    names: [std::ffi::OsString; 2],
}

impl Changes {
    fn of(paths: &Paths) -> nix::Result<Changes> {
        let store = &paths.store;
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let flags = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_MOVED_TO;
        inotify.add_watch(store.parent().unwrap_or(Path::new("/")), flags)?;
        let names = [store, &paths.key].map(|path| path.file_name().unwrap_or_default().into());
        Ok(Changes { inotify, names })
    }

    /// Reads what there is. The journal, the lock file and the mailbox lie in the same directory.
    fn are_of_the_store(&self) -> bool {
        let mut are = false;
        while let Ok(events) = self.inotify.read_events() {
            let overflowed = AddWatchFlags::IN_Q_OVERFLOW;
            are |= events.iter().any(|event| {
                let is_named = event.name.as_ref().is_some_and(|n| self.names.contains(n));
                is_named || event.mask.contains(overflowed)
            });
        }
        are
    }
}

/// Half of what systemd waits for a sign of life.
fn watchdog() -> Duration {
    let mut usec = 0;
    if sd_notify::watchdog_enabled(false, &mut usec) {
        return Duration::from_micros(usec / 2);
    }
    LONGEST_SLEEP
}

fn notify(states: &[NotifyState]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(false, states);
}

fn in_words(pass: &Pass) -> String {
    let Pass {
        accounts,
        credentials,
        lacking,
        next_ms,
        ..
    } = pass;
    let plural = |n: &usize| if *n == 1 { "" } else { "s" };
    let lack = match lacking {
        0 => "all valid".into(),
        n => format!("{n} without a valid token"),
    };
    format!(
        "{accounts} account{}, {credentials} credential{}, {lack}; next look in {} s",
        plural(accounts),
        plural(credentials),
        next_ms / 1000
    )
}

fn trouble(what: &str, e: nix::Error) -> Error {
    Error::new(Status::Internal, format!("{what}: {}", e.desc()))
}

/// One line per event, to stderr; with the time, unless the journal notes that by itself.
#[derive(Clone, Copy)]
struct Log {
    with_time: bool,
}

impl Log {
    fn new() -> Log {
        Log {
            with_time: std::env::var_os("JOURNAL_STREAM").is_none(),
        }
    }

    fn line(&self, text: &str) {
        let time = match self.with_time {
            true => format!("{} ", Local::now().format("%Y-%m-%d %H:%M:%S")),
            false => String::new(),
        };
        // The tokens matter more than a log that cannot be written.
        let _ = io::stderr().write_all(format!("{time}{text}\n").as_bytes());
    }

    fn kept(&self, kept: &Kept) {
        let name = &kept.name;
        match &kept.outcome {
            Outcome::Fetched { expires_at } => {
                let end = Local.timestamp_opt(*expires_at, 0).single();
                let end = end.map_or(String::new(), |end| end.format("%H:%M:%S").to_string());
                self.line(&format!("fetched {name}: good until {end}"));
            }
            Outcome::Rejected => self.line(&format!("{name} was refused: a reader says so")),
            Outcome::Failed(failure) => {
                let again = match failure.retry_after_ms {
                    0 => String::new(),
                    ms => format!("; next try in {} s", (ms + 999) / 1000),
                };
                self.line(&format!("failed {name}: {}{again}", failure));
            }
        }
    }
}
