//! The threads that fetch: a queue, how many are at one platform, and what is held back.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::overdue::Running;
use super::plan::PlannedFetch;
use super::{EventSink, KeeperEvent, Outcome};
use crate::account::Lookup;
use crate::client::Client;
use crate::clock::boot_ms;
use crate::error::{Error, Result, Status};
use crate::store::token_fingerprint;
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError, lock};

/// How many requests are under way at once.
pub(super) const THREADS: usize = 32;

/// How many of them go to one platform: one that hangs leaves threads to the others.
const THREADS_OF_ONE: usize = 24;

/// How long a fetch is held back that failed without a word in the store, such as a ticket that was never put. Short,
/// since the store may have been lost at that moment; doubled each time.
const HOLD_MS: i64 = 2000;

/// The longest that such a fetch is held back, and that a pass without work lets the next one wait.
pub(super) const LONG_HOLD_MS: i64 = 60_000;

/// What the threads share.
pub(super) struct WorkerPool {
    pub(super) client: Arc<Client>,
    pub(super) tell: EventSink,
    pub(super) work: Mutex<Work>,
    pub(super) wakes: Condvar,
    pub(super) held: Mutex<HashMap<String, BackOff>>,
    pub(super) done: UnixStream,
}

impl Work {
    /// A job is no longer under way.
    pub(super) fn leave(&mut self, job: &FetchJob) {
        self.in_flight.remove(&job.name);
        if let Some(busy) = self.busy.get_mut(&job.base_url) {
            *busy -= 1;
        }
    }
}

#[derive(Default)]
pub(super) struct Work {
    pub(super) queue: VecDeque<FetchJob>,
    /// What is queued or being fetched.
    pub(super) in_flight: HashSet<String>,
    pub(super) running: Running,
    /// How many threads wait for each platform, by its base URL.
    pub(super) busy: HashMap<String, usize>,
    pub(super) threads: usize,
    pub(super) idle: usize,
    pub(super) is_over: bool,
}

pub(super) struct BackOff {
    pub(super) until_boot_ms: i64,
    pub(super) hold_ms: i64,
    /// The store has this failure at another credential, such as the parent's token.
    pub(super) stands_elsewhere: bool,
    pub(super) status: Status,
    pub(super) message: String,
}

/// What is to be fetched, and where.
#[derive(Clone)]
pub(super) struct FetchJob {
    pub(super) name: String,
    pub(super) base_url: String,
}

impl WorkerPool {
    /// Rejects the stored token if it is the one that is meant. Whether it was.
    pub(super) fn reject(&self, name: &str, fingerprint: &str) -> bool {
        let rejected = || -> Result<bool> {
            let session = self.client.session()?;
            // A name that is not there costs a look, and no search for one that is like it.
            let Lookup::Found(found) = session.load(Some(name), &session.deadline)? else {
                return Ok(false);
            };
            let Some(token) = &found.row.token else {
                return Ok(false);
            };
            if found.row.rejected || token_fingerprint(name, token) != fingerprint {
                return Ok(false);
            }
            session.reject(Some(name), token)?;
            Ok(true)
        };
        // A reader that is told nothing times out, and says so.
        rejected().unwrap_or(false)
    }

    /// Has threads fetch what is not under way yet. How many fetches there are then.
    pub(super) fn enqueue<'j>(
        self: &Arc<WorkerPool>,
        plan: impl Iterator<Item = &'j PlannedFetch>,
    ) -> usize {
        let mut work = self.work();
        for planned in plan {
            let job = &planned.job;
            if !work.is_over && work.in_flight.insert(job.name.clone()) {
                work.queue.push_back(job.clone());
            }
            if planned.is_wanted {
                let place = work.queue.iter().position(|queued| queued.name == job.name);
                if let Some(queued) = place.and_then(|place| work.queue.remove(place)) {
                    work.queue.push_front(queued);
                }
            }
        }
        let wanted = work.queue.len().saturating_sub(work.idle);
        for _ in 0..wanted.min(THREADS.saturating_sub(work.threads)) {
            let pool = self.clone();
            let thread = std::thread::Builder::new().name("wxtoken-keep".into());
            // With none at all the next pass tries again.
            if thread.spawn(move || pool.fetch_all()).is_ok() {
                work.threads += 1;
            }
        }
        self.wakes.notify_all();
        work.in_flight.len()
    }

    /// One thread: fetches what is in the queue, and ends after a while without work.
    fn fetch_all(&self) {
        let _thread = ThreadGuard(self);
        while let Some((number, job)) = self.next() {
            let _job = JobGuard {
                pool: self,
                number,
                job: &job,
            };
            if let Some(outcome) = self.fetch(&job.name) {
                let name = job.name.clone();
                (self.tell)(&KeeperEvent { name, outcome });
            }
        }
    }

    /// Waits for something to fetch.
    fn next(&self) -> Option<(u64, FetchJob)> {
        /// A thread that has had nothing to do for so long is not needed.
        const IDLE: std::time::Duration = std::time::Duration::from_secs(60);
        let mut work = self.work();
        loop {
            // Those that hung have come back, and their places are taken.
            if work.threads > THREADS {
                return None;
            }
            let place = work.queue.iter().position(|job| {
                work.busy
                    .get(&job.base_url)
                    .is_none_or(|busy| *busy < THREADS_OF_ONE)
            });
            if let Some(job) = place.and_then(|place| work.queue.remove(place)) {
                *work.busy.entry(job.base_url.clone()).or_default() += 1;
                let number = work.running.begin(&job, self.client.options().timeout_ms);
                return Some((number, job));
            }
            if work.is_over {
                return None;
            }
            work.idle += 1;
            let waited = self.wakes.wait_timeout(work, IDLE);
            let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            work = woken;
            work.idle -= 1;
            if timeout.timed_out() && work.queue.is_empty() {
                return None;
            }
        }
    }

    /// None when there is nothing to tell: somebody else is at it, or it is as it was.
    fn fetch(&self, name: &str) -> Option<Outcome> {
        let session = match self.client.keeper_session() {
            Ok(session) => session,
            Err(e) => return Some(Outcome::Failed(e)),
        };
        match session.keep(name) {
            Ok(Some(token)) => {
                self.release_after(name);
                Some(Outcome::Fetched {
                    expires_at: token.expires_at_s,
                })
            }
            Ok(None) => None,
            // The store holds it back, and each try is told.
            Err(e) if session.has_failed(name) => Some(Outcome::Failed(e)),
            Err(e) => self.hold(name, e),
        }
    }

    /// What the store does not hold back, as where its parent's token is what failed, is held back here, and told once.
    pub(super) fn hold(&self, name: &str, e: Error) -> Option<Outcome> {
        let mut all = self.held();
        let before = all.get(name).filter(|held| held.message == e.to_string());
        let is_news = before.is_none();
        let hold_ms = match before {
            // A store that cannot be used may be well any moment.
            Some(held) if e.status != Status::Store => (held.hold_ms * 2).min(LONG_HOLD_MS),
            _ => HOLD_MS,
        };
        let held = BackOff {
            until_boot_ms: boot_ms() + hold_ms.max(e.retry_after_ms),
            hold_ms,
            stands_elsewhere: e.retry_after_ms > 0,
            status: e.status,
            message: e.to_string(),
        };
        all.insert(name.into(), held);
        drop(all);
        is_news.then_some(Outcome::Failed(e))
    }

    /// Tries the credentials again that may have waited for this token.
    fn release_after(&self, name: &str) {
        let mut all = self.held();
        all.remove(name);
        for held in all.values_mut().filter(|held| held.stands_elsewhere) {
            held.until_boot_ms = 0;
        }
    }

    /// Has the keeper look again.
    pub(super) fn wake_keeper(&self) {
        // Where the socket is full it has been told.
        let _ = (&self.done).write(&[1]);
    }

    pub(super) fn work(&self) -> MutexGuard<'_, Work> {
        lock(&self.work)
    }

    pub(super) fn held(&self) -> MutexGuard<'_, HashMap<String, BackOff>> {
        lock(&self.held)
    }
}

// However a thread leaves, be it by a panic, nothing stays under way that nobody is at.

struct ThreadGuard<'a>(&'a WorkerPool);

impl Drop for ThreadGuard<'_> {
    fn drop(&mut self) {
        self.0.work().threads -= 1;
        self.0.wakes.notify_all();
    }
}

struct JobGuard<'a> {
    pool: &'a WorkerPool,
    number: u64,
    job: &'a FetchJob,
}

impl Drop for JobGuard<'_> {
    fn drop(&mut self) {
        let mut work = self.pool.work();
        if work.running.end(self.number) {
            work.leave(self.job);
        } else {
            // It was given up, and its thread with it, which is one more from now on.
            work.threads += 1;
        }
        drop(work);
        self.pool.wakes.notify_all();
        self.pool.wake_keeper();
    }
}
