//! What one evaluation has met already.
//!
//! Flags name other flags as their prerequisites, segments name other segments, and the data may
//! make cycles of them, or lattices with more ways through than could ever be walked. Each flag and
//! each segment is therefore evaluated at most once in an evaluation. That cannot change an answer:
//! whatever runs into a cycle is an error that reaches the flag which was asked for, so that an
//! answer worth keeping never depended on what it was reached from.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// How many are searched one by one, and kept without allocating.
const FEW: usize = 8;

/// Where the evaluation of a flag or a segment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VisitStage<T> {
    New,
    /// Begun and not through: meeting it again closes a cycle.
    Open,
    Done(T),
}

/// Flags or segments by their address, with what they answered.
pub(super) struct Visited<T> {
    few: SmallVec<[(usize, Option<T>); FEW]>,
    many: FxHashMap<usize, Option<T>>,
}

impl<T: Copy> Visited<T> {
    #[inline]
    pub(super) fn new() -> Visited<T> {
        Visited { few: SmallVec::new(), many: FxHashMap::default() }
    }

    pub(super) fn stage<I>(&self, item: &I) -> VisitStage<T> {
        let address = address(item);
        let few = self.few.iter().find(|(known, _)| *known == address).map(|(_, answer)| answer);
        match few.or_else(|| self.many.get(&address)) {
            None => VisitStage::New,
            Some(None) => VisitStage::Open,
            Some(Some(answer)) => VisitStage::Done(*answer),
        }
    }

    pub(super) fn open<I>(&mut self, item: &I) {
        if self.few.len() < FEW {
            self.few.push((address(item), None));
        } else {
            self.many.insert(address(item), None);
        }
    }

    pub(super) fn close<I>(&mut self, item: &I, answer: T) {
        let address = address(item);
        let few = self.few.iter_mut().find(|(known, _)| *known == address);
        let held = few.map(|(_, held)| held).or_else(|| self.many.get_mut(&address));
        if let Some(held) = held {
            *held = Some(answer);
        }
    }
}

/// Flags and segments stand still while a set is evaluated.
fn address<I>(item: &I) -> usize {
    std::ptr::from_ref(item).addr()
}
