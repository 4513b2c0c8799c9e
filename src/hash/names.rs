//! Maps and sets of names from outside.

use std::collections::{HashMap, HashSet};

/// The seed of a process, drawn when it starts: what a name hashes to cannot be known beforehand, so
/// that no document or request can be made of names that all collide.
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

    /// Every map here whose hash is known beforehand, and why nobody outside chooses its keys.
    const OUR_OWN_NAMES: [(&str, &str); 4] = [
        ("compare/top_k.rs", "places in one answer, of a model of ours"),
        ("flagsmith/walk.rs", "addresses in memory"),
        ("launchdarkly/visited.rs", "addresses in memory"),
        ("verdict/state.rs", "numbers that are given out in turn"),
    ];

    #[test]
    fn a_hash_that_is_known_beforehand_is_for_names_of_our_own_only() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let (mut folders, mut found) = (vec![root.clone()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("hash/names.rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    if ["FxHash", "rustc_hash", "BuildHasherDefault", "fnv"]
                        .iter()
                        .any(|name| text.contains(name))
                    {
                        let path = path.strip_prefix(&root).unwrap().to_str().unwrap();
                        found.push(path.replace('\\', "/"));
                    }
                }
            }
        }
        found.sort();
        assert_eq!(found, OUR_OWN_NAMES.map(|(file, _)| file));
    }

    #[test]
    fn names_of_one_hash_elsewhere_are_spread_over_the_shards_and_buckets_of_every_map() {
        // Of one `FxHash` as far as the low bits go, which place a name in a table.
        let fx = rustc_hash::FxBuildHasher;
        let low = |hash: u64| hash & 0xfff;
        let wanted = low(fx.hash_one(0_u64));
        let colliding: Vec<u64> =
            (0..4_000_000_u64).filter(|key| low(fx.hash_one(key)) == wanted).take(500).collect();
        assert_eq!(colliding.len(), 500);
        let seed = Seed::default();
        let buckets: std::collections::BTreeSet<u64> =
            colliding.iter().map(|key| low(seed.hash_one(key))).collect();
        // 500 balls in 4,096 buckets leave some 470 with one, and never so few.
        assert!(buckets.len() > 400, "{}", buckets.len());
    }
}
