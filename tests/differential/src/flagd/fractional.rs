//! `fractional` in all its forms.

use serde_json::{Value as Json, json};

use super::expression::{Kind, Maker};
use crate::pool::{self, Type};

/// The names of variants that rules choose from; one of them no flag has.
pub const VARIANTS: &[&str] = &["v1", "v2", "on", "off", "true", "1", "absent"];

/// A split by any key, with constant, nested, zero and unusable variants and weights.
pub fn split(maker: &mut Maker<'_>, depth: usize) -> Json {
    let mut arguments = Vec::new();
    if !maker.random.chance(0.4) {
        let of = *maker.random.of(&Type::ALL);
        arguments.push(match maker.random.below(5) {
            0 => json!({"var": "targetingKey"}),
            1 => json!({"cat": [{"var": "$flagd.flagKey"}, {"var": "targetingKey"}]}),
            2 => maker.expression(Kind::Text, depth),
            _ => maker.operand(of),
        });
    }
    let count = match maker.random.below(12) {
        0 => 0,
        1 => 9,
        _ => 1 + maker.random.below(4),
    };
    for _ in 0..count {
        let entry = entry(maker, depth);
        arguments.push(entry);
    }
    json!({"fractional": arguments})
}

fn entry(maker: &mut Maker<'_>, depth: usize) -> Json {
    if maker.random.chance(0.02) {
        return pool::anything(maker.random);
    }
    let variant = match maker.random.below(24) {
        0 => pool::anything(maker.random),
        1 if depth > 0 => json!({"if": [maker.truth(depth - 1), variant(maker), variant(maker)]}),
        2 if depth > 0 => split(maker, depth - 1),
        _ => variant(maker),
    };
    if maker.random.chance(0.15) {
        return json!([variant]);
    }
    let weight = match maker.random.below(24) {
        0 => pool::anything(maker.random),
        1 if depth > 0 => json!({"if": [maker.truth(depth - 1), 10, 90]}),
        2 if depth > 0 => maker.expression(Kind::Number, depth - 1),
        3 | 4 => json!(0),
        5 => json!(-5),
        6 => json!(25.0),
        7 => json!(2_147_483_647_i64),
        _ => json!(*maker.random.of(&[1, 5, 10, 25, 50, 75, 90, 100])),
    };
    if maker.random.chance(0.02) {
        json!([variant, weight, "more"])
    } else {
        json!([variant, weight])
    }
}

pub fn variant(maker: &mut Maker<'_>) -> Json {
    match maker.random.below(30) {
        0 => Json::Null,
        1 => json!(true),
        2 => json!(1),
        _ => json!(maker.random.of(VARIANTS)),
    }
}
