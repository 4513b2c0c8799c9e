//! What one decision has learnt of the other flags that its segments read.

use rustc_hash::FxHashMap;
use serde_json::Value as Json;
use smallvec::SmallVec;

use super::evaluate::Decision;

/// How many nodes the queries of one decision may look at. What would need more finds nothing.
const NODES: usize = 1_000_000;

/// How many flags deep a flag may depend on others. Deeper, it is like one that depends on itself.
pub(super) const DEPTH: usize = 64;

/// Flags and segments are told apart by where they are in memory.
pub(super) type Address = usize;

pub(super) fn address<T>(thing: &T) -> Address {
    std::ptr::from_ref(thing).addr()
}

pub(super) struct Walk<'a> {
    /// The flags that are being resolved, the outermost first.
    resolving: SmallVec<[Address; DEPTH]>,
    pub(super) resolved: Memo<Decision<'a>>,
    pub(super) segments: Memo<bool>,
    cyclic: Memo<()>,
    /// How often a flag was found unresolvable: a verdict during which this grows rests on one.
    pub(super) unresolved: usize,
    pub(super) documents: Documents,
    pub(super) nodes_left: usize,
}

/// What queries go through, made when the first one asks for it.
#[derive(Default)]
pub(super) struct Documents {
    /// Only the environment and the identity.
    pub(super) identity: Option<Box<Json>>,
    pub(super) whole: Option<Box<Json>>,
}

impl Default for Walk<'_> {
    #[inline]
    fn default() -> Self {
        Walk {
            resolving: SmallVec::new(),
            resolved: Memo::default(),
            segments: Memo::default(),
            cyclic: Memo::default(),
            unresolved: 0,
            documents: Documents::default(),
            nodes_left: NODES,
        }
    }
}

impl Walk<'_> {
    /// Begins to resolve a flag; refuses when it depends on itself, or lies too deep: then all those
    /// that led to it are without an answer, rather than with one that depends on the limit.
    pub(super) fn enter(&mut self, flag: Address) -> bool {
        let too_deep = (self.resolving.len() >= DEPTH).then_some(0);
        let start = too_deep.or_else(|| self.resolving.iter().position(|other| *other == flag));
        if let Some(start) = start {
            for member in self.resolving.iter().skip(start) {
                self.cyclic.insert(*member, ());
            }
        }
        if start.is_some() || self.is_cyclic(flag) {
            self.unresolved += 1;
            return false;
        }
        self.resolving.push(flag);
        true
    }

    pub(super) fn leave(&mut self) {
        self.resolving.pop();
    }

    /// Begins again, with the documents that there are.
    pub(super) fn forget_flags(&mut self) {
        *self = Walk {
            documents: std::mem::take(&mut self.documents),
            nodes_left: self.nodes_left,
            ..Walk::default()
        };
    }

    pub(super) fn is_cyclic(&self, flag: Address) -> bool {
        self.cyclic.get(flag).is_some()
    }
}

/// Notes on a few things without allocating, and on many in a table.
pub(super) struct Memo<V> {
    few: SmallVec<[(Address, V); 8]>,
    many: FxHashMap<Address, V>,
}

impl<V> Default for Memo<V> {
    fn default() -> Memo<V> {
        Memo { few: SmallVec::new(), many: FxHashMap::default() }
    }
}

impl<V: Copy> Memo<V> {
    #[inline]
    pub(super) fn get(&self, key: Address) -> Option<V> {
        let few = self.few.iter().find(|(held, _)| *held == key).map(|(_, value)| *value);
        match few {
            None if !self.many.is_empty() => self.many.get(&key).copied(),
            few => few,
        }
    }

    pub(super) fn insert(&mut self, key: Address, value: V) {
        if self.few.len() < self.few.inline_size() {
            self.few.push((key, value));
        } else {
            self.many.insert(key, value);
        }
    }
}
