//! Evaluating a Flagsmith feature by the common rules allocates nothing.

use crate::counting;

use std::hint::black_box;

use counting::allocations;
use modelgate::{
    Binding, Context, ModelRouter, clock::ManualClock, flag::EvaluationCounts,
    flagsmith::Flagsmith, model_fn, value::ValueRef,
};
use serde_json::{Value as Json, json};

/// Every operator, on every type, by every common way to name a property.
fn conditions() -> Vec<Json> {
    let properties = [
        "text",
        "int",
        "float",
        "bool",
        "null",
        "absent",
        "",
        "$.identity.identifier",
        "$.identity.key",
        "$.environment.name",
        "$.identity.traits.float",
        "$.identity.traits['float']",
        "$.identity.traits[\"größe\"]",
        "$.flags.other.enabled",
        "$.flags.other.value",
        "$.flags['other'].variant",
        "$.flags.absent.name",
        "$. not a path",
    ];
    let operators = [
        ("EQUAL", json!("b")),
        ("EQUAL", json!("1")),
        ("EQUAL", json!("1.2.3-rc.1+b:semver")),
        ("NOT_EQUAL", json!("2.5")),
        ("GREATER_THAN", json!("0")),
        ("GREATER_THAN_INCLUSIVE", json!("1.0.0:semver")),
        ("LESS_THAN", json!("true")),
        ("LESS_THAN_INCLUSIVE", json!("1e3")),
        ("CONTAINS", json!("1")),
        ("NOT_CONTAINS", json!("x")),
        ("IN", json!("a, b, 1")),
        ("IN", json!(["1", "2", "3", "4", "5", "6", "7", "8", "9", "u"])),
        ("REGEX", json!("^[a-z0-9._-]+$")),
        ("REGEX", json!("(")),
        ("MODULO", json!("2|1")),
        ("PERCENTAGE_SPLIT", json!("50")),
        ("IS_SET", json!("")),
        ("IS_NOT_SET", json!("")),
    ];
    let each = |property: &'static str| {
        operators.iter().map(move |(operator, value)| {
            json!({"property": property, "operator": operator, "value": value})
        })
    };
    properties.into_iter().flat_map(each).collect()
}

#[test]
fn every_operator_and_outcome_allocates_nothing() {
    let dialect = Flagsmith::new();
    let user = Context::new("user-1")
        .with("text", "1.2.3-rc.1+b")
        .with("int", 41)
        .with("float", 2.5)
        .with("bool", true)
        .with("null", ValueRef::Null)
        .with("größe", "m");
    let contexts = [user.clone(), user.with("$.identity.key", "own"), Context::anonymous()];
    let clock = ManualClock::default();
    for condition in conditions() {
        let overriding = json!([{"key": "2", "name": "f", "enabled": true, "value": "y",
            "variants": [{"key": "v", "value": 1, "weight": 50}]}]);
        let document = json!({
            "environment": {"key": "env", "name": "Production"},
            "features": {
                "f": {"key": "1", "name": "f", "enabled": true, "value": "n"},
                "other": {"key": "3", "name": "other", "enabled": true, "value": 2.5,
                    "variants": [{"key": "v", "value": 1, "weight": 50}]},
            },
            "segments": {
                "1": {"key": "1", "name": "s", "overrides": overriding,
                    "rules": [{"type": "ANY", "conditions": [condition],
                        "rules": [{"type": "NONE", "conditions": [condition]}]}]},
            },
        });
        let flags = dialect.compile(&document.to_string()).unwrap();
        for context in &contexts {
            for name in ["f", "other"] {
                let count = allocations(|| {
                    black_box(flags.evaluate_at(name, context, &clock));
                    black_box(dialect.feature(&flags, name, context));
                });
                assert_eq!(count, 0, "{condition} {context:?}");
            }
        }
    }
}

#[test]
fn counting_an_answer_allocates_nothing() {
    let exposures = EvaluationCounts::new();
    let document = json!({
        "environment": {"key": "env", "name": "Production"},
        "features": {"f": {"key": "1", "name": "f", "enabled": true, "value": "n",
            "variants": [{"key": "v", "value": "w", "weight": 50}]}},
        "segments": {"1": {"key": "1", "name": "s",
            "rules": [{"type": "ALL", "conditions": [
                {"property": "region", "operator": "EQUAL", "value": "eu"}]}],
            "overrides": [{"key": "2", "name": "f", "enabled": true, "value": "y",
                "variants": [{"key": "w", "value": "w", "weight": 10},
                             {"key": "v", "value": "w", "weight": 90}]}]}},
    });
    let dialect = Flagsmith::new().with_evaluation_counts(&exposures);
    let router = ModelRouter::builder(Binding::variant("f"))
        .model("v", model_fn(|row: &[f32]| Ok(row.iter().sum::<f32>())))
        .fallback("v")
        .source(dialect.compile(&document.to_string()).unwrap())
        .build()
        .unwrap();
    // A thread's first look at a router's table fills its cache.
    router.decide(&Context::new("user-0")).unwrap();
    assert_eq!(exposures.take().len(), 1);
    for user in 0..100 {
        let user = format!("user-{user}");
        for region in ["eu", "us"] {
            let context = Context::new(&user).with("region", region);
            let count = allocations(|| {
                black_box(router.decide(&context).is_ok());
            });
            assert_eq!(count, 0, "{user} {region}");
        }
    }
    let taken = exposures.take();
    assert_eq!(taken.iter().map(|one| one.count).sum::<u64>(), 200);
    let named: Vec<_> = taken.iter().map(|one| one.variant.as_deref()).collect();
    assert!(named.contains(&Some("v")) && named.contains(&Some("control")), "{named:?}");
}
