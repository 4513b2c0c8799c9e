//! Frozen assignments: once given, a user's version never changes between releases.
//!
//! `vectors/flagd-assignments.json` was written by this test, with `MODELGATE_WRITE_VECTORS=1`, when
//! the code agreed with the vendor's own cases. To add flags or keys, write it anew and see that
//! the difference only adds.

use modelgate::{
    clock::ManualClock,
    flagd::{Flagd, Fractional},
    value::Value,
};
use serde_json::{Map, Value as Json};

use crate::frozen;

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

#[test]
fn no_assignment_ever_changes() {
    let definition = frozen::read("flagd-flags.json");
    let (clock, users) = (ManualClock::default(), contexts());
    let mut found = Map::new();
    for (name, generation) in GENERATIONS {
        let flags = Flagd::new().with_fractional(generation).compile(&definition).unwrap();
        assert_eq!((flags.len(), flags.problems().len()), (7, 0), "{:?}", flags.problems());
        let assigned = frozen::assignments(&flags, &users, |flag, context| {
            flags.evaluate_at(flag, context, &clock).string("error").value.to_string()
        });
        found.insert(name.to_owned(), assigned);
    }
    frozen::hold(&Json::Object(found), "flagd-assignments.json", 3 * 7 * users.len());
}
