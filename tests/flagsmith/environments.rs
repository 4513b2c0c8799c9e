//! Flagsmith's environments: what is read and refused, what is answered, what an update leaves alone.

use std::fmt::Write;

use modelgate::testing::TestFlags;
use modelgate::{
    Binding, Context, FallbackCause, FlagSet, Flags, ModelRouter, Reason,
    clock::{ManualClock, SystemClock},
    flag::{ErrorCode, ProblemSeverity, TraceStep},
    flagsmith::{Engine, Flagsmith, Generation, VariantOrder},
    model_fn,
    value::Value,
};
use serde_json::{Value as Json, json};

fn compile(document: &Json) -> FlagSet {
    let flags = Flagsmith::new().with_max_memory(1 << 30).compile(&document.to_string()).unwrap();
    assert!(flags.problems().is_empty(), "{:?}", flags.problems());
    flags
}

/// A feature of an evaluation context.
fn feature(name: &str, value: impl Into<Json>) -> Json {
    json!({"key": name, "name": name, "enabled": true, "value": value.into()})
}

/// A segment that overrides `flag` for those about whom all these conditions hold.
fn segment(id: &str, flag: &str, value: &str, conditions: Json) -> Json {
    json!({
        "key": id, "name": format!("segment {id}"),
        "rules": [{"type": "ALL", "conditions": conditions}],
        "overrides": [feature(flag, value)],
    })
}

fn context_of(features: &[Json], segments: &[Json]) -> Json {
    let named = |items: &[Json], name: &str| -> Json {
        let key = |item: &Json| item[name].as_str().unwrap().to_owned();
        items.iter().map(|item| (key(item), item.clone())).collect::<serde_json::Map<_, _>>().into()
    };
    json!({
        "environment": {"key": "env", "name": "Production"},
        "features": named(features, "name"), "segments": named(segments, "key"),
    })
}

/// Whether one condition holds.
fn holds(condition: &Json, context: &Context<'_>) -> bool {
    let document =
        context_of(&[feature("f", "no")], &[segment("1", "f", "yes", json!([condition]))]);
    served(&compile(&document), "f", context) == "yes"
}

/// The same for the Rust engine.
fn holds_in_rust(condition: &Json, context: &Context<'_>) -> bool {
    let document =
        context_of(&[feature("f", "no")], &[segment("1", "f", "yes", json!([condition]))]);
    let dialect = Flagsmith::new().with_engine(Engine::Rust);
    let flags = dialect.compile(&document.to_string()).unwrap();
    served(&flags, "f", context) == "yes"
}

fn condition(property: &str, operator: &str, value: impl Into<Json>) -> Json {
    json!({"property": property, "operator": operator, "value": value.into()})
}

fn served(flags: &FlagSet, name: &str, context: &Context<'_>) -> String {
    let result = Flagsmith::new().feature(flags, name, context).unwrap();
    result.value.as_str().map_or_else(|| result.value.to_string(), str::to_owned)
}

fn reason(flags: &FlagSet, name: &str, context: &Context<'_>) -> String {
    Flagsmith::new().feature(flags, name, context).unwrap().reason.to_string()
}

/// An environment document of one multivariate feature, one segment and one identity.
fn document() -> Json {
    let state = |value: &str| {
        json!({
            "feature": {"id": 1, "name": "model", "type": "MULTIVARIATE"}, "enabled": true,
            "django_id": 11, "feature_state_value": value, "feature_segment": null,
        })
    };
    let mut overriding = state("eu");
    overriding["feature_segment"] = json!({"priority": 3});
    let mut environment = state("v1");
    environment["multivariate_feature_state_values"] = json!([
        {"id": 9, "percentage_allocation": 25, "multivariate_feature_option":
            {"id": 1, "key": "two", "value": "v2"}},
        {"id": 5, "percentage_allocation": 25, "multivariate_feature_option":
            {"id": 2, "value": "v3"}},
    ]);
    json!({
        "id": 1, "api_key": "env", "name": "Production",
        "feature_states": [environment],
        "project": {"segments": [{
            "id": 7, "name": "europe", "feature_states": [overriding],
            "rules": [{"type": "ALL", "rules": [], "conditions":
                [{"operator": "EQUAL", "property_": "region", "value": "eu"}]}],
        }]},
        "identity_overrides": [{"identifier": "vip", "identity_features": [state("pinned")]}],
    })
}

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
fn nobody_in_particular_gets_the_environments_own_flags() {
    let mut document = document();
    let clock = SystemClock::new();
    let anonymous = Context::anonymous().with("region", "eu");
    let flags = compile(&document);
    let answer = flags.evaluate_at("model", &anonymous, &clock);
    assert_eq!(answer.value, Some(&Value::from("v1")));
    assert_eq!((answer.reason, answer.variant), (Reason::Static, None));
    assert!(answer.missing_key, "its variants are chosen by identity");
    // A segment about the environment counts for everybody.
    document["project"]["segments"][0]["rules"][0]["conditions"][0] =
        json!({"operator": "EQUAL", "property_": "$.environment.name", "value": "Production"});
    let flags = compile(&document);
    assert_eq!(served(&flags, "model", &anonymous), "eu");
    assert_eq!(Flagsmith::new().segments(&flags, &anonymous).len(), 1);
    let before = Flagsmith::new().with_generation(Generation::BeforeFlagDependencies);
    let flags = before.compile(&document.to_string()).unwrap();
    assert_eq!(served(&flags, "model", &anonymous), "v1");
    assert_eq!(reason(&flags, "model", &anonymous), "DEFAULT");
    // A segment that splits identities could not be asked.
    document["project"]["segments"][0]["rules"][0]["conditions"][0] =
        json!({"operator": "PERCENTAGE_SPLIT", "property_": "$.identity.key", "value": "100"});
    document["feature_states"][0]["multivariate_feature_state_values"] = json!([]);
    assert!(compile(&document).evaluate_at("model", &anonymous, &clock).missing_key);
}

#[test]
fn the_order_of_variants_is_the_documents_or_that_of_their_ids() {
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
fn the_rust_engine_s_conditions_compare_by_the_type_of_the_trait() {
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
    // To the Rust engine, through JSON a whole float keeps its point.
    for (property, point) in
        [("share", false), ("$.identity.traits.share", false), ("$.identity.traits['share']", true)]
    {
        let condition = condition(property, "CONTAINS", ".0");
        assert_eq!(holds_in_rust(&condition, &user), point, "{property}");
        assert!(!holds(&condition, &user), "{property}");
    }
    // Without a key of its own, an evaluation context has the environment's and the identifier; to
    // the Rust engine, an empty one.
    let user = Context::new("u");
    assert!(holds(&condition("$.identity.key", "EQUAL", "env_u"), &user));
    assert!(holds_in_rust(&condition("$.identity.key", "IS_SET", ""), &user));
    assert!(!holds_in_rust(&condition("$.identity.key", "CONTAINS", "u"), &user));
}

#[test]
fn the_strongest_override_wins_and_of_equals_the_first() {
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
fn rules_nest_and_empty_parts_hold() {
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

/// `flag` gets `yes` when this condition holds of another flag.
fn dependent(flag: &str, property: &str, value: &str) -> Json {
    segment(flag, flag, "yes", json!([condition(property, "EQUAL", value)]))
}

#[test]
fn a_feature_may_depend_on_what_another_answers() {
    let mut split = feature("split", "v1");
    split["variants"] = json!([{"key": "all", "value": 2.0, "weight": 100}]);
    let features = [
        feature("base", "no"),
        split,
        feature("a", "no"),
        feature("b", "no"),
        feature("c", "no"),
        feature("d", "no"),
        feature("e", "no"),
    ];
    let segments = [
        segment("s", "base", "yes", json!([condition("plan", "EQUAL", "pro")])),
        dependent("a", "$.flags.base.value", "yes"),
        dependent("b", "$.flags.a.reason", "TARGETING_MATCH; segment=segment a"),
        dependent("c", "$.flags.split.variant", "all"),
        dependent("d", "$.flags['split'].value", "2"),
        dependent("e", "$.flags.absent.enabled", "true"),
    ];
    let document = context_of(&features, &segments);
    let flags = compile(&document);
    let (pro, free) = (Context::new("u").with("plan", "pro"), Context::new("u"));
    for (name, for_pro, for_free) in [
        ("a", "yes", "no"),
        ("b", "yes", "no"),
        ("c", "yes", "yes"),
        ("d", "yes", "yes"),
        ("e", "no", "no"),
    ] {
        assert_eq!(served(&flags, name, &pro), for_pro, "{name}");
        assert_eq!(served(&flags, name, &free), for_free, "{name}");
    }
    let shadow = Context::new("u").with("$.flags.absent.enabled", true);
    assert_eq!(served(&flags, "e", &shadow), "yes");
    let before = Flagsmith::new().with_generation(Generation::BeforeFlagDependencies);
    let flags = before.compile(&document.to_string()).unwrap();
    assert_eq!(served(&flags, "a", &pro), "no");
    assert_eq!(reason(&flags, "split", &free), "SPLIT; weight=100");
}

#[test]
fn a_feature_that_depends_on_itself_says_so_and_keeps_its_ordinary_value() {
    let features: Vec<_> = ["a", "b", "c", "own"].map(|name| feature(name, "no")).into();
    let mut also = segment("also", "a", "also", json!([condition("plan", "EQUAL", "pro")]));
    also["overrides"][0]["priority"] = json!(-1);
    let segments = [
        dependent("a", "$.flags.b.value", "no"),
        dependent("b", "$.flags.a.value", "no"),
        dependent("c", "$.flags.a.value", "no"),
        dependent("own", "$.flags.own.enabled", "true"),
        also,
    ];
    let flags = compile(&context_of(&features, &segments));
    let (user, clock) = (Context::new("u"), ManualClock::default());
    for name in ["a", "b", "own"] {
        assert_eq!(reason(&flags, name, &user), "ERROR; code=CIRCULAR_DEPENDENCY", "{name}");
        assert_eq!(served(&flags, name, &user), "no");
        let answer = flags.evaluate_at(name, &user, &clock);
        assert_eq!((answer.reason, answer.error), (Reason::Error, Some(ErrorCode::General)));
    }
    // One outside of the circle that reads into it does not match, and is no part of it.
    assert_eq!(
        (served(&flags, "c", &user), reason(&flags, "c", &user)),
        ("no".into(), "DEFAULT".into())
    );
    let pro = Context::new("u").with("plan", "pro");
    assert_eq!(served(&flags, "a", &pro), "also");
    assert_eq!(reason(&flags, "a", &pro), "ERROR; code=CIRCULAR_DEPENDENCY");
    assert!(Flagsmith::new().segments(&flags, &user).is_empty());
}

#[test]
fn diamonds_and_long_chains_of_dependencies_take_no_time() {
    let count = 2_000;
    let name = |n: usize| format!("f{n}");
    let features: Vec<_> = (0..count).map(|n| feature(&name(n), "no")).collect();
    // Each reads the next two twice over: exponential, were each read evaluated anew.
    let reads = |n: usize| -> Json {
        (1..=3)
            .map(|ahead| condition(&format!("$.flags.f{}.value", n + ahead % 3), "EQUAL", "no"))
            .collect()
    };
    let diamonds: Vec<_> =
        (0..50).map(|n| segment(&name(n), &name(n), "no", reads(n + 1))).collect();
    let flags = compile(&context_of(&features, &diamonds));
    assert_eq!(reason(&flags, "f0", &Context::new("u")), "TARGETING_MATCH; segment=segment f0");
    let chain: Vec<_> = (0..count - 1)
        .map(|n| dependent(&name(n), &format!("$.flags.f{}.value", n + 1), "no"))
        .collect();
    let flags = compile(&context_of(&features, &chain));
    // It ends at the limit of 64, where a flag counts as unanswered.
    assert_eq!(served(&flags, "f0", &Context::new("u")), "no");
    assert_eq!(
        reason(&flags, &name(count - 2), &Context::new("u")),
        "TARGETING_MATCH; segment=segment f1998"
    );
    let circle: Vec<_> = (0..count)
        .map(|n| {
            let conditions: Json = (0..3)
                .map(|ahead| {
                    condition(&format!("$.flags.f{}.value", (n + 1 + ahead) % count), "EQUAL", "no")
                })
                .collect();
            segment(&name(n), &name(n), "yes", conditions)
        })
        .collect();
    let flags = compile(&context_of(&features, &circle));
    for n in 0..20 {
        assert_eq!(served(&flags, &name(n), &Context::new("u")), "no");
    }
}

#[test]
fn what_is_wrong_is_named_and_leaves_its_neighbours_alone() {
    let mut wrong = context_of(
        &[feature("good", "v"), feature("listed", json!([1])), feature("odd", 1)],
        &[
            segment("1", "good", "yes", json!([condition("a", "SOUNDS_LIKE", "b")])),
            segment("2", "good", "two", json!([condition("a", "IS_SET", "")])),
        ],
    );
    wrong["features"]["odd"]["enabled"] = json!("maybe");
    wrong["features"]["nameless"] = json!({"enabled": true});
    let flags = Flagsmith::new().compile(&wrong.to_string()).unwrap();
    let problems: Vec<_> = flags.problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "flag `listed` at /features/listed/value: found array, expected text, a boolean, a \
             number or null",
            "flag `odd` at /features/odd/enabled: found string \"maybe\", expected a boolean",
            "flag `nameless` at /features/nameless: found nothing, expected a field `name`",
            "flag `` at /segments/1/rules/0/conditions/0: found `SOUNDS_LIKE`, expected an operator \
             of Flagsmith",
        ]
    );
    let severities: Vec<_> = flags.problems().iter().map(|problem| problem.severity).collect();
    let (rejected, warning) = (ProblemSeverity::Rejected, ProblemSeverity::Warning);
    assert_eq!(severities, [rejected, rejected, rejected, warning]);
    assert_eq!(served(&flags, "good", &Context::new("u").with("a", 1)), "two");
    for text in [
        "",
        "[]",
        "{}",
        "5",
        r#"{"environment": {}}"#,
        r#"{"api_key": 1}"#,
        r#"{"environment": {"key": "e"}, "segments": 5}"#,
        r#"{"api_key": "e", "project": 5}"#,
    ] {
        assert!(Flagsmith::new().compile(text).is_err(), "{text}");
    }
    // What an API serves beyond or short of what is read does no harm.
    let flags = compile(&json!({"api_key": "e", "feature_states": null, "new": [1]}));
    assert!(flags.is_empty());
}

#[test]
fn a_bad_update_keeps_the_last_good_form_of_what_it_gets_wrong() {
    let good = document();
    let mut bad = document();
    bad["feature_states"][0]["feature"]["id"] = json!("one");
    bad["project"]["segments"][0]["rules"] = json!(5);
    bad["identity_overrides"][0]["identity_features"] = json!(5);
    bad["feature_states"].as_array_mut().unwrap().push(json!({
        "feature": {"id": 2, "name": "new"}, "enabled": true, "feature_state_value": 2,
    }));
    let source = TestFlags::silent();
    let flags = Flags::builder().source(source.clone()).build().unwrap();
    let publish = |document: &Json| {
        source.replace(Flagsmith::new().compile(&document.to_string()).unwrap());
    };
    let answers = || {
        let europe = Context::new("u").with("region", "eu");
        [&europe, &Context::new("vip"), &Context::new("u")]
            .map(|context| flags.string("model", context, "none"))
    };
    publish(&good);
    let before = answers();
    assert_eq!(&before[..2], ["eu", "pinned"]);
    for _ in 0..2 {
        publish(&bad);
        assert_eq!(answers(), before, "kept, however often the source repeats itself");
        assert_eq!(flags.integer("new", &Context::new("u"), 0), 2);
    }
    let mut gone = document();
    gone["project"]["segments"] = json!([]);
    gone["identity_overrides"] = json!([]);
    publish(&gone);
    assert_eq!(answers()[0], answers()[2], "removed is not wrong");
}

#[test]
fn an_update_of_one_thing_is_as_good_as_a_new_document() {
    let dialect = Flagsmith::new();
    let original = context_of(
        &[feature("f", "none"), feature("g", "none")],
        &[
            segment("1", "f", "one", json!([condition("a", "IS_SET", "")])),
            segment("2", "f", "two", json!([condition("a", "IS_SET", "")])),
        ],
    );
    let flags = compile(&original);
    let user = Context::new("u").with("a", 1);
    assert_eq!(served(&flags, "f", &user), "one");
    // The first now overrides another feature: both are put together anew.
    let moved = segment("1", "g", "one", json!([condition("a", "IS_SET", "")]));
    let changed = dialect.with_segment(&flags, &moved.to_string()).unwrap();
    assert_eq!(
        (served(&changed, "f", &user), served(&changed, "g", &user)),
        ("two".into(), "one".into())
    );
    assert_eq!(served(&flags, "g", &user), "none", "the old set is as it was");
    // And back, in its old place: of two equals it is the first again.
    let back = dialect.with_segment(&changed, &original["segments"]["1"].to_string()).unwrap();
    assert_eq!(
        (served(&back, "f", &user), served(&back, "g", &user)),
        ("one".into(), "none".into())
    );
    assert_eq!(reason(&back, "g", &user), "STATIC");
    // A new one comes last.
    let third = segment("0", "f", "zero", json!([condition("a", "IS_SET", "")]));
    let more = dialect.with_segment(&back, &third.to_string()).unwrap();
    let ids: Vec<_> = dialect.segments(&more, &user).iter().map(|found| found.name).collect();
    assert_eq!(ids, ["segment 1", "segment 2", "segment 0"]);
    let fewer = dialect.without_segment(&dialect.without_segment(&more, "1"), "2");
    assert_eq!(served(&fewer, "f", &user), "zero");
    // A feature that was not there finds the overrides that were waiting for it.
    let without = fewer.without("f");
    assert!(dialect.feature(&without, "f", &user).is_none());
    let again = dialect.with_feature(&without, &feature("f", "new").to_string()).unwrap();
    assert_eq!(served(&again, "f", &user), "zero");
    assert_eq!(served(&again, "f", &Context::new("u")), "new");
    let refused = dialect.with_segment(&again, r#"{"key": "1", "name": 5}"#).unwrap_err();
    assert_eq!((&*refused.path, &*refused.expected), ("/name", "a string"));
    assert!(dialect.with_feature(&FlagSet::new(), "{}").is_err());
}

#[test]
fn mending_a_segment_takes_its_problem_away() {
    let mut document = document();
    document["project"]["segments"][0]["name"] = json!(null);
    let dialect = Flagsmith::new();
    let flags = dialect.compile(&document.to_string()).unwrap();
    assert_eq!(flags.problems().len(), 1);
    document["project"]["segments"][0]["name"] = json!("europe");
    let mended = document["project"]["segments"][0].to_string();
    let flags = dialect.with_segment(&flags, &mended).unwrap();
    assert!(flags.problems().is_empty());
    assert_eq!(served(&flags, "model", &Context::new("u").with("region", "eu")), "eu");
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
fn value_switch_and_variant_bind_to_versions_and_off_routes_to_nobody() {
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
fn hostile_documents_take_bounded_time_and_memory() {
    let dialect = Flagsmith::new().with_max_memory(1 << 30);
    let user = Context::new("u").with("a", "b");
    let environment = r#""environment": {"key": "e"}"#;
    // Deep nesting is refused, without the rest.
    let mut deep = String::new();
    for _ in 0..10_000 {
        deep.push_str(r#"{"type": "ALL", "rules": ["#);
    }
    deep.push_str(&"]}".repeat(10_000));
    let text = format!(
        r#"{{{environment}, "features": {{"f": {{"name": "f", "enabled": true, "value": 1}}}},
            "segments": {{"1": {{"key": "1", "name": "s", "rules": [{deep}]}}}}}}"#
    );
    match dialect.compile(&text) {
        Ok(flags) => assert_eq!((flags.len(), flags.problems().len()), (1, 1)),
        Err(error) => assert!(error.to_string().contains("neither"), "{error}"),
    }
    // 100,000 rules, the last of which matches.
    let mut rules = String::from(r#"{"type": "ALL"}"#);
    for _ in 0..100_000 {
        rules.push_str(
            r#",{"type":"ANY","conditions":[{"operator":"EQUAL","property":"a","value":"b"}]}"#,
        );
    }
    let overriding = r#"[{"name": "f", "enabled": true, "value": 2}]"#;
    let text = format!(
        r#"{{{environment}, "features": {{"f": {{"name": "f", "enabled": true, "value": 1}}}},
            "segments": {{"1": {{"key": "1", "name": "s", "rules": [{rules}], "overrides": {overriding}}}}}}}"#
    );
    let flags = dialect.compile(&text).unwrap();
    assert_eq!(served(&flags, "f", &user), "2");
    // Text of a million characters, everywhere.
    let long = "x".repeat(1_000_000);
    let path = format!("$.{long}");
    let everywhere = |property: &str, operator: &str| {
        let document = context_of(
            &[feature("f", long.as_str())],
            &[segment("1", "f", "y", json!([condition(property, operator, long.as_str())]))],
        );
        let flags = dialect.compile(&document.to_string()).unwrap();
        served(&flags, "f", &Context::new(&long).with("a", &long))
    };
    for (operator, matches) in [
        ("EQUAL", true),
        ("NOT_EQUAL", false),
        ("CONTAINS", true),
        ("IN", true),
        ("REGEX", false),
        ("MODULO", false),
        ("PERCENTAGE_SPLIT", false),
    ] {
        assert_eq!(everywhere("a", operator) == "y", matches, "{operator}");
    }
    assert_ne!(everywhere(&path, "EQUAL"), "y");
    assert_eq!(everywhere("$.identity.identifier", "EQUAL"), "y");
    // Paths that would go on for ever.
    let mut filters = String::from("$");
    for _ in 0..30 {
        filters.push_str("[?$..*");
    }
    filters.push_str(&"]".repeat(30));
    for path in ["$..*..*..*..*..*..*.x", &filters, &"$..*".repeat(1000), "$[?$..[?$..[?$..x]]].y"]
    {
        assert!(!holds(&condition(path, "IS_SET", ""), &user), "{}", &path[..10]);
    }
    // Many overrides of one feature in one segment, and variants without end.
    let mut wide = segment("1", "f", "y", json!([condition("a", "IS_SET", "")]));
    wide["overrides"] = (0..20_000).map(|n| feature("f", n)).collect();
    let mut many = feature("f", "none");
    many["variants"] = (0..20_000).map(|_| json!({"value": 1, "weight": 1e-9})).collect();
    let flags = compile(&context_of(&[many], &[wide]));
    assert_eq!(served(&flags, "f", &user), "0");
    assert_eq!(served(&flags, "f", &Context::new("u")), "none");
}

#[test]
fn an_explanation_names_segment_condition_and_bucket() {
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

/// Who gets what, for ever: computed once with the Python client's formula.
#[test]
fn assignments_never_change() {
    let flags = compile(&document());
    let mut assigned = String::new();
    for user in 0..40 {
        let key = format!("user-{user}");
        let value = served(&flags, "model", &Context::new(&key));
        write!(assigned, "{}", &value[1..]).unwrap();
    }
    assert_eq!(assigned, ASSIGNED);
    let listed = Flagsmith::new().with_variant_order(VariantOrder::Document);
    for dialect in [listed.clone(), listed.with_engine(Engine::Rust)] {
        let flags = dialect.compile(&document().to_string()).unwrap();
        let mut assigned = String::new();
        for user in 0..40 {
            let key = format!("user-{user}");
            let value = served(&flags, "model", &Context::new(&key));
            write!(assigned, "{}", &value[1..]).unwrap();
        }
        assert_eq!(assigned, LISTED);
    }
}

/// By the ids of the variants.
const ASSIGNED: &str = "2131131131212121132321213121121212321312";

/// As the document lists the variants.
const LISTED: &str = "3121121121313131123231312131131313231213";

/// The assignments that a real server and a real client made, for 200 users, in the folder that
/// `MODELGATE_PAYLOADS` names.
#[test]
fn captured_assignments_hold() {
    let Some(folder) = std::env::var_os("MODELGATE_PAYLOADS").map(std::path::PathBuf::from) else {
        println!("MODELGATE_PAYLOADS is not set: no captured assignment was checked");
        return;
    };
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let flags = Flagsmith::new().compile(&read("flagsmith-environment-document.json")).unwrap();
    for name in ["flagsmith-python-sdk-assignments.json", "flagsmith-server-assignments.json"] {
        let captured: Json = serde_json::from_str(&read(name)).unwrap();
        let mut checked = 0;
        for (flag, users) in captured.as_object().unwrap() {
            for (user, expected) in users.as_object().into_iter().flatten() {
                let context = Context::new(user);
                let result = Flagsmith::new().feature(&flags, flag, &context).unwrap();
                match expected {
                    Json::Bool(enabled) => assert_eq!(result.enabled, *enabled, "{flag} {user}"),
                    value => assert_eq!(json!(result.value), *value, "{flag} {user}"),
                }
                checked += 1;
            }
        }
        assert!(checked >= 200, "{name}: {checked}");
    }
}
