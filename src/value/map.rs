//! Objects.

use std::fmt;

use super::Value;

/// The members of an object, in the order they were written; a repeated key keeps its first
/// place and its last value.
#[derive(Clone, Default)]
pub struct Map {
    /// Boxed, so that every [`Value`] takes three words, not six.
    members: Option<Box<Members>>,
}

#[derive(Clone, Default)]
struct Members {
    entries: Vec<(Box<str>, Value)>,
    /// Positions in key order, so that a wide object is searched, not scanned.
    order: Vec<u32>,
}

/// Objects at most this wide are scanned: faster than a binary search over scattered strings.
const SCANNED: usize = 8;

impl Map {
    /// An object without members.
    pub const fn new() -> Map {
        Map { members: None }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.get_key_value(key).map(|(_, value)| value)
    }

    /// The member `key`, with its name as the map holds it.
    #[inline]
    pub(crate) fn get_key_value(&self, key: &str) -> Option<(&str, &Value)> {
        let Members { entries, order } = &**self.members.as_ref()?;
        let (name, value) = if entries.len() <= SCANNED {
            entries.iter().find(|(name, _)| &**name == key)?
        } else {
            let found = search(entries, order, key).ok()?;
            entries.get(*order.get(found)? as usize)?
        };
        Some((name, value))
    }

    /// Sets `key`, and returns the value it had. A new member of a wide object moves the places of all
    /// others: collect many of them instead.
    pub fn insert(&mut self, key: impl Into<Box<str>>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        let Members { entries, order } = &mut **self.members.get_or_insert_default();
        match search(entries, order, &key) {
            Ok(found) => {
                let position = *order.get(found)? as usize;
                let (_, held) = entries.get_mut(position)?;
                Some(std::mem::replace(held, value))
            }
            Err(place) => {
                order.insert(place, entries.len() as u32);
                entries.push((key, value));
                None
            }
        }
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_none()
    }

    /// The members, in the order they were written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries().iter().map(|(key, value)| (&**key, value))
    }

    fn entries(&self) -> &[(Box<str>, Value)] {
        self.members.as_ref().map_or(&[], |members| &members.entries)
    }
}

fn search(entries: &[(Box<str>, Value)], order: &[u32], key: &str) -> Result<usize, usize> {
    order.binary_search_by(|position| {
        entries.get(*position as usize).map_or("", |(name, _)| name).cmp(key)
    })
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
        if entries.is_empty() {
            return Map::new();
        }
        entries.shrink_to_fit();
        let mut sorted: Vec<(&str, u32)> =
            entries.iter().zip(0..).map(|((key, _), place)| (&**key, place)).collect();
        sorted.sort_unstable();
        let order = sorted.into_iter().map(|(_, place)| place).collect();
        Map { members: Some(Box::new(Members { entries, order })) }
    }
}
