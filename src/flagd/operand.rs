//! The values that expressions come to, and what `var` reads from.

use smallvec::SmallVec;

use super::evaluate::EvaluationFailed;
use crate::value::{Value, ValueRef};

/// A value an expression came to: usually borrowed.
#[derive(Debug)]
pub(super) enum Operand<'s> {
    Borrowed(ValueRef<'s>),
    Owned(Value),
}

impl Operand<'_> {
    #[inline]
    pub(super) fn borrow(&self) -> ValueRef<'_> {
        match self {
            Operand::Borrowed(value) => *value,
            Operand::Owned(value) => value.borrow(),
        }
    }

    pub(super) fn into_value(self) -> Value {
        match self {
            Operand::Borrowed(value) => value.to_value(),
            Operand::Owned(value) => value,
        }
    }

    pub(super) const NULL: Operand<'static> = Operand::Borrowed(ValueRef::Null);

    pub(super) fn is_list(&self) -> bool {
        matches!(self.borrow(), ValueRef::List(_))
    }

    #[inline]
    pub(super) fn is_null(&self) -> bool {
        matches!(self.borrow(), ValueRef::Null)
    }
}

impl From<bool> for Operand<'_> {
    fn from(value: bool) -> Self {
        Operand::Borrowed(ValueRef::Bool(value))
    }
}

/// What `var` reads from.
#[derive(Clone, Copy)]
pub(super) enum Scope<'s> {
    /// The rule's data.
    Data,
    /// The element that `map` and its like are at.
    Element { item: ValueRef<'s>, outer: &'s Scope<'s> },
    /// A step of `reduce`.
    Step { current: ValueRef<'s>, accumulator: ValueRef<'s>, outer: &'s Scope<'s> },
}

impl<'s> Scope<'s> {
    /// The scope this many operators further out.
    pub(super) fn out(self, level: u8) -> Scope<'s> {
        let mut scope = self;
        for _ in 0..level {
            scope = match scope {
                Scope::Data => return scope,
                Scope::Element { outer, .. } | Scope::Step { outer, .. } => *outer,
            };
        }
        scope
    }
}

/// What an operator works on.
pub(super) enum Operands<'s> {
    /// One for each argument of the written list.
    Listed(SmallVec<[Operand<'s>; 4]>),
    /// What the only argument came to, which was not written in a list: a list stands for its elements.
    Unlisted(Operand<'s>),
}

impl Operands<'_> {
    /// The one operand that is no list.
    pub(super) fn single(&self) -> Option<ValueRef<'_>> {
        match self {
            Operands::Unlisted(value) if !value.is_list() => Some(value.borrow()),
            _ => None,
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Operands::Listed(values) => values.len(),
            Operands::Unlisted(value) => match value.borrow() {
                ValueRef::List(list) => list.len(),
                _ => 1,
            },
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The operand at an index, `null` where there is none.
    pub(super) fn at(&self, index: usize) -> ValueRef<'_> {
        let found = match self {
            Operands::Listed(values) => values.get(index).map(Operand::borrow),
            Operands::Unlisted(value) => match value.borrow() {
                ValueRef::List(list) => list.element(index),
                value => (index == 0).then_some(value),
            },
        };
        found.unwrap_or_default()
    }

    /// The operands where there have to be several.
    pub(super) fn list(self) -> Result<Self, EvaluationFailed> {
        if self.single().is_some() { Err(EvaluationFailed) } else { Ok(self) }
    }
}
