//! flagd's questions.

use modelgate::{
    OwnedContext,
    flag::ValueType,
    flagd::{Flagd, Fractional},
    value::Value,
};
use serde_json::{Value as Json, json};

use super::{Answer, Evaluator, text, wrong};

pub(crate) fn answer(evaluator: &mut Evaluator, question: &Json) -> Answer<Json> {
    let options = question.get("options").unwrap_or(&Json::Null);
    let mut dialect = Flagd::new().with_fractional(match options.get("fractional") {
        None | Some(Json::Null) => Fractional::default(),
        Some(Json::String(generation)) if generation == "v1" => Fractional::V1,
        Some(Json::String(generation)) if generation == "v2" => Fractional::V2,
        Some(Json::String(generation)) if generation == "v3" => Fractional::V3,
        Some(other) => return Err(wrong("options.fractional", other, "v1, v2 or v3").into()),
    });
    match options.get("static_context") {
        None | Some(Json::Null) => {}
        Some(context @ Json::Object(_)) => {
            dialect = dialect.with_static_context(serde_json::from_value(context.clone())?);
        }
        Some(other) => return Err(wrong("options.static_context", other, "an object").into()),
    }
    let expected = match options.get("type") {
        None | Some(Json::Null) => None,
        Some(Json::String(name)) => Some(match name.as_str() {
            "boolean" => ValueType::Boolean,
            "string" => ValueType::String,
            "integer" => ValueType::Integer,
            "float" => ValueType::Float,
            "object" => ValueType::Object,
            other => return Err(format!("options.type: `{other}` is unknown").into()),
        }),
        Some(other) => return Err(wrong("options.type", other, "the name of a type").into()),
    };
    let key = text(question, "flag")?;
    let context = context(question.get("context").unwrap_or(&Json::Null))?;
    let explain = evaluator.explain;
    let clock = evaluator.clock.clone();
    let variation = json!([options.get("fractional"), options.get("static_context")]);
    let flags = evaluator
        .compiled(question, &format!("flagd {variation}"), |text| Ok(dialect.compile(text)?))?;
    let (evaluation, trace) = if explain {
        let (evaluation, trace) = flags.explain_at(key, &context, &clock);
        (evaluation, Some(trace))
    } else {
        (flags.evaluate_at(key, &context, &clock), None)
    };
    let evaluation = match expected {
        Some(expected) => evaluation.of_type(expected),
        None => evaluation,
    };
    let mut answer = json!({
        "id": null,
        "value": match evaluation.value {
            // The flag's own value may be a float, which this read truncates.
            Some(_) if expected == Some(ValueType::Integer) => json!(evaluation.integer(0).value),
            Some(value) => serde_json::to_value(value)?,
            None => options.get("default").cloned().unwrap_or_default(),
        },
        "variant": evaluation.variant,
        "reason": evaluation.reason.as_str(),
        "error_code": evaluation.error.map(|code| code.as_str()),
        "metadata": serde_json::to_value(evaluation.metadata)?,
    });
    if let Some(trace) = trace {
        answer["trace"] = serde_json::to_value(&trace)?;
    }
    Ok(answer)
}

fn context(json: &Json) -> Answer<OwnedContext> {
    let attributes = match json {
        Json::Null => return Ok(OwnedContext::anonymous()),
        Json::Object(attributes) => attributes,
        other => return Err(wrong("context", other, "an object").into()),
    };
    let mut context = OwnedContext::anonymous();
    if let Some(Json::String(key)) = attributes.get("targetingKey") {
        context = OwnedContext::new(key.as_str());
    }
    for (name, value) in attributes {
        // A key that is no text is an attribute like any other.
        if name != "targetingKey" || !value.is_string() {
            context = context.with(name.as_str(), serde_json::from_value::<Value>(value.clone())?);
        }
    }
    Ok(context)
}
