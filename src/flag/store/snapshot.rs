//! All flags at one moment.

use std::{fmt, sync::Arc};

use crate::{
    context::EvaluationContext,
    flag::{BorrowedDetails, Bound, Flag, FlagSet},
};

/// The flags of all sources at one moment: immutable, so that every decision made from one
/// belongs to one revision.
#[derive(Clone)]
pub struct Snapshot {
    revision: u64,
    /// In the order the sources were declared.
    layers: Box<[Layer]>,
}

/// What one source has delivered.
#[derive(Clone)]
struct Layer {
    source: Arc<str>,
    required: bool,
    set: Option<FlagSet>,
}

impl Snapshot {
    /// A snapshot before any source has delivered. A source that is not required does not hold
    /// up readiness.
    pub(crate) fn of_sources(sources: impl IntoIterator<Item = (Arc<str>, bool)>) -> Snapshot {
        let layers = sources
            .into_iter()
            .map(|(source, required)| Layer { source, required, set: None })
            .collect();
        Snapshot { revision: 0, layers }
    }

    /// The next snapshot, in which one source has other flags.
    pub(crate) fn with(&self, source: usize, set: FlagSet) -> Snapshot {
        let mut next = self.clone();
        next.revision = next.revision.saturating_add(1);
        if let Some(layer) = next.layers.get_mut(source) {
            layer.set = Some(set);
        }
        next
    }

    /// Counts what this store has published; 0 before anything was.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether every source that is required has delivered.
    pub fn is_ready(&self) -> bool {
        self.layers.iter().all(|layer| layer.set.is_some() || !layer.required)
    }

    /// The flag `key` of the source declared last that has it.
    pub fn flag(&self, key: &str) -> Option<&Flag> {
        Some(self.find(key)?.0)
    }

    /// Evaluates the flag `key` in force: for several flags that are to be of one revision.
    pub fn evaluate<'a>(
        &'a self,
        key: &str,
        context: &'a dyn EvaluationContext,
    ) -> Option<BorrowedDetails<'a>> {
        let (_, set) = self.find(key)?;
        Some(set.evaluate(key, context))
    }

    /// The flag `key` in force, and the set that it stands in.
    pub(crate) fn find(&self, key: &str) -> Option<(&Flag, &FlagSet)> {
        let sets = self.layers.iter().rev().filter_map(|layer| layer.set.as_ref());
        sets.into_iter().find_map(|set| Some((set.get(key)?, set)))
    }

    /// The flag `key` to keep until the next snapshot.
    pub(crate) fn bind(&self, key: &str) -> Option<Bound> {
        let (flag, set) = self.find(key)?;
        Some(Bound::new(flag, set))
    }

    /// The name of the source whose flag `key` is in force.
    pub fn source_of(&self, key: &str) -> Option<&str> {
        self.layers
            .iter()
            .rev()
            .find(|layer| layer.set.as_ref().is_some_and(|set| set.get(key).is_some()))
            .map(|layer| &*layer.source)
    }

    /// What each source has delivered, in the order they were declared.
    pub fn sources(&self) -> impl Iterator<Item = (&str, Option<&FlagSet>)> {
        self.layers.iter().map(|layer| (&*layer.source, layer.set.as_ref()))
    }

    pub(crate) fn set(&self, source: usize) -> Option<&FlagSet> {
        self.layers.get(source)?.set.as_ref()
    }

    pub(crate) fn is_required(&self, source: usize) -> bool {
        self.layers.get(source).is_some_and(|layer| layer.required)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("revision", &self.revision)
            .field("ready", &self.is_ready())
            .field("sources", &self.sources().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
