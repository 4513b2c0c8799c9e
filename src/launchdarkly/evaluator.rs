//! One evaluation: what it can see, and what it reads there.

use super::{
    big_segments,
    operator::{number, whole},
    reference::kind_key,
    trace::Tracer,
    tree::{Attribute, Bucket, Clause, ContextKind},
    visited::Visited,
};
use crate::{context::EvaluationContext, flag::FlagSet, value::ValueRef};

/// A flag that cannot be evaluated: its own data, or what it refers to, makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// One evaluation of a flag: what it can see, and what it has met.
pub(super) struct Evaluator<'a, T> {
    pub(super) set: &'a FlagSet,
    pub(super) context: &'a dyn EvaluationContext,
    /// The key of the context itself, which is of kind `user`. A legacy user's may be empty.
    pub(super) key: Option<&'a str>,
    /// Whether a rollout by the user's key met none.
    pub(super) missing_key: bool,
    /// The worst that the store of big segments said of itself; `None`: it was not asked.
    pub(super) big_segments: Option<big_segments::Status>,
    /// Prerequisites, with the variation they served.
    pub(super) flags: Visited<Option<u32>>,
    pub(super) segments: Visited<bool>,
    pub(super) tracer: T,
}

/// The context of one kind.
#[derive(Clone, Copy)]
pub(super) struct KindContext<'a> {
    kind: &'a str,
    pub(super) key: &'a str,
    context: &'a dyn EvaluationContext,
}

/// The greatest number that 60 bits hold, as the vendor divides by it: in single precision, where it
/// is 2^60.
const SCALE: f32 = 0x0fff_ffff_ffff_ffff_i64 as f32;

impl<'a, T: Tracer<'a>> Evaluator<'a, T> {
    #[inline]
    pub(super) fn new(
        context: &'a dyn EvaluationContext,
        key_override: Option<&'a str>,
        set: &'a FlagSet,
        tracer: T,
    ) -> Evaluator<'a, T> {
        Evaluator {
            set,
            context,
            key: key_override.or_else(|| context.targeting_key()),
            missing_key: false,
            big_segments: None,
            flags: Visited::new(),
            segments: Visited::new(),
            tracer,
        }
    }

    /// Whether there is a context of any kind.
    #[inline]
    pub(super) fn has_context(&self) -> bool {
        self.key.is_some() || self.has_other_kind()
    }

    #[cold]
    fn has_other_kind(&self) -> bool {
        let mut any = false;
        self.context
            .visit_kinds(&mut |kind, context| any = any || kind_key(kind, context).is_some());
        any
    }

    /// The context of a kind, if it is there.
    #[inline]
    pub(super) fn individual(&self, kind: &'a ContextKind) -> Option<KindContext<'a>> {
        match (kind, self.key) {
            (ContextKind::User, Some(key)) => {
                Some(KindContext { kind: "user", key, context: self.context })
            }
            (ContextKind::User, None) => self.other("user"),
            (ContextKind::Other(kind), _) => self.other(kind),
            (ContextKind::Nowhere, _) => None,
        }
    }

    #[inline(never)]
    fn other(&self, kind: &'a str) -> Option<KindContext<'a>> {
        let context = self.context.kind(kind)?;
        let key = context.targeting_key().filter(|key| !key.is_empty())?;
        Some(KindContext { kind, key, context })
    }

    /// Whether a clause holds.
    #[inline]
    pub(super) fn clause(&mut self, index: usize, clause: &'a Clause) -> Result<bool, Malformed> {
        let (operator, result) = match clause {
            Clause::Attribute { kind, attribute, test, negate } => {
                let value = match self.individual(kind) {
                    Some(individual) => {
                        let value = individual.read(attribute);
                        self.tracer.read(individual.kind, attribute, value);
                        value
                    }
                    None => None,
                };
                let result = match value {
                    // What is not there matches nothing, not even the opposite.
                    None | Some(ValueRef::Null) => false,
                    Some(value) => test.holds(value) != *negate,
                };
                (test.name(), result)
            }
            Clause::Segments { keys, negate } => {
                ("segmentMatch", self.is_in_any_segment(keys)? != *negate)
            }
            Clause::Kinds { test, negate } => {
                let mut any = self.key.is_some() && test.holds(ValueRef::Text("user"));
                self.context.visit_kinds(&mut |kind, context| {
                    any = any
                        || kind_key(kind, context).is_some() && test.holds(ValueRef::Text(kind));
                });
                (test.name(), any != *negate)
            }
            Clause::Invalid { reference } => {
                self.tracer.note(|| format!("clause {index}: `{reference}` names no attribute"));
                return Err(Malformed);
            }
        };
        self.tracer.clause(index, operator, result);
        Ok(result)
    }

    /// Where between 0 and 1 the context falls, and whether there is a context of the kind.
    #[inline]
    pub(super) fn bucket(&mut self, bucket: &'a Bucket) -> Result<(f32, bool), Malformed> {
        if let Attribute::Invalid(reference) = &bucket.by {
            self.tracer.note(|| format!("bucketBy: `{reference}` names no attribute"));
            return Err(Malformed);
        }
        let individual = self.individual(&bucket.kind);
        if bucket.kind == ContextKind::User
            && bucket.by == Attribute::Key
            && individual.is_none_or(|individual| individual.key.is_empty())
        {
            self.missing_key = true;
        }
        let Some(individual) = individual else { return Ok((0.0, false)) };
        let value = individual.read(&bucket.by);
        self.tracer.read(individual.kind, &bucket.by, value);
        Ok((value.and_then(|value| bucket_value(bucket, value)).unwrap_or(0.0), true))
    }
}

/// Where between 0 and 1 an attribute's value falls; only text and whole numbers do.
#[inline(always)]
fn bucket_value(bucket: &Bucket, value: ValueRef<'_>) -> Option<f32> {
    let mut hash = bucket.prefix;
    match value {
        ValueRef::Text(text) => hash.write(text.as_bytes()),
        value => {
            let number = number(value)?;
            let whole = whole(number).filter(|whole| *whole as f64 == number)?;
            std::fmt::Write::write_fmt(&mut hash, format_args!("{whole}")).ok()?;
        }
    }
    Some((hash.finish() >> 4) as f32 / SCALE)
}

impl<'a> KindContext<'a> {
    #[inline]
    fn read(self, attribute: &'a Attribute) -> Option<ValueRef<'a>> {
        match attribute {
            Attribute::Custom(name) => self.context.attribute(name),
            Attribute::Key => Some(ValueRef::Text(self.key)),
            other => self.read_other(other),
        }
    }

    #[inline(never)]
    fn read_other(self, attribute: &'a Attribute) -> Option<ValueRef<'a>> {
        match attribute {
            Attribute::Kind => Some(ValueRef::Text(self.kind)),
            Attribute::Name => match self.context.attribute("name") {
                name @ Some(ValueRef::Text(_)) => name,
                _ => None,
            },
            Attribute::Anonymous => match self.context.attribute("anonymous") {
                anonymous @ Some(ValueRef::Bool(_)) => anonymous,
                _ => Some(ValueRef::Bool(false)),
            },
            Attribute::Path(first, rest) => {
                rest.iter().try_fold(self.context.attribute(first)?, |value, name| match value {
                    ValueRef::Map(map) => map.member(name),
                    _ => None,
                })
            }
            _ => None,
        }
    }
}
