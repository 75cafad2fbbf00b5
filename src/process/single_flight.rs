//! Single flight within a process: at most one thread at a time is on the way to a credential's next token.
//!
//! Comes before the locks between processes, which the threads of one process share.

use std::collections::HashSet;

use crate::clock::Deadline;
use crate::credential::CredentialKey;
use crate::error::Result;
use crate::sync::{Condvar, Mutex, PoisonError, lock};

/// The flights of one process on one store.
#[derive(Default)]
pub struct SingleFlight {
    in_flight: Mutex<HashSet<CredentialKey>>,
    finished: Condvar,
}

/// One thread's flight; over when dropped, by a panic too.
pub struct Flight<'a> {
    flights: &'a SingleFlight,
    key: CredentialKey,
}

impl SingleFlight {
    /// Begins a flight, unless another thread has one.
    pub fn try_begin(&self, key: &CredentialKey) -> Option<Flight<'_>> {
        let mut in_flight = lock(&self.in_flight);
        in_flight.insert(key.clone()).then(|| Flight {
            flights: self,
            key: key.clone(),
        })
    }

    /// Begins a flight, or waits to the deadline for the one of another thread. None when that one has finished: the row
    /// may be another by now.
    pub fn begin(&self, key: &CredentialKey, deadline: &Deadline) -> Result<Option<Flight<'_>>> {
        if let Some(flight) = self.try_begin(key) {
            return Ok(Some(flight));
        }
        let mut in_flight = lock(&self.in_flight);
        while in_flight.contains(key) {
            let left = deadline.left();
            if left.is_zero() {
                return Err(deadline.error(&format!(
                    "waiting for another thread to fetch the token for {}",
                    key.id
                )));
            }
            let waited = self.finished.wait_timeout(in_flight, left);
            in_flight = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(None)
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        lock(&self.flights.in_flight).remove(&self.key);
        self.flights.finished.notify_all();
    }
}
