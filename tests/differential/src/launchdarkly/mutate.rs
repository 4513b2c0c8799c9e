//! The vendor's own data with something changed in it.

use std::{fs, path::Path};

use serde_json::{Map, Value as Json, json};

use super::{case::Case, clause::OPERATORS, operand};
use crate::{pool, random::Random};

/// An environment of the suite and everybody who is asked about in it.
pub struct Original {
    pub name: String,
    environment: Json,
    contexts: Vec<Json>,
    flags: Vec<String>,
}

/// The suite's data under this folder of conformance data.
pub fn originals(conformance: &Path) -> Vec<Original> {
    let suite = conformance.join("launchdarkly");
    let read = |path: &Path| -> Json {
        let text = fs::read_to_string(path).expect("a file of conformance data");
        serde_json::from_str(&text).expect("conformance data is JSON")
    };
    let mut originals: Vec<Original> = Vec::new();
    let mut files: Vec<_> = fs::read_dir(suite.join("cases"))
        .expect("the suite has cases")
        .map(|entry| entry.expect("an entry of the folder").path())
        .collect();
    files.sort();
    for file in files {
        for case in read(&file)["cases"].as_array().into_iter().flatten() {
            let name = case["environment"].as_str().expect("a case names its environment");
            let place = originals.iter().position(|one| one.name == name).unwrap_or_else(|| {
                let environment = read(&suite.join("environments").join(name));
                let name = name.to_owned();
                let (contexts, flags) = (Vec::new(), Vec::new());
                originals.push(Original { name, environment, contexts, flags });
                originals.len() - 1
            });
            originals[place].contexts.push(case["context"].clone());
            originals[place].flags.push(case["flag"].as_str().unwrap_or_default().to_owned());
        }
    }
    originals
}

/// The case of this number: an original with one change, or a few.
pub fn case(originals: &[Original], number: usize) -> Case {
    let mut random =
        Random::new(0x6d75_7461_7465 ^ (number as u64).wrapping_mul(0x9e6c_63d0_876a_3f6b));
    let random = &mut random;
    let original = random.of(originals);
    let mut environment = original.environment.clone();
    let flag = random.of(&original.flags).clone();
    let context = random.of(&original.contexts).clone();
    for _ in 0..1 + random.below(3) {
        let segments = environment["segments"].as_object().is_some_and(|all| !all.is_empty());
        let changed = if segments && random.chance(0.4) {
            &mut environment["segments"]
        } else {
            &mut environment["flags"][&flag]
        };
        change(random, changed, 0);
    }
    Case {
        id: format!("{}-mutated-{number}", original.name.trim_end_matches(".json")),
        environment,
        context,
        flag,
        memberships: None,
    }
}

/// Changes one thing in here.
fn change(random: &mut Random, value: &mut Json, depth: usize) {
    let deeper = depth < 2 || random.chance(0.7);
    match value {
        Json::Array(elements) if !elements.is_empty() && deeper => {
            let place = random.below(elements.len());
            match random.below(8) {
                0 => drop(elements.remove(place)),
                1 => elements.push(elements[place].clone()),
                2 => random.shuffle(elements),
                _ => change(random, &mut elements[place], depth + 1),
            }
        }
        Json::Object(members) if !members.is_empty() && deeper => member(random, members, depth),
        other => *other = changed(random, other),
    }
}

fn member(random: &mut Random, members: &mut Map<String, Json>, depth: usize) {
    let names: Vec<String> = members.keys().cloned().collect();
    let name = random.of(&names).clone();
    match (name.as_str(), random.below(10)) {
        ("key", _) => {}
        ("op", _) => members[&name] = json!(random.of(&OPERATORS)),
        ("attribute", 0..=3) => {
            members[&name] = json!(random.of(&["kind", "key", "/key", "", "/a~", "name"]));
        }
        ("variation" | "offVariation", _) => {
            members[&name] = json!(random.below(5) as i64 - 1);
        }
        ("weight", _) => members[&name] = json!(random.below(120_000)),
        ("contextKind", 0..=2) => drop(members.remove(&name)),
        ("contextKind", _) => members[&name] = json!(random.of(&["user", "org", "other"])),
        ("clauses", 0..=1) => members.insert("negate".to_owned(), json!(true)).map_or((), drop),
        (_, 0) if depth > 0 => drop(members.remove(&name)),
        _ => change(random, members.get_mut(&name).expect("one of its names"), depth + 1),
    }
}

fn changed(random: &mut Random, value: &Json) -> Json {
    match value {
        _ if random.chance(0.02) => pool::anything(random),
        Json::Bool(value) => json!(!value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => json!(*random.of(&[
                number.saturating_add(1),
                number.saturating_sub(1),
                0,
                number.saturating_neg(),
            ])),
            None => json!(number.as_f64().unwrap_or_default() + 0.5),
        },
        Json::String(_) => match random.below(4) {
            0 => operand::moment(random),
            1 => json!(operand::version(random)),
            2 => json!(operand::pattern(random)),
            _ => pool::text(random),
        },
        Json::Null => json!(random.below(4)),
        other => other.clone(),
    }
}
