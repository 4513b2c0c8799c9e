//! Evaluating expressions to values.

use smallvec::SmallVec;

use super::{
    coercion::{loose_equal, ordered, strict_equal, truthy, write_flat, write_text},
    collection::{self, Quantifier},
    evaluate::{Failed, Scene, member},
    fractional::Chosen,
    operator::Operator,
    trace::Watcher,
    tree::{Attribute, Call, Expression, Order, Path, Variable},
};
use crate::value::{ShortText, Value, ValueRef};

/// A value an expression came to: usually borrowed.
#[derive(Debug)]
pub(super) enum Held<'s> {
    Borrowed(ValueRef<'s>),
    Owned(Value),
}

impl Held<'_> {
    #[inline]
    pub(super) fn borrow(&self) -> ValueRef<'_> {
        match self {
            Held::Borrowed(value) => *value,
            Held::Owned(value) => value.borrow(),
        }
    }

    pub(super) fn into_value(self) -> Value {
        match self {
            Held::Borrowed(value) => value.to_value(),
            Held::Owned(value) => value,
        }
    }

    pub(super) const NULL: Held<'static> = Held::Borrowed(ValueRef::Null);
}

impl From<bool> for Held<'_> {
    fn from(value: bool) -> Self {
        Held::Borrowed(ValueRef::Bool(value))
    }
}

/// What `var` reads from.
#[derive(Clone, Copy)]
pub(super) enum Scope<'s> {
    /// The rule's data.
    Data,
    /// The element that `map` and its like are at.
    Element(ValueRef<'s>),
    /// A step of `reduce`.
    Step { current: ValueRef<'s>, accumulator: ValueRef<'s> },
}

pub(super) type Answer<'s> = Result<Held<'s>, Failed>;

pub(super) fn evaluate<'a: 's, 's, W: Watcher>(
    expression: &'a Expression,
    scene: &mut Scene<'a, W>,
    scope: Scope<'s>,
) -> Answer<'s> {
    match expression {
        Expression::Constant(value) => Ok(Held::Borrowed(value.borrow())),
        Expression::Variable(variable) => scene.variable(variable, scope),
        Expression::Call(call) => scene.call(call, scope),
        Expression::Split(split) => {
            let value = match scene.split(split, scope)? {
                Chosen::Share(share) => split.constant(share),
                Chosen::Value(value) => value,
            };
            scene.watcher.operator(split.place, "fractional", value.borrow());
            Ok(value)
        }
        Expression::List(elements) => elements
            .iter()
            .map(|element| evaluate(element, scene, scope).map(Held::into_value))
            .collect::<Result<Vec<_>, Failed>>()
            .map(|values| Held::Owned(Value::List(values))),
        Expression::Fail(place) => {
            scene.watcher.failed(*place, "");
            Err(Failed)
        }
    }
}

impl<'a, W: Watcher> Scene<'a, W> {
    fn variable<'s>(&mut self, variable: &'a Variable, scope: Scope<'s>) -> Answer<'s>
    where
        'a: 's,
    {
        let found = match &variable.path {
            Path::Attribute(Attribute::Flagd) => Some(Held::Owned(Value::Map(self.flagd()))),
            Path::Attribute(attribute) => self.read(attribute).map(Held::Borrowed),
            Path::Everything => Some(Held::Owned(Value::Map(self.everything()))),
            Path::Element(path) => {
                element(scope, path.iter().map(|segment| &**segment)).map(Held::Borrowed)
            }
            Path::Computed(path) => {
                let path = evaluate(path, self, scope)?;
                self.computed(path.borrow(), scope)
            }
        };
        match (found, &variable.fallback) {
            (Some(value), _) => Ok(value),
            (None, Some(fallback)) => evaluate(fallback, self, scope),
            (None, None) => Ok(Held::NULL),
        }
    }

    /// Follows a path that the rule itself made.
    pub(super) fn computed<'s>(&mut self, path: ValueRef<'_>, scope: Scope<'s>) -> Option<Held<'s>>
    where
        'a: 's,
    {
        let mut buffer = ShortText::default();
        let path = match path {
            ValueRef::List(list) => list.element(0).unwrap_or_default(),
            path => path,
        };
        match path {
            ValueRef::Text(_) | ValueRef::Int(_) | ValueRef::Float(_) | ValueRef::Null => {
                write_flat(path, &mut buffer).ok()?;
            }
            _ => return None,
        }
        let path = buffer.as_str();
        if path.is_empty() {
            return match scope {
                Scope::Data => Some(Held::Owned(Value::Map(self.everything()))),
                scope => element(scope, std::iter::empty()).map(Held::Borrowed),
            };
        }
        if !matches!(scope, Scope::Data) {
            return element(scope, path.split('.')).map(Held::Borrowed);
        }
        let (first, rest) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
        let found = match first {
            "targetingKey" => self.key(),
            "$flagd" => {
                let flagd = ValueRef::Map(&self.flagd()).to_value();
                let value = rest
                    .map_or(Some(flagd.borrow()), |rest| {
                        rest.split('.').try_fold(flagd.borrow(), member)
                    })
                    .map(ValueRef::to_value);
                return value.map(Held::Owned);
            }
            first => self.named(first),
        };
        let found = match rest {
            Some(rest) => found.and_then(|value| rest.split('.').try_fold(value, member)),
            None => found,
        };
        self.watcher.read(|| path.to_owned(), found);
        found.map(Held::Borrowed)
    }

    fn call<'s>(&mut self, call: &'a Call, scope: Scope<'s>) -> Answer<'s>
    where
        'a: 's,
    {
        let answer = self.operate(call, scope);
        match &answer {
            Ok(value) => self.watcher.operator(call.place, call.operator.name(), value.borrow()),
            Err(_) => self.watcher.failed(call.place, call.operator.name()),
        }
        answer
    }

    fn operate<'s>(&mut self, call: &'a Call, scope: Scope<'s>) -> Answer<'s>
    where
        'a: 's,
    {
        let arguments = &*call.arguments;
        match call.operator {
            Operator::If | Operator::Ternary => self.choose(arguments, scope),
            Operator::And => self.until(arguments, scope, false),
            Operator::Or => self.until(arguments, scope, true),
            Operator::Not => Ok((!self.first_truth(arguments, scope)?).into()),
            Operator::Truth => Ok(self.first_truth(arguments, scope)?.into()),
            Operator::Equal => self.every_equal(arguments, scope, loose_equal),
            Operator::StrictEqual => {
                self.every_equal(arguments, scope, |a, b| Ok(strict_equal(a, b)))
            }
            Operator::NotEqual => {
                let (a, b) = self.pair(arguments, scope)?;
                Ok((!loose_equal(a.borrow(), b.borrow())?).into())
            }
            Operator::StrictNotEqual => {
                let (a, b) = self.pair(arguments, scope)?;
                Ok((!strict_equal(a.borrow(), b.borrow())).into())
            }
            Operator::Below => self.in_order(arguments, scope, Order::Below),
            Operator::AtMost => self.in_order(arguments, scope, Order::AtMost),
            Operator::Above => self.in_order(arguments, scope, Order::Above),
            Operator::AtLeast => self.in_order(arguments, scope, Order::AtLeast),
            Operator::In => self.contained(arguments, scope),
            Operator::Cat => {
                let mut text = String::new();
                for argument in arguments {
                    let value = evaluate(argument, self, scope)?;
                    write_text(value.borrow(), &mut text).map_err(|_| Failed)?;
                }
                Ok(Held::Owned(text.into()))
            }
            Operator::Substr => self.substring(arguments, scope),
            Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Modulo
            | Operator::Min
            | Operator::Max => self.arithmetic(call.operator, arguments, scope),
            Operator::Merge => collection::merge(self, arguments, scope),
            Operator::Missing => collection::missing(self, arguments, scope),
            Operator::MissingSome => collection::missing_some(self, arguments, scope),
            Operator::Map => collection::map(self, arguments, scope),
            Operator::Filter => collection::filter(self, arguments, scope),
            Operator::Reduce => collection::reduce(self, arguments, scope),
            Operator::Every => collection::quantify(self, arguments, scope, Quantifier::Every),
            Operator::Some => collection::quantify(self, arguments, scope, Quantifier::Some),
            Operator::None => collection::quantify(self, arguments, scope, Quantifier::None),
            Operator::SemVer => self.semantic_version(arguments, scope),
            Operator::StartsWith => self.texts(arguments, scope, |text, end| text.starts_with(end)),
            Operator::EndsWith => self.texts(arguments, scope, |text, end| text.ends_with(end)),
            // These two have forms of their own in the tree.
            Operator::Var | Operator::Fractional => Err(Failed),
        }
    }

    fn choose<'s>(&mut self, arguments: &'a [Expression], scope: Scope<'s>) -> Answer<'s>
    where
        'a: 's,
    {
        let mut rest = arguments;
        loop {
            match rest {
                [] => return Ok(Held::NULL),
                [otherwise] => return evaluate(otherwise, self, scope),
                [condition, then, more @ ..] => {
                    if truthy(evaluate(condition, self, scope)?.borrow()) {
                        return evaluate(then, self, scope);
                    }
                    rest = more;
                }
            }
        }
    }

    /// The first argument that is `wanted`, or the last.
    fn until<'s>(
        &mut self,
        arguments: &'a [Expression],
        scope: Scope<'s>,
        wanted: bool,
    ) -> Answer<'s>
    where
        'a: 's,
    {
        let mut last = Held::NULL;
        for argument in arguments {
            last = evaluate(argument, self, scope)?;
            if truthy(last.borrow()) == wanted {
                break;
            }
        }
        Ok(last)
    }

    fn first_truth(
        &mut self,
        arguments: &'a [Expression],
        scope: Scope<'_>,
    ) -> Result<bool, Failed> {
        match arguments.first() {
            Some(argument) => Ok(truthy(evaluate(argument, self, scope)?.borrow())),
            None => Ok(false),
        }
    }

    fn pair<'s>(
        &mut self,
        arguments: &'a [Expression],
        scope: Scope<'s>,
    ) -> Result<(Held<'s>, Held<'s>), Failed>
    where
        'a: 's,
    {
        match arguments {
            [a, b, ..] => Ok((evaluate(a, self, scope)?, evaluate(b, self, scope)?)),
            _ => Err(Failed),
        }
    }

    fn every_equal<'s>(
        &mut self,
        arguments: &'a [Expression],
        scope: Scope<'s>,
        equal: fn(ValueRef<'_>, ValueRef<'_>) -> Result<bool, Failed>,
    ) -> Answer<'s>
    where
        'a: 's,
    {
        let [first, rest @ ..] = arguments else { return Err(Failed) };
        if rest.is_empty() {
            return Err(Failed);
        }
        let first = evaluate(first, self, scope)?;
        for other in rest {
            if !equal(first.borrow(), evaluate(other, self, scope)?.borrow())? {
                return Ok(false.into());
            }
        }
        Ok(true.into())
    }

    fn in_order<'s>(
        &mut self,
        arguments: &'a [Expression],
        scope: Scope<'s>,
        order: Order,
    ) -> Answer<'s>
    where
        'a: 's,
    {
        let [first, rest @ ..] = arguments else { return Err(Failed) };
        if rest.is_empty() {
            return Err(Failed);
        }
        let mut previous = evaluate(first, self, scope)?;
        for other in rest {
            let other = evaluate(other, self, scope)?;
            if !ordered(previous.borrow(), other.borrow(), order)? {
                return Ok(false.into());
            }
            previous = other;
        }
        Ok(true.into())
    }

    fn contained<'s>(&mut self, arguments: &'a [Expression], scope: Scope<'s>) -> Answer<'s>
    where
        'a: 's,
    {
        let [needle, place, ..] = arguments else { return Ok(false.into()) };
        let needle = evaluate(needle, self, scope)?;
        if let Expression::List(elements) = place {
            let mut found = false;
            for element in elements {
                // All of them are evaluated: one that fails fails the rule.
                let element = evaluate(element, self, scope)?;
                found |= strict_equal(element.borrow(), needle.borrow());
            }
            return Ok(found.into());
        }
        let place = evaluate(place, self, scope)?;
        Ok(match (place.borrow(), needle.borrow()) {
            (ValueRef::Text(text), ValueRef::Text(needle)) => text.contains(needle),
            (ValueRef::List(list), needle) => (0..list.len())
                .filter_map(|index| list.element(index))
                .any(|element| strict_equal(element, needle)),
            _ => false,
        }
        .into())
    }

    /// Every argument's value, on the stack for as many as a written operator has.
    pub(super) fn all<'s>(
        &mut self,
        arguments: &'a [Expression],
        scope: Scope<'s>,
    ) -> Result<SmallVec<[Held<'s>; 4]>, Failed>
    where
        'a: 's,
    {
        let mut values = SmallVec::new();
        for argument in arguments {
            values.push(evaluate(argument, self, scope)?);
        }
        Ok(values)
    }
}

/// Follows a path from the element at hand.
fn element<'s, 'p>(
    scope: Scope<'s>,
    mut path: impl Iterator<Item = &'p str>,
) -> Option<ValueRef<'s>> {
    let start = match scope {
        Scope::Data => return None,
        Scope::Element(element) => element,
        Scope::Step { current, accumulator } => match path.next() {
            Some("current") | None => current,
            Some("accumulator") => accumulator,
            Some(_) => return None,
        },
    };
    path.try_fold(start, member)
}
