//! Which users have been scored: a blocked Bloom filter (Putze, Sanders and Singler, "Cache-, hash-,
//! and space-efficient Bloom filters", ACM Journal of Experimental Algorithmics 2009).

use std::sync::atomic::{AtomicU64, Ordering};

use crate::compare::key::KeyHash;

use super::{TallyMismatch, stats::rounding::splitmix64};

/// A block is one cache line.
const WORDS: usize = 8;
const BITS_OF_A_BLOCK: u64 = 512;
/// Bits for each expected user. With seven of them set in one block, about one user in 300 is taken for
/// another once all have come. That user's pair is left out, whatever its outcome, which biases
/// nothing.
const BITS_A_USER: u64 = 16;
const HASHES: u32 = 7;

/// The share of new users is that of the last lookups: of at most this many, and at least half.
const REMEMBERED: u64 = 2_000;

/// A set of users. It takes two to four bytes for each expected user, since the number of blocks is a
/// power of two; the union of two filters is their bitwise OR.
pub(super) struct UserFilter {
    blocks: Box<[[AtomicU64; WORDS]]>,
    /// The last lookups: how many there were, and how many found a new user. Two threads at once may
    /// count one too few, which only an estimate depends on.
    looks: [AtomicU64; 2],
}

impl UserFilter {
    pub(super) const MOST: u64 = 1 << 26;

    pub(super) fn new(users: u64) -> UserFilter {
        let bits = users.clamp(1, UserFilter::MOST) * BITS_A_USER;
        let blocks = bits.div_ceil(BITS_OF_A_BLOCK).next_power_of_two();
        let blocks = (0..blocks).map(|_| Default::default()).collect();
        UserFilter { blocks, looks: Default::default() }
    }

    pub(super) fn bytes(&self) -> usize {
        self.blocks.len() * WORDS * 8
    }

    /// The block of a uniform hash, and the bits in it.
    fn place(&self, (high, low): (u64, u64)) -> (Option<&[AtomicU64; WORDS]>, [u64; WORDS]) {
        let mut masks = [0; WORDS];
        for hash in 0..HASHES {
            // Nine bits: the word, and the bit in it.
            let bits = low >> (hash * 9);
            if let Some(mask) = masks.get_mut((bits >> 6 & 7) as usize) {
                *mask |= 1 << (bits & 63);
            }
        }
        (self.block(high), masks)
    }

    #[inline]
    pub(super) fn contains(&self, hash: (u64, u64)) -> bool {
        let Some(block) = self.block(hash.0) else { return false };
        (0..HASHES).all(|nth| {
            let bits = hash.1 >> (nth * 9);
            let word = block.get((bits >> 6 & 7) as usize);
            word.is_some_and(|word| word.load(Ordering::Relaxed) >> (bits & 63) & 1 == 1)
        })
    }

    #[inline]
    fn block(&self, high: u64) -> Option<&[AtomicU64; WORDS]> {
        let block = ((u128::from(high) * self.blocks.len() as u128) >> 64) as usize;
        self.blocks.get(block)
    }

    /// Adds a user; returns whether they were new.
    pub(super) fn insert(&self, hash: (u64, u64)) -> bool {
        // Most users are known, and threads that only read a cache line do not contend for it.
        if self.contains(hash) {
            return false;
        }
        let (block, masks) = self.place(hash);
        let Some(block) = block else { return true };
        let mut new = false;
        for (word, mask) in block.iter().zip(masks) {
            if mask != 0 {
                new |= word.fetch_or(mask, Ordering::Relaxed) & mask != mask;
            }
        }
        new
    }

    /// The same, and remembers the answer for [`unseen_share`](Self::unseen_share).
    pub(super) fn insert_looking(&self, hash: (u64, u64)) -> bool {
        let new = self.insert(hash);
        self.looked(new);
        new
    }

    /// Whether the user is new. For one who is not this counts as the lookup, since no insertion
    /// follows.
    pub(super) fn wants(&self, hash: (u64, u64)) -> bool {
        let known = self.contains(hash);
        if known {
            self.looked(false);
        }
        !known
    }

    fn looked(&self, new: bool) {
        let [looks, found] = &self.looks;
        found.fetch_add(u64::from(new), Ordering::Relaxed);
        if looks.fetch_add(1, Ordering::Relaxed) + 1 >= REMEMBERED {
            for count in &self.looks {
                count.store(count.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
            }
        }
    }

    /// The share of the last lookups that found a new user; `None` after too few.
    pub(super) fn unseen_share(&self) -> Option<f64> {
        let [looks, found] = self.looks.each_ref().map(|count| count.load(Ordering::Relaxed));
        (looks >= REMEMBERED / 2).then(|| found as f64 / looks as f64)
    }

    pub(super) fn clear(&self) {
        self.looks.iter().for_each(|count| count.store(0, Ordering::Relaxed));
        self.blocks.iter().flatten().for_each(|word| word.store(0, Ordering::Relaxed));
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes());
        for word in self.blocks.iter().flatten() {
            bytes.extend_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
        }
        bytes
    }

    pub(super) fn merge(&self, bytes: &[u8]) -> Result<(), TallyMismatch> {
        if bytes.len() != self.bytes() {
            return Err(TallyMismatch::new("seen (bytes)", bytes.len(), self.bytes()));
        }
        let (words, _) = bytes.as_chunks();
        for (word, bytes) in self.blocks.iter().flatten().zip(words) {
            word.fetch_or(u64::from_le_bytes(*bytes), Ordering::Relaxed);
        }
        Ok(())
    }
}

/// A user's hash in a window. Mixed once more, since the filter needs uniform bits, and a file of
/// records may hold hashes that somebody numbered from 1.
pub(super) fn of_key(key: &KeyHash, window: u64) -> (u64, u64) {
    let number = u128::from_be_bytes(*key.as_bytes());
    let salt = if window == 0 { 0 } else { splitmix64(window) };
    let (high, low) = ((number >> 64) as u64 ^ salt, number as u64 ^ salt.rotate_left(32));
    (splitmix64(high ^ splitmix64(low)), splitmix64(low ^ splitmix64(!high)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u64) -> (u64, u64) {
        (splitmix64(n), splitmix64(n ^ 0xABCD_EF01_2345_6789))
    }

    #[test]
    fn a_user_is_new_once_and_few_others_are_taken_for_known() {
        let seen = UserFilter::new(100_000);
        let dropped = (0..100_000).filter(|n| !seen.insert(hash(*n))).count();
        assert!((0..100_000).all(|n| seen.contains(hash(n)) && !seen.insert(hash(n))));
        assert!(dropped < 500, "{dropped}");
        let wrong = (100_000..200_000).filter(|n| seen.contains(hash(*n))).count();
        assert!(wrong < 1_000, "{wrong}");
        assert_eq!(seen.bytes(), 256 << 10);
    }

    #[test]
    fn hashes_that_only_count_up_are_told_apart() {
        let seen = UserFilter::new(10_000);
        let key = |n: u128| KeyHash::from_bytes(n.to_be_bytes());
        assert_eq!((0..10_000).filter(|n| !seen.insert(of_key(&key(*n), 0))).count(), 0);
    }

    #[test]
    fn filters_of_two_processes_add_up() {
        let (one, other) = (UserFilter::new(1_000), UserFilter::new(1_000));
        (0..500).for_each(|n| assert!(one.insert(hash(n)) || n > 0));
        (400..900).for_each(|n| assert!(other.insert(hash(n)) || n > 400));
        one.merge(&other.to_bytes()).unwrap();
        assert!((0..900).all(|n| one.contains(hash(n))));
        assert!(one.merge(&[0; 8]).is_err());
    }
}
