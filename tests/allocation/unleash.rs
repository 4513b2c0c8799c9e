//! Evaluating an Unleash toggle allocates nothing.

use crate::counting;

use std::hint::black_box;

use counting::allocations;
use modelgate::{Context, clock::ManualClock, unleash::Unleash};
use serde_json::{Value as Json, json};

#[test]
fn no_operator_strategy_or_variant_allocates() {
    let constraint = |operator: &str, value: Json| {
        let key = if value.is_array() { "values" } else { "value" };
        json!({"name": "default", "constraints": [
            {"contextName": "text", "operator": operator, key: value, "caseInsensitive": true},
            {"contextName": "number", "operator": operator, key: value, "inverted": true},
        ]})
    };
    let many: Vec<_> = (0..100).map(|n| format!("value-{n}")).collect();
    let strategies = [
        constraint("IN", json!(["a", "b"])),
        constraint("NOT_IN", json!(many)),
        constraint("STR_STARTS_WITH", json!(["ΟΔΌΣ"])),
        constraint("STR_ENDS_WITH", json!(["ΟΔΌΣ 7"])),
        constraint("STR_CONTAINS", json!(["Σ 7", "zz"])),
        constraint("NUM_GT", json!("1e3")),
        constraint("SEMVER_LT", json!("1.2.3-a-long-identifier.10")),
        constraint("DATE_AFTER", json!("2026-01-01T00:00:00.000Z")),
        constraint("REGEX", json!("^[a-z]+[0-9]{2,}$")),
        constraint("IN_CIDR", json!(["10.0.0.0/8", "::1"])),
        json!({"name": "default", "constraints": [{"contextName": "currentTime",
            "operator": "DATE_BEFORE", "value": "2026-01-01T00:00:00Z"}]}),
        json!({"name": "userWithId", "parameters": {"userIds": "a,b"}}),
        json!({"name": "remoteAddress", "parameters": {"IPs": "10.0.0.0/8"}}),
        json!({"name": "gradualRolloutRandom", "parameters": {"percentage": "1"}}),
        json!({"name": "flexibleRollout", "parameters": {"rollout": "50", "stickiness": "number"}}),
        json!({"name": "flexibleRollout", "parameters": {"rollout": "50"}}),
        json!({"name": "flexibleRollout", "parameters": {"rollout": "99", "stickiness": "random"}}),
        json!({"name": "byHand", "parameters": {"a": "b"}}),
        json!({"name": "default", "segments": [1]}),
    ];
    let variants = json!([
        {"name": "a", "weight": 500, "overrides": [{"contextName": "number", "values": ["7"]}]},
        {"name": "b", "weight": 500, "payload": {"type": "json", "value": "[1]"}},
    ]);
    let features = strategies.iter().enumerate().map(|(index, strategy)| {
        json!({"name": format!("t{index}"), "enabled": true, "strategies": [strategy],
            "variants": variants, "dependencies": [{"feature": "parent", "variants": ["a", "b"]}]})
    });
    let parent = json!({"name": "parent", "enabled": true, "variants": variants});
    let document = json!({
        "features": features.chain([parent]).collect::<Vec<_>>(),
        "segments": [{"id": 1, "constraints": [
            {"contextName": "text", "operator": "IN", "values": ["a"]}]}],
    });
    let dialect = Unleash::new().with_strategy("byHand", |_, _| true);
    let flags = dialect.compile(&document.to_string()).unwrap();
    assert_eq!(flags.problems(), []);
    let clock = ManualClock::default();
    let texts =
        ["a", "Οδός 7", "value-99", "1.2.3-rc.1", "2026-02-01T00:00:00Z", "abc12", "10.1.1.1"];
    for (index, strategy) in strategies.iter().enumerate() {
        let name = format!("t{index}");
        for text in texts {
            let user = Context::new("user-1").with("text", text).with("number", 1.25e300);
            let nobody = Context::anonymous().with("text", text).with("number", i64::MIN);
            for context in [&user, &nobody] {
                let allocated = allocations(|| {
                    black_box(dialect.toggle(&flags, &name, context, &clock));
                    black_box(flags.evaluate_at(&name, context, &clock));
                });
                assert_eq!(allocated, 0, "{strategy} of {text}");
            }
        }
    }
}
