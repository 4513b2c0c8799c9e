//! LaunchDarkly's questions.

use modelgate::{
    OwnedContext,
    launchdarkly::{LaunchDarkly, Reason},
    value::Value,
};
use serde_json::{Map, Value as Json, json};

use super::{Answer, Evaluator, text, wrong};

pub(crate) fn answer(evaluator: &mut Evaluator, question: &Json) -> Answer<Json> {
    let options = question.get("options").unwrap_or(&Json::Null);
    let key = text(question, "flag")?;
    let context = context(question.get("context").unwrap_or(&Json::Null))?;
    let (explain, clock) = (evaluator.explain, evaluator.clock.clone());
    let dialect = LaunchDarkly::new();
    let flags = evaluator.compiled(question, "launchdarkly", |text| Ok(dialect.compile(text)?))?;
    let evaluation = flags.evaluate_at(key, &context, &clock);
    let detail = dialect.detail(flags, key, &context);
    let default = options.get("default").unwrap_or(&Json::Null);
    let default: Value = serde_json::from_value(default.clone())?;
    let mut answer = match options.get("value_type") {
        None | Some(Json::Null) => {
            let found = detail.json(&default);
            vendors(json!(found.value), found.variation_index, found.reason)
        }
        Some(Json::String(name)) => match name.as_str() {
            "any" => {
                let found = detail.json(&default);
                vendors(json!(found.value), found.variation_index, found.reason)
            }
            "bool" => {
                let found = detail.boolean(given(options, default.as_bool(), "a boolean")?);
                vendors(json!(found.value), found.variation_index, found.reason)
            }
            "int" => {
                let found = detail.integer(given(options, default.as_i64(), "an integer")?);
                vendors(json!(found.value), found.variation_index, found.reason)
            }
            "double" => {
                let found = detail.double(given(options, default.as_f64(), "a number")?);
                vendors(json!(found.value), found.variation_index, found.reason)
            }
            "string" => {
                let found = detail.string(given(options, default.as_str(), "text")?);
                vendors(json!(found.value), found.variation_index, found.reason)
            }
            other => return Err(format!("options.value_type: `{other}` is unknown").into()),
        },
        Some(other) => return Err(wrong("options.value_type", other, "a type's name").into()),
    };
    answer["variant"] = json!(evaluation.variant);
    answer["error_code"] = json!(evaluation.error.map(|code| code.as_str()));
    answer["metadata"] = Json::Null;
    if explain {
        let (_, trace) = flags.explain_at(key, &context, &clock);
        answer["trace"] = serde_json::to_value(&trace)?;
    }
    Ok(answer)
}

fn vendors(value: Json, variation_index: Option<usize>, reason: Reason<'_>) -> Json {
    json!({"id": null, "value": value, "variation_index": variation_index, "reason": reason})
}

/// The default of a typed question.
fn given<T>(options: &Json, default: Option<T>, expected: &str) -> Answer<T> {
    let found = options.get("default").unwrap_or(&Json::Null);
    default.ok_or_else(|| wrong("options.default", found, expected).into())
}

/// The vendor's context as one of ours, which is itself the user.
fn context(json: &Json) -> Answer<OwnedContext> {
    let members = match json {
        Json::Null => return Ok(OwnedContext::anonymous()),
        Json::Object(members) => members,
        other => return Err(wrong("context", other, "an object").into()),
    };
    match members.get("kind") {
        None => user(members),
        Some(Json::String(kind)) if kind == "user" => individual(members),
        Some(Json::String(kind)) if kind == "multi" => {
            let mut context = match members.get("user") {
                Some(Json::Object(user)) => individual(user)?,
                Some(other) => return Err(wrong("context.user", other, "an object").into()),
                None => OwnedContext::anonymous(),
            };
            for (kind, json) in members {
                match json {
                    Json::Object(_) if kind == "user" => {}
                    Json::Object(members) => {
                        context = context.with_kind(kind.as_str(), individual(members)?);
                    }
                    _ if kind == "kind" => {}
                    other => return Err(wrong("context of a kind", other, "an object").into()),
                }
            }
            Ok(context)
        }
        Some(Json::String(kind)) => {
            Ok(OwnedContext::anonymous().with_kind(kind.as_str(), individual(members)?))
        }
        Some(other) => Err(wrong("context.kind", other, "text").into()),
    }
}

fn individual(members: &Map<String, Json>) -> Answer<OwnedContext> {
    let mut context = keyed(members, |key| !key.is_empty())?;
    for (name, value) in members {
        if name != "kind" && name != "key" {
            context = context.with(name.as_str(), value_of(value)?);
        }
    }
    Ok(context)
}

/// A user from before there were kinds: its custom attributes stand apart, and its own count first.
fn user(members: &Map<String, Json>) -> Answer<OwnedContext> {
    let mut context = keyed(members, |_| true)?;
    let own = ["name", "anonymous"];
    let texts = ["avatar", "firstName", "lastName", "country", "email", "ip"];
    if let Some(Json::Object(custom)) = members.get("custom") {
        let shadowed = |name: &str| own.contains(&name) || matches!(name, "kind" | "key" | "_meta");
        for (name, value) in custom.iter().filter(|(name, _)| !shadowed(name)) {
            context = context.with(name.as_str(), value_of(value)?);
        }
    }
    for name in own.iter().chain(&texts) {
        if members.get("custom").and_then(|custom| custom.get(*name)).is_some()
            && texts.contains(name)
        {
            continue;
        }
        if let Some(value) = members.get(*name) {
            context = context.with(*name, value_of(value)?);
        }
    }
    Ok(context)
}

fn keyed(members: &Map<String, Json>, is_key: fn(&str) -> bool) -> Answer<OwnedContext> {
    match members.get("key") {
        Some(Json::String(key)) if is_key(key) => Ok(OwnedContext::new(key.as_str())),
        None | Some(Json::Null | Json::String(_)) => Ok(OwnedContext::anonymous()),
        Some(other) => Err(wrong("key of a context", other, "text").into()),
    }
}

fn value_of(json: &Json) -> Answer<Value> {
    Ok(serde_json::from_value(json.clone())?)
}
