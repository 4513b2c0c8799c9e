//! Scenes from a seed.

use serde_json::{Map, Value as Json, json};

use super::{
    case::Options,
    constraint::{LISTED, Maker, ORDERED, shaped},
    context::{FIELDS, context},
    pool::Type,
    scene::Scene,
    strategy::HOST,
    toggle::PARENTS,
};
use crate::random::Random;

/// How many toggles of a scene are a single constraint.
const CELLS: usize = 4;

const SEED: u64 = 0x756e_6c65_6173_6821;

/// The scene of this number. Each is made from its own seed, so that one can be had again alone.
pub fn scene(number: usize) -> Scene {
    let mut random = Random::new(SEED ^ (number as u64).wrapping_mul(0x2545_f491_4f6c_dd1d));
    let random = &mut random;
    let contexts: Vec<Map<String, Json>> = (0..4).map(|_| context(random)).collect();
    let mut maker = Maker { random, contexts: &contexts };
    let mut features = toggles(&mut maker);
    let segments: Vec<Json> = (1..4).map(|id| maker.segment(id)).collect();
    let events = if number.is_multiple_of(4) { events(&mut maker, &features) } else { Vec::new() };
    if events.is_empty() {
        // Of two toggles with one name the later counts. Not where an update follows: the engine
        // then replaces the former, and goes on to answer by the later.
        if maker.random.chance(0.03) {
            features.push(maker.toggle("parent", &[]));
        }
        // Scenes with events have no cells, and must leave no gap in their numbers.
        let number = number - number / 4 - 1;
        let cells = (0..CELLS).map(|place| cell(&mut maker, number * CELLS + place, place));
        features.extend(cells);
        features.push(field_cell(&mut maker, number));
    }
    maker.random.shuffle(&mut features);
    let mut environment = json!({"version": 2, "features": features});
    if maker.random.chance(0.95) {
        environment["segments"] = json!(segments);
    }
    let mut some =
        |text: &str, probability| maker.random.chance(probability).then(|| text.to_owned());
    let options = Options {
        app_name: some("web", 0.3),
        environment: some("production", 0.3),
        host_name: some(HOST, 0.4),
    };
    Scene { id: format!("unleash-{number}"), environment, events, contexts, options }
}

fn toggles(maker: &mut Maker<'_>) -> Vec<Json> {
    let mut toggles = vec![
        maker.toggle("flag", PARENTS),
        maker.toggle("parent", &[]),
        maker.toggle("second parent", &[]),
    ];
    if maker.random.chance(0.3) {
        toggles.push(maker.toggle("dependent", &["parent"]));
    }
    if maker.random.chance(0.3) {
        toggles.push(maker.toggle("Grüße 🦀", &[]));
    }
    toggles
}

/// A toggle that is a single constraint, so that its answer is the constraint's: each operator with
/// each type and shape in turn.
fn cell(maker: &mut Maker<'_>, number: usize, place: usize) -> Json {
    let all: Vec<_> = shaped().collect();
    let (operator, shape) = all[number % all.len()];
    let property = Type::ALL[number / all.len() % Type::ALL.len()].property();
    single(place, maker.shaped(operator, property, shape))
}

/// The same with a field of the context, and a value that compiles.
fn field_cell(maker: &mut Maker<'_>, number: usize) -> Json {
    let operators: Vec<_> = LISTED.iter().chain(ORDERED).chain(&["REGEX"]).collect();
    let operator = operators[number % operators.len()];
    let field = FIELDS[number / operators.len() % FIELDS.len()];
    let shape = maker.shape_for(operator);
    single(CELLS, maker.shaped(operator, field, shape))
}

fn single(place: usize, constraint: Json) -> Json {
    json!({
        "name": format!("cell {place}"),
        "enabled": true,
        "strategies": [{"name": "default", "constraints": [constraint]}],
    })
}

fn events(maker: &mut Maker<'_>, features: &[Json]) -> Vec<Json> {
    let known: Vec<&str> = features.iter().filter_map(|one| one["name"].as_str()).collect();
    (0..3 + maker.random.below(5))
        .map(|place| {
            let mut event = event(maker, &known);
            // Ids repeat and go back, and do not matter.
            event["eventId"] = json!(if maker.random.chance(0.8) { place + 2 } else { 1 });
            event
        })
        .collect()
}

fn event(maker: &mut Maker<'_>, known: &[&str]) -> Json {
    match maker.random.below(20) {
        0..8 => {
            let name = if maker.random.chance(0.8) { maker.random.of(known) } else { "newcomer" };
            let parents = if matches!(name, "flag" | "dependent") { PARENTS } else { &[] };
            json!({"type": "feature-updated", "feature": maker.toggle(name, parents)})
        }
        8..11 => {
            let name = if maker.random.chance(0.8) { maker.random.of(known) } else { "newcomer" };
            json!({"type": "feature-removed", "featureName": name, "project": "default"})
        }
        11..16 => {
            let id = 1 + maker.random.below(4);
            json!({"type": "segment-updated", "segment": maker.segment(id)})
        }
        16..19 => json!({"type": "segment-removed", "segmentId": 1 + maker.random.below(4)}),
        _ => {
            let segments: Vec<Json> = (1..3).map(|id| maker.segment(id)).collect();
            json!({"type": "hydration", "features": toggles(maker), "segments": segments})
        }
    }
}
