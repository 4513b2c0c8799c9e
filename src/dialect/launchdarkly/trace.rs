//! Watching an evaluation. The plain evaluation is the same code with a watcher that does nothing.

use super::tree::Attribute;
use crate::{
    flag::{Trace, TraceStep},
    value::{Value, ValueRef},
};

/// A place inside of a flag or a segment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Top,
    Rule(usize),
    Fallthrough,
}

pub(super) trait Watcher {
    /// The evaluation goes on inside of another flag or of a segment, until it leaves it.
    fn enters(&mut self, collection: &'static str, key: &str);
    fn leaves(&mut self);
    fn at(&mut self, place: Place);
    fn read(&mut self, kind: &str, attribute: &Attribute, value: Option<ValueRef<'_>>);
    fn clause(&mut self, index: usize, operator: &str, result: bool);
    fn bucket(&mut self, bucket: f32, from: f32, to: f32);
    fn note(&mut self, text: impl FnOnce() -> String);
}

/// Sees nothing and costs nothing.
pub(super) struct Unwatched;

impl Watcher for Unwatched {
    #[inline(always)]
    fn enters(&mut self, _: &'static str, _: &str) {}
    #[inline(always)]
    fn leaves(&mut self) {}
    #[inline(always)]
    fn at(&mut self, _: Place) {}
    #[inline(always)]
    fn read(&mut self, _: &str, _: &Attribute, _: Option<ValueRef<'_>>) {}
    #[inline(always)]
    fn clause(&mut self, _: usize, _: &str, _: bool) {}
    #[inline(always)]
    fn bucket(&mut self, _: f32, _: f32, _: f32) {}
    #[inline(always)]
    fn note(&mut self, _: impl FnOnce() -> String) {}
}

/// Writes everything down.
#[derive(Default)]
pub(super) struct Recorder {
    place: Option<Place>,
    /// The flags and segments around this one, each with the place where it was left.
    around: Vec<(String, Option<Place>)>,
    /// This flag or segment as it stands in a document; empty for the flag that was asked for.
    inside: String,
    pub(super) trace: Trace,
}

impl Recorder {
    fn path(&self) -> String {
        match self.place {
            None | Some(Place::Top) => self.inside.clone(),
            Some(Place::Rule(index)) => format!("{}/rules/{index}", self.inside),
            Some(Place::Fallthrough) => format!("{}/fallthrough", self.inside),
        }
    }
}

impl Watcher for Recorder {
    fn enters(&mut self, collection: &'static str, key: &str) {
        let inside = format!("/{collection}/{}", escaped(key));
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
                    name.push_str(&escaped(part));
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

/// A key as one part of a JSON pointer.
pub(super) fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
