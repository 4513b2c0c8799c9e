//! Frozen assignments by LaunchDarkly flags: a user's variation never changes between releases.
//!
//! `vectors/launchdarkly-assignments.json` was written by this test, with
//! `MODELGATE_WRITE_VECTORS=1`, when the code agreed with the vendor's own cases and evaluator. To add
//! flags or keys, write it anew and see that the difference only adds.

use std::{env, fs, path::Path};

use modelgate::{FlagSet, OwnedContext, launchdarkly::LaunchDarkly, value::Value};
use serde_json::{Value as Json, json};

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

fn assignments(flags: &FlagSet) -> Json {
    let launchdarkly = LaunchDarkly::new();
    let mut keys: Vec<_> = flags.iter().map(|flag| flag.key()).collect();
    keys.sort_unstable();
    let assigned = keys.into_iter().map(|flag| {
        let users = contexts().into_iter().map(|(key, account)| {
            let context = OwnedContext::new(&*key).with("account", account);
            let detail = launchdarkly.detail(flags, flag, &context);
            let experiment = if detail.reason.in_experiment { "*" } else { "" };
            (key, json!(format!("{}{experiment}", detail.string("error").value)))
        });
        (flag.to_owned(), Json::Object(users.collect()))
    });
    Json::Object(assigned.collect())
}

#[test]
fn no_assignment_ever_changes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let document = fs::read_to_string(folder.join("launchdarkly-flags.json")).unwrap();
    let flags = LaunchDarkly::new().compile(&document).unwrap();
    assert_eq!((flags.len(), flags.problems().len()), (5, 0), "{:?}", flags.problems());
    let found = assignments(&flags);
    let file = folder.join("launchdarkly-assignments.json");
    if env::var_os("MODELGATE_WRITE_VECTORS").is_some() {
        fs::write(&file, format!("{found:#}\n")).unwrap();
    }
    let frozen: Json = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let mut moved = Vec::new();
    let mut count = 0;
    for (flag, users) in frozen.as_object().unwrap() {
        for (user, variation) in users.as_object().unwrap() {
            count += 1;
            if found[flag][user] != *variation {
                moved.push(format!("{flag} {user:?}: was {variation}"));
            }
        }
    }
    assert!(moved.is_empty(), "{} assignments changed:\n{}", moved.len(), moved.join("\n"));
    assert_eq!(count, 5 * contexts().len(), "every flag and key is frozen");
}
