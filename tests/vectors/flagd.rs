//! Frozen assignments: once given, a user's version never changes between releases.
//!
//! `vectors/flagd-assignments.json` was written by this test, with `MODELGATE_WRITE_VECTORS=1`, when
//! the code agreed with the vendor's own cases. To add flags or keys, write it anew and see that
//! the difference only adds.

use std::{env, fs, path::Path};

use modelgate::{
    FlagSet, OwnedContext,
    clock::ManualClock,
    flagd::{Flagd, Fractional},
    value::Value,
};
use serde_json::{Map, Value as Json, json};

const GENERATIONS: [(&str, Fractional); 3] =
    [("v1", Fractional::V1), ("v2", Fractional::V2), ("v3", Fractional::V3)];

/// The keys as services have them, each with an `account` of another type.
fn contexts() -> Vec<(String, Value)> {
    let keys = (0..200).map(|n| format!("user-{n}"));
    let numbers = (0..50).map(|n| (n * 7_919).to_string());
    let others = [
        "",
        "a",
        "ab",
        "abc",
        "abcd",
        "abcde",
        "5c3d8535-f81a-4478-a6d3-afaa4d51199e",
        "someone@example.com",
        "Ωmega",
        "日本語の利用者",
        "🙂",
        " ",
        "-1",
        "null",
    ];
    let long = [23, 24, 255, 256, 300].map(|length| "k".repeat(length));
    let keys = keys.chain(numbers).chain(others.map(str::to_owned)).chain(long);
    keys.enumerate()
        .map(|(index, key)| {
            let account = match index % 8 {
                0 => Value::from(index as i64),
                1 => Value::from(-(index as i64) * 1_000_003),
                2 => Value::from(index as f64 / 7.0),
                3 => Value::from(index as f64 * 1e18),
                4 => Value::from(index % 3 == 0),
                5 => Value::from(vec![Value::from(&*key), Value::Null, Value::from(0.5)]),
                6 => Value::from(
                    [("id", Value::from(&*key)), ("b", Value::from(1))]
                        .into_iter()
                        .collect::<modelgate::value::Map>(),
                ),
                _ => Value::from(&*key),
            };
            (key, account)
        })
        .collect()
}

fn assignments(flags: &FlagSet) -> Json {
    let clock = ManualClock::default();
    let mut keys: Vec<_> = flags.iter().map(|flag| flag.key()).collect();
    keys.sort_unstable();
    let assigned = keys.into_iter().map(|flag| {
        let users = contexts().into_iter().map(|(key, account)| {
            let context = OwnedContext::new(&*key).with("account", account);
            let answer = flags.evaluate_at(flag, &context, &clock).string("error");
            (key, json!(answer.value))
        });
        (flag.to_owned(), Json::Object(users.collect()))
    });
    Json::Object(assigned.collect())
}

#[test]
fn no_assignment_ever_changes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let definition = fs::read_to_string(folder.join("flagd-flags.json")).unwrap();
    let mut found = Map::new();
    for (name, generation) in GENERATIONS {
        let flags = Flagd::new().with_fractional(generation).compile(&definition).unwrap();
        assert_eq!((flags.len(), flags.problems().len()), (7, 0), "{:?}", flags.problems());
        found.insert(name.to_owned(), assignments(&flags));
    }
    let found = Json::Object(found);
    let file = folder.join("flagd-assignments.json");
    if env::var_os("MODELGATE_WRITE_VECTORS").is_some() {
        fs::write(&file, format!("{found:#}\n")).unwrap();
    }
    let frozen: Json = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let mut moved = Vec::new();
    let mut count = 0;
    for (generation, flags) in frozen.as_object().unwrap() {
        for (flag, users) in flags.as_object().unwrap() {
            for (user, version) in users.as_object().unwrap() {
                count += 1;
                if found[generation][flag][user] != *version {
                    moved.push(format!("{generation} {flag} {user:?}: was {version}"));
                }
            }
        }
    }
    assert!(moved.is_empty(), "{} assignments changed:\n{}", moved.len(), moved.join("\n"));
    assert_eq!(count, 3 * 7 * contexts().len(), "every flag, generation and key is frozen");
}
