//! Following a path through a document.

use std::borrow::Cow;

use regex::Regex;
use serde_json::Value as Json;

use super::{
    Comparison, Filter, FilterPath, Operand, PatternOperand, Query, Selector, Step, translated,
};

impl Query {
    /// The first node that the path leads to. Looks at `left` nodes at most, and takes off those
    /// that it did; a query that would need more finds nothing.
    pub(in super::super) fn first<'d>(
        &self,
        document: &'d Json,
        left: &mut usize,
    ) -> Option<&'d Json> {
        let mut selection = Selection { root: document, left: *left };
        let found = selection.follow(&self.steps, document);
        *left = selection.left;
        if selection.left == 0 { None } else { found.first().copied() }
    }
}

struct Selection<'d> {
    root: &'d Json,
    left: usize,
}

impl<'d> Selection<'d> {
    /// Counts one more node; says no when there have been too many.
    fn look(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left > 0
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
                found.extend(slice(elements, *start, *end, *step));
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
        match filter {
            Filter::Or(filters) => filters.iter().any(|filter| self.passes(filter, current)),
            Filter::And(filters) => filters.iter().all(|filter| self.passes(filter, current)),
            Filter::Not(filter) => !self.passes(filter, current),
            Filter::Exists(place) => !self.nodes(place, current).is_empty(),
            Filter::Compare(left, comparison, right) => {
                let (left, right) = (self.value(left, current), self.value(right, current));
                comparison.holds(left.as_deref(), right.as_deref())
            }
            Filter::Matches { text, pattern, whole } => {
                let Some(text) = self.value(text, current) else { return false };
                let Some(text) = text.as_str() else { return false };
                match pattern {
                    PatternOperand::Compiled(pattern) => pattern.is_found_in(text),
                    PatternOperand::Malformed => false,
                    PatternOperand::Read(pattern) => {
                        let pattern = self.value(pattern, current);
                        let pattern = pattern.as_deref().and_then(Json::as_str);
                        pattern
                            .and_then(|pattern| Regex::new(&translated(pattern, *whole)).ok())
                            .is_some_and(|pattern| pattern.is_match(text))
                    }
                }
            }
        }
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
                Json::String(text) => Some(Cow::Owned(text.chars().count().into())),
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

impl Comparison {
    fn holds(self, left: Option<&Json>, right: Option<&Json>) -> bool {
        match self {
            Comparison::Equal => equal(left, right),
            Comparison::NotEqual => !equal(left, right),
            Comparison::Less => less(left, right),
            Comparison::LessOrEqual => less(left, right) || equal(left, right),
            Comparison::Greater => less(right, left),
            Comparison::GreaterOrEqual => less(right, left) || equal(left, right),
        }
    }
}

/// Nothing equals nothing; `1` and `1.0` are one number.
fn equal(left: Option<&Json>, right: Option<&Json>) -> bool {
    match (left, right) {
        (Some(Json::Number(a)), Some(Json::Number(b))) => a == b || a.as_f64() == b.as_f64(),
        (left, right) => left == right,
    }
}

/// Numbers and texts have an order.
fn less(left: Option<&Json>, right: Option<&Json>) -> bool {
    match (left, right) {
        (Some(Json::Number(a)), Some(Json::Number(b))) => a.as_f64() < b.as_f64(),
        (Some(Json::String(a)), Some(Json::String(b))) => a < b,
        _ => false,
    }
}
