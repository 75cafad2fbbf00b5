//! A map that only grows, so that reading it takes no lock and writes nothing: a trie over the keys' hashes, in which each
//! branch is set once.

use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

use foldhash::fast::FixedState;

/// Four bits of the hash choose a branch.
const BITS: u32 = 4;
const FAN_OUT: usize = 1 << BITS;

pub struct OnceMap<V> {
    top: Branches<V>,
}

/// The way down: each node that is not the one looked for takes four bits off the hash. Once all are used up, which
/// takes keys of one hash, every further branch is the first.
type Branches<V> = [OnceLock<Box<Node<V>>>; FAN_OUT];

struct Node<V> {
    hash: u64,
    key: Box<[u8]>,
    value: V,
    below: Branches<V>,
}

impl<V> OnceMap<V> {
    #[inline(always)]
    pub fn get(&self, key: &[u8]) -> Option<&V> {
        let hash = hash(key);
        let mut branches = &self.top;
        let mut rest = hash;
        loop {
            let node = branches[branch(rest)].get()?;
            if node.is(hash, key) {
                return Some(&node.value);
            }
            branches = &node.below;
            rest >>= BITS;
        }
    }

    /// The value of `key`, made now if it is not there.
    pub fn get_or_insert(&self, key: &[u8], make: impl Fn() -> V) -> &V {
        let hash = hash(key);
        let mut branches = &self.top;
        let mut rest = hash;
        loop {
            let node = branches[branch(rest)].get_or_init(|| {
                Box::new(Node {
                    hash,
                    key: key.into(),
                    value: make(),
                    below: none(),
                })
            });
            // Another thread may have set this branch first, to this key or to another one.
            if node.is(hash, key) {
                return &node.value;
            }
            branches = &node.below;
            rest >>= BITS;
        }
    }
}

impl<V> Node<V> {
    #[inline(always)]
    fn is(&self, hash: u64, key: &[u8]) -> bool {
        self.hash == hash && *self.key == *key
    }
}

impl<V> Default for OnceMap<V> {
    fn default() -> OnceMap<V> {
        OnceMap { top: none() }
    }
}

fn none<V>() -> Branches<V> {
    [const { OnceLock::new() }; FAN_OUT]
}

/// Not keyed: whoever registers accounts may make this process slow in other ways too.
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

#[inline(always)]
fn branch(rest: u64) -> usize {
    rest as usize % FAN_OUT
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn what_was_put_in_is_found_and_nothing_else() {
        let trie = OnceMap::default();
        for number in 0..1000usize {
            trie.get_or_insert(format!("shop-{number}").as_bytes(), || number);
        }
        for number in 0..1000 {
            let key = format!("shop-{number}");
            assert_eq!(trie.get(key.as_bytes()), Some(&number));
            assert_eq!(trie.get_or_insert(key.as_bytes(), || 0), &number);
        }
        assert_eq!(trie.get(b"shop"), None);
        assert_eq!(trie.get(b""), None);
    }

    #[test]
    fn keys_of_one_hash_are_told_apart() {
        let trie = OnceMap::default();
        let key = |number: usize| format!("same hash {number}");
        for number in 0..40 {
            trie.get_or_insert(key(number).as_bytes(), || number);
        }
        for number in 0..40 {
            assert_eq!(trie.get(key(number).as_bytes()), Some(&number));
        }
        assert_eq!(trie.get(b"same hash"), None);
    }

    #[test]
    fn threads_that_insert_at_once_agree() {
        let trie: OnceMap<AtomicUsize> = OnceMap::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..100 {
                        let key = format!("shop-{number}");
                        trie.get_or_insert(key.as_bytes(), AtomicUsize::default)
                            .fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        for number in 0..100 {
            let count = trie.get(format!("shop-{number}").as_bytes()).unwrap();
            assert_eq!(count.load(Ordering::Relaxed), 4);
        }
    }
}
