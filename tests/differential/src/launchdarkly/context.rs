//! Who asks: in the older form of a user, of one kind, or of several.

use serde_json::{Map, Value as Json, json};

use crate::{
    pool::{self, Type},
    random::Random,
};

pub const KINDS: &[&str] = &["user", "org", "device", "Kind-2_x.y"];

/// What the older form of a user has beside its `custom` attributes.
const TOP_LEVEL: &[&str] = &["avatar", "firstName", "lastName", "country", "email", "ip"];

/// What an attribute of the older form cannot be called.
const RESERVED: &[&str] = &["kind", "key", "name", "anonymous", "_meta"];

/// The context of one kind.
#[derive(Clone, Debug)]
pub struct Single {
    pub kind: String,
    pub key: String,
    /// Everything else, `name` and `anonymous` among it.
    pub attributes: Map<String, Json>,
}

/// The kinds of a context in LaunchDarkly's JSON, each by itself.
pub fn singles(context: &Json) -> Vec<Single> {
    let members = context.as_object().expect("a context is an object");
    match members.get("kind").and_then(Json::as_str) {
        None => vec![older(members)],
        Some("multi") => members
            .iter()
            .filter(|(kind, _)| *kind != "kind")
            .map(|(kind, members)| single(kind, members.as_object().expect("a kind is an object")))
            .collect(),
        Some(kind) => vec![single(kind, members)],
    }
}

fn single(kind: &str, members: &Map<String, Json>) -> Single {
    let mut attributes = members.clone();
    attributes.remove("kind");
    let key = attributes.remove("key").unwrap_or_default();
    let key = key.as_str().expect("a context has a key").to_owned();
    Single { kind: kind.to_owned(), key, attributes }
}

fn older(members: &Map<String, Json>) -> Single {
    let mut attributes = Map::new();
    for name in TOP_LEVEL.iter().chain(&["name", "anonymous"]) {
        if let Some(value) = members.get(*name) {
            attributes.insert((*name).to_owned(), value.clone());
        }
    }
    for (name, value) in members.get("custom").and_then(Json::as_object).into_iter().flatten() {
        if !RESERVED.contains(&name.as_str()) {
            attributes.insert(name.clone(), value.clone());
        }
    }
    let key = members["key"].as_str().expect("a user has a key").to_owned();
    Single { kind: "user".to_owned(), key, attributes }
}

/// Gives the context's kind this attribute.
pub fn insert(context: &mut Json, kind: &str, name: &str, value: Json) {
    let form = context["kind"].as_str().map(str::to_owned);
    match form.as_deref() {
        None => context["custom"][name] = value,
        Some("multi") => context[kind][name] = value,
        Some(_) => context[name] = value,
    }
}

pub fn context(random: &mut Random) -> Json {
    match random.below(20) {
        0..=6 => user(random),
        7..=10 => of_kind(random, "user"),
        11..=13 => {
            let kind = *random.of(&KINDS[1..]);
            of_kind(random, kind)
        }
        choice => {
            let mut kinds = KINDS.to_vec();
            if choice == 14 {
                // Nobody of kind `user`.
                kinds.remove(0);
            }
            random.shuffle(&mut kinds[1..]);
            kinds.truncate(if random.chance(0.1) { 1 } else { 2 + random.below(2) });
            random.shuffle(&mut kinds);
            let mut context = json!({"kind": "multi"});
            for kind in kinds {
                context[kind] = of_kind(random, kind);
                context[kind].as_object_mut().expect("just made").remove("kind");
            }
            context
        }
    }
}

/// A key; there are few, so that they meet.
pub fn key(random: &mut Random) -> String {
    let odd = pool::text(random);
    match odd.as_str() {
        Some(text) if random.chance(0.2) && !text.is_empty() => text.to_owned(),
        _ => format!("user-{}", random.below(40)),
    }
}

fn of_kind(random: &mut Random, kind: &str) -> Json {
    let mut context = json!({"kind": kind, "key": key(random)});
    for (name, value) in attributes(random) {
        context[name] = value;
    }
    built_in(random, &mut context);
    if random.chance(0.1) {
        context["_meta"] = json!({"privateAttributes": ["email"], "secondary": "second"});
    }
    context
}

fn user(random: &mut Random) -> Json {
    let mut context = json!({"key": if random.chance(0.06) { String::new() } else { key(random) }});
    let mut custom = attributes(random);
    for name in TOP_LEVEL {
        match custom.remove(*name) {
            Some(value @ (Json::String(_) | Json::Null)) => context[*name] = value,
            Some(value) => drop(custom.insert((*name).to_owned(), value)),
            None => {}
        }
    }
    built_in(random, &mut context);
    if random.chance(0.1) {
        // Taken for the built-in ones by nobody.
        for name in RESERVED {
            custom.insert((*name).to_owned(), pool::anything(random));
        }
    }
    if random.chance(0.1) {
        context["secondary"] = json!("second");
        context["privateAttributeNames"] = json!(["email"]);
    }
    context["custom"] = Json::Object(custom);
    context
}

fn built_in(random: &mut Random, context: &mut Json) {
    if random.chance(0.3) {
        context["name"] = pool::text(random);
    }
    if random.chance(0.3) {
        context["anonymous"] = json!(random.chance(0.5));
    }
}

fn attributes(random: &mut Random) -> Map<String, Json> {
    let mut attributes = Map::new();
    let usual = [
        ("email", Type::Text),
        ("country", Type::Text),
        ("age", Type::Number),
        ("score", Type::Number),
        ("beta", Type::Bool),
        ("tags", Type::List),
        ("profile", Type::Object),
        ("nested", Type::Object),
        ("nothing", Type::Null),
        ("/a/b", Type::Text),
        ("a~b", Type::Number),
        ("with space", Type::Text),
        ("é", Type::Text),
    ];
    for (name, of) in usual {
        if random.chance(0.5) {
            let value =
                if random.chance(0.85) { pool::value(random, of) } else { pool::anything(random) };
            attributes.insert(name.to_owned(), value);
        }
    }
    if random.chance(0.5) {
        attributes.insert("version".to_owned(), json!(super::operand::version(random)));
    }
    if random.chance(0.5) {
        attributes.insert("since".to_owned(), super::operand::moment(random));
    }
    attributes
}
