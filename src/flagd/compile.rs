//! Compiling a rule from its JSON.

use std::sync::Arc;

use super::{
    Fractional,
    fractional::weight,
    operator::Operator,
    place::{Place, Places, Step},
    tree::{
        Attribute, Branches, BucketBy, Call, ComputedPath, ComputedRule, Expression, FlagdOptions,
        LevelPath, NestedPath, Outcome, Path, Rule, Split, Variable, Variant, variant,
    },
};
use crate::{
    flag::{FlagProblem, ProblemList, split::Shares},
    value::{Map, Value},
};

/// How deep a rule may nest, shared evaluators included. JSON itself is read 127 deep.
const DEPTH: usize = 256;

/// How many nodes all uses of shared evaluators of one document, and how many members all copies of
/// its metadata, may add up to in any case: a few lines of evaluators that use each other twice could
/// otherwise fill any memory.
const REPEATED: usize = 100_000;

/// In a large document they may add up to one for so many of its bytes.
const BYTES_A_REPEATED: usize = 64;

/// What the flags of one document share.
pub(super) struct DocumentContext<'d> {
    pub(super) settings: &'d Arc<FlagdOptions>,
    pub(super) metadata: Arc<Map>,
    evaluators: Option<&'d Map>,
    /// How many nodes and members may still be repeated.
    repeats: usize,
}

impl<'d> DocumentContext<'d> {
    pub(super) fn new(
        settings: &'d Arc<FlagdOptions>,
        evaluators: Option<&'d Map>,
        metadata: &Arc<Map>,
        bytes: usize,
    ) -> DocumentContext<'d> {
        let repeats = REPEATED.max(bytes / BYTES_A_REPEATED);
        DocumentContext { settings, metadata: Arc::clone(metadata), evaluators, repeats }
    }

    /// Whether so much may be repeated once more.
    pub(super) fn repeat(&mut self, many: usize) -> bool {
        match self.repeats.checked_sub(many) {
            Some(left) => {
                self.repeats = left;
                true
            }
            None => false,
        }
    }
}

/// Why a rule has no compiled form.
#[derive(Debug)]
pub(super) enum CompileError {
    /// The flag answers `PARSE_ERROR`; the problem is already noted.
    Broken,
    Rejected(Box<FlagProblem>),
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

    fn list(&mut self, values: &[Value], place: Place, data: DataSource) -> Compiled<Expression> {
        let elements = values
            .iter()
            .enumerate()
            .map(|(index, value)| {
                self.expression(value, ValuePosition::argument(place, index, data))
            })
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

    fn call(&mut self, name: &str, argument: &Value, spot: ValuePosition) -> Compiled<Expression> {
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
            Operator::Var => return self.variable(arguments, listed, place, spot.data),
            Operator::Fractional => return self.split(arguments, listed, place, spot.data),
            Operator::If | Operator::Ternary | Operator::And | Operator::Or if !listed => {
                self.problem(place, argument.type_name(), "an array of arguments");
                return Ok(Expression::Fail(place));
            }
            operator if operator.goes_through() => {
                if !listed {
                    self.problem(place, argument.type_name(), "an array of arguments");
                    return Ok(Expression::Fail(place));
                }
                return self.through(operator, arguments, place, spot.data);
            }
            _ => {}
        }
        let arguments = arguments
            .iter()
            .enumerate()
            .map(|(index, argument)| {
                self.expression(argument, ValuePosition::argument(place, index, spot.data))
            })
            .collect::<Compiled<Box<[_]>>>()?;
        self.remark(operator, &arguments, listed, place);
        Ok(Expression::Call(Box::new(Call { place, operator, arguments, listed })))
    }

    /// An operator that goes through a list. A list that is written out is taken as it is written.
    fn through(
        &mut self,
        operator: Operator,
        arguments: &[Value],
        place: Place,
        data: DataSource,
    ) -> Compiled<Expression> {
        let mut compiled = Vec::with_capacity(arguments.len());
        for (index, argument) in arguments.iter().enumerate() {
            let spot = ValuePosition::argument(place, index, data);
            compiled.push(match (index, argument) {
                (0, Value::List(values)) => {
                    if values.iter().any(|value| matches!(value, Value::Map(_))) {
                        self.warn(spot, "a written list of rules", "values: they stay as written");
                    }
                    Expression::Constant(argument.clone())
                }
                // The flag's key is a constant anywhere else; here it is what an operator came to, and
                // no list.
                (0, Value::Map(_)) => match self.expression(argument, spot)? {
                    Expression::Constant(Value::Text(_)) => {
                        let path = Path::Attribute(Attribute::FlagKey);
                        self.read(path, None, DataSource::Context, false)
                    }
                    expression => expression,
                },
                (1, body) => self.body(operator, body, spot)?,
                _ => self.expression(argument, spot)?,
            });
        }
        let arguments = compiled.into();
        Ok(Expression::Call(Box::new(Call { place, operator, arguments, listed: true })))
    }

    /// The rule for each element.
    fn body(
        &mut self,
        operator: Operator,
        body: &Value,
        spot: ValuePosition,
    ) -> Compiled<Expression> {
        let any_value = matches!(operator, Operator::Map | Operator::Filter);
        if !any_value && !matches!(body, Value::Map(_)) {
            let place = self.here(spot);
            self.problem(place, body.type_name(), "an operator");
            return Ok(Expression::Fail(place));
        }
        let data = self.inside(operator, spot.data);
        let mut body = self.expression(body, ValuePosition { data, ..spot })?;
        if let Expression::Variable(variable) = &mut body {
            variable.whole_rule = !any_value;
        }
        Ok(body)
    }

    /// What `var` reads from inside of an operator that goes through a list. `filter` and `none` put
    /// what the data around them has into the rule before they begin, `some` that and then what the
    /// element has, `all` what the element has: so an attribute of the context wins over a member of
    /// the element that has its name.
    fn inside(&mut self, operator: Operator, around: DataSource) -> DataSource {
        let around = match around {
            DataSource::Context => AT_HAND,
            DataSource::Levels(index) => index,
        };
        let around = self.levels.get(around).map_or(&[][..], |levels| levels);
        let put_in = around.split_last().map_or(&[][..], |(_, before)| before);
        let mut levels: Vec<u8> = put_in.iter().map(|level| level.saturating_add(1)).collect();
        levels.extend(match operator {
            Operator::Filter | Operator::None => &[1][..],
            Operator::Some => &[1, 0],
            Operator::Every => &[0],
            _ => &[],
        });
        levels.push(0);
        self.levels.push(levels.into());
        DataSource::Levels(self.levels.len() - 1)
    }

    fn variable(
        &mut self,
        arguments: &[Value],
        listed: bool,
        place: Place,
        data: DataSource,
    ) -> Compiled<Expression> {
        // What a variable is made of sees one level's data at a time.
        let part = match data {
            DataSource::Context => DataSource::Context,
            DataSource::Levels(_) => DataSource::Levels(AT_HAND),
        };
        let fallback = match (arguments, listed) {
            ([_, fallback], true) => {
                let spot = ValuePosition::argument(place, 1, part);
                Some(Box::new(self.expression(fallback, spot)?))
            }
            _ => None,
        };
        let mut number = String::new();
        let mut put_in = true;
        let path = match arguments.first() {
            None => "",
            Some(Value::Null) if !listed => {
                return Ok(self.read(Path::Bare, None, data, false));
            }
            Some(Value::Text(path)) => {
                put_in = listed || !(path.is_empty() || path.starts_with('.'));
                path
            }
            Some(value @ (Value::Int(_) | Value::Float(_))) if !listed => {
                if super::coercion::write_text(value.borrow(), &mut number).is_err() {
                    return Ok(Expression::Fail(place));
                }
                &*number
            }
            Some(value @ (Value::Map(_) | Value::List(_))) => {
                let expression = self.expression(value, ValuePosition::argument(place, 0, part))?;
                let path = Path::Computed(Box::new(ComputedPath { expression, listed }));
                return Ok(self.read(path, fallback, data, true));
            }
            Some(value) => {
                self.problem(place, value.type_name(), "a path");
                return Ok(Expression::Fail(place));
            }
        };
        if path.ends_with(".length") {
            self.problem(place, format!("`{path}`"), "a path that all engines read alike");
        }
        let path = match data {
            DataSource::Context => match path {
                "$flagd.flagKey" if fallback.is_none() => {
                    return Ok(Expression::Constant(self.key.into()));
                }
                path if path.split('.').all(str::is_empty) => Path::Everything,
                path => Path::Attribute(attribute(path)),
            },
            DataSource::Levels(index) => {
                self.remark_hidden(index, put_in, path, place);
                let segments = path.split('.').filter(|segment| !segment.is_empty());
                let segments = segments.map(Box::from).collect();
                Path::Level(Box::new(LevelPath { attribute: attribute(path), segments }))
            }
        };
        drop(number);
        Ok(self.read(path, fallback, data, put_in))
    }

    fn read(
        &self,
        path: Path,
        fallback: Option<Box<Expression>>,
        data: DataSource,
        put_in: bool,
    ) -> Expression {
        let levels = match data {
            DataSource::Levels(index) if put_in => index,
            _ => AT_HAND,
        };
        let levels = self.levels.get(levels).cloned().unwrap_or_default();
        Expression::Variable(Box::new(Variable { path, fallback, levels, whole_rule: false }))
    }

    fn split(
        &mut self,
        arguments: &[Value],
        listed: bool,
        place: Place,
        data: DataSource,
    ) -> Compiled<Expression> {
        let arguments = arguments
            .iter()
            .enumerate()
            .map(|(index, value)| {
                self.expression(value, ValuePosition::argument(place, index, data))
            })
            .collect::<Compiled<Box<[_]>>>()?;
        let generation = self.shared.settings.fractional;
        let is_key = |expression: &Expression| match expression {
            Expression::Variable(variable) => {
                matches!(variable.path, Path::Attribute(Attribute::Key))
                    && variable.fallback.is_none()
            }
            _ => false,
        };
        let bucket_by = match arguments.first() {
            Some(_) if !listed => BucketBy::Listed,
            None => BucketBy::Nothing,
            Some(Expression::Constant(Value::Null)) => match generation {
                Fractional::V3 => BucketBy::Nothing,
                _ => BucketBy::First(true),
            },
            Some(Expression::List(_) | Expression::Constant(Value::List(_))) => BucketBy::Implied,
            Some(first) if is_key(first) => BucketBy::Key,
            Some(Expression::Call(call)) if call.operator == Operator::Cat => {
                BucketBy::First(call.arguments.iter().any(is_key))
            }
            Some(_) => BucketBy::First(false),
        };
        self.remark_bucket_by(&arguments, place);
        let entries = match bucket_by {
            BucketBy::Implied => &*arguments,
            _ => arguments.get(1..).unwrap_or_default(),
        };
        let constants: Option<Vec<(&Value, u32)>> =
            entries.iter().map(|entry| constant_entry(entry, generation)).collect();
        let (mut shares, mut outcomes) = (None, Box::default());
        if let (Some(constants), true) = (constants, listed) {
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
            BucketBy::Implied => generation.prefix(self.key),
            _ => crate::hash::Murmur3::new(0),
        };
        let split = Split { place, bucket_by, prefix, shares, outcomes, arguments };
        Ok(Expression::Split(Box::new(split)))
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
        let found = self
            .shared
            .evaluators
            .and_then(|evaluators| evaluators.iter().find(|(known, _)| *known == name));
        let Some((name, rule)) = found else {
            self.problem(place, format!("`{name}`"), "the name of one of the `$evaluators`");
            return Err(CompileError::Broken);
        };
        if self.expanding.contains(&name) {
            let found = format!("`{name}`, which refers to itself");
            self.problem(place, found, "evaluators without a circle");
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

/// The attribute that a path of the context names.
fn attribute(path: &str) -> Attribute {
    let mut segments = path.split('.').filter(|segment| !segment.is_empty());
    let (first, rest) = (segments.next().unwrap_or_default(), segments);
    let rest: Box<[Box<str>]> = rest.map(Box::from).collect();
    match (first, &*rest) {
        ("targetingKey", []) => Attribute::Key,
        ("$flagd", []) => Attribute::Flagd,
        ("$flagd", [name]) if **name == *"timestamp" => Attribute::Timestamp,
        ("$flagd", [name]) if **name == *"flagKey" => Attribute::FlagKey,
        ("targetingKey" | "$flagd", _) => Attribute::Nowhere,
        (name, []) => Attribute::Named(name.into()),
        (name, _) => Attribute::Nested(Box::new(NestedPath { name: name.into(), segments: rest })),
    }
}

/// The variant and weight of a share that is a constant.
fn constant_entry(expression: &Expression, generation: Fractional) -> Option<(&Value, u32)> {
    let Expression::Constant(Value::List(members)) = expression else { return None };
    let variant = members.first()?;
    if matches!(variant, Value::List(_) | Value::Map(_)) {
        return None;
    }
    let weight = members.get(1).map_or(Some(1), |value| weight(value.borrow(), generation))?;
    Some((variant, weight))
}

/// The variant that a constant names.
fn named(variants: &[Variant], value: &Value) -> Outcome {
    let mut name = String::new();
    match value {
        Value::Null => Outcome::Default,
        value => match super::answer::write(value.borrow(), &mut name) {
            Ok(()) => variant(variants, &name),
            Err(_) => Outcome::Unknown,
        },
    }
}
