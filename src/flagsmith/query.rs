//! JSONPath (RFC 9535) beyond the plain names that properties ordinarily are: wildcards, indices,
//! slices, recursive descent and filters.

mod parse;
mod select;
#[cfg(test)]
mod tests;

use serde_json::Value as Json;

use crate::flag::pattern::Pattern;

/// A path through a document.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) steps: Box<[Step]>,
    /// Whether a filter in it starts again from the document's root.
    pub(super) absolute: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Whether it starts from every node below as well.
    descend: bool,
    selectors: Box<[Selector]>,
}

#[derive(Clone, Debug)]
enum Selector {
    Name(Box<str>),
    Wildcard,
    Index(i64),
    Slice { start: Option<i64>, end: Option<i64>, step: i64 },
    Filter(Filter),
}

#[derive(Clone, Debug)]
enum Filter {
    Or(Box<[Filter]>),
    And(Box<[Filter]>),
    Not(Box<Filter>),
    Exists(FilterPath),
    Compare(Operand, Comparison, Operand),
    /// `match` and `search`: whether the pattern has to match the whole text.
    Matches {
        text: Operand,
        pattern: PatternOperand,
        whole: bool,
    },
}

/// The pattern of a filter: compiled beforehand where it is written out.
#[derive(Clone, Debug)]
enum PatternOperand {
    Compiled(std::sync::Arc<Pattern>),
    Read(Operand),
    Malformed,
}

/// A path inside of a filter.
#[derive(Clone, Debug)]
struct FilterPath {
    absolute: bool,
    steps: Box<[Step]>,
}

#[derive(Clone, Debug)]
enum Operand {
    Literal(Json),
    Place(FilterPath),
    Length(Box<Operand>),
    Count(FilterPath),
    Value(FilterPath),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Step {
    fn new(descend: bool, selectors: Vec<Selector>) -> Step {
        Step { descend, selectors: selectors.into() }
    }

    /// The name, if the step does nothing but follow one.
    pub(super) fn name(&self) -> Option<&str> {
        match &*self.selectors {
            [Selector::Name(name)] if !self.descend => Some(name),
            _ => None,
        }
    }

    /// Whether it leads to one node at most.
    fn is_singular(&self) -> bool {
        !self.descend && matches!(&*self.selectors, [Selector::Name(_) | Selector::Index(_)])
    }
}

/// An I-Regexp in the syntax of the `regex` crate: its dot matches no line end of either kind.
fn translated(pattern: &str, whole: bool) -> String {
    let mut text = String::with_capacity(pattern.len() + 6);
    text.push_str(if whole { "^(?:" } else { "" });
    let (mut escaped, mut class) = (false, false);
    for c in pattern.chars() {
        match c {
            '.' if !escaped && !class => text.push_str(r"[^\n\r]"),
            c => text.push(c),
        }
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            _ => {}
        }
    }
    text.push_str(if whole { ")$" } else { "" });
    text
}
