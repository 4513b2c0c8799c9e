//! Reporting costs a request no allocation unless the context is new or the flag asks for it.

#[path = "../../support/counting.rs"]
mod counting;

use std::time::Duration;

use counting::allocations;
use modelgate::{Context, Flags, ModelRouter, launchdarkly, model_fn};
use modelgate_source_tests::{PATIENCE, launchdarkly::LaunchDarkly};

const DATA: &str = r#"{"flags": {
    "m": {"key": "m", "version": 1, "on": true, "salt": "s", "variations": ["v1", "v2"],
        "prerequisites": [{"key": "p", "variation": 1}],
        "fallthrough": {"rollout": {"variations": [
            {"variation": 0, "weight": 50000}, {"variation": 1, "weight": 50000}]}}},
    "p": {"key": "p", "version": 1, "on": true, "salt": "s", "variations": [false, true],
        "fallthrough": {"variation": 1}},
    "tracked": {"key": "tracked", "version": 1, "on": true, "salt": "s", "trackEvents": true,
        "variations": [false, true], "fallthrough": {"variation": 1}}
}, "segments": {}}"#;

#[test]
fn only_a_new_context_and_a_flag_that_asks_cost_an_allocation() {
    let server = LaunchDarkly::start(DATA);
    let events =
        launchdarkly::Events::new().url(server.url()).flush_interval(Duration::from_secs(3600));
    let source =
        launchdarkly::Source::new("sdk").base_urls(server.url(), server.url()).events(events);
    let flags = Flags::builder().source(source).build().unwrap();
    let router = ModelRouter::<[f64], f64>::builder("m")
        .model("v1", model_fn(|_: &[f64]| Ok(1.0)))
        .model("v2", model_fn(|_: &[f64]| Ok(2.0)))
        .fallback("v1")
        .flags(flags.clone())
        .build()
        .unwrap();
    router.wait_ready(PATIENCE).unwrap();
    let organization = Context::new("acme");
    let known = Context::new("known").with("region", "eu").with_kind("organization", &organization);
    let ask = |context: &Context<'_>| {
        drop(router.decide(context));
        flags.boolean("p", context, false);
        flags.boolean("absent", context, false);
    };
    assert!(allocations(|| ask(&known)) > 0, "everything is new");
    assert_eq!(allocations(|| (0..100).for_each(|_| ask(&known))), 0);
    let new = Context::new("new").with("region", "eu");
    assert!(allocations(|| ask(&new)) > 0, "its copy");
    assert_eq!(allocations(|| ask(&new)), 0);
    flags.boolean("tracked", &known, false);
    assert!(
        allocations(|| {
            flags.boolean("tracked", &known, false);
        }) > 0
    );
}
