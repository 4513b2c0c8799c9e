//! LaunchDarkly data that means harm, or was written by nobody: bounded work, clear errors, no panic.

use std::fmt::Write;

use modelgate::{
    FlagSet, OwnedContext,
    clock::ManualClock,
    launchdarkly::{Detail, LaunchDarkly},
    value::Value,
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// How many flags or segments a chain has.
const LONG: usize = 10_000;

fn compile(document: &Json) -> FlagSet {
    LaunchDarkly::new().with_max_memory(1 << 30).compile(&document.to_string()).unwrap()
}

fn outcome(detail: Detail<'_>) -> String {
    match (detail.reason.error_kind, detail.value) {
        (Some(error), _) => error.to_string(),
        (None, value) => format!("{} {}", detail.reason.kind, value.unwrap_or(&Value::Null)),
    }
}

fn ask(flags: &FlagSet, key: &str) -> String {
    let user = OwnedContext::new("user-1").with("n", 1).with("text", "x");
    outcome(LaunchDarkly::new().detail(flags, key, &user))
}

fn needing(keys: &[String]) -> Json {
    let keys = keys.iter().map(|key| json!({"key": key, "variation": 0}));
    json!({"on": true, "variations": ["on", "off"], "offVariation": 1,
        "fallthrough": {"variation": 0}, "prerequisites": keys.collect::<Json>()})
}

fn within(segments: &[String]) -> Json {
    json!({"rules": [{"clauses": [{"op": "segmentMatch", "values": segments}]}]})
}

fn in_segment(key: &str) -> Json {
    json!({"on": true, "variations": ["out", "in"], "fallthrough": {"variation": 0},
        "rules": [{"variation": 1, "clauses": [{"op": "segmentMatch", "values": [key]}]}]})
}

#[test]
fn long_chains_of_prerequisites_are_gone_through_to_their_end() {
    let chain = |last: Json| {
        let links = (0..LONG).map(|n| (n.to_string(), needing(&[(n + 1).to_string()])));
        let flags: Json =
            links.chain([(LONG.to_string(), last)]).collect::<serde_json::Map<_, _>>().into();
        compile(&json!({"flags": flags}))
    };
    assert_eq!(ask(&chain(needing(&[])), "0"), "FALLTHROUGH \"on\"");
    assert_eq!(ask(&chain(json!({"on": false})), "0"), "PREREQUISITE_FAILED \"off\"");
    assert_eq!(ask(&chain(needing(&["0".to_owned()])), "0"), "MALFORMED_FLAG");
}

#[test]
fn long_chains_of_segments_are_gone_through_to_their_end() {
    let chain = |last: Json| {
        let links = (0..LONG).map(|n| (n.to_string(), within(&[(n + 1).to_string()])));
        let segments: Json =
            links.chain([(LONG.to_string(), last)]).collect::<serde_json::Map<_, _>>().into();
        compile(&json!({"flags": {"flag": in_segment("0")}, "segments": segments}))
    };
    assert_eq!(ask(&chain(json!({"included": ["user-1"]})), "flag"), "RULE_MATCH \"in\"");
    assert_eq!(ask(&chain(json!({"included": ["user-2"]})), "flag"), "FALLTHROUGH \"out\"");
    assert_eq!(ask(&chain(within(&["0".to_owned()])), "flag"), "MALFORMED_FLAG");
}

/// Each level refers to both of the next one: 2^200 ways through.
#[test]
fn lattices_are_gone_through_once() {
    let below = |level: usize| [format!("{}a", level + 1), format!("{}b", level + 1)];
    let names = |level: usize| [format!("{level}a"), format!("{level}b")];
    let mut flags = serde_json::Map::new();
    let mut segments = serde_json::Map::new();
    for level in 0..200 {
        for name in names(level) {
            flags.insert(name.clone(), needing(&below(level)));
            segments.insert(name, within(&below(level)));
        }
    }
    for name in names(200) {
        flags.insert(name.clone(), needing(&[]));
        segments.insert(name, json!({"excluded": ["user-1"]}));
    }
    flags.insert("flag".to_owned(), in_segment("0a"));
    let flags = compile(&json!({"flags": flags, "segments": segments}));
    assert_eq!(ask(&flags, "0a"), "FALLTHROUGH \"on\"");
    assert_eq!(ask(&flags, "flag"), "FALLTHROUGH \"out\"");
    let clock = ManualClock::default();
    let user = OwnedContext::new("user-1");
    let (_, trace) = flags.explain_at("flag", &user, &clock);
    assert!(trace.steps.len() < 10_000, "{}", trace.steps.len());
}

#[test]
fn a_flag_of_a_hundred_thousand_rules_is_compiled_and_evaluated() {
    let mut rules = String::new();
    for n in 0..100_000 {
        let _ = write!(
            rules,
            r#"{{"variation": 7, "clauses": [{{"attribute": "n", "op": "odd", "values": [{n}]}}]}},"#
        );
    }
    let text = format!(
        r#"{{"flags": {{"flag": {{"on": true, "variations": [1, 2], "rules": [{rules}
            {{"variation": 1, "clauses": []}}]}}}}}}"#
    );
    let flags = LaunchDarkly::new().with_max_memory(1 << 30).compile(&text).unwrap();
    assert_eq!(ask(&flags, "flag"), "RULE_MATCH 2");
    assert!(flags.problems().len() < 100, "warnings are bounded: {}", flags.problems().len());
}

#[test]
fn deep_nesting_spoils_the_one_item_that_has_it() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let text = format!(
        r#"{{"flags": {{"good": {{"on": false}}, "deep": {{"variations": [{deep}]}},
            "clause": {{"rules": [{{"clauses": [{{"values": [{deep}]}}]}}]}}, "odd": {deep}}},
            "segments": {{"deep": {{"rules": {deep}}}}}}}"#
    );
    let flags = LaunchDarkly::new().compile(&text).unwrap();
    assert_eq!(flags.len(), 1);
    assert_eq!(ask(&flags, "good"), "OFF null");
    assert!(LaunchDarkly::new().compile(&deep).is_err());
}

#[test]
fn numbers_of_any_size_are_read() {
    let rollout = |weight: &str, seed: &str| {
        format!(
            r#"{{"on": true, "variations": [0, 1], "fallthrough": {{"rollout": {{"seed": {seed},
                "variations": [{{"variation": 0, "weight": {weight}}},
                    {{"variation": 1, "weight": -{weight}}}]}}}}}}"#
        )
    };
    let (huge, wide) = ("1e308", "99999999999999999999999");
    let text = format!(
        r#"{{"flags": {{"huge": {}, "wide": {}, "over": {{"offVariation": 1e999}},
            "index": {{"on": false, "variations": [0], "offVariation": {wide}}},
            "clause": {{"on": true, "variations": [0], "fallthrough": {{"variation": 0}},
                "rules": [{{"variation": -{wide}, "clauses": [
                    {{"attribute": "n", "op": "before", "values": [{huge}, -{huge}, {wide}]}},
                    {{"attribute": "n", "op": "lessThan", "values": [{huge}]}}]}}]}}}}}}"#,
        rollout("3e38", wide),
        rollout("0.0", "-9223372036854775809"),
    );
    let flags = LaunchDarkly::new().compile(&text).unwrap();
    assert_eq!(ask(&flags, "over"), "FLAG_NOT_FOUND");
    assert_eq!(ask(&flags, "index"), "MALFORMED_FLAG");
    assert_eq!(ask(&flags, "clause"), "FALLTHROUGH 0");
    assert_eq!(ask(&flags, "huge"), "FALLTHROUGH 0");
    assert_eq!(ask(&flags, "wide"), "FALLTHROUGH 1");
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -0.0, 1e-320];
    for number in odd {
        let user = OwnedContext::new("user-1").with("n", number);
        let detail = LaunchDarkly::new().detail(&flags, "clause", &user);
        assert_eq!(outcome(detail), "FALLTHROUGH 0", "{number}");
    }
}

#[test]
fn strings_of_a_million_characters_are_compared() {
    let long = "é".repeat(1_000_000);
    for operator in ["in", "startsWith", "endsWith", "contains", "matches", "before", "semVerEqual"]
    {
        let document = json!({"flags": {"flag": {"on": true, "variations": [0, 1],
            "fallthrough": {"variation": 0}, "rules": [{"variation": 1, "clauses": [
                {"attribute": "text", "op": operator, "values": [&*long, "(".repeat(10_000)]}]}]}}});
        let flags = compile(&document);
        let user = OwnedContext::new(&*long).with("text", &*long);
        let expected = match operator {
            "before" | "semVerEqual" => "FALLTHROUGH 0",
            // The pattern is larger than the engine allows.
            "matches" => "FALLTHROUGH 0",
            _ => "RULE_MATCH 1",
        };
        let detail = LaunchDarkly::new().detail(&flags, "flag", &user);
        assert_eq!(outcome(detail), expected, "{operator}");
    }
}

#[test]
fn patterns_that_others_choke_on_are_searched_at_once() {
    let nested = r"^(\w+\s?)*$";
    for pattern in ["(", "(?=a)", r"(a)\1", r"\w{1000}{1000}", "(a*)*(a*)*(a*)*b", nested] {
        let document = json!({"flags": {"flag": {"on": true, "variations": [0, 1],
            "fallthrough": {"variation": 0}, "rules": [{"variation": 1, "clauses": [
                {"attribute": "text", "op": "matches", "values": [pattern]}]}]}}});
        let flags = compile(&document);
        let text = format!("{}!", "a".repeat(100_000));
        let user = OwnedContext::new("user-1").with("text", text);
        let detail = LaunchDarkly::new().detail(&flags, "flag", &user);
        assert_eq!(outcome(detail), "FALLTHROUGH 0", "{pattern}");
    }
}

#[test]
fn empty_entries_for_users_multiply_nothing() {
    let users: Json =
        (0..20_000).map(|n| json!({"values": [n.to_string()], "variation": 0})).collect();
    let empty: Json = (0..20_000).map(|_| json!({"contextKind": "user", "variation": 0})).collect();
    let flags = compile(&json!({"flags": {"flag": {"on": true, "variations": [0],
        "targets": users, "contextTargets": empty}}}));
    let user = OwnedContext::new("19999");
    let detail = LaunchDarkly::new().detail(&flags, "flag", &user);
    assert_eq!(outcome(detail), "TARGET_MATCH 0");
}

/// JSON in which names and values that mean something are likely.
fn json_like() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Json::from),
        (-2..4_i64).prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        prop::sample::select(&[
            "",
            "a",
            "b",
            "user",
            "device",
            "kind",
            "key",
            "/a/b",
            "/",
            "in",
            "matches",
            "(",
            "segmentMatch",
            "before",
            "semVerLessThan",
            "1.0",
            "2020-01-01T00:00:00Z",
            "experiment",
            "lessThan",
        ])
        .prop_map(Json::from),
    ];
    let names = prop::sample::select(&[
        "a",
        "b",
        "key",
        "on",
        "prerequisites",
        "targets",
        "contextTargets",
        "rules",
        "fallthrough",
        "offVariation",
        "variations",
        "salt",
        "variation",
        "rollout",
        "clauses",
        "values",
        "contextKind",
        "attribute",
        "op",
        "negate",
        "weight",
        "bucketBy",
        "seed",
        "kind",
        "included",
        "excluded",
        "includedContexts",
        "unbounded",
        "generation",
        "deleted",
    ]);
    scalar.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(names.clone(), inner, 0..6).prop_map(|members| {
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_can_be_compiled_can_be_evaluated(flags in json_like(), segments in json_like()) {
        let launchdarkly = LaunchDarkly::new();
        let items = |json: &Json| match json {
            Json::Object(_) => json.clone(),
            other => json!({"a": other, "b": other}),
        };
        let document = json!({"flags": items(&flags), "segments": items(&segments)});
        let set = launchdarkly.compile(&document.to_string()).unwrap();
        let clock = ManualClock::default();
        let user = OwnedContext::new("a").with("a", 1).with("b", vec![Value::from("1.0")]);
        let both = user.clone().with_kind("device", OwnedContext::new("b"));
        for flag in set.iter() {
            for context in [&user, &both, &OwnedContext::anonymous()] {
                let plain = set.evaluate_at(flag.key(), context, &clock);
                let (explained, _) = set.explain_at(flag.key(), context, &clock);
                prop_assert_eq!((plain.value, plain.reason), (explained.value, explained.reason));
                prop_assert_eq!(plain.value, launchdarkly.detail(&set, flag.key(), context).value);
            }
        }
    }

    #[test]
    fn arbitrary_text_is_refused_or_read(text in "\\PC*") {
        let _ = LaunchDarkly::new().compile(&text);
        let _ = LaunchDarkly::new().with_flag(&FlagSet::new(), "flag", &text);
        let _ = LaunchDarkly::new().with_segment(&FlagSet::new(), "segment", &text);
    }
}
