//! flagd definitions: what is read, what is refused, and how that is said.

use modelgate::{
    Context, FlagSet, clock::ManualClock, flag::ProblemSeverity, flagd::Flagd, value::Value,
};

use crate::{compile, targeting, with_evaluators};

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
fn one_flag_compiles_alone() {
    let flag = Flagd::new().compile_flag("flag", &targeting("null")).unwrap();
    let flags = FlagSet::new().with(flag);
    let (clock, context) = (ManualClock::default(), Context::anonymous());
    assert_eq!(flags.evaluate_at("flag", &context, &clock).variant, Some("a"));
    let problem = Flagd::new().compile_flag("flag", r#"{"state": "ENABLED"}"#).unwrap_err();
    assert_eq!((&*problem.key, &*problem.path), ("flag", "/variants"));
}
