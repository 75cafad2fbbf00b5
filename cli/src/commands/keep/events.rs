//! The events that a keeper waits for: a signal, a reader's message, a change of the store, the end of a fetch, or a
//! time.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;
use wxtoken::tool::{Error, Keeper, Paths, Result, Status};

use crate::signals;

/// The shortest time between two reads of the mailbox, which many readers may write to.
pub const MAIL_SLEEP: Duration = Duration::from_millis(5);

/// The event that ended a wait.
#[derive(PartialEq)]
pub enum WakeReason {
    Signal,
    Mail,
    Store,
    Time,
}

/// The signals that came, read when the keeper has time for them.
pub struct Signals {
    fd: SignalFd,
    end: AtomicI32,
    look: AtomicBool,
}

impl Signals {
    /// Blocks SIGTERM, SIGINT and SIGHUP in this thread and in every thread that begins later. A descriptor delivers
    /// them.
    pub fn block() -> Result<Signals> {
        let set = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]);
        let fd = signals::hold(&set).map_err(|e| {
            Error::new(Status::Internal, "cannot wait for signals").because(e.desc())
        })?;
        Ok(Signals {
            fd,
            end: AtomicI32::new(0),
            look: AtomicBool::new(false),
        })
    }

    /// Returns the signal that ends the keeper, if it has come.
    pub fn end(&self) -> Option<&'static str> {
        while let Ok(Some(info)) = self.fd.read_signal() {
            match i32::try_from(info.ssi_signo).unwrap_or(0) {
                libc::SIGHUP => self.look.store(true, Ordering::Relaxed),
                signal => self.end.store(signal, Ordering::Relaxed),
            }
        }
        let signal = Signal::try_from(self.end.load(Ordering::Relaxed));
        signal.ok().map(Signal::as_str)
    }

    /// Whether SIGHUP has come since the last call. The keeper then looks again at once, and tries fetches that it held
    /// back.
    pub fn look(&self) -> bool {
        self.look.swap(false, Ordering::Relaxed)
    }
}

/// The times of the next looks.
#[derive(Clone, Copy)]
pub struct Plan {
    /// The earliest look at a changed store or at fetches that ended. There may be many of both.
    pub earliest: Instant,
    /// The earliest look at the mailbox, which a reader may flood.
    pub mail: Instant,
    /// The next look if nothing happens.
    pub until: Instant,
}

/// Waits for the next thing to do.
pub fn wait(
    keeper: &mut Keeper,
    watch: Option<&StoreWatch>,
    signals: &Signals,
    plan: Plan,
) -> WakeReason {
    let (mut has_changed, mut is_done) = (false, false);
    let mut mail_from = plan.mail;
    loop {
        let now = Instant::now();
        if (has_changed || is_done) && now >= plan.earliest {
            return if has_changed {
                WakeReason::Store
            } else {
                WakeReason::Time
            };
        }
        if now >= plan.until {
            return WakeReason::Time;
        }
        let ready = Ready::poll(
            keeper,
            watch,
            signals,
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
            return WakeReason::Signal;
        }
        if ready.mail {
            if keeper.read_mail() {
                return WakeReason::Mail;
            }
            mail_from = Instant::now() + MAIL_SLEEP;
        }
        has_changed |= ready.store && watch.is_some_and(StoreWatch::has_changed);
        is_done |= ready.done;
    }
}

#[derive(Clone, Copy)]
enum Waiting {
    Mail,
    Store,
    Done,
}

/// The descriptors that can be read.
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
        watch: Option<&StoreWatch>,
        signals: &Signals,
        is_awaited: impl Fn(Waiting) -> bool,
        until: Instant,
    ) -> Ready {
        let mut waited = vec![PollFd::new(signals.fd.as_fd(), PollFlags::POLLIN)];
        let mut wait_for = |what, fd: Option<_>| {
            let fd = fd.filter(|_| is_awaited(what))?;
            waited.push(PollFd::new(fd, PollFlags::POLLIN));
            Some(waited.len() - 1)
        };
        let mail = wait_for(Waiting::Mail, keeper.mail_fd());
        let store = wait_for(Waiting::Store, watch.map(|watch| watch.inotify.as_fd()));
        let done = wait_for(Waiting::Done, Some(keeper.done_fd()));
        let left = until.saturating_duration_since(Instant::now());
        // Rounded up: a wake that is a moment too early finds nothing due.
        let left = PollTimeout::try_from(left + Duration::from_millis(1));
        // The error that is expected here is an interruption by a signal.
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

/// A watch for changes of the store, or of a key in its directory. The directory is watched, because a file may be
/// deleted and created again.
pub struct StoreWatch {
    inotify: Inotify,
    names: [OsString; 2],
}

impl StoreWatch {
    pub fn of(paths: &Paths) -> nix::Result<StoreWatch> {
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
        Ok(StoreWatch { inotify, names })
    }

    /// Reads all events, and returns whether one is about the store or its key. The journal, the lock file and the
    /// mailbox are in the same directory.
    fn has_changed(&self) -> bool {
        let mut has_changed = false;
        while let Ok(events) = self.inotify.read_events() {
            let overflowed = AddWatchFlags::IN_Q_OVERFLOW;
            has_changed |= events.iter().any(|event| {
                let is_named = event.name.as_ref().is_some_and(|n| self.names.contains(n));
                is_named || event.mask.contains(overflowed)
            });
        }
        has_changed
    }
}
