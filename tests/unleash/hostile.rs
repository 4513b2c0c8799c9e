//! Hostile and damaged documents of Unleash: time and memory stay bounded, nothing panics, and what
//! compiles can be evaluated and explained alike.

use std::time::Duration;

use modelgate::{Context, FlagSet, clock::ManualClock, unleash::Unleash};
use serde_json::{Value as Json, json};

fn compile(features: &Json, segments: &Json) -> FlagSet {
    let document = json!({"version": 2, "features": features, "segments": segments});
    Unleash::new().with_max_memory(1 << 30).compile(&document.to_string()).unwrap()
}

fn on(flags: &FlagSet, name: &str) -> Option<bool> {
    let context = Context::new("user-1").with("region", "eu");
    flags.evaluate_at(name, &context, &ManualClock::default()).on
}

const DOCUMENT: &str = r#"{"version": 2, "features": [
    {"name": "a", "enabled": true, "type": "release", "project": "default", "strategies": [
        {"name": "flexibleRollout", "parameters": {"rollout": "50", "stickiness": "default",
            "groupId": "a"}, "segments": [1], "constraints": [
            {"contextName": "region", "operator": "IN", "values": ["eu", "us"]},
            {"contextName": "age", "operator": "NUM_GT", "value": "18.5", "inverted": true},
            {"contextName": "version", "operator": "SEMVER_GTE", "value": "1.2.3-rc.1+b"},
            {"contextName": "currentTime", "operator": "DATE_AFTER",
                "value": "2026-01-01T00:00:00.000Z"},
            {"contextName": "region", "operator": "REGEX", "value": "^e(u|x)*$"},
            {"contextName": "remoteAddress", "operator": "IN_CIDR", "values": ["10.0.0.0/8"]}],
         "variants": [{"name": "x", "weight": 500, "payload": {"type": "json", "value": "[1]"}},
            {"name": "y", "weight": 500, "payload": {"type": "number", "value": "1"}}]},
        {"name": "userWithId", "parameters": {"userIds": "a, b"}},
        {"name": "gradualRolloutRandom", "parameters": {"percentage": "50"}}]},
    {"name": "b", "enabled": true, "dependencies": [{"feature": "a", "enabled": true,
        "variants": ["x"]}], "variants": [{"name": "v", "weight": 1, "stickiness": "age",
        "overrides": [{"contextName": "userId", "values": ["u"]}]}, {"name": "w", "weight": 2}]}],
    "segments": [{"id": 1, "constraints": [{"contextName": "region", "operator": "STR_CONTAINS",
        "values": ["Σ"], "caseInsensitive": true}]}],
    "events": null}"#;

const PIECES: [&str; 24] = [
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "-1",
    "1e999",
    "9999999999999999999",
    "a",
    "b",
    "\\u0000",
    "Σ",
    "0",
    ".",
    "NOT_IN",
    "NUM_EQ",
    "events",
    "hydration",
    "{}",
];

/// A generator of pseudo-random numbers, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % bound
    }
}

/// The document with a few pieces replaced, removed or inserted.
fn damaged(document: &str, numbers: &mut Numbers) -> String {
    let mut characters: Vec<char> = document.chars().collect();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(characters.len());
        let until = (at + numbers.below(8)).min(characters.len());
        let piece = PIECES[numbers.below(PIECES.len())];
        characters.splice(at..until, piece.chars());
    }
    characters.into_iter().collect()
}

#[test]
fn a_damaged_document_is_refused_or_can_be_evaluated() {
    let (dialect, mut numbers) = (Unleash::new().with_random(|| 7), Numbers(1));
    let feature = |name: &str| format!(r#"{{"name": "{name}", "enabled": true}}"#);
    let events = format!(
        r#"{{"events": [{{"type": "hydration", "eventId": 1, "features": [{}], "segments": []}},
            {{"type": "feature-updated", "eventId": 2, "feature": {}}},
            {{"type": "segment-updated", "eventId": 3, "segment": {{"id": 1, "constraints": []}}}},
            {{"type": "feature-removed", "eventId": 4, "featureName": "c", "project": "p"}},
            {{"type": "segment-removed", "eventId": 5, "segmentId": 1}}]}}"#,
        feature("a"),
        feature("c")
    );
    let (mut compiled, mut applied, mut on) = (0, 0, 0);
    let good = dialect.compile(DOCUMENT).unwrap();
    assert_eq!((good.len(), good.problems()), (2, &[][..]));
    let mut ask = |flags: &FlagSet| {
        let context = Context::new("u").with("region", "eu").with("age", 41).with("x", "y");
        let clock = ManualClock::default();
        for flag in flags.iter() {
            let plain = flags.evaluate_at(flag.key(), &context, &clock);
            let (explained, _) = flags.explain_at(flag.key(), &context, &clock);
            assert_eq!((plain.on, plain.variant), (explained.on, explained.variant));
            on += usize::from(plain.on == Some(true));
        }
    };
    for _ in 0..3_000 {
        if let Ok(flags) = dialect.compile(&damaged(DOCUMENT, &mut numbers)) {
            ask(&flags);
            compiled += 1;
        }
        if let Ok(flags) = dialect.apply(&good, &damaged(&events, &mut numbers)) {
            ask(&flags);
            applied += 1;
        }
    }
    assert!(compiled > 300 && applied > 300 && on > 300, "{compiled} {applied} {on}");
}

#[test]
fn hostile_documents_are_bounded() {
    let context = Context::new("user-1").with("x", "a");
    let clock = ManualClock::at_unix(Duration::from_secs(1));
    let ask = |flags: &FlagSet| flags.evaluate_at("t", &context, &clock).on;
    let document = |strategies: &str| {
        let text = format!(
            r#"{{"features": [{{"name": "t", "enabled": true, "strategies": {strategies}}}]}}"#
        );
        Unleash::new().with_max_memory(1 << 30).compile(&text).unwrap()
    };

    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(document(&deep).len(), 0);
    let unknown = format!(r#"[{{"name": "default", "unknown": {deep}}}]"#);
    let flags = document(&unknown);
    assert!(flags.len() + flags.problems().len() > 0);

    let constraint =
        r#"{"contextName": "x", "operator": "NUM_GT", "value": "-1", "inverted": true}"#;
    let constraints = vec![constraint; 100_000].join(",");
    let wide = format!(r#"[{{"name": "default", "constraints": [{constraints}]}}]"#);
    assert_eq!(ask(&document(&wide)), Some(true));

    let long = "a".repeat(1_000_000);
    let operators =
        ["IN", "STR_CONTAINS", "STR_ENDS_WITH", "NUM_EQ", "SEMVER_EQ", "IN_CIDR", "DATE_AFTER"];
    for operator in operators {
        let strategies = json!([{"name": "default", "constraints": [{"contextName": "x",
            "operator": operator, "value": format!("{long}b"), "values": [format!("{long}b")],
            "caseInsensitive": true}]}]);
        let flags = document(&strategies.to_string());
        let context = Context::new("u").with("x", &*long);
        assert_eq!(flags.evaluate_at("t", &context, &clock).on, Some(false), "{operator}");
    }
    let pattern = format!("({}){{1000}}{{1000}}", "a|".repeat(1_000));
    let strategies = json!([{"name": "default", "constraints": [
        {"contextName": "x", "operator": "REGEX", "value": pattern}]}]);
    assert_eq!(ask(&document(&strategies.to_string())), Some(false));
    for value in ["1e999999", "-1e999999", "99999999999999999999.0.0", "9".repeat(10_000).as_str()]
    {
        let strategies = json!([{"name": "default", "constraints": [{"contextName": "x",
            "operator": "NUM_LT", "value": value}]}, {"name": "flexibleRollout", "parameters":
            {"rollout": value}}]);
        assert_eq!(ask(&document(&strategies.to_string())), Some(false), "{value}");
    }
}

#[test]
fn cycles_and_floods_of_dependencies_are_bounded() {
    let parents: Vec<_> =
        (0..20_000).map(|_| json!({"feature": "parent", "variants": ["a"]})).collect();
    let strategies: Vec<_> = (0..20_000)
        .map(|n| json!({"name": "userWithId", "parameters": {"userIds": format!("u{n}")}}))
        .collect();
    let flags = compile(
        &json!([
            {"name": "a", "enabled": true, "dependencies": [{"feature": "b"}]},
            {"name": "b", "enabled": true, "dependencies": [{"feature": "a"}]},
            {"name": "flood", "enabled": true, "dependencies": parents},
            {"name": "parent", "enabled": true, "strategies": strategies},
        ]),
        &json!([]),
    );
    for name in ["a", "b", "flood"] {
        assert_eq!(on(&flags, name), Some(false), "{name}");
    }
}

#[test]
fn weights_that_overflow_wrap_as_the_vendors_do() {
    let variants = json!([{"name": "a", "weight": -1}, {"name": "b", "weight": 1},
        {"name": "c", "weight": 5}]);
    let flags = compile(&json!([{"name": "t", "enabled": true, "variants": variants}]), &json!([]));
    let (context, clock) = (Context::new("u"), ManualClock::default());
    assert_eq!(flags.evaluate_at("t", &context, &clock).variant, Some("a"));
}
