//! LaunchDarkly flags: what they answer, in the vendor's words and in the neutral ones.

use crate::data;

use data::{asks, clause, compile, flag, kind, segment_flag, user, value};
use modelgate::{
    OwnedContext, Reason,
    clock::ManualClock,
    flag::{ErrorCode, TraceStep},
    launchdarkly::{
        ErrorKind, LaunchDarkly, ReasonKind,
        big_segments::{BigSegments, Membership, Status},
    },
    value::Value,
};
use serde_json::{Value as Json, json};

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
    let answer = flags.evaluate_at("flag", &nobody, &clock);
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
        let answer = flags.evaluate_at(key, context, &clock);
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
        let answer = flags.evaluate_at(key, &user, &clock);
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
fn a_repeated_prerequisite_is_no_cycle() {
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
    fn membership(&self, segment: &str, key: &str) -> Membership {
        match (segment, key) {
            ("big.g2", "user-1") => Membership::healthy(Some(true)),
            ("big.g2", "user-2") => Membership::healthy(Some(false)),
            ("old.g1", _) => Membership::new(None, Status::Stale),
            _ => Membership::healthy(None),
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
        let status = detail.reason.big_segments_status.map(Status::as_str);
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
    let address: modelgate::value::Map = [("city", "Ulm")].into_iter().collect();
    let context = OwnedContext::new("user-1").with("address", address).with("age", 20);
    let clock = ManualClock::default();
    let (answer, trace) = flags.explain_at("flag", &context, &clock);
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
