//! What modelgate answers: from a set compiled at once, and from one that grew item by item.

use modelgate::{
    FlagSet, OwnedContext, Reason,
    clock::SystemClock,
    flagsmith::{Engine, Flagsmith, VariantOrder},
    value::Value,
};
use serde_json::{Map, Value as Json, json};

use super::case::{Answer, Answers, Case};
use crate::random::Random;

/// The dialect in the ways of the engine that it is compared with.
fn dialect() -> Flagsmith {
    Flagsmith::new().with_engine(Engine::Rust).with_variant_order(VariantOrder::Document)
}

/// The answers from the environment compiled as a whole.
pub fn at_once(case: &Case) -> Answers {
    ask(&compiled(&case.environment), case)
}

/// The same, where the environment may be none.
pub fn attempt(case: &Case) -> Option<Answers> {
    let set = dialect().compile(&case.environment.to_string()).ok()?;
    Some(ask(&set, case))
}

/// The answers from a set that was mended feature by feature and segment by segment, in any order
/// and with older forms in between.
pub fn item_by_item(case: &Case, random: &mut Random) -> Answers {
    let flagsmith = dialect();
    let (features, segments) = (features(case), segments(case));
    let names: Vec<&str> = features.iter().map(|(name, _)| name.as_str()).collect();
    let older = |id: &str| older_segment(case, id, &names);
    // What is there in the beginning; segments keep their order.
    let mut updates = Vec::new();
    let mut begun = Vec::new();
    for (place, (name, _)) in features.iter().enumerate() {
        if !random.chance(0.5) {
            updates.push(Update::Feature(place));
        } else if random.chance(0.5) {
            begun.push(features[place].1.clone());
        } else {
            begun.push(older_feature(case, name));
            updates.push(Update::Feature(place));
        }
    }
    let mut begun_segments = Vec::new();
    // The last ones may come later, if they come in their order.
    let tail = if random.chance(0.5) { random.below(segments.len() + 1) } else { segments.len() };
    let tail = segments[tail..]
        .iter()
        .rposition(|segment| !segment.updatable)
        .map_or(tail, |fixed| tail + fixed + 1);
    for (place, segment) in segments.iter().enumerate() {
        if place >= tail {
            updates.push(Update::NextSegment);
        } else if segment.updatable && random.chance(0.6) {
            begun_segments.push((segment.id.clone(), older(&segment.id)));
            updates.push(Update::Segment(place));
        } else {
            begun_segments.push((segment.id.clone(), segment.json.clone()));
        }
    }
    let mut set = compiled(&environment(case, begun, begun_segments));
    random.shuffle(&mut updates);
    let mut next = tail;
    for update in updates {
        set = match update {
            Update::Feature(place) => {
                let (name, json) = &features[place];
                let mut set = set;
                if random.chance(0.3) {
                    let older = older_feature(case, name).to_string();
                    set = flagsmith.with_feature(&set, &older).expect("an older feature");
                } else if random.chance(0.1) {
                    set = set.without(name);
                }
                flagsmith.with_feature(&set, &json.to_string()).expect("a feature")
            }
            Update::Segment(_) | Update::NextSegment => {
                let place = match update {
                    Update::Segment(place) => place,
                    _ => {
                        next += 1;
                        next - 1
                    }
                };
                let segment = &segments[place];
                let mut set = set;
                if random.chance(0.3) {
                    let older = older(&segment.id).to_string();
                    set = flagsmith.with_segment(&set, &older).expect("an older segment");
                }
                if place + 1 == next && random.chance(0.2) {
                    set = flagsmith.without_segment(&set, &segment.id);
                }
                flagsmith.with_segment(&set, &segment.json.to_string()).expect("a segment")
            }
        };
    }
    ask(&set, case)
}

enum Update {
    Feature(usize),
    Segment(usize),
    /// The first that is not there yet.
    NextSegment,
}

struct Segment {
    id: String,
    json: Json,
    /// Whether the segment's own JSON says what it is called.
    updatable: bool,
}

fn compiled(environment: &Json) -> FlagSet {
    match dialect().compile(&environment.to_string()) {
        Ok(set) => set,
        Err(error) => panic!("{error}: {environment}"),
    }
}

fn features(case: &Case) -> Vec<(String, Json)> {
    if case.is_document() {
        let states = case.environment["feature_states"].as_array().into_iter().flatten();
        let name = |state: &Json| state["feature"]["name"].as_str().unwrap_or_default().to_owned();
        return states.map(|state| (name(state), state.clone())).collect();
    }
    let features = case.environment["features"].as_object().into_iter().flatten();
    features.map(|(name, feature)| (name.clone(), feature.clone())).collect()
}

fn segments(case: &Case) -> Vec<Segment> {
    if case.is_document() {
        let segments = case.segments().into_iter().cloned();
        return segments
            .map(|json| Segment { id: json["id"].to_string(), json, updatable: true })
            .collect();
    }
    let segments = case.environment["segments"].as_object().into_iter().flatten();
    segments
        .map(|(id, json)| Segment {
            id: id.clone(),
            json: json.clone(),
            updatable: json["key"] == **id,
        })
        .collect()
}

/// The case's environment with other features and segments.
fn environment(case: &Case, features: Vec<Json>, segments: Vec<(String, Json)>) -> Json {
    let mut environment = case.environment.clone();
    if case.is_document() {
        environment["feature_states"] = Json::Array(features);
        environment["project"]["segments"] = segments.into_iter().map(|(_, json)| json).collect();
    } else {
        let name = |feature: &Json| feature["name"].as_str().unwrap_or_default().to_owned();
        let features = features.into_iter().map(|feature| (name(&feature), feature));
        environment["features"] = Json::Object(features.collect());
        environment["segments"] = Json::Object(segments.into_iter().collect());
    }
    environment
}

fn older_feature(case: &Case, name: &str) -> Json {
    if case.is_document() {
        return json!({
            "feature": {"id": 7, "name": name, "type": "STANDARD"},
            "enabled": true,
            "django_id": 7,
            "feature_state_value": "older",
            "multivariate_feature_state_values": [{
                "id": 1,
                "multivariate_feature_option": {"value": "older still"},
                "percentage_allocation": 50,
            }],
        });
    }
    let variants = json!([{"key": "older", "value": "older still", "weight": 50}]);
    json!({"key": "7", "name": name, "enabled": true, "value": "older", "variants": variants})
}

/// A segment of everybody that overrides every feature, and reads one.
fn older_segment(case: &Case, id: &str, names: &[&str]) -> Json {
    let overrides: Vec<Json> = names
        .iter()
        .map(|name| {
            let mut feature = older_feature(case, name);
            if case.is_document() {
                feature["feature_segment"] = json!({"priority": 0});
            } else {
                feature["priority"] = json!(-7);
            }
            feature
        })
        .collect();
    let property = format!("$.flags.{}.enabled", names.first().unwrap_or(&"none"));
    let (operator, value) = ("EQUAL", "true");
    if case.is_document() {
        let condition = json!({"operator": operator, "property_": property, "value": value});
        let rules = json!([{"type": "ANY", "conditions": [condition], "rules": [{
            "type": "ALL", "conditions": [], "rules": []
        }]}]);
        let id: u32 = id.parse().expect("a document's segments have numbers");
        return json!({"id": id, "name": "older", "rules": rules, "feature_states": overrides});
    }
    let condition = json!({"operator": operator, "property": property, "value": value});
    let rules = json!([{"type": "NONE", "conditions": [condition]}]);
    json!({"key": id, "name": "older", "rules": rules, "overrides": overrides})
}

/// The context of a case.
pub fn context(context: &Map<String, Json>) -> OwnedContext {
    let Some(Json::Object(identity)) = context.get("identity") else {
        return OwnedContext::anonymous();
    };
    let mut context = OwnedContext::new(identity["identifier"].as_str().unwrap_or_default());
    for (name, value) in identity.get("traits").and_then(Json::as_object).into_iter().flatten() {
        context = context.with(name.as_str(), value_of(value));
    }
    if let Some(Json::String(key)) = identity.get("key") {
        context = context.with("$.identity.key", key.as_str());
    }
    context
}

fn value_of(json: &Json) -> Value {
    serde_json::from_value(json.clone()).expect("every JSON value is a value")
}

fn ask(set: &FlagSet, case: &Case) -> Answers {
    let flagsmith = dialect();
    let context = context(&case.context);
    let mut answers = Answers::default();
    for name in case.features() {
        let Some(result) = flagsmith.feature(set, name, &context) else { continue };
        let answer = Answer {
            enabled: result.enabled,
            value: serde_json::to_value(result.value).expect("a value can be written"),
            variant: result.variant.map(str::to_owned),
            reason: result.reason.to_string(),
        };
        neutral(set, name, &context, &answer);
        answers.flags.insert(name.to_owned(), answer);
    }
    let segments = flagsmith.segments(set, &context);
    answers.segments = segments.into_iter().map(|segment| segment.name.to_owned()).collect();
    answers
}

/// Whether the answer in the words of all dialects says the same, also when it is explained.
fn neutral(set: &FlagSet, name: &str, context: &OwnedContext, answer: &Answer) {
    let clock = SystemClock::new();
    let evaluation = set.evaluate_at(name, context, &clock);
    let (explained, _) = set.explain_at(name, context, &clock);
    let reason = match answer.reason.split(';').next() {
        _ if !answer.enabled => Reason::Disabled,
        Some("ERROR") => Reason::Error,
        Some("SPLIT") => Reason::Split,
        _ if answer.variant.as_deref() == Some("control") => Reason::Split,
        Some("TARGETING_MATCH") => Reason::TargetingMatch,
        Some("DEFAULT") => Reason::Default,
        _ => Reason::Static,
    };
    let value = if answer.enabled { Some(&answer.value) } else { None };
    for evaluation in [evaluation, explained] {
        let found = evaluation.value.map(|value| serde_json::to_value(value).unwrap());
        assert_eq!(found.as_ref(), value, "the value of `{name}`");
        assert_eq!(evaluation.variant, answer.variant.as_deref(), "the variant of `{name}`");
        assert_eq!(evaluation.reason, reason, "the reason of `{name}`: {}", answer.reason);
        assert_eq!(evaluation.on, Some(answer.enabled), "the switch of `{name}`");
    }
}
