//! Going through a document, item by item, as it is read: what was compiled of one flag is all that
//! is left of it when the next one comes.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};

use crate::value::Value;

/// Takes what a document has, read as `Flag` and `Segment`.
pub(super) trait DocumentVisitor<'d> {
    type Flag: Deserialize<'d>;
    type Segment: Deserialize<'d>;

    fn flag(&mut self, key: Box<str>, flag: Self::Flag);
    fn segment(&mut self, key: Box<str>, segment: Self::Segment);
    /// A flag that is nothing but a value for everybody.
    fn value(&mut self, key: Box<str>, value: Value);
}

/// Hands everything in a document to the visitor, and says whether it had flags or segments at all.
pub(super) fn walk<'d, T: DocumentVisitor<'d>>(
    text: &'d str,
    visitor: &mut T,
) -> Result<bool, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let found = Document { visitor, is_wrapped: false }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(found)
}

/// `{"flags": {}, "flagValues": {}, "segments": {}}`, or, once, the same under `data`.
struct Document<'t, T> {
    visitor: &'t mut T,
    is_wrapped: bool,
}

impl<'d, T: DocumentVisitor<'d>> DeserializeSeed<'d> for Document<'_, T> {
    type Value = bool;
    fn deserialize<D: Deserializer<'d>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'d, T: DocumentVisitor<'d>> Visitor<'d> for Document<'_, T> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'d>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some(name) = map.next_key::<Box<str>>()? {
            let visitor = &mut *self.visitor;
            found |= match &*name {
                "flags" => map.next_value_seed(Items::new(|key, flag| visitor.flag(key, flag)))?,
                "segments" => {
                    map.next_value_seed(Items::new(|key, segment| visitor.segment(key, segment)))?
                }
                "flagValues" => {
                    map.next_value_seed(Items::new(|key, value| visitor.value(key, value)))?
                }
                "data" if !self.is_wrapped => {
                    map.next_value_seed(Document { visitor, is_wrapped: true })?
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    false
                }
            };
        }
        Ok(found)
    }
}

/// Flags or segments by key; null where there are none.
struct Items<I, F> {
    take: F,
    item: PhantomData<I>,
}

impl<I, F: FnMut(Box<str>, I)> Items<I, F> {
    fn new(take: F) -> Items<I, F> {
        Items { take, item: PhantomData }
    }
}

impl<'d, I: Deserialize<'d>, F: FnMut(Box<str>, I)> DeserializeSeed<'d> for Items<I, F> {
    type Value = bool;
    fn deserialize<D: Deserializer<'d>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'d, I: Deserialize<'d>, F: FnMut(Box<str>, I)> Visitor<'d> for Items<I, F> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_none<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_some<D: Deserializer<'d>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'d>>(mut self, mut map: A) -> Result<bool, A::Error> {
        while let Some((key, item)) = map.next_entry()? {
            (self.take)(key, item);
        }
        Ok(true)
    }
}
