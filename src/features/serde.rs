//! Features from and to JSON, or any other format of serde.

use std::fmt;

use ::serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{FeatureValue, Features};
use crate::value::number_in;

impl<'de> Deserialize<'de> for Features {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Features, D::Error> {
        deserializer.deserialize_any(FeaturesVisitor)
    }
}

struct FeaturesVisitor;

/// No more room than this is set aside on the word of the sender.
const MOST_RESERVED: usize = 4096;

impl<'de> Visitor<'de> for FeaturesVisitor {
    type Value = Features;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("features: a list of numbers, or an object of names and numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Features, A::Error> {
        let mut values = Vec::with_capacity(list.size_hint().unwrap_or(64).min(MOST_RESERVED));
        while let Some(value) = list.next_element::<FeatureValue>()? {
            values.push(value);
        }
        Ok(Features::row(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Features, A::Error> {
        let mut features = Features::empty_map();
        let expected = map.size_hint().unwrap_or(64).min(MOST_RESERVED);
        features.values.reserve(expected);
        features.ends.reserve(expected);
        features.text.reserve(expected.saturating_mul(12));
        while map.next_key_seed(NameInto(&mut features.text))?.is_some() {
            let value = map.next_value::<FeatureValue>()?;
            features.push_named(value);
        }
        Ok(features)
    }
}

/// Reads a name straight to the end of a text.
struct NameInto<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for NameInto<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameInto<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a feature's name")
    }
    fn visit_str<E>(self, name: &str) -> Result<(), E> {
        self.0.push_str(name);
        Ok(())
    }
}

impl<'de> Deserialize<'de> for FeatureValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FeatureValue, D::Error> {
        deserializer.deserialize_any(FeatureValueVisitor)
    }
}

struct FeatureValueVisitor;

impl<'de> Visitor<'de> for FeatureValueVisitor {
    type Value = FeatureValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a feature's value")
    }
    fn visit_f64<E>(self, number: f64) -> Result<FeatureValue, E> {
        Ok(FeatureValue::Number(number))
    }
    fn visit_i64<E>(self, number: i64) -> Result<FeatureValue, E> {
        Ok(FeatureValue::Number(number as f64))
    }
    fn visit_u64<E>(self, number: u64) -> Result<FeatureValue, E> {
        Ok(FeatureValue::Number(number as f64))
    }
    fn visit_i128<E>(self, number: i128) -> Result<FeatureValue, E> {
        Ok(FeatureValue::Number(number as f64))
    }
    fn visit_u128<E>(self, number: u128) -> Result<FeatureValue, E> {
        Ok(FeatureValue::Number(number as f64))
    }
    fn visit_bool<E>(self, value: bool) -> Result<FeatureValue, E> {
        Ok(FeatureValue::Bool(value))
    }
    fn visit_str<E>(self, text: &str) -> Result<FeatureValue, E> {
        Ok(FeatureValue::Text(text.into()))
    }
    fn visit_unit<E>(self) -> Result<FeatureValue, E> {
        Ok(FeatureValue::Null)
    }
    fn visit_none<E>(self) -> Result<FeatureValue, E> {
        Ok(FeatureValue::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<FeatureValue, D::Error> {
        FeatureValue::deserialize(inner)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<FeatureValue, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(FeatureValue::List)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FeatureValue, A::Error> {
        if let Some(name) = map.next_key::<Box<str>>()? {
            if let Some(number) = number_in(&name, &mut map)? {
                return Ok(number.as_f64().map_or(FeatureValue::Null, FeatureValue::Number));
            }
            map.next_value::<IgnoredAny>()?;
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(FeatureValue::Map)
    }
}

impl Serialize for Features {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_named() {
            serializer.collect_map(self.entries())
        } else {
            serializer.collect_seq(self.values())
        }
    }
}

impl Serialize for FeatureValue {
    /// As it was sent, but for lists and objects: what they held was not kept, and they become
    /// `null`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            FeatureValue::Number(number) => serializer.serialize_f64(*number),
            FeatureValue::Bool(value) => serializer.serialize_bool(*value),
            FeatureValue::Text(text) => serializer.serialize_str(text),
            FeatureValue::Null | FeatureValue::List | FeatureValue::Map => {
                serializer.serialize_unit()
            }
        }
    }
}
