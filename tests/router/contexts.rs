//! What each dialect makes of one context: the table of the guide on dialects, row by row.

use std::time::Duration;

use modelgate::{
    Context, EvaluationContext, FlagSet,
    clock::{Clock, ManualClock},
    flagd::Flagd,
    flagsmith::Flagsmith,
    launchdarkly::LaunchDarkly,
    unleash::Unleash,
    value::{Map, Value},
};
use serde_json::{Value as Json, json};

/// 2026-01-05T08:00:00Z
const NOW: u64 = 1_767_600_000;

fn is_on(set: &FlagSet, context: &dyn EvaluationContext) -> bool {
    assert!(set.problems().is_empty(), "{:?}", set.problems());
    let clock = ManualClock::at_unix(Duration::from_secs(NOW));
    let clock: &dyn Clock = &clock;
    set.evaluate_at("f", context, clock).boolean(false).value
}

fn flagd(rule: Json) -> FlagSet {
    let flag = json!({"state": "ENABLED", "variants": {"on": true, "off": false},
        "defaultVariant": "off", "targeting": {"if": [rule, "on"]}});
    Flagd::new().compile(&json!({"flags": {"f": flag}}).to_string()).unwrap()
}

fn launchdarkly(kind: &str, attribute: &str, operator: &str, value: Json) -> FlagSet {
    let clause = json!({"contextKind": kind, "attribute": attribute, "op": operator,
        "values": [value]});
    let flag = json!({"key": "f", "on": true, "variations": [false, true], "salt": "",
        "fallthrough": {"variation": 0}, "rules": [{"variation": 1, "clauses": [clause]}]});
    LaunchDarkly::new().compile(&json!({"flags": {"f": flag}}).to_string()).unwrap()
}

fn unleash(field: &str, operator: &str, value: &str) -> FlagSet {
    let constraint = json!({"contextName": field, "operator": operator, "values": [value],
        "value": value});
    let feature = json!({"name": "f", "enabled": true,
        "strategies": [{"name": "default", "constraints": [constraint]}]});
    Unleash::new().compile(&json!({"version": 2, "features": [feature]}).to_string()).unwrap()
}

fn flagsmith(property: &str, operator: &str, value: &str) -> FlagSet {
    let conditions = json!([{"property": property, "operator": operator, "value": value}]);
    let override_ = json!({"key": "1", "name": "f", "enabled": true, "value": null});
    let document = json!({
        "environment": {"key": "e", "name": "Production"},
        "features": {"f": {"key": "1", "name": "f", "enabled": false, "value": null}},
        "segments": {"1": {"key": "1", "name": "s", "overrides": [override_],
            "rules": [{"type": "ALL", "conditions": conditions}]}},
    });
    Flagsmith::new().compile(&document.to_string()).unwrap()
}

#[test]
fn the_targeting_key_is_each_vendors_own() {
    let context = Context::new("user-42");
    assert!(is_on(&flagd(json!({"==": [{"var": "targetingKey"}, "user-42"]})), &context));
    assert!(is_on(&launchdarkly("user", "key", "in", json!("user-42")), &context));
    assert!(is_on(&launchdarkly("user", "kind", "in", json!("user")), &context));
    assert!(is_on(&unleash("userId", "IN", "user-42"), &context));
    assert!(is_on(&flagsmith("$.identity.identifier", "EQUAL", "user-42"), &context));
}

#[test]
fn without_a_targeting_key_there_is_no_user() {
    let context = Context::anonymous().with("region", "eu");
    assert!(is_on(&flagd(json!({"==": [{"var": "targetingKey"}, null]})), &context));
    let set = launchdarkly("user", "region", "in", json!("eu"));
    assert!(!is_on(&set, &context));
    let clock = ManualClock::at_unix(Duration::ZERO);
    let evaluation = set.evaluate_at("f", &context, &clock);
    assert_eq!(evaluation.error.map(|code| code.as_str()), Some("TARGETING_KEY_MISSING"));
    assert!(is_on(&unleash("userId", "NOT_IN", "x"), &context));
    assert!(!is_on(&flagsmith("$.identity.identifier", "IS_SET", ""), &context));
    assert!(is_on(&flagsmith("$.environment.name", "EQUAL", "Production"), &context));
}

#[test]
fn an_attribute_is_an_attribute_a_property_a_trait() {
    let context = Context::new("u").with("region", "eu");
    assert!(is_on(&flagd(json!({"==": [{"var": "region"}, "eu"]})), &context));
    assert!(is_on(&launchdarkly("user", "region", "in", json!("eu")), &context));
    assert!(is_on(&unleash("region", "IN", "eu"), &context));
    assert!(is_on(&flagsmith("region", "EQUAL", "eu"), &context));
}

#[test]
fn unleashs_own_fields_are_attributes_of_their_names() {
    for field in ["sessionId", "environment", "appName"] {
        assert!(is_on(&unleash(field, "IN", "x"), &Context::new("u").with(field, "x")), "{field}");
    }
    let context = Context::new("u").with("remoteAddress", "10.1.2.3");
    assert!(is_on(&unleash("remoteAddress", "IN_CIDR", "10.0.0.0/8"), &context));
}

#[test]
fn numbers_and_booleans_keep_their_type_where_the_vendor_has_types() {
    let context = Context::new("u").with("age", 41).with("share", 0.5).with("beta", true);
    assert!(is_on(&flagd(json!({"===": [{"var": "age"}, 41]})), &context));
    assert!(is_on(&flagd(json!({"===": [{"var": "beta"}, true]})), &context));
    assert!(is_on(&launchdarkly("user", "age", "in", json!(41.0)), &context));
    assert!(is_on(&launchdarkly("user", "beta", "in", json!(true)), &context));
    assert!(!is_on(&launchdarkly("user", "age", "in", json!("41")), &context));
    assert!(is_on(&unleash("age", "IN", "41"), &context));
    assert!(is_on(&unleash("share", "IN", "0.5"), &context));
    assert!(is_on(&unleash("beta", "IN", "true"), &context));
    assert!(is_on(&flagsmith("age", "GREATER_THAN", "40"), &context));
    assert!(is_on(&flagsmith("beta", "EQUAL", "true"), &context));
}

#[test]
fn null_is_missing_for_every_vendor() {
    let none = Value::Null;
    let context = Context::new("u").with("x", &none);
    assert!(is_on(&flagd(json!({"==": [{"var": "x"}, null]})), &context));
    assert!(!is_on(&launchdarkly("user", "x", "in", Json::Null), &context));
    assert!(!is_on(&unleash("x", "STR_CONTAINS", "x"), &context));
    assert!(!is_on(&flagsmith("x", "IS_SET", ""), &context));
}

#[test]
fn lists_and_objects_are_there_for_those_who_know_them() {
    let (list, object) = (vec!["a", "b"], Map::from_iter([("city", "Oslo")]));
    let context = Context::new("u").with("groups", &list).with("address", &object);
    assert!(is_on(&flagd(json!({"in": ["b", {"var": "groups"}]})), &context));
    assert!(is_on(&flagd(json!({"==": [{"var": "address.city"}, "Oslo"]})), &context));
    assert!(is_on(&launchdarkly("user", "groups", "in", json!("b")), &context));
    assert!(is_on(&launchdarkly("user", "/address/city", "in", json!("Oslo")), &context));
    assert!(is_on(&unleash("groups", "NOT_IN", "b"), &context));
    assert!(!is_on(&flagsmith("groups", "IS_SET", ""), &context));
}

#[test]
fn other_kinds_are_launchdarklys() {
    let organization = Context::new("acme").with("plan", "pro");
    let context = Context::new("u").with_kind("organization", &organization);
    assert!(is_on(&launchdarkly("organization", "plan", "in", json!("pro")), &context));
    assert!(is_on(&launchdarkly("organization", "key", "in", json!("acme")), &context));
    assert!(is_on(&launchdarkly("user", "kind", "in", json!("organization")), &context));
    let alone = Context::anonymous().with_kind("organization", &organization);
    assert!(is_on(&launchdarkly("organization", "plan", "in", json!("pro")), &alone));
    assert!(!is_on(&launchdarkly("user", "key", "startsWith", json!("")), &alone));
}

#[test]
fn the_clock_is_read_by_those_who_have_one() {
    let context = Context::new("u");
    assert!(is_on(&flagd(json!({"==": [{"var": "$flagd.timestamp"}, NOW]})), &context));
    assert!(is_on(&unleash("currentTime", "DATE_AFTER", "2026-01-05T07:59:59Z"), &context));
    assert!(!is_on(&unleash("currentTime", "DATE_AFTER", "2026-01-05T08:00:01Z"), &context));
    let later = Context::new("u").with("currentTime", "2027-01-01T00:00:00Z");
    assert!(is_on(&unleash("currentTime", "DATE_AFTER", "2026-01-05T08:00:01Z"), &later));
}
