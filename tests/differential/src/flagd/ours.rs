//! What modelgate answers: from a set compiled at once, and from one built flag by flag.

use modelgate::{FlagSet, OwnedContext, clock::SystemClock, flagd::Flagd, value::Value};
use serde_json::{Map, Value as Json, json};

use super::case::{Answer, Case, Expected};
use crate::random::Random;

/// The answer from the definition compiled as a whole.
pub fn at_once(case: &Case) -> Answer {
    let flagd = Flagd::new().with_fractional(case.fractional);
    match flagd.compile(&case.environment.to_string()) {
        Ok(set) => ask(&set, case),
        Err(error) => panic!("{error}: {}", case.environment),
    }
}

/// The answer from a set that grew flag by flag, in any order and with older forms in between.
pub fn flag_by_flag(case: &Case, random: &mut Random) -> Answer {
    let flagd = Flagd::new().with_fractional(case.fractional);
    let none = Map::new();
    let evaluators = case.environment["$evaluators"].as_object().unwrap_or(&none);
    let flags = case.environment["flags"].as_object().unwrap_or(&none);
    let older = r#"{"state": "ENABLED", "variants": {"old": "old"}, "defaultVariant": "old"}"#;
    let mut updates: Vec<(&str, Option<&Json>)> = Vec::new();
    for (key, definition) in flags {
        updates.push((key, Some(definition)));
        if random.chance(0.5) {
            updates.push((key, None));
        }
    }
    random.shuffle(&mut updates);
    let mut set = FlagSet::new();
    let mut last: Vec<&str> = Vec::new();
    for (key, definition) in updates {
        let text = match definition {
            Some(definition) => {
                last.push(key);
                let mut definition = definition.clone();
                if let Some(targeting) = definition.get_mut("targeting") {
                    expand(targeting, evaluators, &mut Vec::new());
                }
                definition.to_string()
            }
            None if last.contains(&key) => continue,
            None => older.to_owned(),
        };
        set = match flagd.compile_flag(key, &text) {
            Ok(flag) => set.with(flag),
            Err(_) => set.without(key),
        };
    }
    ask(&set, case)
}

fn ask(set: &FlagSet, case: &Case) -> Answer {
    let mut context = OwnedContext::anonymous();
    if let Some(Json::String(key)) = case.context.get("targetingKey") {
        context = OwnedContext::new(key.as_str());
    }
    for (name, value) in &case.context {
        if name != "targetingKey" || !value.is_string() {
            context = context.with(name.as_str(), value_of(value));
        }
    }
    let clock = SystemClock::new();
    let evaluation = set.evaluate_at(&case.flag, &context, &clock).of_type(case.expected.ours());
    let read = |value: &Value| match case.expected {
        Expected::Integer => json!(evaluation.integer(0).value),
        _ => serde_json::to_value(value).unwrap(),
    };
    Answer {
        value: evaluation.value.map(read),
        variant: evaluation.variant.map(str::to_owned),
        reason: evaluation.reason.as_str().to_owned(),
        error_code: evaluation.error.map(|code| code.as_str().to_owned()),
    }
}

fn value_of(json: &Json) -> Value {
    serde_json::from_value(json.clone()).expect("every JSON value is a value")
}

/// Puts shared evaluators in the place of their names, as a server of single flags has to.
fn expand(rule: &mut Json, evaluators: &Map<String, Json>, above: &mut Vec<String>) {
    match rule {
        Json::Object(members) => {
            let name = members.get("$ref").and_then(Json::as_str).map(str::to_owned);
            if let Some(name) = name.filter(|_| members.len() == 1) {
                if let Some(evaluator) = evaluators.get(&name).filter(|_| !above.contains(&name)) {
                    let mut evaluator = evaluator.clone();
                    above.push(name);
                    expand(&mut evaluator, evaluators, above);
                    above.pop();
                    *rule = evaluator;
                }
                return;
            }
            members.values_mut().for_each(|member| expand(member, evaluators, above));
        }
        Json::Array(elements) => {
            elements.iter_mut().for_each(|element| expand(element, evaluators, above));
        }
        _ => {}
    }
}
