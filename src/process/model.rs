//! All interleavings of a few threads that get, fetch, fail and reject, on the library's own cache, flights and rows.
//!
//! A thread that is never woken is a deadlock, which loom reports. So each test also shows that no wake-up is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::cache::{Cache, CachedToken, ReadStamp};
use super::single_flight::SingleFlight;
use crate::clock::{Deadline, Now};
use crate::credential::{CredentialKey, Freshness, Lease, Remedies, Row};
use crate::platform::Grant;
use loom::sync::Mutex;
use loom::thread;

const NAME: &str = "shop";
/// A deadline far off: nothing here takes time.
const FOREVER_MS: i64 = 1_000_000_000;

/// The state that the threads of a process share, and a store of one row. The platform answers T1, T2, and so on.
struct World {
    cache: Cache,
    flights: SingleFlight,
    row: Mutex<Row>,
    asked: AtomicUsize,
    asking: AtomicUsize,
    /// The number of first requests that fail.
    failing: usize,
    revalidate_ms: i64,
}

impl World {
    fn new(failing: usize) -> Arc<World> {
        Arc::new(World {
            cache: Cache::default(),
            flights: SingleFlight::default(),
            row: Mutex::new(Row::default()),
            asked: AtomicUsize::new(0),
            asking: AtomicUsize::new(0),
            failing,
            revalidate_ms: FOREVER_MS,
        })
    }

    /// Returns a world with a token that is fresh, or past its refresh time.
    fn with_token(freshness: Freshness) -> Arc<World> {
        let world = World::new(0);
        let row = world.ask(&world.look()).unwrap();
        let mut stored = world.row.lock().unwrap();
        *stored = row;
        if freshness == Freshness::Usable {
            stored.refresh_at = stored.fetched_at;
        }
        drop(stored);
        world
    }

    /// Models `Client::get`, with `look` for the store and `ask` for the platform.
    fn get(&self) -> Option<String> {
        let hit = self
            .cache
            .hit(Some(NAME.as_bytes()), self.revalidate_ms, |token| {
                token.value.to_string()
            });
        if hit.is_some() {
            return hit;
        }
        let stamp = self.cache.stamp();
        let row = self.look();
        match row.freshness(Now::of_host()) {
            Freshness::Spent => {
                self.cache.clear(Some(NAME));
                self.wait_for_token()
            }
            freshness => {
                let old = self.publish(stamp, &row);
                match freshness {
                    Freshness::Usable => self.refresh_early().or(old),
                    _ => old,
                }
            }
        }
    }

    /// Models `Client::wait_for_token` and `Session::obtain`.
    fn wait_for_token(&self) -> Option<String> {
        let deadline = Deadline::after(FOREVER_MS);
        loop {
            let begun = self.flights.begin(&identity(), &deadline).unwrap();
            let stamp = self.cache.stamp();
            let mut row = self.look();
            let spent = row.freshness(Now::of_host()) == Freshness::Spent;
            match begun {
                Some(_flight) => {
                    if spent {
                        row = self.fetch(&row)?;
                    }
                    return self.publish(stamp, &row);
                }
                None if !spent => return self.publish(stamp, &row),
                None => {}
            }
        }
    }

    /// Models `Client::refresh_early`: returns a newer token unless another thread is fetching it.
    fn refresh_early(&self) -> Option<String> {
        let deadline = Deadline::after(FOREVER_MS);
        let _flight = self.flights.try_begin(&identity(), &deadline)?;
        let stamp = self.cache.stamp();
        let row = self.look();
        if row.freshness(Now::of_host()) == Freshness::Fresh {
            return None;
        }
        let row = self.fetch(&row)?;
        self.publish(stamp, &row)
    }

    fn publish(&self, stamp: ReadStamp, row: &Row) -> Option<String> {
        let token = CachedToken::from_row(row, Now::of_host())?;
        self.cache.publish(Some(NAME), stamp, &token);
        Some(token.value.to_string())
    }

    fn fetch(&self, row: &Row) -> Option<Row> {
        assert_eq!(self.asking.fetch_add(1, Ordering::SeqCst), 0, "two leaders");
        // A request takes long, so other threads run meanwhile.
        thread::yield_now();
        let fetched = self.ask(row);
        self.asking.fetch_sub(1, Ordering::SeqCst);
        let fetched = fetched?;
        self.row.lock().unwrap().clone_from(&fetched);
        Some(fetched)
    }

    fn ask(&self, row: &Row) -> Option<Row> {
        let now = Now::of_host();
        let mut row = row.clone();
        let lease = Lease {
            id: 7,
            slot: 0,
            length_ms: FOREVER_MS,
        };
        row.claim(lease, Remedies::default(), now);
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let grant = Grant {
            token: format!("T{number}"),
            expires_in_s: 7200,
            renewed: None,
        };
        (number > self.failing && row.grant(7, &grant, now, 270)).then_some(row)
    }

    fn look(&self) -> Row {
        self.row.lock().unwrap().clone()
    }

    /// Models `Client::reject`.
    fn reject(&self, token: &str) {
        self.row.lock().unwrap().reject(token);
        self.cache.invalidate_all();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn identity() -> CredentialKey {
    CredentialKey {
        endpoint: "stable".into(),
        base_url: String::new(),
        id: "wx1".into(),
        discriminator: String::new(),
    }
}

fn in_thread<T: 'static>(
    world: &Arc<World>,
    work: impl FnOnce(&World) -> T + 'static,
) -> thread::JoinHandle<T> {
    let world = world.clone();
    thread::spawn(move || work(&world))
}

fn every_interleaving(test: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    // Bugs of this kind need few switches. Without a bound, three threads take hours.
    model.preemption_bound = Some(3);
    model.check(test);
}

#[test]
fn threads_on_an_empty_store_make_one_fetch_and_all_get_it() {
    every_interleaving(|| {
        let world = World::new(0);
        let others = [in_thread(&world, World::get), in_thread(&world, World::get)];
        let mine = world.get();
        for other in others {
            assert_eq!(other.join().unwrap(), mine);
        }
        assert_eq!(mine.as_deref(), Some("T1"));
        assert_eq!(world.asked(), 1);
    });
}

#[test]
fn a_leader_that_fails_is_followed_by_the_next() {
    every_interleaving(|| {
        let world = World::new(1);
        let others = [in_thread(&world, World::get), in_thread(&world, World::get)];
        let mut got = vec![world.get()];
        got.extend(others.map(|other| other.join().unwrap()));
        assert_eq!(
            got.iter().filter(|token| token.is_none()).count(),
            1,
            "{got:?}"
        );
        assert!(got.iter().flatten().all(|token| token == "T2"), "{got:?}");
        assert_eq!(world.asked(), 2);
    });
}

#[test]
fn past_its_refresh_time_one_leads_and_nobody_waits() {
    every_interleaving(|| {
        let world = World::with_token(Freshness::Usable);
        let other = in_thread(&world, World::get);
        let mine = world.get().unwrap();
        let others = other.join().unwrap().unwrap();
        assert!(mine == "T2" || others == "T2", "{mine} {others}");
        assert_eq!(world.asked(), 2);
        // A thread that looked before the fetch may have published after it. The next look corrects that.
        world.cache.invalidate_all();
        assert_eq!(world.get().as_deref(), Some("T2"));
    });
}

#[test]
fn after_a_reject_the_token_is_not_served_again() {
    every_interleaving(|| {
        let world = World::with_token(Freshness::Fresh);
        let other = in_thread(&world, World::get);
        world.reject("T1");
        assert_eq!(world.get().as_deref(), Some("T2"));
        let others = other.join().unwrap().unwrap();
        assert!(others == "T1" || others == "T2", "{others}");
        assert_eq!(
            world.get().as_deref(),
            Some("T2"),
            "what is left in the cache"
        );
        assert_eq!(world.asked(), 2);
    });
}

#[test]
fn a_reject_while_its_token_is_being_fetched_is_not_lost() {
    every_interleaving(|| {
        let world = World::new(0);
        let other = in_thread(&world, World::get);
        let rejecter = in_thread(&world, |world| world.reject("T1"));
        other.join().unwrap().unwrap();
        rejecter.join().unwrap();
        let rejected = world.look().rejected;
        let last = world.get().unwrap();
        // If T2 was rejected before it was there, that was not a rejection of this token. If after, it must be gone.
        assert_eq!(last == "T2", rejected, "{last}");
    });
}

#[test]
fn while_one_looks_the_others_go_on() {
    every_interleaving(|| {
        let world = World::with_token(Freshness::Fresh);
        let mut world = Arc::into_inner(world).unwrap();
        world.revalidate_ms = 0;
        let world = Arc::new(world);
        let other = in_thread(&world, World::get);
        assert_eq!(world.get().as_deref(), Some("T1"));
        assert_eq!(other.join().unwrap().as_deref(), Some("T1"));
        assert_eq!(world.asked(), 1);
    });
}

#[test]
fn a_flight_that_was_passed_over_does_not_end_another() {
    every_interleaving(|| {
        let world = World::new(0);
        let overdue = Deadline::after(-FOREVER_MS);
        let long = Deadline::after(FOREVER_MS);
        let stuck = world.flights.try_begin(&identity(), &overdue).unwrap();
        // Each thread passes over the stuck one, or waits for the other.
        let others = [in_thread(&world, World::get), in_thread(&world, World::get)];
        drop(stuck);
        for other in others {
            assert_eq!(other.join().unwrap().as_deref(), Some("T1"));
        }
        assert_eq!(world.asked(), 1);
        assert!(world.flights.try_begin(&identity(), &long).is_some());
    });
}
