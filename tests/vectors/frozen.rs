//! Assignments as they are found, held against those that are frozen in a file.

use std::{env, fs, path::Path};

use modelgate::{FlagSet, OwnedContext, value::Value};
use serde_json::{Value as Json, json};

/// A text of this folder.
pub fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

/// What each flag answers each user, who has an `account`.
pub fn assignments(
    flags: &FlagSet,
    users: &[(String, Value)],
    answer: impl Fn(&str, &OwnedContext) -> String,
) -> Json {
    let mut keys: Vec<_> = flags.iter().map(|flag| flag.key()).collect();
    keys.sort_unstable();
    let assigned = keys.into_iter().map(|flag| {
        let answers = users.iter().map(|(key, account)| {
            let context = OwnedContext::new(&**key).with("account", account.clone());
            (key.clone(), json!(answer(flag, &context)))
        });
        (flag.to_owned(), Json::Object(answers.collect()))
    });
    Json::Object(assigned.collect())
}

/// Holds what is found against the frozen file, of so many answers.
#[track_caller]
pub fn hold(found: &Json, name: &str, answers: usize) {
    if env::var_os("MODELGATE_WRITE_VECTORS").is_some() {
        fs::write(folder().join(name), format!("{found:#}\n")).unwrap();
    }
    let frozen: Json = serde_json::from_str(&read(name)).unwrap();
    let mut moved = Vec::new();
    let count = compare("", &frozen, found, &mut moved);
    assert!(moved.is_empty(), "{} assignments changed:\n{}", moved.len(), moved.join("\n"));
    assert_eq!(count, answers, "every flag and key is frozen");
}

/// How many answers are frozen here; names those that are another now.
fn compare(at: &str, frozen: &Json, found: &Json, moved: &mut Vec<String>) -> usize {
    if let Some(inner) = frozen.as_object() {
        let each = inner.iter();
        return each
            .map(|(key, was)| compare(&format!("{at}{key:?} "), was, &found[key], moved))
            .sum();
    }
    if found != frozen {
        moved.push(format!("{at}was {frozen}"));
    }
    1
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}
