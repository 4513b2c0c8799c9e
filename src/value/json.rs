//! Values from and to JSON, and any other format of serde's.

use std::{fmt, sync::LazyLock};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
    ser::{SerializeMap, SerializeSeq},
};

use super::{Map, Value};

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::Text(value) => serializer.serialize_str(value),
            Value::List(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(value)?;
                }
                list.end()
            }
            Value::Map(map) => map.serialize(serializer),
        }
    }
}

impl Serialize for Map {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(Some(self.len()))?;
        for (key, value) in self.iter() {
            members.serialize_entry(key, value)?;
        }
        members.end()
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Map, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Map(map) => Ok(map),
            other => Err(serde::de::Error::invalid_type(
                serde::de::Unexpected::Other(other.type_name()),
                &"an object",
            )),
        }
    }
}

/// What `serde_json` calls a number where its feature `arbitrary_precision` is on: an object of one
/// member, the number's text. Any crate of a program can turn that on for all of them.
const NUMBER: &str = "$serde_json::private::Number";

/// Whether it is on. An object of that name is an object otherwise.
static NUMBERS_ARE_TEXT: LazyLock<bool> = LazyLock::new(|| {
    struct Probe(bool);
    impl<'de> Deserialize<'de> for Probe {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Probe, D::Error> {
            struct ProbeVisitor;
            impl<'de> Visitor<'de> for ProbeVisitor {
                type Value = Probe;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a number")
                }
                fn visit_f64<E>(self, _: f64) -> Result<Probe, E> {
                    Ok(Probe(false))
                }
                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Probe, A::Error> {
                    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                    Ok(Probe(true))
                }
            }
            deserializer.deserialize_any(ProbeVisitor)
        }
    }
    // A fraction: whole numbers that fit 64 bits are numbers either way.
    serde_json::from_str::<Probe>("1.5").is_ok_and(|probe| probe.0)
});

/// The number that a text is, as `serde_json` reads it where it does not keep the text.
fn number<E: serde::de::Error>(text: &str) -> Result<Value, E> {
    if let Ok(value) = text.parse::<i64>()
        && (value != 0 || !text.starts_with('-'))
    {
        return Ok(Value::Int(value));
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Value::Float(value)),
        _ => Err(E::custom("number out of range")),
    }
}

/// The number that an object stands for by the key it begins with; `None` for any other object.
pub(crate) fn number_in<'de, A: MapAccess<'de>>(
    key: &str,
    map: &mut A,
) -> Result<Option<Value>, A::Error> {
    if key == NUMBER && *NUMBERS_ARE_TEXT {
        number(&map.next_value::<Box<str>>()?).map(Some)
    } else {
        Ok(None)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Float(value as f64), Value::Int))
    }
    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Float(value as f64), Value::Int))
    }
    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Float(value as f64), Value::Int))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.into()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value.into()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        values.shrink_to_fit();
        Ok(Value::List(values))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members: Vec<(Box<str>, Value)> = Vec::new();
        if let Some(first) = map.next_key::<Box<str>>()? {
            if let Some(number) = number_in(&first, &mut map)? {
                return Ok(number);
            }
            members.push((first, map.next_value()?));
        }
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Value::Map(members.into_iter().collect()))
    }
}
