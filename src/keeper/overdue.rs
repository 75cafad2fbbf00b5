//! Overdue fetches: they are reported and held back, and other threads take their places.
//!
//! Every wait in a fetch is limited, so a fetch that goes on long past its time hangs for an unknown reason. The keeper
//! goes on without its thread, up to a number of such threads. If no fetch ends at all, the keeper counts as stalled,
//! and sends the service manager no sign of life.

use std::collections::HashMap;

use super::KeeperEvent;
use super::workers::{FetchJob, THREADS, WorkerPool};
use crate::clock::Deadline;
use crate::error::{Error, Status};

/// The milliseconds beyond `timeout_ms` that a fetch may take, for saving and for looks at the store before and after.
const GRACE_MS: i64 = 3000;

/// The number of hanging threads that other threads may replace.
const MAX_GIVEN_UP: usize = THREADS;

/// The jobs that the threads are working on.
#[derive(Default)]
pub(super) struct Running {
    begun: u64,
    jobs: HashMap<u64, Job>,
    /// The number of hanging threads that other threads have replaced.
    given_up: usize,
    /// Whether a fetch was found overdue, and none has ended since.
    is_stalled: bool,
}

struct Job {
    job: FetchJob,
    until: Deadline,
    is_told: bool,
}

impl Running {
    /// Notes that a thread begins a job. Returns the job's number.
    pub(super) fn begin(&mut self, job: &FetchJob, timeout_ms: i64) -> u64 {
        self.begun += 1;
        let job = Job {
            job: job.clone(),
            until: Deadline::after(timeout_ms.saturating_add(GRACE_MS)),
            is_told: false,
        };
        self.jobs.insert(self.begun, job);
        self.begun
    }

    /// Notes that a job has ended. Returns false if it was given up before.
    pub(super) fn end(&mut self, number: u64) -> bool {
        self.is_stalled = false;
        let was_known = self.jobs.remove(&number).is_some();
        if !was_known {
            self.given_up -= 1;
        }
        was_known
    }

    /// Returns the number of overdue fetches.
    pub(super) fn overdue(&self) -> usize {
        self.given_up + self.jobs.values().filter(|job| job.is_told).count()
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.is_stalled
    }
}

impl WorkerPool {
    /// Reports the fetches that have become overdue, and lets other threads replace theirs.
    pub(super) fn give_up_the_overdue(&self) {
        let mut overdue = Vec::new();
        let mut work = self.work();
        let running = &work.running.jobs;
        let late = running.iter().filter(|(_, job)| job.until.has_passed());
        let late: Vec<u64> = late.map(|(number, _)| *number).collect();
        for number in late {
            let Some(job) = work.running.jobs.get_mut(&number) else {
                continue;
            };
            if !job.is_told {
                job.is_told = true;
                overdue.push(job.job.name.clone());
                work.running.is_stalled = true;
            }
            if work.running.given_up < MAX_GIVEN_UP
                && let Some(job) = work.running.jobs.remove(&number)
            {
                work.running.given_up += 1;
                work.threads -= 1;
                work.leave(&job.job);
            }
        }
        drop(work);
        let timeout_ms = self.client.options().timeout_ms;
        for name in overdue {
            let what = format!("the fetch of {name} has not ended");
            let e = Error::new(Status::Timeout, what)
                .because(format!(
                    "it hangs, seconds past timeout_ms ({timeout_ms} ms)"
                ))
                .advise("Another thread tries again. Restart the keeper if this goes on.");
            if let Some(outcome) = self.hold(&name, e) {
                (self.tell)(&KeeperEvent { name, outcome });
            }
        }
    }
}
