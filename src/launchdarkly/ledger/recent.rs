//! Contexts that were seen not long ago, by their hashes.

use std::{
    hash::{BuildHasher, Hasher},
    sync::atomic::{AtomicU64, Ordering},
};

use super::context_snapshot::key_of;
use crate::{flag::Request, hash::Seed, launchdarkly::reference::kind_key};

/// 16,384 contexts are remembered, sixteen times what the vendor's clients do, in 128 KiB.
const BUCKETS: usize = 4096;

/// How many share a bucket: each is compared with all of them.
const WAYS: usize = 4;

/// A set of hashes that forgets. A hash that lost its place counts as new once more: a context is then
/// reported twice. One is left out only where its hash is another's.
pub(super) struct Recent {
    seed: Seed,
    /// 0: free.
    buckets: Box<[[AtomicU64; WAYS]]>,
}

impl Recent {
    pub(super) fn new() -> Recent {
        Recent {
            // Of this process alone: nobody can choose keys that meet.
            seed: Seed::default(),
            buckets: (0..BUCKETS).map(|_| Default::default()).collect(),
        }
    }

    /// A number that stands for the kinds and keys of a context, in whatever order.
    #[inline]
    pub(super) fn identity(&self, request: &Request<'_>) -> u64 {
        let one = |kind: &str, key: &str| {
            let mut hasher = self.seed.build_hasher();
            hasher.write(kind.as_bytes());
            hasher.write_u8(0xff);
            hasher.write(key.as_bytes());
            hasher.write_usize(key.len());
            hasher.finish()
        };
        let mut identity = key_of(request).map_or(0, |key| one("user", key));
        request.context.visit_kinds(&mut |kind, context| {
            if let Some(key) = kind_key(kind, context) {
                identity = identity.wrapping_add(one(kind, key));
            }
        });
        identity.max(1)
    }

    /// Whether it was not there; it is now.
    #[inline]
    pub(super) fn is_new(&self, identity: u64) -> bool {
        let Some(bucket) = self.bucket(identity) else { return false };
        // Relaxed: nothing else is read by what is found here.
        if bucket.iter().any(|place| place.load(Ordering::Relaxed) == identity) {
            return false;
        }
        for place in bucket {
            match place.compare_exchange(0, identity, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                // Another thread met the same context just now.
                Err(known) if known == identity => return false,
                Err(_) => {}
            }
        }
        if let Some(place) = bucket.get(identity as usize % WAYS) {
            return place.swap(identity, Ordering::Relaxed) != identity;
        }
        true
    }

    pub(super) fn forget(&self, identity: u64) {
        for place in self.bucket(identity).into_iter().flatten() {
            let _ = place.compare_exchange(identity, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    pub(super) fn clear(&self) {
        for place in self.buckets.iter().flatten() {
            place.store(0, Ordering::Relaxed);
        }
    }

    fn bucket(&self, identity: u64) -> Option<&[AtomicU64; WAYS]> {
        self.buckets.get((identity >> 32) as usize % BUCKETS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_new_only_once_until_it_is_forgotten() {
        let recent = Recent::new();
        let numbers = || (1..2_000_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let new = |recent: &Recent| numbers().filter(|number| recent.is_new(*number)).count();
        assert_eq!(new(&recent), 1999);
        assert!(new(&recent) < 100, "few lose their places");
        recent.clear();
        assert_eq!(new(&recent), 1999);
        let last = 1999_u64.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        recent.forget(last);
        assert!(recent.is_new(last) && !recent.is_new(last));
    }

    #[test]
    fn more_than_there_is_room_for_is_remembered_as_far_as_it_goes() {
        let recent = Recent::new();
        for number in 1..100_u64 {
            assert!(recent.is_new(number), "all in one bucket");
        }
        assert_eq!((1..100_u64).filter(|number| !recent.is_new(*number)).count() % WAYS, 0);
    }
}
