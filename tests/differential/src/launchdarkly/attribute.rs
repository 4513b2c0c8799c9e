//! Names of attributes: plain, as paths, and such that cannot be.

use serde_json::{Value as Json, json};

use super::context::Single;
use crate::random::Random;

const INVALID: &[&str] =
    &["", "/", "//", "/email/", "//email", "/profile//tier", "/a~", "/a~2b", "/a~~0"];

/// The path that a text spells, `None` for what spells none. A text is a reference where the data
/// names a kind (`aware`), and else the name itself.
pub fn path(text: &str, aware: bool) -> Option<Vec<String>> {
    if text.is_empty() || (aware && text == "/") {
        return None;
    }
    match text.strip_prefix('/') {
        Some(rest) if aware => rest.split('/').map(unescaped).collect(),
        _ => Some(vec![text.to_owned()]),
    }
}

fn unescaped(step: &str) -> Option<String> {
    if step.is_empty() {
        return None;
    }
    let mut parts = step.split('~');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (escaped, rest) = match part.strip_prefix('0') {
            Some(rest) => ('~', rest),
            None => ('/', part.strip_prefix('1')?),
        };
        name.push(escaped);
        name.push_str(rest);
    }
    Some(name)
}

/// What a path leads to; null for nothing.
pub fn lookup(single: &Single, path: &[String]) -> Json {
    let Some((first, rest)) = path.split_first() else { return Json::Null };
    let found = match first.as_str() {
        "kind" => json!(single.kind),
        "key" => json!(single.key),
        "_meta" => Json::Null,
        "anonymous" => single.attributes.get("anonymous").cloned().unwrap_or(json!(false)),
        name => single.attributes.get(name).cloned().unwrap_or_default(),
    };
    rest.iter().fold(found, |found, step| match found {
        Json::Object(mut members) => members.remove(step).unwrap_or_default(),
        _ => Json::Null,
    })
}

/// A text that names something, most likely something of this context.
pub fn text(random: &mut Random, single: Option<&Single>, aware: bool) -> String {
    const OTHERS: &[&str] =
        &["absent", "tags/0", "kind", "_meta", "/profile/absent", "profile/tier"];
    if random.chance(0.012) {
        return (*random.of(INVALID)).to_owned();
    }
    let mut steps = vec![match random.below(20) {
        0 => return (*random.of(OTHERS)).to_owned(),
        1 => return if aware && random.chance(0.3) { "/kind" } else { "kind" }.to_owned(),
        2 => "key".to_owned(),
        3 => "name".to_owned(),
        4 => "anonymous".to_owned(),
        _ => match single {
            Some(single) if !single.attributes.is_empty() => {
                let names: Vec<&String> = single.attributes.keys().collect();
                (*random.of(&names)).clone()
            }
            _ => "email".to_owned(),
        },
    }];
    if !aware {
        return steps.remove(0);
    }
    while let Some(Json::Object(members)) = single.map(|single| lookup(single, &steps))
        && !members.is_empty()
        && random.chance(0.6)
    {
        let names: Vec<&String> = members.keys().collect();
        steps.push((*random.of(&names)).clone());
    }
    if steps.len() == 1 && random.chance(0.7) && !steps[0].starts_with('/') {
        return steps.remove(0);
    }
    steps.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
}
