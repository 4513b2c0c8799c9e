//! LaunchDarkly's state of all flags, and hooks around the evaluation of each.

use crate::data;

use std::sync::{Arc, Mutex};

use data::compile;
use modelgate::{
    Context, Flags, ModelRouter,
    launchdarkly::{
        Detail, EvaluationSeries, FlagsState, FlagsStateOptions, Hook, HookError, LaunchDarkly,
    },
    model_fn,
    value::Map,
};
use serde_json::{Value as Json, json};

fn flag(key: &str, members: Json) -> (String, Json) {
    let mut flag = json!({"key": key, "version": 7, "on": true, "salt": "s",
        "variations": ["a", "b"], "fallthrough": {"variation": 1}});
    for (name, value) in members.as_object().unwrap() {
        flag[name] = value.clone();
    }
    (key.to_owned(), flag)
}

fn state<const N: usize>(flags: [(String, Json); N], options: FlagsStateOptions) -> Json {
    let flags: serde_json::Map<_, _> = flags.into_iter().collect();
    let flags = Flags::from(compile(json!({"flags": flags})));
    json!(FlagsState::of(&flags.snapshot(), &Context::new("ada"), options))
}

const TOMORROW: u64 = 4_000_000_000_000;

#[test]
fn the_state_has_values_places_versions_and_what_is_tracked() {
    let experiment = json!({"rollout": {"kind": "experiment", "variations": [
        {"variation": 0, "weight": 100_000}]}});
    let flags = [
        flag("plain", json!({})),
        flag("tracked", json!({"trackEvents": true, "on": false, "offVariation": 0})),
        flag("debugged", json!({"debugEventsUntilDate": TOMORROW})),
        flag("past", json!({"debugEventsUntilDate": 1000})),
        flag("experiment", json!({"fallthrough": experiment})),
        flag("bad", json!({"fallthrough": {"variation": -1}})),
    ];
    let reason = json!({"kind": "FALLTHROUGH", "inExperiment": true});
    assert_eq!(
        state(flags.clone(), FlagsStateOptions::new()),
        json!({"plain": "b", "tracked": "a", "debugged": "b", "past": "b", "experiment": "a",
        "bad": null, "$valid": true, "$flagsState": {
            "plain": {"variation": 1, "version": 7},
            "tracked": {"variation": 0, "version": 7, "trackEvents": true},
            "debugged": {"variation": 1, "version": 7, "debugEventsUntilDate": TOMORROW},
            "past": {"variation": 1, "version": 7, "debugEventsUntilDate": 1000},
            "experiment": {"variation": 0, "version": 7, "reason": reason,
                "trackEvents": true, "trackReason": true},
            "bad": {"version": 7},
        }})
    );
    let brief =
        state(flags, FlagsStateOptions::new().with_reasons().details_only_for_tracked_flags());
    let fallthrough = json!({"kind": "FALLTHROUGH"});
    assert_eq!(
        brief["$flagsState"],
        json!({
            "plain": {"variation": 1},
            "tracked": {"variation": 0, "version": 7, "reason": {"kind": "OFF"},
                "trackEvents": true},
            "debugged": {"variation": 1, "version": 7, "reason": fallthrough,
                "debugEventsUntilDate": TOMORROW},
            "past": {"variation": 1, "debugEventsUntilDate": 1000},
            "experiment": {"variation": 0, "version": 7, "reason": reason, "trackEvents": true,
                "trackReason": true},
            "bad": {},
        })
    );
}

#[test]
fn only_flags_for_client_sides_are_handed_to_them_with_the_keys_of_what_they_need() {
    let availability = |is: bool| json!({"usingEnvironmentId": is, "usingMobileKey": true});
    let flags = [
        flag("server", json!({})),
        flag("of-old", json!({"clientSide": true})),
        flag(
            "not-any-more",
            json!({"clientSide": true,
            "clientSideAvailability": availability(false)}),
        ),
        flag(
            "root",
            json!({"clientSideAvailability": availability(true), "offVariation": 0,
            "prerequisites": [{"key": "server", "variation": 1}, {"key": "of-old", "variation": 0},
                {"key": "not-any-more", "variation": 1}]}),
        ),
    ];
    assert_eq!(
        state(flags, FlagsStateOptions::new().client_side_only().with_reasons()),
        json!({"of-old": "b", "root": "a", "$valid": true, "$flagsState": {
            "of-old": {"variation": 1, "version": 7, "reason": {"kind": "FALLTHROUGH"}},
            "root": {"variation": 0, "version": 7, "prerequisites": ["server", "of-old"],
                "reason": {"kind": "PREREQUISITE_FAILED", "prerequisiteKey": "of-old"}},
        }})
    );
}

#[test]
fn a_state_of_nobody_is_not_valid() {
    let flags = Flags::from(compile(json!({"flags": {"m": {"on": false}}})));
    let state = FlagsState::of(&flags.snapshot(), &Context::anonymous(), FlagsStateOptions::new());
    assert_eq!(json!(state), json!({"$flagsState": {}, "$valid": false}));
}

/// Writes down what it sees.
struct Seeing {
    name: &'static str,
    seen: Arc<Mutex<Vec<String>>>,
    fails: bool,
}

impl Hook for Seeing {
    fn name(&self) -> &str {
        self.name
    }
    fn before_evaluation(
        &self,
        series: &EvaluationSeries<'_>,
        mut data: Map,
    ) -> Result<Map, HookError> {
        self.seen.lock().unwrap().push(format!("{} before {}", self.name, series.flag_key));
        data.insert("by", self.name);
        match self.fails {
            true => Err("it failed".into()),
            false => Ok(data),
        }
    }
    fn after_evaluation(
        &self,
        series: &EvaluationSeries<'_>,
        data: Map,
        detail: &Detail<'_>,
    ) -> Result<Map, HookError> {
        let by = data.get("by").and_then(|by| by.as_str()).unwrap_or("nobody").to_owned();
        let (name, key, kind) = (self.name, series.flag_key, detail.reason.kind);
        self.seen.lock().unwrap().push(format!("{name} after {key} by {by}: {kind}"));
        assert!(!self.fails, "a panic is contained");
        Ok(data)
    }
}

#[test]
fn hooks_run_around_what_somebody_goes_by_and_change_no_answer() {
    let seen = Arc::default();
    let hook = |name, fails| Seeing { name, seen: Arc::clone(&seen), fails };
    let launchdarkly =
        LaunchDarkly::new().with_hook(hook("first", false)).with_hook(hook("second", true));
    let (_, base) = flag("base", json!({}));
    let (_, root) = flag("m", json!({"prerequisites": [{"key": "base", "variation": 1}]}));
    let document = json!({"flags": {"base": base, "m": root}}).to_string();
    let flags = Flags::from(launchdarkly.compile(&document).unwrap());
    let router = ModelRouter::<[f64], f64>::builder("m")
        .model("a", model_fn(|_: &[f64]| Ok(1.0)))
        .model("b", model_fn(|_: &[f64]| Ok(2.0)))
        .fallback("a")
        .flags(flags.clone())
        .build()
        .unwrap();
    let ada = Context::new("ada");
    assert_eq!(router.decide(&ada).unwrap().version().as_str(), "b");
    let expected = [
        "first before m",
        "second before m",
        "second after m by nobody: FALLTHROUGH",
        "first after m by first: FALLTHROUGH",
    ];
    assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), expected);
    assert_eq!(flags.string("m", &ada, "none"), "b");
    assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), expected);
    let _ = router.explain(&ada);
    assert!(seen.lock().unwrap().is_empty(), "nobody goes by what is explained");
    let snapshot = flags.snapshot();
    let set = snapshot.sources().next().unwrap().1.unwrap();
    let detail = launchdarkly.detail(set, "m", &ada);
    assert_eq!(detail.variation_index, Some(1));
}
