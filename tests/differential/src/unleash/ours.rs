//! What modelgate answers.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use modelgate::{
    EvaluationContext, FlagSet, OwnedContext, Reason,
    clock::Clock,
    flag::BorrowedDetails,
    unleash::{Toggle, Unleash},
    value::{Value, ValueRef},
};
use serde_json::{Map, Value as Json, json};

use super::{
    case::{Answer, Case, Options, elements},
    context::find,
    strategy::{CUSTOM, decide},
};
use crate::random::Random;

/// The dialect, set up as a service would, with chance in our hands.
pub struct Ours {
    dialect: Unleash,
    /// How often chance was asked; what it says follows from that.
    drawn: Arc<AtomicU64>,
}

impl Ours {
    pub fn new(options: &Options) -> Ours {
        let drawn = Arc::new(AtomicU64::new(0));
        let draw = Arc::clone(&drawn);
        let mut dialect =
            Unleash::new().with_random(move || Random::new(draw.fetch_add(1, Relaxed)).number());
        for name in CUSTOM {
            dialect = dialect.with_strategy(*name, move |parameters, context| {
                let parameter = |name: &str| parameters.get(name).and_then(Value::as_str);
                decide(name, parameter, user(context).as_deref()).unwrap_or(false)
            });
        }
        if let Some(name) = &options.app_name {
            dialect = dialect.with_app_name(name.as_str());
        }
        if let Some(name) = &options.environment {
            dialect = dialect.with_environment(name.as_str());
        }
        if let Some(name) = &options.host_name {
            dialect = dialect.with_host_name(name.as_str());
        }
        Ours { dialect, drawn }
    }

    /// The toggles compiled at once.
    pub fn compile(&self, environment: &Json) -> FlagSet {
        match self.dialect.compile(&environment.to_string()) {
            Ok(set) => set,
            Err(error) => panic!("{error}: {environment}"),
        }
    }

    /// The toggles after an event.
    pub fn apply(&self, set: &FlagSet, event: &Json) -> FlagSet {
        match self.dialect.apply(set, &json!({"events": [event]}).to_string()) {
            Ok(set) => set,
            Err(error) => panic!("{error}: {event}"),
        }
    }

    /// The same toggles from events in any order, with older forms and passing guests in between.
    pub fn event_by_event(&self, environment: &Json, random: &mut Random) -> FlagSet {
        let updated =
            |feature: &Json| json!({"type": "feature-updated", "eventId": 1, "feature": feature});
        let removed = |name: &Json| json!({"type": "feature-removed", "eventId": 1, "featureName": name, "project": "default"});
        // The last change of each thing is its final one, and what comes before is whatever.
        let mut things: Vec<Vec<Json>> = Vec::new();
        let features: Vec<&Json> = elements(environment, "features").collect();
        for (place, feature) in features.iter().enumerate() {
            if features[place + 1..].iter().any(|later| later["name"] == feature["name"]) {
                continue;
            }
            let mut older = (*feature).clone();
            older["strategies"] = json!([{"name": "default", "segments": [1]}]);
            older["dependencies"] = json!([{"feature": "flag"}]);
            let mut changes = vec![updated(&older), removed(&feature["name"]), updated(&older)];
            changes.truncate(random.below(4));
            changes.push(updated(feature));
            things.push(changes);
        }
        for segment in elements(environment, "segments") {
            let poisoned = json!({"id": segment["id"], "constraints": [{"contextName": "userId", "operator": "NEW"}]});
            let gone = json!({"type": "segment-removed", "eventId": 1, "segmentId": segment["id"]});
            let put = |segment: &Json| json!({"type": "segment-updated", "eventId": 1, "segment": segment});
            let mut changes = vec![put(&poisoned), gone];
            changes.truncate(random.below(3));
            changes.push(put(segment));
            things.push(changes);
        }
        let guest = json!({"name": "guest", "enabled": true, "strategies": [{"name": "default"}]});
        things.push(vec![updated(&guest), removed(&guest["name"])]);
        let mut set = FlagSet::new();
        while !things.is_empty() {
            let chosen = random.below(things.len());
            set = self.apply(&set, &things[chosen].remove(0));
            if things[chosen].is_empty() {
                things.remove(chosen);
            }
        }
        set
    }

    /// The answer, and whether chance had a part in it.
    pub fn answer(&self, set: &FlagSet, case: &Case, clock: &dyn Clock) -> (Answer, bool) {
        let context = context(&case.context);
        let before = self.drawn.load(Relaxed);
        let toggle = self.dialect.toggle(set, &case.flag, &context, clock);
        let by_chance = self.drawn.load(Relaxed) != before;
        let answer = answer(&toggle);
        let evaluation = set.evaluate_at(&case.flag, &context, clock);
        if !by_chance {
            let known = set.get(&case.flag).is_some();
            if let Err(what) = agrees(&answer, &evaluation, known) {
                panic!("{what}: {answer:?} beside {evaluation:?}, {}", case.line(&answer));
            }
            let (explained, trace) = set.explain_at(&case.flag, &context, clock);
            let same = format!("{explained:?}") == format!("{evaluation:?}");
            assert!(same, "{explained:?} and {evaluation:?}: {}", case.line(&answer));
            let silent =
                case.definition().is_none_or(|one| elements(one, "strategies").count() == 0);
            assert!(silent || !trace.steps.is_empty(), "no trace: {}", case.line(&answer));
        }
        (answer, by_chance)
    }
}

fn answer(toggle: &Toggle<'_>) -> Answer {
    let variant = &toggle.variant;
    Answer {
        enabled: toggle.enabled,
        name: variant.name.to_owned(),
        payload: variant.payload.map(|payload| (payload.kind.to_owned(), payload.value.to_owned())),
        variant_enabled: variant.enabled,
        feature_enabled: variant.feature_enabled,
    }
}

/// Whether the answer that every dialect has says the same as the vendor's own.
fn agrees(
    answer: &Answer,
    evaluation: &BorrowedDetails<'_>,
    known: bool,
) -> Result<(), &'static str> {
    if !known {
        return match evaluation.error {
            Some(code) if code.as_str() == "FLAG_NOT_FOUND" => Ok(()),
            _ => Err("an unknown toggle"),
        };
    }
    if evaluation.on != Some(answer.enabled) {
        return Err("on or off");
    }
    if (evaluation.reason == Reason::Disabled) == answer.enabled {
        return Err("the reason");
    }
    let name = answer.variant_enabled.then_some(&*answer.name);
    if evaluation.variant != name {
        return Err("the variant");
    }
    let value = match &answer.payload {
        None => Some(Value::Bool(answer.enabled)),
        // What does not parse is up to the dialect.
        Some((kind, text)) if kind == "json" => serde_json::from_str(text).ok(),
        Some((kind, _)) if kind == "number" => None,
        Some((_, text)) => Some(Value::from(text.as_str())),
    };
    if value.is_some_and(|value| evaluation.value != Some(&value)) {
        return Err("the value");
    }
    Ok(())
}

fn user(context: &dyn EvaluationContext) -> Option<String> {
    if let Some(key) = context.targeting_key() {
        return Some(key.to_owned());
    }
    context.attribute("userId").and_then(|value| match value {
        ValueRef::Text(text) => Some(text.to_owned()),
        ValueRef::Bool(value) => Some(value.to_string()),
        ValueRef::Int(value) => Some(value.to_string()),
        ValueRef::Float(value) => Some(json!(value).to_string()),
        _ => None,
    })
}

/// The vendor's context as ours: the user's id is the targeting key, all else is an attribute.
pub fn context(vendor: &Map<String, Json>) -> OwnedContext {
    let mut context = match find(vendor, "userId") {
        Some(Json::String(key)) => OwnedContext::new(key.as_str()),
        _ => OwnedContext::anonymous(),
    };
    let properties = vendor.get("properties").and_then(Json::as_object);
    let names =
        vendor.keys().chain(properties.into_iter().flat_map(|properties| properties.keys()));
    for name in names {
        match find(vendor, name) {
            Some(Json::String(_)) if name == "userId" => {}
            Some(value) => {
                let value: Value =
                    serde_json::from_value(value.clone()).expect("every JSON value is a value");
                context = context.with(name.as_str(), value);
            }
            None => {}
        }
    }
    context
}
