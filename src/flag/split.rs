//! Weighted shares of a range of buckets.

use std::ops::{Deref, DerefMut};

/// How the buckets `0..total` are shared out: the first share has the lowest buckets.
///
/// As long as the total stays the same, a first share that grows keeps every bucket it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BucketRanges<E = Box<[u32]>> {
    /// For each share, the bucket after its last one.
    ends: E,
}

impl BucketRanges {
    /// Shares of these weights; `None` when they sum to nothing or to more than an `i32` holds.
    pub(crate) fn new(weights: impl IntoIterator<Item = u32>) -> Option<BucketRanges> {
        BucketRanges::within(weights.into_iter().collect::<Box<[u32]>>())
    }
}

impl<E: DerefMut<Target = [u32]>> BucketRanges<E> {
    /// Shares of the weights that `weights` holds, kept in their place.
    pub(crate) fn within(mut weights: E) -> Option<BucketRanges<E>> {
        let mut total = 0_u32;
        for weight in weights.iter_mut() {
            total = total.checked_add(*weight).filter(|total| *total <= i32::MAX as u32)?;
            *weight = total;
        }
        (total > 0).then_some(BucketRanges { ends: weights })
    }
}

impl<E: Deref<Target = [u32]>> BucketRanges<E> {
    #[inline]
    pub(crate) fn total(&self) -> u32 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// How many shares there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bucket of a uniform 32-bit hash: scaled, not reduced, so that it needs no division.
    #[inline]
    pub(crate) fn bucket(&self, hash: u32) -> u32 {
        ((u64::from(hash) * u64::from(self.total())) >> 32) as u32
    }

    /// The share that has this bucket. A share of weight zero has none.
    #[inline]
    pub(crate) fn of(&self, bucket: u32) -> Option<usize> {
        // A few are scanned, many are searched.
        if self.ends.len() <= 8 {
            return self.ends.iter().position(|end| bucket < *end);
        }
        let share = self.ends.partition_point(|end| *end <= bucket);
        (share < self.ends.len()).then_some(share)
    }

    /// The first bucket of a share and the one after its last.
    pub(crate) fn bounds(&self, share: usize) -> (u32, u32) {
        let from = share.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        (from.unwrap_or(0), self.ends.get(share).copied().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_belongs_to_the_share_whose_bounds_hold_it() {
        for count in [1, 2, 8, 9, 40] {
            let shares =
                BucketRanges::new((0..count).map(|n| n % 3)).or(BucketRanges::new([1])).unwrap();
            for bucket in 0..shares.total() {
                let share = shares.of(bucket).unwrap();
                let (from, to) = shares.bounds(share);
                assert!((from..to).contains(&bucket), "{bucket} in {share}: {from}..{to}");
            }
            assert_eq!(shares.of(shares.total()), None);
        }
    }

    #[test]
    fn the_highest_hash_falls_in_the_last_bucket() {
        let shares = BucketRanges::new([1, 99]).unwrap();
        assert_eq!(shares.bucket(u32::MAX), 99);
        assert_eq!(shares.bucket(0), 0);
    }

    #[test]
    fn nothing_and_too_much_are_no_shares() {
        assert_eq!(BucketRanges::new([]), None);
        assert_eq!(BucketRanges::new([0, 0]), None);
        assert_eq!(BucketRanges::new([i32::MAX as u32, 1]), None);
        assert_eq!(BucketRanges::new([u32::MAX, 1]), None);
        assert!(BucketRanges::new([i32::MAX as u32, 0]).is_some());
    }
}
