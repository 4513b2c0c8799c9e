//! What has been generated, and how it came out: a cell that stays empty is something never tested.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};
use unleash_yggdrasil::KNOWN_STRATEGIES;

use super::{
    case::{Answer, Case, elements},
    constraint::{LISTED, ORDERED, shape, shaped},
    context::{FIELDS, find, find_text},
    pool::Type,
    scene::Scene,
    strategy::{CUSTOM, is_known},
};

#[derive(Default)]
pub struct Coverage(BTreeMap<String, usize>);

/// The cells that are not a product of others.
const MET: &[&str] = &[
    "operator unknown",
    "segment there",
    "segment missing",
    "dependencies 0",
    "dependencies 1",
    "dependencies 2",
    "dependencies 3",
    "depending on",
    "depending off",
    "parent on or off by request",
    "parent by variant",
    "parent with parents",
    "parent missing",
    "parent switched off",
    "strategies 0",
    "strategies 1",
    "strategies 2",
    "strategies 3",
    "strategies 4",
    "variant of a strategy",
    "variant of the toggle",
    "variant by override",
    "variant none",
    "variant of a toggle that is off",
    "event feature-updated known",
    "event feature-updated new",
    "event feature-removed known",
    "event feature-removed new",
    "event segment-updated known",
    "event segment-updated new",
    "event segment-removed known",
    "event segment-removed new",
    "event hydration new",
    "toggle unknown",
];

impl Coverage {
    fn count(&mut self, cell: impl Into<String>) {
        *self.0.entry(cell.into()).or_default() += 1;
    }

    pub fn note_events(&mut self, scene: &Scene) {
        for (event, before) in scene.events.iter().zip(scene.states()) {
            let feature = event["feature"]["name"].as_str().or(event["featureName"].as_str());
            let segment = event["segment"]["id"].as_i64().or(event["segmentId"].as_i64());
            let known = feature.is_some()
                && elements(&before, "features").any(|one| one["name"].as_str() == feature)
                || segment.is_some()
                    && elements(&before, "segments").any(|one| one["id"].as_i64() == segment);
            let known = if known { "known" } else { "new" };
            self.count(format!("event {} {known}", event["type"].as_str().unwrap_or_default()));
        }
    }

    pub fn note(&mut self, case: &Case, answer: &Answer) {
        let Some(toggle) = case.definition() else {
            return self.count("toggle unknown");
        };
        self.dependencies(case, toggle, answer);
        self.variant(case, toggle, answer);
        let strategies: Vec<&Json> = elements(toggle, "strategies").collect();
        self.count(format!("strategies {}", strategies.len()));
        for strategy in &strategies {
            self.strategy(case, strategy);
        }
        // With a single reason to be on or off, the answer is that reason's.
        let alone = toggle["enabled"] == true && elements(toggle, "dependencies").count() == 0;
        if let ([strategy], true) = (&*strategies, alone) {
            let constraints: Vec<&Json> = elements(strategy, "constraints").collect();
            let plain = elements(strategy, "segments").count() == 0;
            let outcome = if answer.enabled { "on" } else { "off" };
            match *constraints {
                [] if plain => self.count(format!("{} {outcome}", kind(strategy))),
                [constraint] if plain && strategy["name"] == "default" => {
                    let operator = constraint["operator"].as_str().unwrap_or_default();
                    self.count(format!("{operator} {outcome}"));
                }
                _ => {}
            }
        }
    }

    fn dependencies(&mut self, case: &Case, toggle: &Json, answer: &Answer) {
        let parents = elements(toggle, "dependencies").count();
        self.count(format!("dependencies {parents}"));
        if parents > 0 {
            self.count(if answer.enabled { "depending on" } else { "depending off" });
        }
        for dependency in elements(toggle, "dependencies") {
            if dependency["enabled"].is_boolean() {
                self.count("parent on or off by request");
            }
            if elements(dependency, "variants").count() > 0 {
                self.count("parent by variant");
            }
            match case.toggle(dependency["feature"].as_str().unwrap_or_default()) {
                None => self.count("parent missing"),
                Some(parent) if elements(parent, "dependencies").count() > 0 => {
                    self.count("parent with parents");
                }
                Some(parent) if parent["enabled"] == false => self.count("parent switched off"),
                Some(_) => {}
            }
        }
    }

    fn variant(&mut self, case: &Case, toggle: &Json, answer: &Answer) {
        let overridden = |variant: &&Json| {
            elements(variant, "overrides").any(|one| {
                let name = one["contextName"].as_str().unwrap_or_default();
                let own = find_text(&case.context, name);
                own.is_some_and(|own| elements(one, "values").any(|value| value == &own))
            })
        };
        let by_override = elements(toggle, "variants").find(overridden);
        self.count(match (answer.variant_enabled, &*answer.name) {
            (true, name) if by_override.is_some_and(|one| one["name"] == name) => {
                "variant by override"
            }
            (true, name) if name.starts_with('s') => "variant of a strategy",
            (true, _) => "variant of the toggle",
            (false, _) if answer.feature_enabled => "variant none",
            (false, _) => "variant of a toggle that is off",
        });
    }

    fn strategy(&mut self, case: &Case, strategy: &Json) {
        self.count(kind(strategy));
        for name in ["rollout", "percentage"] {
            if let Some(rollout) = strategy["parameters"][name].as_str() {
                self.count(format!("{} {}", kind(strategy), percentage(rollout)));
            }
        }
        if kind(strategy) == "flexibleRollout" {
            let stickiness = strategy["parameters"]["stickiness"].as_str();
            let stickiness = match stickiness {
                None => "absent",
                Some(name) if FIELDS.contains(&name) || name == "default" || name == "random" => {
                    name
                }
                Some(_) => "a property",
            };
            self.count(format!("stickiness {stickiness}"));
        }
        for constraint in elements(strategy, "constraints") {
            self.constraint(constraint, &case.context);
        }
        for id in elements(strategy, "segments") {
            let segment = elements(&case.environment, "segments").find(|one| one["id"] == *id);
            self.count(if segment.is_some() { "segment there" } else { "segment missing" });
            for constraint in segment.into_iter().flat_map(|one| elements(one, "constraints")) {
                self.constraint(constraint, &case.context);
            }
        }
    }

    fn constraint(&mut self, constraint: &Json, context: &Map<String, Json>) {
        let operator = constraint["operator"].as_str().unwrap_or_default();
        if !LISTED.contains(&operator) && !ORDERED.contains(&operator) && operator != "REGEX" {
            return self.count("operator unknown");
        }
        let name = constraint["contextName"].as_str().unwrap_or_default();
        let of = Type::of(find(context, name));
        self.count(format!("{operator} {of:?} {}", shape(constraint)));
        if FIELDS.contains(&name) {
            self.count(format!("{operator} on {name}"));
        }
        for flag in ["inverted", "caseInsensitive"] {
            if constraint[flag] == true {
                self.count(format!("{operator} {flag}"));
            }
        }
    }

    /// The cells that should have been met and were not.
    pub fn empty_cells(&self) -> Vec<String> {
        let mut wanted: Vec<String> = MET.iter().map(|cell| (*cell).to_owned()).collect();
        for (operator, shape) in shaped() {
            wanted.extend(Type::ALL.iter().map(|of| format!("{operator} {of:?} {shape}")));
        }
        for operator in LISTED.iter().chain(ORDERED).chain(&["REGEX"]) {
            let met = ["on", "off", "inverted", "caseInsensitive"];
            wanted.extend(met.iter().map(|cell| format!("{operator} {cell}")));
            wanted.extend(FIELDS.iter().map(|field| format!("{operator} on {field}")));
        }
        for kind in KNOWN_STRATEGIES.iter().chain(CUSTOM) {
            wanted.push(format!("{kind} on"));
            if *kind != "default" {
                wanted.push(format!("{kind} off"));
            }
        }
        wanted.push("undefined off".to_owned());
        for kind in ["flexibleRollout", "gradualRolloutUserId", "gradualRolloutSessionId"] {
            let shapes = ["whole", "too much", "nothing", "part", "no number"];
            wanted.extend(shapes.iter().map(|shape| format!("{kind} {shape}")));
        }
        let stickiness = ["absent", "default", "random", "a property"];
        let stickiness = stickiness.iter().chain(FIELDS);
        wanted.extend(stickiness.map(|stickiness| format!("stickiness {stickiness}")));
        wanted.retain(|cell| !self.0.contains_key(cell));
        wanted
    }

    pub fn cells(&self) -> usize {
        self.0.len()
    }
}

/// The base rule's name, one for all that the service does not define.
fn kind(strategy: &Json) -> &str {
    match strategy["name"].as_str().unwrap_or_default() {
        name if is_known(name) || CUSTOM.contains(&name) => name,
        _ => "undefined",
    }
}

fn percentage(text: &str) -> &'static str {
    match text.parse::<usize>() {
        Err(_) => "no number",
        Ok(0) => "nothing",
        Ok(1..100) => "part",
        Ok(100) => "whole",
        Ok(_) => "too much",
    }
}
