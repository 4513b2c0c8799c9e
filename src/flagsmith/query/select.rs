//! Following a path through a document.

use std::borrow::Cow;

use regex::Regex;
use serde_json::Value as Json;

use super::{
    Comparison, Filter, FilterPath, Operand, PatternOperand, Query, Selector, Step, translated,
};

/// Going through this many bytes of a text counts as looking at one more node.
const TEXT: usize = 64;

/// Compiling a pattern that is read from the document counts as looking at this many nodes: it
/// takes tens of microseconds and more, a node some nanoseconds.
const PATTERN: usize = 2_000;

impl Query {
    /// The first node that the path leads to. Looks at `left` nodes at most, and takes off those
    /// that it did; a query that would need more finds nothing.
    pub(in super::super) fn first<'d>(
        &self,
        document: &'d Json,
        left: &mut usize,
    ) -> Option<&'d Json> {
        let mut selection = Selection { root: document, left: *left, pattern: None };
        let found = selection.follow(&self.steps, document);
        *left = selection.left;
        if selection.left == 0 { None } else { found.first().copied() }
    }
}

struct Selection<'d> {
    root: &'d Json,
    /// How many more nodes may be looked at. At 0 everything ends: no answer counts any more.
    left: usize,
    /// The pattern that was last read from the document: most filters read one and the same.
    pattern: Option<(String, Option<Regex>)>,
}

impl<'d> Selection<'d> {
    /// Counts one more node; says no when there have been too many.
    fn look(&mut self) -> bool {
        self.look_at(1)
    }

    /// Counts so many nodes.
    fn look_at(&mut self, nodes: usize) -> bool {
        self.left = self.left.saturating_sub(nodes);
        self.left > 0
    }

    /// Counts a text that has to be gone through.
    fn look_through(&mut self, text: &str) -> bool {
        self.look_at(text.len() / TEXT)
    }

    fn follow(&mut self, steps: &[Step], from: &'d Json) -> Vec<&'d Json> {
        let mut nodes = vec![from];
        for step in steps {
            if step.descend {
                let mut below = Vec::new();
                for node in nodes {
                    self.descend(node, &mut below);
                }
                nodes = below;
            }
            let mut found = Vec::new();
            for selector in &step.selectors {
                for node in &nodes {
                    if self.left == 0 {
                        return Vec::new();
                    }
                    self.select(selector, node, &mut found);
                }
            }
            nodes = found;
        }
        nodes
    }

    /// A node and all those below that have members, from above.
    fn descend(&mut self, node: &'d Json, found: &mut Vec<&'d Json>) {
        if !self.look() {
            return;
        }
        match node {
            Json::Array(elements) => {
                found.push(node);
                elements.iter().for_each(|element| self.descend(element, found));
            }
            Json::Object(members) => {
                found.push(node);
                members.values().for_each(|member| self.descend(member, found));
            }
            _ => {}
        }
    }

    fn select(&mut self, selector: &Selector, node: &'d Json, found: &mut Vec<&'d Json>) {
        if !self.look() {
            return;
        }
        match (selector, node) {
            (Selector::Name(name), Json::Object(members)) => found.extend(members.get(&**name)),
            (Selector::Index(index), Json::Array(elements)) => {
                let length = elements.len() as i64;
                let index = if *index < 0 { length + index } else { *index };
                found.extend(usize::try_from(index).ok().and_then(|index| elements.get(index)));
            }
            (Selector::Slice { start, end, step }, Json::Array(elements)) => {
                let slice = slice(elements, *start, *end, *step);
                found.extend(slice.into_iter().take_while(|_| self.look()));
            }
            (Selector::Wildcard, node) => {
                for child in children(node) {
                    if self.look() {
                        found.push(child);
                    }
                }
            }
            (Selector::Filter(filter), node) => {
                for child in children(node) {
                    if self.look() && self.passes(filter, child) {
                        found.push(child);
                    }
                }
            }
            _ => {}
        }
    }

    fn passes(&mut self, filter: &Filter, current: &'d Json) -> bool {
        if !self.look() {
            return false;
        }
        match filter {
            Filter::Or(filters) => filters.iter().any(|filter| self.passes(filter, current)),
            Filter::And(filters) => filters.iter().all(|filter| self.passes(filter, current)),
            Filter::Not(filter) => !self.passes(filter, current),
            Filter::Exists(place) => !self.nodes(place, current).is_empty(),
            Filter::Compare(left, comparison, right) => {
                let (left, right) = (self.value(left, current), self.value(right, current));
                self.holds(*comparison, left.as_deref(), right.as_deref())
            }
            Filter::Matches { text, pattern, whole } => {
                let Some(text) = self.value(text, current) else { return false };
                let Some(text) = text.as_str() else { return false };
                if !self.look_through(text) {
                    return false;
                }
                match pattern {
                    PatternOperand::Compiled(pattern) => pattern.is_found_in(text),
                    PatternOperand::Malformed => false,
                    PatternOperand::Read(pattern) => {
                        let pattern = self.value(pattern, current);
                        let pattern = pattern.as_deref().and_then(Json::as_str);
                        pattern.is_some_and(|pattern| self.matches(pattern, *whole, text))
                    }
                }
            }
        }
    }

    /// Whether a pattern that was read from the document matches.
    fn matches(&mut self, pattern: &str, whole: bool, text: &str) -> bool {
        if !self.look_through(pattern) {
            return false;
        }
        let pattern = translated(pattern, whole);
        if self.pattern.as_ref().is_none_or(|(held, _)| *held != pattern) {
            if !self.look_at(PATTERN) {
                return false;
            }
            let compiled = Regex::new(&pattern).ok();
            self.pattern = Some((pattern, compiled));
        }
        let compiled = self.pattern.as_ref().and_then(|(_, compiled)| compiled.as_ref());
        compiled.is_some_and(|pattern| pattern.is_match(text))
    }

    fn nodes(&mut self, place: &FilterPath, current: &'d Json) -> Vec<&'d Json> {
        self.follow(&place.steps, if place.absolute { self.root } else { current })
    }

    fn value<'o>(&mut self, operand: &'o Operand, current: &'d Json) -> Option<Cow<'o, Json>>
    where
        'd: 'o,
    {
        match operand {
            Operand::Literal(literal) => Some(Cow::Borrowed(literal)),
            Operand::Place(place) | Operand::Value(place) => match *self.nodes(place, current) {
                [node] => Some(Cow::Borrowed(node)),
                _ => None,
            },
            Operand::Count(place) => Some(Cow::Owned(self.nodes(place, current).len().into())),
            Operand::Length(operand) => match &*self.value(operand, current)? {
                Json::String(text) => {
                    self.look_through(text);
                    Some(Cow::Owned(text.chars().count().into()))
                }
                Json::Array(elements) => Some(Cow::Owned(elements.len().into())),
                Json::Object(members) => Some(Cow::Owned(members.len().into())),
                _ => None,
            },
        }
    }
}

fn children(node: &Json) -> impl Iterator<Item = &Json> {
    let (elements, members) = match node {
        Json::Array(elements) => (Some(elements), None),
        Json::Object(members) => (None, Some(members)),
        _ => (None, None),
    };
    elements.into_iter().flatten().chain(members.into_iter().flat_map(|members| members.values()))
}

/// The elements of a slice. A negative bound counts from the end, a negative step goes backwards.
fn slice(elements: &[Json], start: Option<i64>, end: Option<i64>, step: i64) -> Vec<&Json> {
    let length = elements.len() as i64;
    let from_start = |bound: i64| if bound < 0 { length.saturating_add(bound) } else { bound };
    let element = |index: i64| elements.get(usize::try_from(index).ok()?);
    let stride = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
    if step > 0 {
        let start = from_start(start.unwrap_or(0)).clamp(0, length);
        let end = from_start(end.unwrap_or(length)).clamp(0, length);
        (start..end).step_by(stride).filter_map(element).collect()
    } else if step < 0 {
        let start = start.map_or(length - 1, from_start).clamp(-1, length - 1);
        let end = end.map_or(-1, from_start).clamp(-1, length - 1);
        (end + 1..start + 1).rev().step_by(stride).filter_map(element).collect()
    } else {
        Vec::new()
    }
}

/// Comparing. Each node of a structure that is compared is looked at.
impl Selection<'_> {
    fn holds(&mut self, comparison: Comparison, left: Option<&Json>, right: Option<&Json>) -> bool {
        match comparison {
            Comparison::Equal => self.equal(left, right),
            Comparison::NotEqual => !self.equal(left, right),
            Comparison::Less => self.less(left, right),
            Comparison::LessOrEqual => self.less(left, right) || self.equal(left, right),
            Comparison::Greater => self.less(right, left),
            Comparison::GreaterOrEqual => self.less(right, left) || self.equal(left, right),
        }
    }

    /// Nothing equals nothing; `1` and `1.0` are one number.
    fn equal(&mut self, left: Option<&Json>, right: Option<&Json>) -> bool {
        if !self.look() {
            return false;
        }
        match (left, right) {
            (Some(Json::Number(a)), Some(Json::Number(b))) => a == b || a.as_f64() == b.as_f64(),
            (Some(Json::String(a)), Some(Json::String(b))) => {
                a.len() == b.len() && self.look_through(a) && a == b
            }
            (Some(Json::Array(a)), Some(Json::Array(b))) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.equal(Some(a), Some(b)))
            }
            (Some(Json::Object(a)), Some(Json::Object(b))) => {
                a.len() == b.len()
                    && a.iter().all(|(name, a)| {
                        let b = b.get(name);
                        b.is_some() && self.equal(Some(a), b)
                    })
            }
            (left, right) => left == right,
        }
    }

    /// Numbers and texts have an order.
    fn less(&mut self, left: Option<&Json>, right: Option<&Json>) -> bool {
        match (left, right) {
            (Some(Json::Number(a)), Some(Json::Number(b))) => a.as_f64() < b.as_f64(),
            (Some(Json::String(a)), Some(Json::String(b))) => {
                self.look_through(if a.len() < b.len() { a } else { b }) && a < b
            }
            _ => false,
        }
    }
}
