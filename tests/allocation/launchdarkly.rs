//! Evaluating a LaunchDarkly flag allocates nothing, whatever its operators and outcomes.

use crate::counting;

use std::hint::black_box;

use counting::allocations;
use modelgate::{
    Context, FlagSet,
    clock::ManualClock,
    launchdarkly::{
        LaunchDarkly,
        big_segments::{BigSegments, Membership},
    },
    value::Map,
};
use serde_json::{Value as Json, json};

const CLAUSES: &[&str] = &[
    r#"{"attribute": "region", "op": "in", "values": ["us", "eu"]}"#,
    r#"{"attribute": "region", "op": "in", "values": ["a","b","c","d","e","f","g","h","eu"]}"#,
    r#"{"attribute": "age", "op": "in", "values": [1, 2, 41.0]}"#,
    r#"{"attribute": "interests", "op": "in", "values": ["go"]}"#,
    r#"{"attribute": "device", "op": "in", "values": [{"os": "ios"}]}"#,
    r#"{"contextKind": "user", "attribute": "/device/os", "op": "in", "values": ["ios"]}"#,
    r#"{"attribute": "region", "op": "startsWith", "values": ["e"]}"#,
    r#"{"attribute": "region", "op": "endsWith", "values": ["u"]}"#,
    r#"{"attribute": "email", "op": "contains", "values": ["@"]}"#,
    r#"{"attribute": "email", "op": "matches", "values": ["^\\w+@example\\.(com|org)$"]}"#,
    r#"{"attribute": "age", "op": "lessThan", "values": [42]}"#,
    r#"{"attribute": "age", "op": "lessThanOrEqual", "values": [41]}"#,
    r#"{"attribute": "score", "op": "greaterThan", "values": [1]}"#,
    r#"{"attribute": "score", "op": "greaterThanOrEqual", "values": [1.5]}"#,
    r#"{"attribute": "since", "op": "before", "values": ["2026-01-01T00:00:00+01:00"]}"#,
    r#"{"attribute": "age", "op": "before", "values": [1000]}"#,
    r#"{"attribute": "since", "op": "after", "values": [0]}"#,
    r#"{"attribute": "version", "op": "semVerEqual", "values": ["2.1-rc.10+b"]}"#,
    r#"{"attribute": "version", "op": "semVerLessThan", "values": ["2.1"]}"#,
    r#"{"attribute": "version", "op": "semVerGreaterThan", "values": ["2.1.0-rc.9"]}"#,
    r#"{"attribute": "region", "op": "resembles", "values": ["eu"], "negate": true}"#,
    r#"{"contextKind": "organization", "attribute": "plan", "op": "in", "values": ["pro"]}"#,
    r#"{"attribute": "kind", "op": "in", "values": ["organization"]}"#,
    r#"{"attribute": "anonymous", "op": "in", "values": [false]}"#,
    r#"{"attribute": "name", "op": "in", "values": ["Ada"]}"#,
    r#"{"op": "segmentMatch", "values": ["listed"]}"#,
    r#"{"op": "segmentMatch", "values": ["absent", "outer"]}"#,
    r#"{"op": "segmentMatch", "values": ["share"]}"#,
    r#"{"op": "segmentMatch", "values": ["big"]}"#,
];

struct Everybody;

impl BigSegments for Everybody {
    fn membership(&self, _: &str, _: &str) -> Membership {
        Membership::healthy(Some(true))
    }
}

fn segments() -> Json {
    json!({
        "listed": {"includedContexts": [{"contextKind": "organization", "values": ["acme"]}]},
        "outer": {"rules": [{"clauses": [{"op": "segmentMatch", "values": ["inner"]}]}]},
        "inner": {"rules": [{"clauses": [{"op": "segmentMatch", "values": ["listed"]}]}]},
        "share": {"salt": "s", "rules": [{"weight": 100_001, "bucketBy": "age"}]},
        "big": {"unbounded": true, "generation": 1},
    })
}

fn rollout(members: Json) -> Json {
    let mut rollout = json!({"variations": [{"variation": 0, "weight": 1},
        {"variation": 1, "weight": 99_999}]});
    for (name, value) in members.as_object().unwrap() {
        rollout[name] = value.clone();
    }
    json!({"on": true, "variations": ["no", "yes"], "fallthrough": {"rollout": rollout}, "salt": "s"})
}

fn on(clauses: Json) -> Json {
    json!({"on": true, "variations": ["no", "yes"], "fallthrough": {"variation": 0},
        "rules": [{"id": "r", "variation": 1, "clauses": clauses}]})
}

fn compile(flags: Json) -> FlagSet {
    let document = json!({"flags": flags, "segments": segments()});
    let launchdarkly = LaunchDarkly::new().with_big_segments(Everybody);
    let flags = launchdarkly.compile(&document.to_string()).unwrap();
    assert!(flags.problems().len() <= 1, "{:?}", flags.problems());
    flags
}

/// How often an evaluation of `flag` allocates, its context included, and the variation it served.
fn count(flags: &FlagSet) -> (usize, Option<usize>) {
    let interests = ["chess", "go"];
    let device: Map = [("os", "ios")].into_iter().collect();
    let organization = Context::new("acme").with("plan", "pro");
    let clock = ManualClock::default();
    let launchdarkly = LaunchDarkly::new();
    let mut variation = None;
    let count = allocations(|| {
        let context = Context::new(black_box("user-42"))
            .with("region", black_box("eu"))
            .with("age", 41)
            .with("score", 1.5)
            .with("version", "2.1.0-rc.10")
            .with("email", "someone@example.com")
            .with("interests", &interests)
            .with("device", &device)
            .with_kind("organization", &organization);
        variation = launchdarkly.detail(flags, "flag", &context).variation_index;
        black_box(flags.evaluate_at("flag", &context, &clock).value);
        let other =
            Context::new("user-42").with("name", "Ada").with("since", "2020-01-01T00:00:00Z");
        let other = other.with_kind("organization", &organization);
        variation = variation.max(launchdarkly.detail(flags, "flag", &other).variation_index);
    });
    (count, variation)
}

#[test]
fn no_operator_allocates() {
    for clause in CLAUSES {
        let clause: Json = serde_json::from_str(clause).unwrap();
        let flags = compile(json!({"flag": on(json!([clause]))}));
        assert_eq!(count(&flags), (0, Some(1)), "{clause}");
    }
}

#[test]
fn no_rollout_allocates() {
    for members in [
        json!({}),
        json!({"seed": -61}),
        json!({"kind": "experiment"}),
        json!({"bucketBy": "age"}),
        json!({"contextKind": "organization", "bucketBy": "/plan"}),
    ] {
        let flags = compile(json!({"flag": rollout(members.clone())}));
        assert_eq!(count(&flags), (0, Some(1)), "{members}");
    }
}

#[test]
fn no_outcome_allocates() {
    let with = |members: Json| {
        let mut flag = on(json!([{"attribute": "absent", "op": "in", "values": []}]));
        for (name, value) in members.as_object().unwrap() {
            flag[name] = value.clone();
        }
        flag
    };
    for (flag, expected) in [
        (with(json!({})), Some(0)),
        (with(json!({"on": false, "offVariation": 1})), Some(1)),
        (with(json!({"targets": [{"values": ["user-42"], "variation": 1}]})), Some(1)),
        (with(json!({"prerequisites": [{"key": "deep", "variation": 1}]})), Some(0)),
        (with(json!({"prerequisites": [{"key": "flag", "variation": 1}]})), None),
        (with(json!({"fallthrough": {"variation": 7}})), None),
    ] {
        let mut deep = on(json!([]));
        deep["prerequisites"] = json!([{"key": "deeper", "variation": 1}]);
        let flags = compile(json!({"flag": flag, "deep": deep, "deeper": on(json!([]))}));
        assert_eq!(count(&flags), (0, expected), "{flag}");
    }
    assert_eq!(count(&compile(json!({}))), (0, None));
}
