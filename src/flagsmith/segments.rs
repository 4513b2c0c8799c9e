//! The segments of a set, and which features they override.

use std::{any::Any, sync::Arc};

use crate::hash::{NameSet, Names};

use super::{
    environment::Environment,
    tree::{FeatureState, Segment},
};
use crate::flag::{SetData, table::ShardedTable};

/// What the features of one set are overridden by. A copy copies pointers.
#[derive(Clone)]
pub(super) struct Segments {
    pub(super) environment: Arc<Environment>,
    segments: ShardedTable<RankedSegment>,
    overrides: ShardedTable<Arc<Overrides>>,
    identities: Arc<Identities>,
    refused: Arc<[DocumentProblem]>,
    /// The place of the next segment that is new.
    end: usize,
}

/// What identities have instead of the environment's states, by their identifiers.
pub(super) type Identities = Names<Arc<str>, Arc<[Arc<FeatureState>]>>;

/// A segment and its place in the order of the document.
#[derive(Clone)]
pub(super) struct RankedSegment {
    pub(super) place: usize,
    pub(super) segment: Arc<Segment>,
}

/// What the document got wrong.
#[derive(Clone, Debug)]
pub(super) struct DocumentProblem {
    pub(super) thing: ProblemSubject,
    /// Where it stands in the document, as a JSON pointer.
    pub(super) path: Box<str>,
}

#[derive(Clone, Debug)]
pub(super) enum ProblemSubject {
    Segment { id: Arc<str>, place: usize },
    Identity { identifier: Arc<str> },
}

/// What one feature is overridden by.
#[derive(Default)]
pub(super) struct Overrides {
    /// By priority, then by place.
    pub(super) strongest_first: Box<[Override]>,
    /// The places in `strongest_first`, in the order of the document; empty unless flags are read.
    pub(super) document_order: Box<[usize]>,
    /// Whether one of the segments reads flags.
    pub(super) reads_flags: bool,
    pub(super) by_identity: Option<Arc<Names<Arc<str>, Arc<FeatureState>>>>,
}

#[derive(Clone)]
pub(super) struct Override {
    place: usize,
    pub(super) segment: Arc<Segment>,
    pub(super) state: Arc<FeatureState>,
}

impl Segments {
    /// `segments` with their places, in any order.
    pub(super) fn new(
        environment: Arc<Environment>,
        segments: Vec<RankedSegment>,
        identities: Identities,
        refused: Vec<DocumentProblem>,
    ) -> Segments {
        let end = segments.iter().map(|placed| placed.place + 1).max().unwrap_or(0);
        let mut by_feature: Names<Arc<str>, Vec<Override>> = Names::default();
        let mut by_identity: Names<Arc<str>, Names<Arc<str>, Arc<FeatureState>>> = Names::default();
        let mut table = ShardedTable::default();
        for placed in segments {
            for over in placed.overrides() {
                by_feature.entry(Arc::clone(&over.state.name)).or_default().push(over);
            }
            table.insert(Arc::clone(&placed.segment.id), placed);
        }
        for (identifier, states) in &identities {
            for state in states.iter() {
                let own = by_identity.entry(Arc::clone(&state.name)).or_default();
                own.insert(Arc::clone(identifier), Arc::clone(state));
            }
        }
        let mut overrides = ShardedTable::default();
        for (name, own) in by_identity {
            let by_segment = by_feature.remove(&name).unwrap_or_default();
            overrides.insert(name, Arc::new(Overrides::new(by_segment, Some(own.into()))));
        }
        for (name, by_segment) in by_feature {
            overrides.insert(name, Arc::new(Overrides::new(by_segment, None)));
        }
        let (identities, refused) = (Arc::new(identities), refused.into());
        Segments { environment, segments: table, overrides, identities, refused, end }
    }

    /// What overrides a feature, if anything does.
    #[inline]
    pub(super) fn overrides(&self, state: &FeatureState) -> Option<&Overrides> {
        self.overrides.find(state.name_hash, &state.name).map(|overrides| &**overrides)
    }

    /// Every segment, in the order of the document. Allocates.
    pub(super) fn in_order(&self) -> Vec<&Segment> {
        let mut placed: Vec<_> = self.segments.values().collect();
        placed.sort_unstable_by_key(|placed| placed.place);
        placed.into_iter().map(|placed| &*placed.segment).collect()
    }

    /// How many of the segments that are made of identity overrides an identity belongs to.
    pub(super) fn has_own(&self, identifier: &str) -> bool {
        self.identities.get(identifier).is_some_and(|states| !states.is_empty())
    }

    /// The same with a segment added at the end, or replaced where it is.
    pub(super) fn with(&self, segment: Segment) -> Segments {
        let refused_at = self.refused.iter().find_map(|refused| match &refused.thing {
            ProblemSubject::Segment { id, place } if *id == segment.id => Some(*place),
            _ => None,
        });
        let held = self.segments.get(&segment.id).map(|held| held.place);
        let place = held.or(refused_at).unwrap_or(self.end);
        self.with_ranked(RankedSegment { place, segment: Arc::new(segment) })
    }

    fn with_ranked(&self, placed: RankedSegment) -> Segments {
        let mut changed = self.without(&placed.segment.id);
        let mut by_feature: Names<Arc<str>, Vec<Override>> = Names::default();
        for over in placed.overrides() {
            by_feature.entry(Arc::clone(&over.state.name)).or_default().push(over);
        }
        for (name, more) in by_feature {
            changed.rebuild(&name, |overrides| overrides.extend(more));
        }
        changed.end = changed.end.max(placed.place + 1);
        changed.segments.insert(Arc::clone(&placed.segment.id), placed);
        changed
    }

    /// The same without a segment.
    pub(super) fn without(&self, id: &str) -> Segments {
        let mut changed = self.clone();
        if let Some(held) = self.segments.get(id) {
            let names: NameSet<_> =
                held.segment.overrides.iter().map(|state| &state.name).collect();
            for name in names {
                changed.rebuild(name, |overrides| {
                    overrides.retain(|over| !Arc::ptr_eq(&over.segment, &held.segment));
                });
            }
            changed.segments.remove(id);
        }
        let of_segment = |refused: &DocumentProblem| matches!(&refused.thing, ProblemSubject::Segment { id: refused, .. } if **refused == *id);
        if self.refused.iter().any(of_segment) {
            changed.refused =
                self.refused.iter().filter(|refused| !of_segment(refused)).cloned().collect();
        }
        changed
    }

    /// Where the document has the segment that it got wrong.
    pub(super) fn refused_at(&self, segment: &str) -> Option<&str> {
        self.refused.iter().find_map(|refused| match &refused.thing {
            ProblemSubject::Segment { id, .. } if **id == *segment => Some(&*refused.path),
            _ => None,
        })
    }

    fn rebuild(&mut self, name: &Arc<str>, change: impl FnOnce(&mut Vec<Override>)) {
        let held = self.overrides.get(name);
        let by_identity = held.and_then(|held| held.by_identity.clone());
        let mut overrides = held.map(|held| held.strongest_first.to_vec()).unwrap_or_default();
        change(&mut overrides);
        if overrides.is_empty() && by_identity.is_none() {
            self.overrides.remove(name);
        } else {
            let overrides = Arc::new(Overrides::new(overrides, by_identity));
            self.overrides.insert(Arc::clone(name), overrides);
        }
    }
}

impl RankedSegment {
    fn overrides(&self) -> impl Iterator<Item = Override> + use<'_> {
        self.segment.overrides.iter().map(|state| Override {
            place: self.place,
            segment: Arc::clone(&self.segment),
            state: Arc::clone(state),
        })
    }
}

impl Overrides {
    fn new(
        mut overrides: Vec<Override>,
        by_identity: Option<Arc<Names<Arc<str>, Arc<FeatureState>>>>,
    ) -> Overrides {
        let reads_flags = overrides.iter().any(|over| over.segment.reads.flags);
        // Both sorts are stable: of two overrides in one segment the first stays first.
        overrides.sort_by(|a, b| {
            a.state.priority.total_cmp(&b.state.priority).then(a.place.cmp(&b.place))
        });
        let mut document_order = Vec::new();
        if reads_flags {
            document_order.extend(0..overrides.len());
            document_order.sort_by_key(|at| overrides.get(*at).map(|over| over.place));
        }
        Overrides {
            strongest_first: overrides.into(),
            document_order: document_order.into(),
            reads_flags,
            by_identity,
        }
    }
}

impl SetData for Segments {
    fn keeping_last_good(&self, previous: &dyn Any) -> Option<Arc<dyn SetData>> {
        let previous: &Segments = previous.downcast_ref()?;
        let mut kept = None;
        for refused in self.refused.iter() {
            let current: &Segments = kept.as_ref().unwrap_or(self);
            kept = match &refused.thing {
                ProblemSubject::Segment { id, place } => match previous.segments.get(id) {
                    Some(held) if current.segments.get(id).is_none() => {
                        let segment = Arc::clone(&held.segment);
                        let changed = current.with_ranked(RankedSegment { place: *place, segment });
                        // Still wrong in the document: the next set is to keep it again.
                        Some(Segments { refused: Arc::clone(&self.refused), ..changed })
                    }
                    _ => kept,
                },
                ProblemSubject::Identity { identifier } => {
                    match previous.identities.get(identifier) {
                        Some(states) if !current.identities.contains_key(identifier) => {
                            Some(current.with_identity(identifier, states))
                        }
                        _ => kept,
                    }
                }
            };
        }
        kept.map(|kept| Arc::new(kept) as Arc<dyn SetData>)
    }
}

impl Segments {
    fn with_identity(&self, identifier: &Arc<str>, states: &Arc<[Arc<FeatureState>]>) -> Segments {
        let mut changed = self.clone();
        let identities = Arc::make_mut(&mut changed.identities);
        identities.insert(Arc::clone(identifier), Arc::clone(states));
        for state in states.iter() {
            let held = changed.overrides.get(&state.name);
            let mut own =
                held.and_then(|held| held.by_identity.as_deref().cloned()).unwrap_or_default();
            own.insert(Arc::clone(identifier), Arc::clone(state));
            let by_segment = held.map(|held| held.strongest_first.to_vec()).unwrap_or_default();
            let overrides = Arc::new(Overrides::new(by_segment, Some(own.into())));
            changed.overrides.insert(Arc::clone(&state.name), overrides);
        }
        changed
    }
}
