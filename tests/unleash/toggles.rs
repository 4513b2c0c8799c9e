//! Variants, the context, and how toggles are explained.

use modelgate::{
    Context, FlagSet, Reason, clock::ManualClock, flag::TraceStep, unleash::Unleash, value::Value,
};
use serde_json::json;

use crate::features::{compile, constrained, on, toggle};

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
