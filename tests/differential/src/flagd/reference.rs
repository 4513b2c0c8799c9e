//! The two older generations of `fractional`, written a second time and as plainly as possible.

use modelgate::flagd::Fractional;
use serde_json::{Map, Value as Json};

/// The variant that a `fractional` of constants and `var`s comes to; `None` for null.
pub fn variant(
    arguments: &[Json],
    generation: Fractional,
    flag: &str,
    context: &Map<String, Json>,
) -> Option<Json> {
    let arguments: Vec<Json> = arguments.iter().map(|one| resolved(one, flag, context)).collect();
    let (first, rest) = arguments.split_first()?;
    let implied = || match context.get("targetingKey") {
        Some(Json::String(key)) if !key.is_empty() => Some(format!("{flag}{key}")),
        _ => None,
    };
    let (key, entries) = match first {
        Json::Array(_) => (implied()?, &*arguments),
        Json::Null => (implied()?, rest),
        Json::String(key) => (key.clone(), rest),
        _ => return None,
    };
    let mut shares: Vec<(&Json, u64)> = Vec::new();
    for entry in entries {
        let entry = entry.as_array()?;
        let variant = entry.first().filter(|one| !one.is_array() && !one.is_object())?;
        let weight = match entry.get(1) {
            None | Some(Json::Null) => 1.0,
            Some(weight) => weight.as_f64()?,
        };
        if weight.fract() != 0.0 || weight > 2_147_483_647.0 {
            return None;
        }
        shares.push((variant, weight.max(0.0) as u64));
    }
    let total: u64 = shares.iter().map(|(_, weight)| weight).sum();
    if total == 0 || total > 2_147_483_647 {
        return None;
    }
    let hash = murmur3(key.as_bytes());
    let (mut sum, mut percents) = (0, 0.0);
    for (variant, weight) in shares {
        sum += weight;
        // Added up as floats: their rounding is part of what the generation assigns.
        percents += 100.0 * weight as f64 / total as f64;
        let inside = match generation {
            Fractional::V1 => {
                let percent = (f64::from(hash as i32)).abs() / 2_147_483_647.0 * 100.0;
                percent < percents
            }
            _ => (u64::from(hash) * total) >> 32 < sum,
        };
        if inside {
            return Some(variant.clone());
        }
    }
    None
}

/// The value of a `var` without paths, of a `cat` of texts, and of anything constant.
fn resolved(value: &Json, flag: &str, context: &Map<String, Json>) -> Json {
    match value {
        Json::Array(elements) => {
            elements.iter().map(|element| resolved(element, flag, context)).collect()
        }
        Json::Object(members) => match members.iter().next() {
            Some((operator, Json::String(name))) if operator == "var" => match &**name {
                "$flagd.flagKey" => flag.into(),
                name => context.get(name).cloned().unwrap_or(Json::Null),
            },
            Some((operator, Json::Array(parts))) if operator == "cat" => {
                let parts: Vec<Json> =
                    parts.iter().map(|part| resolved(part, flag, context)).collect();
                let joined: String = parts.iter().filter_map(Json::as_str).collect();
                // Of several parts, without the blanks around the whole.
                if parts.len() > 1 { joined.trim().into() } else { joined.into() }
            }
            _ => value.clone(),
        },
        value => value.clone(),
    }
}

/// Whether the reference can follow these arguments.
pub fn understands(arguments: &[Json], context: &Map<String, Json>) -> bool {
    let joinable = matches!(context.get("targetingKey"), None | Some(Json::Null | Json::String(_)));
    arguments.iter().all(|argument| match argument {
        Json::Array(elements) => understands(elements, context),
        Json::Object(members) => match members.iter().next() {
            None => true,
            Some((operator, Json::String(name))) => {
                operator == "var" && (!name.contains('.') || name == "$flagd.flagKey")
            }
            Some((operator, Json::Array(parts))) => {
                operator == "cat"
                    && parts.iter().all(|part| {
                        part.is_string()
                            || (joinable && part["var"] == "targetingKey")
                            || part["var"] == "$flagd.flagKey"
                    })
            }
            _ => false,
        },
        _ => true,
    })
}

/// MurmurHash3, x86, 32 bits, seed 0.
fn murmur3(bytes: &[u8]) -> u32 {
    let scramble =
        |word: u32| word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let word =
        |bytes: &[u8]| bytes.iter().rev().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
    let mut hash = 0_u32;
    let mut chunks = bytes.chunks_exact(4);
    for chunk in &mut chunks {
        hash = (hash ^ scramble(word(chunk))).rotate_left(13);
        hash = hash.wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    hash ^= scramble(word(chunks.remainder()));
    hash ^= bytes.len() as u32;
    for (shift, factor) in [(16, 0x85eb_ca6b), (13, 0xc2b2_ae35)] {
        hash = (hash ^ hash >> shift).wrapping_mul(factor);
    }
    hash ^ hash >> 16
}
