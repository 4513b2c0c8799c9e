//! Watching an evaluation. The plain evaluation is the same code with a watcher that does nothing.

use crate::{
    flag::{EvaluationTrace, TraceStep},
    value::Value,
};

pub(super) trait Tracer {
    /// Whether anything is done with what it sees.
    const TRACES: bool = true;

    fn read(&mut self, field: &str, text: Option<&str>);
    fn operator(&mut self, path: impl FnOnce() -> String, operator: &str, result: bool);
    /// A bucket of `0..total`, of which the chosen share has `from..to`.
    fn bucket(&mut self, path: impl FnOnce() -> String, bucket: u32, share: (u32, u32), total: u32);
    fn note(&mut self, text: impl FnOnce() -> String);
}

/// Sees nothing and costs nothing.
pub(super) struct Untraced;

impl Tracer for Untraced {
    const TRACES: bool = false;

    #[inline(always)]
    fn read(&mut self, _: &str, _: Option<&str>) {}
    #[inline(always)]
    fn operator(&mut self, _: impl FnOnce() -> String, _: &str, _: bool) {}
    #[inline(always)]
    fn bucket(&mut self, _: impl FnOnce() -> String, _: u32, _: (u32, u32), _: u32) {}
    #[inline(always)]
    fn note(&mut self, _: impl FnOnce() -> String) {}
}

/// Writes everything down.
#[derive(Default)]
pub(super) struct TraceRecorder {
    pub(super) trace: EvaluationTrace,
}

impl Tracer for TraceRecorder {
    fn read(&mut self, field: &str, text: Option<&str>) {
        let value = text.map_or(Value::Null, Value::from);
        self.trace.steps.push(TraceStep::Read { attribute: field.to_owned(), value });
    }

    fn operator(&mut self, path: impl FnOnce() -> String, operator: &str, result: bool) {
        self.trace.steps.push(TraceStep::Operator {
            path: path(),
            operator: operator.to_owned(),
            result: Value::Bool(result),
        });
    }

    fn bucket(
        &mut self,
        path: impl FnOnce() -> String,
        bucket: u32,
        (from, to): (u32, u32),
        total: u32,
    ) {
        self.trace.steps.push(TraceStep::Bucket {
            path: path(),
            bucket: bucket.into(),
            from: from.into(),
            to: to.into(),
            total: total.into(),
        });
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        self.trace.steps.push(TraceStep::Note { text: text() });
    }
}
