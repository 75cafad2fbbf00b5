//! Calls of the library block, so each runs on a thread of the blocking pool. There are two limits: one for looks at
//! the store, which are short, and one for fetches, which may wait for a platform. So a platform that hangs takes no
//! thread from looks.
//!
//! For one credential one thread is on the way, however many callers ask. The others share its result.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, watch};
use wxtoken::tool::{Error, LivingToken, Result, Status, Store};

const LOOKS: usize = 16;
const FETCHES: usize = 64;
/// The most connections to platforms that are being made at a time.
pub const CONNECTS: usize = 32;
/// The threads of the pool. A few are spare, because a thread that has given its turn back may not have ended yet.
pub const THREADS: usize = LOOKS + FETCHES + CONNECTS + 8;
/// The most calls that may wait for a turn.
const MOST_WAITING: usize = 4096;

/// A credential, the least life, and the number of changes before. A caller that comes after a rejection does not
/// share a flight that began before it.
type Flight = (String, i64, u64);
type Landing = Option<Result<LivingToken>>;

pub struct Work {
    store: Arc<Store>,
    looks: Arc<Semaphore>,
    fetches: Arc<Semaphore>,
    waiting: AtomicUsize,
    changes: AtomicU64,
    flights: Mutex<HashMap<Flight, watch::Receiver<Landing>>>,
}

/// The server has more calls than it accepts.
#[derive(Debug)]
pub struct Busy;

impl Work {
    pub fn on(store: Arc<Store>) -> Work {
        Work {
            store,
            looks: Arc::new(Semaphore::new(LOOKS)),
            fetches: Arc::new(Semaphore::new(FETCHES)),
            waiting: AtomicUsize::new(0),
            changes: AtomicU64::new(0),
            flights: Mutex::default(),
        }
    }

    /// Runs a short call of the library.
    pub async fn look<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Store) -> T + Send + 'static,
    ) -> std::result::Result<T, Busy> {
        let store = self.store.clone();
        within(&self.looks, &self.waiting, move || call(&store)).await
    }

    /// Runs a call of the library that may wait for a platform.
    pub async fn long<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Store) -> T + Send + 'static,
    ) -> std::result::Result<T, Busy> {
        let store = self.store.clone();
        within(&self.fetches, &self.waiting, move || call(&store)).await
    }

    /// The token of an account, if it is known without waiting.
    pub fn known(&self, account: &str) -> Option<Box<str>> {
        Some(self.store.get_known(account, 0)?.value)
    }

    /// Notes a rejection or a put. A get that comes later starts a new flight.
    pub fn note_change(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns a token that is valid now and lives at least this long.
    pub async fn get(
        self: &Arc<Self>,
        name: &str,
        min_life_ms: i64,
    ) -> std::result::Result<Result<LivingToken>, Busy> {
        if let Some(known) = self.store.get_known(name, min_life_ms) {
            return Ok(Ok(known));
        }
        let changes = self.changes.load(Ordering::SeqCst);
        let flight = (name.to_owned(), min_life_ms, changes);
        let mut landing = self.join(flight);
        let landed = landing.wait_for(Option::is_some).await;
        match landed {
            Ok(landed) => landed.clone().ok_or(Busy),
            // The task ended without a result, because it got no turn.
            Err(_) => Err(Busy),
        }
    }

    fn join(self: &Arc<Self>, flight: Flight) -> watch::Receiver<Landing> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(landing) = flights.get(&flight) {
            return landing.clone();
        }
        let (lands, landing) = watch::channel(None);
        flights.insert(flight.clone(), landing.clone());
        let work = self.clone();
        tokio::spawn(async move {
            let (name, min_life_ms) = (flight.0.clone(), flight.1);
            let got = work
                .long(move |store| store.get_with_life(&name, min_life_ms))
                .await;
            // The flight leaves the list first, so that a later caller starts a new one.
            let mut flights = work.flights.lock().unwrap_or_else(PoisonError::into_inner);
            flights.remove(&flight);
            drop(flights);
            if let Ok(got) = got {
                let _ = lands.send(Some(got));
            }
        });
        landing
    }
}

/// Runs a call in its turn. The call has its turn until it ends, even if its caller has left.
async fn within<T: Send + 'static>(
    turns: &Arc<Semaphore>,
    waiting: &AtomicUsize,
    call: impl FnOnce() -> T + Send + 'static,
) -> std::result::Result<T, Busy> {
    let turn = match turns.clone().try_acquire_owned() {
        Ok(turn) => turn,
        Err(_) => {
            let _waits = Waits::begin(waiting).ok_or(Busy)?;
            turns.clone().acquire_owned().await.map_err(|_| Busy)?
        }
    };
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        call()
    });
    done.await.map_err(|_| Busy)
}

/// A place among the calls that wait for a turn.
struct Waits<'a>(&'a AtomicUsize);

impl Waits<'_> {
    fn begin(waiting: &AtomicUsize) -> Option<Waits<'_>> {
        let waits = Waits(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < MOST_WAITING).then_some(waits)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl From<Busy> for Error {
    fn from(_: Busy) -> Error {
        let mut error = Error::new(Status::Store, "the server is busy");
        error.retry_after_ms = 1000;
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_call_has_its_turn_until_it_ends_though_its_caller_leaves() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.build().unwrap();
        runtime.block_on(async {
            let turns = Arc::new(Semaphore::new(1));
            let (end, ended) = mpsc::channel::<()>();
            let of_call = turns.clone();
            let caller = tokio::spawn(async move {
                let call = move || ended.recv().is_ok();
                within(&of_call, &AtomicUsize::new(0), call).await
            });
            while turns.available_permits() > 0 {
                tokio::task::yield_now().await;
            }
            caller.abort();
            assert!(caller.await.unwrap_err().is_cancelled());
            assert_eq!(turns.available_permits(), 0, "the call still runs");
            end.send(()).unwrap();
            assert!(within(&turns, &AtomicUsize::new(0), || ()).await.is_ok());
        });
    }
}
