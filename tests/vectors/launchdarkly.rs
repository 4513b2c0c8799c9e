//! Frozen assignments by LaunchDarkly flags: a user's variation never changes between releases.
//!
//! `vectors/launchdarkly-assignments.json` was written by this test, with
//! `MODELGATE_WRITE_VECTORS=1`, when the code agreed with the vendor's own cases and evaluator. To add
//! flags or keys, write it anew and see that the difference only adds.

use modelgate::{launchdarkly::LaunchDarkly, value::Value};

use crate::frozen;

/// The keys as services have them, each with an `account` of another type.
fn contexts() -> Vec<(String, Value)> {
    let keys = (0..150).map(|n| format!("user-{n}"));
    let numbers = (0..30).map(|n| (n * 7_919).to_string());
    let others = [
        "",
        "a",
        "5c3d8535-f81a-4478-a6d3-afaa4d51199e",
        "someone@example.com",
        "Ωmega",
        "日本語の利用者",
        "🙂",
        " ",
        "-1",
    ];
    // Around the ends of the hash's blocks.
    let long = (40..70).chain([118, 119, 120, 183, 300]).map(|length| "k".repeat(length));
    let keys = keys.chain(numbers).chain(others.map(str::to_owned)).chain(long);
    keys.enumerate()
        .map(|(index, key)| {
            let account = match index % 6 {
                0 => Value::from(index as i64),
                1 => Value::from(-(index as i64) * 1_000_003),
                2 => Value::from(index as f64),
                3 => Value::from(index as f64 / 7.0),
                4 => Value::from(9_007_199_254_740_990 + (index as i64) % 3),
                _ => Value::from(&*key),
            };
            (key, account)
        })
        .collect()
}

#[test]
fn no_assignment_ever_changes() {
    let launchdarkly = LaunchDarkly::new();
    let flags = launchdarkly.compile(&frozen::read("launchdarkly-flags.json")).unwrap();
    assert_eq!((flags.len(), flags.problems().len()), (5, 0), "{:?}", flags.problems());
    let users = contexts();
    let found = frozen::assignments(&flags, &users, |flag, context| {
        let detail = launchdarkly.detail(&flags, flag, context);
        let experiment = if detail.reason.in_experiment { "*" } else { "" };
        format!("{}{experiment}", detail.string("error").value)
    });
    frozen::hold(&found, "launchdarkly-assignments.json", 5 * users.len());
}
