//! Strategies: whom each switches a toggle on for.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use modelgate::{Context, clock::ManualClock, unleash::Unleash, value::Value};
use serde_json::{Value as Json, json};

use crate::features::{compile, on, toggle};

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
