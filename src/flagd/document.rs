//! Reading a definition: its flags, shared evaluators and metadata.

use std::sync::Arc;

use super::{
    compile::{CompileError, Compiler, DocumentContext},
    tree::{Body, FlagdFlag, FlagdOptions, Outcome, Variant, variant},
};
use crate::{
    flag::{DocumentError, Flag, FlagProblem, FlagSet},
    value::{Map, Value},
};

pub(super) fn compile(settings: &Arc<FlagdOptions>, text: &str) -> Result<FlagSet, DocumentError> {
    let document: Value = serde_json::from_str(text)
        .map_err(|error| DocumentError::with_source("flag definition is not valid JSON", error))?;
    let Value::Map(document) = &document else {
        return Err(DocumentError::new(format!(
            "flag definition: found {}, expected an object",
            document.type_name()
        )));
    };
    let mut problems = Vec::new();
    let metadata = Arc::new(match object(document, "metadata", &mut problems) {
        Some(metadata) => scalars("", metadata, &mut problems),
        None => Map::new(),
    });
    let evaluators = object(document, "$evaluators", &mut problems);
    let mut shared = DocumentContext::new(settings, evaluators, &metadata);
    let mut compiled = Vec::new();
    let mut add = |key: &str, definition: &Value, problems: &mut Vec<FlagProblem>| {
        if let Some(flag) = flag(&mut shared, key, definition, problems) {
            compiled.push(Flag::new(key, flag));
        }
    };
    match document.get("flags") {
        Some(Value::Map(flags)) => {
            for (key, definition) in flags.iter() {
                add(key, definition, &mut problems);
            }
        }
        Some(Value::List(flags)) => {
            for (index, definition) in flags.iter().enumerate() {
                match definition.get("key") {
                    Some(Value::Text(key)) => add(key, definition, &mut problems),
                    key => problems.push(FlagProblem::rejected(
                        "",
                        format!("/flags/{index}/key"),
                        found(key),
                        "text that names the flag",
                    )),
                }
            }
        }
        flags => {
            return Err(DocumentError::new(format!(
                "flag definition: `flags`: found {}, expected an object or an array",
                found(flags)
            )));
        }
    }
    let metadata = Map::clone(&metadata);
    let set: FlagSet = compiled.into_iter().collect();
    Ok(set.with_metadata(metadata).with_problems(problems))
}

pub(super) fn compile_flag(
    settings: &Arc<FlagdOptions>,
    key: &str,
    text: &str,
) -> Result<Flag, FlagProblem> {
    let definition: Value = serde_json::from_str(text)
        .map_err(|error| FlagProblem::rejected(key, "", error.to_string(), "a JSON object"))?;
    let mut problems = Vec::new();
    let mut shared = DocumentContext::new(settings, None, &Arc::default());
    match flag(&mut shared, key, &definition, &mut problems) {
        Some(flag) => Ok(Flag::new(key, flag)),
        None => Err(problems.into_iter().next_back().unwrap_or_else(|| {
            FlagProblem::rejected(key, "", definition.type_name(), "a flag definition")
        })),
    }
}

/// Compiles one flag; `None` when it is refused, and the last problem says why.
fn flag(
    shared: &mut DocumentContext<'_>,
    key: &str,
    definition: &Value,
    problems: &mut Vec<FlagProblem>,
) -> Option<FlagdFlag> {
    match try_flag(shared, key, definition, problems) {
        Ok(flag) => Some(flag),
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

fn try_flag(
    shared: &mut DocumentContext<'_>,
    key: &str,
    definition: &Value,
    problems: &mut Vec<FlagProblem>,
) -> Result<FlagdFlag, FlagProblem> {
    let wrong = |path: &str, value: Option<&Value>, expected: &str| {
        FlagProblem::rejected(key, path, found(value), expected)
    };
    let Value::Map(definition) = definition else {
        return Err(wrong("", Some(definition), "an object"));
    };
    let disabled = match definition.get("state") {
        Some(Value::Text(state)) if &**state == "ENABLED" => false,
        Some(Value::Text(state)) if &**state == "DISABLED" => true,
        state => return Err(wrong("/state", state, "`ENABLED` or `DISABLED`")),
    };
    let mut variants: Box<[Variant]> = match definition.get("variants") {
        Some(Value::Map(variants)) => variants
            .iter()
            .map(|(name, value)| Variant { name: name.into(), value: value.clone() })
            .collect(),
        variants => return Err(wrong("/variants", variants, "an object")),
    };
    variants.sort_by(|a, b| a.name.cmp(&b.name));
    for variant in variants.iter().filter(|variant| super::answer::is_escaped(&variant.name)) {
        let found = format!("`{}`, which no rule can answer with", variant.name);
        let expected = "a name without quotes, backslashes, `<`, `>`, `&` and control characters";
        problems.push(FlagProblem::warning(key, "/variants", found, expected));
    }
    let default = match definition.get("defaultVariant") {
        None | Some(Value::Null) => Outcome::Default,
        Some(Value::Text(name)) if name.is_empty() => Outcome::Default,
        Some(Value::Text(name)) => {
            let default = variant(&variants, name);
            if default == Outcome::Unknown {
                let found = format!("`{name}`");
                let expected = "the name of a variant, or null";
                problems.push(FlagProblem::warning(key, "/defaultVariant", found, expected));
            }
            default
        }
        default => return Err(wrong("/defaultVariant", default, "the name of a variant, or null")),
    };
    let metadata = match definition.get("metadata") {
        None | Some(Value::Null) => Arc::clone(&shared.metadata),
        Some(Value::Map(own)) => {
            let mut merged = Map::clone(&shared.metadata);
            for (name, value) in scalars(key, own, problems).iter() {
                merged.insert(name, value.clone());
            }
            Arc::new(merged)
        }
        metadata => return Err(wrong("/metadata", metadata, "an object")),
    };
    let targeting = match definition.get("targeting") {
        None | Some(Value::Null) => None,
        Some(Value::Map(rule)) if rule.is_empty() => None,
        Some(rule @ Value::Map(_)) => Some(rule),
        targeting => return Err(wrong("/targeting", targeting, "an object or null")),
    };
    let (body, places) = match targeting {
        None if disabled => (Body::Disabled, Box::default()),
        None => (Body::Static, Box::default()),
        Some(rule) => {
            let mut compiler = Compiler::new(shared, key, &variants, problems);
            let compiled = compiler.targeting(rule);
            let places = compiler.into_places();
            match compiled {
                Err(CompileError::Rejected(problem)) => return Err(*problem),
                _ if disabled => (Body::Disabled, Box::default()),
                Err(CompileError::Broken) => (Body::Broken, Box::default()),
                Ok(rule) => (Body::Targeted(rule), places),
            }
        }
    };
    let settings = Arc::clone(shared.settings);
    Ok(FlagdFlag { variants, body, default, metadata, settings, key: key.into(), places })
}

/// The scalar members of metadata; others mean nothing to flagd.
fn scalars(key: &str, metadata: &Map, problems: &mut Vec<FlagProblem>) -> Map {
    let scalar = |value: &Value| {
        matches!(value, Value::Text(_) | Value::Bool(_) | Value::Int(_) | Value::Float(_))
    };
    for (name, value) in metadata.iter().filter(|(_, value)| !scalar(value)) {
        let path = format!("/metadata/{}", name.replace('~', "~0").replace('/', "~1"));
        let expected = "text, a number or a boolean";
        problems.push(FlagProblem::warning(key, path, value.type_name(), expected));
    }
    metadata
        .iter()
        .filter(|(_, value)| scalar(value))
        .map(|(name, value)| (name, value.clone()))
        .collect()
}

fn object<'d>(document: &'d Map, name: &str, problems: &mut Vec<FlagProblem>) -> Option<&'d Map> {
    match document.get(name)? {
        Value::Map(map) => Some(map),
        Value::Null => None,
        other => {
            let path = format!("/{name}");
            problems.push(FlagProblem::warning("", path, other.type_name(), "an object"));
            None
        }
    }
}

/// What stands somewhere, in words.
fn found(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::Text(text)) if text.len() <= 40 => format!("`{text}`"),
        Some(value) => value.type_name().to_owned(),
    }
}
