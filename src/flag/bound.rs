//! A flag looked up beforehand.

use super::{Evaluation, EvaluationTrace, Flag, FlagSet, Request};

/// A flag together with the set that it refers into: what a router keeps between two snapshots.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    flag: Flag,
    set: FlagSet,
}

impl Bound {
    pub(crate) fn new(flag: &Flag, set: &FlagSet) -> Bound {
        Bound { flag: flag.clone(), set: set.clone() }
    }

    /// Evaluates the flag, and counts the answer if somebody goes by it.
    #[inline]
    pub(crate) fn evaluate<'a>(&'a self, request: &Request<'a>) -> Evaluation<'a> {
        let evaluation = self.flag.evaluate(request, &self.set);
        // Without the key it asked for nobody goes by the answer.
        if request.counted && (!evaluation.missing_key || request.key_override.is_some()) {
            self.flag.count(&evaluation, request, &self.set, None);
        }
        evaluation
    }

    pub(crate) fn explain<'a>(
        &'a self,
        request: &Request<'a>,
    ) -> (Evaluation<'a>, EvaluationTrace) {
        self.flag.explain(request, &self.set)
    }
}
