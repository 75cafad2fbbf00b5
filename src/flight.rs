//! Single flight within a process: at most one thread at a time is on the way to a credential's next token.
//!
//! Comes before the locks between processes, which threads of one process share.

use std::collections::HashSet;
use std::sync::PoisonError;

use crate::clock::Deadline;
use crate::error::Result;
use crate::sync::{Condvar, Mutex};
use crate::token::Identity;

#[derive(Default)]
pub struct Flights {
    under_way: Mutex<HashSet<Identity>>,
    landed: Condvar,
}

/// One thread's flight; over when dropped, by a panic too.
pub struct Flight<'a> {
    flights: &'a Flights,
    identity: Identity,
}

impl Flights {
    /// Sets out, unless somebody is on the way.
    pub fn try_begin(&self, identity: &Identity) -> Option<Flight<'_>> {
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        under_way.insert(identity.clone()).then(|| Flight {
            flights: self,
            identity: identity.clone(),
        })
    }

    /// The same, but waits for whoever is on the way, to the deadline. None: it has landed, and the world looks different.
    pub fn begin(&self, identity: &Identity, deadline: &Deadline) -> Result<Option<Flight<'_>>> {
        if let Some(flight) = self.try_begin(identity) {
            return Ok(Some(flight));
        }
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while under_way.contains(identity) {
            let left = deadline.left();
            if left.is_zero() {
                return Err(deadline.error(&format!(
                    "waiting for another thread that fetches the token of {}",
                    identity.id
                )));
            }
            (under_way, _) = self
                .landed
                .wait_timeout(under_way, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Ok(None)
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.flights
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.identity);
        self.flights.landed.notify_all();
    }
}
