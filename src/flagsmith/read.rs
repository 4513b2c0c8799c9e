//! Reading one item of a document: leniently, and by name when it is wrong.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Unexpected, Visitor},
};
use serde_json::Value as Json;

use super::{Engine, condition::ConditionValue, python};
use crate::{
    flag::{Problem, problem::pointer_segment},
    value::Value,
};

/// Reads an item that stands at `path`.
pub(super) fn item<'a, T: Deserialize<'a>>(
    key: &str,
    path: &str,
    text: &'a str,
) -> Result<T, Problem> {
    match serde_json::from_str(text) {
        Ok(item) => Ok(item),
        Err(_) => Err(refusal::<T>(key, path, text)),
    }
}

/// Reads the item again, slowly, to find out where it is wrong.
#[cold]
fn refusal<'a, T: Deserialize<'a>>(key: &str, path: &str, text: &'a str) -> Problem {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let Err(error) = serde_path_to_error::deserialize::<_, T>(&mut deserializer) else {
        return Problem::rejected(key, path, "more after its end", "one JSON value");
    };
    let mut place = path.to_owned();
    for segment in error.path().iter() {
        use serde_path_to_error::Segment;
        match segment {
            Segment::Seq { index } => place.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                place.push('/');
                place.push_str(&pointer_segment(key));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    let message = error.inner().to_string();
    let message = message.split(" at line ").next().unwrap_or(&message);
    if let Some(field) = message.strip_prefix("missing field `") {
        let field = field.trim_end_matches('`');
        return Problem::rejected(key, place, "nothing", format!("a field `{field}`"));
    }
    match message.split_once(", expected ") {
        Some((found, expected)) => {
            let found = found.strip_prefix("unknown variant ").unwrap_or(found);
            let found = found.split_once(": ").map_or(found, |(_, found)| found);
            Problem::rejected(key, place, shortened(found), expected)
        }
        None => Problem::rejected(key, place, shortened(message), "what Flagsmith serves"),
    }
}

/// What was found, when it is long only its beginning.
pub(super) fn shortened(found: &str) -> String {
    match found.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", found.get(..end).unwrap_or_default()),
        None => found.to_owned(),
    }
}

/// Members of an object, in their order; none for null.
pub(super) struct Members<'a, V>(pub(super) Vec<(Cow<'a, str>, V)>);

impl<V> Default for Members<'_, V> {
    fn default() -> Self {
        Members(Vec::new())
    }
}

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Members<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'a, V>, D::Error> {
        struct MembersVisitor<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for MembersVisitor<V> {
            type Value = Members<'de, V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_unit<E>(self) -> Result<Members<'de, V>, E> {
                Ok(Members::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de, V>, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_any(MembersVisitor(PhantomData))
    }
}

/// Text that borrows where it can.
#[derive(Default, Deserialize)]
pub(super) struct Name<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// What a feature's value may be: text, a boolean, a number or null.
#[derive(Clone, Debug, Default)]
pub(super) struct Scalar(pub(super) Value);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar, D::Error> {
        let expected = &"text, a boolean, a number or null";
        match Value::deserialize(deserializer)? {
            Value::List(_) => Err(D::Error::invalid_type(Unexpected::Other("array"), expected)),
            Value::Map(_) => Err(D::Error::invalid_type(Unexpected::Other("object"), expected)),
            value => Ok(Scalar(value)),
        }
    }
}

/// For fields where null means that there is nothing.
pub(super) fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// For fields where null is a value like any other.
pub(super) fn given<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

impl ConditionValue {
    /// As the engine reads it: a list, also one that is written out as text, or one text.
    pub(super) fn of_context(json: Option<Json>, engine: Engine) -> ConditionValue {
        match json {
            None => ConditionValue::One("".into()),
            Some(Json::String(text)) => {
                // The server's engine does so for `IN` only.
                if engine == Engine::Rust
                    && text.trim().starts_with('[')
                    && let Ok(texts) = serde_json::from_str(&text)
                {
                    return ConditionValue::Many(texts);
                }
                ConditionValue::One(text.into())
            }
            Some(Json::Array(members)) => {
                let text = |member| match member {
                    Json::String(text) => text.into(),
                    other if engine == Engine::Python => {
                        let value = serde_json::from_value(other).unwrap_or(Value::Null);
                        python::text_of(&value)
                    }
                    other => Json::to_string(&other).into(),
                };
                ConditionValue::Many(members.into_iter().map(text).collect())
            }
            Some(other) => ConditionValue::One(other.to_string().into()),
        }
    }

    /// As an environment document has it: one text, whatever it looks like.
    pub(super) fn of_document(json: Option<Json>) -> ConditionValue {
        ConditionValue::One(match json {
            None | Some(Json::Null) => "".into(),
            Some(Json::String(text)) => text.into(),
            Some(other) => other.to_string().into(),
        })
    }
}
