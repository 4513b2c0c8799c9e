//! A map from names to shared things that copies pointers only when one of them changes.

use std::{
    hash::{BuildHasher, Hasher},
    sync::{Arc, LazyLock},
};

use hashbrown::{HashTable, hash_table::Entry};

use crate::hash::Seed;

/// Enough shards that one of them is short to copy: 80 entries with 5,000 in all.
const SHARDS: usize = 64;

type Shard<V> = HashTable<(Arc<str>, V)>;

/// Named things, of which a changed copy shares all but one shard with the original.
pub(crate) struct ShardedTable<V> {
    shards: Arc<[Arc<Shard<V>>]>,
}

impl<V> Clone for ShardedTable<V> {
    fn clone(&self) -> ShardedTable<V> {
        ShardedTable { shards: Arc::clone(&self.shards) }
    }
}

impl<V: Clone> Default for ShardedTable<V> {
    fn default() -> ShardedTable<V> {
        ShardedTable { shards: vec![Arc::default(); SHARDS].into() }
    }
}

impl<V: Clone> ShardedTable<V> {
    #[inline]
    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        self.find(NameHash::new(name), name)
    }

    /// The same for a name whose hash is at hand.
    #[inline]
    pub(crate) fn find(&self, NameHash(hash): NameHash, name: &str) -> Option<&V> {
        let (_, value) = self.shards.get(shard(hash))?.find(hash, |(own, _)| **own == *name)?;
        Some(value)
    }

    /// Adds or replaces one. In place when nobody else holds the table, so that building one stays
    /// linear.
    pub(crate) fn insert(&mut self, name: Arc<str>, value: V) {
        let NameHash(hash) = NameHash::new(&name);
        let Some(shard) = Arc::make_mut(&mut self.shards).get_mut(shard(hash)) else { return };
        match Arc::make_mut(shard).entry(hash, |(own, _)| *own == name, rehash) {
            Entry::Occupied(mut entry) => entry.get_mut().1 = value,
            Entry::Vacant(entry) => drop(entry.insert((name, value))),
        }
    }

    /// Removes one, and says whether it was there.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let NameHash(hash) = NameHash::new(name);
        // Nothing is copied for one that is not there.
        self.get(name).is_some()
            && Arc::make_mut(&mut self.shards).get_mut(shard(hash)).is_some_and(|shard| {
                let found = Arc::make_mut(shard).find_entry(hash, |(own, _)| **own == *name);
                found.map(|entry| drop(entry.remove())).is_ok()
            })
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.len()).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.is_empty())
    }

    /// Every value, in no particular order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.shards.iter().flat_map(|shard| shard.iter().map(|(_, value)| value))
    }
}

/// One for all tables: a name is in the same shard of each.
static SEED: LazyLock<Seed> = LazyLock::new(Seed::default);

/// What a name hashes to, in every table of this process: it chooses the shard and the place in it.
/// For names that are looked up again and again, found out once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NameHash(u64);

impl NameHash {
    #[inline]
    pub(crate) fn new(name: &str) -> NameHash {
        let mut hasher = SEED.build_hasher();
        // The bytes alone: what `str` adds to tell where it ends is for those that are hashed with more.
        hasher.write(name.as_bytes());
        NameHash(hasher.finish())
    }
}

fn rehash<V>((name, _): &(Arc<str>, V)) -> u64 {
    NameHash::new(name).0
}

/// By bits from the middle: the low ones choose the place inside a shard, the high ones tell apart
/// those that meet there.
#[inline]
fn shard(hash: u64) -> usize {
    (hash >> 32) as usize % SHARDS
}
