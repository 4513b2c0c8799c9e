//! The segments of a set, and which features they override.

use std::{any::Any, sync::Arc};

use crate::hash::{NameSet, Names};

use super::{
    environment::{Environment, Shape},
    tree::{FeatureState, Segment},
};
use crate::flag::{SetData, problem::pointer_segment, table::ShardedTable};

/// What the features of one set are overridden by. A copy copies pointers.
#[derive(Clone)]
pub(super) struct Segments {
    pub(super) environment: Arc<Environment>,
    segments: ShardedTable<RankedSegment>,
    overrides: ShardedTable<Arc<Overrides>>,
    identities: Arc<Identities>,
    refused: Arc<[Refused]>,
    /// The place of the next segment that is new: behind all of the document's, also those that
    /// were refused.
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

/// What the document got wrong, and what therefore stays in its last good form.
#[derive(Clone, Debug)]
pub(super) enum Refused {
    Segment { id: Arc<str>, place: usize },
    Identity { identifier: Arc<str> },
}

impl Refused {
    fn is_segment(&self, wanted: &str) -> bool {
        matches!(self, Refused::Segment { id, .. } if **id == *wanted)
    }
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
    /// `segments` with their places, in any order; `end` is the place behind the last of the document.
    pub(super) fn new(
        environment: Arc<Environment>,
        segments: Vec<RankedSegment>,
        identities: Identities,
        refused: Vec<Refused>,
        end: usize,
    ) -> Segments {
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

    /// Whether this very identity has features of its own.
    pub(super) fn has_own(&self, identifier: &str) -> bool {
        self.identities.get(identifier).is_some_and(|states| !states.is_empty())
    }

    /// Where the document has a segment, or a new one would come: the place among its neighbours.
    fn place_of(&self, id: &str) -> usize {
        let held = self.segments.get(id).map(|held| held.place);
        let refused = || {
            self.refused.iter().find_map(|refused| match refused {
                Refused::Segment { place, .. } if refused.is_segment(id) => Some(*place),
                _ => None,
            })
        };
        held.or_else(refused).unwrap_or(self.end)
    }

    /// The same as a JSON pointer, by which the set's problems name the segment.
    pub(super) fn path_of(&self, id: &str) -> String {
        segment_path(self.environment.shape, id, self.place_of(id))
    }

    /// The same with a segment added at the end, or replaced where it is.
    pub(super) fn with(&self, segment: Segment) -> Segments {
        let placed =
            RankedSegment { place: self.place_of(&segment.id), segment: Arc::new(segment) };
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
        if self.refused.iter().any(|refused| refused.is_segment(id)) {
            let others = self.refused.iter().filter(|refused| !refused.is_segment(id));
            changed.refused = others.cloned().collect();
        }
        changed
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

/// Where a segment stands in a document of this shape, as a JSON pointer.
pub(super) fn segment_path(shape: Shape, id: &str, place: usize) -> String {
    match shape {
        Shape::Context => format!("/segments/{}", pointer_segment(id)),
        Shape::Document => format!("/project/segments/{place}"),
    }
}

impl SetData for Segments {
    fn keeping_last_good(&self, previous: &dyn Any) -> Option<Arc<dyn SetData>> {
        let previous: &Segments = previous.downcast_ref()?;
        let (mut segments, mut identities) = (Vec::new(), Identities::default());
        for refused in self.refused.iter() {
            match refused {
                Refused::Segment { id, place } if self.segments.get(id).is_none() => {
                    segments.extend(previous.segments.get(id).map(|held| RankedSegment {
                        place: *place,
                        segment: Arc::clone(&held.segment),
                    }));
                }
                Refused::Identity { identifier } if !self.identities.contains_key(identifier) => {
                    let held = previous.identities.get_key_value(identifier);
                    identities.extend(held.map(|(name, own)| (Arc::clone(name), Arc::clone(own))));
                }
                _ => {}
            }
        }
        if segments.is_empty() && identities.is_empty() {
            return None;
        }
        // Everything is put together anew, once: what was refused may be half of the document.
        segments.extend(self.segments.values().cloned());
        identities
            .extend(self.identities.iter().map(|(name, own)| (Arc::clone(name), Arc::clone(own))));
        // Still wrong in the document: the next set is to keep it again.
        let refused = self.refused.to_vec();
        let environment = Arc::clone(&self.environment);
        Some(Arc::new(Segments::new(environment, segments, identities, refused, self.end)))
    }
}
