//! Tracing an evaluation. The plain evaluation is the same code with a tracer that does nothing.

use super::{evaluate::PrerequisiteVisit, tree::Attribute};
use crate::{
    flag::{EvaluationTrace, TraceStep, problem::pointer_segment},
    value::{Value, ValueRef},
};

/// A place in a flag or a segment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Top,
    Rule(usize),
    Fallthrough,
}

/// Sees the steps of an evaluation. Each method does nothing unless a tracer overrides it.
pub(super) trait Tracer<'a> {
    /// The evaluation goes on in another flag or a segment, until it leaves it.
    #[inline(always)]
    fn enters(&mut self, _collection: &'static str, _key: &str) {}
    #[inline(always)]
    fn leaves(&mut self) {}
    #[inline(always)]
    fn at(&mut self, _place: Place) {}
    #[inline(always)]
    fn read(&mut self, _kind: &str, _attribute: &Attribute, _value: Option<ValueRef<'_>>) {}
    #[inline(always)]
    fn clause(&mut self, _index: usize, _operator: &str, _result: bool) {}
    #[inline(always)]
    fn bucket(&mut self, _bucket: f32, _from: f32, _to: f32) {}
    #[inline(always)]
    fn note(&mut self, _text: impl FnOnce() -> String) {}
    /// A prerequisite has been looked at.
    #[inline(always)]
    fn prerequisite(&mut self, _visit: PrerequisiteVisit<'a>) {}
}

/// Sees nothing and costs nothing.
pub(super) struct Untraced;

impl Tracer<'_> for Untraced {}

/// Writes everything down.
#[derive(Default)]
pub(super) struct TraceRecorder {
    place: Option<Place>,
    /// The flags and segments around this one, each with the place where it was left.
    around: Vec<(String, Option<Place>)>,
    /// This flag or segment as it stands in a document; empty for the flag that was asked for.
    inside: String,
    pub(super) trace: EvaluationTrace,
}

impl TraceRecorder {
    fn path(&self) -> String {
        match self.place {
            None | Some(Place::Top) => self.inside.clone(),
            Some(Place::Rule(index)) => format!("{}/rules/{index}", self.inside),
            Some(Place::Fallthrough) => format!("{}/fallthrough", self.inside),
        }
    }
}

impl Tracer<'_> for TraceRecorder {
    fn enters(&mut self, collection: &'static str, key: &str) {
        let inside = format!("/{collection}/{}", pointer_segment(key));
        self.around.push((std::mem::replace(&mut self.inside, inside), self.place.take()));
    }

    fn leaves(&mut self) {
        if let Some((inside, place)) = self.around.pop() {
            (self.inside, self.place) = (inside, place);
        }
    }

    fn at(&mut self, place: Place) {
        self.place = Some(place);
    }

    fn read(&mut self, kind: &str, attribute: &Attribute, value: Option<ValueRef<'_>>) {
        let mut name = match kind {
            "user" => String::new(),
            kind => format!("{kind}:"),
        };
        match attribute {
            Attribute::Key => name.push_str("key"),
            Attribute::Kind => name.push_str("kind"),
            Attribute::Name => name.push_str("name"),
            Attribute::Anonymous => name.push_str("anonymous"),
            Attribute::Custom(custom) => name.push_str(custom),
            Attribute::Path(first, rest) => {
                for part in std::iter::once(first).chain(rest) {
                    name.push('/');
                    name.push_str(&pointer_segment(part));
                }
            }
            Attribute::Nothing => name.push_str("nothing that can be addressed"),
            Attribute::Invalid(text) => name.push_str(text),
        }
        let value = value.map_or(Value::Null, ValueRef::to_value);
        self.trace.steps.push(TraceStep::Read { attribute: name, value });
    }

    fn clause(&mut self, index: usize, operator: &str, result: bool) {
        self.trace.steps.push(TraceStep::Operator {
            path: format!("{}/clauses/{index}", self.path()),
            operator: operator.to_owned(),
            result: Value::Bool(result),
        });
    }

    fn bucket(&mut self, bucket: f32, from: f32, to: f32) {
        self.trace.steps.push(TraceStep::Bucket {
            path: self.path(),
            bucket: bucket.into(),
            from: from.into(),
            to: to.into(),
            total: 1.0,
        });
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        self.trace.steps.push(TraceStep::Note { text: text() });
    }
}
