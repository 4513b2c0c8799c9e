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
        let evaluation = self.answer(request);
        self.count(&evaluation, request);
        evaluation
    }

    /// Evaluates the flag, and leaves it to the caller to [count](Self::count) the answer.
    #[inline]
    pub(crate) fn answer<'a>(&'a self, request: &Request<'a>) -> Evaluation<'a> {
        self.flag.evaluate(request, &self.set)
    }

    /// Counts the answer if somebody goes by it.
    #[inline]
    pub(crate) fn count<'a>(&'a self, evaluation: &Evaluation<'a>, request: &Request<'a>) {
        // Without the key it asked for nobody goes by the answer.
        if request.counted && (!evaluation.missing_key || request.key_override.is_some()) {
            self.flag.count(evaluation, request, &self.set, None);
        }
    }

    pub(crate) fn explain<'a>(
        &'a self,
        request: &Request<'a>,
    ) -> (Evaluation<'a>, EvaluationTrace) {
        self.flag.explain(request, &self.set)
    }
}
