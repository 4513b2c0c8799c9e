//! Which operators have met which types, and what else there is to meet: a cell that stays empty is
//! something never tested.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{
    attribute,
    case::{Answer, Case},
    clause::OPERATORS,
    context::{self, Single},
};
use crate::pool::Type;

/// What has to be met beside the pairs of types.
const OTHERS: &[&str] = &[
    "a user of the older form",
    "a user without a key",
    "one kind that is user",
    "one kind that is another",
    "several kinds",
    "several kinds without user",
    "several kinds that are one",
    "reference invalid",
    "reference literal",
    "reference plain",
    "reference path of 1",
    "reference path of 2",
    "reference kind",
    "kind absent",
    "no values",
    "several values",
    "no clauses",
    "several clauses",
    "segmentMatch Text",
    "segmentMatch Null",
    "segmentMatch Bool",
    "segmentMatch Number",
    "segmentMatch List",
    "segmentMatch Object",
    "segmentMatch unknown",
    "segmentMatch in a segment",
    "segment included",
    "segment excluded",
    "segment includedContexts",
    "segment excludedContexts",
    "segment weight",
    "segment weight below zero",
    "segment unbounded",
    "segment unbounded of another kind",
    "segment unbounded without generation",
    "segment unbounded with a store",
    "rollout rollout",
    "rollout experiment",
    "rollout without kind",
    "rollout with seed",
    "rollout by Text",
    "rollout by Number",
    "rollout by Bool",
    "rollout by List",
    "rollout by Object",
    "rollout by Missing",
    "rollout by nothing valid",
    "rollout of an absent kind",
    "rollout without entries",
    "rollout of more than all",
    "rollout of less than all",
    "rollout of exactly all",
    "rollout with an empty share",
    "rollout untracked",
    "both variation and rollout",
    "neither variation nor rollout",
    "targets",
    "contextTargets of user without values",
    "contextTargets of user with values",
    "contextTargets of another kind",
    "no offVariation",
    "prerequisite known",
    "prerequisite unknown",
    "prerequisite twice",
];

/// What answers there are, and how many of a thousand cases have to come to each.
pub const OUTCOMES: &[(&str, usize)] = &[
    ("OFF", 10),
    ("TARGET_MATCH", 10),
    ("RULE_MATCH", 100),
    ("RULE_MATCH in an experiment", 10),
    ("FALLTHROUGH", 100),
    ("FALLTHROUGH in an experiment", 10),
    ("PREREQUISITE_FAILED", 10),
    ("ERROR MALFORMED_FLAG", 20),
    ("ERROR FLAG_NOT_FOUND", 3),
    ("the caller's default", 20),
    ("NOT_CONFIGURED", 1),
    ("HEALTHY", 1),
];

#[derive(Default)]
pub struct Coverage {
    cells: BTreeMap<String, usize>,
    outcomes: BTreeMap<String, usize>,
    cases: usize,
}

impl Coverage {
    pub fn note(&mut self, case: &Case, answer: &Answer) {
        self.cases += 1;
        let singles = context::singles(&case.context);
        self.context(case, &singles);
        for (_, flag) in case.environment["flags"].as_object().into_iter().flatten() {
            self.flag(flag, &singles, &case.environment["flags"]);
        }
        for (_, segment) in case.environment["segments"].as_object().into_iter().flatten() {
            self.segment(segment, case, &singles);
        }
        self.outcome(case, answer);
    }

    /// Adds what another part of the cases met.
    pub fn merge(&mut self, other: Coverage) {
        self.cases += other.cases;
        for (cell, count) in other.cells {
            *self.cells.entry(cell).or_default() += count;
        }
        for (outcome, count) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
    }

    fn count(&mut self, cell: impl Into<String>) {
        *self.cells.entry(cell.into()).or_default() += 1;
    }

    fn outcome(&mut self, case: &Case, answer: &Answer) {
        let mut outcomes = Vec::new();
        let mut kind = answer.reason["kind"].as_str().unwrap_or_default().to_owned();
        let rules = case.definition()["rules"].as_array();
        if let [rule] = rules.map_or(&[][..], |rules| rules)
            && rule["id"] == "pair"
        {
            let operator = rule["clauses"][0]["op"].as_str().unwrap_or_default();
            let negated = if rule["clauses"][0]["negate"] == true { " negated" } else { "" };
            self.count(format!("{operator}{negated} comes to {kind}"));
        }
        if let Some(error) = answer.reason["errorKind"].as_str() {
            kind = format!("{kind} {error}");
        }
        if answer.reason["inExperiment"] == true {
            outcomes.push(format!("{kind} in an experiment"));
        }
        if answer.value.is_none() {
            outcomes.push("the caller's default".to_owned());
        }
        if let Some(status) = answer.reason["bigSegmentsStatus"].as_str() {
            outcomes.push(status.to_owned());
        }
        outcomes.push(kind);
        for outcome in outcomes {
            *self.outcomes.entry(outcome).or_default() += 1;
        }
    }

    fn context(&mut self, case: &Case, singles: &[Single]) {
        let has_user = singles.iter().any(|single| single.kind == "user");
        let form = match case.context["kind"].as_str() {
            None if singles[0].key.is_empty() => "a user without a key",
            None => "a user of the older form",
            Some("user") => "one kind that is user",
            Some("multi") if singles.len() == 1 => "several kinds that are one",
            Some("multi") if has_user => "several kinds",
            Some("multi") => "several kinds without user",
            Some(_) => "one kind that is another",
        };
        self.count(form);
    }

    fn flag(&mut self, flag: &Json, singles: &[Single], flags: &Json) {
        if flag["offVariation"].is_null() {
            self.count("no offVariation");
        }
        let keys: Vec<&Json> = each(flag, "prerequisites").map(|one| &one["key"]).collect();
        for (place, key) in keys.iter().enumerate() {
            let known = !flags[key.as_str().unwrap_or_default()].is_null();
            self.count(if known { "prerequisite known" } else { "prerequisite unknown" });
            if keys[..place].contains(key) {
                self.count("prerequisite twice");
            }
        }
        for _ in each(flag, "targets") {
            self.count("targets");
        }
        for target in each(flag, "contextTargets") {
            let values = target["values"].as_array().is_some_and(|values| !values.is_empty());
            self.count(match (&target["contextKind"] == "user", values) {
                (true, false) => "contextTargets of user without values",
                (true, true) => "contextTargets of user with values",
                _ => "contextTargets of another kind",
            });
        }
        for rule in each(flag, "rules") {
            self.clauses(rule, singles);
            self.served(rule, singles);
        }
        self.served(&flag["fallthrough"], singles);
    }

    fn segment(&mut self, segment: &Json, case: &Case, singles: &[Single]) {
        for list in ["included", "excluded", "includedContexts", "excludedContexts"] {
            if each(segment, list).next().is_some() {
                self.count(format!("segment {list}"));
            }
        }
        if segment["unbounded"] == true {
            self.count("segment unbounded");
            if segment["unboundedContextKind"].as_str().is_some_and(|kind| kind != "user") {
                self.count("segment unbounded of another kind");
            }
            if segment["generation"].is_null() {
                self.count("segment unbounded without generation");
            } else if case.memberships.is_some() {
                self.count("segment unbounded with a store");
            }
        }
        for rule in each(segment, "rules") {
            self.clauses(rule, singles);
            if each(rule, "clauses").any(|clause| clause["op"] == "segmentMatch") {
                self.count("segmentMatch in a segment");
            }
            match rule["weight"].as_f64() {
                Some(weight) if weight < 0.0 => self.count("segment weight below zero"),
                Some(_) => self.count("segment weight"),
                None => {}
            }
        }
    }

    fn clauses(&mut self, rule: &Json, singles: &[Single]) {
        match each(rule, "clauses").count() {
            0 => self.count("no clauses"),
            1 => {}
            _ => self.count("several clauses"),
        }
        for clause in each(rule, "clauses") {
            let operator = clause["op"].as_str().unwrap_or_default();
            if operator == "segmentMatch" {
                for value in each(clause, "values") {
                    self.count(format!("segmentMatch {:?}", Type::of(value)));
                    if value == "nowhere" {
                        self.count("segmentMatch unknown");
                    }
                }
                continue;
            }
            match each(clause, "values").count() {
                0 => self.count("no values"),
                1 => {}
                _ => self.count("several values"),
            }
            let kind = clause["contextKind"].as_str();
            let text = clause["attribute"].as_str().unwrap_or_default();
            let Some(path) = attribute::path(text, kind.is_some()) else {
                self.count("reference invalid");
                continue;
            };
            self.count(match (kind, text.starts_with('/'), path.len()) {
                (_, _, 1) if path[0] == "kind" => "reference kind",
                (None, _, _) => "reference literal",
                (Some(_), false, _) => "reference plain",
                (Some(_), true, 1) => "reference path of 1",
                _ => "reference path of 2",
            });
            let single = singles.iter().find(|single| single.kind == kind.unwrap_or("user"));
            let Some(single) = single else {
                self.count("kind absent");
                continue;
            };
            let own = match attribute::lookup(single, &path) {
                Json::Null => Type::Missing,
                own => Type::of(&own),
            };
            for value in each(clause, "values") {
                self.count(format!("{operator} {own:?} {:?}", Type::of(value)));
            }
        }
    }

    fn served(&mut self, served: &Json, singles: &[Single]) {
        let rollout = &served["rollout"];
        match (served.get("variation").is_some(), rollout.is_object()) {
            (true, true) => self.count("both variation and rollout"),
            (false, false) => self.count("neither variation nor rollout"),
            (true, false) => {}
            (false, true) => self.rollout(rollout, singles),
        }
    }

    fn rollout(&mut self, rollout: &Json, singles: &[Single]) {
        let experiment = rollout["kind"] == "experiment";
        self.count(format!("rollout {}", rollout["kind"].as_str().unwrap_or("without kind")));
        if rollout["seed"].is_number() {
            self.count("rollout with seed");
        }
        let kind = rollout["contextKind"].as_str();
        let single = singles.iter().find(|single| single.kind == kind.unwrap_or("user"));
        let by = rollout["bucketBy"].as_str().filter(|_| !experiment).unwrap_or("key");
        match (attribute::path(by, kind.is_some()), single) {
            (None, _) => self.count("rollout by nothing valid"),
            (_, None) => self.count("rollout of an absent kind"),
            (Some(path), Some(single)) => {
                let own = match attribute::lookup(single, &path) {
                    Json::Null => Type::Missing,
                    own => Type::of(&own),
                };
                self.count(format!("rollout by {own:?}"));
            }
        }
        let weights: Vec<f64> =
            each(rollout, "variations").filter_map(|entry| entry["weight"].as_f64()).collect();
        let sum: f64 = weights.iter().sum();
        self.count(match sum {
            _ if weights.is_empty() => "rollout without entries",
            sum if sum < 100_000.0 => "rollout of less than all",
            sum if sum > 100_000.0 => "rollout of more than all",
            _ => "rollout of exactly all",
        });
        if weights.contains(&0.0) {
            self.count("rollout with an empty share");
        }
        if experiment && each(rollout, "variations").any(|entry| entry["untracked"] == true) {
            self.count("rollout untracked");
        }
    }

    /// The cells that should have been met and were not.
    pub fn empty_cells(&self) -> Vec<String> {
        let pairs = OPERATORS.iter().flat_map(|operator| {
            // An attribute that is null is one that is not there.
            Type::ALL[1..].iter().flat_map(move |own| {
                Type::ALL[..6].iter().map(move |value| format!("{operator} {own:?} {value:?}"))
            })
        });
        let results = OPERATORS.iter().flat_map(|operator| {
            ["", " negated"].into_iter().flat_map(move |negated| {
                ["RULE_MATCH", "FALLTHROUGH"]
                    .into_iter()
                    .map(move |kind| format!("{operator}{negated} comes to {kind}"))
            })
        });
        pairs
            .chain(results.filter(|cell| cell != "resembles comes to RULE_MATCH"))
            .chain(OTHERS.iter().map(|cell| (*cell).to_owned()))
            .filter(|cell| !self.cells.contains_key(cell))
            .collect()
    }

    /// The answers that came too rarely to say that they are tested.
    pub fn rare_outcomes(&self) -> Vec<String> {
        OUTCOMES
            .iter()
            .map(|(outcome, wanted)| (outcome, wanted, self.of(outcome)))
            .filter(|(_, wanted, met)| met * 1000 < **wanted * self.cases)
            .map(|(outcome, wanted, met)| {
                format!("{outcome}: {met}, wanted {wanted} in a thousand")
            })
            .collect()
    }

    pub fn of(&self, outcome: &str) -> usize {
        self.outcomes.get(outcome).copied().unwrap_or_default()
    }

    pub fn cells(&self) -> usize {
        self.cells.len()
    }
}

fn each<'j>(value: &'j Json, name: &str) -> impl Iterator<Item = &'j Json> {
    let list = value.get(name).and_then(Json::as_array);
    list.into_iter().flatten()
}
