//! A map by prediction id, with a hash cheaper than the standard one and seeded like it.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
};

use super::stats::rounding::splitmix64;
use crate::prediction_id::PredictionId;

pub(super) type IdMap<V> = HashMap<PredictionId, V, IdHash>;

/// Two rounds of SplitMix64 with a random seed for each map: the ids in a file may have been chosen to
/// collide.
pub(super) struct IdHash(u64);

impl Default for IdHash {
    fn default() -> IdHash {
        IdHash(RandomState::new().hash_one("modelgate ids"))
    }
}

impl BuildHasher for IdHash {
    type Hasher = IdHasher;
    fn build_hasher(&self) -> IdHasher {
        IdHasher(self.0)
    }
}

pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write_u128(&mut self, id: u128) {
        self.0 = splitmix64(splitmix64(self.0 ^ id as u64) ^ (id >> 64) as u64);
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = splitmix64(self.0 ^ u64::from(*byte));
        }
    }
    fn finish(&self) -> u64 {
        self.0
    }
}
