//! Compiling a rule from its JSON.

use std::sync::Arc;

use super::{
    fractional::weight,
    operator::Operator,
    place::{Place, Places, Step},
    tree::{
        Attribute, Branches, BucketBy, Call, Expression, Outcome, Path, Rule, Settings, Split,
        Variable, Variant, variant,
    },
};
use crate::{
    flag::{FlagProblem, split::Shares},
    value::{Map, Value},
};

/// How deep a rule may nest, shared evaluators included. JSON itself is read 127 deep.
const DEPTH: usize = 256;

/// How many nodes all uses of shared evaluators of one document may add up to: a few lines of
/// evaluators that use each other twice could otherwise fill any memory.
const EXPANSION: usize = 1_000_000;

/// What the flags of one document share.
pub(super) struct Shared<'d> {
    pub(super) settings: &'d Arc<Settings>,
    pub(super) metadata: Arc<Map>,
    evaluators: Option<&'d Map>,
    expanded: usize,
}

impl<'d> Shared<'d> {
    pub(super) fn new(
        settings: &'d Arc<Settings>,
        evaluators: Option<&'d Map>,
        metadata: &Arc<Map>,
    ) -> Shared<'d> {
        Shared { settings, metadata: Arc::clone(metadata), evaluators, expanded: 0 }
    }
}

/// Why a rule has no compiled form.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The flag answers `PARSE_ERROR`; the problem is already noted.
    Broken,
    Rejected(Box<FlagProblem>),
}

/// What `var` reads from at some place of the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Data {
    Context,
    Element,
}

/// Where a value stands: what it belongs to, and as which element.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    parent: Place,
    index: Option<usize>,
    pub(super) data: Data,
}

impl Spot {
    pub(super) fn argument(place: Place, index: usize, data: Data) -> Spot {
        Spot { parent: place, index: Some(index), data }
    }
}

pub(super) struct Compiler<'c, 'd> {
    shared: &'c mut Shared<'d>,
    pub(super) key: &'c str,
    variants: &'c [Variant],
    pub(super) problems: &'c mut Vec<FlagProblem>,
    pub(super) places: Places,
    /// The shared evaluators that are being expanded, outermost first.
    expanding: Vec<&'d str>,
    depth: usize,
}

type Compiled<T> = Result<T, Refusal>;

impl<'c, 'd> Compiler<'c, 'd> {
    pub(super) fn new(
        shared: &'c mut Shared<'d>,
        key: &'c str,
        variants: &'c [Variant],
        problems: &'c mut Vec<FlagProblem>,
    ) -> Compiler<'c, 'd> {
        let (places, expanding) = (Places::new(), Vec::new());
        Compiler { shared, key, variants, problems, places, expanding, depth: 0 }
    }

    pub(super) fn into_places(self) -> Box<[Step]> {
        self.places.into_steps()
    }

    pub(super) fn targeting(&mut self, rule: &Value) -> Compiled<Rule>
    where
        'd: 'c,
    {
        self.rule(rule, Spot { parent: Place::ROOT, index: None, data: Data::Context })
    }

    /// A rule whose answer names a variant.
    fn rule(&mut self, value: &Value, spot: Spot) -> Compiled<Rule> {
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
                return self.expand(argument, |this, rule, spot| this.rule(rule, spot), spot);
            }
        }
        Ok(match self.expression(value, spot)? {
            Expression::Constant(value) => Rule::Serve(self.outcome(&value, spot)),
            Expression::Split(split) => Rule::Split(split),
            expression => Rule::Computed(expression),
        })
    }

    fn branches(&mut self, arguments: &[Value], place: Place) -> Compiled<Rule> {
        let spot = |index| Spot::argument(place, index, Data::Context);
        let (pairs, rest) = arguments.as_chunks::<2>();
        let mut branches = Vec::with_capacity(pairs.len());
        for (index, [condition, rule]) in pairs.iter().enumerate() {
            let condition = self.condition(condition, spot(2 * index))?;
            branches.push((condition, self.rule(rule, spot(2 * index + 1))?));
        }
        let otherwise = match rest.first() {
            Some(rule) => self.rule(rule, spot(arguments.len() - 1))?,
            None => Rule::Serve(Outcome::Default),
        };
        Ok(Rule::If(Box::new(Branches { place, branches: branches.into(), otherwise })))
    }

    /// What a constant answer comes to.
    fn outcome(&mut self, value: &Value, spot: Spot) -> Outcome {
        let mut name = String::new();
        let name = match value {
            Value::Null => return Outcome::Default,
            Value::Text(name) => &**name,
            value => match super::coercion::write_flat(value.borrow(), &mut name) {
                Ok(()) => &*name,
                Err(_) => return Outcome::Unknown,
            },
        };
        let outcome = variant(self.variants, name);
        if outcome == Outcome::Unknown {
            self.warn(spot, format!("`{name}`"), "the name of a variant");
        }
        outcome
    }

    pub(super) fn expression(&mut self, value: &Value, spot: Spot) -> Compiled<Expression> {
        if !self.expanding.is_empty() {
            self.shared.expanded += 1;
            if self.shared.expanded > EXPANSION {
                let expected = format!("at most {EXPANSION} nodes from `$evaluators` in all");
                return Err(self.rejected(spot, "rules that multiply each other", expected));
            }
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
                    // One engine refuses the rule at once, others when they come to it.
                    let found = format!("{} operators in one object", map.len());
                    self.warn(spot, found, "one");
                    Err(Refusal::Broken)
                }
            },
            value => Ok(Expression::Constant(value.clone())),
        }
    }

    fn list(&mut self, values: &[Value], place: Place, data: Data) -> Compiled<Expression> {
        let elements = values
            .iter()
            .enumerate()
            .map(|(index, value)| self.expression(value, Spot::argument(place, index, data)))
            .collect::<Compiled<Vec<_>>>()?;
        if !elements.iter().all(|element| matches!(element, Expression::Constant(_))) {
            return Ok(Expression::List(elements.into()));
        }
        let constants = elements.into_iter().filter_map(|element| match element {
            Expression::Constant(value) => Some(value),
            _ => None,
        });
        Ok(Expression::Constant(Value::List(constants.collect())))
    }

    fn call(&mut self, name: &str, argument: &Value, spot: Spot) -> Compiled<Expression> {
        if name == "$ref" && matches!(argument, Value::Text(_)) {
            return self.expand(argument, |this, rule, spot| this.expression(rule, spot), spot);
        }
        let place = self.operator(spot, name);
        let Some(operator) = Operator::named(name) else {
            self.problem(place, format!("`{name}`"), "an operator of JSONLogic or flagd");
            return Ok(Expression::Fail(place));
        };
        let alone = std::slice::from_ref(argument);
        let (arguments, listed) = match argument {
            Value::List(arguments) => (&**arguments, true),
            _ => (alone, false),
        };
        match operator {
            Operator::Var => return self.variable(arguments, place, spot.data),
            Operator::Fractional => return self.split(arguments, place, spot.data),
            Operator::If | Operator::Ternary | Operator::And | Operator::Or if !listed => {
                self.problem(place, argument.type_name(), "an array of arguments");
                return Ok(Expression::Fail(place));
            }
            _ => {}
        }
        let arguments = arguments
            .iter()
            .enumerate()
            .map(|(index, argument)| {
                let data = match operator {
                    Operator::Map
                    | Operator::Filter
                    | Operator::Reduce
                    | Operator::Every
                    | Operator::Some
                    | Operator::None
                        if index == 1 =>
                    {
                        Data::Element
                    }
                    _ => spot.data,
                };
                self.expression(argument, Spot::argument(place, index, data))
            })
            .collect::<Compiled<Box<[_]>>>()?;
        self.remark(operator, &arguments, place);
        Ok(Expression::Call(Box::new(Call { place, operator, arguments })))
    }

    fn variable(&mut self, arguments: &[Value], place: Place, data: Data) -> Compiled<Expression> {
        let fallback = match arguments.get(1) {
            Some(fallback) => Some(self.expression(fallback, Spot::argument(place, 1, data))?),
            None => None,
        };
        let mut number = String::new();
        let path = match arguments.first() {
            None | Some(Value::Null) => "",
            Some(Value::Text(path)) => &**path,
            Some(value @ (Value::Int(_) | Value::Float(_))) => {
                number = value.to_string();
                &*number
            }
            Some(value) => {
                let path = self.expression(value, Spot::argument(place, 0, data))?;
                let path = Path::Computed(path);
                return Ok(Expression::Variable(Box::new(Variable { path, fallback })));
            }
        };
        if path.ends_with(".length") {
            self.problem(place, format!("`{path}`"), "a path that all engines read alike");
        }
        let path = match data {
            Data::Element if path.is_empty() => Path::Element(Box::default()),
            Data::Element => Path::Element(path.split('.').map(Box::from).collect()),
            Data::Context => match path {
                "" => Path::Everything,
                "$flagd.flagKey" => return Ok(Expression::Constant(self.key.into())),
                path => Path::Attribute(attribute(path)),
            },
        };
        drop(number);
        Ok(Expression::Variable(Box::new(Variable { path, fallback })))
    }

    fn split(&mut self, arguments: &[Value], place: Place, data: Data) -> Compiled<Expression> {
        let arguments = arguments
            .iter()
            .enumerate()
            .map(|(index, value)| self.expression(value, Spot::argument(place, index, data)))
            .collect::<Compiled<Box<[_]>>>()?;
        let is_key = |expression: &Expression| match expression {
            Expression::Variable(variable) => {
                matches!(variable.path, Path::Attribute(Attribute::Key))
                    && variable.fallback.is_none()
            }
            _ => false,
        };
        let bucket_by = match arguments.first() {
            None | Some(Expression::Constant(Value::Null)) => BucketBy::Nothing,
            Some(Expression::List(_) | Expression::Constant(Value::List(_))) => BucketBy::Implied,
            Some(first) if is_key(first) => BucketBy::Key,
            Some(Expression::Call(call)) if call.operator == Operator::Cat => {
                BucketBy::First(call.arguments.iter().any(is_key))
            }
            Some(_) => BucketBy::First(false),
        };
        let entries = match bucket_by {
            BucketBy::Implied => &*arguments,
            _ => arguments.get(1..).unwrap_or_default(),
        };
        let constants: Option<Vec<(&Value, u32)>> = entries.iter().map(entry).collect();
        let (mut shares, mut outcomes) = (None, Box::default());
        if let Some(constants) = constants {
            shares = Shares::new(constants.iter().map(|(_, weight)| *weight));
            outcomes = constants
                .iter()
                .map(|(value, _)| named(self.variants, value))
                .collect::<Box<[Outcome]>>();
            if shares.is_none() {
                self.problem(place, "weights that sum to nothing", "a sum from 1 to 2^31 - 1");
            }
        }
        let prefix = match bucket_by {
            BucketBy::Implied => self.shared.settings.fractional.prefix(self.key),
            _ => crate::hash::Murmur3::new(0),
        };
        let split = Split { place, bucket_by, prefix, shares, outcomes, arguments };
        Ok(Expression::Split(Box::new(split)))
    }

    /// Puts a shared evaluator in the place of its name.
    fn expand<T>(
        &mut self,
        name: &Value,
        compile: impl FnOnce(&mut Self, &'d Value, Spot) -> Compiled<T>,
        spot: Spot,
    ) -> Compiled<T> {
        let name = name.as_str().unwrap_or_default();
        let place = self.operator(spot, "$ref");
        let found = self
            .shared
            .evaluators
            .and_then(|evaluators| evaluators.iter().find(|(known, _)| *known == name));
        let Some((name, rule)) = found else {
            self.problem(place, format!("`{name}`"), "the name of one of the `$evaluators`");
            return Err(Refusal::Broken);
        };
        if self.expanding.contains(&name) {
            let found = format!("`{name}`, which refers to itself");
            self.problem(place, found, "evaluators without a circle");
            return Err(Refusal::Broken);
        }
        self.expanding.push(name);
        let spot = Spot { parent: place, index: None, data: spot.data };
        let compiled = self.nested(|this| compile(this, rule, spot));
        self.expanding.pop();
        compiled
    }

    pub(super) fn nested<T>(
        &mut self,
        compile: impl FnOnce(&mut Self) -> Compiled<T>,
    ) -> Compiled<T> {
        if self.depth >= DEPTH {
            let spot = Spot { parent: Place::ROOT, index: None, data: Data::Context };
            let expected = format!("at most {DEPTH} levels");
            return Err(self.rejected(spot, "a rule nested deeper", expected));
        }
        self.depth += 1;
        let compiled = compile(self);
        self.depth -= 1;
        compiled
    }

    pub(super) fn here(&mut self, spot: Spot) -> Place {
        match spot.index {
            Some(index) => self.places.index(spot.parent, index),
            None => spot.parent,
        }
    }

    pub(super) fn operator(&mut self, spot: Spot, name: &str) -> Place {
        let here = self.here(spot);
        match Operator::named(name) {
            Some(operator) => self.places.known(here, operator.name()),
            None => self.places.name(here, name),
        }
    }
}

/// The only member of an object that has one.
pub(super) fn single(map: &Map) -> Option<(&str, &Value)> {
    map.iter().next().filter(|_| map.len() == 1)
}

/// The attribute that a path of the context names.
fn attribute(path: &str) -> Attribute {
    let mut segments = path.split('.');
    let (first, rest) = (segments.next().unwrap_or_default(), segments);
    let rest: Box<[Box<str>]> = rest.map(Box::from).collect();
    match (first, &*rest) {
        ("targetingKey", []) => Attribute::Key,
        ("$flagd", []) => Attribute::Flagd,
        ("$flagd", [name]) if **name == *"timestamp" => Attribute::Timestamp,
        ("targetingKey" | "$flagd", _) => Attribute::Nowhere,
        (name, []) => Attribute::Named(name.into()),
        (name, _) => Attribute::Nested(name.into(), rest),
    }
}

/// The variant and weight of a share that is a constant.
fn entry(expression: &Expression) -> Option<(&Value, u32)> {
    let Expression::Constant(Value::List(members)) = expression else { return None };
    let variant = members.first()?;
    if matches!(variant, Value::List(_) | Value::Map(_)) {
        return None;
    }
    let weight = members.get(1).map_or(Some(1), |value| weight(value.borrow()))?;
    Some((variant, weight))
}

/// The variant that a constant names.
fn named(variants: &[Variant], value: &Value) -> Outcome {
    let mut name = String::new();
    match value {
        Value::Null => Outcome::Default,
        Value::Text(name) => variant(variants, name),
        value => match super::coercion::write_flat(value.borrow(), &mut name) {
            Ok(()) => variant(variants, &name),
            Err(_) => Outcome::Unknown,
        },
    }
}
