//! The official evaluator's answer, corrected at each single operation where it is known to differ.
//!
//! A rule is taken apart: every operator is given to the official evaluator by itself, with its
//! operands as constants. Only where a correction concerns exactly these operands does flagd's Go
//! core stand in for it, as `core` restates it. What comes out has to be modelgate's answer: so a
//! name explains when the two differ, and what each of them says, and hides nothing beside it.

mod core;
mod operation;
mod through;
mod variable;

use std::{cell::RefCell, collections::BTreeMap};

use modelgate::value::{Map, Value};
use serde_json::{Map as JsonMap, Value as Json, json};

pub use self::operation::names;
use self::{core::Failed, variable::Scope};
use super::{
    case::{Answer, Case, Expected},
    official::Official,
};

type Outcome = Result<Value, Failed>;

/// One case, operation by operation.
pub struct Corrected<'c> {
    official: &'c Official,
    case: &'c Case,
    data: Value,
    names: RefCell<BTreeMap<&'static str, &'static str>>,
}

impl<'c> Corrected<'c> {
    pub fn new(official: &'c Official, case: &'c Case) -> Corrected<'c> {
        let mut data = match value(&Json::Object(case.context.clone())) {
            Value::Map(data) => data,
            _ => Map::new(),
        };
        let mut flagd = Map::new();
        flagd.insert("flagKey", case.flag.as_str());
        flagd.insert("timestamp", Corrected::timestamp());
        // A context cannot make a rule believe in another flag or time.
        data.insert("$flagd", flagd);
        Corrected { official, case, data: Value::Map(data), names: RefCell::default() }
    }

    /// The names of the corrections that made a difference, and why each is made.
    pub fn names(self) -> BTreeMap<&'static str, &'static str> {
        self.names.into_inner()
    }

    fn note(&self, name: &'static str, why: &'static str) {
        self.names.borrow_mut().insert(name, why);
    }

    pub fn answer(&self) -> Answer {
        let flag = self.case.definition();
        self.refusals();
        if flag.is_null() {
            return Answer::error("FLAG_NOT_FOUND");
        }
        if flag["state"] == "DISABLED" {
            self.note(
                "a flag that is switched off",
                "flagd's suite: reason DISABLED and the caller's default; the crate: FLAG_NOT_FOUND (Q16)",
            );
            return plain("DISABLED");
        }
        let targeting = &flag["targeting"];
        let static_flag =
            targeting.is_null() || targeting.as_object().is_some_and(JsonMap::is_empty);
        if static_flag {
            return self.serve(None, "STATIC");
        }
        let Some(targeting) = self.expanded(targeting, &mut Vec::new()) else {
            return Answer::error("PARSE_ERROR");
        };
        self.compiled(&targeting);
        match self.evaluate(&targeting, Scope::Data).and_then(|value| self.variant_name(&value)) {
            Err(Failed) => Answer::error("PARSE_ERROR"),
            Ok(None) => self.serve(None, "DEFAULT"),
            Ok(Some(name)) => self.serve(Some(name), "TARGETING_MATCH"),
        }
    }

    /// What makes the crate refuse the whole document.
    fn refusals(&self) {
        let flags = self.case.environment["flags"].as_object();
        let no_default = |flag: &Json| flag["defaultVariant"].as_str().is_none_or(str::is_empty);
        if flags.is_some_and(|flags| flags.values().any(no_default)) {
            self.note(
                "no default variant",
                "flagd's suite: the caller's default; the crate refuses all flags (Q17)",
            );
        }
        let mut sound = true;
        let evaluators = &self.case.environment["$evaluators"];
        for rule in flags.into_iter().flat_map(JsonMap::values).map(|flag| &flag["targeting"]) {
            sound &= self.expanded(rule, &mut Vec::new()).is_some();
        }
        for (name, rule) in evaluators.as_object().into_iter().flatten() {
            sound &= self.expanded(rule, &mut vec![name]).is_some();
        }
        if !sound {
            self.note(
                "a shared evaluator that leads nowhere",
                "flagd's suite: PARSE_ERROR of that flag; the crate refuses all flags (Q15)",
            );
        }
    }

    /// What the crate refuses before it evaluates anything.
    fn compiled(&self, rule: &Json) {
        if has_object(rule, &|members| members.len() > 1) {
            self.note(
                "several members in one object",
                "flagd's Go core, Python and Node: a value; the crate cannot compile it: PARSE_ERROR",
            );
        }
        if self.case.context.contains_key("$flagd") {
            self.note(
                "an attribute called `$flagd`",
                "ours to decide: a context cannot make a rule believe in another flag or time",
            );
        }
    }

    fn serve(&self, name: Option<String>, reason: &str) -> Answer {
        let flag = self.case.definition();
        let name = match name {
            Some(name) => name,
            None => match flag["defaultVariant"].as_str().filter(|name| !name.is_empty()) {
                Some(name) => name.to_owned(),
                None => return plain("DEFAULT"),
            },
        };
        let Some(served) = flag["variants"].get(&name).map(value) else {
            return Answer::error("GENERAL");
        };
        let served = match (self.case.expected, served) {
            (Expected::Integer, Value::Float(float)) if float.abs() < 9_007_199_254_740_992.0 => {
                self.note(
                    "a float that is read as an integer",
                    "flagd's Go core: the float without its fraction; the crate: TYPE_MISMATCH",
                );
                Value::Int(float as i64)
            }
            (_, served) => served,
        };
        if !self.case.expected.ours().admits(&served) {
            return Answer::error("TYPE_MISMATCH");
        }
        Answer {
            value: Some(json_of(&served)),
            variant: Some(name),
            reason: reason.to_owned(),
            error_code: None,
        }
    }

    /// The variant that a rule's value names: `None` for the default.
    fn variant_name(&self, value: &Value) -> Result<Option<String>, Failed> {
        let ours = match value {
            Value::Null => return Ok(None),
            value => core::answer_text(value)?,
        };
        let theirs = match value {
            Value::Text(text) => text.to_string(),
            value => json_of(value).to_string(),
        };
        if ours != theirs {
            self.note(
                "an answer that is no plain text",
                "flagd's Go core: JSON as it writes it, without its quotes: 1.0 names the variant `1`",
            );
        }
        Ok(Some(ours))
    }

    /// A rule with the shared ones in their places; nothing when one leads nowhere.
    fn expanded<'r>(&'r self, rule: &'r Json, above: &mut Vec<&'r str>) -> Option<Json> {
        Some(match rule {
            Json::Array(elements) => Json::Array(
                elements
                    .iter()
                    .map(|element| self.expanded(element, above))
                    .collect::<Option<_>>()?,
            ),
            Json::Object(members) => {
                if let (1, Some(Json::String(name))) = (members.len(), members.get("$ref")) {
                    if above.contains(&name.as_str()) {
                        return None;
                    }
                    let shared = self.case.environment["$evaluators"].get(name)?;
                    above.push(name);
                    let shared = self.expanded(shared, above);
                    above.pop();
                    return shared;
                }
                Json::Object(
                    members
                        .iter()
                        .map(|(name, member)| {
                            self.expanded(member, above).map(|member| (name.clone(), member))
                        })
                        .collect::<Option<_>>()?,
                )
            }
            other => other.clone(),
        })
    }

    fn evaluate(&self, rule: &Json, scope: Scope<'_>) -> Outcome {
        let members = match rule {
            Json::Array(elements) => {
                return elements
                    .iter()
                    .map(|element| self.evaluate(element, scope))
                    .collect::<Result<Vec<_>, _>>()
                    .map(Value::List);
            }
            Json::Object(members) if members.len() == 1 => members,
            constant => return Ok(value(constant)),
        };
        let Some((operator, argument)) = members.iter().next() else { return Err(Failed) };
        let arguments = argument.as_array().map(Vec::as_slice);
        match (&**operator, arguments) {
            ("var", arguments) => self.variable(argument, arguments, scope),
            ("if", Some(arguments)) => self.choose(arguments, scope),
            ("and", Some(arguments)) => self.until(arguments, scope, false),
            ("or", Some(arguments)) => self.until(arguments, scope, true),
            ("map" | "filter" | "reduce" | "all" | "some" | "none", Some(arguments)) => {
                self.through(operator, arguments, scope)
            }
            (operator, Some(arguments)) => {
                let mut operands = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    let operand = self.evaluate(argument, scope);
                    if operand.is_err() && operands.len() > 1 && operation::is_lazy(operator) {
                        self.note(
                            "an operand that may not be needed",
                            "flagd's Go core evaluates all of a comparison or a sum: one that fails is a PARSE_ERROR; the crate stops early",
                        );
                    }
                    operands.push(operand?);
                }
                self.operation(operator, &operands, true)
            }
            (operator, None) => {
                let operand = self.evaluate(argument, scope)?;
                self.operation(operator, &[operand], false)
            }
        }
    }

    fn choose(&self, arguments: &[Json], scope: Scope<'_>) -> Outcome {
        let mut rest = arguments;
        let branch = loop {
            match rest {
                [] => return Ok(Value::Null),
                [otherwise] => break otherwise,
                [condition, then, more @ ..] => {
                    if self.truthy(&self.evaluate(condition, scope)?) {
                        break then;
                    }
                    rest = more;
                }
            }
        };
        let value = self.evaluate(branch, scope)?;
        if matches!(&value, Value::Map(map) if map.len() == 1) {
            self.note(
                "a branch that comes to an object of one member",
                "flagd's Go core takes it for an operator; data never becomes a rule here: PARSE_ERROR",
            );
            return Err(Failed);
        }
        Ok(value)
    }

    fn until(&self, arguments: &[Json], scope: Scope<'_>, wanted: bool) -> Outcome {
        let mut last = Value::Null;
        for argument in arguments {
            last = self.evaluate(argument, scope)?;
            if self.truthy(&last) == wanted {
                break;
            }
        }
        Ok(last)
    }

    fn truthy(&self, value: &Value) -> bool {
        if matches!(value, Value::Map(map) if map.is_empty()) {
            self.note(
                "the truth of an object without members",
                "flagd's Go core: false; the crate: true",
            );
        }
        core::truthy(value)
    }

    /// One operator's value by the official evaluator alone; `None` for an error.
    fn theirs(&self, operator: &str, operands: &[Value], listed: bool) -> Option<Value> {
        let mut context = JsonMap::new();
        if let Some(key) = self.case.context.get("targetingKey") {
            context.insert("targetingKey".to_owned(), key.clone());
        }
        let names: Vec<Json> =
            (0..operands.len()).map(|at| json!({"var": format!("x{at}")})).collect();
        for (at, operand) in operands.iter().enumerate() {
            context.insert(format!("x{at}"), json_of(operand));
        }
        let arguments = if listed { Json::Array(names) } else { names.first()?.clone() };
        self.official_value(&json!({operator: arguments}), &context)
    }

    fn official_value(&self, rule: &Json, context: &JsonMap<String, Json>) -> Option<Value> {
        self.official.value(&self.case.flag, rule, context).map(|json| value(&json))
    }
}

/// An answer without a value: the caller's default.
fn plain(reason: &str) -> Answer {
    Answer { value: None, variant: None, reason: reason.to_owned(), error_code: None }
}

/// The text by which flagd's Go core looks for the variant that a rule's value names.
pub fn answer_text(json: &Json) -> Option<String> {
    core::answer_text(&value(json)).ok()
}

fn value(json: &Json) -> Value {
    serde_json::from_value(json.clone()).expect("every JSON value is a value")
}

/// A number that is not finite has no JSON: it becomes null.
fn json_of(value: &Value) -> Json {
    serde_json::to_value(value).unwrap_or(Json::Null)
}

fn has_object(rule: &Json, is: &dyn Fn(&JsonMap<String, Json>) -> bool) -> bool {
    match rule {
        Json::Array(elements) => elements.iter().any(|element| has_object(element, is)),
        Json::Object(members) => {
            is(members) || members.values().any(|member| has_object(member, is))
        }
        _ => false,
    }
}
