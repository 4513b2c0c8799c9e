//! Reading a path.

use serde_json::Value as Json;

use super::{
    Comparison, Filter, FilterPath, Operand, PatternOperand, Query, Selector, Step, translated,
};
use crate::flag::pattern::Pattern;

/// How deep filters and parentheses may nest.
const DEPTH: usize = 32;

/// The largest integer that a path may hold, of either sign.
const LARGEST: i64 = 9_007_199_254_740_991;

impl Query {
    /// Reads a path; `None` when it is malformed, or nested more than 32 deep.
    pub(in super::super) fn parse(text: &str) -> Option<Query> {
        let mut parser = Parser { rest: text, depth: 0, absolute: false };
        parser.eat("$")?;
        let steps = parser.steps()?;
        parser.rest.is_empty().then_some(Query { steps, absolute: parser.absolute })
    }
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
    absolute: bool,
}

impl<'t> Parser<'t> {
    fn eat(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(token)?;
        Some(())
    }

    fn blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn steps(&mut self) -> Option<Box<[Step]>> {
        let mut steps = Vec::new();
        loop {
            let before = self.rest;
            self.blank();
            let step = if self.eat("..").is_some() {
                Step::new(true, self.child()?)
            } else if self.eat(".").is_some() {
                if self.rest.starts_with('[') {
                    return None;
                }
                Step::new(false, self.child()?)
            } else if self.rest.starts_with('[') {
                Step::new(false, self.child()?)
            } else {
                // The blanks belong to whatever follows.
                self.rest = before;
                return Some(steps.into());
            };
            steps.push(step);
        }
    }

    /// What may follow dots, and brackets.
    fn child(&mut self) -> Option<Vec<Selector>> {
        if self.eat("*").is_some() {
            return Some(vec![Selector::Wildcard]);
        }
        if self.eat("[").is_some() {
            return self.nested(Parser::selectors);
        }
        let first = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
        if !self.rest.starts_with(first) {
            return None;
        }
        Some(vec![Selector::Name(self.name(|c| first(c) || c.is_ascii_digit()).into())])
    }

    /// A name that is not quoted. Blanks between its letters belong to it, as the official engine
    /// has it; the standard knows no such name.
    fn name(&mut self, letter: impl Fn(char) -> bool) -> &'t str {
        let text = self.rest;
        loop {
            self.take_while(&letter);
            let (name, rest) = text.split_at(text.len() - self.rest.len());
            self.blank();
            if !self.rest.starts_with(&letter) {
                self.rest = rest;
                return name;
            }
        }
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.depth += 1;
        let read = if self.depth > DEPTH { None } else { read(self) };
        self.depth -= 1;
        read
    }

    fn selectors(&mut self) -> Option<Vec<Selector>> {
        let mut selectors = Vec::new();
        loop {
            self.blank();
            selectors.push(self.selector()?);
            self.blank();
            if self.eat("]").is_some() {
                return Some(selectors);
            }
            self.eat(",")?;
        }
    }

    fn selector(&mut self) -> Option<Selector> {
        match self.rest.chars().next()? {
            '\'' | '"' => Some(Selector::Name(self.string()?.into())),
            '*' => {
                self.eat("*")?;
                Some(Selector::Wildcard)
            }
            '?' => {
                self.eat("?")?;
                self.blank();
                Some(Selector::Filter(self.or()?))
            }
            _ => self.index_or_slice(),
        }
    }

    fn index_or_slice(&mut self) -> Option<Selector> {
        let start = self.optional_integer()?;
        let before = self.rest;
        self.blank();
        if self.eat(":").is_none() {
            self.rest = before;
            return start.map(Selector::Index);
        }
        self.blank();
        let end = self.optional_integer()?;
        let before = self.rest;
        self.blank();
        let step = if self.eat(":").is_some() {
            self.blank();
            self.optional_integer()?
        } else {
            self.rest = before;
            None
        };
        Some(Selector::Slice { start, end, step: step.unwrap_or(1) })
    }

    /// `Some(None)` when there is none, `None` when it is malformed.
    fn optional_integer(&mut self) -> Option<Option<i64>> {
        if !self.rest.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return Some(None);
        }
        let negative = self.eat("-").is_some();
        let digits = self.take_while(|c| c.is_ascii_digit());
        let padded = digits.starts_with('0') && (negative || digits.len() > 1);
        let number = digits.parse::<i64>().ok().filter(|number| !padded && *number <= LARGEST)?;
        Some(Some(if negative { -number } else { number }))
    }

    /// A quoted text, its escapes resolved.
    fn string(&mut self) -> Option<String> {
        let quote = self.rest.chars().next()?;
        let mut chars = self.rest.get(1..)?.chars();
        let mut text = String::new();
        loop {
            match chars.next()? {
                c if c == quote => break,
                c if c < ' ' => return None,
                '\\' => text.push(match chars.next()? {
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'u' => escaped(&mut chars)?,
                    c if c == quote || matches!(c, '/' | '\\') => c,
                    _ => return None,
                }),
                c => text.push(c),
            }
        }
        self.rest = chars.as_str();
        Some(text)
    }

    fn or(&mut self) -> Option<Filter> {
        let mut either = vec![self.and()?];
        loop {
            self.blank();
            if self.eat("||").is_none() {
                break;
            }
            self.blank();
            either.push(self.and()?);
        }
        if either.len() > 1 { Some(Filter::Or(either.into())) } else { either.pop() }
    }

    fn and(&mut self) -> Option<Filter> {
        let mut all = vec![self.basic()?];
        loop {
            self.blank();
            if self.eat("&&").is_none() {
                break;
            }
            self.blank();
            all.push(self.basic()?);
        }
        if all.len() > 1 { Some(Filter::And(all.into())) } else { all.pop() }
    }

    fn basic(&mut self) -> Option<Filter> {
        if self.eat("!").is_some() {
            self.blank();
            let filter =
                if self.rest.starts_with('(') { self.grouped()? } else { self.test(true)? };
            return Some(Filter::Not(filter.into()));
        }
        if self.rest.starts_with('(') { self.grouped() } else { self.test(false) }
    }

    fn grouped(&mut self) -> Option<Filter> {
        self.eat("(")?;
        self.nested(|parser| {
            parser.blank();
            let filter = parser.or()?;
            parser.blank();
            parser.eat(")")?;
            Some(filter)
        })
    }

    /// A comparison, or a test whether something is there.
    fn test(&mut self, negated: bool) -> Option<Filter> {
        for (name, whole) in [("match(", true), ("search(", false)] {
            if self.eat(name).is_some() {
                return self.nested(|parser| parser.matches(whole));
            }
        }
        let left = self.operand()?;
        let before = self.rest;
        self.blank();
        let Some(comparison) = self.comparison().filter(|_| !negated) else {
            self.rest = before;
            return match left {
                Operand::Place(place) => Some(Filter::Exists(place)),
                _ => None,
            };
        };
        self.blank();
        let right = self.operand()?;
        (left.is_comparable() && right.is_comparable())
            .then_some(Filter::Compare(left, comparison, right))
    }

    fn matches(&mut self, whole: bool) -> Option<Filter> {
        self.blank();
        let text = self.operand()?;
        self.blank();
        self.eat(",")?;
        self.blank();
        let pattern = match self.operand()? {
            Operand::Literal(Json::String(pattern)) => {
                Pattern::new(&translated(&pattern, whole), false)
                    .map_or(PatternOperand::Malformed, |pattern| {
                        PatternOperand::Compiled(pattern.into())
                    })
            }
            other => PatternOperand::Read(other),
        };
        self.blank();
        self.eat(")")?;
        Some(Filter::Matches { text, pattern, whole })
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let known = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        known.into_iter().find_map(|(token, comparison)| self.eat(token).map(|()| comparison))
    }

    fn operand(&mut self) -> Option<Operand> {
        match self.rest.chars().next()? {
            '@' | '$' => Some(Operand::Place(self.place()?)),
            '\'' | '"' => Some(Operand::Literal(Json::String(self.string()?))),
            '-' | '0'..='9' => self.number(),
            _ => self.word(),
        }
    }

    fn place(&mut self) -> Option<FilterPath> {
        let absolute = self.eat("$").is_some();
        if absolute {
            self.absolute = true;
        } else {
            self.eat("@")?;
        }
        Some(FilterPath { absolute, steps: self.steps()? })
    }

    fn number(&mut self) -> Option<Operand> {
        let number = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        // The same grammar as JSON's.
        serde_json::from_str(self.take_while(number)).ok().map(Operand::Literal)
    }

    fn word(&mut self) -> Option<Operand> {
        let word = self.take_while(|c| c.is_ascii_lowercase() || c == '_');
        match word {
            "true" => Some(Operand::Literal(Json::Bool(true))),
            "false" => Some(Operand::Literal(Json::Bool(false))),
            "null" => Some(Operand::Literal(Json::Null)),
            "length" | "count" | "value" => {
                self.eat("(")?;
                self.nested(|parser| {
                    parser.blank();
                    let operand = match (word, parser.operand()?) {
                        ("length", argument) => Operand::Length(argument.into()),
                        ("count", Operand::Place(place)) => Operand::Count(place),
                        ("value", Operand::Place(place)) => Operand::Value(place),
                        _ => return None,
                    };
                    parser.blank();
                    parser.eat(")")?;
                    Some(operand)
                })
            }
            _ => None,
        }
    }
}

impl Operand {
    fn is_comparable(&self) -> bool {
        match self {
            Operand::Place(place) => place.steps.iter().all(Step::is_singular),
            _ => true,
        }
    }
}

/// The character of `\uXXXX`, or of two of them that are a surrogate pair.
fn escaped(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let high = unit(chars)?;
    if !(0xd800..=0xdbff).contains(&high) {
        return char::from_u32(high);
    }
    *chars = chars.as_str().strip_prefix("\\u")?.chars();
    let low = Some(unit(chars)?).filter(|low| (0xdc00..=0xdfff).contains(low))?;
    char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
}

/// Four hexadecimal digits.
fn unit(chars: &mut std::str::Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |unit, _| Some(unit * 16 + chars.next()?.to_digit(16)?))
}
