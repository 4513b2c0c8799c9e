//! flagd definitions: what is read, what is refused and how that is said, what is answered.

use std::{fmt::Write, time::Duration};

use modelgate::{
    Context, FlagSet, Reason,
    clock::ManualClock,
    flag::{ErrorCode, ProblemSeverity, TraceStep},
    flagd::{Flagd, Fractional},
    value::Value,
};

fn compile(text: &str) -> FlagSet {
    Flagd::new().compile(text).unwrap()
}

/// A definition of one flag, `flag`, with variants `a` and `b` and this targeting.
fn targeting(rule: &str) -> String {
    format!(
        r#"{{"state": "ENABLED", "variants": {{"a": "A", "b": "B"}}, "defaultVariant": "a",
            "targeting": {rule}}}"#
    )
}

fn with_evaluators(rule: &str, evaluators: &str) -> FlagSet {
    let flag = targeting(rule);
    compile(&format!(r#"{{"flags": {{"flag": {flag}}}, "$evaluators": {evaluators}}}"#))
}

#[test]
fn a_bad_flag_is_named_and_leaves_its_neighbours_alone() {
    let flags = compile(
        r#"{"flags": {
            "good": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"},
            "a list": [],
            "no state": {"variants": {}},
            "odd state": {"state": "MAYBE", "variants": {}},
            "no variants": {"state": "ENABLED"},
            "odd default": {"state": "ENABLED", "variants": {}, "defaultVariant": 3},
            "odd rule": {"state": "ENABLED", "variants": {}, "targeting": "if"},
            "odd metadata": {"state": "ENABLED", "variants": {}, "metadata": []}
        }}"#,
    );
    assert_eq!(flags.len(), 1);
    assert!(flags.get("good").is_some());
    let problems: Vec<_> = flags.problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "flag `a list`: found array, expected an object",
            "flag `no state` at /state: found nothing, expected `ENABLED` or `DISABLED`",
            "flag `odd state` at /state: found `MAYBE`, expected `ENABLED` or `DISABLED`",
            "flag `no variants` at /variants: found nothing, expected an object",
            "flag `odd default` at /defaultVariant: found number, expected the name of a variant, \
             or null",
            "flag `odd rule` at /targeting: found `if`, expected an object or null",
            "flag `odd metadata` at /metadata: found array, expected an object",
        ]
    );
    assert!(flags.problems().iter().all(|problem| problem.severity == ProblemSeverity::Rejected));
}

#[test]
fn flags_may_come_as_an_array() {
    let flags = compile(
        r#"{"flags": [
            {"key": "a", "state": "ENABLED", "variants": {"on": 1}, "defaultVariant": "on"},
            {"state": "ENABLED", "variants": {}}
        ]}"#,
    );
    let clock = ManualClock::default();
    assert_eq!(flags.evaluate_at("a", &Context::anonymous(), &clock).integer(0).value, 1);
    assert_eq!(flags.problems()[0].path, "/flags/1/key");
}

#[test]
fn a_document_that_is_none_is_an_error_with_its_cause() {
    let error = Flagd::new().compile("{").unwrap_err();
    assert!(std::error::Error::source(&error).is_some(), "{error}");
    for (text, expected) in [
        ("[]", "found array, expected an object"),
        ("{}", "`flags`: found nothing, expected an object or an array"),
        (r#"{"flags": 1}"#, "`flags`: found number"),
    ] {
        let error = Flagd::new().compile(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn unusual_forms_are_warned_about_at_their_place() {
    let cases = [
        (r#"{"if": [{"unknown": 1}, "a"]}"#, "/targeting/if/0/unknown", "`unknown`"),
        (r#"{"if": [true, "c"]}"#, "/targeting/if/1", "`c`"),
        (r#"{"if": [{"a/b": 1}, "a"]}"#, "/targeting/if/0/a~1b", "`a/b`"),
        (r#"{"if": [{"==": [{"var": "x"}, [1]]}, "a"]}"#, "/targeting/if/0/==", "an array"),
        (r#"{"if": [{"<": [{"var": "x.length"}, 1]}, "a"]}"#, "/targeting/if/0/</0/var", "length"),
        (r#"{"if": [{"!=": 1, "==": 2}, "a"]}"#, "/targeting/if/0", "2 members"),
        (r#"{"fractional": [["a", 0], ["b", 0]]}"#, "/targeting/fractional", "sum to nothing"),
        (r#"{"cat": ["a", true]}"#, "/targeting/cat", "has no text"),
        (r#"{"if": {"var": "x"}}"#, "/targeting/if", "object"),
    ];
    for (rule, path, found) in cases {
        let flags = with_evaluators(rule, "{}");
        let [problem] = flags.problems() else { panic!("{rule}: {:?}", flags.problems()) };
        assert_eq!((&*problem.path, problem.severity), (path, ProblemSeverity::Warning), "{rule}");
        assert!(problem.found.contains(found), "{problem}");
        assert_eq!(flags.len(), 1, "{rule}");
    }
}

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
fn metadata_of_the_set_is_overlaid_by_that_of_the_flag() {
    let flags = compile(
        r#"{"flags": {
            "own": {"state": "ENABLED", "variants": {}, "metadata": {"team": "risk", "list": []}},
            "none": {"state": "ENABLED", "variants": {}}
        }, "metadata": {"team": "core", "set": 1, "nested": {}}}"#,
    );
    let metadata = |key: &str| flags.get(key).unwrap().metadata();
    assert_eq!(metadata("own").get("team"), Some(&Value::from("risk")));
    assert_eq!((metadata("own").len(), metadata("none").len()), (2, 2));
    assert_eq!(flags.metadata(), metadata("none"));
    let paths: Vec<_> = flags.problems().iter().map(|problem| &*problem.path).collect();
    assert_eq!(paths, ["/metadata/nested", "/metadata/list"]);
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

#[test]
fn one_flag_compiles_alone() {
    let flag = Flagd::new().compile_flag("flag", &targeting("null")).unwrap();
    let flags = FlagSet::new().with(flag);
    let (clock, context) = (ManualClock::default(), Context::anonymous());
    assert_eq!(flags.evaluate_at("flag", &context, &clock).variant, Some("a"));
    let problem = Flagd::new().compile_flag("flag", r#"{"state": "ENABLED"}"#).unwrap_err();
    assert_eq!((&*problem.key, &*problem.path), ("flag", "/variants"));
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
