//! LaunchDarkly flag data: what is read, what is refused, how updates act, what is answered.

mod support;

use modelgate::{
    Binding, Context, ErrorCode, FallbackCause, FlagSet, Flags, ManualClock, MissingKey,
    ModelRouter, OwnedContext, Reason, Severity, TraceStep, Value,
    dialect::launchdarkly::{
        BigSegmentAnswer, BigSegments, BigSegmentsStatus, ErrorKind, LaunchDarkly, ReasonKind,
    },
};
use serde_json::{Value as Json, json};
use support::{ByHand, Puppet};

fn compile(document: Json) -> FlagSet {
    LaunchDarkly::new().compile(&document.to_string()).unwrap()
}

/// A flag that serves variation 1 where these rules match, and 0 otherwise.
fn flag(rules: Json) -> Json {
    json!({"on": true, "variations": ["no", "yes", "third"], "offVariation": 2, "salt": "s",
        "rules": rules, "fallthrough": {"variation": 0}})
}

/// A flag with one rule of one clause.
fn clause(clause: Json) -> FlagSet {
    let flags = compile(json!({"flags": {"flag": flag(json!([{"clauses": [clause],
        "variation": 1}]))}}));
    assert_eq!(flags.problems(), []);
    flags
}

fn asks(attribute: &str, operator: &str, values: Json) -> Json {
    json!({"contextKind": "user", "attribute": attribute, "op": operator, "values": values})
}

fn segment_flag(segments: Json) -> Json {
    flag(json!([{"id": "r", "variation": 1, "clauses": [
        {"attribute": "", "op": "segmentMatch", "values": segments}]}]))
}

fn value<'a>(flags: &'a FlagSet, key: &str, context: &'a OwnedContext) -> &'a str {
    let detail = LaunchDarkly::new().detail(flags, key, context);
    detail.value.and_then(Value::as_str).unwrap_or("default")
}

fn kind(flags: &FlagSet, key: &str, context: &OwnedContext) -> String {
    let reason = LaunchDarkly::new().detail(flags, key, context).reason;
    match reason.error_kind {
        Some(error) => error.to_string(),
        None => reason.kind.to_string(),
    }
}

fn user() -> OwnedContext {
    OwnedContext::new("user-1")
}

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
    let rejected = |severity| severity == Severity::Rejected;
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
             expected f32",
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
fn what_makes_no_sense_is_remarked_upon_and_answers_malformed_flag_when_it_is_reached() {
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
    assert!(flags.problems().iter().all(|problem| problem.severity == Severity::Warning));
    assert_eq!(value(&flags, "target", &OwnedContext::new("user-2")), "a");
    let odd = json!([{"variation": 1, "clauses": [asks("a", "matches", json!(["("])),
        asks("a", "resembles", json!(["b"]))]}]);
    let problems = compile(json!({"flags": {"flag": flag(odd)}}));
    let problems: Vec<_> = problems.problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "flag `flag` at /rules/0/clauses/0/values: found 1 values that `matches` can never \
             meet, expected values that fit the operator",
            "flag `flag` at /rules/0/clauses/1/op: found `resembles`, expected an operator",
        ]
    );
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
    let source = ByHand::silent();
    let flags = Flags::builder().source(source.clone()).build().unwrap();
    let user = user();
    let ask = |key: &str| flags.string(key, &user, "default");
    source.sink().replace(compile(json!({
        "flags": {"kept": segment_flag(json!(["beta"])), "other": flag(json!([]))},
        "segments": {"beta": {"included": ["user-1"]}},
    })));
    assert_eq!((&*ask("kept"), &*ask("other")), ("yes", "no"));
    let other = json!({"on": true, "variations": ["new"], "fallthrough": {"variation": 0}});
    source.sink().replace(compile(json!({
        "flags": {"kept": {"on": 1}, "other": other},
        "segments": {"beta": {"included": "user-1"}},
    })));
    assert_eq!((&*ask("kept"), &*ask("other")), ("yes", "new"));
    source.sink().replace(compile(json!({
        "flags": {"kept": segment_flag(json!(["beta"]))}, "segments": {},
    })));
    assert_eq!(ask("kept"), "no");
}

#[test]
fn kinds_of_contexts_are_told_apart() {
    let of = |kind: &str| {
        json!([{"variation": 1, "clauses": [
        {"contextKind": kind, "attribute": "plan", "op": "in", "values": ["pro"]}]}])
    };
    let flags = compile(json!({"flags": {
        "user": flag(of("user")), "organization": flag(of("organization")),
        "kinds": flag(json!([{"variation": 1, "clauses": [{"contextKind": "user",
            "attribute": "kind", "op": "in", "values": ["organization"]}]}])),
    }}));
    let organization = || OwnedContext::new("acme").with("plan", "pro");
    let both = OwnedContext::new("u").with_kind("organization", organization());
    let alone = OwnedContext::anonymous().with_kind("organization", organization());
    let keyless = OwnedContext::new("u").with_kind("organization", OwnedContext::anonymous());
    for (context, expected) in [
        (&both, ["no", "yes", "yes"]),
        (&alone, ["no", "yes", "yes"]),
        (&keyless, ["no", "no", "no"]),
        (&organization(), ["yes", "no", "no"]),
    ] {
        let found = ["user", "organization", "kinds"].map(|key| value(&flags, key, context));
        assert_eq!(found, expected, "{context:?}");
    }
}

#[test]
fn built_in_attributes_are_the_contexts_own() {
    let context = OwnedContext::new("user-1").with("key", "other").with("kind", "other");
    let context = context.with("name", 3).with("_meta", "x").with("anonymous", "yes");
    for (attribute, wanted, expected) in [
        ("key", json!("user-1"), "yes"),
        ("key", json!("other"), "no"),
        ("kind", json!("user"), "yes"),
        ("kind", json!("other"), "no"),
        ("name", json!(3), "no"),
        ("anonymous", json!(false), "yes"),
        ("_meta", json!("x"), "no"),
    ] {
        let flags = clause(asks(attribute, "in", json!([wanted])));
        assert_eq!(value(&flags, "flag", &context), expected, "{attribute} {wanted}");
    }
}

#[test]
fn a_context_without_any_key_is_not_evaluated() {
    let flags = compile(json!({"flags": {"flag": flag(json!([]))}}));
    let (nobody, clock) = (OwnedContext::anonymous().with("a", 1), ManualClock::default());
    let answer = flags.evaluate("flag", &nobody, &clock);
    assert_eq!((answer.value, answer.reason), (None, Reason::Error));
    assert_eq!((answer.error, answer.missing_key), (Some(ErrorCode::TargetingKeyMissing), true));
    let detail = LaunchDarkly::new().detail(&flags, "flag", &nobody);
    assert_eq!(detail.reason.error_kind, Some(ErrorKind::UserNotSpecified));
    assert_eq!(kind(&flags, "flag", &OwnedContext::new("")), "FALLTHROUGH");
}

#[test]
fn a_split_by_a_key_that_is_not_there_says_so() {
    let rollout = |kind: &str| {
        json!({"on": true, "variations": ["a", "b"], "fallthrough":
        {"rollout": {"contextKind": kind, "variations": [{"variation": 0, "weight": 50000},
            {"variation": 1, "weight": 50000}]}}})
    };
    let flags = compile(json!({"flags": {"user": rollout("user"), "device": rollout("device")}}));
    let clock = ManualClock::default();
    let device = OwnedContext::anonymous().with_kind("device", OwnedContext::new("d"));
    let missing = |key: &str, context: &OwnedContext| {
        let answer = flags.evaluate(key, context, &clock);
        assert_eq!(answer.reason, Reason::Split);
        answer.missing_key
    };
    assert!(missing("user", &device) && missing("user", &OwnedContext::new("")));
    assert!(!missing("device", &device) && !missing("device", &user()));
    assert_eq!(value(&flags, "user", &device), "a", "the vendor's bucket for it is 0");
}

#[test]
fn reasons_are_mapped_to_the_neutral_ones() {
    let split = json!({"rollout": {"kind": "experiment", "variations": [
        {"variation": 1, "weight": 100000}]}});
    let with = |member: &str, value: Json| {
        let mut flag = flag(json!([]));
        flag[member] = value;
        flag
    };
    let flags = compile(json!({"flags": {
        "off": with("on", json!(false)),
        "failed": with("prerequisites", json!([{"key": "off", "variation": 2}])),
        "target": with("targets", json!([{"values": ["user-1"], "variation": 1}])),
        "rule": flag(json!([{"variation": 1}])),
        "fallthrough": flag(json!([])),
        "split": with("fallthrough", split),
        "odd": with("fallthrough", json!({"variation": 9})),
        "no off": {"on": false},
    }}));
    let (user, clock) = (user(), ManualClock::default());
    let expected = [
        ("off", Some("third"), Reason::Disabled, None, "OFF"),
        ("failed", Some("third"), Reason::Disabled, None, "PREREQUISITE_FAILED"),
        ("target", Some("yes"), Reason::TargetingMatch, None, "TARGET_MATCH"),
        ("rule", Some("yes"), Reason::TargetingMatch, None, "RULE_MATCH"),
        ("fallthrough", Some("no"), Reason::Default, None, "FALLTHROUGH"),
        ("split", Some("yes"), Reason::Split, None, "FALLTHROUGH"),
        ("odd", None, Reason::Error, Some(ErrorCode::ParseError), "MALFORMED_FLAG"),
        ("no off", None, Reason::Disabled, None, "OFF"),
        ("absent", None, Reason::Error, Some(ErrorCode::FlagNotFound), "FLAG_NOT_FOUND"),
    ];
    for (key, value, reason, error, vendor) in expected {
        let answer = flags.evaluate(key, &user, &clock);
        assert_eq!(answer.value.and_then(Value::as_str), value, "{key}");
        assert_eq!((answer.reason, answer.error), (reason, error), "{key}");
        assert_eq!((answer.on, answer.variant), (None, None), "{key}");
        assert_eq!(kind(&flags, key, &user), vendor, "{key}");
    }
    let reason = LaunchDarkly::new().detail(&flags, "split", &user).reason;
    assert_eq!(json!(reason), json!({"kind": "FALLTHROUGH", "inExperiment": true}));
    let reason = LaunchDarkly::new().detail(&flags, "failed", &user).reason;
    assert_eq!(json!(reason), json!({"kind": "PREREQUISITE_FAILED", "prerequisiteKey": "off"}));
}

#[test]
fn a_repeated_prerequisite_is_no_circle() {
    // `left` fails because of `off`; `right` leads to `left` once more.
    let needs = |keys: &[(&str, i64)]| {
        let mut flag = flag(json!([]));
        let keys = keys.iter().map(|(key, index)| json!({"key": key, "variation": index}));
        flag["prerequisites"] = keys.collect();
        flag
    };
    let flags = compile(json!({"flags": {
        "off": {"on": false, "variations": [0], "offVariation": 0},
        "left": needs(&[("off", 0)]),
        "right": needs(&[("left", 2)]),
        "root": needs(&[("left", 2), ("right", 0), ("left", 2)]),
    }}));
    assert_eq!(kind(&flags, "left", &user()), "PREREQUISITE_FAILED");
    assert_eq!(kind(&flags, "root", &user()), "FALLTHROUGH");
}

#[test]
fn targets_of_users_are_found_through_their_empty_entry() {
    let mut targeted = flag(json!([]));
    targeted["targets"] = json!([{"values": ["user-1", "user-2"], "variation": 1},
        {"values": ["user-1"], "variation": 2}]);
    targeted["contextTargets"] = json!([
        {"contextKind": "device", "values": ["d"], "variation": 2},
        {"contextKind": "user", "values": [], "variation": 2},
        {"contextKind": "user", "values": [], "variation": 1}]);
    let flags = compile(json!({"flags": {"flag": targeted}}));
    assert_eq!(value(&flags, "flag", &user()), "third");
    assert_eq!(value(&flags, "flag", &OwnedContext::new("user-2")), "yes");
    let device = OwnedContext::new("user-2").with_kind("device", OwnedContext::new("d"));
    assert_eq!(value(&flags, "flag", &device), "third");
}

struct Store;

impl BigSegments for Store {
    fn membership(&self, segment: &str, key: &str) -> BigSegmentAnswer {
        match (segment, key) {
            ("big.g2", "user-1") => BigSegmentAnswer::healthy(Some(true)),
            ("big.g2", "user-2") => BigSegmentAnswer::healthy(Some(false)),
            ("old.g1", _) => BigSegmentAnswer::new(None, BigSegmentsStatus::Stale),
            _ => BigSegmentAnswer::healthy(None),
        }
    }
}

#[test]
fn big_segments_are_asked_of_their_store() {
    let document = json!({
        "flags": {"flag": segment_flag(json!(["big"])), "both": segment_flag(json!(["old", "big"]))},
        "segments": {
            "big": {"unbounded": true, "generation": 2, "included": ["user-3"],
                "rules": [{"clauses": [asks("plan", "in", json!(["pro"]))]}]},
            "old": {"unbounded": true, "generation": 1},
        },
    });
    let asked = LaunchDarkly::new().with_big_segments(Store);
    let ask = |launchdarkly: &LaunchDarkly, flag: &str, key: &str, plan: &str| {
        let flags = launchdarkly.compile(&document.to_string()).unwrap();
        let context = OwnedContext::new(key).with("plan", plan);
        let detail = launchdarkly.detail(&flags, flag, &context);
        let status = detail.reason.big_segments_status.map(BigSegmentsStatus::as_str);
        (detail.variation_index == Some(1), status.unwrap_or("none"))
    };
    assert_eq!(ask(&asked, "flag", "user-1", "free"), (true, "HEALTHY"));
    assert_eq!(ask(&asked, "flag", "user-2", "pro"), (false, "HEALTHY"));
    assert_eq!(ask(&asked, "flag", "user-3", "free"), (false, "HEALTHY"));
    assert_eq!(ask(&asked, "flag", "user-3", "pro"), (true, "HEALTHY"));
    assert_eq!(ask(&asked, "both", "user-1", "free"), (true, "STALE"));
    let unasked = LaunchDarkly::new();
    assert_eq!(ask(&unasked, "flag", "user-3", "free"), (false, "NOT_CONFIGURED"));
    assert_eq!(ask(&unasked, "flag", "user-2", "pro"), (true, "NOT_CONFIGURED"));
    let flags = unasked.compile(&document.to_string()).unwrap();
    let reason = json!(unasked.detail(&flags, "flag", &user()).reason);
    assert_eq!(reason, json!({"kind": "FALLTHROUGH", "bigSegmentsStatus": "NOT_CONFIGURED"}));
}

#[test]
fn an_explanation_names_clauses_attributes_and_buckets() {
    let rule = json!({"clauses": [asks("/address/city", "in", json!(["Ulm"])),
        {"op": "segmentMatch", "values": ["beta"]}], "rollout": {"variations": [
            {"variation": 0, "weight": 50000}, {"variation": 1, "weight": 50000}]}});
    let flags = compile(json!({
        "flags": {"flag": flag(json!([rule]))},
        "segments": {"beta": {"rules": [{"clauses": [asks("age", "lessThan", json!([30]))]}]}},
    }));
    let address: modelgate::Map = [("city", "Ulm")].into_iter().collect();
    let context = OwnedContext::new("user-1").with("address", address).with("age", 20);
    let clock = ManualClock::default();
    let (answer, trace) = flags.explain("flag", &context, &clock);
    assert_eq!(answer.reason, Reason::Split);
    let read =
        |attribute: &str, value: Value| TraceStep::Read { attribute: attribute.into(), value };
    let operator = |path: &str, operator: &str| TraceStep::Operator {
        path: path.into(),
        operator: operator.into(),
        result: Value::Bool(true),
    };
    assert_eq!(
        trace.steps[..6],
        [
            read("/address/city", "Ulm".into()),
            operator("/rules/0/clauses/0", "in"),
            read("age", 20.into()),
            operator("/segments/beta/rules/0/clauses/0", "lessThan"),
            operator("/rules/0/clauses/1", "segmentMatch"),
            read("key", "user-1".into()),
        ]
    );
    assert!(
        matches!(&trace.steps[6..],
        [TraceStep::Bucket { path, bucket, from, to, total: 1.0 }]
            if path == "/rules/0" && from <= bucket && bucket < to),
        "{trace:?}"
    );
}

#[test]
fn a_router_is_bound_to_a_string_flag_and_an_off_flag_falls_back() {
    let document = |on: bool| {
        compile(json!({"flags": {"model": {"on": on, "variations": ["v1", "v2"],
            "offVariation": 1, "fallthrough": {"variation": 1}}}}))
    };
    let source = ByHand::silent();
    let router = ModelRouter::<[f64], f64>::builder("model")
        .model("v1", Puppet::new(1.0))
        .model("v2", Puppet::new(2.0))
        .fallback("v1")
        .source(source.clone())
        .build()
        .unwrap();
    let user = Context::new("user-1");
    source.sink().replace(document(true));
    assert_eq!(router.decide(&user).unwrap().version().as_str(), "v2");
    source.sink().replace(document(false));
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

#[test]
fn typed_variations_answer_as_the_vendors_clients_do() {
    let serving = |value: Json| {
        json!({"on": true, "variations": [value],
        "fallthrough": {"variation": 0}})
    };
    let flags = compile(json!({"flags": {
        "fraction": serving(json!(-1.9)), "large": serving(json!(9007199254740992_u64)),
        "text": serving(json!("t")), "null": serving(json!(null)),
    }}));
    let user = user();
    let detail = |key| LaunchDarkly::new().detail(&flags, key, &user);
    assert_eq!(detail("fraction").integer(7).value, -1);
    assert_eq!(detail("fraction").double(7.0).value, -1.9);
    let large = detail("large").integer(7);
    assert_eq!((large.value, large.variation_index), (7, None));
    assert_eq!(large.reason.error_kind, Some(ErrorKind::WrongType));
    assert_eq!(detail("text").string("d").value, "t");
    assert!(detail("text").boolean(true).value);
    assert_eq!(detail("null").json(&Value::Int(1)).value, &Value::Null);
    let absent = detail("absent").string("d");
    assert_eq!((absent.value, absent.reason.kind), ("d", ReasonKind::Error));
}
