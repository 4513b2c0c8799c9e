//! Unleash's toggles: strategies, constraints, variants, the context,
//! and how they are explained.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use modelgate::{
    Context, EvaluationContext, FlagSet, Reason, clock::ManualClock, flag::TraceStep,
    unleash::Unleash, value::Value,
};
use serde_json::{Value as Json, json};

fn compile(dialect: &Unleash, features: &Json) -> FlagSet {
    dialect.compile(&json!({"version": 2, "features": features}).to_string()).unwrap()
}

/// A toggle `t` with these strategies.
fn toggle(strategies: Json) -> FlagSet {
    compile(&Unleash::new(), &json!([{"name": "t", "enabled": true, "strategies": strategies}]))
}

/// A toggle `t` that is on where this constraint is met.
fn constrained(constraint: &Json) -> FlagSet {
    toggle(json!([{"name": "default", "constraints": [constraint]}]))
}

fn on(flags: &FlagSet, context: &dyn EvaluationContext) -> bool {
    let clock = ManualClock::at_unix(Duration::from_secs(1_700_000_000));
    Unleash::new().toggle(flags, "t", context, &clock).enabled
}

fn met(field: &str, operator: &str, value: &Json, context: &Context<'_>) -> bool {
    let constraint = match value {
        Json::Array(_) => json!({"contextName": field, "operator": operator, "values": value}),
        _ => json!({"contextName": field, "operator": operator, "value": value}),
    };
    let met = on(&constrained(&constraint), context);
    let mut inverted = constraint;
    inverted["inverted"] = json!(true);
    assert_eq!(on(&constrained(&inverted), context), !met, "{inverted}");
    met
}

#[test]
fn every_operator_compares_the_text_of_its_field() {
    let context = Context::new("user-7")
        .with("region", "Eu-West")
        .with("version", "1.10.0-rc.1")
        .with("age", 41)
        .with("score", 1.5)
        .with("huge", 1e21)
        .with("beta", true)
        .with("since", "2026-01-01 00:00:00Z")
        .with("remoteAddress", "10.1.2.3");
    let cases = [
        ("userId", "IN", json!(["user-7"]), true),
        ("region", "IN", json!(["eu-west"]), false),
        ("region", "NOT_IN", json!(["eu-west"]), true),
        ("region", "IN", json!([]), false),
        ("absent", "NOT_IN", json!(["x"]), true),
        ("age", "IN", json!(["41"]), true),
        ("score", "IN", json!(["1.5"]), true),
        ("huge", "IN", json!(["1e+21", "1e21"]), true),
        ("beta", "IN", json!(["true"]), true),
        ("region", "STR_STARTS_WITH", json!(["x", "Eu"]), true),
        ("region", "STR_ENDS_WITH", json!(["west"]), false),
        ("region", "STR_CONTAINS", json!(["-W"]), true),
        ("age", "NUM_EQ", json!("41.0"), true),
        ("age", "NUM_GT", json!("41"), false),
        ("age", "NUM_GTE", json!(" 41 "), true),
        ("age", "NUM_LT", json!("4.2e1"), true),
        ("age", "NUM_LTE", json!("40"), false),
        ("region", "NUM_LT", json!("40"), false),
        ("version", "SEMVER_EQ", json!("1.10.0-rc.1+build"), true),
        ("version", "SEMVER_GT", json!("1.9.0"), true),
        ("version", "SEMVER_GTE", json!("1.10.0"), false),
        ("version", "SEMVER_LT", json!("1.10.0"), true),
        ("version", "SEMVER_LTE", json!("1.2.0"), false),
        // By the look of the value, not by the name of the operator.
        ("version", "NUM_GT", json!("1.9.0"), true),
        ("age", "SEMVER_EQ", json!("41"), true),
        ("age", "DATE_AFTER", json!("5"), true),
        ("since", "DATE_BEFORE", json!("2026-01-01T01:00:00.500+01:00"), true),
        ("since", "DATE_AFTER", json!("2026-01-01T00:00:00Z"), false),
        ("currentTime", "DATE_AFTER", json!("2023-11-14T22:13:19Z"), true),
        ("currentTime", "DATE_AFTER", json!("2023-11-14T22:13:20Z"), false),
        ("region", "REGEX", json!("^Eu-.*t$"), true),
        ("region", "REGEX", json!("^eu"), false),
        ("region", "REGEX", json!("("), false),
        ("remoteAddress", "IN_CIDR", json!(["junk", "10.0.0.0/8"]), true),
        ("remoteAddress", "IN_CIDR", json!(["10.0.0.0/255.255.0.0"]), false),
        ("absent", "STR_CONTAINS", json!([""]), false),
    ];
    for (field, operator, value, expected) in cases {
        assert_eq!(met(field, operator, &value, &context), expected, "{field} {operator} {value}");
    }
}

#[test]
fn case_does_not_count_where_it_is_ignored() {
    for (operator, value, text) in [
        ("STR_STARTS_WITH", "ΟΔΌΣ", "οδός 7"),
        ("STR_ENDS_WITH", "οδός", "ΕΡΜΟΎ ΟΔΌΣ"),
        ("STR_CONTAINS", "STRASSE", "Hauptstrasse 1"),
        ("STR_CONTAINS", "É", "café"),
        ("REGEX", "^CAFÉ$", "café"),
    ] {
        let mut constraint = json!({"contextName": "x", "operator": operator, "value": value,
            "values": [value], "caseInsensitive": true});
        assert!(on(&constrained(&constraint), &Context::anonymous().with("x", text)), "{value}");
        constraint["caseInsensitive"] = json!(false);
        assert!(!on(&constrained(&constraint), &Context::anonymous().with("x", text)), "{value}");
    }
}

#[test]
fn a_version_that_starts_with_v_is_never_met_not_even_inverted() {
    for inverted in [false, true] {
        let constraint = json!({"contextName": "version", "operator": "SEMVER_EQ", "value": "v1.0.0",
            "inverted": inverted});
        assert!(!on(&constrained(&constraint), &Context::anonymous().with("version", "1.0.0")));
    }
}

#[test]
fn every_strategy_has_its_own_rule() {
    let host = Unleash::new().with_host_name("Web-1");
    let strategy = |name: &str, parameters: Json| {
        let strategies = json!([{"name": name, "parameters": parameters}]);
        compile(&host, &json!([{"name": "t", "enabled": true, "strategies": strategies}]))
    };
    let user = Context::new("user-6").with("sessionId", "s").with("remoteAddress", "::1");
    let nobody = Context::anonymous();
    let cases = [
        ("default", json!(null), true, true),
        ("userWithId", json!({"userIds": "a, user-6 ,b"}), true, false),
        ("userWithId", json!({}), false, false),
        ("remoteAddress", json!({"IPs": "10.0.0.1, ::/8"}), true, false),
        ("applicationHostname", json!({"hostNames": "x, wEB-1"}), true, true),
        ("applicationHostname", json!({}), false, false),
        ("flexibleRollout", json!({"rollout": 100, "stickiness": "sessionId"}), true, false),
        ("flexibleRollout", json!({"rollout": "100"}), true, true),
        ("flexibleRollout", json!({"rollout": "100", "stickiness": "random"}), true, true),
        ("flexibleRollout", json!({"rollout": "0"}), false, false),
        ("flexibleRollout", json!({"rollout": "1.5"}), false, false),
        ("gradualRolloutUserId", json!({"percentage": "100", "groupId": ""}), true, false),
        ("gradualRolloutUserId", json!({"percentage": "100"}), false, false),
        ("gradualRolloutSessionId", json!({"percentage": "100", "groupId": "g"}), true, false),
        ("gradualRolloutRandom", json!({"percentage": "100"}), true, true),
        ("gradualRolloutRandom", json!({"percentage": "1"}), false, false),
        ("nobody answers for this", json!({}), false, false),
    ];
    for (name, parameters, for_user, for_nobody) in cases {
        let flags = strategy(name, parameters.clone());
        assert!(flags.problems().is_empty(), "{:?}", flags.problems());
        assert_eq!(
            (on(&flags, &user), on(&flags, &nobody)),
            (for_user, for_nobody),
            "{name} {parameters}"
        );
    }
}

#[test]
fn assignments_never_change() {
    let flags = toggle(json!([{"name": "flexibleRollout",
        "parameters": {"rollout": "25", "stickiness": "userId", "groupId": "model"},
        "variants": [{"name": "v1", "weight": 500}, {"name": "v2", "weight": 500}]}]));
    let clock = ManualClock::default();
    let assigned: String = (0..60)
        .map(|user| {
            let user = format!("user-{user}");
            match flags.evaluate_at("t", &Context::new(&user), &clock).variant {
                Some("v1") => '1',
                Some("v2") => '2',
                _ => '.',
            }
        })
        .collect();
    assert_eq!(assigned, "1...22..1.1....1.....2.1..11..........12.2..1.1.2.......2..2");
}

#[test]
fn a_custom_strategy_is_the_callers_own_and_its_panic_is_a_no() {
    quiet();
    let strategies = json!([{"name": "byPlan", "parameters": {"plans": "pro,team"}}]);
    let features = json!([{"name": "t", "enabled": true, "strategies": strategies}]);
    let by_plan = Unleash::new().with_strategy("byPlan", |parameters, context| {
        let Some(plan) = context.attribute("plan") else { panic!("no plan") };
        let plans = parameters.get("plans").and_then(Value::as_str).unwrap_or_default();
        matches!(plan, modelgate::value::ValueRef::Text(plan) if plans.split(',').any(|p| p == plan))
    });
    let flags = compile(&by_plan, &features);
    assert!(on(&flags, &Context::anonymous().with("plan", "pro")));
    assert!(!on(&flags, &Context::anonymous().with("plan", "free")));
    assert!(!on(&flags, &Context::anonymous()), "it panicked");
    assert!(!on(&compile(&Unleash::new(), &features), &Context::anonymous().with("plan", "pro")));
}

/// Keeps expected panics out of the test's output.
fn quiet() {
    std::panic::set_hook(Box::new(|_| {}));
}

#[test]
fn chance_comes_from_the_callers_generator() {
    let next = Arc::new(AtomicU64::new(0));
    let shared = Arc::clone(&next);
    let dialect = Unleash::new().with_random(move || shared.load(Ordering::Relaxed));
    let variants = json!([{"name": "a", "weight": 1}, {"name": "b", "weight": 3}]);
    let flags = compile(
        &dialect,
        &json!([
            {"name": "t", "enabled": true, "variants": variants},
            {"name": "half", "enabled": true,
                "strategies": [{"name": "gradualRolloutRandom", "parameters": {"percentage": "50"}}]}
        ]),
    );
    let (clock, nobody) = (ManualClock::default(), Context::anonymous());
    for (bits, variant, half) in
        [(0, "a", true), (u64::MAX / 4 + 1, "b", true), (u64::MAX, "b", false)]
    {
        next.store(bits, Ordering::Relaxed);
        let answer = flags.evaluate_at("t", &nobody, &clock);
        assert_eq!((answer.variant, answer.missing_key), (Some(variant), true));
        assert_eq!(flags.evaluate_at("half", &nobody, &clock).on, Some(half));
    }
    let user = Context::new("user-1");
    let first = flags.evaluate_at("t", &user, &clock).variant;
    next.store(0, Ordering::Relaxed);
    assert_eq!(
        flags.evaluate_at("t", &user, &clock).variant,
        first,
        "a user does not depend on it"
    );
}

#[test]
fn variants_are_split_overridden_and_carry_typed_payloads() {
    let payload = |kind: &str, value: &str| json!({"type": kind, "value": value});
    let flags = compile(
        &Unleash::new(),
        &json!([
            {"name": "t", "enabled": true, "variants": [
                {"name": "text", "weight": 0, "payload": payload("string", "v2"),
                    "overrides": [{"contextName": "plan", "values": ["text"]}]},
                {"name": "number", "weight": 0, "payload": payload("number", "7"),
                    "overrides": [{"contextName": "plan", "values": ["number"]}]},
                {"name": "json", "weight": 0, "payload": payload("json", "{\"version\": \"v2\"}"),
                    "overrides": [{"contextName": "userId", "values": ["u-json"]}]},
                {"name": "broken", "weight": 1, "payload": payload("json", "{")},
            ]},
            {"name": "nothing", "enabled": true, "variants": [{"name": "a", "weight": 0}]},
        ]),
    );
    let clock = ManualClock::default();
    let ask = |name: &str, context: &Context<'_>| {
        let answer = flags.evaluate_at(name, context, &clock);
        let variant = answer.variant.unwrap_or("none").to_owned();
        (variant, answer.value.cloned().unwrap_or_default(), answer.reason)
    };
    let plan = |plan: &'static str| Context::new("u").with("plan", plan);
    let (variant, value, reason) = ask("t", &plan("text"));
    assert_eq!((&*variant, value, reason), ("text", "v2".into(), Reason::TargetingMatch));
    assert_eq!(ask("t", &plan("number")).1, Value::Int(7));
    assert_eq!(ask("t", &Context::new("u-json")).1.get("version"), Some(&Value::from("v2")));
    let (variant, value, reason) = ask("t", &plan("other"));
    assert_eq!((&*variant, value, reason), ("broken", "{".into(), Reason::Split));
    let (variant, value, _) = ask("nothing", &plan("other"));
    assert_eq!((&*variant, value), ("none", Value::Bool(true)), "weights that sum to nothing");
    let user = Context::new("u");
    let toggle = Unleash::new().toggle(&flags, "nothing", &user, &clock);
    let disabled = json!({"name": "disabled", "enabled": false, "feature_enabled": true});
    assert_eq!(serde_json::to_value(toggle.variant).unwrap(), disabled);
}

#[test]
fn the_context_is_mapped_field_by_field() {
    let dialect = Unleash::new().with_app_name("app").with_environment("prod");
    let is = |field: &str, text: &str, context: &Context<'_>| {
        let constraint = json!({"contextName": field, "operator": "IN", "values": [text]});
        let strategies = json!([{"name": "default", "constraints": [constraint]}]);
        let features = json!([{"name": "t", "enabled": true, "strategies": strategies}]);
        on(&compile(&dialect, &features), context)
    };
    let empty = modelgate::value::Map::new();
    let listed = ["a"];
    let context = Context::new("user-1")
        .with("sessionId", 7)
        .with("remoteAddress", "::1")
        .with("currentTime", "2026-01-01T00:00:00Z")
        .with("properties", &empty)
        .with("list", &listed)
        .with("odd", f64::NAN);
    for (field, text) in [
        ("userId", "user-1"),
        ("sessionId", "7"),
        ("remoteAddress", "::1"),
        ("appName", "app"),
        ("environment", "prod"),
        ("currentTime", "2026-01-01T00:00:00Z"),
    ] {
        assert!(is(field, text, &context), "{field}");
    }
    for absent in ["properties", "list", "odd"] {
        let constraint = json!({"contextName": absent, "operator": "REGEX", "value": ""});
        assert!(!on(&constrained(&constraint), &context), "{absent}");
    }
    let own = Context::anonymous().with("appName", "own").with("userId", "by attribute");
    assert!(is("appName", "own", &own) && is("userId", "by attribute", &own));
    assert!(is("currentTime", "2023-11-14T22:13:20Z", &own), "the clock's");
}

#[test]
fn a_split_without_a_targeting_key_says_so() {
    let rollout = |stickiness: &str| {
        toggle(json!([{"name": "flexibleRollout",
            "parameters": {"rollout": "50", "stickiness": stickiness, "groupId": "g"}}]))
    };
    let clock = ManualClock::default();
    let missing = |flags: &FlagSet, context: &Context<'_>| {
        flags.evaluate_at("t", context, &clock).missing_key
    };
    for (stickiness, nobody, session) in [
        ("default", true, false),
        ("userId", true, true),
        ("random", false, false),
        ("region", false, false),
    ] {
        let flags = rollout(stickiness);
        assert_eq!(missing(&flags, &Context::anonymous()), nobody, "{stickiness}");
        let context = Context::anonymous().with("sessionId", "s");
        assert_eq!(missing(&flags, &context), session, "{stickiness}");
        assert!(!missing(&flags, &Context::new("u")), "{stickiness}");
    }
    assert!(missing(&rollout("default"), &Context::new("")));
    let certain = toggle(json!([
        {"name": "flexibleRollout", "parameters": {"rollout": "50", "stickiness": "userId"}},
        {"name": "default"}
    ]));
    assert!(!missing(&certain, &Context::anonymous()), "everybody gets it");
}

#[test]
fn toggles_depend_on_their_parents() {
    let flags = compile(
        &Unleash::new(),
        &json!([
            {"name": "on", "enabled": true, "variants": [{"name": "a", "weight": 1}]},
            {"name": "off", "enabled": false, "variants": [{"name": "a", "weight": 1}]},
            {"name": "one", "enabled": true, "dependencies": [{"feature": "on"}]},
            {"name": "two", "enabled": true, "dependencies": [{"feature": "one"}]},
            {"name": "variant", "enabled": true,
                "dependencies": [{"feature": "on", "variants": ["b", "a"]}]},
            {"name": "other variant", "enabled": true,
                "dependencies": [{"feature": "on", "variants": ["b"]}]},
            {"name": "inverted", "enabled": true,
                "dependencies": [{"feature": "off", "enabled": false, "variants": ["a"]}]},
            {"name": "both", "enabled": true,
                "dependencies": [{"feature": "on"}, {"feature": "off"}]},
            {"name": "lost", "enabled": true, "dependencies": [{"feature": "gone"}]},
            {"name": "itself", "enabled": true, "dependencies": [{"feature": "itself"}]},
        ]),
    );
    let (clock, nobody) = (ManualClock::default(), Context::anonymous());
    for (name, expected) in [
        ("one", true),
        ("two", false),
        ("variant", true),
        ("other variant", false),
        ("inverted", true),
        ("both", false),
        ("lost", false),
        ("itself", false),
    ] {
        assert_eq!(flags.evaluate_at(name, &nobody, &clock).on, Some(expected), "{name}");
    }
}

#[test]
fn a_parent_without_a_group_is_split_by_its_childs_name() {
    let rollout = |group: Json| {
        json!([{"name": "flexibleRollout", "parameters":
        {"rollout": "50", "stickiness": "userId", "groupId": group}}])
    };
    let flags = compile(
        &Unleash::new(),
        &json!([
            {"name": "parent", "enabled": true, "strategies": rollout(json!(null))},
            {"name": "child", "enabled": true, "dependencies": [{"feature": "parent"}]},
            {"name": "as the child", "enabled": true, "strategies": rollout(json!("child"))},
        ]),
    );
    let clock = ManualClock::default();
    let mut apart = 0;
    for user in 0..100 {
        let user = format!("user-{user}");
        let context = Context::new(&user);
        let on = |name: &str| flags.evaluate_at(name, &context, &clock).on;
        assert_eq!(on("child"), on("as the child"), "{user}");
        apart += usize::from(on("child") != on("parent"));
    }
    assert!(apart > 20, "{apart}");
}

#[test]
fn an_explanation_shows_constraint_attribute_and_bucket() {
    let flags = toggle(json!([{"name": "flexibleRollout",
        "parameters": {"rollout": "25", "stickiness": "userId", "groupId": "model"},
        "constraints": [{"contextName": "region", "operator": "IN", "values": ["eu"]}]}]));
    let (clock, context) = (ManualClock::default(), Context::new("user-6").with("region", "eu"));
    let (evaluation, trace) = flags.explain_at("t", &context, &clock);
    let [read, met, key, bucket, strategy] = &*trace.steps else { panic!("{trace:?}") };
    let operator = |path: &str, operator: &str, result: bool| TraceStep::Operator {
        path: path.to_owned(),
        operator: operator.to_owned(),
        result: Value::Bool(result),
    };
    assert_eq!(*read, TraceStep::Read { attribute: "region".into(), value: "eu".into() });
    assert_eq!(*met, operator("/strategies/0/constraints/0", "IN", true));
    assert_eq!(*key, TraceStep::Read { attribute: "userId".into(), value: "user-6".into() });
    let TraceStep::Bucket { path, bucket, from, to, total } = bucket else { panic!("{bucket:?}") };
    assert_eq!((&**path, *total), ("/strategies/0", 100.0));
    assert!(from <= bucket && bucket < to, "{bucket}");
    assert_eq!(*strategy, operator("/strategies/0", "flexibleRollout", evaluation.on.unwrap()));
}
