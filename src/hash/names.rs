//! Maps and sets of names from outside.

use std::collections::{HashMap, HashSet};

/// The seed of a process, drawn when it starts: what a name hashes to cannot be known beforehand, so
/// that a document or a request cannot be made of names that all meet.
pub(crate) type Seed = foldhash::quality::RandomState;

/// A map by names, or by anything else that somebody outside chooses.
pub(crate) type Names<K, V> = HashMap<K, V, Seed>;

/// The same without values.
pub(crate) type NameSet<K> = HashSet<K, Seed>;

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn what_a_name_hashes_to_cannot_be_known_beforehand() {
        let hashes: std::collections::BTreeSet<u64> =
            (0..16).map(|_| Seed::default().hash_one("ml-model-version")).collect();
        assert!(hashes.len() > 1, "{hashes:?}");
    }
}
