//! Reading a definition: its flags, shared evaluators and metadata.

use std::{fmt, sync::Arc};

use serde::{
    Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    compile::{CompileError, Compiler, DocumentContext},
    place::Step,
    tree::{Body, FlagdFlag, FlagdOptions, Outcome, Variant, variant},
    variant_name,
};
use crate::{
    flag::{
        Costs, DocumentError, Flag, FlagSet, MemoryLimit, PartCosts, Problem, ProblemList,
        problem::pointer_segment,
    },
    value::{Map, Value},
};

/// What a definition costs, by the sizes of the types here and in [`tree`](super::tree).
const COSTS: Costs = Costs {
    depth: 2,
    wrapper: None,
    variations: None,
    item: 345,
    kept: PartCosts { object: 67, list: 5, element: 37, name: 18, text: 10, byte: 3 },
    working: PartCosts { object: 150, list: 40, element: 40, name: 125, text: 30, byte: 2 },
};

/// A compiled definition.
pub(super) struct Definition {
    pub(super) flags: FlagSet,
    /// Whether a rule of it has a `fractional`.
    #[cfg_attr(not(feature = "flagd"), allow(dead_code, reason = "only a live source asks"))]
    pub(super) has_split: bool,
}

#[cfg(feature = "flagd")]
pub(super) fn admit(memory: MemoryLimit, parts: &[&str]) -> Result<(), DocumentError> {
    memory.admit(parts, &COSTS)
}

pub(super) fn compile(
    settings: &Arc<FlagdOptions>,
    memory: MemoryLimit,
    text: &str,
) -> Result<Definition, DocumentError> {
    memory.admit(&[text], &COSTS)?;
    let parts = parts(text)?;
    let mut problems = ProblemList::default();
    let metadata = object(parts.metadata, "metadata", &mut problems);
    let metadata = Arc::new(match metadata {
        Some(metadata) => scalars("", &metadata, &mut problems),
        None => Map::new(),
    });
    let evaluators = object(parts.evaluators, "$evaluators", &mut problems);
    let shared = DocumentContext::new(settings, evaluators.as_ref(), &metadata, text.len());
    let mut flags = Flags { shared, problems, set: FlagSet::new() };
    let read = match parts.flags.map(RawValue::get) {
        Some(text) if text.starts_with('{') => {
            serde_json::Deserializer::from_str(text).deserialize_map(&mut flags)
        }
        Some(text) if text.starts_with('[') => {
            serde_json::Deserializer::from_str(text).deserialize_seq(&mut flags)
        }
        other => {
            return Err(DocumentError::new(format!(
                "flag definition: `flags`: found {}, expected an object or an array",
                found(other.and_then(|text| serde_json::from_str(text).ok()).as_ref())
            )));
        }
    };
    read.map_err(invalid)?;
    let Flags { shared, problems, set } = flags;
    let has_split = shared.has_split;
    let set = set.with_metadata(Map::clone(&metadata)).with_problems(problems.into_list());
    Ok(Definition { flags: set, has_split })
}

fn invalid(error: serde_json::Error) -> DocumentError {
    DocumentError::with_source("flag definition is not valid JSON", error)
}

/// The members of a definition, as they stand in its text; of a repeated one the last.
#[derive(Default)]
struct Parts<'d> {
    flags: Option<&'d RawValue>,
    evaluators: Option<&'d RawValue>,
    metadata: Option<&'d RawValue>,
}

fn parts(text: &str) -> Result<Parts<'_>, DocumentError> {
    if !text.trim_start().starts_with('{') {
        let other: Value = serde_json::from_str(text).map_err(invalid)?;
        return Err(DocumentError::new(format!(
            "flag definition: found {}, expected an object",
            other.type_name()
        )));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parts = deserializer.deserialize_map(PartsVisitor).map_err(invalid)?;
    deserializer.end().map_err(invalid)?;
    Ok(parts)
}

struct PartsVisitor;

impl<'d> Visitor<'d> for PartsVisitor {
    type Value = Parts<'d>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'d>>(self, mut map: A) -> Result<Parts<'d>, A::Error> {
        let mut parts = Parts::default();
        while let Some(name) = map.next_key::<Box<str>>()? {
            match &*name {
                "flags" => parts.flags = Some(map.next_value()?),
                "$evaluators" => parts.evaluators = Some(map.next_value()?),
                "metadata" => parts.metadata = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(parts)
    }
}

/// The flags so far. Each is read by itself: when the next one comes, all that is left of it is what
/// it was compiled to.
struct Flags<'d> {
    shared: DocumentContext<'d>,
    problems: ProblemList,
    set: FlagSet,
}

impl Flags<'_> {
    fn read(&mut self, key: &str, text: &RawValue) {
        match serde_json::from_str(text.get()) {
            Ok(definition) => self.add(key, &definition),
            Err(error) => self.refuse(key, unreadable(key, &error)),
        }
    }

    /// Of a key that comes twice the last form counts.
    fn add(&mut self, key: &str, definition: &Value) {
        match try_flag(&mut self.shared, key, definition, &mut self.problems) {
            Ok(flag) => self.set = std::mem::take(&mut self.set).with(Flag::new(key, flag)),
            Err(problem) => self.refuse(key, problem),
        }
    }

    fn refuse(&mut self, key: &str, problem: Problem) {
        self.problems.push(problem);
        if self.set.get(key).is_some() {
            self.set = std::mem::take(&mut self.set).without(key);
        }
    }
}

impl<'d> Visitor<'d> for &mut Flags<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'d>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, text)) = map.next_entry::<Box<str>, &RawValue>()? {
            self.read(&key, text);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'d>>(self, mut list: A) -> Result<(), A::Error> {
        let mut index = 0_usize;
        while let Some(text) = list.next_element::<&RawValue>()? {
            let path = |member: &str| format!("/flags/{index}{member}");
            match serde_json::from_str::<Value>(text.get()) {
                Ok(definition) => match definition.get("key") {
                    Some(Value::Text(key)) => self.add(key, &definition),
                    key => {
                        let expected = "text that names the flag";
                        let found = found(key);
                        self.problems.push(Problem::rejected("", path("/key"), found, expected));
                    }
                },
                Err(error) => {
                    let problem = Problem { path: path(""), ..unreadable("", &error) };
                    self.problems.push(problem);
                }
            }
            index = index.saturating_add(1);
        }
        Ok(())
    }
}

/// A flag whose end could be found, and that could not be read: it nests too deep, say.
#[cold]
fn unreadable(key: &str, error: &serde_json::Error) -> Problem {
    Problem::rejected(key, "", error.to_string(), "JSON that nests at most 127 deep")
}

pub(super) fn compile_flag(
    settings: &Arc<FlagdOptions>,
    memory: MemoryLimit,
    key: &str,
    text: &str,
) -> Result<Flag, Problem> {
    let refused = |error: String| Problem::rejected(key, "", error, "a JSON object");
    memory.admit_item(key, text, &COSTS)?;
    let definition: Value =
        serde_json::from_str(text).map_err(|error| refused(error.to_string()))?;
    let mut shared = DocumentContext::new(settings, None, &Arc::default(), text.len());
    let flag = try_flag(&mut shared, key, &definition, &mut ProblemList::default())?;
    Ok(Flag::new(key, flag))
}

fn try_flag(
    shared: &mut DocumentContext<'_>,
    key: &str,
    definition: &Value,
    problems: &mut ProblemList,
) -> Result<FlagdFlag, Problem> {
    let Value::Map(definition) = definition else {
        return Err(wrong(key, "", Some(definition), "an object"));
    };
    let disabled = match definition.get("state") {
        Some(Value::Text(state)) if &**state == "ENABLED" => false,
        Some(Value::Text(state)) if &**state == "DISABLED" => true,
        state => return Err(wrong(key, "/state", state, "`ENABLED` or `DISABLED`")),
    };
    let variants = variants(key, definition, problems)?;
    let default = default_variant(key, definition, &variants, problems)?;
    let metadata = metadata(shared, key, definition, problems)?;
    let (body, places) = body(shared, key, definition, &variants, disabled, problems)?;
    let settings = Arc::clone(shared.settings);
    Ok(FlagdFlag { variants, body, default, metadata, settings, key: key.into(), places })
}

#[cold]
fn wrong(key: &str, path: &str, value: Option<&Value>, expected: &str) -> Problem {
    Problem::rejected(key, path, found(value), expected)
}

/// The variants, in the order of their names.
fn variants(
    key: &str,
    definition: &Map,
    problems: &mut ProblemList,
) -> Result<Box<[Variant]>, Problem> {
    let mut variants: Box<[Variant]> = match definition.get("variants") {
        Some(Value::Map(variants)) => variants
            .iter()
            .map(|(name, value)| Variant { name: name.into(), value: value.clone() })
            .collect(),
        variants => return Err(wrong(key, "/variants", variants, "an object")),
    };
    variants.sort_by(|a, b| a.name.cmp(&b.name));
    for variant in variants.iter().filter(|variant| variant_name::is_escaped(&variant.name)) {
        let found = format!("`{}`, which no rule can answer with", variant.name);
        let expected = "a name without quotes, backslashes, `<`, `>`, `&` and control characters";
        problems.push(Problem::warning(key, "/variants", found, expected));
    }
    Ok(variants)
}

fn default_variant(
    key: &str,
    definition: &Map,
    variants: &[Variant],
    problems: &mut ProblemList,
) -> Result<Outcome, Problem> {
    let (path, expected) = ("/defaultVariant", "the name of a variant, or null");
    match definition.get("defaultVariant") {
        None | Some(Value::Null) => Ok(Outcome::Default),
        Some(Value::Text(name)) if name.is_empty() => Ok(Outcome::Default),
        Some(Value::Text(name)) => {
            let default = variant(variants, name);
            if default == Outcome::Unknown {
                problems.push(Problem::warning(key, path, format!("`{name}`"), expected));
            }
            Ok(default)
        }
        default => Err(wrong(key, path, default, expected)),
    }
}

/// The set's metadata, overlaid by the flag's own.
fn metadata(
    shared: &mut DocumentContext<'_>,
    key: &str,
    definition: &Map,
    problems: &mut ProblemList,
) -> Result<Arc<Map>, Problem> {
    match definition.get("metadata") {
        None | Some(Value::Null) => Ok(Arc::clone(&shared.metadata)),
        Some(Value::Map(own)) if own.is_empty() => Ok(Arc::clone(&shared.metadata)),
        Some(Value::Map(own)) => {
            if !shared.repeat(shared.metadata.len()) {
                let expected = "less metadata of the set, which every such flag repeats";
                return Err(Problem::rejected(key, "/metadata", "object", expected));
            }
            let own = scalars(key, own, problems);
            let merged = shared.metadata.iter().chain(own.iter());
            Ok(Arc::new(merged.map(|(name, value)| (name, value.clone())).collect()))
        }
        metadata => Err(wrong(key, "/metadata", metadata, "an object")),
    }
}

/// What the flag answers by, and where the operators of its rule stand. The rule of a disabled flag is
/// compiled as well, so that what is wrong with it is known before it is enabled.
fn body(
    shared: &mut DocumentContext<'_>,
    key: &str,
    definition: &Map,
    variants: &[Variant],
    disabled: bool,
    problems: &mut ProblemList,
) -> Result<(Body, Box<[Step]>), Problem> {
    let rule = match definition.get("targeting") {
        None | Some(Value::Null) => None,
        Some(Value::Map(rule)) if rule.is_empty() => None,
        Some(rule @ Value::Map(_)) => Some(rule),
        targeting => return Err(wrong(key, "/targeting", targeting, "an object or null")),
    };
    let Some(rule) = rule else {
        let body = if disabled { Body::Disabled } else { Body::Static };
        return Ok((body, Box::default()));
    };
    let mut compiler = Compiler::new(shared, key, variants, problems);
    let compiled = compiler.targeting(rule);
    let places = compiler.into_places();
    match compiled {
        Err(CompileError::Rejected(problem)) => Err(*problem),
        _ if disabled => Ok((Body::Disabled, Box::default())),
        Err(CompileError::Broken) => Ok((Body::Broken, Box::default())),
        Ok(rule) => Ok((Body::Targeted(rule), places)),
    }
}

/// The scalar members of metadata; others mean nothing to flagd.
fn scalars(key: &str, metadata: &Map, problems: &mut ProblemList) -> Map {
    let scalar = |value: &Value| {
        matches!(value, Value::Text(_) | Value::Bool(_) | Value::Int(_) | Value::Float(_))
    };
    for (name, value) in metadata.iter().filter(|(_, value)| !scalar(value)) {
        let path = format!("/metadata/{}", pointer_segment(name));
        let expected = "text, a number or a boolean";
        problems.push(Problem::warning(key, path, value.type_name(), expected));
    }
    metadata
        .iter()
        .filter(|(_, value)| scalar(value))
        .map(|(name, value)| (name, value.clone()))
        .collect()
}

fn object(text: Option<&RawValue>, name: &str, problems: &mut ProblemList) -> Option<Map> {
    let (found, expected) = match serde_json::from_str(text?.get()) {
        Ok(Value::Map(map)) => return Some(map),
        Ok(Value::Null) => return None,
        Ok(other) => (other.type_name().to_owned(), "an object"),
        Err(error) => (error.to_string(), "JSON that nests at most 127 deep"),
    };
    problems.push(Problem::warning("", format!("/{name}"), found, expected));
    None
}

/// What stands somewhere, in words. Long text is not quoted: it may be a document of its own.
fn found(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::Text(text)) if text.len() <= 40 => format!("`{text}`"),
        Some(value) => value.type_name().to_owned(),
    }
}
