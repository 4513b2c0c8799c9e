//! Compiling a rule from its JSON.

mod document;
mod list;
mod split;
mod variable;

pub(super) use self::document::DocumentContext;
use self::document::REPEATED;

use super::{
    operator::Operator,
    place::{Place, Places, Step},
    tree::{Branches, Call, ComputedRule, Expression, Outcome, Rule, Variant, variant},
};
use crate::{
    flag::{Problem, ProblemList},
    value::{Map, Value},
};

/// How deep a rule may nest, shared evaluators included. JSON itself is read 127 deep.
const DEPTH: usize = 256;

/// Why a rule has no compiled form.
#[derive(Debug)]
pub(super) enum CompileError {
    /// The flag answers `PARSE_ERROR`; the problem is already noted.
    Broken,
    Rejected(Box<Problem>),
}

/// What `var` reads from at some place of the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataSource {
    Context,
    /// The levels of this number: inside of an operator that goes through a list.
    Levels(usize),
}

/// The data at hand and nothing else.
const AT_HAND: usize = 0;

/// Where a value stands: what it belongs to, and as which element.
#[derive(Clone, Copy)]
pub(super) struct ValuePosition {
    parent: Place,
    index: Option<usize>,
    pub(super) data: DataSource,
}

impl ValuePosition {
    pub(super) fn argument(place: Place, index: usize, data: DataSource) -> ValuePosition {
        ValuePosition { parent: place, index: Some(index), data }
    }
}

pub(super) struct Compiler<'c, 'd> {
    pub(super) shared: &'c mut DocumentContext<'d>,
    pub(super) key: &'c str,
    variants: &'c [Variant],
    pub(super) problems: &'c mut ProblemList,
    pub(super) places: Places,
    /// The shared evaluators that are being expanded, outermost first.
    expanding: Vec<&'d str>,
    depth: usize,
    /// Whose data is read, for each kind of place; see [`Variable`].
    pub(super) levels: Vec<Box<[u8]>>,
}

type Compiled<T> = Result<T, CompileError>;

impl<'c, 'd> Compiler<'c, 'd> {
    pub(super) fn new(
        shared: &'c mut DocumentContext<'d>,
        key: &'c str,
        variants: &'c [Variant],
        problems: &'c mut ProblemList,
    ) -> Compiler<'c, 'd> {
        let (places, expanding, levels) = (Places::new(), Vec::new(), vec![Box::from([0])]);
        Compiler { shared, key, variants, problems, places, expanding, depth: 0, levels }
    }

    pub(super) fn into_places(self) -> Box<[Step]> {
        self.places.into_steps()
    }

    pub(super) fn targeting(&mut self, rule: &Value) -> Compiled<Rule>
    where
        'd: 'c,
    {
        self.rule(
            rule,
            ValuePosition { parent: Place::ROOT, index: None, data: DataSource::Context },
            false,
        )
    }

    /// A rule whose answer names a variant.
    fn rule(&mut self, value: &Value, spot: ValuePosition, branch: bool) -> Compiled<Rule> {
        if let Value::Map(map) = value
            && let Some((name, argument)) = single(map)
        {
            if let (Some(Operator::If | Operator::Ternary), Value::List(arguments)) =
                (Operator::named(name), argument)
            {
                let place = self.operator(spot, name);
                return self.nested(|this| this.branches(arguments, place));
            }
            if name == "$ref" && matches!(argument, Value::Text(_)) {
                return self.expand(
                    argument,
                    |this, rule, spot| this.rule(rule, spot, branch),
                    spot,
                );
            }
        }
        Ok(match self.expression(value, spot)? {
            Expression::Constant(value) => Rule::Serve(self.outcome(&value, spot)),
            Expression::Split(split) => Rule::Split(split),
            expression => Rule::Computed(Box::new(ComputedRule { expression, branch })),
        })
    }

    fn branches(&mut self, arguments: &[Value], place: Place) -> Compiled<Rule> {
        let spot = |index| ValuePosition::argument(place, index, DataSource::Context);
        let (pairs, rest) = arguments.as_chunks::<2>();
        let mut branches = Vec::with_capacity(pairs.len());
        for (index, [condition, rule]) in pairs.iter().enumerate() {
            let condition = self.condition(condition, spot(2 * index))?;
            branches.push((condition, self.rule(rule, spot(2 * index + 1), true)?));
        }
        let otherwise = match rest.first() {
            Some(rule) => self.rule(rule, spot(arguments.len() - 1), true)?,
            None => Rule::Serve(Outcome::Default),
        };
        Ok(Rule::If(Box::new(Branches { place, branches: branches.into(), otherwise })))
    }

    /// What a constant answer comes to.
    fn outcome(&mut self, value: &Value, spot: ValuePosition) -> Outcome {
        let outcome = named(self.variants, value);
        if outcome == Outcome::Unknown {
            let found = match value {
                Value::Text(name) => format!("`{name}`"),
                value => format!("`{value}`"),
            };
            self.warn(spot, found, "the name of a variant");
        }
        outcome
    }

    pub(super) fn expression(
        &mut self,
        value: &Value,
        spot: ValuePosition,
    ) -> Compiled<Expression> {
        if !self.expanding.is_empty() && !self.shared.repeat(1) {
            let expected = format!("at most {REPEATED} nodes from `$evaluators` in all");
            return Err(self.rejected(spot, "rules that multiply each other", expected));
        }
        match value {
            Value::List(values) => {
                let place = self.here(spot);
                self.nested(|this| this.list(values, place, spot.data))
            }
            Value::Map(map) if map.is_empty() => Ok(Expression::Constant(value.clone())),
            Value::Map(map) => match single(map) {
                Some((name, argument)) => self.nested(|this| this.call(name, argument, spot)),
                None => {
                    let found =
                        format!("{} members in one object, which is no operator", map.len());
                    self.warn(spot, found, "one operator");
                    Ok(Expression::Constant(value.clone()))
                }
            },
            value => Ok(Expression::Constant(value.clone())),
        }
    }

    /// The elements of a list, or the arguments of an operator.
    pub(super) fn expressions(
        &mut self,
        values: &[Value],
        place: Place,
        data: DataSource,
    ) -> Compiled<Box<[Expression]>> {
        let each = values.iter().enumerate().map(|(index, value)| {
            self.expression(value, ValuePosition::argument(place, index, data))
        });
        each.collect()
    }

    fn list(&mut self, values: &[Value], place: Place, data: DataSource) -> Compiled<Expression> {
        let elements = self.expressions(values, place, data)?;
        if !elements.iter().all(|element| matches!(element, Expression::Constant(_))) {
            return Ok(Expression::List(elements));
        }
        let constants = elements.into_iter().filter_map(|element| match element {
            Expression::Constant(value) => Some(value),
            _ => None,
        });
        Ok(Expression::Constant(Value::List(constants.collect())))
    }

    fn call(&mut self, name: &str, argument: &Value, spot: ValuePosition) -> Compiled<Expression> {
        if name == "$ref" && matches!(argument, Value::Text(_)) {
            return self.expand(argument, |this, rule, spot| this.expression(rule, spot), spot);
        }
        let place = self.operator(spot, name);
        let Some(operator) = Operator::named(name) else {
            self.warn_at(place, format!("`{name}`"), "an operator of JSONLogic or flagd");
            return Ok(Expression::Fail(place));
        };
        let alone = std::slice::from_ref(argument);
        let (arguments, listed) = match argument {
            Value::List(arguments) => (&**arguments, true),
            _ => (alone, false),
        };
        match operator {
            Operator::Var => return self.variable(arguments, listed, place, spot.data),
            Operator::Fractional => return self.split(arguments, listed, place, spot.data),
            Operator::If | Operator::Ternary | Operator::And | Operator::Or if !listed => {
                self.warn_at(place, argument.type_name(), "an array of arguments");
                return Ok(Expression::Fail(place));
            }
            operator if operator.goes_through() => {
                if !listed {
                    self.warn_at(place, argument.type_name(), "an array of arguments");
                    return Ok(Expression::Fail(place));
                }
                return self.through(operator, arguments, place, spot.data);
            }
            _ => {}
        }
        let arguments = self.expressions(arguments, place, spot.data)?;
        self.warn_about_operator(operator, &arguments, listed, place);
        Ok(Expression::Call(Box::new(Call { place, operator, arguments, listed })))
    }

    /// Puts a shared evaluator in the place of its name.
    fn expand<T>(
        &mut self,
        name: &Value,
        compile: impl FnOnce(&mut Self, &'d Value, ValuePosition) -> Compiled<T>,
        spot: ValuePosition,
    ) -> Compiled<T> {
        let name = name.as_str().unwrap_or_default();
        let place = self.operator(spot, "$ref");
        let found = self.shared.evaluators.and_then(|evaluators| evaluators.get_key_value(name));
        let Some((name, rule)) = found else {
            self.warn_at(place, format!("`{name}`"), "the name of one of the `$evaluators`");
            return Err(CompileError::Broken);
        };
        if self.expanding.contains(&name) {
            let found = format!("`{name}`, which refers to itself");
            self.warn_at(place, found, "evaluators without a circle");
            return Err(CompileError::Broken);
        }
        self.expanding.push(name);
        let spot = ValuePosition { parent: place, index: None, data: spot.data };
        let compiled = self.nested(|this| compile(this, rule, spot));
        self.expanding.pop();
        compiled
    }

    pub(super) fn nested<T>(
        &mut self,
        compile: impl FnOnce(&mut Self) -> Compiled<T>,
    ) -> Compiled<T> {
        if self.depth >= DEPTH {
            let spot =
                ValuePosition { parent: Place::ROOT, index: None, data: DataSource::Context };
            let expected = format!("at most {DEPTH} levels");
            return Err(self.rejected(spot, "a rule nested deeper", expected));
        }
        self.depth += 1;
        let compiled = compile(self);
        self.depth -= 1;
        compiled
    }

    pub(super) fn here(&mut self, spot: ValuePosition) -> Place {
        match spot.index {
            Some(index) => self.places.index(spot.parent, index),
            None => spot.parent,
        }
    }

    pub(super) fn operator(&mut self, spot: ValuePosition, name: &str) -> Place {
        match Operator::named(name) {
            Some(operator) => self.places.operator(spot.parent, spot.index, operator),
            None => {
                let here = self.here(spot);
                self.places.name(here, name)
            }
        }
    }
}

/// The only member of an object that has one.
pub(super) fn single(map: &Map) -> Option<(&str, &Value)> {
    map.iter().next().filter(|_| map.len() == 1)
}

/// The variant that a constant names.
fn named(variants: &[Variant], value: &Value) -> Outcome {
    let mut name = String::new();
    match value {
        Value::Null => Outcome::Default,
        value => match super::variant_name::write(value.borrow(), &mut name) {
            Ok(()) => variant(variants, &name),
            Err(_) => Outcome::Unknown,
        },
    }
}
