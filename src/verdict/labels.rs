//! Pairs that wait for their label, and labels that wait for their pair.

use std::{collections::VecDeque, time::Duration};

use smallvec::SmallVec;

use super::{
    classes::Class,
    id_map::{IdHash, IdMap},
};
use crate::prediction_id::PredictionId;

/// What is kept of one version's answer until its label comes.
pub(super) struct PendingRun<P> {
    pub(super) failed: bool,
    pub(super) class: Class,
    /// Only where a loss needs it.
    pub(super) output: Option<P>,
}

/// What is kept of a pair until its label comes.
pub(super) struct PendingPair<P> {
    pub(super) champion: PendingRun<P>,
    pub(super) candidate: PendingRun<P>,
    pub(super) slices: SmallVec<[u16; 2]>,
    /// Whether the candidate answered and the champion ran in its shadow.
    pub(super) reversed: bool,
}

enum Entry<P> {
    Waits(PendingPair<P>),
    Labelled,
}

/// What became of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LabelOutcome {
    /// Joined to its pair, and scored.
    Joined,
    /// Its pair is not known yet: the label waits for it, as long as there is room.
    Waits,
    /// The pair had a label already; this one is ignored.
    Duplicate,
    /// The pair was left out, as its user had been scored; the label is ignored.
    Repeated,
    /// It scored nothing: no metric needs labels, or the class or loss is not known.
    NotScored,
}

/// What a label found.
pub(super) enum LabelMatch<P> {
    Pair(PendingPair<P>),
    Duplicate,
    Repeated,
    Nothing,
}

/// Joins pairs with their labels, whichever comes first. Each of its maps is bounded: the oldest makes
/// room.
pub(super) struct LabelJoin<P, L> {
    capacity: usize,
    patience: Duration,
    newest: Duration,
    entries: IdMap<Entry<P>>,
    order: VecDeque<(PredictionId, Duration)>,
    early: IdMap<L>,
    early_order: VecDeque<PredictionId>,
    repeated: IdMap<()>,
    repeated_order: VecDeque<PredictionId>,
}

/// What making room threw out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Evicted {
    pub(super) pairs: u64,
    pub(super) labels: u64,
}

/// Ids of repeats that are remembered, so that their labels are counted as such and not as unknown.
const REPEATS: usize = 10_000;

impl<P, L> LabelJoin<P, L> {
    /// Room for so many pairs, so many labels without a pair, and a wait of so long.
    pub(super) fn new(capacity: usize, patience: Duration) -> LabelJoin<P, L> {
        LabelJoin {
            capacity,
            patience,
            newest: Duration::ZERO,
            // Allocated here, so that scoring a pair allocates nothing.
            entries: IdMap::with_capacity_and_hasher(capacity + 1, IdHash::default()),
            order: VecDeque::with_capacity(capacity + 1),
            early: IdMap::default(),
            early_order: VecDeque::new(),
            repeated: IdMap::default(),
            repeated_order: VecDeque::new(),
        }
    }

    /// Whether a pair of this id has been taken in, and is remembered.
    pub(super) fn knows(&self, id: PredictionId) -> bool {
        self.entries.contains_key(&id)
    }

    /// The label that came before its pair.
    pub(super) fn take_early(&mut self, id: PredictionId) -> Option<L> {
        // Its id stays in the order until it is the oldest.
        self.early.remove(&id)
    }

    /// Adds a pair; of one that has its label already, `None`, only the id is remembered.
    pub(super) fn put(
        &mut self,
        id: PredictionId,
        time: Duration,
        pair: Option<PendingPair<P>>,
    ) -> Evicted {
        // By the newest time so far: a clock that goes back lets nothing expire sooner.
        self.newest = self.newest.max(time);
        self.entries.insert(id, pair.map_or(Entry::Labelled, Entry::Waits));
        self.order.push_back((id, time));
        self.make_room()
    }

    fn make_room(&mut self) -> Evicted {
        let mut out = Evicted::default();
        while let Some((id, time)) = self.order.front().copied() {
            let late = self.newest.saturating_sub(time) > self.patience;
            if self.order.len() <= self.capacity && !late {
                break;
            }
            self.order.pop_front();
            if let Some(Entry::Waits(_)) = self.entries.remove(&id) {
                out.pairs += 1;
            }
        }
        out
    }

    pub(super) fn remember_repeat(&mut self, id: PredictionId) {
        if self.repeated.insert(id, ()).is_none() {
            self.repeated_order.push_back(id);
        }
        if self.repeated_order.len() > REPEATS
            && let Some(oldest) = self.repeated_order.pop_front()
        {
            self.repeated.remove(&oldest);
        }
    }

    pub(super) fn find(&mut self, id: PredictionId) -> LabelMatch<P> {
        match self.entries.get_mut(&id) {
            Some(entry) => match std::mem::replace(entry, Entry::Labelled) {
                Entry::Waits(pair) => LabelMatch::Pair(pair),
                Entry::Labelled => LabelMatch::Duplicate,
            },
            None if self.repeated.contains_key(&id) => LabelMatch::Repeated,
            None => LabelMatch::Nothing,
        }
    }

    /// Keeps a label without a pair; a second one for the same id is ignored, and answers `None`.
    pub(super) fn put_early(&mut self, id: PredictionId, label: L) -> Option<Evicted> {
        if self.early.contains_key(&id) {
            return None;
        }
        self.early.insert(id, label);
        self.early_order.push_back(id);
        let mut out = Evicted::default();
        while self.early_order.len() > self.capacity.max(1) {
            if let Some(oldest) = self.early_order.pop_front()
                && self.early.remove(&oldest).is_some()
            {
                out.labels += 1;
            }
        }
        Some(out)
    }

    /// Gives up on all that still waits: no further label will come.
    pub(super) fn close(&mut self) -> Evicted {
        let waiting = self.entries.values().filter(|entry| matches!(entry, Entry::Waits(_)));
        let out = Evicted { pairs: waiting.count() as u64, labels: self.early.len() as u64 };
        for entry in self.entries.values_mut() {
            *entry = Entry::Labelled;
        }
        self.early.clear();
        self.early_order.clear();
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_that_waits_takes_no_more_than_the_guide_says() {
        // A table of 2^17 places holds 100,000 of them, with a byte of its own each, beside the order.
        let place = size_of::<(PredictionId, Entry<u64>)>() + 1;
        let bytes = (1 << 17) * place + 100_001 * size_of::<(PredictionId, Duration)>();
        assert!(bytes <= 18 << 20, "{bytes}");
    }
}
