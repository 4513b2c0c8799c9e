//! An evaluation that remembers what its prerequisites answered.

use smallvec::SmallVec;

use super::{evaluate::Met, trace::Watcher};

/// The prerequisites that an evaluation looked at, in order.
#[derive(Default)]
pub(super) struct Tally<'a> {
    pub(super) met: SmallVec<[Met<'a>; 4]>,
}

impl<'a> Watcher<'a> for Tally<'a> {
    fn met(&mut self, met: Met<'a>) {
        self.met.push(met);
    }
}
