//! The operators that go through a list with a rule for each element.

use modelgate::value::{Map, Value};
use serde_json::{Value as Json, json};

use super::{
    Corrected, Outcome,
    core::{self, Failed, number},
    has_object,
    operation::alike,
    value,
    variable::{Inner, Scope},
};

const NO_LIST: (&str, &str) = (
    "an operator that goes through what is no list",
    "flagd's Go core: a list, null or an error, nothing for a constant; the crate: objects and single values too",
);

impl Corrected<'_> {
    pub(super) fn through(&self, operator: &str, arguments: &[Json], scope: Scope<'_>) -> Outcome {
        let subject = match arguments.first() {
            None => return Err(Failed),
            // A list that is written out is taken as it is written.
            Some(written @ Json::Array(_)) => Ok(value(written)),
            Some(rule @ Json::Object(_)) => self.evaluate(rule, scope),
            Some(_) => Ok(Value::Null),
        };
        let body = arguments.get(1).ok_or(Failed)?;
        let start = arguments.get(2);
        let outcome = match operator {
            "reduce" => self.reduce(subject, body, start.ok_or(Failed)?, scope),
            _ => subject.clone().and_then(|subject| self.visit(operator, &subject, body, scope)),
        };
        if let Scope::Data = scope {
            let rule = json!({operator: arguments});
            let theirs = self.official_value(&rule, &self.case.context);
            if !alike(outcome.as_ref().ok(), theirs.as_ref()) {
                self.explain(operator, arguments, scope);
            }
            self.note_float(outcome.as_ref().ok(), theirs.as_ref());
        }
        outcome
    }

    /// Names what makes such an operator differ, beside what its rule's operators do.
    fn explain(&self, operator: &str, arguments: &[Json], scope: Scope<'_>) {
        let written = arguments.first().and_then(Json::as_array);
        let subject = match (arguments.first(), written) {
            (_, Some(_)) | (None, _) => None,
            (Some(rule), _) => self.evaluate(rule, scope).ok(),
        };
        let is_rule = |element| has_object(element, &|_| true);
        if written.is_some_and(|list| list.iter().any(is_rule)) {
            self.note(
                "a written list of rules to go through",
                "flagd's Go core: values, as they are written; the crate evaluates them first",
            );
        } else if written.is_none() && !matches!(subject, Some(Value::List(_))) {
            self.note(NO_LIST.0, NO_LIST.1);
        } else if operator == "reduce" {
            self.note(
                "what `reduce` keeps",
                "flagd's Go core: a boolean, a number or text as it began, null elements skipped; the crate: anything",
            );
        }
    }

    fn inner<'s>(&self, operator: &str, data: Value, outer: Scope<'s>) -> Inner<'s> {
        let around = match outer {
            // What is around a rule has nothing put into it.
            Scope::Data => Vec::new(),
            Scope::Inner(inner) => inner.levels[..inner.levels.len() - 1].to_vec(),
        };
        let mut levels: Vec<usize> = around.into_iter().map(|level| level + 1).collect();
        levels.extend(match operator {
            "filter" | "none" => &[1][..],
            "some" => &[1, 0],
            "all" => &[0],
            _ => &[],
        });
        levels.push(0);
        Inner { data, levels, outer }
    }

    fn visit(&self, operator: &str, subject: &Value, body: &Json, scope: Scope<'_>) -> Outcome {
        let quantifier = matches!(operator, "all" | "some" | "none");
        let nothing = if quantifier { !core::truthy(subject) } else { *subject == Value::Null };
        if nothing {
            let empty = Value::List(Vec::new());
            return Ok(if quantifier { Value::Bool(operator == "none") } else { empty });
        }
        if let Value::Map(_) = subject {
            // Without being asked: its members have another order each time.
            self.note(NO_LIST.0, NO_LIST.1);
        }
        let Value::List(list) = subject else { return Err(Failed) };
        let (mut mapped, mut kept) = (Vec::new(), Vec::new());
        for element in list {
            let inner = self.inner(operator, element.clone(), scope);
            let value = self.evaluate(body, Scope::Inner(&inner))?;
            if operator != "map" {
                let truth = self.truthy(&value);
                if quantifier && truth != (operator == "all") {
                    return Ok(Value::Bool(operator == "some"));
                }
                if truth {
                    kept.push(element.clone());
                }
            }
            mapped.push(value);
        }
        Ok(match operator {
            "map" => Value::List(mapped),
            "filter" => Value::List(kept),
            _ => Value::Bool(operator != "some"),
        })
    }

    fn reduce(&self, subject: Outcome, body: &Json, start: &Json, scope: Scope<'_>) -> Outcome {
        let mut result = match self.evaluate(start, scope)? {
            Value::Null | Value::List(_) | Value::Map(_) => return Err(Failed),
            start => start,
        };
        let list = match subject? {
            Value::List(list) => list,
            Value::Null => return Ok(Value::Int(0)),
            _ => return Err(Failed),
        };
        for current in list.into_iter().filter(|current| *current != Value::Null) {
            let mut step = Map::new();
            step.insert("current", current);
            step.insert("accumulator", result.clone());
            let inner = self.inner("reduce", Value::Map(step), scope);
            let value = self.evaluate(body, Scope::Inner(&inner))?;
            result = match &result {
                Value::Bool(_) => Value::Bool(core::truthy(&value)),
                Value::Text(_) => core::text(&value)?.as_str().into(),
                _ => core::from_float(number(&value)?),
            };
        }
        Ok(result)
    }
}
