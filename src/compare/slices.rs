//! The parts of the traffic that a request belongs to.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::MapAccess, de::Visitor};

/// The parts of the traffic that a request belongs to: `country` is `eu`, `tenant` is `acme`.
///
/// Named by the [sinks](crate::compare::sink::ComparisonSink::slices) that want to tell them apart,
/// while the request's context is still there. Serializes as an object. Holding none allocates
/// nothing.
///
/// ```
/// use modelgate::compare::Slices;
///
/// let mut slices = Slices::default();
/// slices.insert("country", "eu");
/// assert_eq!(slices.part("country"), Some("eu"));
/// assert_eq!(serde_json::to_string(&slices)?, r#"{"country":"eu"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slices {
    parts: Vec<(Arc<str>, Box<str>)>,
}

impl Slices {
    /// Adds the part that the request belongs to in the slice of this name. The first part given for a
    /// name stays.
    pub fn insert(&mut self, name: impl Into<Arc<str>>, part: impl Into<Box<str>>) {
        let name = name.into();
        if self.part(&name).is_none() {
            self.parts.push((name, part.into()));
        }
    }

    /// The part that the request belongs to in the slice of this name.
    pub fn part(&self, name: &str) -> Option<&str> {
        let (_, part) = self.parts.iter().find(|(known, _)| **known == *name)?;
        Some(part)
    }

    /// Whether no part is known.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Names and parts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parts.iter().map(|(name, part)| (&**name, &**part))
    }

    pub(crate) fn append(&mut self, others: Slices) {
        if self.parts.is_empty() {
            *self = others;
        } else {
            others.parts.into_iter().for_each(|(name, part)| self.insert(name, part));
        }
    }
}

impl Serialize for Slices {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Slices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Slices, D::Error> {
        deserializer.deserialize_map(Parts)
    }
}

struct Parts;

impl<'de> Visitor<'de> for Parts {
    type Value = Slices;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Slices, A::Error> {
        let mut slices = Slices::default();
        while let Some((name, part)) = map.next_entry::<Box<str>, Box<str>>()? {
            slices.insert(name, part);
        }
        Ok(slices)
    }
}
