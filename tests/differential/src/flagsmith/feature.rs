//! Features, their variants, and what segments put in their place.

use serde_json::{Map, Value as Json, json};

use super::{
    split::{self, KEYS},
    traits,
};
use crate::{pool, random::Random};

/// The names that features have.
pub const NAMES: &[&str] = &["banner", "model", "limit", "theme", "é", "odd name"];

const VARIANTS: &[&str] = &["a", "b", "", "control", "é"];

/// A feature of an environment, or what stands in its place in a segment.
pub fn feature(random: &mut Random, name: &str, identity_key: Option<&str>) -> Json {
    let key = if random.chance(0.05) { "" } else { random.of(KEYS) };
    let mut feature = json!({
        "key": key,
        "name": name,
        "enabled": random.chance(0.7),
        "value": traits::scalar(random),
    });
    if random.chance(0.45) {
        feature["variants"] = variants(random, key, identity_key);
    } else if random.chance(0.2) {
        feature["variants"] = json!([]);
    }
    if random.chance(0.2) {
        feature["metadata"] = json!({"feature_id": random.below(100), "feature_type": "STANDARD"});
    }
    feature
}

fn variants(random: &mut Random, key: &str, identity_key: Option<&str>) -> Json {
    let count = 1 + random.below(4);
    let mut weights: Vec<f64> =
        (0..count).map(|_| split::weight(random, key, identity_key)).collect();
    if random.chance(0.3)
        && let Some(subject) = identity_key
    {
        // Weights that add up to where this identity is, or just beside it.
        let at = split::percentage(key, subject);
        let first = at * *random.of(&[0.5, 0.1, 0.9, 1.0 / 3.0]);
        weights = vec![first, split::beside(random, at - first), 100.0 - at];
    }
    let variants = weights.into_iter().map(|weight| {
        let mut variant = json!({"value": traits::scalar(random), "weight": weight});
        if weight.fract() == 0.0 && random.chance(0.5) {
            variant["weight"] = json!(weight as i64);
        }
        match random.below(4) {
            0 => {}
            1 if random.chance(0.3) => variant["key"] = Json::Null,
            _ => variant["key"] = json!(random.of(VARIANTS)),
        }
        priority(random, &mut variant);
        variant
    });
    variants.collect()
}

/// A priority: none, a tie, the strongest and the weakest there can be.
pub fn priority(random: &mut Random, of: &mut Json) {
    match random.below(10) {
        0..=3 => {}
        4 => of["priority"] = Json::Null,
        5 => of["priority"] = json!(random.of(&[-1.0, 0.5, -0.0, f64::MAX, f64::MIN])),
        _ => of["priority"] = json!(random.below(3)),
    }
}

/// The features of an environment.
pub fn features(random: &mut Random, identity_key: Option<&str>) -> Map<String, Json> {
    let count = 1 + random.below(4);
    let mut names: Vec<&str> = NAMES.to_vec();
    random.shuffle(&mut names);
    let features = names.into_iter().take(count).map(|name| {
        let mut feature = feature(random, name, identity_key);
        if random.chance(0.1) {
            // Of no meaning here.
            priority(random, &mut feature);
        }
        if random.chance(0.004) {
            feature["value"] = json!(u64::MAX);
        }
        (name.to_owned(), feature)
    });
    features.collect()
}

/// What a segment puts in the place of features.
pub fn overrides(random: &mut Random, names: &[String], identity_key: Option<&str>) -> Json {
    let count = random.below(4);
    let overrides = (0..count).map(|_| {
        let name = if random.chance(0.05) { "unknown" } else { random.of(names) };
        let mut feature = feature(random, name, identity_key);
        if random.chance(0.3) {
            feature["value"] = pool::text(random);
        }
        priority(random, &mut feature);
        feature
    });
    overrides.collect()
}
