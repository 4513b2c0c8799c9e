//! Flags that are asked for and not there.

use std::{
    hash::BuildHasher,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{hash::Seed, value::Value};

/// How many are told apart. Code asks for the same few again and again; those beyond are not
/// reported.
const PLACES: usize = 256;

pub(super) struct UnknownFlags {
    seed: Seed,
    places: Box<[OnceLock<Flag>]>,
}

struct Flag {
    key: Box<str>,
    /// The first that a caller gave.
    default: Value,
    kinds: AtomicU64,
    count: AtomicU64,
}

impl UnknownFlags {
    pub(super) fn new() -> UnknownFlags {
        let places = (0..PLACES).map(|_| OnceLock::new()).collect();
        UnknownFlags { seed: Seed::default(), places }
    }

    pub(super) fn count(&self, key: &str, kinds: u64, default: &dyn Fn() -> Value) {
        let first = self.seed.hash_one(key) as usize % PLACES;
        let places = self.places.iter().cycle().skip(first).take(PLACES);
        for place in places {
            let flag = place.get_or_init(|| Flag {
                key: key.into(),
                default: default(),
                kinds: AtomicU64::new(0),
                count: AtomicU64::new(0),
            });
            if *flag.key == *key {
                flag.kinds.fetch_or(kinds, Ordering::Relaxed);
                flag.count.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
    }

    /// Takes each flag's count, default and kinds.
    pub(super) fn take(&self, mut each: impl FnMut(&str, u64, &Value, u64)) {
        for flag in self.places.iter().filter_map(OnceLock::get) {
            let count = flag.count.swap(0, Ordering::Relaxed);
            if count > 0 {
                each(&flag.key, count, &flag.default, flag.kinds.load(Ordering::Relaxed));
            }
        }
    }
}
