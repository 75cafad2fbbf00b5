//! The cache of one process: for each account name, the token that may be returned without a look at the store. It is
//! the hot path.
//!
//! A snapshot is good for `revalidate_ms` after the look at the store that it came from. Then one thread looks again,
//! and the others go on using it. A snapshot of an older revision is never used: something was rejected or changed here
//! since.
//!
//! A hit writes to no memory that threads share. The names are in a map that only grows, and a snapshot is borrowed
//! from [`ArcSwapOption`] without changing its count.

use crate::clock::{COARSE_RESOLUTION_MS, CoarseNow, Now};
use crate::credential::{FreshSpan, Row};
use crate::process::once_map::OnceMap;
use crate::store::ChangeMark;
use crate::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use crate::sync::{Arc, ArcSwapOption};

/// A token as it is returned to a caller.
#[derive(Clone, Debug)]
pub struct CachedToken {
    pub value: Box<str>,
    pub expires_at_s: i64,
    expires_wall_ms: i64,
    /// The expiry by this process's own clock, which does not step.
    expires_steady_ms: i64,
}

impl CachedToken {
    /// Returns the token of a row if it is fresh or usable.
    pub fn from_row(row: &Row, now: Now) -> Option<CachedToken> {
        let left = row.left_ms(now);
        let value = row.sound_token().filter(|_| left > 0)?;
        // The store's clock may be that of another host. So only the time that is left counts, on both clocks of this
        // host.
        let expires_at_s = row.expires_at.div_euclid(1000);
        Some(CachedToken::lasting(value, expires_at_s, left))
    }

    /// Makes a token that is good for `left_ms` from now, by this process's own clock.
    pub fn lasting(value: &str, expires_at_s: i64, left_ms: i64) -> CachedToken {
        let now = CoarseNow::read();
        CachedToken {
            value: value.into(),
            expires_at_s,
            expires_wall_ms: now.wall_ms + left_ms,
            expires_steady_ms: now.steady_ms + left_ms,
        }
    }

    /// Makes a value that is returned and not cached. An `expires_at_s` of 0 means that no expiry is known.
    pub fn uncached(value: &str, expires_at_s: i64) -> CachedToken {
        CachedToken {
            value: value.into(),
            expires_at_s,
            expires_wall_ms: 0,
            expires_steady_ms: 0,
        }
    }

    /// Returns the milliseconds for which the token may still be returned, by the clock that says less. Returns 0 for an
    /// expired token, and for a value that is not cached.
    pub fn left_ms(&self) -> i64 {
        let tick = CoarseNow::read();
        let by_steady = self.expires_steady_ms - tick.steady_ms;
        (self.expires_wall_ms - tick.wall_ms).min(by_steady).max(0)
    }

    #[inline(always)]
    fn is_valid(&self, tick: CoarseNow) -> bool {
        tick.wall_ms + COARSE_RESOLUTION_MS < self.expires_wall_ms
            && tick.steady_ms + COARSE_RESOLUTION_MS < self.expires_steady_ms
    }

    /// Returns whether it is the same token with the same expiry. The expiry differs if the store's clock has stepped.
    fn is_same(&self, other: &CachedToken) -> bool {
        let differ = |one: i64, other: i64| (one - other).abs() > STEP_MS;
        self.value == other.value
            && self.expires_at_s == other.expires_at_s
            && !differ(self.expires_steady_ms, other.expires_steady_ms)
            && !differ(self.expires_wall_ms, other.expires_wall_ms)
    }
}

/// The difference in milliseconds between two expiries of one token above which a clock has stepped.
const STEP_MS: i64 = 1000;

/// The tokens of one set of base URLs, by name.
#[derive(Default)]
pub struct Cache {
    revision: AtomicU64,
    current: Slot,
    named: OnceMap<Slot>,
}

#[derive(Default)]
struct Slot {
    /// The time when a thread began to look at the store, or 0 if none is looking.
    revalidating_since_ms: AtomicI64,
    snapshot: ArcSwapOption<Snapshot>,
}

struct Snapshot {
    token: CachedToken,
    /// The condition for using the snapshot after `revalidate_ms`. It is apart from what a hit reads.
    while_same: Option<Box<WhileSame>>,
    /// The revision of the cache when the store was read. This and `read_at_ms` move ahead when a look finds the same
    /// token again.
    revision: AtomicU64,
    read_at_ms: AtomicI64,
}

/// The condition under which a look's result still holds: the store has this mark, and the token is fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WhileSame {
    pub mark: ChangeMark,
    pub fresh: FreshSpan,
}

/// The moment before a look at the store. The result of the look is no newer than that.
#[derive(Clone, Copy)]
pub struct ReadStamp {
    revision: u64,
    steady_ms: i64,
}

/// The time in milliseconds after which a look counts as lost, so that another thread may look.
const LOOK_MS: i64 = 1000;

#[inline(always)]
fn has_no_looker(since_ms: i64, now_ms: i64) -> bool {
    since_ms == 0 || now_ms - since_ms > LOOK_MS
}

impl Slot {
    /// Returns whether no thread is looking at the store.
    #[inline(always)]
    fn awaits_revalidation(&self, now_ms: i64) -> bool {
        has_no_looker(self.revalidating_since_ms.load(Ordering::Acquire), now_ms)
    }

    /// Returns whether this thread is the one to look. Other threads go on with the cached token.
    #[inline(always)]
    fn begin_revalidation(&self, now_ms: i64) -> bool {
        let since = self.revalidating_since_ms.load(Ordering::Acquire);
        has_no_looker(since, now_ms)
            && self
                .revalidating_since_ms
                .compare_exchange(since, now_ms, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    fn end_revalidation(&self) {
        self.revalidating_since_ms.store(0, Ordering::Release);
    }
}

impl Cache {
    /// Passes the token to `give` if this process may return it now. None means that the caller must look at the store.
    #[inline(always)]
    pub fn hit<R>(
        &self,
        name: Option<&[u8]>,
        revalidate_ms: i64,
        give: impl FnOnce(&CachedToken) -> R,
    ) -> Option<R> {
        self.hit_unless(name, revalidate_ms, Slot::begin_revalidation, give)
    }

    /// Passes the token to `give` if this process may return it now. The caller does not look at the store. A look that
    /// is due is left to [`Cache::hit`].
    #[inline(always)]
    pub fn known<R>(
        &self,
        name: Option<&[u8]>,
        revalidate_ms: i64,
        give: impl FnOnce(&CachedToken) -> R,
    ) -> Option<R> {
        self.hit_unless(name, revalidate_ms, Slot::awaits_revalidation, give)
    }

    #[inline(always)]
    fn hit_unless<R>(
        &self,
        name: Option<&[u8]>,
        revalidate_ms: i64,
        is_to_look: impl FnOnce(&Slot, i64) -> bool,
        give: impl FnOnce(&CachedToken) -> R,
    ) -> Option<R> {
        let slot = self.known_slot(name)?;
        let snapshot = slot.snapshot.load();
        let snapshot = snapshot.as_ref()?;
        let tick = CoarseNow::read();
        if !self.is_good(snapshot, tick) {
            return None;
        }
        let age =
            tick.steady_ms - snapshot.read_at_ms.load(Ordering::Relaxed) + COARSE_RESOLUTION_MS;
        // Nothing is written unless a look is due.
        if age >= revalidate_ms && is_to_look(slot, tick.steady_ms) {
            return None;
        }
        Some(give(&snapshot.token))
    }

    /// Returns a valid cached token of any age. For when the store cannot be read.
    pub fn valid_while_store_is_down(&self, name: Option<&str>) -> Option<CachedToken> {
        let slot = self.known_slot(name.map(str::as_bytes))?;
        slot.end_revalidation();
        let snapshot = slot.snapshot.load();
        let snapshot = snapshot.as_ref()?;
        let tick = CoarseNow::read();
        // This counts as a look, so the next one is due at the usual time.
        snapshot.read_at_ms.store(tick.steady_ms, Ordering::Relaxed);
        self.is_good(snapshot, tick).then(|| snapshot.token.clone())
    }

    /// Returns whether there is a valid token, so that a look at the store may fail without harm.
    pub fn has_valid(&self, name: Option<&str>) -> bool {
        self.known_slot(name.map(str::as_bytes))
            .is_some_and(|slot| {
                let snapshot = slot.snapshot.load();
                let snapshot = snapshot.as_ref();
                snapshot.is_some_and(|snapshot| self.is_good(snapshot, CoarseNow::read()))
            })
    }

    /// Returns whether there has been a token of this name here, valid or not.
    pub fn has_had(&self, name: &str) -> bool {
        self.known_slot(Some(name.as_bytes())).is_some()
    }

    /// Returns the stamp to take before a look at the store, and to pass to [`Cache::publish`].
    pub fn stamp(&self) -> ReadStamp {
        ReadStamp {
            revision: self.revision.load(Ordering::Acquire),
            steady_ms: CoarseNow::read().steady_ms,
        }
    }

    /// Returns the token of the last look if the store has not changed since. This counts as a look.
    pub fn unchanged(
        &self,
        name: Option<&str>,
        now: Now,
        mark: impl FnOnce() -> Option<ChangeMark>,
    ) -> Option<CachedToken> {
        let slot = self.known_slot(name.map(str::as_bytes))?;
        let stamp = self.stamp();
        let snapshot = slot.snapshot.load();
        let snapshot = snapshot.as_ref()?;
        let same = snapshot.while_same.as_deref()?;
        let is_good = self.is_good(snapshot, CoarseNow::read()) && same.fresh.includes(now);
        if !is_good || mark() != Some(same.mark) {
            return None;
        }
        snapshot
            .read_at_ms
            .fetch_max(stamp.steady_ms, Ordering::Relaxed);
        slot.end_revalidation();
        Some(snapshot.token.clone())
    }

    /// Caches a token that was not found by a look at the store.
    pub fn publish(&self, name: Option<&str>, stamp: ReadStamp, token: &CachedToken) {
        self.publish_seen(name, stamp, token, None);
    }

    /// Caches the result of a look at the store.
    pub fn publish_seen(
        &self,
        name: Option<&str>,
        stamp: ReadStamp,
        token: &CachedToken,
        while_same: Option<WhileSame>,
    ) {
        let slot = match name {
            Some(name) => self.named.get_or_insert(name.as_bytes(), Slot::default),
            None => &self.current,
        };
        let known = slot.snapshot.load();
        let is_same = |known: &&Arc<Snapshot>| {
            known.token.is_same(token) && known.while_same.as_deref() == while_same.as_ref()
        };
        match known.as_ref().filter(is_same) {
            Some(known) => {
                known
                    .read_at_ms
                    .fetch_max(stamp.steady_ms, Ordering::Relaxed);
                known.revision.fetch_max(stamp.revision, Ordering::AcqRel);
            }
            None => slot.snapshot.store(Some(Arc::new(Snapshot {
                token: token.clone(),
                while_same: while_same.map(Box::new),
                revision: AtomicU64::new(stamp.revision),
                read_at_ms: AtomicI64::new(stamp.steady_ms),
            }))),
        }
        slot.end_revalidation();
    }

    /// Notes that a look found no token. A name that never had one leaves no trace.
    pub fn clear(&self, name: Option<&str>) {
        if let Some(slot) = self.known_slot(name.map(str::as_bytes)) {
            slot.snapshot.store(None);
            slot.end_revalidation();
        }
    }

    /// Removes a token under each of its names. The next get of such a name looks at the store.
    pub fn forget_token(&self, token: &str) {
        let slots = self.named.values().chain([&self.current]);
        for slot in slots {
            let known = slot.snapshot.load();
            let is_it = |known: &Arc<Snapshot>| *known.token.value == *token;
            if known.as_ref().is_some_and(is_it) {
                slot.snapshot.store(None);
            }
        }
    }

    #[cfg(test)]
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// Makes every later get look at the store first.
    pub fn invalidate_all(&self) {
        self.revision.fetch_add(1, Ordering::AcqRel);
    }

    #[inline(always)]
    fn is_good(&self, snapshot: &Snapshot, tick: CoarseNow) -> bool {
        snapshot.revision.load(Ordering::Acquire) == self.revision.load(Ordering::Acquire)
            && snapshot.token.is_valid(tick)
    }

    #[inline(always)]
    fn known_slot(&self, name: Option<&[u8]>) -> Option<&Slot> {
        match name {
            Some(name) => self.named.get(name),
            None => Some(&self.current),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(value: &str, left_ms: i64) -> CachedToken {
        let now = Now::of_host();
        let row = Row {
            token: Some(value.into()),
            fetched_at: now.wall_ms,
            expires_at: now.wall_ms + left_ms,
            ..Row::default()
        };
        CachedToken::from_row(&row, now).unwrap()
    }

    fn hit(cache: &Cache, revalidate_ms: i64) -> Option<String> {
        cache.hit(Some(b"shop"), revalidate_ms, |token| {
            token.value.to_string()
        })
    }

    #[test]
    fn a_published_token_is_a_hit_until_something_is_forgotten() {
        let cache = Cache::default();
        assert_eq!(hit(&cache, 60_000), None);
        cache.publish(Some("shop"), cache.stamp(), &served("A", 60_000));
        assert_eq!(hit(&cache, 60_000).as_deref(), Some("A"));
        cache.invalidate_all();
        assert_eq!(hit(&cache, 60_000), None);
    }

    #[test]
    fn a_due_look_is_left_to_a_hit_and_the_token_stays_known_meanwhile() {
        let cache = Cache::default();
        let known = || cache.known(Some(b"shop"), 0, |token| token.value.to_string());
        assert_eq!(known(), None);
        cache.publish(Some("shop"), cache.stamp(), &served("A", 60_000));
        assert_eq!(known(), None);
        assert_eq!(known(), None);
        assert_eq!(
            hit(&cache, 0),
            None,
            "the look was taken by one that does not look"
        );
        assert_eq!(known().as_deref(), Some("A"));
        cache.publish(Some("shop"), cache.stamp(), &served("B", 60_000));
        assert_eq!(known(), None);
        assert_eq!(hit(&cache, 0), None);
        assert_eq!(known().as_deref(), Some("B"));
        cache.invalidate_all();
        assert_eq!(known(), None);
    }

    #[test]
    fn a_cached_token_lives_by_the_time_left_and_not_by_its_stores_clock() {
        let cache = Cache::default();
        let host = Now::of_host();
        // The store's clock is three hours behind this host's. It steps by 50 s when 60 s are left.
        let store = |step_ms: i64| Now {
            wall_ms: host.wall_ms - 10_800_000 + step_ms,
            steady_ms: host.wall_ms - 10_800_000 + step_ms,
            epoch: "server",
        };
        let fetched_at = store(0).wall_ms;
        let row = Row {
            token: Some("A".into()),
            fetched_at,
            fetched_steady: fetched_at,
            epoch: "server".into(),
            expires_at: fetched_at + 60_000,
            ..Row::default()
        };
        let left = |cache: &Cache| {
            let slot = cache.known_slot(Some(b"shop")).unwrap();
            let snapshot = slot.snapshot.load();
            snapshot.as_ref().unwrap().token.expires_steady_ms - CoarseNow::read().steady_ms
        };
        for (step_ms, is_left) in [(0, 50_000..=60_010), (50_000, 1..=10_010)] {
            let token = CachedToken::from_row(&row, store(step_ms)).unwrap();
            cache.publish(Some("shop"), cache.stamp(), &token);
            assert_eq!(hit(&cache, 60_000).as_deref(), Some("A"));
            assert!(is_left.contains(&left(&cache)), "{}", left(&cache));
        }
    }

    #[test]
    fn a_token_lasts_on_both_clocks_and_a_second_is_not_a_step_of_one() {
        let now = CoarseNow::read();
        let token = CachedToken::lasting("A", 7, 60_000);
        let ends = [
            token.expires_wall_ms - now.wall_ms,
            token.expires_steady_ms - now.steady_ms,
        ];
        for left in ends {
            assert!((60_000..90_000).contains(&left), "{ends:?}");
        }
        for (by_ms, is_same) in [(0, true), (STEP_MS, true), (STEP_MS + 1, false)] {
            let mut other = token.clone();
            other.expires_steady_ms += by_ms;
            assert_eq!(token.is_same(&other), is_same, "{by_ms}");
            let mut other = token.clone();
            other.expires_wall_ms -= by_ms;
            assert_eq!(token.is_same(&other), is_same, "{by_ms}");
        }
    }

    #[test]
    fn a_token_read_before_a_change_is_not_a_hit_after_it() {
        let cache = Cache::default();
        let stamp = cache.stamp();
        cache.invalidate_all();
        cache.publish(Some("shop"), stamp, &served("A", 60_000));
        assert_eq!(hit(&cache, 60_000), None);
    }

    #[test]
    fn one_thread_looks_while_the_others_go_on() {
        let cache = Cache::default();
        cache.publish(Some("shop"), cache.stamp(), &served("A", 60_000));
        assert_eq!(hit(&cache, 0), None, "this one is to look");
        assert_eq!(hit(&cache, 0).as_deref(), Some("A"));
        cache.publish(Some("shop"), cache.stamp(), &served("B", 60_000));
        assert_eq!(hit(&cache, 60_000).as_deref(), Some("B"));
        assert_eq!(hit(&cache, 0), None, "the next look");
        cache.clear(Some("shop"));
        assert_eq!(hit(&cache, 60_000), None);
    }

    #[test]
    fn a_look_that_never_came_back_is_replaced() {
        let slot = Slot::default();
        assert!(slot.begin_revalidation(5000));
        assert!(!slot.begin_revalidation(6000));
        assert!(slot.begin_revalidation(6001));
    }

    fn tick_from(tick: CoarseNow, wall_ms: i64, steady_ms: i64) -> CoarseNow {
        CoarseNow {
            wall_ms: tick.wall_ms + wall_ms,
            steady_ms: tick.steady_ms + steady_ms,
        }
    }

    #[test]
    fn a_token_ends_by_whichever_clock_comes_first() {
        let tick = CoarseNow::read();
        let token = CachedToken {
            expires_wall_ms: tick.wall_ms + 60_000,
            expires_steady_ms: tick.steady_ms + 60_000,
            ..CachedToken::uncached("A", 0)
        };
        let last = 60_000 - COARSE_RESOLUTION_MS - 1;
        assert!(token.is_valid(tick_from(tick, last, last)));
        assert!(!token.is_valid(tick_from(tick, last + 1, last)));
        assert!(!token.is_valid(tick_from(tick, last, last + 1)));
    }

    #[test]
    fn a_token_without_time_left_is_not_handed_out() {
        let now = Now::of_host();
        let mut row = Row {
            token: Some("A".into()),
            fetched_at: now.wall_ms,
            expires_at: now.wall_ms,
            ..Row::default()
        };
        assert!(CachedToken::from_row(&row, now).is_none());
        row.expires_at += 60_000;
        let token = CachedToken::from_row(&row, now).unwrap();
        let left = token.expires_steady_ms - CoarseNow::read().steady_ms;
        assert!((30_000..=60_000).contains(&left), "{left}");
    }

    #[test]
    fn the_same_token_read_again_keeps_its_place() {
        let cache = Cache::default();
        let token = served("A", 60_000);
        assert!(token.is_same(&token.clone()));
        assert!(!token.is_same(&served("B", 60_000)));
        cache.publish(Some("shop"), cache.stamp(), &token);
        assert_eq!(hit(&cache, 0), None, "this one is to look");
        cache.publish(Some("shop"), cache.stamp(), &token);
        assert_eq!(hit(&cache, 60_000).as_deref(), Some("A"));
    }

    #[test]
    fn a_store_that_is_down_takes_no_valid_token_away() {
        let cache = Cache::default();
        assert!(!cache.has_valid(Some("shop")));
        assert!(cache.valid_while_store_is_down(Some("shop")).is_none());
        cache.publish(Some("shop"), cache.stamp(), &served("A", 60_000));
        assert!(cache.has_valid(Some("shop")));
        let token = cache.valid_while_store_is_down(Some("shop")).unwrap();
        assert_eq!(&*token.value, "A");
        cache.invalidate_all();
        assert!(!cache.has_valid(Some("shop")));
        assert!(cache.valid_while_store_is_down(Some("shop")).is_none());
    }

    #[test]
    fn a_looks_result_is_reused_only_while_nothing_has_changed() {
        let cache = Cache::default();
        let now = Now::of_host();
        let (mark, other) = (ChangeMark::numbered(1), ChangeMark::numbered(2));
        let row = Row {
            token: Some("A".into()),
            fetched_at: now.wall_ms,
            fetched_steady: now.steady_ms,
            epoch: now.epoch.into(),
            refresh_at: now.wall_ms + 30_000,
            expires_at: now.wall_ms + 60_000,
            ..Row::default()
        };
        let token = CachedToken::from_row(&row, now).unwrap();
        let fresh = row.fresh_span(now).unwrap();
        let look = |mark| cache.unchanged(Some("shop"), now, || Some(mark));
        assert!(look(mark).is_none(), "nobody has looked yet");
        cache.publish(Some("shop"), cache.stamp(), &token);
        assert!(
            look(mark).is_none(),
            "it was fetched, and not seen in the store"
        );
        let seen = |cache: &Cache, mark| {
            let same = Some(WhileSame { mark, fresh });
            cache.publish_seen(Some("shop"), cache.stamp(), &token, same);
        };
        seen(&cache, mark);
        assert_eq!(hit(&cache, 0), None);
        assert_eq!(&*look(mark).unwrap().value, "A");
        // That counted as a look. The next one is due, and this thread may make it.
        assert_eq!(hit(&cache, 0), None);
        assert!(look(other).is_none());
        assert!(cache.unchanged(Some("shop"), now, || None).is_none());
        seen(&cache, other);
        assert!(look(other).is_some() && look(mark).is_none());
        for (late, is_given) in [(29_999, true), (30_000, false)] {
            let given = cache.unchanged(Some("shop"), now.plus(late), || Some(other));
            assert_eq!(given.is_some(), is_given, "{late} ms later");
        }
        cache.invalidate_all();
        assert!(look(other).is_none(), "something was rejected here");
        seen(&cache, other);
        assert!(look(other).is_some());
    }

    #[test]
    fn a_look_is_due_when_the_last_one_is_old() {
        let cache = Cache::default();
        let stamp = ReadStamp {
            steady_ms: cache.stamp().steady_ms - 5000,
            ..cache.stamp()
        };
        cache.publish(Some("shop"), stamp, &served("A", 60_000));
        assert_eq!(hit(&cache, 1000), None);
    }
}
