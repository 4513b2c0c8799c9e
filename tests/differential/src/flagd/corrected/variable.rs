//! `var`, `missing` and `missing_some`: what reads the data.

use modelgate::value::Value;
use serde_json::{Value as Json, json};

use super::{
    Corrected, Outcome,
    core::{self, Failed, number},
    operation::alike,
    value,
};

const THROUGH_A_LIST: (&str, &str) = (
    "a path through a list, or with empty segments",
    "flagd's Go core: a word stands for the first element, empty segments are skipped",
);

/// What `var` reads from.
#[derive(Clone, Copy)]
pub enum Scope<'s> {
    Data,
    Inner(&'s Inner<'s>),
}

/// What an operator that goes through a list is at.
pub struct Inner<'s> {
    pub data: Value,
    /// Whose data is read before this one's: how many operators further out.
    pub levels: Vec<usize>,
    pub outer: Scope<'s>,
}

impl<'s> Scope<'s> {
    pub fn levels(self) -> Vec<usize> {
        match self {
            Scope::Data => vec![0],
            Scope::Inner(inner) => inner.levels.clone(),
        }
    }

    fn out(self, level: usize) -> Scope<'s> {
        match self {
            Scope::Inner(inner) if level > 0 => inner.outer.out(level - 1),
            scope => scope,
        }
    }
}

/// Follows a path: empty segments are skipped, and a word in a list stands for its first element.
fn follow(start: &Value, path: &str) -> Option<Value> {
    let mut at = start;
    for segment in path.split('.').filter(|segment| !segment.is_empty()) {
        at = match at {
            Value::Map(map) => map.get(segment)?,
            Value::List(list) => list.get(segment.parse::<usize>().unwrap_or(0))?,
            _ => return None,
        };
    }
    Some(at.clone())
}

impl Corrected<'_> {
    fn data(&self, scope: Scope<'_>) -> Value {
        match scope {
            Scope::Data => self.data.clone(),
            Scope::Inner(inner) => inner.data.clone(),
        }
    }

    pub(super) fn variable(
        &self,
        argument: &Json,
        arguments: Option<&[Json]>,
        scope: Scope<'_>,
    ) -> Outcome {
        let path = match arguments {
            Some(arguments) => arguments.first().cloned().unwrap_or_default(),
            None => argument.clone(),
        };
        let fallback = match arguments {
            Some([_, fallback]) => Some(fallback),
            _ => None,
        };
        let path = match path {
            Json::String(path) => path,
            computed @ Json::Object(_) => match self.evaluate(&computed, scope)? {
                Value::Text(path) => path.to_string(),
                _ => return Err(Failed),
            },
            _ => return Err(Failed),
        };
        if let Scope::Inner(_) = scope {
            return self.inner_variable(&path, scope);
        }
        let found = follow(&self.data, &path).filter(|found| *found != Value::Null);
        let fallback = fallback.map(|fallback| self.evaluate(fallback, scope)).transpose();
        if fallback.is_err() {
            self.note(
                "a variable's fallback that fails",
                "flagd's Go core evaluates it, needed or not: PARSE_ERROR; the crate only where it is needed",
            );
        }
        let fallback = fallback?;
        let there = found.is_some();
        let outcome = found.or_else(|| fallback.clone()).unwrap_or_default();
        let theirs = match &fallback {
            Some(fallback) => self.read(&json!([path, super::json_of(fallback)])),
            None => self.read(&json!(path)),
        };
        if !alike(Some(&outcome), theirs.as_ref()) {
            if !there && fallback.is_some() {
                self.note(
                    "a variable's fallback where there is null",
                    "flagd's Go core: it stands in for null as for nothing; the crate: null is there",
                );
            } else if path.contains('.') {
                self.note(THROUGH_A_LIST.0, THROUGH_A_LIST.1);
            }
        }
        Ok(outcome)
    }

    /// What the crate reads from the data.
    fn read(&self, path: &Json) -> Option<Value> {
        self.official_value(&json!({"var": path}), &self.case.context)
    }

    fn inner_variable(&self, path: &str, scope: Scope<'_>) -> Outcome {
        let levels =
            if path.is_empty() || path.starts_with('.') { vec![0] } else { scope.levels() };
        let last = levels.len() - 1;
        for (index, level) in levels.into_iter().enumerate() {
            let data = self.data(scope.out(level));
            let found = follow(&data, path).unwrap_or_default();
            if found == Value::Null {
                continue;
            }
            if let (Value::List(_), false) = (&data, path.is_empty()) {
                self.note(THROUGH_A_LIST.0, THROUGH_A_LIST.1);
            }
            if level > 0 {
                self.note(
                    "an attribute of the context inside of an operator that goes through a list",
                    "flagd's Go core puts it into the rule before it begins; the crate sees the element alone",
                );
            }
            let rule = match &found {
                Value::Map(map) => map.len() == 1,
                Value::List(list) => {
                    list.iter().any(|one| matches!(one, Value::Map(map) if map.len() == 1))
                }
                _ => false,
            };
            return if index < last && rule { Err(Failed) } else { Ok(found) };
        }
        Ok(Value::Null)
    }

    /// `missing` and `missing_some`, outside of any list.
    pub(super) fn missing(&self, operator: &str, operands: &[Value], listed: bool) -> Outcome {
        let outcome = self.missing_by_core(operator, operands, listed);
        let names: Vec<Json> = operands.iter().map(super::json_of).collect();
        let names = if listed { Json::Array(names) } else { names[0].clone() };
        let theirs = self.official_value(&json!({operator: names}), &self.case.context);
        if !alike(outcome.as_ref().ok(), theirs.as_ref()) {
            self.note(
                "names that are missing",
                "flagd's Go core: null is missing, a list is a path with a fallback, and no path means everything",
            );
        }
        outcome
    }

    fn missing_by_core(&self, operator: &str, operands: &[Value], listed: bool) -> Outcome {
        let (wanted, names) = match (operator, operands) {
            ("missing_some", [wanted, Value::List(names), ..]) => {
                (Some(number(wanted)? as i64), &**names)
            }
            ("missing_some", _) => return Err(Failed),
            (_, [Value::List(names)]) if !listed => (None, &**names),
            (_, [Value::Text(_)]) => (None, operands),
            (_, [_]) if !listed => return Err(Failed),
            _ => (None, operands),
        };
        let mut missing = Vec::new();
        for name in names {
            let found = match name {
                Value::Null => None,
                Value::List(path) => match &path[..] {
                    [] => follow(&self.data, ""),
                    [Value::Text(path), Value::Null] => follow(&self.data, path),
                    [Value::Text(_), fallback] => Some(fallback.clone()),
                    [Value::Text(path), ..] => follow(&self.data, path),
                    _ => return Err(Failed),
                },
                Value::Bool(_) | Value::Map(_) => return Err(Failed),
                name => follow(&self.data, &core::text(name)?),
            };
            if found.is_none_or(|found| found == Value::Null) {
                missing.push(name.clone());
            }
        }
        let present = (names.len() - missing.len()) as i64;
        let enough = wanted.is_some_and(|wanted| wanted <= present);
        Ok(Value::List(if enough { Vec::new() } else { missing }))
    }

    pub(super) fn timestamp() -> Value {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        value(&json!(now.map_or(0, |now| now.as_secs())))
    }
}
