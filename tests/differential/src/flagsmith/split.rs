//! Percentages: identities that land where rounding shows, and weights just beside them.

use std::sync::LazyLock;

use flagsmith_flag_engine::utils::hashing::get_hashed_percentage_for_object_ids;
use serde_json::{Map, Value as Json};

use crate::random::Random;

/// The key that most environments have, so that identities can be looked for ahead of time.
pub const ENVIRONMENT: &str = "env";

/// The keys of features and segments.
pub const KEYS: &[&str] = &["1", "2", "16", "78986", "381942", "f-uuid"];

/// The first place, the middle one and the last one of 9999.
pub const PLACES: [f64; 3] = [0.0, 4999.0, 9998.0];

/// Identifiers that the split of one of the keys puts in one of the places.
static CHOSEN: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut chosen = Vec::new();
    for key in KEYS {
        for place in PLACES {
            let identifier = (0..).map(|number| format!("user-{number}"));
            let there =
                |identifier: &String| percentage(key, &composed(identifier)) == share(place);
            chosen.extend(identifier.take(1_000_000).find(there));
        }
    }
    chosen
});

/// The identity key that an identifier stands for, where it has none of its own.
pub fn composed(identifier: &str) -> String {
    format!("{ENVIRONMENT}_{identifier}")
}

pub fn chosen(random: &mut Random) -> String {
    match random.chance(0.6) {
        true => random.of(&CHOSEN).clone(),
        false => format!("user-{}", random.below(1000)),
    }
}

/// Where the vendor's hash puts this.
pub fn percentage(key: &str, subject: &str) -> f64 {
    f64::from(get_hashed_percentage_for_object_ids(vec![key, subject], 1))
}

/// The percentage of a place.
pub fn share(place: f64) -> f64 {
    f64::from(place as f32 / 9998.0 * 100.0)
}

/// A percentage: round, or just where this subject is, or within a step of it.
pub fn weight(random: &mut Random, key: &str, subject: Option<&str>) -> f64 {
    match random.below(10) {
        0 => 0.0,
        1 => 100.0,
        2 => 50.0,
        3 => *random.of(&[-1.0, 0.1, 33.33, 66.67, 150.0, 1e-7]),
        4 => random.below(101) as f64,
        5 => random.below(9999) as f64 * 100.0 / 9998.0,
        _ => {
            let at = match subject {
                Some(subject) => percentage(key, subject),
                None => share(random.below(9999) as f64),
            };
            beside(random, at)
        }
    }
}

/// This number, the one before it or the one after it.
pub fn beside(random: &mut Random, number: f64) -> f64 {
    match random.below(3) {
        0 => number,
        1 => number.next_up(),
        _ => number.next_down(),
    }
}

/// What an identity is hashed by: its own key, or one that is made of the environment's.
pub fn identity_key(environment: &str, context: &Map<String, Json>) -> Option<String> {
    let identity = context.get("identity")?;
    match identity.get("key").and_then(Json::as_str) {
        Some(key) if !key.is_empty() => Some(key.to_owned()),
        _ => Some(format!("{environment}_{}", identity["identifier"].as_str().unwrap_or_default())),
    }
}
