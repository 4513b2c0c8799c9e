//! Following an evaluation step by step. The plain evaluation is the same code with a tracer that does
//! nothing.

use super::{
    place::{Place, Step, pointer},
    tree::FlagdFlag,
};
use crate::{
    flag::{EvaluationTrace, TraceStep},
    value::{Value, ValueRef},
};

pub(super) trait Tracer {
    fn read(&mut self, path: impl FnOnce() -> String, value: Option<ValueRef<'_>>);
    fn operator(&mut self, place: Place, name: &'static str, result: ValueRef<'_>);
    fn failed(&mut self, place: Place, name: &str);
    /// An operator whose result will be what the rule decides.
    fn entered(&mut self, place: Place, name: &'static str);
    fn decided(&mut self, variant: ValueRef<'_>);
    fn bucket(&mut self, place: Place, bucket: f64, bounds: (f64, f64), total: f64);
    fn note(&mut self, text: impl FnOnce() -> String);
}

/// Follows nothing and costs nothing.
pub(super) struct Untraced;

impl Tracer for Untraced {
    #[inline(always)]
    fn read(&mut self, _: impl FnOnce() -> String, _: Option<ValueRef<'_>>) {}
    #[inline(always)]
    fn operator(&mut self, _: Place, _: &'static str, _: ValueRef<'_>) {}
    #[inline(always)]
    fn failed(&mut self, _: Place, _: &str) {}
    #[inline(always)]
    fn entered(&mut self, _: Place, _: &'static str) {}
    #[inline(always)]
    fn decided(&mut self, _: ValueRef<'_>) {}
    #[inline(always)]
    fn bucket(&mut self, _: Place, _: f64, _: (f64, f64), _: f64) {}
    #[inline(always)]
    fn note(&mut self, _: impl FnOnce() -> String) {}
}

/// Writes everything down.
pub(super) struct TraceRecorder<'a> {
    places: &'a [Step],
    /// The operators whose result is not known yet, outermost first.
    entered: Vec<(Place, &'static str)>,
    pub(super) trace: EvaluationTrace,
}

impl<'a> TraceRecorder<'a> {
    pub(super) fn new(flag: &'a FlagdFlag) -> TraceRecorder<'a> {
        TraceRecorder {
            places: &flag.places,
            entered: Vec::new(),
            trace: EvaluationTrace::default(),
        }
    }
}

impl Tracer for TraceRecorder<'_> {
    fn read(&mut self, path: impl FnOnce() -> String, value: Option<ValueRef<'_>>) {
        let value = value.map_or(Value::Null, ValueRef::to_value);
        self.trace.steps.push(TraceStep::Read { attribute: path(), value });
    }

    fn operator(&mut self, place: Place, name: &'static str, result: ValueRef<'_>) {
        self.trace.steps.push(TraceStep::Operator {
            path: pointer(self.places, place),
            operator: name.to_owned(),
            result: result.to_value(),
        });
    }

    fn failed(&mut self, place: Place, name: &str) {
        let path = pointer(self.places, place);
        self.note(|| {
            if name.is_empty() {
                format!("{path} cannot be evaluated")
            } else {
                format!("`{name}` at {path} cannot take these arguments")
            }
        });
    }

    fn entered(&mut self, place: Place, name: &'static str) {
        self.entered.push((place, name));
    }

    fn decided(&mut self, variant: ValueRef<'_>) {
        while let Some((place, name)) = self.entered.pop() {
            self.operator(place, name, variant);
        }
    }

    fn bucket(&mut self, place: Place, bucket: f64, (from, to): (f64, f64), total: f64) {
        let path = pointer(self.places, place);
        self.trace.steps.push(TraceStep::Bucket { path, bucket, from, to, total });
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        self.trace.steps.push(TraceStep::Note { text: text() });
    }
}
