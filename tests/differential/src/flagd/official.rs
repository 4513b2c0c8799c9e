//! What the official Rust evaluator answers. Its engine evaluates the rules; the steps around them
//! are those of the official provider's in-process resolver, which keeps them to itself.

use std::sync::Arc;

use flagd_evaluation_engine::{FlagParser, FlagdEvaluationError, Operator};
use open_feature::{
    EvaluationContext, EvaluationContextFieldValue as Field, StructValue, Value as OpenValue,
};
use serde_json::{Map, Value as Json};

use super::case::{Answer, Case, Expected};

pub struct Official(Operator);

impl Official {
    pub fn new() -> Official {
        Official(Operator::new())
    }

    /// The answer, or why the whole definition was refused.
    pub fn answer(&self, case: &Case) -> Result<Answer, String> {
        let parsed = FlagParser::parse_string(&case.environment.to_string())
            .map_err(|error| error.to_string())?;
        let Some(flag) = parsed.flags.get(&case.flag) else {
            return Ok(Answer::error("FLAG_NOT_FOUND"));
        };
        if flag.state == "DISABLED" {
            return Ok(Answer::error("FLAG_NOT_FOUND"));
        }
        let targeting = flag.get_targeting();
        let (variant, reason) = if targeting == "{}" {
            (flag.default_variant.clone(), "STATIC")
        } else {
            match self.0.apply(&case.flag, &targeting, &context(&case.context)) {
                Ok(Some(variant)) => (variant, "TARGETING_MATCH"),
                Ok(None) => (flag.default_variant.clone(), "DEFAULT"),
                Err(FlagdEvaluationError::Parse(_) | FlagdEvaluationError::Json(_)) => {
                    return Ok(Answer::error("PARSE_ERROR"));
                }
                Err(_) => return Ok(Answer::error("GENERAL")),
            }
        };
        let Some(value) = flag.variants.get(&variant) else {
            return Ok(Answer::error("GENERAL"));
        };
        let fits = match case.expected {
            Expected::Boolean => value.is_boolean(),
            Expected::String => value.is_string(),
            Expected::Integer => value.as_i64().is_some(),
            Expected::Float => value.as_f64().is_some(),
            Expected::Object => value.is_object(),
        };
        if !fits {
            return Ok(Answer::error("TYPE_MISMATCH"));
        }
        Ok(Answer {
            value: Some(value.clone()),
            variant: Some(variant),
            reason: reason.to_owned(),
            error_code: None,
        })
    }

    /// The value that a rule comes to by itself; nothing for an error.
    pub fn value(&self, flag: &str, rule: &Json, attributes: &Map<String, Json>) -> Option<Json> {
        // A list is handed back as JSON, where text alone could be a number.
        let listed = Json::Array(vec![rule.clone()]);
        let text = self.0.apply(flag, &listed.to_string(), &context(attributes)).ok()??;
        let value: Json = serde_json::from_str(&text).ok()?;
        value.get(0).cloned()
    }
}

impl Default for Official {
    fn default() -> Official {
        Official::new()
    }
}

fn context(attributes: &Map<String, Json>) -> EvaluationContext {
    let mut context = EvaluationContext::default();
    for (name, value) in attributes {
        match value {
            Json::String(key) if name == "targetingKey" => {
                context.targeting_key = Some(key.clone())
            }
            value => context.add_custom_field(name, field(value)),
        }
    }
    context
}

fn field(value: &Json) -> Field {
    match value {
        // The SDK has no null of its own; it hands on a number that JSON cannot show as one.
        Json::Null => Field::Float(f64::NAN),
        Json::Bool(value) => Field::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Field::Int(number),
            None => Field::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Field::String(text.clone()),
        nested => Field::Struct(Arc::new(open(nested))),
    }
}

fn open(value: &Json) -> OpenValue {
    match value {
        Json::Null => OpenValue::Float(f64::NAN),
        Json::Bool(value) => OpenValue::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => OpenValue::Int(number),
            None => OpenValue::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => OpenValue::String(text.clone()),
        Json::Array(elements) => OpenValue::Array(elements.iter().map(open).collect()),
        Json::Object(members) => OpenValue::Struct(StructValue {
            fields: members.iter().map(|(name, value)| (name.clone(), open(value))).collect(),
        }),
    }
}
