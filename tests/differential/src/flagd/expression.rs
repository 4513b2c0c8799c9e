//! Typed expressions: mostly well-typed, one operand in five is anything.

use serde_json::{Map, Value as Json, json};

use super::fractional;
use crate::{
    pool::{self, Type},
    random::Random,
};

/// What `sem_ver` compares by; some are not its own.
const COMPARISONS: &[&str] = &["=", "!=", "<", "<=", ">", ">=", "^", "~", "==", ""];

/// How often an operand is of the type that its operator wants.
const WELL_TYPED: f64 = 0.8;

/// What an expression comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Number,
    Text,
    List,
}

const KINDS: [Kind; 4] = [Kind::Bool, Kind::Number, Kind::Text, Kind::List];

impl Kind {
    fn constant(self) -> Type {
        match self {
            Kind::Bool => Type::Bool,
            Kind::Number => Type::Number,
            Kind::Text => Type::Text,
            Kind::List => Type::List,
        }
    }
}

/// What expressions of one case are made with.
pub struct Maker<'m> {
    pub random: &'m mut Random,
    pub context: &'m Map<String, Json>,
    /// The names of shared evaluators that come to a truth.
    pub evaluators: &'m [String],
}

impl Maker<'_> {
    /// An expression that most likely comes to this kind.
    pub fn expression(&mut self, kind: Kind, depth: usize) -> Json {
        if !self.random.chance(WELL_TYPED) {
            let other = *self.random.of(&KINDS);
            return match self.random.below(4) {
                0 => pool::anything(self.random),
                1 => self.variable(),
                _ => self.of_kind(other, depth),
            };
        }
        self.of_kind(kind, depth)
    }

    fn of_kind(&mut self, kind: Kind, depth: usize) -> Json {
        if depth == 0 || self.random.chance(0.25) {
            return self.leaf(kind);
        }
        let depth = depth - 1;
        match (kind, self.random.below(20)) {
            (_, 0) => json!({"if": [self.truth(depth), self.expression(kind, depth),
                self.expression(kind, depth)]}),
            (_, 1) => {
                let operator = *self.random.of(&["and", "or"]);
                let count = 1 + self.random.below(3);
                let operands: Vec<Json> =
                    (0..count).map(|_| self.expression(kind, depth)).collect();
                json!({operator: operands})
            }
            (Kind::Bool, _) => self.truth(depth),
            (Kind::Number, _) => self.number(depth),
            (Kind::Text, choice) => self.text(choice, depth),
            (Kind::List, choice) => self.list(choice, depth),
        }
    }

    /// A constant or a `var`, half of the constants taken from the context.
    fn leaf(&mut self, kind: Kind) -> Json {
        let wanted = kind.constant();
        let own: Vec<(&String, &Json)> =
            self.context.iter().filter(|(_, value)| Type::of(value) == wanted).collect();
        if own.is_empty() || self.random.chance(0.1) {
            return pool::value(self.random, wanted);
        }
        let (name, value) = own[self.random.below(own.len())];
        match self.random.below(4) {
            0 => value.clone(),
            1 => pool::value(self.random, wanted),
            _ => json!({"var": name}),
        }
    }

    pub fn variable(&mut self) -> Json {
        const PATHS: &[&str] = &[
            "targetingKey",
            "$flagd.flagKey",
            "profile.tier",
            "profile.visits",
            "profile.tags.0",
            "tags.0",
            "tags.1",
            "tags.9",
            "nested.a.c.2.d",
            "region.0",
            "absent",
            "absent.x",
            "nothing",
            "nothing.x",
            "tags.x",
            "$flagd.absent",
            "profile",
            "odd.name",
        ];
        if self.random.chance(0.5) && !self.context.is_empty() {
            let names: Vec<&String> = self.context.keys().collect();
            let name = *self.random.of(&names);
            return match self.random.below(6) {
                0 => json!({"var": [name]}),
                1 => json!({"var": [name, pool::anything(self.random)]}),
                _ => json!({"var": name}),
            };
        }
        let path = *self.random.of(PATHS);
        match self.random.below(6) {
            0 => json!({"var": [path, self.leaf(Kind::Text)]}),
            1 => json!({"var": {"cat": [path]}}),
            _ => json!({"var": path}),
        }
    }

    /// Something true or false.
    pub fn truth(&mut self, depth: usize) -> Json {
        let kind = *self.random.of(&[Kind::Number, Kind::Text, Kind::Text, Kind::Bool]);
        match self.random.below(24) {
            0..=3 => {
                let operator = *self.random.of(&["==", "!=", "===", "!=="]);
                json!({operator: [self.expression(kind, depth), self.expression(kind, depth)]})
            }
            4..=6 => {
                let operator = *self.random.of(&["<", "<=", ">", ">="]);
                let count = if self.random.chance(0.25) { 3 } else { 2 };
                let kind = if self.random.chance(0.7) { Kind::Number } else { Kind::Text };
                let operands: Vec<Json> =
                    (0..count).map(|_| self.expression(kind, depth)).collect();
                json!({operator: operands})
            }
            7 | 8 => {
                json!({"in": [self.expression(kind, depth), self.expression(Kind::List, depth)]})
            }
            9 => {
                json!({"in": [self.expression(Kind::Text, depth), self.expression(Kind::Text, depth)]})
            }
            10 | 11 => {
                let operator = *self.random.of(&["!", "!!"]);
                let operand = self.expression(kind, depth);
                if self.random.chance(0.5) && !operand.is_array() {
                    json!({operator: operand})
                } else {
                    json!({operator: [operand]})
                }
            }
            12..=14 => {
                let operator = *self.random.of(&["and", "or"]);
                let count = 1 + self.random.below(3);
                let operands: Vec<Json> =
                    (0..count).map(|_| self.expression(Kind::Bool, depth)).collect();
                json!({operator: operands})
            }
            15 | 16 => {
                let operator = *self.random.of(&["some", "all", "none"]);
                json!({operator: [self.expression(Kind::List, depth), self.element_test()]})
            }
            17 | 18 => {
                let operator = *self.random.of(&["starts_with", "ends_with"]);
                json!({operator: [self.expression(Kind::Text, depth), self.affix()]})
            }
            19 | 20 => self.version_check(depth),
            21 => {
                let timestamp = json!({"var": "$flagd.timestamp"});
                let operator = *self.random.of(&["<", ">="]);
                json!({operator: [timestamp, self.random.of(&[0_i64, 1_000_000_000, 4_000_000_000])]})
            }
            22 if !self.evaluators.is_empty() => json!({"$ref": self.random.of(self.evaluators)}),
            _ => json!({"!": [self.missing()]}),
        }
    }

    fn affix(&mut self) -> Json {
        match self.random.below(6) {
            0 => self.expression(Kind::Text, 0),
            1 => json!("@example.com"),
            2 => json!(""),
            _ => json!(self.random.of(&["a", "user", "1", "é", "v", "person"])),
        }
    }

    fn version_check(&mut self, depth: usize) -> Json {
        let version = |maker: &mut Self| match maker.random.below(8) {
            0 => maker.expression(Kind::Text, depth),
            1 => pool::number(maker.random),
            2..=4 => json!({"var": "version"}),
            _ => json!(maker.random.of(pool::VERSIONS)),
        };
        let (left, right) = (version(self), version(self));
        let comparison = json!(self.random.of(COMPARISONS));
        match self.random.below(20) {
            0 => json!({"sem_ver": [left, comparison]}),
            1 => json!({"sem_ver": [left, comparison, right, right]}),
            _ => json!({"sem_ver": [left, comparison, right]}),
        }
    }

    fn number(&mut self, depth: usize) -> Json {
        let operator = *self.random.of(&["+", "-", "*", "/", "%", "min", "max", "reduce"]);
        if operator == "reduce" {
            let step = match self.random.below(3) {
                0 => json!({"+": [{"var": "accumulator"}, 1]}),
                1 => json!({"max": [{"var": "accumulator"}, {"var": "current"}]}),
                _ => json!({"+": [{"var": "accumulator"}, {"var": "current"}]}),
            };
            return json!({"reduce": [self.expression(Kind::List, depth), step, self.leaf(Kind::Number)]});
        }
        let count = 1 + self.random.below(3);
        let operands: Vec<Json> =
            (0..count).map(|_| self.expression(Kind::Number, depth)).collect();
        json!({operator: operands})
    }

    fn text(&mut self, choice: usize, depth: usize) -> Json {
        match choice {
            2..=5 => {
                let mut arguments = vec![self.expression(Kind::Text, depth)];
                for _ in 0..1 + self.random.below(2) {
                    arguments.push(json!(self.random.below(6) as i64 - 2));
                }
                json!({"substr": arguments})
            }
            6 | 7 => fractional::split(self, depth),
            _ => {
                let count = 1 + self.random.below(3);
                let parts: Vec<Json> = (0..count)
                    .map(|_| {
                        let kind = *self.random.of(&[Kind::Text, Kind::Text, Kind::Number]);
                        self.expression(kind, depth)
                    })
                    .collect();
                json!({"cat": parts})
            }
        }
    }

    fn list(&mut self, choice: usize, depth: usize) -> Json {
        match choice {
            2..=4 => {
                let body = match self.random.below(3) {
                    0 => json!({"var": ""}),
                    1 => json!({"+": [{"var": ""}, 1]}),
                    _ => json!({"cat": [{"var": ""}, "!"]}),
                };
                json!({"map": [self.expression(Kind::List, depth), body]})
            }
            5..=7 => json!({"filter": [self.expression(Kind::List, depth), self.element_test()]}),
            8..=10 => {
                let count = 1 + self.random.below(3);
                let parts: Vec<Json> =
                    (0..count).map(|_| self.expression(Kind::List, depth)).collect();
                json!({"merge": parts})
            }
            11..=13 => self.missing(),
            _ => {
                let count = self.random.below(4);
                (0..count).map(|_| self.expression(Kind::Text, depth)).collect()
            }
        }
    }

    fn missing(&mut self) -> Json {
        const NAMES: &[&str] =
            &["region", "absent", "nothing", "profile.tier", "age", "tags.0", ""];
        let count = self.random.below(4);
        let names: Vec<Json> = (0..count).map(|_| json!(self.random.of(NAMES))).collect();
        match self.random.below(3) {
            0 => json!({"missing_some": [self.random.below(3), names]}),
            1 => json!({"missing": [names]}),
            _ => json!({"missing": names}),
        }
    }

    fn element_test(&mut self) -> Json {
        match self.random.below(6) {
            0 => json!({"var": ""}),
            1 => json!({">": [{"var": ""}, 1]}),
            2 => json!({"in": [{"var": ""}, self.leaf(Kind::Text)]}),
            3 => json!({"!": [{"var": ""}]}),
            4 => json!({"==": [{"var": "a"}, 1]}),
            _ => json!({"===": [{"var": ""}, self.leaf(Kind::Text)]}),
        }
    }

    /// An operand of exactly this type, as a constant or read from the context.
    pub fn operand(&mut self, of: Type) -> Json {
        let own: Vec<&String> = self
            .context
            .iter()
            .filter(|(name, value)| Type::of(value) == of && *name != "odd.name")
            .map(|(name, _)| name)
            .collect();
        let readable = of != Type::Missing && !own.is_empty();
        // An object that stands in a rule is an operator, unless it is empty.
        let constant = of != Type::Missing && of != Type::Object;
        match (constant, readable) {
            (true, true) if self.random.chance(0.5) => pool::value(self.random, of),
            (_, true) => json!({"var": self.random.of(&own)}),
            (true, false) => pool::value(self.random, of),
            (false, false) if of == Type::Object => json!({}),
            (false, false) => json!({"var": "absent"}),
        }
    }
}
