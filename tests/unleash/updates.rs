//! Unleash's documents and events: what is refused and how it is reported, what an update changes,
//! and what a malformed strategy does.

use modelgate::testing::TestFlags;
use modelgate::{
    Context, FlagSet, Flags, clock::ManualClock, flag::ProblemSeverity, unleash::Unleash,
};
use serde_json::{Value as Json, json};

fn compile(features: &Json, segments: &Json) -> FlagSet {
    let document = json!({"version": 2, "features": features, "segments": segments});
    Unleash::new().compile(&document.to_string()).unwrap()
}

fn apply(flags: &FlagSet, events: &Json) -> FlagSet {
    Unleash::new().apply(flags, &json!({"events": events}).to_string()).unwrap()
}

fn on(flags: &FlagSet, name: &str) -> Option<bool> {
    let context = Context::new("user-1").with("region", "eu");
    flags.evaluate_at(name, &context, &ManualClock::default()).on
}

fn problems(flags: &FlagSet) -> Vec<String> {
    flags.problems().iter().map(ToString::to_string).collect()
}

fn plain(name: &str) -> Json {
    json!({"name": name, "enabled": true})
}

fn by_segment(name: &str, id: i64) -> Json {
    let strategies = json!([{"name": "default", "segments": [id]}, {"name": "default"}]);
    json!({"name": name, "enabled": true, "strategies": strategies})
}

fn segment(id: i64, operator: &str) -> Json {
    json!({"id": id, "constraints": [
        {"contextName": "region", "operator": operator, "values": ["eu"]}]})
}

#[test]
fn a_bad_feature_is_named_and_leaves_its_neighbours_alone() {
    let flags = compile(
        &json!([
            plain("good"),
            {"name": "no enabled"},
            {"name": "odd enabled", "enabled": "yes"},
            {"name": "odd operator", "enabled": true, "strategies": [{"name": "default",
                "constraints": [{"contextName": "x", "operator": {}, "values": []}]}]},
            {"name": "odd weight", "enabled": true, "variants": [{"name": "a", "weight": 1.5}]},
            {"enabled": true},
            [],
        ]),
        &json!([{"id": "one"}, {"id": 2, "constraints": {}}]),
    );
    assert_eq!((flags.len(), on(&flags, "good")), (1, Some(true)));
    assert_eq!(
        problems(&flags),
        [
            "flag `` at /segments/0/id: found string \"one\", expected a whole number",
            "flag `segment 2` at /constraints: found an object, expected an array",
            "flag `no enabled` at /enabled: found nothing, expected a value",
            "flag `odd enabled` at /enabled: found string \"yes\", expected a boolean",
            "flag `odd operator` at /strategies/0/constraints/0/operator: found an object, expected text",
            "flag `odd weight` at /variants/0/weight: found floating point `1.5`, expected a whole number",
            "flag `` at /features/5/name: found nothing, expected a value",
            "flag `` at /features/6: found an array, expected an object",
        ]
    );
    assert!(flags.problems().iter().all(|problem| problem.severity == ProblemSeverity::Rejected));
}

#[test]
fn null_absent_and_numeric_fields_are_read_as_their_author_means_them() {
    let flags = compile(
        &json!([
            {"name": "nulls", "enabled": true, "strategies": null, "variants": null,
                "dependencies": null, "project": null, "type": null, "stale": null,
                "impressionData": null, "description": null, "unknown": [[{}]]},
            {"name": "inner", "enabled": true, "strategies": [{"name": "flexibleRollout",
                "parameters": {"rollout": 100, "stickiness": null, "groupId": 7},
                "segments": null, "variants": null, "constraints": [{"contextName": "age",
                    "operator": "NUM_LT", "value": 40, "values": null, "inverted": null,
                    "caseInsensitive": null}]}]},
        ]),
        &json!(null),
    );
    assert_eq!(problems(&flags), [""; 0]);
    assert_eq!(on(&flags, "nulls"), Some(true));
    let young = Context::new("u").with("age", 39);
    assert_eq!(flags.evaluate_at("inner", &young, &ManualClock::default()).on, Some(true));
}

#[test]
fn a_document_that_is_not_unleashs_is_an_error() {
    for text in ["", "{", "[]", "{}", r#"{"features": {}}"#, r#"{"events": 1}"#] {
        let error = Unleash::new().compile(text).unwrap_err();
        assert!(error.to_string().contains("unleash"), "{error}");
    }
}

#[test]
fn events_are_applied_in_order() {
    let flags = compile(&json!([plain("a"), plain("b")]), &json!([segment(1, "IN")]));
    let changed = apply(
        &flags,
        &json!([
            {"type": "feature-updated", "eventId": 9, "feature": {"name": "a", "enabled": false}},
            {"type": "feature-updated", "eventId": 8, "feature": plain("c")},
            {"type": "feature-removed", "eventId": 7, "featureName": "b", "project": "default"},
            {"type": "feature-updated", "eventId": 7, "feature": by_segment("d", 1)},
            {"type": "segment-updated", "eventId": 6, "segment": segment(1, "NOT_IN")},
            {"type": "feature-updated", "eventId": 1, "feature": plain("a")},
        ]),
    );
    let states = |flags: &FlagSet| ["a", "b", "c", "d"].map(|name| on(flags, name));
    assert_eq!(states(&changed), [Some(true), None, Some(true), Some(true)]);
    assert_eq!(states(&flags), [Some(true), Some(true), None, None], "the old set is as it was");
    let hydrated = apply(
        &changed,
        &json!([
            {"type": "feature-removed", "eventId": 1, "featureName": "a", "project": "default"},
            {"type": "hydration", "eventId": 10, "features": [plain("b")], "segments": []},
            {"type": "feature-updated", "eventId": 11, "feature": by_segment("d", 1)},
        ]),
    );
    assert_eq!(states(&hydrated), [None, Some(true), None, Some(false)], "segment 1 is gone");
    let features = json!({"features": [plain("c")]}).to_string();
    let replaced = Unleash::new().apply(&hydrated, &features).unwrap();
    assert_eq!(states(&replaced), [None, None, Some(true), None]);
}

#[test]
fn an_unknown_event_is_warned_about_and_skipped() {
    let flags = apply(
        &FlagSet::new(),
        &json!([
            {"type": "feature-invented", "eventId": 1},
            {"eventId": 2},
            {"type": "feature-updated", "eventId": 3, "feature": plain("a")},
        ]),
    );
    assert_eq!(on(&flags, "a"), Some(true));
    let places: Vec<_> = flags.problems().iter().map(|problem| &*problem.path).collect();
    assert_eq!(places, ["/events/0", "/events/1/type"]);
    let later = apply(&flags, &json!([]));
    assert_eq!(problems(&later), [""; 0], "they were of that document");
}

#[test]
fn a_malformed_update_keeps_the_last_good_form() {
    let good = compile(&json!([by_segment("a", 1), plain("b")]), &json!([segment(1, "IN")]));
    let bad_feature = json!({"name": "a", "enabled": "yes"});
    let bad_segment = json!({"id": 1, "constraints": 5});
    let by_events = apply(
        &good,
        &json!([
            {"type": "feature-updated", "eventId": 1, "feature": bad_feature},
            {"type": "segment-updated", "eventId": 2, "segment": bad_segment},
        ]),
    );
    let whole = json!([{"type": "hydration", "eventId": 3,
        "features": [bad_feature, plain("b")], "segments": [bad_segment]}]);
    for flags in [by_events, apply(&good, &whole)] {
        assert_eq!((on(&flags, "a"), on(&flags, "b")), (Some(true), Some(true)));
        let mut keys: Vec<_> = flags.problems().iter().map(|problem| &*problem.key).collect();
        keys.sort();
        assert_eq!(keys, ["a", "segment 1"], "{:?}", problems(&flags));
        let mended = json!([
            {"type": "feature-updated", "eventId": 4, "feature": by_segment("a", 1)},
            {"type": "segment-updated", "eventId": 5, "segment": segment(1, "IN")},
        ]);
        assert_eq!(problems(&apply(&flags, &mended)), [""; 0]);
    }
}

#[test]
fn a_published_document_keeps_the_last_good_form_of_its_malformed_parts() {
    let source = TestFlags::silent();
    let flags = Flags::builder().source(source.clone()).build().unwrap();
    let publish = |features: Json, segments: Json| {
        source.replace(compile(&features, &segments));
        let context = Context::new("user-1").with("region", "eu");
        ["a", "b"].map(|name| flags.boolean(name, &context, false))
    };
    let good = publish(json!([by_segment("a", 1), plain("b")]), json!([segment(1, "IN")]));
    assert_eq!(good, [true, true]);
    let bad_feature = json!([{"name": "a", "enabled": 5}, plain("b")]);
    assert_eq!(publish(bad_feature, json!([segment(1, "IN")])), [true, true]);
    let bad_segment = json!([{"id": 1, "constraints": 5}]);
    assert_eq!(publish(json!([by_segment("a", 1), plain("b")]), bad_segment), [true, true]);
    assert_eq!(publish(json!([by_segment("a", 1)]), json!([])), [false, false], "gone, not bad");
}

#[test]
fn one_bad_strategy_switches_its_toggle_off_and_says_so() {
    let constraint = |constraint: Json| json!({"name": "default", "constraints": [constraint]});
    let cases = [
        (
            constraint(json!({"contextName": "x", "operator": "NUM_XX", "value": "1"})),
            "/strategies/1/constraints/0/operator",
        ),
        (
            constraint(json!({"contextName": "x", "operator": "STR_CONTAINS", "values": []})),
            "/strategies/1/constraints/0/values",
        ),
        (
            constraint(json!({"contextName": "x", "operator": "IN_CIDR", "inverted": true})),
            "/strategies/1/constraints/0/values",
        ),
        (
            constraint(json!({"contextName": "x", "operator": "NUM_EQ"})),
            "/strategies/1/constraints/0/value",
        ),
        (
            constraint(json!({"contextName": "x", "operator": "SEMVER_EQ", "value": "01.0.0"})),
            "/strategies/1/constraints/0/value",
        ),
        (
            constraint(
                json!({"contextName": "x", "operator": "DATE_AFTER", "value": "2026-01-01"}),
            ),
            "/strategies/1/constraints/0/value",
        ),
        (
            constraint(json!({"contextName": "x", "operator": "IN", "values": ["a", "b\\"]})),
            "/strategies/1/constraints/0/values/1",
        ),
        (
            constraint(json!({"contextName": "x\"", "operator": "IN", "values": ["a"]})),
            "/strategies/1/constraints/0/contextName",
        ),
        (
            json!({"name": "flexibleRollout", "parameters": {"rollout": "101"}}),
            "/strategies/1/parameters/rollout",
        ),
        (
            json!({"name": "flexibleRollout", "parameters": {"rollout": "5", "groupId": "a\""}}),
            "/strategies/1/parameters/groupId",
        ),
        (json!({"name": "default", "segments": [7]}), "/strategies/1/segments/0"),
    ];
    for (strategy, path) in cases {
        let flags = compile(
            &json!([
                {"name": "t", "enabled": true, "strategies": [{"name": "default"}, strategy],
                    "variants": [{"name": "v2", "weight": 1}]},
                plain("neighbour"),
            ]),
            &json!([]),
        );
        assert_eq!((on(&flags, "t"), on(&flags, "neighbour")), (Some(false), Some(true)), "{path}");
        let context = Context::new("u");
        let clock = ManualClock::default();
        let toggle = Unleash::new().toggle(&flags, "t", &context, &clock);
        assert_eq!((toggle.variant.name, toggle.variant.feature_enabled), ("disabled", false));
        let [problem] = flags.problems() else { panic!("{:?}", problems(&flags)) };
        assert_eq!((&*problem.key, &*problem.path), ("t", path));
        assert_eq!(problem.severity, ProblemSeverity::Warning);
        assert!(problem.expected.contains("off for everybody"), "{problem}");
    }
}

#[test]
fn a_corrected_segment_restores_the_toggles_that_use_it() {
    let flags = compile(&json!([by_segment("a", 1), by_segment("b", 2)]), &json!([]));
    assert_eq!((on(&flags, "a"), on(&flags, "b")), (Some(false), Some(false)));
    assert_eq!(flags.problems().len(), 2);
    let event =
        |segment: Json| json!([{"type": "segment-updated", "eventId": 1, "segment": segment}]);
    let mended = apply(&flags, &event(segment(1, "IN")));
    assert_eq!((on(&mended, "a"), on(&mended, "b")), (Some(true), Some(false)));
    let [problem] = mended.problems() else { panic!("{:?}", problems(&mended)) };
    assert_eq!(&*problem.key, "b");

    let poisoned = apply(&mended, &event(segment(1, "NO_OPERATOR")));
    assert_eq!(on(&poisoned, "a"), Some(false));
    let keys: Vec<_> = poisoned.problems().iter().map(|problem| &*problem.key).collect();
    assert!(keys.contains(&"a") && keys.contains(&"segment 1"), "{keys:?}");
    let removed =
        apply(&mended, &json!([{"type": "segment-removed", "eventId": 2, "segmentId": 1}]));
    assert_eq!(on(&removed, "a"), Some(false));
}

#[test]
fn a_byte_order_mark_before_events_is_no_part_of_them() {
    let flags = compile(&json!([]), &json!([]));
    let event = json!({"type": "feature-updated", "eventId": 1, "feature": plain("a")});
    let events = format!("\u{feff}{}", json!({"events": [event]}));
    assert_eq!(on(&Unleash::new().apply(&flags, &events).unwrap(), "a"), Some(true));
}
