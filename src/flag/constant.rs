//! A flag that answers everybody alike.

use super::{Evaluate, Evaluation, EvaluationTrace, FlagSet, Reason, Request, TraceStep};
use crate::value::{Map, Value};

/// The rules of a flag without any.
pub(super) struct Constant {
    pub(super) value: Value,
    pub(super) metadata: Map,
}

impl Evaluate for Constant {
    fn evaluate<'a>(&'a self, _: &Request<'a>, _: &'a FlagSet) -> Evaluation<'a> {
        Evaluation {
            value: Some(&self.value),
            variant: None,
            reason: Reason::Static,
            error: None,
            metadata: &self.metadata,
            on: None,
            missing_key: false,
            outcome: 0,
            truncates: false,
        }
    }

    fn explain<'a>(
        &'a self,
        request: &Request<'a>,
        set: &'a FlagSet,
    ) -> (Evaluation<'a>, EvaluationTrace) {
        let step = TraceStep::Note { text: "the same for everybody".to_owned() };
        (self.evaluate(request, set), EvaluationTrace { steps: vec![step] })
    }

    fn metadata(&self) -> &Map {
        &self.metadata
    }
}
