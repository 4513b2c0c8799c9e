//! A map from names to shared things that copies pointers only when one of them changes.

use std::{
    hash::BuildHasher,
    sync::{Arc, LazyLock},
};

use crate::hash::{Names, Seed};

/// Enough shards that one of them is short to copy: 80 entries with 5,000 in all.
const SHARDS: usize = 64;

type Shard<V> = Names<Arc<str>, V>;

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
        self.shards.get(shard(name))?.get(name)
    }

    /// Adds or replaces one. In place when nobody else holds the table, so that building one stays
    /// linear.
    pub(crate) fn insert(&mut self, name: Arc<str>, value: V) {
        if let Some(shard) = Arc::make_mut(&mut self.shards).get_mut(shard(&name)) {
            Arc::make_mut(shard).insert(name, value);
        }
    }

    /// Removes one, and says whether it was there.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        self.get(name).is_some()
            && Arc::make_mut(&mut self.shards)
                .get_mut(shard(name))
                .is_some_and(|shard| Arc::make_mut(shard).remove(name).is_some())
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.len()).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.is_empty())
    }

    /// Every value, in no particular order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.shards.iter().flat_map(|shard| shard.values())
    }
}

/// One for all tables: a name is in the same shard of each.
static SEED: LazyLock<Seed> = LazyLock::new(Seed::default);

#[inline]
fn shard(name: &str) -> usize {
    // The high bits: the low ones place the name inside the shard's own table.
    (SEED.hash_one(name) >> 32) as usize % SHARDS
}
