//! Toggles that depend on others.

use modelgate::{Context, clock::ManualClock, unleash::Unleash};
use serde_json::{Value as Json, json};

use crate::features::compile;

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
