//! Evaluating expressions to values.

use smallvec::SmallVec;

use super::{
    arithmetic,
    coercion::{first_truthy, loose_equal, ordered, strict_equal, truthy, write_text},
    collection::{self, Quantifier},
    evaluate::{EvaluationFailed, Evaluator, at_path, is_rule},
    fractional::Chosen,
    membership,
    operator::Operator,
    trace::Tracer,
    tree::{Attribute, Call, Expression, Order, Path, Variable},
};
use crate::value::{ShortText, Value, ValueRef};

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
    fn out(self, level: u8) -> Scope<'s> {
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
    /// As many as were written.
    Written(SmallVec<[Operand<'s>; 4]>),
    /// What the only argument came to: a list stands for its elements.
    Came(Operand<'s>),
}

impl Operands<'_> {
    /// The one operand that is no list.
    pub(super) fn single(&self) -> Option<ValueRef<'_>> {
        match self {
            Operands::Came(value) if !value.is_list() => Some(value.borrow()),
            _ => None,
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Operands::Written(values) => values.len(),
            Operands::Came(value) => match value.borrow() {
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
            Operands::Written(values) => values.get(index).map(Operand::borrow),
            Operands::Came(value) => match value.borrow() {
                ValueRef::List(list) => list.element(index),
                value => (index == 0).then_some(value),
            },
        };
        found.unwrap_or_default()
    }

    /// The operands where there have to be several.
    fn list(self) -> Result<Self, EvaluationFailed> {
        if self.single().is_some() { Err(EvaluationFailed) } else { Ok(self) }
    }
}

pub(super) type Answer<'s> = Result<Operand<'s>, EvaluationFailed>;

pub(super) fn evaluate<'a: 's, 's, W: Tracer>(
    expression: &'a Expression,
    evaluator: &mut Evaluator<'a, W>,
    scope: Scope<'s>,
) -> Answer<'s> {
    match expression {
        Expression::Constant(value) => Ok(Operand::Borrowed(value.borrow())),
        Expression::Variable(variable) => evaluator.variable(variable, scope),
        Expression::Call(call) => evaluator.call(call, scope),
        Expression::Split(split) => {
            let value = match evaluator.split(split, scope)? {
                Chosen::Share(share) => split.constant(share),
                Chosen::Value(value) => value,
            };
            evaluator.tracer.operator(split.place, "fractional", value.borrow());
            Ok(value)
        }
        Expression::List(elements) => elements
            .iter()
            .map(|element| evaluate(element, evaluator, scope).map(Operand::into_value))
            .collect::<Result<Vec<_>, EvaluationFailed>>()
            .map(|values| Operand::Owned(Value::List(values))),
        Expression::Fail(place) => {
            evaluator.tracer.failed(*place, "");
            Err(EvaluationFailed)
        }
    }
}

impl<'a, W: Tracer> Evaluator<'a, W> {
    fn variable<'s>(&mut self, variable: &'a Variable, scope: Scope<'s>) -> Answer<'s>
    where
        'a: 's,
    {
        let found = match &variable.path {
            Path::Attribute(Attribute::Flagd) => Some(Operand::Owned(Value::Map(self.flagd()))),
            Path::Attribute(attribute) => self.read(attribute).map(Operand::Borrowed),
            Path::Everything => Some(Operand::Owned(Value::Map(self.everything()))),
            Path::Bare => match scope {
                Scope::Element { item, .. } if is_scalar(item) => Some(Operand::Borrowed(item)),
                _ => None,
            },
            Path::Level(..) | Path::Computed { .. } => return self.by_level(variable, scope),
        };
        self.or_fallback(found, variable, scope)
    }

    /// The fallback is evaluated whether or not it is needed, as any argument is.
    fn or_fallback<'s>(
        &mut self,
        found: Option<Operand<'s>>,
        variable: &'a Variable,
        scope: Scope<'s>,
    ) -> Answer<'s>
    where
        'a: 's,
    {
        let fallback = match &variable.fallback {
            Some(fallback) => evaluate(fallback, self, scope)?,
            None => Operand::NULL,
        };
        Ok(found.filter(|found| !found.is_null()).unwrap_or(fallback))
    }

    /// What the first level has that has anything. Whatever comes from a level before the last is
    /// put into the rule, and evaluated with it: an object of one member would be an operator.
    fn by_level<'s>(&mut self, variable: &'a Variable, scope: Scope<'s>) -> Answer<'s>
    where
        'a: 's,
    {
        for (index, level) in variable.levels.iter().enumerate() {
            let scope = scope.out(*level);
            let found = match &variable.path {
                Path::Level(attribute, path) => match scope {
                    Scope::Data if path.is_empty() => {
                        Some(Operand::Owned(Value::Map(self.everything())))
                    }
                    Scope::Data if matches!(attribute, Attribute::Flagd) => {
                        Some(Operand::Owned(Value::Map(self.flagd())))
                    }
                    Scope::Data => self.read(attribute).map(Operand::Borrowed),
                    scope => inner(scope, path.iter().map(|segment| &**segment)),
                },
                Path::Computed { expression, listed } => {
                    let path = evaluate(expression, self, scope)?;
                    match (path.borrow(), listed) {
                        (path @ ValueRef::Text(_), true) => self.computed(path, scope)?,
                        (_, true) => return Err(EvaluationFailed),
                        (path, false) => self.computed(path, scope)?,
                    }
                }
                _ => None,
            };
            let found = self.or_fallback(found, variable, scope)?;
            if !found.is_null() {
                let put_in = index + 1 < variable.levels.len();
                let whole = variable.whole_rule && !matches!(found.borrow(), ValueRef::Map(_));
                if put_in && (whole || is_rule(found.borrow())) {
                    return Err(EvaluationFailed);
                }
                return Ok(found);
            }
        }
        Ok(Operand::NULL)
    }

    /// Follows a path that the rule itself made: text, a number, or a list of a path and a fallback.
    pub(super) fn computed<'s>(
        &mut self,
        path: ValueRef<'_>,
        scope: Scope<'s>,
    ) -> Result<Option<Operand<'s>>, EvaluationFailed>
    where
        'a: 's,
    {
        let mut buffer = ShortText::default();
        let (path, fallback) = match path {
            ValueRef::Null => {
                return Ok(match scope {
                    Scope::Element { item, .. } if is_scalar(item) => Some(Operand::Borrowed(item)),
                    _ => None,
                });
            }
            ValueRef::Text(path) => (path, None),
            number @ (ValueRef::Int(_) | ValueRef::Float(_)) => {
                write_text(number, &mut buffer)?;
                (buffer.as_str(), None)
            }
            ValueRef::List(list) if list.is_empty() => ("", None),
            ValueRef::List(list) => match list.element(0) {
                Some(ValueRef::Text(path)) => {
                    (path, list.element(1).filter(|_| list.len() == 2).map(ValueRef::to_value))
                }
                _ => return Err(EvaluationFailed),
            },
            _ => return Err(EvaluationFailed),
        };
        let mut segments = path.split('.').filter(|segment| !segment.is_empty());
        let found = match scope {
            Scope::Data => match segments.next() {
                None => Some(Operand::Owned(Value::Map(self.everything()))),
                Some("$flagd") => at_path(ValueRef::Map(&self.flagd()), segments)
                    .map(|found| Operand::Owned(found.to_value())),
                Some(first) => {
                    let start =
                        if first == "targetingKey" { self.key() } else { self.named(first) };
                    let found = start.and_then(|start| at_path(start, segments));
                    self.tracer.read(|| path.to_owned(), found);
                    found.map(Operand::Borrowed)
                }
            },
            scope => inner(scope, segments),
        };
        Ok(found.filter(|found| !found.is_null()).or(fallback.map(Operand::Owned)))
    }

    fn call<'s>(&mut self, call: &'a Call, scope: Scope<'s>) -> Answer<'s>
    where
        'a: 's,
    {
        let answer = self.operate(call, scope);
        match &answer {
            Ok(value) => self.tracer.operator(call.place, call.operator.name(), value.borrow()),
            Err(_) => self.tracer.failed(call.place, call.operator.name()),
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
            Operator::Not => Ok((!self.first_truth(call, scope)?).into()),
            Operator::Truth => Ok(self.first_truth(call, scope)?.into()),
            Operator::Equal => self.compare(call, scope, loose_equal),
            Operator::NotEqual => Ok((!self.holds_for(call, scope, loose_equal)?).into()),
            Operator::StrictEqual => self.strictly(call, scope, true),
            Operator::StrictNotEqual => self.strictly(call, scope, false),
            Operator::Below => self.in_order(call, scope, Order::Below),
            Operator::AtMost => self.in_order(call, scope, Order::AtMost),
            Operator::Above => self.in_order(call, scope, Order::Above),
            Operator::AtLeast => self.in_order(call, scope, Order::AtLeast),
            Operator::In => self.contained(call, scope),
            Operator::Cat => {
                let operands = self.operands(call, scope)?;
                super::text::joined(&operands).map(|text| Operand::Owned(text.into()))
            }
            Operator::Substr => self.substring(call, scope),
            Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Modulo
            | Operator::Min
            | Operator::Max
            | Operator::Abs => {
                let operands = self.operands(call, scope)?;
                arithmetic::arithmetic(call.operator, &operands).map(Operand::Owned)
            }
            Operator::Set => arithmetic::set(&self.operands(call, scope)?).map(Operand::Owned),
            Operator::Merge => collection::merge(&self.operands(call, scope)?),
            Operator::Missing => {
                let names = self.operands(call, scope)?;
                self.missing(&names, scope)
            }
            Operator::MissingSome => {
                let operands = self.operands(call, scope)?;
                self.missing_some(&operands, scope)
            }
            Operator::Map => collection::map(self, arguments, scope),
            Operator::Filter => collection::filter(self, arguments, scope),
            Operator::Reduce => collection::reduce(self, arguments, scope),
            Operator::Every => collection::quantify(self, arguments, scope, Quantifier::Every),
            Operator::Some => collection::quantify(self, arguments, scope, Quantifier::Some),
            Operator::None => collection::quantify(self, arguments, scope, Quantifier::None),
            Operator::ContainsAll | Operator::ContainsAny | Operator::ContainsNone => {
                let operands = self.operands(call, scope)?;
                membership::contains_many(call.operator, &operands).map(Operand::from)
            }
            Operator::SemVer => self.semantic_version(call, scope),
            Operator::StartsWith => self.texts(call, scope, |text, end| text.starts_with(end)),
            Operator::EndsWith => self.texts(call, scope, |text, end| text.ends_with(end)),
            // These two have forms of their own in the tree.
            Operator::Var | Operator::Fractional => Err(EvaluationFailed),
        }
    }

    fn choose<'s>(&mut self, arguments: &'a [Expression], scope: Scope<'s>) -> Answer<'s>
    where
        'a: 's,
    {
        let mut rest = arguments;
        loop {
            match rest {
                [] => return Ok(Operand::NULL),
                [otherwise] => return self.branch_value(otherwise, scope),
                [condition, then, more @ ..] => {
                    if truthy(evaluate(condition, self, scope)?.borrow()) {
                        return self.branch_value(then, scope);
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
        let mut last = Operand::NULL;
        for argument in arguments {
            last = evaluate(argument, self, scope)?;
            if truthy(last.borrow()) == wanted {
                break;
            }
        }
        Ok(last)
    }

    /// What a branch comes to, which the core takes for a rule again: from data, never.
    fn branch_value<'s>(&mut self, branch: &'a Expression, scope: Scope<'s>) -> Answer<'s>
    where
        'a: 's,
    {
        let value = evaluate(branch, self, scope)?;
        match value.borrow() {
            map @ ValueRef::Map(_) if is_rule(map) => Err(EvaluationFailed),
            _ => Ok(value),
        }
    }

    fn first_truth(&mut self, call: &'a Call, scope: Scope<'_>) -> Result<bool, EvaluationFailed> {
        match &*call.arguments {
            [argument] if !call.listed => {
                Ok(first_truthy(evaluate(argument, self, scope)?.borrow()))
            }
            arguments => {
                let values = self.all(arguments, scope)?;
                Ok(values.first().is_some_and(|value| truthy(value.borrow())))
            }
        }
    }

    fn holds_for(
        &mut self,
        call: &'a Call,
        scope: Scope<'_>,
        test: fn(ValueRef<'_>, ValueRef<'_>) -> bool,
    ) -> Result<bool, EvaluationFailed> {
        if let ([left, right], true) = (&*call.arguments, call.listed) {
            let (left, right) = (evaluate(left, self, scope)?, evaluate(right, self, scope)?);
            return Ok(test(left.borrow(), right.borrow()));
        }
        let operands = self.operands(call, scope)?.list()?;
        Ok(operands.len() >= 2 && test(operands.at(0), operands.at(1)))
    }

    fn compare<'s>(
        &mut self,
        call: &'a Call,
        scope: Scope<'s>,
        test: fn(ValueRef<'_>, ValueRef<'_>) -> bool,
    ) -> Answer<'s>
    where
        'a: 's,
    {
        self.holds_for(call, scope, test).map(Operand::from)
    }

    /// `===` and `!==` take what is no list for unequal.
    fn strictly<'s>(&mut self, call: &'a Call, scope: Scope<'s>, wanted: bool) -> Answer<'s>
    where
        'a: 's,
    {
        let operands = self.operands(call, scope)?;
        let equal = operands.single().is_none()
            && operands.len() >= 2
            && strict_equal(operands.at(0), operands.at(1));
        Ok((equal == wanted).into())
    }

    fn in_order<'s>(&mut self, call: &'a Call, scope: Scope<'s>, order: Order) -> Answer<'s>
    where
        'a: 's,
    {
        if let ([left, right], true) = (&*call.arguments, call.listed) {
            let (left, right) = (evaluate(left, self, scope)?, evaluate(right, self, scope)?);
            return Ok(ordered(left.borrow(), right.borrow(), order).into());
        }
        let operands = self.operands(call, scope)?.list()?;
        let holds = |index| ordered(operands.at(index), operands.at(index + 1), order);
        Ok((operands.len() >= 2 && holds(0) && (operands.len() != 3 || holds(1))).into())
    }

    fn contained<'s>(&mut self, call: &'a Call, scope: Scope<'s>) -> Answer<'s>
    where
        'a: 's,
    {
        if let ([needle, Expression::List(elements)], true) = (&*call.arguments, call.listed) {
            let needle = evaluate(needle, self, scope)?;
            let mut found = Ok(false);
            for element in elements {
                // All of them are evaluated: one that fails fails the rule.
                let element = evaluate(element, self, scope)?;
                if found == Ok(false) {
                    found = membership::matches(needle.borrow(), element.borrow());
                }
            }
            return found.map(Operand::from);
        }
        let operands = self.operands(call, scope)?.list()?;
        if operands.is_empty() {
            return Err(EvaluationFailed);
        }
        membership::contains(operands.at(0), operands.at(1)).map(Operand::from)
    }

    pub(super) fn operands<'s>(
        &mut self,
        call: &'a Call,
        scope: Scope<'s>,
    ) -> Result<Operands<'s>, EvaluationFailed>
    where
        'a: 's,
    {
        match &*call.arguments {
            [argument] if !call.listed => evaluate(argument, self, scope).map(Operands::Came),
            arguments => self.all(arguments, scope).map(Operands::Written),
        }
    }

    /// Every argument's value, on the stack for as many as a written operator has.
    pub(super) fn all<'s>(
        &mut self,
        arguments: &'a [Expression],
        scope: Scope<'s>,
    ) -> Result<SmallVec<[Operand<'s>; 4]>, EvaluationFailed>
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

/// Follows a path from what an operator that goes through a list is at.
fn inner<'s, 'p>(scope: Scope<'s>, mut path: impl Iterator<Item = &'p str>) -> Option<Operand<'s>> {
    let start = match scope {
        Scope::Data => return None,
        Scope::Element { item, .. } => item,
        Scope::Step { current, accumulator, .. } => {
            let kind = match accumulator {
                ValueRef::Bool(_) => "bool",
                ValueRef::Text(_) => "string",
                _ => "number",
            };
            match path.next() {
                Some("current") => current,
                Some("accumulator") => accumulator,
                Some("valueType") => ValueRef::Text(kind),
                Some(_) => return None,
                None => {
                    let members = [
                        ("current", current.to_value()),
                        ("accumulator", accumulator.to_value()),
                        ("valueType", kind.into()),
                    ];
                    let step = members.map(|(name, value)| (name.to_owned(), value));
                    return Some(Operand::Owned(Value::Map(step.into_iter().collect())));
                }
            }
        }
    };
    at_path(start, path).map(Operand::Borrowed)
}

fn is_scalar(value: ValueRef<'_>) -> bool {
    !matches!(value, ValueRef::Null | ValueRef::List(_) | ValueRef::Map(_))
}
