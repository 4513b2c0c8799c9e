//! Watching an evaluation. The plain evaluation is the same code with a watcher that does nothing.

use super::{condition::Condition, subject::Subject, tree::Variant};
use crate::{
    flag::{EvaluationTrace, TraceStep},
    value::Value,
};

pub(super) trait Tracer {
    /// Goes into a part of a segment.
    fn enter(&mut self, part: impl FnOnce() -> String);
    fn leave(&mut self);
    fn condition(&mut self, condition: &Condition, subject: Option<&Subject<'_>>, result: bool);
    /// A percentage split of a segment placed its subject.
    fn split(&mut self, percentage: f64, limit: f64);
    /// A split between variants placed the identity.
    fn variant(&mut self, percentage: f64, variants: &[Variant], chosen: Option<usize>);
    fn note(&mut self, text: impl FnOnce() -> String);
}

/// Sees nothing and costs nothing.
pub(super) struct Untraced;

impl Tracer for Untraced {
    #[inline(always)]
    fn enter(&mut self, _: impl FnOnce() -> String) {}
    #[inline(always)]
    fn leave(&mut self) {}
    #[inline(always)]
    fn condition(&mut self, _: &Condition, _: Option<&Subject<'_>>, _: bool) {}
    #[inline(always)]
    fn split(&mut self, _: f64, _: f64) {}
    #[inline(always)]
    fn variant(&mut self, _: f64, _: &[Variant], _: Option<usize>) {}
    #[inline(always)]
    fn note(&mut self, _: impl FnOnce() -> String) {}
}

/// Writes everything down.
#[derive(Default)]
pub(super) struct TraceRecorder {
    /// Where the evaluation is, from the outermost part on.
    path: Vec<String>,
    pub(super) trace: EvaluationTrace,
}

impl TraceRecorder {
    fn path(&self) -> String {
        self.path.concat()
    }
}

impl Tracer for TraceRecorder {
    fn enter(&mut self, part: impl FnOnce() -> String) {
        self.path.push(part());
    }

    fn leave(&mut self) {
        self.path.pop();
    }

    fn condition(&mut self, condition: &Condition, subject: Option<&Subject<'_>>, result: bool) {
        let value = subject.map_or(Value::Null, Subject::to_value);
        let attribute = condition.property.text.to_string();
        self.trace.steps.push(TraceStep::Read { attribute, value });
        self.trace.steps.push(TraceStep::Operator {
            path: self.path(),
            operator: condition.operator.as_str().to_owned(),
            result: Value::Bool(result),
        });
    }

    fn split(&mut self, percentage: f64, limit: f64) {
        let (path, bucket) = (self.path(), percentage);
        self.trace.steps.push(TraceStep::Bucket {
            path,
            bucket,
            from: 0.0,
            to: limit,
            total: 100.0,
        });
    }

    fn variant(&mut self, percentage: f64, variants: &[Variant], chosen: Option<usize>) {
        let before = chosen.unwrap_or(variants.len());
        let from = variants.iter().take(before).map(|variant| variant.weight).sum();
        let to = match chosen.and_then(|chosen| variants.get(chosen)) {
            Some(variant) => from + variant.weight,
            None => 100.0,
        };
        let path = "/variants".to_owned();
        self.trace.steps.push(TraceStep::Bucket {
            path,
            bucket: percentage,
            from,
            to,
            total: 100.0,
        });
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        self.trace.steps.push(TraceStep::Note { text: text() });
    }
}
