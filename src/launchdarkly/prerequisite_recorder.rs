//! An evaluation that remembers what its prerequisites answered.

use smallvec::SmallVec;

use super::{evaluate::PrerequisiteVisit, trace::Tracer};

/// The prerequisites that an evaluation looked at, in order.
#[derive(Default)]
pub(super) struct PrerequisiteRecorder<'a> {
    pub(super) visits: SmallVec<[PrerequisiteVisit<'a>; 4]>,
}

impl<'a> Tracer<'a> for PrerequisiteRecorder<'a> {
    fn prerequisite(&mut self, visit: PrerequisiteVisit<'a>) {
        self.visits.push(visit);
    }
}
