//! The autopilot's draw against the vendors' splits: a user's place in one says nothing of the place
//! in the other, or a tenth of the vendor's tenth would be other users than a hundredth.

use modelgate::{
    Context, FlagSet, autopilot::draw, clock::ManualClock, flagd::Flagd, flagsmith::Flagsmith,
    launchdarkly::LaunchDarkly, unleash::Unleash,
};
use serde_json::{Value, json};

/// The flag and the autopilot have one name, as they do in a service.
const NAME: &str = "ml-model-version";
const PARTS: usize = 10;
const USERS: u32 = 50_000;

fn parts() -> impl Iterator<Item = String> {
    (0..PARTS).map(|part| format!("part-{part}"))
}

/// The part that a user is in.
fn part(flags: &FlagSet, vendor: &str, key: &str) -> usize {
    let (clock, context) = (ManualClock::default(), Context::new(key));
    if vendor == "unleash rollout" {
        // The first of the shares that has the user.
        let is_on = |part: &usize| {
            let answer = flags.evaluate_at(&format!("share-{part}"), &context, &clock);
            answer.value.and_then(|value| value.as_bool()) == Some(true)
        };
        return (0..PARTS).find(is_on).unwrap_or_else(|| panic!("{key} is in no share"));
    }
    let answer = flags.evaluate_at(NAME, &context, &clock);
    let name = answer.variant.or(answer.value.and_then(|value| value.as_str()));
    let name = name.unwrap_or_else(|| panic!("{vendor}: no part for {key}"));
    name.strip_prefix("part-").unwrap().parse().unwrap()
}

/// How far the counts of both draws are from those of independent ones: Pearson's statistic on the
/// table of each part of the vendor's by each tenth of ours.
fn statistic(flags: &FlagSet, vendor: &str) -> f64 {
    let mut table = [[0_u32; 10]; PARTS];
    for user in 0..USERS {
        let key = format!("user-{user}");
        table[part(flags, vendor, &key)][draw(NAME, &key) as usize / 10_000] += 1;
    }
    let rows = table.map(|row| f64::from(row.iter().sum::<u32>()));
    let columns: [f64; 10] =
        std::array::from_fn(|column| table.iter().map(|row| f64::from(row[column])).sum());
    let mut statistic = 0.0;
    for (row, of_row) in table.iter().zip(rows) {
        // Each part of the vendor's is a tenth itself, or this is a test of nothing.
        assert!((of_row / f64::from(USERS) - 0.1).abs() < 0.01, "{vendor}: {of_row}");
        for (count, of_column) in row.iter().zip(columns) {
            let expected = of_row * of_column / f64::from(USERS);
            statistic += (f64::from(*count) - expected).powi(2) / expected;
        }
    }
    statistic
}

fn compiled(vendor: &str) -> FlagSet {
    let text = |document: Value| document.to_string();
    match vendor {
        "flagd" => {
            let variants: Value = parts().map(|part| (part.clone(), json!(part))).collect();
            let split: Vec<Value> = parts().map(|part| json!([part, 10])).collect();
            let flag = json!({"state": "ENABLED", "variants": variants, "defaultVariant": "part-0",
                "targeting": {"fractional": split}});
            Flagd::new().compile(&text(json!({"flags": {NAME: flag}}))).unwrap()
        }
        "launchdarkly" => {
            let weights: Vec<Value> = (0..PARTS)
                .map(|variation| json!({"variation": variation, "weight": 10_000}))
                .collect();
            let flag = json!({"key": NAME, "version": 1, "on": true, "salt": "a-salt",
                "variations": parts().collect::<Vec<_>>(), "offVariation": 0, "targets": [],
                "rules": [], "prerequisites": [],
                "fallthrough": {"rollout": {"variations": weights}}});
            LaunchDarkly::new()
                .compile(&text(json!({"flags": {NAME: flag}, "segments": {}})))
                .unwrap()
        }
        "unleash" => {
            let variants: Vec<Value> =
                parts().map(|part| json!({"name": part, "weight": 100})).collect();
            let feature = json!({"name": NAME, "enabled": true, "variants": variants,
                "strategies": [{"name": "default"}]});
            Unleash::new().compile(&text(json!({"features": [feature]}))).unwrap()
        }
        // Gradual rollouts of ten shares over one group, whose users each larger one keeps.
        "unleash rollout" => {
            let features: Vec<Value> = (0..PARTS)
                .map(|part| {
                    let rollout = (10 * (part + 1)).to_string();
                    json!({"name": format!("share-{part}"), "enabled": true,
                        "strategies": [{"name": "flexibleRollout", "parameters":
                            {"rollout": rollout, "stickiness": "userId", "groupId": NAME}}]})
                })
                .collect();
            Unleash::new().compile(&text(json!({"features": features}))).unwrap()
        }
        _ => {
            let options: Vec<Value> = parts()
                .enumerate()
                .map(|(id, part)| {
                    json!({"id": id + 1, "percentage_allocation": 10.0,
                        "mv_fs_value_uuid": format!("00000000-0000-4000-8000-{id:012}"),
                        "multivariate_feature_option": {"id": id + 1, "value": part}})
                })
                .collect();
            let state = json!({"enabled": true, "feature_state_value": "part-0",
                "django_id": 7, "featurestate_uuid": "00000000-0000-4000-8000-00000000abcd",
                "feature": {"id": 1, "name": NAME, "type": "MULTIVARIATE"},
                "multivariate_feature_state_values": options, "feature_segment": null});
            Flagsmith::new()
                .compile(&text(json!({"id": 1, "api_key": "key", "name": "production",
                    "updated_at": "2026-01-01T00:00:00Z",
                    "project": {"id": 1, "name": "p", "hide_disabled_flags": false,
                        "organisation": {"id": 1, "name": "o", "feature_analytics": false,
                            "stop_serving_flags": false, "persist_trait_data": false},
                        "segments": []},
                    "feature_states": [state], "identity_overrides": []})))
                .unwrap()
        }
    }
}

#[test]
fn whom_the_autopilot_draws_is_independent_of_each_vendors_split() {
    // 81 degrees of freedom: five standard deviations of that distribution above its mean. The keys
    // are fixed, so the figures are as well.
    let bound = 81.0 + 5.0 * (2.0_f64 * 81.0).sqrt();
    for vendor in ["flagd", "launchdarkly", "unleash", "unleash rollout", "flagsmith"] {
        let statistic = statistic(&compiled(vendor), vendor);
        println!("{vendor}: {statistic:.1}");
        assert!(statistic < bound, "{vendor}: {statistic}, at most {bound}");
    }
}
