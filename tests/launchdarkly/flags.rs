//! LaunchDarkly flag data: what is read, what is refused, how updates act, how routers are bound.

use crate::data;
use crate::support;

use data::{asks, compile, flag, kind, segment_flag, user, value};
use modelgate::testing::TestFlags;
use modelgate::{
    Binding, Context, FallbackCause, FlagSet, Flags, ModelRouter, OwnedContext, Reason,
    flag::ProblemSeverity, launchdarkly::LaunchDarkly, router::MissingKey,
};
use serde_json::json;
use support::Puppet;

#[test]
fn a_bad_item_is_named_and_leaves_its_neighbours_alone() {
    let flags = compile(json!({
        "flags": {
            "good": {"on": true, "variations": [1], "fallthrough": {"variation": 0}},
            "a list": [],
            "a text": "on",
            "odd on": {"on": "yes"},
            "odd rule": {"rules": [{"clauses": []}, {"clauses": [{"negate": "no"}]}]},
            "odd share": {"fallthrough": {"rollout": {"variations": [{"weight": "half"}]}}},
            "odd target": {"targets": [{"values": [3]}]},
        },
        "segments": {"good": {"included": ["a"]}, "odd": {"included": [1]}},
    }));
    let found: Vec<_> = flags.iter().map(|flag| flag.key()).collect();
    assert_eq!(found, ["good"]);
    let rejected = |severity| severity == ProblemSeverity::Rejected;
    let problems = flags.problems().iter().filter(|problem| rejected(problem.severity));
    let problems: Vec<_> = problems.map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "flag `a list`: found invalid length 0, expected an object",
            "flag `a text`: found string \"on\", expected an object",
            "flag `odd on` at /on: found string \"yes\", expected a boolean",
            "flag `odd rule` at /rules/1/clauses/0/negate: found string \"no\", expected a boolean",
            "flag `odd share` at /fallthrough/rollout/variations/0/weight: found string \"half\", \
             expected a number",
            "flag `odd target` at /targets/0/values/0: found integer `3`, expected a string",
            "flag `segments/odd` at /included/0: found integer `1`, expected a string",
        ]
    );
}

#[test]
fn what_is_absent_or_null_has_its_default() {
    let bare = json!({"on": true, "variations": ["a"], "fallthrough": {"variation": 0}});
    let nulls = json!({
        "key": null, "on": true, "prerequisites": null, "targets": null, "contextTargets": null,
        "rules": [{"id": null, "clauses": [{"contextKind": null, "attribute": "x", "op": "in",
            "values": null, "negate": null}], "variation": null, "rollout": null}],
        "fallthrough": {"variation": 0.0, "rollout": null}, "offVariation": null,
        "variations": ["a"], "salt": null, "trackEvents": null, "debugEventsUntilDate": null,
    });
    let flags = compile(json!({
        "flags": {"bare": bare, "nulls": nulls, "empty": {}, "gone": {"deleted": true}},
        "segments": null,
    }));
    assert_eq!(flags.len(), 3);
    assert_eq!(value(&flags, "bare", &user()), "a");
    assert_eq!(value(&flags, "nulls", &user()), "a");
    assert_eq!(kind(&flags, "empty", &user()), "OFF");
    assert_eq!(kind(&flags, "gone", &user()), "FLAG_NOT_FOUND");
}

#[test]
fn a_document_comes_bare_or_as_a_streams_put() {
    let launchdarkly = LaunchDarkly::new();
    let data = json!({"flags": {"flag": flag(json!([]))}, "segments": {}});
    let wrapped = json!({"path": "/", "data": data});
    for document in [data, wrapped] {
        assert_eq!(launchdarkly.compile(&document.to_string()).unwrap().len(), 1);
    }
    assert!(launchdarkly.compile(r#"{"flags": {}}"#).unwrap().is_empty());
    for text in ["", "{", "[]", "null", "{}", r#"{"flags": []}"#, r#"{"data": {"flag": 1}}"#] {
        assert!(launchdarkly.compile(text).is_err(), "{text}");
    }
}

#[test]
fn what_makes_no_sense_is_warned_about_and_answers_malformed_flag_when_it_is_reached() {
    let flags = compile(json!({"flags": {
        "off": {"variations": ["a"], "offVariation": 1},
        "nothing": {"on": true, "variations": ["a"]},
        "shares": {"on": true, "variations": ["a"], "fallthrough": {"rollout": {}}},
        "reference": flag(json!([{"variation": 1, "clauses": [asks("/a//b", "in", json!([1]))]}])),
        "by": {"on": true, "variations": ["a"], "fallthrough": {"rollout": {"contextKind": "user",
            "bucketBy": "/", "variations": [{"variation": 0, "weight": 100000}]}}},
        "target": {"on": true, "variations": ["a"], "targets": [
            {"values": ["user-1"], "variation": -1}], "fallthrough": {"variation": 0}},
    }}));
    for key in ["off", "nothing", "shares", "reference", "by", "target"] {
        assert_eq!(kind(&flags, key, &user()), "MALFORMED_FLAG", "{key}");
        assert!(flags.problems().iter().any(|problem| problem.key == key), "{key}");
    }
    assert!(flags.problems().iter().all(|problem| problem.severity == ProblemSeverity::Warning));
    assert_eq!(value(&flags, "target", &OwnedContext::new("user-2")), "a");
    let odd = json!([{"variation": 1, "clauses": [asks("a", "matches", json!(["("])),
        asks("a", "resembles", json!(["b"]))]}]);
    let problems = compile(json!({"flags": {"flag": flag(odd)}}));
    let problems: Vec<_> = problems.problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "flag `flag` at /rules/0/clauses/0/values: found a value that `matches` can never \
             meet, expected values that fit the operator",
            "flag `flag` at /rules/0/clauses/1/op: found `resembles`, expected an operator",
        ]
    );
}

#[test]
fn an_empty_bucket_by_is_as_good_as_none() {
    let of = |bucket_by: Option<&str>| {
        let mut rollout = json!({"variations": [{"variation": 0, "weight": 50_000},
            {"variation": 1, "weight": 50_000}]});
        let mut rule = json!({"weight": 50_000, "clauses": []});
        if let Some(by) = bucket_by {
            (rollout["bucketBy"], rule["bucketBy"]) = (json!(by), json!(by));
        }
        let split = json!({"on": true, "salt": "s", "variations": ["a", "b"],
            "fallthrough": {"rollout": rollout}});
        compile(json!({
            "flags": {"split": split, "segment": segment_flag(json!(["half"]))},
            "segments": {"half": {"salt": "s", "rules": [rule]}},
        }))
    };
    let (empty, none, other) = (of(Some("")), of(None), of(Some("group")));
    assert!(empty.problems().is_empty(), "{:?}", empty.problems());
    let mut moved = 0;
    for user in 0..200 {
        let user = OwnedContext::new(format!("user-{user}")).with("group", "all");
        for key in ["split", "segment"] {
            assert_eq!(value(&empty, key, &user), value(&none, key, &user), "{key}");
            moved += usize::from(value(&other, key, &user) != value(&none, key, &user));
        }
    }
    assert!(moved > 0, "another attribute places users elsewhere");
}

#[test]
fn a_changed_segment_acts_without_its_users_being_compiled_again() {
    let launchdarkly = LaunchDarkly::new();
    let first = compile(json!({
        "flags": {"flag": segment_flag(json!(["beta"]))},
        "segments": {"beta": {"included": ["user-2"]}},
    }));
    let second = launchdarkly.with_segment(&first, "beta", r#"{"included": ["user-1"]}"#).unwrap();
    let gone = launchdarkly.without_segment(&second, "beta");
    let deleted = launchdarkly.with_segment(&second, "beta", r#"{"deleted": true}"#).unwrap();
    assert_eq!(value(&first, "flag", &user()), "no");
    assert_eq!(value(&second, "flag", &user()), "yes");
    assert_eq!(value(&gone, "flag", &user()), "no");
    assert_eq!(value(&deleted, "flag", &user()), "no");
    let refused = launchdarkly.with_segment(&second, "beta", r#"{"rules": 1}"#).unwrap_err();
    assert_eq!((&*refused.key, &*refused.path), ("segments/beta", "/rules"));
}

#[test]
fn one_flag_is_added_replaced_and_deleted() {
    let launchdarkly = LaunchDarkly::new();
    let empty = FlagSet::new();
    let one = launchdarkly.with_flag(&empty, "flag", &flag(json!([])).to_string()).unwrap();
    let segmented = segment_flag(json!(["beta"])).to_string();
    let two = launchdarkly.with_flag(&one, "flag", &segmented).unwrap();
    let two = launchdarkly.with_segment(&two, "beta", r#"{"included": ["user-1"]}"#).unwrap();
    let gone = launchdarkly.with_flag(&two, "flag", r#"{"version": 9, "deleted": true}"#).unwrap();
    assert_eq!(value(&one, "flag", &user()), "no");
    assert_eq!(value(&two, "flag", &user()), "yes");
    assert_eq!(kind(&gone, "flag", &user()), "FLAG_NOT_FOUND");
    assert_eq!(kind(&two.without("flag"), "flag", &user()), "FLAG_NOT_FOUND");
    let refused = launchdarkly.with_flag(&one, "flag", r#"{"on": 1}"#).unwrap_err();
    assert_eq!(refused.to_string(), "flag `flag` at /on: found integer `1`, expected a boolean");
    assert!(launchdarkly.with_flag(&one, "flag", "{").is_err());
}

#[test]
fn a_mended_item_is_no_problem_any_more() {
    let launchdarkly = LaunchDarkly::new();
    let set = compile(json!({"flags": {"a": 1, "b": 1}, "segments": {"s": 1, "t": 1}}));
    let names = |set: &FlagSet| {
        set.problems().iter().map(|problem| problem.key.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&set), ["a", "b", "segments/s", "segments/t"]);
    let set = launchdarkly.with_flag(&set, "a", &flag(json!([])).to_string()).unwrap();
    let set = launchdarkly.with_segment(&set, "s", "{}").unwrap();
    assert_eq!(names(&set), ["b", "segments/t"]);
    assert_eq!(names(&launchdarkly.without_segment(&set, "t")), ["b"]);
}

#[test]
fn a_malformed_flag_or_segment_keeps_its_last_good_form() {
    let source = TestFlags::silent();
    let flags = Flags::builder().source(source.clone()).build().unwrap();
    let user = user();
    let ask = |key: &str| flags.string(key, &user, "default");
    source.replace(compile(json!({
        "flags": {"kept": segment_flag(json!(["beta"])), "other": flag(json!([]))},
        "segments": {"beta": {"included": ["user-1"]}},
    })));
    assert_eq!((&*ask("kept"), &*ask("other")), ("yes", "no"));
    let other = json!({"on": true, "variations": ["new"], "fallthrough": {"variation": 0}});
    source.replace(compile(json!({
        "flags": {"kept": {"on": 1}, "other": other},
        "segments": {"beta": {"included": "user-1"}},
    })));
    assert_eq!((&*ask("kept"), &*ask("other")), ("yes", "new"));
    source.replace(compile(json!({
        "flags": {"kept": segment_flag(json!(["beta"]))}, "segments": {},
    })));
    assert_eq!(ask("kept"), "no");
}

#[test]
fn a_router_is_bound_to_a_string_flag_and_an_off_flag_falls_back() {
    let document = |on: bool| {
        compile(json!({"flags": {"model": {"on": on, "variations": ["v1", "v2"],
            "offVariation": 1, "fallthrough": {"variation": 1}}}}))
    };
    let source = TestFlags::silent();
    let router = ModelRouter::<[f64], f64>::builder("model")
        .model("v1", Puppet::new(1.0))
        .model("v2", Puppet::new(2.0))
        .fallback("v1")
        .source(source.clone())
        .build()
        .unwrap();
    let user = Context::new("user-1");
    source.replace(document(true));
    assert_eq!(router.decide(&user).unwrap().version().as_str(), "v2");
    source.replace(document(false));
    let off = router.decide(&user).unwrap();
    assert_eq!((off.version().as_str(), off.reason()), ("v1", Reason::Disabled));
    assert_eq!(off.fallback(), Some(FallbackCause::FlagDisabled));
}

#[test]
fn a_router_is_bound_to_a_boolean_switch_or_a_field() {
    let boolean = json!({"on": true, "variations": [false, true], "fallthrough": {"variation": 0},
        "rules": [{"variation": 1, "clauses": [asks("region", "in", json!(["eu"]))]}]});
    let object = json!({"on": true, "variations": [{"version": "v1"}, {"version": "v2"}],
        "fallthrough": {"variation": 1}});
    let flags = compile(json!({"flags": {"use-v2": boolean, "object": object}}));
    let router = |binding: Binding| {
        ModelRouter::<[f64], f64>::builder(binding)
            .model("v1", Puppet::new(1.0))
            .model("v2", Puppet::new(2.0))
            .fallback("v1")
            .missing_key(MissingKey::Fallback)
            .source(flags.clone())
            .build()
            .unwrap()
    };
    let version = |router: &ModelRouter<[f64], f64>, context: &Context<'_>| {
        router.decide(context).unwrap().version().to_string()
    };
    let switch = router(Binding::switch("use-v2", "v2").otherwise("v1"));
    assert_eq!(version(&switch, &Context::new("u").with("region", "eu")), "v2");
    assert_eq!(version(&switch, &Context::new("u").with("region", "us")), "v1");
    assert_eq!(version(&switch, &Context::anonymous().with("region", "eu")), "v1");
    let field = router(Binding::value("object").field("version"));
    assert_eq!(version(&field, &Context::new("u")), "v2");
}
