//! Toggles, those who ask for them, and perhaps what happens to the toggles in between.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::case::{Case, Options, features};

#[derive(Clone, Debug)]
pub struct Scene {
    pub id: String,
    /// Client features.
    pub environment: Json,
    /// Delta events that follow.
    pub events: Vec<Json>,
    pub contexts: Vec<Map<String, Json>>,
    pub options: Options,
}

impl Scene {
    /// Every toggle, and one that is not there, asked for by everybody, with the toggles as they
    /// are after some events.
    pub fn cases(&self, state: &Json, step: usize) -> Vec<Case> {
        let mut names: Vec<&str> = features(state).filter_map(|one| one["name"].as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if names.len() < 3 {
            names.push("nobody's");
        }
        let environment = Arc::new(state.clone());
        let asked = |name: &str, place: usize, context: &Map<String, Json>| Case {
            id: format!("{}-{step}-{name}-{place}", self.id),
            environment: Arc::clone(&environment),
            context: context.clone(),
            flag: name.to_owned(),
            options: self.options.clone(),
        };
        let contexts = self.contexts.iter().enumerate();
        let asked = &asked;
        contexts
            .flat_map(|(place, context)| names.iter().map(move |name| asked(name, place, context)))
            .collect()
    }

    /// The names of the toggles at first.
    pub fn toggles(&self) -> impl Iterator<Item = &str> {
        features(&self.environment).filter_map(|one| one["name"].as_str())
    }

    /// The toggles as each event leaves them, the first state before them all.
    pub fn states(&self) -> Vec<Json> {
        let mut states = vec![self.environment.clone()];
        for event in &self.events {
            let mut state = states.last().cloned().unwrap_or_default();
            apply(&mut state, event);
            states.push(state);
        }
        states
    }
}

/// What the vendor says an event does.
fn apply(state: &mut Json, event: &Json) {
    match event["type"].as_str().unwrap_or_default() {
        "feature-updated" => {
            put(&mut state["features"], "name", &event["feature"]["name"], Some(&event["feature"]));
        }
        "feature-removed" => put(&mut state["features"], "name", &event["featureName"], None),
        "segment-updated" => {
            put(&mut state["segments"], "id", &event["segment"]["id"], Some(&event["segment"]));
        }
        "segment-removed" => put(&mut state["segments"], "id", &event["segmentId"], None),
        _ => {
            state["features"] = event["features"].clone();
            state["segments"] = event["segments"].clone();
        }
    }
}

fn put(list: &mut Json, named: &str, name: &Json, one: Option<&Json>) {
    let mut elements = list.as_array().cloned().unwrap_or_default();
    elements.retain(|element| element[named] != *name);
    elements.extend(one.cloned());
    *list = Json::Array(elements);
}
