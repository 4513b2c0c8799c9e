//! Evaluating a flag by the common rules allocates nothing.

use crate::counting;

use std::hint::black_box;

use counting::allocations;
use modelgate::{
    Context, FlagSet,
    clock::ManualClock,
    flagd::{Flagd, Fractional},
};

const COMMON: &[&str] = &[
    "null",
    r#"{"fractional": [["v2", 25], ["v1", 75]]}"#,
    r#"{"fractional": [{"var": "targetingKey"}, ["v2", 25], ["v1", 75]]}"#,
    r#"{"fractional": [{"cat": [{"var": "$flagd.flagKey"}, {"var": "targetingKey"}]},
        ["v2", 25], ["v1", 75]]}"#,
    r#"{"fractional": [{"cat": ["salt", {"var": "age"}, {"var": "score"}]}, ["v2", 1], ["v1", 1]]}"#,
    r#"{"fractional": [{"var": "age"}, ["v2", 25], ["v1", 75]]}"#,
    r#"{"if": [{"==": [{"var": "region"}, "eu"]}, "v2",
        {"fractional": [["v2", 25], ["v1", 75]]}]}"#,
    r#"{"if": [{"in": [{"var": "region"}, ["us", "eu"]]}, "v2", "v1"]}"#,
    r#"{"if": [{"in": [{"var": "region"}, ["a","b","c","d","e","f","g","h","eu"]]}, "v2", "v1"]}"#,
    r#"{"if": [{"in": [{"var": "region"}, ["us", {"var": "home"}]]}, "v2", "v1"]}"#,
    r#"{"if": [{"in": ["go", {"var": "interests"}]}, "v2", "v1"]}"#,
    r#"{"if": [{"and": [{">=": [{"var": "age"}, 18]}, {"!": {"var": "blocked"}}]}, "v2", "v1"]}"#,
    r#"{"if": [{"or": [{"<": [1, {"var": "score"}, 9]}, {"var": ["x", true]}]}, "v2", "v1"]}"#,
    r#"{"if": [{"sem_ver": [{"var": "version"}, ">=", "2.0.0-rc.1"]}, "v2", "v1"]}"#,
    r#"{"if": [{"sem_ver": [{"var": "score"}, "^", "1"]}, "v2", "v1"]}"#,
    r#"{"if": [{"starts_with": [{"var": "region"}, "e"]}, "v2", "v1"]}"#,
    r#"{"if": [{"ends_with": [{"var": "region"}, {"var": "home"}]}, "v2", "v1"]}"#,
    r#"{"if": [{"<": [{"var": "$flagd.timestamp"}, 1800000000]}, "v2", "v1"]}"#,
    r#"{"if": [{"==": [{"%": [{"var": "age"}, 2]}, 1]}, "v2", "v1"]}"#,
    r#"{"if": [{">": [{"+": [{"var": "age"}, {"var": "score"}, 1]}, 40]}, "v2", "v1"]}"#,
    r#"{"if": [{"some": [{"var": "interests"}, {"==": [{"var": ""}, "go"]}]}, "v2", "v1"]}"#,
    r#"{"if": [{"==": [{"substr": [{"var": "region"}, 0, 1]}, "e"]}, "v2", "v1"]}"#,
    r#"{"fractional": [[{"if": [{"==": [{"var": "region"}, "eu"]}, "v2", "v1"]}, 50], ["v1", 50]]}"#,
    r#"{"fractional": [["v2", {"if": [{"==": [{"var": "region"}, "eu"]}, 100, 0]}], ["v1", 50]]}"#,
    r#"{"var": "wanted"}"#,
    r#"{"if": [{"==": [{"var": "device.os"}, "ios"]}, "v2", "v1"]}"#,
];

fn flag(rule: &str, fractional: Fractional) -> FlagSet {
    let text = format!(
        r#"{{"flags": {{"flag": {{"state": "ENABLED", "variants": {{"v1": 1, "v2": 2}},
            "defaultVariant": "v1", "targeting": {rule}, "metadata": {{"owner": "team"}}}}}}}}"#
    );
    Flagd::new().with_fractional(fractional).compile(&text).unwrap()
}

#[test]
fn the_common_rules_allocate_nothing() {
    let interests = ["chess", "go"];
    let device: modelgate::value::Map = [("os", "ios")].into_iter().collect();
    let clock = ManualClock::default();
    for fractional in [Fractional::V1, Fractional::V2, Fractional::V3] {
        for rule in COMMON {
            let flags = flag(rule, fractional);
            let mut value = None;
            let count = allocations(|| {
                let context = Context::new(black_box("user-42"))
                    .with("region", black_box("eu"))
                    .with("home", "eu")
                    .with("age", 41)
                    .with("score", 1.5)
                    .with("version", "2.1.0")
                    .with("interests", &interests)
                    .with("device", &device)
                    .with("wanted", "v2");
                value = flags.evaluate_at("flag", &context, &clock).integer(0).error;
            });
            assert_eq!(count, 0, "{rule} with {fractional:?}");
            assert_eq!(value, None, "{rule}");
        }
    }
}

#[test]
fn a_missing_flag_and_a_missing_key_allocate_nothing() {
    let clock = ManualClock::default();
    let flags = flag(COMMON[1], Fractional::V3);
    let context = Context::anonymous();
    let mut missing_key = false;
    let count = allocations(|| {
        black_box(flags.evaluate_at("absent", &context, &clock).boolean(true));
        missing_key = flags.evaluate_at("flag", &context, &clock).missing_key;
    });
    assert_eq!((count, missing_key), (0, true));
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(vec![1, 2, 3]))), 1);
}
