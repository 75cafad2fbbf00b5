//! `wxtoken keep`: refreshes every account ahead of all other processes, and fetches for readers.
//!
//! One loop does what is due, and then sleeps. It wakes when the next thing is due, a reader leaves a message, the
//! store changes, or a signal comes. Locks, leases and back-offs belong to the library, so this process may be killed
//! at any moment.

mod events;
pub mod log;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use wxtoken::tool::{Error, KeeperEvent, PassSummary, Result, Status, Store, UnknownAccountReport};

use events::{Plan, Signals, StoreWatch, WakeReason, wait};
use log::{Log, in_words};

use crate::ui::hint::in_one_line;

/// The longest time between two looks at the store. The clock may have been set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// The shortest time between two looks at a store that changes often.
const SHORTEST_SLEEP: Duration = Duration::from_millis(200);
/// The time after which a keeper counts as ready, however slow a platform is.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// The time after which a stalled keeper ends itself if no service manager waits for signs of life, as in a container.
/// WATCHDOG_USEC takes precedence.
const STALLED_FOR: Duration = Duration::from_secs(90);

/// A part of the process that runs next to the keeper, and is told of signals.
pub trait Companion {
    /// Reads files again, after SIGHUP.
    fn reload(&self, log: &Log);
    /// Begins nothing more and waits for running work, after SIGTERM or SIGINT.
    fn end(self, log: &Log);
}

/// The absence of a companion.
impl Companion for () {
    fn reload(&self, _: &Log) {}
    fn end(self, _: &Log) {}
}

/// Runs a keeper until SIGTERM or SIGINT. With `from`, it is a bridge that brings tokens from that store.
pub fn run(store: &Store, from: Option<&Store>) -> Result<()> {
    run_with(store, from, |_| Ok(()))
}

/// Runs a keeper with a companion. `start` is called when signals are blocked and the keeper exists.
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
            "cannot watch the store for changes ({e}): looking at it every {} s",
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
        // After a pass, mail and changes wait for as long as the pass took. Signs of life and signals get that time.
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

/// The state that was last reported to the log and the service manager.
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

    /// Reports the result of a pass, and returns the time until something is due.
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
                // A unit that waits for this service waits for its tokens, but not for a platform that hangs.
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
                // The keeper may have the only copy of a lost store's accounts, so it waits instead of ending.
                notify(&[NotifyState::Watchdog]);
                Duration::from_secs(1)
            }
        }
    }
}

/// The time between two signs of life: half of what the service manager allows.
fn sign_of_life() -> Duration {
    watchdog().map_or(LONGEST_SLEEP, |waits| waits / 2)
}

/// The time that the service manager waits for a sign of life.
fn watchdog() -> Option<Duration> {
    let mut usec = 0;
    sd_notify::watchdog_enabled(false, &mut usec).then(|| Duration::from_micros(usec))
}

fn notify(states: &[NotifyState]) {
    // Without systemd this fails, and there is nobody to tell.
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
