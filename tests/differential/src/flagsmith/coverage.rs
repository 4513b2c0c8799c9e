//! What has been generated, and what came of it: a cell that stays empty is something never
//! tested.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{
    case::{Answers, Case},
    generate,
    operand::Shape,
    property::{Form, templates},
    segment::OPERATORS,
    split::{self, PLACES},
    traits::{SHADOWED, Type},
};

/// What has to come of at least this share of the cases.
const OUTCOMES: &[(&str, f64)] = &[
    ("reason STATIC", 0.05),
    ("reason DEFAULT", 0.05),
    ("reason TARGETING_MATCH", 0.05),
    ("reason SPLIT", 0.05),
    ("reason ERROR", 0.01),
    ("variant control", 0.02),
    ("variant without key", 0.02),
    ("variant with key", 0.02),
    ("split of an override", 0.01),
    ("overridden for one identity", 0.005),
    ("switched off", 0.05),
    ("switched on", 0.05),
    ("several overrides of one feature match", 0.02),
    ("a match that read a flag", 0.01),
    ("several segments match", 0.02),
    ("no segment matches", 0.05),
    ("nobody asks", 0.05),
    ("an identity with a key", 0.05),
    ("an identity without a key", 0.05),
    ("an identity with an empty key", 0.005),
    ("a document", 0.1),
    ("an evaluation context", 0.1),
];

#[derive(Default)]
pub struct Coverage {
    cells: BTreeMap<String, usize>,
    cases: usize,
}

impl Coverage {
    /// Notes a generated case; `number` is its number, `answers` what the vendor says to it.
    pub fn note(&mut self, number: usize, case: &Case, answers: &Answers) {
        self.cases += 1;
        let traits = case.traits();
        for condition in case.conditions() {
            let shape = Shape::of(condition.value);
            let property = condition.property;
            if SHADOWED.contains(&property) {
                self.count(format!("shadowed {property:?}"));
            } else if !property.starts_with("$.") {
                let of = Type::of(traits.and_then(|traits| traits.get(property)));
                self.count(format!("{} {of:?} {shape:?}", condition.operator));
            }
            if condition.operator == "PERCENTAGE_SPLIT" && property.is_empty() {
                self.count("split by identity".to_owned());
            }
        }
        for segment in case.segments() {
            self.rules(&segment["rules"], 1);
            if segment["rules"].as_array().is_none_or(Vec::is_empty) {
                self.count("segment without rules".to_owned());
            }
        }
        if let Some(template) = generate::path_of(number) {
            let first = case.segments().first().map(|segment| &segment["name"]);
            let leads =
                first.is_some_and(|name| answers.segments.first().is_some_and(|it| it == name));
            self.count(format!("path {template:?}"));
            if leads {
                self.count(format!("path {template:?} leads somewhere"));
            }
        }
        self.outcomes(case, answers);
    }

    fn rules(&mut self, rules: &Json, depth: usize) {
        for rule in rules.as_array().into_iter().flatten() {
            let has = |part: &str| rule[part].as_array().is_some_and(|part| !part.is_empty());
            let parts = match (has("conditions"), has("rules")) {
                (true, true) => "conditions and rules",
                (true, false) => "conditions",
                (false, true) => "rules",
                (false, false) => "nothing",
            };
            let of = rule["type"].as_str().unwrap_or_default();
            self.count(format!("{of} of {parts} at depth {depth}"));
            self.rules(&rule["rules"], depth + 1);
        }
    }

    fn outcomes(&mut self, case: &Case, answers: &Answers) {
        let mut outcomes = Vec::new();
        for answer in answers.flags.values() {
            let kind = answer.reason.split(';').next().unwrap_or_default();
            outcomes.push(match kind {
                "STATIC" => "reason STATIC",
                "DEFAULT" => "reason DEFAULT",
                "TARGETING_MATCH" => "reason TARGETING_MATCH",
                "SPLIT" => "reason SPLIT",
                _ => "reason ERROR",
            });
            match &answer.variant {
                Some(name) if name == "control" => outcomes.push("variant control"),
                None if kind == "SPLIT" => outcomes.push("variant without key"),
                Some(_) => outcomes.push("variant with key"),
                None => {}
            }
            if answer.reason.ends_with("segment=identity_overrides") {
                outcomes.push("overridden for one identity");
            }
            outcomes.push(if answer.enabled { "switched on" } else { "switched off" });
        }
        let matching =
            |segment: &&Json| answers.segments.iter().any(|name| segment["name"] == **name);
        let matching: Vec<&Json> = case.segments().into_iter().filter(matching).collect();
        let overridden = |name: &str| {
            let overrides = matching.iter().filter(|segment| {
                let overrides =
                    segment["overrides"].as_array().or(segment["feature_states"].as_array());
                overrides.is_some_and(|overrides| {
                    overrides
                        .iter()
                        .any(|one| one["name"] == name || one["feature"]["name"] == name)
                })
            });
            overrides.count()
        };
        for name in case.features() {
            let count = overridden(name);
            if count > 1 {
                outcomes.push("several overrides of one feature match");
            }
            let split =
                answers.flags.get(name).is_some_and(|flag| flag.reason.starts_with("SPLIT"));
            if count > 0 && split {
                outcomes.push("split of an override");
            }
        }
        if matching.iter().any(|segment| segment["rules"].to_string().contains("\"$.flags")) {
            outcomes.push("a match that read a flag");
        }
        outcomes.push(match answers.segments.len() {
            0 => "no segment matches",
            1 => "one segment matches",
            _ => "several segments match",
        });
        outcomes.push(match case.identity().map(|identity| identity.get("key")) {
            None => "nobody asks",
            Some(None) => "an identity without a key",
            Some(Some(key)) if key == "" => "an identity with an empty key",
            Some(Some(_)) => "an identity with a key",
        });
        outcomes.push(if case.is_document() { "a document" } else { "an evaluation context" });
        outcomes.sort_unstable();
        outcomes.dedup();
        outcomes.into_iter().for_each(|outcome| self.count(outcome.to_owned()));
        self.places(case);
    }

    /// Which of the places at the edges the identity takes in a feature's split.
    fn places(&mut self, case: &Case) {
        let features = case.environment["features"].as_object().into_iter().flatten();
        let key = case.environment["environment"]["key"].as_str().unwrap_or_default();
        let Some(subject) = split::identity_key(key, &case.context) else { return };
        for (_, feature) in features.filter(|(_, feature)| feature["variants"][0].is_object()) {
            let at = split::percentage(feature["key"].as_str().unwrap_or_default(), &subject);
            for place in PLACES.into_iter().filter(|place| split::share(*place) == at) {
                self.count(format!("place {place}"));
            }
        }
    }

    fn count(&mut self, cell: String) {
        *self.cells.entry(cell).or_default() += 1;
    }

    /// The cells that should have been met and were not, or not often enough.
    pub fn empty_cells(&self) -> Vec<String> {
        let pairs = OPERATORS.iter().flat_map(|operator| {
            Type::ALL.iter().flat_map(move |of| {
                Shape::ALL.iter().map(move |shape| format!("{operator} {of:?} {shape:?}"))
            })
        });
        const PARTS: [&str; 4] = ["conditions and rules", "conditions", "rules", "nothing"];
        let trees = ["ALL", "ANY", "NONE"].into_iter().flat_map(|of| {
            (1..=3).flat_map(move |depth| {
                let parts = PARTS.iter().filter(move |parts| depth < 3 || !parts.contains("rules"));
                parts.map(move |parts| format!("{of} of {parts} at depth {depth}"))
            })
        });
        let paths = templates().into_keys().map(|path| match Form::leads(path) {
            true => format!("path {path:?} leads somewhere"),
            false => format!("path {path:?}"),
        });
        let places = PLACES.iter().map(|place| format!("place {place}"));
        let shadowed = SHADOWED.iter().map(|property| format!("shadowed {property:?}"));
        let others = ["segment without rules", "split by identity"].map(str::to_owned);
        let met = pairs.chain(trees).chain(paths).chain(places).chain(shadowed).chain(others);
        let met = met.filter(|cell| !self.cells.contains_key(cell));
        let often = OUTCOMES.iter().filter(|(outcome, share)| {
            let count = self.cells.get(*outcome).copied().unwrap_or_default();
            (count as f64) < share * self.cases as f64
        });
        met.chain(often.map(|(outcome, share)| format!("{outcome} in {share} of the cases")))
            .collect()
    }

    pub fn cells(&self) -> usize {
        self.cells.len()
    }

    /// How often each outcome came.
    pub fn summary(&self) -> String {
        let line = |(outcome, _): &(&str, f64)| {
            format!("{:>7}  {outcome}", self.cells.get(*outcome).copied().unwrap_or_default())
        };
        OUTCOMES.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}
