//! What flags of a definition answer, and by what.

use std::time::Duration;

use modelgate::{
    Context, Reason,
    clock::ManualClock,
    flag::{ErrorCode, TraceStep},
    flagd::{Flagd, Fractional},
    value::Value,
};

use crate::{compile, targeting, with_evaluators};

#[test]
fn states_and_defaults_give_flagd_s_reasons() {
    let flags = compile(
        r#"{"flags": {
            "off": {"state": "DISABLED", "variants": {"on": 1}, "defaultVariant": "on",
                "targeting": {"if": [true, "on"]}},
            "plain": {"state": "ENABLED", "variants": {"on": 1}, "defaultVariant": "on",
                "targeting": {}},
            "open": {"state": "ENABLED", "variants": {"on": 1}, "defaultVariant": ""},
            "lost": {"state": "ENABLED", "variants": {"on": 1}, "defaultVariant": "gone"},
            "fails": {"state": "ENABLED", "variants": {"on": 1}, "defaultVariant": "on",
                "targeting": {"+": [1, true]}},
            "numbered": {"state": "ENABLED", "variants": {"1": 1, "true": 2, "1.5": 3},
                "targeting": {"var": "x"}}
        }}"#,
    );
    let clock = ManualClock::default();
    let context = Context::new("u").with("x", 1.5);
    let answer = |key| {
        let answer = flags.evaluate_at(key, &context, &clock);
        (answer.value.and_then(Value::as_i64), answer.reason, answer.error)
    };
    assert_eq!(answer("off"), (None, Reason::Disabled, None));
    assert_eq!(answer("plain"), (Some(1), Reason::Static, None));
    assert_eq!(answer("open"), (None, Reason::Default, None));
    assert_eq!(answer("lost"), (None, Reason::Error, Some(ErrorCode::General)));
    assert_eq!(answer("fails"), (None, Reason::Error, Some(ErrorCode::ParseError)));
    assert_eq!(answer("absent"), (None, Reason::Error, Some(ErrorCode::FlagNotFound)));
    assert_eq!(answer("numbered"), (Some(3), Reason::TargetingMatch, None));
}

#[test]
fn types_are_checked_as_openfeature_wants() {
    let flags = compile(
        r#"{"flags": {
            "integer": {"state": "ENABLED", "variants": {"v": 10}, "defaultVariant": "v"},
            "float": {"state": "ENABLED", "variants": {"v": 10.0}, "defaultVariant": "v"},
            "object": {"state": "ENABLED", "variants": {"v": {"x": 1}}, "defaultVariant": "v"},
            "text": {"state": "ENABLED", "variants": {"v": "x"}, "defaultVariant": "v"}
        }}"#,
    );
    let (clock, context) = (ManualClock::default(), Context::anonymous());
    let answer = |key| flags.evaluate_at(key, &context, &clock);
    assert_eq!(answer("integer").integer(0).value, 10);
    assert_eq!(answer("integer").float(0.0).value, 10.0);
    assert_eq!(answer("float").float(0.0).value, 10.0);
    assert_eq!(answer("float").integer(7).value, 10);
    let mismatch = answer("text").integer(7);
    assert_eq!((mismatch.value, mismatch.error), (7, Some(ErrorCode::TypeMismatch)));
    assert_eq!((mismatch.reason, mismatch.variant), (Reason::Error, None));
    let empty = modelgate::value::Map::new();
    assert_eq!(answer("object").object(&empty).value.get("x"), Some(&Value::Int(1)));
    assert_eq!(answer("object").string("d").error, Some(ErrorCode::TypeMismatch));
    assert_eq!(answer("text").string("d").value, "x");
    assert_eq!(answer("text").boolean(true).error, Some(ErrorCode::TypeMismatch));
}

#[test]
fn a_split_without_a_targeting_key_says_so() {
    let implied = r#"{"fractional": [["a", 1], ["b", 1]]}"#;
    let key = r#"{"fractional": [{"var": "targetingKey"}, ["a", 1], ["b", 1]]}"#;
    let joined = r#"{"fractional": [{"cat": ["salt", {"var": "targetingKey"}]}, ["a", 1]]}"#;
    let other = r#"{"fractional": [{"var": "account"}, ["a", 1], ["b", 1]]}"#;
    let clock = ManualClock::default();
    for generation in [Fractional::V1, Fractional::V2, Fractional::V3] {
        // Before the third generation, a key that is absent is the one that is implied.
        let falls_back = generation != Fractional::V3;
        for (rule, wanted) in [(implied, true), (key, true), (joined, true), (other, falls_back)] {
            let dialect = Flagd::new().with_fractional(generation);
            let document = format!(r#"{{"flags": {{"flag": {}}}}}"#, targeting(rule));
            let flags = dialect.compile(&document).unwrap();
            let missing =
                |context: &Context<'_>| flags.evaluate_at("flag", context, &clock).missing_key;
            assert_eq!(missing(&Context::anonymous()), wanted, "{rule} {generation:?}");
            assert_eq!(missing(&Context::new("")), wanted, "{rule} {generation:?}");
            assert!(!missing(&Context::new("user")), "{rule} {generation:?}");
        }
    }
}

#[test]
fn a_split_without_a_first_argument_falls_back_as_the_go_core_does() {
    let clock = ManualClock::default();
    let answer = |generation, first: &str, context: &Context<'_>| {
        let dialect = Flagd::new().with_fractional(generation);
        let rule = targeting(&format!(r#"{{"fractional": [{first}["a", 1], ["b", 1]]}}"#));
        let document = format!(r#"{{"flags": {{"flag": {rule}}}}}"#);
        let flags = dialect.compile(&document).unwrap();
        let answer = flags.evaluate_at("flag", context, &clock);
        (answer.variant.map(str::to_owned), answer.reason, answer.error)
    };
    let users: Vec<String> = (0..20).map(|user| format!("user-{user}")).collect();
    for generation in [Fractional::V1, Fractional::V2] {
        for user in &users {
            let context = Context::new(user).with("number", 7).with("empty", "");
            let implied = answer(generation, "", &context);
            for first in [r#"{"var": "absent"},"#, "null,"] {
                assert_eq!(answer(generation, first, &context), implied, "{generation:?} {first}");
            }
            // Neither a key nor a share: the rule decides nothing.
            for first in ["7,", r#"{"var": "number"},"#, "true,"] {
                let (_, reason, error) = answer(generation, first, &context);
                assert_eq!((reason, error), (Reason::Default, None), "{generation:?} {first}");
            }
            let (_, reason, _) = answer(generation, r#"{"var": "empty"},"#, &context);
            assert_eq!(reason, Reason::TargetingMatch);
        }
    }
    let context = Context::new("user");
    let (_, reason, error) = answer(Fractional::V3, r#"{"var": "absent"},"#, &context);
    assert_eq!((reason, error), (Reason::Default, None));
}

#[test]
fn the_static_context_fills_only_what_the_context_leaves_open() {
    let dialect = Flagd::new()
        .with_static_context([("region", "eu")].into_iter().collect())
        .with_fractional(Fractional::V3);
    let rule = targeting(r#"{"if": [{"==": [{"var": "region"}, "eu"]}, "b"]}"#);
    let flags = dialect.compile(&format!(r#"{{"flags": {{"flag": {rule}}}}}"#)).unwrap();
    let clock = ManualClock::default();
    let value = |context: &Context<'_>| {
        flags.evaluate_at("flag", context, &clock).variant.map(str::to_owned)
    };
    assert_eq!(value(&Context::new("u")).as_deref(), Some("b"));
    assert_eq!(value(&Context::new("u").with("region", "us")).as_deref(), Some("a"));
}

#[test]
fn rules_see_the_clock_they_are_given() {
    let rule = r#"{"if": [{">=": [{"var": "$flagd.timestamp"}, 1000]}, "b"]}"#;
    let flags = with_evaluators(rule, "{}");
    let (clock, context) = (ManualClock::at_unix(Duration::from_secs(999)), Context::anonymous());
    assert_eq!(flags.evaluate_at("flag", &context, &clock).variant, Some("a"));
    clock.advance(Duration::from_secs(1));
    assert_eq!(flags.evaluate_at("flag", &context, &clock).variant, Some("b"));
}

#[test]
fn an_explanation_shows_each_step_with_its_place() {
    let flags = with_evaluators(
        r#"{"if": [{"$ref": "european"}, "b", {"fractional": [["a", 40], ["b", 60]]}]}"#,
        r#"{"european": {"in": [{"var": "region"}, ["de", "fr"]]}}"#,
    );
    let (clock, context) = (ManualClock::default(), Context::new("user-1").with("region", "us"));
    let (evaluation, trace) = flags.explain_at("flag", &context, &clock);
    let [read, compared, key, bucket, split, whole] = &*trace.steps else { panic!("{trace:?}") };
    let operator = |path: &str, operator: &str, result: Value| TraceStep::Operator {
        path: path.to_owned(),
        operator: operator.to_owned(),
        result,
    };
    let attribute = |attribute: &str, value: &str| TraceStep::Read {
        attribute: attribute.to_owned(),
        value: value.into(),
    };
    let chosen = Value::from(evaluation.variant.unwrap());
    assert_eq!(*read, attribute("region", "us"));
    assert_eq!(*compared, operator("/targeting/if/0/$ref/in", "in", Value::Bool(false)));
    assert_eq!(*key, attribute("targetingKey", "user-1"));
    let TraceStep::Bucket { path, bucket, from, to, total } = bucket else { panic!("{bucket:?}") };
    assert_eq!((&**path, *total), ("/targeting/if/2/fractional", 100.0));
    assert!(from <= bucket && bucket < to, "{bucket:?}");
    assert_eq!(*split, operator("/targeting/if/2/fractional", "fractional", chosen.clone()));
    assert_eq!(*whole, operator("/targeting/if", "if", chosen));
}
