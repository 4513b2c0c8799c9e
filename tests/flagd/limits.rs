//! Shared evaluators, and rules that are deep, wide or without end.

use std::fmt::Write;

use modelgate::{Context, clock::ManualClock, flag::ErrorCode};

use crate::{compile, targeting, with_evaluators};

#[test]
fn evaluators_are_shared_and_may_use_each_other() {
    let flags = with_evaluators(
        r#"{"if": [{"and": [{"$ref": "european"}, {"var": "beta"}]}, "b"]}"#,
        r#"{"european": {"or": [{"$ref": "german"}, {"==": [{"var": "region"}, "fr"]}]},
            "german": {"==": [{"var": "region"}, "de"]}}"#,
    );
    assert!(flags.problems().is_empty(), "{:?}", flags.problems());
    let clock = ManualClock::default();
    for (region, expected) in [("de", "B"), ("fr", "B"), ("us", "A")] {
        let context = Context::new("u").with("region", region).with("beta", true);
        assert_eq!(flags.evaluate_at("flag", &context, &clock).string("").value, expected);
    }
}

#[test]
fn unknown_and_circular_evaluators_fail_only_the_flags_that_use_them() {
    for evaluators in [
        "{}",
        r#"{"x": {"$ref": "x"}}"#,
        r#"{"x": {"!": {"$ref": "y"}}, "y": {"if": [{"$ref": "x"}, true]}}"#,
    ] {
        let flags = with_evaluators(r#"{"if": [{"$ref": "x"}, "b"]}"#, evaluators);
        let (clock, context) = (ManualClock::default(), Context::new("u"));
        let answer = flags.evaluate_at("flag", &context, &clock);
        assert_eq!(answer.error, Some(ErrorCode::ParseError), "{evaluators}");
        assert_eq!(flags.problems().len(), 1, "{:?}", flags.problems());
        assert!(flags.problems()[0].path.contains("$ref"), "{}", flags.problems()[0]);
    }
}

#[test]
fn evaluators_that_multiply_are_stopped() {
    let mut evaluators = String::from(r#"{"e0": {"==": [1, 1]}"#);
    for level in 1..60 {
        let below = level - 1;
        write!(
            evaluators,
            r#", "e{level}": {{"and": [{{"$ref": "e{below}"}}, {{"$ref": "e{below}"}}]}}"#
        )
        .unwrap();
    }
    evaluators.push('}');
    let flag = targeting(r#"{"if": [{"$ref": "e59"}, "b"]}"#);
    let plain = targeting("null");
    let document = format!(
        r#"{{"flags": {{"bomb": {flag}, "again": {flag}, "plain": {plain}}},
            "$evaluators": {evaluators}}}"#
    );
    let flags = compile(&document);
    assert_eq!(flags.len(), 1, "{:?}", flags.problems());
    assert_eq!(flags.problems().len(), 2);
    assert!(flags.problems()[0].expected.contains("$evaluators"), "{}", flags.problems()[0]);
}

#[test]
fn deep_and_wide_rules_are_bounded() {
    let deep = format!("{}1{}", r#"{"!": ["#.repeat(5_000), "]}".repeat(5_000));
    let plain = targeting("null");
    let document = format!(r#"{{"flags": {{"flag": {}, "plain": {plain}}}}}"#, targeting(&deep));
    let flags = compile(&document);
    assert_eq!((flags.len(), flags.problems().len()), (1, 1), "its neighbour is there");
    assert!(flags.problems()[0].expected.contains("127"), "{:?}", flags.problems());

    // Each evaluator is as deep as JSON may be, and uses the next.
    let mut evaluators = String::from("{");
    for level in 0..10 {
        let next = level + 1;
        let open = r#"{"!": ["#.repeat(50);
        let close = "]}".repeat(50);
        write!(evaluators, r#""e{level}": {open}{{"$ref": "e{next}"}}{close}, "#).unwrap();
    }
    evaluators.push_str(r#""e10": true}"#);
    let flags = with_evaluators(r#"{"if": [{"$ref": "e0"}, "b"]}"#, &evaluators);
    assert_eq!(flags.len(), 0);
    assert!(flags.problems()[0].expected.contains("levels"), "{:?}", flags.problems());

    let users: Vec<_> = (0..100_000).map(|user| format!("\"user-{user}\"")).collect();
    let wide =
        format!(r#"{{"if": [{{"in": [{{"var": "targetingKey"}}, [{}]]}}, "b"]}}"#, users.join(","));
    let flags = with_evaluators(&wide, "{}");
    let clock = ManualClock::default();
    for (user, expected) in [("user-77777", "B"), ("user-100000", "A")] {
        assert_eq!(
            flags.evaluate_at("flag", &Context::new(user), &clock).string("").value,
            expected
        );
    }
}

#[test]
fn rules_that_would_run_for_ever_fail_instead() {
    let loops = (0..30).fold("1".to_owned(), |body, _| {
        format!(r#"{{"map": [[1, 2, 3, 4, 5, 6, 7, 8], {body}]}}"#)
    });
    let list = vec!["1"; 100].join(",");
    let doubles = |body: &str| format!(r#"{{"reduce": [[{list}], {body}, "ab"]}}"#);
    let twice = r#"[{"var": "accumulator"}, {"var": "accumulator"}]"#;
    let text = doubles(&format!(r#"{{"cat": {twice}}}"#));
    let merged = doubles(&format!(r#"{{"merge": {twice}}}"#));
    let nested = doubles(twice);
    let (clock, context) = (ManualClock::default(), Context::anonymous());
    for rule in [loops, text, merged, nested] {
        let flags = with_evaluators(&format!(r#"{{"if": [{rule}, "b"]}}"#), "{}");
        let error = flags.evaluate_at("flag", &context, &clock).error;
        assert_eq!(error, Some(ErrorCode::ParseError), "{rule}");
    }
}
