//! The segments of a set, which its toggles refer to by their number.

use std::{any::Any, sync::Arc};

use crate::hash::NameSet;

use super::{compile::CompileError, tree::Constraint};
use crate::flag::{SetData, table::ShardedTable};

#[derive(Clone)]
pub(super) enum Segment {
    Constraints(Arc<[Constraint]>),
    /// One of its constraints cannot be compiled: whatever uses it is off for everybody.
    Poisoned(Arc<CompileError>),
}

/// The segments of one set, by the text of their number.
#[derive(Clone, Default)]
pub(super) struct Segments {
    table: ShardedTable<Segment>,
    /// Those that were malformed when last they came.
    malformed: NameSet<Box<str>>,
}

impl Segments {
    pub(super) fn get(&self, id: &str) -> Option<&Segment> {
        self.table.get(id)
    }

    pub(super) fn insert(&mut self, id: &str, segment: Segment) {
        self.malformed.remove(id);
        self.table.insert(id.into(), segment);
    }

    pub(super) fn remove(&mut self, id: &str) {
        self.malformed.remove(id);
        self.table.remove(id);
    }

    /// Notes that this one came malformed; what is known of it stays.
    pub(super) fn refuse(&mut self, id: &str) {
        self.malformed.insert(id.into());
    }

    /// These, with the malformed ones as they were in `previous`.
    pub(super) fn mended(&self, previous: &Segments) -> Option<Segments> {
        let lost = self.malformed.iter().filter(|id| self.get(id).is_none());
        let held: Vec<_> =
            lost.filter_map(|id| Some((Arc::from(&**id), previous.get(id)?.clone()))).collect();
        if held.is_empty() {
            return None;
        }
        let mut mended = self.clone();
        for (id, segment) in held {
            mended.table.insert(id, segment);
        }
        Some(mended)
    }
}

impl SetData for Segments {
    fn keeping_last_good(&self, previous: &dyn Any) -> Option<Arc<dyn SetData>> {
        let mended = self.mended(previous.downcast_ref()?)?;
        Some(Arc::new(mended))
    }
}
