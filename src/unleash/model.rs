//! What Unleash sends, as it is written. Read as leniently as Unleash's own model reads it: what is
//! absent or `null` is empty, and a number where text belongs is its text.

use std::{borrow::Cow, fmt, ops::Deref};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::value::{Value, number_in};

/// Client features, or a list of delta events.
#[derive(Deserialize)]
pub(super) struct Document<'a> {
    #[serde(borrow)]
    pub(super) features: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub(super) segments: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub(super) events: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) feature: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) feature_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) segment: Option<&'a RawValue>,
    pub(super) segment_id: Option<i64>,
    #[serde(borrow)]
    pub(super) features: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub(super) segments: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Feature<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    pub(super) enabled: bool,
    #[serde(borrow, default)]
    pub(super) strategies: NullableList<Strategy<'a>>,
    #[serde(borrow, default)]
    pub(super) variants: NullableList<Variant<'a>>,
    #[serde(borrow, default)]
    pub(super) dependencies: NullableList<Dependency<'a>>,
    #[serde(borrow)]
    pub(super) project: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Text<'a>>,
    pub(super) stale: Option<bool>,
    pub(super) impression_data: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct Strategy<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow, default)]
    pub(super) parameters: Parameters<'a>,
    #[serde(borrow, default)]
    pub(super) constraints: NullableList<Constraint<'a>>,
    #[serde(default)]
    pub(super) segments: NullableList<i64>,
    #[serde(borrow, default)]
    pub(super) variants: NullableList<Variant<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Constraint<'a> {
    #[serde(borrow)]
    pub(super) context_name: Text<'a>,
    #[serde(borrow)]
    pub(super) operator: Text<'a>,
    pub(super) case_insensitive: Option<bool>,
    pub(super) inverted: Option<bool>,
    #[serde(borrow, default)]
    pub(super) values: NullableList<Text<'a>>,
    #[serde(borrow)]
    pub(super) value: Option<Text<'a>>,
}

/// A variant of a toggle or of a strategy; of a strategy it has no overrides and no stickiness of
/// its own.
#[derive(Deserialize)]
pub(super) struct Variant<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    pub(super) weight: i32,
    #[serde(borrow)]
    pub(super) stickiness: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) payload: Option<Payload<'a>>,
    #[serde(borrow, default)]
    pub(super) overrides: NullableList<Override<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Payload<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) value: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Override<'a> {
    #[serde(borrow)]
    pub(super) context_name: Text<'a>,
    #[serde(borrow, default)]
    pub(super) values: NullableList<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Dependency<'a> {
    #[serde(borrow)]
    pub(super) feature: Text<'a>,
    pub(super) enabled: Option<bool>,
    #[serde(borrow, default)]
    pub(super) variants: NullableList<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Segment<'a> {
    pub(super) id: i64,
    #[serde(borrow, default)]
    pub(super) constraints: NullableList<Constraint<'a>>,
}

/// What a malformed item is called, as far as that can still be read.
#[derive(Default, Deserialize)]
pub(super) struct ItemName<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    pub(super) id: Option<i64>,
}

/// A list that may be `null`.
pub(super) struct NullableList<T>(Vec<T>);

impl<T> Default for NullableList<T> {
    fn default() -> NullableList<T> {
        NullableList(Vec::new())
    }
}

impl<T> Deref for NullableList<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for NullableList<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NullableList<T>, D::Error> {
        Ok(NullableList(Option::deserialize(deserializer)?.unwrap_or_default()))
    }
}

/// Text, borrowed from the document unless it is escaped there.
pub(super) struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'a>, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Text)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }
    fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
    fn visit_bool<E>(self, value: bool) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(if value { "true" } else { "false" }))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(value.to_string()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(value.to_string()))
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Cow<'de, str>, E> {
        serde_json::to_string(&value).map(Cow::Owned).map_err(E::custom)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cow<'de, str>, A::Error> {
        let name = map.next_key::<Box<str>>()?.unwrap_or_default();
        match number_in(&name, &mut map)? {
            Some(Value::Int(value)) => self.visit_i64(value),
            Some(Value::Float(value)) => self.visit_f64(value),
            _ => Err(A::Error::invalid_type(serde::de::Unexpected::Map, &self)),
        }
    }
}

/// The parameters of a strategy; those that are `null` are absent.
#[derive(Default)]
pub(super) struct Parameters<'a>(Vec<(Text<'a>, Text<'a>)>);

impl<'a> Parameters<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| **key == *name).map(|(_, value)| &**value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Parameters<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Parameters<'a>, D::Error> {
        deserializer.deserialize_any(ParametersVisitor)
    }
}

struct ParametersVisitor;

impl<'de> Visitor<'de> for ParametersVisitor {
    type Value = Parameters<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }
    fn visit_unit<E>(self) -> Result<Parameters<'de>, E> {
        Ok(Parameters::default())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameters<'de>, A::Error> {
        let mut parameters = Vec::new();
        while let Some((name, value)) = map.next_entry::<Text<'de>, Option<Text<'de>>>()? {
            parameters.extend(value.map(|value| (name, value)));
        }
        Ok(Parameters(parameters))
    }
}
