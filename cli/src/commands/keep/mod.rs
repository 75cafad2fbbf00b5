//! `wxtoken keep`: refreshes every account ahead of all others, and fetches for those who may only read the store.
//!
//! One loop: do what is due, then sleep until the next thing is, a reader leaves a message, the store changes, or a signal
//! comes. Everything that matters (locks, leases, back-offs) is the library's; this may be killed at any moment.

mod events;
pub mod log;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use wxtoken::tool::{Error, KeeperEvent, PassSummary, Result, Status, Store, UnknownAccountReport};

use events::{Plan, Signals, StoreWatch, WakeReason, wait};
use log::{Log, in_words};

use crate::ui::hint::in_one_line;

/// However quiet it is, a look at the store now and then: the clock may have been set.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// A store that many change is looked at this often, and no more.
const SHORTEST_SLEEP: Duration = Duration::from_millis(200);
/// After this it counts as ready, however slow a platform is.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// Without a service manager that waits for signs of life, as in a container, a keeper that is stalled ends itself after this, or
/// after WATCHDOG_USEC.
const STALLED_FOR: Duration = Duration::from_secs(90);

/// What goes on beside a keeper in one process, and is told of signals.
pub trait Companion {
    /// SIGHUP: files are read again.
    fn reload(&self, log: &Log);
    /// SIGTERM or SIGINT: begins nothing more, and waits for what is under way.
    fn end(self, log: &Log);
}

/// A keeper alone.
impl Companion for () {
    fn reload(&self, _: &Log) {}
    fn end(self, _: &Log) {}
}

/// Runs until SIGTERM or SIGINT; with another store, as a bridge that brings tokens from there.
pub fn run(store: &Store, from: Option<&Store>) -> Result<()> {
    run_with(store, from, |_| Ok(()))
}

/// The same, with a companion that is started once signals are held back and there is a keeper.
pub fn run_with<C: Companion>(
    store: &Store,
    from: Option<&Store>,
    start: impl FnOnce(&Log) -> Result<C>,
) -> Result<()> {
    let signals = Signals::block()?;
    let log = Log::new();
    let tell = Arc::new(move |kept: &KeeperEvent| log.kept(kept));
    let mut keeper = match from {
        Some(from) => store.bridge(from, tell)?,
        None => store.keeper(tell)?,
    };
    let place = store.place();
    let watch = place.files.as_ref().map(StoreWatch::of).transpose();
    log.line(&match from {
        Some(from) => format!("filling {} from {}", place.name, from.place().name),
        None => format!("keeping {}", place.name),
    });
    if let Some(why) = keeper.no_mailbox() {
        log.line(&in_one_line(why));
    }
    if let Err(e) = &watch {
        log.line(&format!(
            "no word of changes of the store ({e}): it is looked at every {} s",
            LONGEST_SLEEP.as_secs()
        ));
    }
    let companion = start(&log)?;
    let mut progress = Progress::new();
    loop {
        let began = Instant::now();
        let sleep = progress.of(keeper.pass(), &log);
        if std::env::var_os("NOTIFY_SOCKET").is_none()
            && progress.is_stalled_for(watchdog().unwrap_or(STALLED_FOR))
        {
            companion.end(&log);
            let what = "no fetch has ended, and no service manager watches";
            return Err(Error::new(Status::Internal, what).advise("Start it again."));
        }
        // However long a look takes, mail and changes leave as much time to signs of life and signals.
        let rest = 2 * began.elapsed();
        let plan = Plan {
            earliest: began + SHORTEST_SLEEP.max(rest),
            mail: began + events::MAIL_SLEEP.max(rest),
            until: Instant::now() + sleep.min(LONGEST_SLEEP).min(sign_of_life()),
        };
        let woken = wait(
            &mut keeper,
            watch.as_ref().ok().and_then(Option::as_ref),
            &signals,
            plan,
        );
        if let Some(signal) = signals.end() {
            notify(&[NotifyState::Stopping]);
            companion.end(&log);
            keeper.end();
            log.line(&format!("{signal}: ending"));
            return Ok(());
        }
        if signals.look() {
            companion.reload(&log);
            keeper.look_again();
        } else if woken == WakeReason::Store {
            keeper.store_changed();
        }
    }
}

/// What has been told of the way so far.
struct Progress {
    began: Instant,
    is_ready: bool,
    stuck: Option<String>,
    left_out: Vec<UnknownAccountReport>,
    stalled_since: Option<Instant>,
}

impl Progress {
    fn new() -> Progress {
        Progress {
            began: Instant::now(),
            is_ready: false,
            stuck: None,
            left_out: Vec::new(),
            stalled_since: None,
        }
    }

    fn is_stalled_for(&self, long: Duration) -> bool {
        self.stalled_since
            .is_some_and(|since| since.elapsed() >= long)
    }

    /// Tells how a pass went, and gives how long there is nothing to do.
    fn of(&mut self, pass: Result<PassSummary>, log: &Log) -> Duration {
        match pass {
            Ok(pass) => {
                if self.stuck.take().is_some() {
                    log.line("the store can be used again");
                }
                for one in &pass.left_out {
                    if !self.left_out.contains(one) {
                        log.line(&format!("left out {one}"));
                    }
                }
                self.left_out.clone_from(&pass.left_out);
                // A unit that waits for the service waits for its tokens, but not for a platform that hangs.
                let has_waited = self.began.elapsed() >= READY_WITHIN;
                let is_done = pass.in_flight == 0 && !pass.is_listing;
                if !self.is_ready && (is_done || has_waited) {
                    log.line(&format!("ready: {}", in_words(&pass)));
                    notify(&[NotifyState::Ready]);
                    self.is_ready = true;
                }
                if pass.is_stalled != self.stalled_since.is_some() {
                    log.line(match pass.is_stalled {
                        true => {
                            "a fetch hangs and none has ended since: the service manager gets no sign of life"
                        }
                        false => "fetches end again",
                    });
                    self.stalled_since = pass.is_stalled.then(Instant::now);
                }
                let status = in_words(&pass);
                notify(&[NotifyState::Status(&status)]);
                if !pass.is_stalled {
                    notify(&[NotifyState::Watchdog]);
                }
                Duration::from_millis(pass.next_ms.unsigned_abs())
            }
            Err(e) => {
                let message = in_one_line(&e);
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

/// Half of what is waited for a sign of life.
fn sign_of_life() -> Duration {
    watchdog().map_or(LONGEST_SLEEP, |waits| waits / 2)
}

/// How long a sign of life is waited for.
fn watchdog() -> Option<Duration> {
    let mut usec = 0;
    sd_notify::watchdog_enabled(false, &mut usec).then(|| Duration::from_micros(usec))
}

fn notify(states: &[NotifyState]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(false, states);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults row 74, where no service manager watches.
    #[test]
    fn a_keeper_is_stalled_from_the_first_look_that_says_so_until_a_fetch_ends() {
        let log = Log::new();
        let mut progress = Progress::new();
        let look = |is_stalled| {
            Ok(PassSummary {
                is_stalled,
                ..PassSummary::default()
            })
        };
        let _ = progress.of(look(true), &log);
        let since = progress.stalled_since;
        let _ = progress.of(look(true), &log);
        assert_eq!(progress.stalled_since, since);
        assert!(progress.is_stalled_for(Duration::ZERO));
        assert!(!progress.is_stalled_for(STALLED_FOR));
        let _ = progress.of(look(false), &log);
        assert!(!progress.is_stalled_for(Duration::ZERO));
    }
}
