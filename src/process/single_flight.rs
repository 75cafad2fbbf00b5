//! Single flight within a process: at most one thread at a time is on the way to a credential's next token.
//!
//! A flight is taken before the locks between processes, because the threads of one process share those. A flight ends
//! by itself some time after its thread's deadline, as a lease does. So a thread that hangs does not keep the others
//! from the token. It has lost its lease by then, and its late result is dropped.

use std::collections::{HashMap, HashSet};

use crate::clock::Deadline;
use crate::credential::CredentialKey;
use crate::error::Result;
use crate::sync::{Condvar, Mutex, PoisonError, lock};

/// The milliseconds that a flight lasts beyond its thread's deadline. This is longer than for a lease.
const GRACE_MS: i64 = 1000;

/// The flights of one process on one store.
#[derive(Default)]
pub struct SingleFlight {
    in_flight: Mutex<InFlight>,
    finished: Condvar,
}

#[derive(Default)]
struct InFlight {
    begun: u64,
    flights: HashMap<CredentialKey, Holder>,
}

struct Holder {
    number: u64,
    until: Deadline,
}

/// One thread's flight. It ends when dropped, even by a panic.
pub struct Flight<'a> {
    flights: &'a SingleFlight,
    key: CredentialKey,
    number: u64,
}

impl SingleFlight {
    /// Begins a flight with this deadline, unless another thread has one.
    pub fn try_begin(&self, key: &CredentialKey, deadline: &Deadline) -> Option<Flight<'_>> {
        self.take(&mut lock(&self.in_flight), key, deadline)
    }

    /// Begins a flight, or waits until the deadline for another thread's flight. Returns None if that flight has ended,
    /// since the row may have changed.
    pub fn begin(&self, key: &CredentialKey, deadline: &Deadline) -> Result<Option<Flight<'_>>> {
        let mut in_flight = lock(&self.in_flight);
        if let Some(flight) = self.take(&mut in_flight, key, deadline) {
            return Ok(Some(flight));
        }
        while let Some(holder) = in_flight.flights.get(key) {
            let until = holder.until.left();
            if until.is_zero() {
                return Ok(self.take(&mut in_flight, key, deadline));
            }
            let left = deadline.left();
            if left.is_zero() {
                return Err(deadline.error(&format!(
                    "waiting for another thread to fetch the token for {}",
                    key.id
                )));
            }
            let waited = self.finished.wait_timeout(in_flight, left.min(until));
            in_flight = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(None)
    }

    /// Takes a flight for the caller. Called only if no flight is under way, or that one is overdue.
    fn take(
        &self,
        in_flight: &mut InFlight,
        key: &CredentialKey,
        deadline: &Deadline,
    ) -> Option<Flight<'_>> {
        let holder = in_flight.flights.get(key);
        if holder.is_some_and(|holder| !holder.until.has_passed()) {
            return None;
        }
        in_flight.begun += 1;
        let number = in_flight.begun;
        let until = deadline.extended(GRACE_MS);
        in_flight
            .flights
            .insert(key.clone(), Holder { number, until });
        Some(Flight {
            flights: self,
            key: key.clone(),
            number,
        })
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut in_flight = lock(&self.flights.in_flight);
        let holder = in_flight.flights.get(&self.key);
        // A flight that was passed over does not end the flight of the thread that came after it.
        if holder.is_some_and(|holder| holder.number == self.number) {
            in_flight.flights.remove(&self.key);
        }
        drop(in_flight);
        self.flights.finished.notify_all();
    }
}

/// The leader locks that threads of this process hold on one store. A leader lock tells processes apart, but not
/// threads. The thread of a flight that was passed over may still hold its own lock.
#[derive(Default)]
pub struct HeldSlots(Mutex<HashSet<(CredentialKey, i64)>>);

/// One thread's use of a slot. It ends when dropped.
pub struct HeldSlot<'a> {
    slots: &'a HeldSlots,
    slot: (CredentialKey, i64),
}

impl HeldSlots {
    /// Takes a slot for the caller, unless another thread has it.
    pub fn take(&self, key: &CredentialKey, slot: i64) -> Option<HeldSlot<'_>> {
        let slot = (key.clone(), slot);
        let is_free = lock(&self.0).insert(slot.clone());
        is_free.then_some(HeldSlot { slots: self, slot })
    }
}

impl Drop for HeldSlot<'_> {
    fn drop(&mut self) {
        lock(&self.slots.0).remove(&self.slot);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn key() -> CredentialKey {
        CredentialKey {
            endpoint: "stable".into(),
            base_url: String::new(),
            id: "wx1".into(),
            discriminator: String::new(),
        }
    }

    #[test]
    fn an_overdue_flight_is_passed_over_and_does_not_end_another() {
        let flights = SingleFlight::default();
        let long = Deadline::after(60_000);
        let stuck = flights.try_begin(&key(), &Deadline::after(-GRACE_MS));
        let next = flights.try_begin(&key(), &long);
        assert!(stuck.is_some() && next.is_some());
        drop(stuck);
        assert!(flights.try_begin(&key(), &long).is_none(), "the next one's");
        drop(next);
        assert!(flights.try_begin(&key(), &long).is_some());
    }

    #[test]
    fn a_flight_past_its_deadline_is_waited_for_until_its_grace_ends() {
        let flights = SingleFlight::default();
        let _stuck = flights.try_begin(&key(), &Deadline::after(0));
        let long = Deadline::after(60_000);
        assert!(flights.try_begin(&key(), &long).is_none());
        let error = flights.begin(&key(), &Deadline::after(0)).err().unwrap();
        assert!(error.what.contains("another thread"), "{error}");
        assert!(flights.begin(&key(), &long).unwrap().is_some());
    }

    #[test]
    fn a_slot_belongs_to_one_thread_at_a_time() {
        let slots = HeldSlots::default();
        let first = slots.take(&key(), 3);
        assert!(first.is_some() && slots.take(&key(), 3).is_none());
        assert!(slots.take(&key(), 4).is_some());
        drop(first);
        assert!(slots.take(&key(), 3).is_some());
    }
}
