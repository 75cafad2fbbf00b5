//! Limits how often a client may call, and slows callers that try keys.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::origin::Peer;

/// The most names that are remembered. Beyond that, full buckets are forgotten, or else all of them.
const MOST: usize = 10_000;

/// A bucket for each name. It fills at a rate, and each call takes one out.
pub struct Buckets<K> {
    rate: f64,
    size: f64,
    levels: Mutex<HashMap<K, Level>>,
}

#[derive(Clone, Copy)]
struct Level {
    left: f64,
    at: Instant,
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    pub fn new(rate: f64, size: f64) -> Buckets<K> {
        Buckets {
            rate,
            size,
            levels: Mutex::default(),
        }
    }

    /// Takes one out of a bucket. If it is empty, returns the time until the next one.
    pub fn take(&self, name: &K, now: Instant) -> Result<(), Duration> {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        if levels.len() >= MOST && !levels.contains_key(name) {
            levels.retain(|_, level| self.filled(*level, now) < self.size);
            if levels.len() >= MOST {
                levels.clear();
            }
        }
        let level = levels.entry(name.clone()).or_insert(Level {
            left: self.size,
            at: now,
        });
        level.left = self.filled(*level, now);
        level.at = now;
        if level.left >= 1.0 {
            level.left -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - level.left) / self.rate))
    }

    fn filled(&self, level: Level, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(level.at).as_secs_f64();
        (level.left + passed * self.rate).min(self.size)
    }
}

/// The addresses from which wrong keys came.
pub struct Strangers {
    tries: Buckets<Peer>,
    waiting: Mutex<HashMap<Peer, usize>>,
}

/// The wrong keys of one address that are answered at once. After that, one a second is.
const FREE_TRIES: f64 = 8.0;
/// The delay of an answer to a wrong key.
const HELD: Duration = Duration::from_secs(2);
/// The most answers to one address that are delayed at a time. Its other calls are refused at once.
const MOST_WAITING: usize = 16;

/// The treatment of a wrong key.
#[derive(Debug, PartialEq, Eq)]
pub enum Slowed {
    Not,
    HeldBack,
    Refused,
}

impl Strangers {
    pub fn new() -> Strangers {
        Strangers {
            tries: Buckets::new(1.0, FREE_TRIES),
            waiting: Mutex::default(),
        }
    }

    pub fn judge(&self, peer: Peer, now: Instant) -> Slowed {
        let peer = peer.network();
        match self.tries.take(&peer, now) {
            Ok(()) => Slowed::Not,
            Err(_) if self.waiting_of(peer) >= MOST_WAITING => Slowed::Refused,
            Err(_) => Slowed::HeldBack,
        }
    }

    /// Delays an answer. A caller with a right key is never delayed, whatever others at its address do.
    pub async fn hold_back(&self, peer: Peer) {
        let peer = peer.network();
        *self.waiting().entry(peer).or_default() += 1;
        let _leaves = Leaves(self, peer);
        tokio::time::sleep(HELD).await;
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<Peer, usize>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting_of(&self, peer: Peer) -> usize {
        self.waiting().get(&peer).copied().unwrap_or(0)
    }
}

struct Leaves<'a>(&'a Strangers, Peer);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        if let Some(count) = waiting.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_fills_at_its_rate_and_not_above_its_size() {
        let buckets = Buckets::new(10.0, 2.0);
        let start = Instant::now();
        assert_eq!(buckets.take(&"a", start), Ok(()));
        assert_eq!(buckets.take(&"a", start), Ok(()));
        let wait = buckets.take(&"a", start).unwrap_err();
        assert!(wait <= Duration::from_millis(100) && wait > Duration::from_millis(90));
        assert_eq!(buckets.take(&"b", start), Ok(()), "another has its own");
        let later = start + Duration::from_millis(101);
        assert_eq!(buckets.take(&"a", later), Ok(()));
        assert!(buckets.take(&"a", later).is_err());
        let much_later = start + Duration::from_secs(60);
        assert!(buckets.take(&"a", much_later).is_ok());
        assert!(buckets.take(&"a", much_later).is_ok());
        assert!(buckets.take(&"a", much_later).is_err());
    }

    #[test]
    fn the_number_of_names_is_bounded() {
        let buckets = Buckets::new(1.0, 1.0);
        let now = Instant::now();
        for name in 0..3 * MOST {
            let _ = buckets.take(&name, now);
        }
        assert!(buckets.levels.lock().unwrap().len() <= MOST);
    }

    #[test]
    fn wrong_keys_of_one_address_are_slowed_and_those_of_another_are_not() {
        let strangers = Strangers::new();
        let now = Instant::now();
        let one = Peer::Ip([10, 0, 0, 1].into());
        for _ in 0..8 {
            assert_eq!(strangers.judge(one, now), Slowed::Not);
        }
        assert_eq!(strangers.judge(one, now), Slowed::HeldBack);
        let other = Peer::Ip([10, 0, 0, 2].into());
        assert_eq!(strangers.judge(other, now), Slowed::Not);
        strangers.waiting().insert(one, MOST_WAITING);
        assert_eq!(strangers.judge(one, now), Slowed::Refused);
    }
}
