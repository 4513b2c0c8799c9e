//! Unleash's questions.

use modelgate::{OwnedContext, unleash::Unleash, value::Value};
use serde_json::{Value as Json, json};

use super::{Answer, Evaluator, text, wrong};

/// The fields of Unleash's context that are no properties.
const FIELDS: [&str; 6] =
    ["userId", "sessionId", "environment", "appName", "currentTime", "remoteAddress"];

pub(crate) fn answer(evaluator: &mut Evaluator, question: &Json) -> Answer<Json> {
    let options = question.get("options").unwrap_or(&Json::Null);
    let mut dialect = Unleash::new();
    type Named = (&'static str, fn(Unleash, &str) -> Unleash);
    let named: [Named; 3] = [
        ("app_name", |dialect, name| dialect.with_app_name(name)),
        ("environment", |dialect, name| dialect.with_environment(name)),
        ("host_name", |dialect, name| dialect.with_host_name(name)),
    ];
    for (option, set) in named {
        match options.get(option) {
            None | Some(Json::Null) => {}
            Some(Json::String(name)) => dialect = set(dialect, name),
            Some(other) => return Err(wrong(&format!("options.{option}"), other, "text").into()),
        }
    }
    let (enabled, variant) = match question.get("kind") {
        None | Some(Json::Null) => (true, true),
        Some(Json::String(kind)) if kind == "enabled" => (true, false),
        Some(Json::String(kind)) if kind == "variant" => (false, true),
        Some(other) => return Err(wrong("kind", other, "enabled or variant").into()),
    };
    let name = text(question, "flag")?;
    let context = context(question.get("context").unwrap_or(&Json::Null))?;
    let explain = evaluator.explain;
    let clock = evaluator.clock.clone();
    let variation =
        json!([options.get("app_name"), options.get("environment"), options.get("host_name")]);
    let flags = evaluator
        .compiled(question, &format!("unleash {variation}"), |text| Ok(dialect.compile(text)?))?;
    let toggle = dialect.toggle(flags, name, &context, &clock);
    let mut answer = json!({"id": null});
    if enabled {
        answer["enabled"] = json!(toggle.enabled);
    }
    if variant {
        answer["variant"] = serde_json::to_value(toggle.variant)?;
    }
    if explain {
        let (_, trace) = flags.explain_at(name, &context, &clock);
        answer["trace"] = serde_json::to_value(&trace)?;
    }
    Ok(answer)
}

/// Unleash's context as one of ours: the user is the targeting key, everything else an attribute.
fn context(json: &Json) -> Answer<OwnedContext> {
    let fields = match json {
        Json::Null => return Ok(OwnedContext::anonymous()),
        Json::Object(fields) => fields,
        other => return Err(wrong("context", other, "an object").into()),
    };
    let properties = match fields.get("properties") {
        Some(Json::Object(properties)) => Some(properties),
        _ => None,
    };
    // A field may also stand among the properties.
    let field = |name| fields.get(name).or(properties.and_then(|properties| properties.get(name)));
    let user = match field("userId") {
        Some(Json::String(user)) => Some(user.clone()),
        Some(user @ (Json::Number(_) | Json::Bool(_))) => Some(user.to_string()),
        _ => None,
    };
    let mut context = user.map_or_else(OwnedContext::anonymous, OwnedContext::new);
    let value = |value: &Json| serde_json::from_value::<Value>(value.clone());
    for (name, property) in properties.into_iter().flatten() {
        if !FIELDS.contains(&name.as_str()) {
            context = context.with(name.as_str(), value(property)?);
        }
    }
    for (name, other) in fields {
        // What stands beside the fields is a property if it is text.
        if name != "properties" && !FIELDS.contains(&name.as_str()) && other.is_string() {
            context = context.with(name.as_str(), value(other)?);
        }
    }
    for name in FIELDS.into_iter().filter(|name| *name != "userId") {
        if let Some(found) = field(name) {
            context = context.with(name, value(found)?);
        }
    }
    Ok(context)
}
