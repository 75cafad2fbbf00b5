//! The threads that fetch: their queue, the number of threads per platform, and the fetches that are held back.

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

/// The number of requests that may be under way at once.
pub(super) const THREADS: usize = 32;

/// The number of requests to one platform that may be under way at once. A platform that hangs leaves threads to the
/// others.
const THREADS_OF_ONE: usize = 24;

/// The time in milliseconds for which a fetch is held back if its failure is not noted in the store, such as a ticket
/// that was never put. It is short, since the store may have been lost at that moment, and doubles each time.
const HOLD_MS: i64 = 2000;

/// The longest time in milliseconds for which a fetch is held back. A pass without work also waits this long for the
/// next one.
pub(super) const LONG_HOLD_MS: i64 = 60_000;

/// The state that the threads share.
pub(super) struct WorkerPool {
    pub(super) client: Arc<Client>,
    pub(super) tell: EventSink,
    pub(super) work: Mutex<Work>,
    pub(super) wakes: Condvar,
    pub(super) held: Mutex<HashMap<String, BackOff>>,
    pub(super) done: UnixStream,
}

impl Work {
    /// Notes that a job is no longer under way.
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
    /// The names that are queued or being fetched.
    pub(super) in_flight: HashSet<String>,
    pub(super) running: Running,
    /// The number of threads that wait for each platform, by its base URL.
    pub(super) busy: HashMap<String, usize>,
    pub(super) threads: usize,
    pub(super) idle: usize,
    pub(super) is_over: bool,
}

pub(super) struct BackOff {
    pub(super) until_boot_ms: i64,
    pub(super) hold_ms: i64,
    /// Whether the store has this failure at another credential, such as the parent's token.
    pub(super) stands_elsewhere: bool,
    pub(super) status: Status,
    pub(super) message: String,
}

/// A credential to fetch, and the platform to fetch it from.
#[derive(Clone)]
pub(super) struct FetchJob {
    pub(super) name: String,
    pub(super) base_url: String,
}

impl WorkerPool {
    /// Rejects the stored token if it has this fingerprint. Returns whether it did.
    pub(super) fn reject(&self, name: &str, fingerprint: &str) -> bool {
        let rejected = || -> Result<bool> {
            let session = self.client.session()?;
            // An unknown name costs one look, and no search for a similar name.
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
        // A reader that gets no answer times out, and reports that.
        rejected().unwrap_or(false)
    }

    /// Queues the fetches that are not yet under way, and starts threads for them. Returns the number of fetches under
    /// way.
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
            // If no thread can be started, the next pass tries again.
            if thread.spawn(move || pool.fetch_all()).is_ok() {
                work.threads += 1;
            }
        }
        self.wakes.notify_all();
        work.in_flight.len()
    }

    /// Runs one thread: it fetches what is in the queue, and ends after a while without work.
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
        /// The time without work after which a thread ends.
        const IDLE: std::time::Duration = std::time::Duration::from_secs(60);
        let mut work = self.work();
        loop {
            // Threads that hung have come back, and others have taken their places.
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

    /// Fetches. Returns None if there is nothing to report: another process is fetching, or nothing has changed.
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
            // The store holds further tries back. Each try is reported.
            Err(e) if session.has_failed(name) => Some(Outcome::Failed(e)),
            Err(e) => self.hold(name, e),
        }
    }

    /// Holds a fetch back whose failure is not noted in its row, such as the failure of its parent's token. Returns the
    /// failure if it is a new one.
    pub(super) fn hold(&self, name: &str, e: Error) -> Option<Outcome> {
        let mut all = self.held();
        let before = all.get(name).filter(|held| held.message == e.to_string());
        let is_news = before.is_none();
        let hold_ms = match before {
            // A store that cannot be used may recover at any moment.
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

    /// Retries the credentials that may have waited for this token.
    fn release_after(&self, name: &str) {
        let mut all = self.held();
        all.remove(name);
        for held in all.values_mut().filter(|held| held.stands_elsewhere) {
            held.until_boot_ms = 0;
        }
    }

    /// Wakes the keeper for another pass.
    pub(super) fn wake_keeper(&self) {
        // If the socket is full, the keeper has been woken already.
        let _ = (&self.done).write(&[1]);
    }

    pub(super) fn work(&self) -> MutexGuard<'_, Work> {
        lock(&self.work)
    }

    pub(super) fn held(&self) -> MutexGuard<'_, HashMap<String, BackOff>> {
        lock(&self.held)
    }
}

// The guards run even if a thread panics, so that no job stays marked as under way.

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
            // The job was given up, and its thread was no longer counted. The thread counts again from now on.
            work.threads += 1;
        }
        drop(work);
        self.pool.wakes.notify_all();
        self.pool.wake_keeper();
    }
}
