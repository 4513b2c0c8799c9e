//! Constraints: what their operators compare, and how.

use modelgate::Context;
use serde_json::{Value as Json, json};

use crate::features::{constrained, on};

fn met(field: &str, operator: &str, value: &Json, context: &Context<'_>) -> bool {
    let constraint = match value {
        Json::Array(_) => json!({"contextName": field, "operator": operator, "values": value}),
        _ => json!({"contextName": field, "operator": operator, "value": value}),
    };
    let met = on(&constrained(&constraint), context);
    let mut inverted = constraint;
    inverted["inverted"] = json!(true);
    assert_eq!(on(&constrained(&inverted), context), !met, "{inverted}");
    met
}

#[test]
fn every_operator_compares_the_text_of_its_field() {
    let context = Context::new("user-7")
        .with("region", "Eu-West")
        .with("version", "1.10.0-rc.1")
        .with("age", 41)
        .with("score", 1.5)
        .with("huge", 1e21)
        .with("beta", true)
        .with("since", "2026-01-01 00:00:00Z")
        .with("remoteAddress", "10.1.2.3");
    let cases = [
        ("userId", "IN", json!(["user-7"]), true),
        ("region", "IN", json!(["eu-west"]), false),
        ("region", "NOT_IN", json!(["eu-west"]), true),
        ("region", "IN", json!([]), false),
        ("absent", "NOT_IN", json!(["x"]), true),
        ("age", "IN", json!(["41"]), true),
        ("score", "IN", json!(["1.5"]), true),
        ("huge", "IN", json!(["1e+21", "1e21"]), true),
        ("beta", "IN", json!(["true"]), true),
        ("region", "STR_STARTS_WITH", json!(["x", "Eu"]), true),
        ("region", "STR_ENDS_WITH", json!(["west"]), false),
        ("region", "STR_CONTAINS", json!(["-W"]), true),
        ("age", "NUM_EQ", json!("41.0"), true),
        ("age", "NUM_GT", json!("41"), false),
        ("age", "NUM_GTE", json!(" 41 "), true),
        ("age", "NUM_LT", json!("4.2e1"), true),
        ("age", "NUM_LTE", json!("40"), false),
        ("region", "NUM_LT", json!("40"), false),
        ("version", "SEMVER_EQ", json!("1.10.0-rc.1+build"), true),
        ("version", "SEMVER_GT", json!("1.9.0"), true),
        ("version", "SEMVER_GTE", json!("1.10.0"), false),
        ("version", "SEMVER_LT", json!("1.10.0"), true),
        ("version", "SEMVER_LTE", json!("1.2.0"), false),
        // By the look of the value, not by the name of the operator.
        ("version", "NUM_GT", json!("1.9.0"), true),
        ("age", "SEMVER_EQ", json!("41"), true),
        ("age", "DATE_AFTER", json!("5"), true),
        ("since", "DATE_BEFORE", json!("2026-01-01T01:00:00.500+01:00"), true),
        ("since", "DATE_AFTER", json!("2026-01-01T00:00:00Z"), false),
        ("currentTime", "DATE_AFTER", json!("2023-11-14T22:13:19Z"), true),
        ("currentTime", "DATE_AFTER", json!("2023-11-14T22:13:20Z"), false),
        ("region", "REGEX", json!("^Eu-.*t$"), true),
        ("region", "REGEX", json!("^eu"), false),
        ("region", "REGEX", json!("("), false),
        ("remoteAddress", "IN_CIDR", json!(["junk", "10.0.0.0/8"]), true),
        ("remoteAddress", "IN_CIDR", json!(["10.0.0.0/255.255.0.0"]), false),
        ("absent", "STR_CONTAINS", json!([""]), false),
    ];
    for (field, operator, value, expected) in cases {
        assert_eq!(met(field, operator, &value, &context), expected, "{field} {operator} {value}");
    }
}

#[test]
fn case_does_not_count_where_it_is_ignored() {
    for (operator, value, text) in [
        ("STR_STARTS_WITH", "ΟΔΌΣ", "οδός 7"),
        ("STR_ENDS_WITH", "οδός", "ΕΡΜΟΎ ΟΔΌΣ"),
        ("STR_CONTAINS", "STRASSE", "Hauptstrasse 1"),
        ("STR_CONTAINS", "É", "café"),
        ("REGEX", "^CAFÉ$", "café"),
    ] {
        let mut constraint = json!({"contextName": "x", "operator": operator, "value": value,
            "values": [value], "caseInsensitive": true});
        assert!(on(&constrained(&constraint), &Context::anonymous().with("x", text)), "{value}");
        constraint["caseInsensitive"] = json!(false);
        assert!(!on(&constrained(&constraint), &Context::anonymous().with("x", text)), "{value}");
    }
}

#[test]
fn a_version_that_starts_with_v_is_never_met_not_even_inverted() {
    for inverted in [false, true] {
        let constraint = json!({"contextName": "version", "operator": "SEMVER_EQ", "value": "v1.0.0",
            "inverted": inverted});
        assert!(!on(&constrained(&constraint), &Context::anonymous().with("version", "1.0.0")));
    }
}
