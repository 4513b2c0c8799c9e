//! Unleash's documents, damaged at random: whatever arrives, nothing panics, and what compiles
//! can be evaluated and explained alike.

use modelgate::{Context, FlagSet, ManualClock, dialect::unleash::Unleash};

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

/// A generator of numbers, the same in every run.
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
            let plain = flags.evaluate(flag.key(), &context, &clock);
            let (explained, _) = flags.explain(flag.key(), &context, &clock);
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
