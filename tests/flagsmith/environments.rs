//! Flagsmith's environment documents: how they are read, and the values that they serve.

use modelgate::{
    Binding, Context, FallbackCause, ModelRouter, Reason,
    clock::SystemClock,
    flag::TraceStep,
    flagsmith::{Flagsmith, Generation, VariantOrder},
    model_fn,
    value::Value,
};
use serde_json::{Value as Json, json};

use crate::documents::{
    compile, condition, context_of, document, feature, holds, holds_in_rust, reason, segment,
    served,
};

#[test]
fn an_identitys_own_feature_has_no_variants() {
    let mut document = document();
    let values = document["feature_states"][0]["multivariate_feature_state_values"].clone();
    let own = &mut document["identity_overrides"][0]["identity_features"][0];
    own["multivariate_feature_state_values"] = values;
    let flags = compile(&document);
    let vip = Context::new("vip");
    let details = flags.evaluate("model", &vip);
    assert_eq!(details.variant, None);
    assert_eq!(details.string("none").value, "pinned");
}

#[test]
fn an_environment_document_serves_segments_identities_and_variants() {
    let flags = compile(&document());
    let dialect = Flagsmith::new();
    let europe = Context::new("u").with("region", "eu");
    assert_eq!(served(&flags, "model", &europe), "eu");
    assert_eq!(reason(&flags, "model", &europe), "TARGETING_MATCH; segment=europe");
    let vip = Context::new("vip").with("region", "eu");
    assert_eq!(served(&flags, "model", &vip), "pinned");
    assert_eq!(reason(&flags, "model", &vip), "TARGETING_MATCH; segment=identity_overrides");
    let names: Vec<_> = dialect.segments(&flags, &vip).iter().map(|found| found.name).collect();
    assert_eq!(names, ["europe", "identity_overrides"]);
    let clock = SystemClock::new();
    let mut counts = [0; 3];
    for user in 0..4000 {
        let key = format!("user-{user}");
        let context = Context::new(&key);
        let result = dialect.feature(&flags, "model", &context).unwrap();
        let kind = match (result.value.as_str(), result.variant, &*result.reason.to_string()) {
            (Some("v1"), Some("control"), "DEFAULT") => 0,
            (Some("v2"), Some("two"), "SPLIT; weight=25") => 1,
            (Some("v3"), None, "SPLIT; weight=25") => 2,
            _ => panic!("{result:?}"),
        };
        counts[kind] += 1;
        let neutral = flags.evaluate_at("model", &context, &clock);
        assert_eq!((neutral.reason, neutral.missing_key), (Reason::Split, false));
    }
    assert!((1800..2200).contains(&counts[0]), "{counts:?}");
    assert!((850..1150).contains(&counts[1]) && (850..1150).contains(&counts[2]), "{counts:?}");
    let metadata = flags.get("model").unwrap().metadata();
    assert_eq!(metadata.get("feature_id"), Some(&Value::Int(1)));
}

#[test]
fn an_anonymous_context_gets_the_environments_own_flags() {
    let mut document = document();
    let clock = SystemClock::new();
    let anonymous = Context::anonymous().with("region", "eu");
    let flags = compile(&document);
    let answer = flags.evaluate_at("model", &anonymous, &clock);
    assert_eq!(answer.value, Some(&Value::from("v1")));
    assert_eq!((answer.reason, answer.variant), (Reason::Static, None));
    assert!(answer.missing_key, "its variants are chosen by identity");
    // A segment with a condition on the environment applies to anonymous contexts as well.
    document["project"]["segments"][0]["rules"][0]["conditions"][0] =
        json!({"operator": "EQUAL", "property_": "$.environment.name", "value": "Production"});
    let flags = compile(&document);
    assert_eq!(served(&flags, "model", &anonymous), "eu");
    assert_eq!(Flagsmith::new().segments(&flags, &anonymous).len(), 1);
    let before = Flagsmith::new().with_generation(Generation::BeforeFlagDependencies);
    let flags = before.compile(&document.to_string()).unwrap();
    assert_eq!(served(&flags, "model", &anonymous), "v1");
    assert_eq!(reason(&flags, "model", &anonymous), "DEFAULT");
    // A segment that splits identities cannot be evaluated without one.
    document["project"]["segments"][0]["rules"][0]["conditions"][0] =
        json!({"operator": "PERCENTAGE_SPLIT", "property_": "$.identity.key", "value": "100"});
    document["feature_states"][0]["multivariate_feature_state_values"] = json!([]);
    assert!(compile(&document).evaluate_at("model", &anonymous, &clock).missing_key);
}

#[test]
fn variants_are_ordered_by_id_or_as_in_the_document() {
    let listed = Flagsmith::new().with_variant_order(VariantOrder::Document);
    let (ours, theirs) = (compile(&document()), listed.compile(&document().to_string()).unwrap());
    for user in 0..500 {
        let key = format!("user-{user}");
        let context = Context::new(&key);
        let expected = match &*served(&ours, "model", &context) {
            "v2" => "v3",
            "v3" => "v2",
            _ => "v1",
        };
        assert_eq!(served(&theirs, "model", &context), expected, "{key}");
    }
}

#[test]
fn conditions_of_the_rust_engine_compare_by_the_traits_type() {
    let user = Context::new("u")
        .with("text", "b")
        .with("yes", "TRUE")
        .with("on", true)
        .with("int", 10)
        .with("float", 1.0)
        .with("nan", f64::NAN)
        .with("huge", 1e300)
        .with("digits", "10")
        .with("null", modelgate::value::ValueRef::Null)
        .with("version", "1.2.3+b2")
        .with("list", &["a"]);
    let cases: &[(&str, &str, Json, bool)] = &[
        ("text", "EQUAL", json!("b"), true),
        ("text", "GREATER_THAN", json!("a"), true),
        ("text", "LESS_THAN_INCLUSIVE", json!("a"), false),
        ("yes", "EQUAL", json!("true"), true),
        ("yes", "GREATER_THAN", json!("false"), false),
        ("on", "EQUAL", json!("1"), true),
        ("on", "NOT_EQUAL", json!("0"), false),
        ("int", "EQUAL", json!("+10"), true),
        ("int", "EQUAL", json!("10.0"), false),
        ("int", "NOT_EQUAL", json!("ten"), false),
        ("float", "EQUAL", json!("1"), true),
        ("float", "CONTAINS", json!("."), false),
        ("nan", "NOT_EQUAL", json!("1"), true),
        ("nan", "EQUAL", json!("NaN"), false),
        ("nan", "GREATER_THAN_INCLUSIVE", json!("NaN"), false),
        ("huge", "GREATER_THAN", json!("1e299"), true),
        ("huge", "IN", json!("1,2"), false),
        ("digits", "GREATER_THAN", json!("9"), true),
        ("digits", "EQUAL", json!("1e1"), true),
        ("null", "IS_SET", json!(""), true),
        ("null", "EQUAL", json!(""), false),
        ("null", "IN", json!("a,,b"), true),
        ("null", "NOT_CONTAINS", json!("a"), true),
        ("absent", "IS_NOT_SET", json!(""), true),
        ("absent", "NOT_EQUAL", json!("a"), false),
        ("absent", "NOT_CONTAINS", json!("a"), false),
        ("list", "IS_SET", json!(""), false),
        ("version", "EQUAL", json!("1.2.3:semver"), false),
        ("version", "GREATER_THAN", json!("1.2.3+b1:semver"), true),
        ("version", "LESS_THAN", json!("v2:semver"), false),
        ("text", "IN", json!(["a", "b"]), true),
        ("text", "IN", json!("[\"a\", \"b\"]"), true),
        ("text", "IN", json!(" a , b "), true),
        ("int", "IN", json!([9, 10]), true),
        ("on", "IN", json!("true"), false),
        ("int", "REGEX", json!("0$"), true),
        ("text", "REGEX", json!("("), false),
        ("int", "MODULO", json!("3|1"), true),
        ("int", "MODULO", json!("0|0"), false),
        ("int", "MODULO", json!("3"), false),
        ("digits", "MODULO", json!("4|2.0"), true),
        ("text", "PERCENTAGE_SPLIT", json!("100"), true),
        ("text", "PERCENTAGE_SPLIT", json!("NaN"), false),
        ("text", "PERCENTAGE_SPLIT", json!("many"), false),
        ("absent", "PERCENTAGE_SPLIT", json!("100"), false),
        ("", "PERCENTAGE_SPLIT", json!(100), true),
        ("", "IS_NOT_SET", json!(""), true),
    ];
    for (property, operator, value, expected) in cases {
        let condition = condition(property, operator, value.clone());
        assert_eq!(holds_in_rust(&condition, &user), *expected, "{condition}");
    }
}

#[test]
fn a_path_reads_the_context_and_falls_back_to_the_trait_of_its_name() {
    let user = Context::new("user-1")
        .with("plan", "pro")
        .with("share", 1.0)
        .with("größe", "m")
        .with("$.broken[", "trait")
        .with("$.identity.traits", "shadowed")
        .with("$.identity.key", "own-key");
    let cases = [
        ("$.identity.identifier", "user-1"),
        ("$.identity.key", "own-key"),
        ("$.environment.key", "env"),
        ("$.environment['name']", "Production"),
        ("$.identity.traits.plan", "pro"),
        ("$.identity.traits['plan']", "pro"),
        ("$.identity.traits.größe", "m"),
        ("$.broken[", "trait"),
        ("$.identity.traits", "shadowed"),
        ("$..plan", "pro"),
        ("$.identity.traits[?@ == 'pro']", "pro"),
        ("$.features.f.value", "no"),
        ("$.segments['1'].rules[0].conditions[0].operator", "EQUAL"),
        ("$.flags.f.name", ""),
    ];
    for (property, expected) in cases {
        let equal = holds(&condition(property, "EQUAL", expected), &user);
        assert_eq!(equal, !expected.is_empty(), "{property}");
    }
    // The Rust engine reads traits from JSON, in which a whole float keeps its decimal point.
    for (property, point) in
        [("share", false), ("$.identity.traits.share", false), ("$.identity.traits['share']", true)]
    {
        let condition = condition(property, "CONTAINS", ".0");
        assert_eq!(holds_in_rust(&condition, &user), point, "{property}");
        assert!(!holds(&condition, &user), "{property}");
    }
    // The key of an evaluation context defaults to the environment's key and the identifier; in the
    // Rust engine it is empty.
    let user = Context::new("u");
    assert!(holds(&condition("$.identity.key", "EQUAL", "env_u"), &user));
    assert!(holds_in_rust(&condition("$.identity.key", "IS_SET", ""), &user));
    assert!(!holds_in_rust(&condition("$.identity.key", "CONTAINS", "u"), &user));
}

#[test]
fn the_override_of_highest_priority_wins_and_the_first_of_equals() {
    let mut segments: Vec<_> = (0..4)
        .map(|n| {
            let id = n.to_string();
            segment(&id, "f", &id, json!([condition("tier", "CONTAINS", format!("t{id}"))]))
        })
        .collect();
    for (at, priority) in [(0, json!(5)), (1, json!(1)), (2, json!(1)), (3, json!(null))] {
        segments[at]["overrides"][0]["priority"] = priority;
    }
    let flags = compile(&context_of(&[feature("f", "none")], &segments));
    for (tiers, expected) in
        [("t0t1t2t3", "1"), ("t0t2t3", "2"), ("t0t3", "0"), ("t3", "3"), ("", "none")]
    {
        assert_eq!(served(&flags, "f", &Context::new("u").with("tier", tiers)), expected);
    }
    assert_eq!(reason(&flags, "f", &Context::new("u")), "DEFAULT");
    let names = |tiers| -> Vec<String> {
        let user = Context::new("u").with("tier", tiers);
        let found = Flagsmith::new().segments(&flags, &user);
        found.iter().map(|found| found.name.to_owned()).collect()
    };
    assert_eq!(names("t3t2t0"), ["segment 0", "segment 2", "segment 3"]);
}

#[test]
fn rules_nest_and_a_rule_without_conditions_matches() {
    let matches = |rule: Json| {
        let mut segment = segment("1", "f", "yes", json!([]));
        segment["rules"] = rule;
        let flags = compile(&context_of(&[feature("f", "no")], &[segment]));
        served(&flags, "f", &Context::new("u").with("a", 1)) == "yes"
    };
    let a = condition("a", "IS_SET", "");
    let b = condition("b", "IS_SET", "");
    assert!(!matches(json!([])));
    for kind in ["ALL", "ANY", "NONE"] {
        assert!(matches(json!([{"type": kind}])), "{kind}");
    }
    assert!(matches(json!([{"type": "ANY", "conditions": [a, b]}])));
    assert!(!matches(json!([{"type": "ALL", "conditions": [a, b]}])));
    assert!(!matches(json!([{"type": "NONE", "conditions": [b, a]}])));
    assert!(!matches(
        json!([{"type": "ALL", "conditions": [a]}, {"type": "ALL", "conditions": [b]}])
    ));
    let nested = json!([{"type": "ANY", "conditions": [b, a],
        "rules": [{"type": "ALL", "conditions": [b]}, {"type": "NONE", "conditions": [b]}]}]);
    assert!(matches(nested), "both folds hold");
    let nested =
        json!([{"type": "ANY", "conditions": [a], "rules": [{"type": "ALL", "conditions": [b]}]}]);
    assert!(!matches(nested), "the nested rules do not");
}

fn router(binding: Binding, document: &Json) -> ModelRouter<[f64], f64> {
    ModelRouter::builder(binding)
        .model("v1", model_fn(|_: &[f64]| Ok(1.0)))
        .model("v2", model_fn(|_: &[f64]| Ok(2.0)))
        .fallback("v1")
        .source(compile(document))
        .build()
        .unwrap()
}

#[test]
fn values_switches_and_variants_bind_to_versions_and_a_disabled_feature_to_none() {
    let mut model = feature("model", "v2");
    model["variants"] = json!([{"key": "v2", "value": "large", "weight": 100}]);
    let on = context_of(&[feature("plain", "v2"), model], &[]);
    let mut off = on.clone();
    off["features"]["plain"]["enabled"] = json!(false);
    off["features"]["model"]["enabled"] = json!(false);
    let user = Context::new("u");
    let bindings = || {
        [
            Binding::value("plain"),
            Binding::variant("model"),
            Binding::switch("plain", "v2").otherwise("v1"),
        ]
    };
    for binding in bindings() {
        let answer = router(binding, &on).predict(&user, &[]).unwrap();
        assert_eq!(answer.version().as_str(), "v2");
    }
    for (binding, cause) in bindings().into_iter().zip([true, true, false]) {
        let answer = router(binding, &off).predict(&user, &[]).unwrap();
        assert_eq!(answer.version().as_str(), "v1", "although the value still says v2");
        assert_eq!(answer.reason(), Reason::Disabled);
        assert_eq!(answer.fallback(), cause.then_some(FallbackCause::FlagDisabled));
    }
}

#[test]
fn an_explanation_names_the_segment_the_condition_and_the_bucket() {
    let flags = compile(&document());
    let clock = SystemClock::new();
    let user = Context::new("user-1").with("region", "us");
    let (evaluation, trace) = flags.explain_at("model", &user, &clock);
    assert_eq!(evaluation.reason, Reason::Split);
    let expected = [
        TraceStep::Read { attribute: "region".into(), value: "us".into() },
        TraceStep::Operator {
            path: "/segments/7/rules/0/conditions/0".into(),
            operator: "EQUAL".into(),
            result: false.into(),
        },
        TraceStep::Note { text: "segment `europe` does not match".into() },
    ];
    assert_eq!(trace.steps[..3], expected);
    let TraceStep::Bucket { path, bucket, from, to, total } = &trace.steps[3] else {
        panic!("{trace:?}");
    };
    assert_eq!((path.as_str(), *total), ("/variants", 100.0));
    assert!(from <= bucket && bucket <= to, "{trace:?}");
}
