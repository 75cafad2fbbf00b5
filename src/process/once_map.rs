//! A map that only grows, so that reading it takes no lock and writes nothing. It is a table of hashes in which each
//! place is set once. A table that is half full is followed by one of twice the size. Readers of the old table miss
//! what is new.

use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::FixedState;

/// The number of places in the first table.
const FIRST: usize = 16;
/// The number of tables. Memory has no room for more.
const TABLES: usize = 40;
/// The number of bytes of a key that are stored next to its value.
const NEAR: usize = 24;

pub struct OnceMap<V> {
    tables: [OnceLock<Table<V>>; TABLES],
    newest: AtomicUsize,
    /// The number of keys. It is locked while a key is inserted.
    count: Mutex<usize>,
}

/// A table. At most half of its places are set, so a search always reaches an empty one.
type Table<V> = Box<[OnceLock<Place<V>>]>;

struct Place<V> {
    hash: u64,
    node: Arc<Node<V>>,
}

/// A key and its value. A short key lies in the same line of memory as the value.
struct Node<V> {
    length: usize,
    near: [u8; NEAR],
    value: V,
    far: Box<[u8]>,
}

impl<V> OnceMap<V> {
    #[inline(always)]
    pub fn get(&self, key: &[u8]) -> Option<&V> {
        let newest = self.newest.load(Ordering::Acquire);
        find(self.tables[newest].get()?, hash(key), key).ok()
    }

    /// Returns the value of `key`, which is made if it does not exist.
    pub fn get_or_insert(&self, key: &[u8], make: impl Fn() -> V) -> &V {
        let hash = hash(key);
        // A panic leaves no damage: a place is set, or it is not.
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = self.newest.load(Ordering::Relaxed);
        let mut table = self.table(newest);
        let mut place = match find(table, hash, key) {
            Ok(value) => return value,
            Err(place) => place,
        };
        if (*count + 1) * 2 > table.len() {
            let larger = self.table(newest + 1);
            for old in table.iter().filter_map(OnceLock::get) {
                let _ = free(larger, old.hash).set(Place {
                    hash: old.hash,
                    node: old.node.clone(),
                });
            }
            self.newest.store(newest + 1, Ordering::Release);
            table = larger;
            place = free(table, hash);
        }
        *count += 1;
        let node = || Arc::new(Node::new(key, make()));
        let set = place.get_or_init(|| Place { hash, node: node() });
        &set.node.value
    }

    /// Returns the values, but for those that are inserted meanwhile.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        let newest = self.newest.load(Ordering::Acquire);
        let places = self.tables[newest].get().into_iter().flatten();
        places.filter_map(|place| Some(&place.get()?.node.value))
    }

    fn table(&self, number: usize) -> &Table<V> {
        self.tables[number].get_or_init(|| {
            let places = (0..FIRST << number).map(|_| OnceLock::new());
            places.collect()
        })
    }
}

/// Returns the value of a key, or the place where it would be.
#[inline(always)]
fn find<'a, V>(
    table: &'a Table<V>,
    hash: u64,
    key: &[u8],
) -> Result<&'a V, &'a OnceLock<Place<V>>> {
    let mut at = hash as usize;
    loop {
        let place = &table[at & (table.len() - 1)];
        match place.get() {
            Some(set) if set.hash == hash && set.node.is(key) => return Ok(&set.node.value),
            Some(_) => at = at.wrapping_add(1),
            None => return Err(place),
        }
    }
}

/// Returns the place for a key that is not in the table.
fn free<V>(table: &Table<V>, hash: u64) -> &OnceLock<Place<V>> {
    let mut at = hash as usize;
    loop {
        let place = &table[at & (table.len() - 1)];
        if place.get().is_none() {
            return place;
        }
        at = at.wrapping_add(1);
    }
}

impl<V> Node<V> {
    fn new(key: &[u8], value: V) -> Node<V> {
        let (start, far) = key.split_at(key.len().min(NEAR));
        let mut near = [0; NEAR];
        near[..start.len()].copy_from_slice(start);
        Node {
            length: key.len(),
            near,
            value,
            far: far.into(),
        }
    }

    #[inline(always)]
    fn is(&self, key: &[u8]) -> bool {
        if self.length != key.len() {
            return false;
        }
        let (start, far) = key.split_at(key.len().min(NEAR));
        // With a length of 0, memcmp may do a masked read from an invalid address. That costs more than everything else
        // here.
        self.near[..start.len()] == *start && (far.is_empty() || *self.far == *far)
    }
}

impl<V> Default for OnceMap<V> {
    fn default() -> OnceMap<V> {
        OnceMap {
            tables: [const { OnceLock::new() }; TABLES],
            newest: AtomicUsize::new(0),
            count: Mutex::new(0),
        }
    }
}

/// Hashes a name without a random key. A program that could choose colliding names could slow this process down in
/// other ways.
#[inline(always)]
fn hash(key: &[u8]) -> u64 {
    #[cfg(test)]
    if key.starts_with(b"same hash") {
        return 7;
    }
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(key);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn only_inserted_keys_are_found() {
        let map = OnceMap::default();
        for number in 0..1000usize {
            map.get_or_insert(format!("shop-{number}").as_bytes(), || number);
        }
        for number in 0..1000 {
            let key = format!("shop-{number}");
            assert_eq!(map.get(key.as_bytes()), Some(&number));
            assert_eq!(map.get_or_insert(key.as_bytes(), || 0), &number);
        }
        assert_eq!(map.get(b"shop"), None);
        assert_eq!(map.get(b""), None);
        let mut values: Vec<usize> = map.values().copied().collect();
        values.sort_unstable();
        assert!(values.into_iter().eq(0..1000));
    }

    #[test]
    fn keys_of_one_hash_are_told_apart() {
        let map = OnceMap::default();
        let key = |number: usize| format!("same hash {number}");
        for number in 0..40 {
            map.get_or_insert(key(number).as_bytes(), || number);
        }
        for number in 0..40 {
            assert_eq!(map.get(key(number).as_bytes()), Some(&number));
        }
        assert_eq!(map.get(b"same hash"), None);
    }

    #[test]
    fn keys_are_compared_to_their_end() {
        let map = OnceMap::default();
        let key = |length: usize| "k".repeat(length);
        for length in 0..3 * NEAR {
            map.get_or_insert(key(length).as_bytes(), || length);
        }
        for length in 0..3 * NEAR {
            assert_eq!(map.get(key(length).as_bytes()), Some(&length));
            let mut other = key(length).into_bytes();
            if let Some(last) = other.last_mut() {
                *last = b'K';
                assert_eq!(map.get(&other), None);
            }
        }
    }

    #[test]
    fn an_entry_is_found_while_the_map_grows() {
        let map = OnceMap::default();
        map.get_or_insert(b"first", || 0);
        std::thread::scope(|scope| {
            let grown = scope.spawn(|| {
                for number in 1..20_000 {
                    map.get_or_insert(format!("shop-{number}").as_bytes(), || number);
                }
            });
            while !grown.is_finished() {
                assert_eq!(map.get(b"first"), Some(&0));
            }
        });
        let tables = map.tables.iter().filter_map(OnceLock::get);
        let places: usize = tables.map(|table| table.len()).sum();
        assert!(places <= 8 * 20_000, "{places}");
    }

    #[test]
    fn threads_that_insert_at_once_agree() {
        let map: OnceMap<AtomicUsize> = OnceMap::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..100 {
                        let key = format!("shop-{number}");
                        map.get_or_insert(key.as_bytes(), AtomicUsize::default)
                            .fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        for number in 0..100 {
            let count = map.get(format!("shop-{number}").as_bytes()).unwrap();
            assert_eq!(count.load(Ordering::Relaxed), 4);
        }
    }
}
