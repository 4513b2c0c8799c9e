//! Flagsmith's questions.

use modelgate::{
    OwnedContext,
    flagsmith::{Flagsmith, Generation, VariantOrder},
    value::Value,
};
use serde_json::{Value as Json, json};

use super::{Answer, Evaluator, text, wrong};

pub(crate) fn answer(evaluator: &mut Evaluator, question: &Json) -> Answer<Json> {
    let options = question.get("options").unwrap_or(&Json::Null);
    let option = |name: &str| options.get(name).filter(|value| !value.is_null());
    let dialect = Flagsmith::new()
        .with_generation(match option("generation") {
            None => Generation::default(),
            Some(Json::String(name)) if name == "flag-dependencies" => Generation::FlagDependencies,
            Some(Json::String(name)) if name == "before-flag-dependencies" => {
                Generation::BeforeFlagDependencies
            }
            Some(other) => {
                let expected = "flag-dependencies or before-flag-dependencies";
                return Err(wrong("options.generation", other, expected).into());
            }
        })
        .with_variant_order(match option("variant_order") {
            None => VariantOrder::default(),
            Some(Json::String(name)) if name == "document" => VariantOrder::Document,
            Some(Json::String(name)) if name == "id" => VariantOrder::ById,
            Some(other) => {
                return Err(wrong("options.variant_order", other, "document or id").into());
            }
        });
    let context = context(question.get("context").unwrap_or(&Json::Null))?;
    let (explain, clock) = (evaluator.explain, evaluator.clock.clone());
    let variation = json!([option("generation"), option("variant_order")]);
    let flags = evaluator
        .compiled(question, &format!("flagsmith {variation}"), |text| Ok(dialect.compile(text)?))?;
    if question.get("kind").is_some_and(|kind| kind == "segments") {
        let segments = dialect.segments(flags, &context);
        let segments: Vec<_> = segments
            .iter()
            .map(|segment| json!({"name": segment.name, "metadata": segment.metadata}))
            .collect();
        return Ok(json!({"id": null, "segments": segments}));
    }
    let name = text(question, "flag")?;
    let Some(result) = dialect.feature(flags, name, &context) else {
        return Err(format!("flag: there is no feature `{name}`").into());
    };
    let mut answer = json!({
        "id": null,
        "enabled": result.enabled,
        "value": result.value,
        "variant": result.variant,
        "reason": result.reason.to_string(),
        "metadata": result.metadata,
    });
    if explain {
        let (_, trace) = flags.explain_at(name, &context, &clock);
        answer["trace"] = serde_json::to_value(&trace)?;
    }
    Ok(answer)
}

/// `{"identity": {"identifier", "key", "traits"}}`; nobody in particular without an identity.
fn context(json: &Json) -> Answer<OwnedContext> {
    let identity = match json.get("identity") {
        None | Some(Json::Null) => return Ok(OwnedContext::anonymous()),
        Some(identity @ Json::Object(_)) => identity,
        Some(other) => return Err(wrong("context.identity", other, "an object").into()),
    };
    let mut context = OwnedContext::new(text(identity, "identifier")?);
    for (name, value) in identity.get("traits").and_then(Json::as_object).into_iter().flatten() {
        context = context.with(name.as_str(), serde_json::from_value::<Value>(value.clone())?);
    }
    if identity.get("key").is_some_and(|key| !key.is_null()) {
        context = context.with("$.identity.key", text(identity, "key")?);
    }
    Ok(context)
}
