//! Objects.

use std::fmt;

use super::Value;

/// The members of an object, in the order they were written; a repeated key keeps its first
/// place and its last value.
#[derive(Clone, Default)]
pub struct Map {
    entries: Vec<(Box<str>, Value)>,
    /// Positions in key order, so that a wide object is searched, not scanned.
    order: Vec<u32>,
}

/// Objects at most this wide are scanned: faster than a binary search over scattered strings.
const SCANNED: usize = 8;

impl Map {
    /// An object without members.
    pub const fn new() -> Map {
        Map { entries: Vec::new(), order: Vec::new() }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        if self.entries.len() <= SCANNED {
            return self.entries.iter().find(|(name, _)| &**name == key).map(|(_, value)| value);
        }
        let found = self.search(key).ok()?;
        let position = *self.order.get(found)? as usize;
        self.entries.get(position).map(|(_, value)| value)
    }

    /// Sets `key`, and returns the value it had.
    pub fn insert(&mut self, key: impl Into<Box<str>>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        match self.search(&key) {
            Ok(found) => {
                let position = *self.order.as_slice().get(found)? as usize;
                let (_, held) = self.entries.get_mut(position)?;
                Some(std::mem::replace(held, value))
            }
            Err(place) => {
                self.order.insert(place, self.entries.len() as u32);
                self.entries.push((key, value));
                None
            }
        }
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The members, in the order they were written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (&**key, value))
    }

    fn search(&self, key: &str) -> Result<usize, usize> {
        self.order.binary_search_by(|position| {
            self.entries.get(*position as usize).map_or("", |(name, _)| name).cmp(key)
        })
    }
}

impl PartialEq for Map {
    /// Equal members, whatever their order.
    fn eq(&self, other: &Map) -> bool {
        self.len() == other.len() && self.iter().all(|(key, value)| other.get(key) == Some(value))
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Into<Box<str>>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Map {
        // Sorted once at the end: inserting one by one would be quadratic for a hostile document.
        let mut places = crate::hash::Names::<Box<str>, usize>::default();
        let mut entries: Vec<(Box<str>, Value)> = Vec::new();
        for (key, value) in members {
            let (key, value) = (key.into(), value.into());
            match places.get(&key).and_then(|place| entries.get_mut(*place)) {
                Some((_, held)) => *held = value,
                None => {
                    places.insert(key.clone(), entries.len());
                    entries.push((key, value));
                }
            }
        }
        entries.shrink_to_fit();
        let mut sorted: Vec<(&str, u32)> =
            entries.iter().zip(0..).map(|((key, _), place)| (&**key, place)).collect();
        sorted.sort_unstable();
        let order = sorted.into_iter().map(|(_, place)| place).collect();
        Map { entries, order }
    }
}
