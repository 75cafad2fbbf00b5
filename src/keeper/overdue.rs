//! Fetches that do not end: told, held back, and their places given to others.
//!
//! Every wait of a fetch has an end, so one that goes on long past its time hangs where nobody thought of it. The keeper goes
//! on without that thread, up to a number of them. While nothing else comes to an end either it counts as stalled, and the
//! service manager gets no sign of life.

use std::collections::HashMap;

use super::KeeperEvent;
use super::workers::{FetchJob, THREADS, WorkerPool};
use crate::clock::Deadline;
use crate::error::{Error, Status};

/// How long past timeout_ms a fetch may take: it may save, and look at the store before and after.
const GRACE_MS: i64 = 3000;

/// How many threads may hang with others in their places.
const MAX_GIVEN_UP: usize = THREADS;

/// What the threads are at.
#[derive(Default)]
pub(super) struct Running {
    begun: u64,
    jobs: HashMap<u64, Job>,
    /// How many threads hang and have others in their places.
    given_up: usize,
    /// A fetch was found to be overdue, and none has ended since.
    is_stalled: bool,
}

struct Job {
    job: FetchJob,
    until: Deadline,
    is_told: bool,
}

impl Running {
    /// A thread begins a job. Its number.
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

    /// A job has ended. False for one that was given up.
    pub(super) fn end(&mut self, number: u64) -> bool {
        self.is_stalled = false;
        let was_known = self.jobs.remove(&number).is_some();
        if !was_known {
            self.given_up -= 1;
        }
        was_known
    }

    /// How many fetches are overdue.
    pub(super) fn overdue(&self) -> usize {
        self.given_up + self.jobs.values().filter(|job| job.is_told).count()
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.is_stalled
    }
}

impl WorkerPool {
    /// Tells which fetches have become overdue, and gives the places of their threads to others.
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
