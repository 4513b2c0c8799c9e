//! A shadow's comparisons as `migration_op` events.

use modelgate::{
    ModelError, ModelRouter, Shadow,
    compare::{Tolerance, sink::ComparisonSink},
    launchdarkly::DualReads,
    model_fn,
};

use super::*;

fn router(
    server: &LaunchDarkly,
    dual_reads: &DualReads,
    shadow: Shadow,
) -> ModelRouter<[f64], f64> {
    let router = ModelRouter::<[f64], f64>::builder("m")
        .model("v1", model_fn(|payment: &[f64]| Ok(payment[0])))
        .model(
            "v2",
            model_fn(|payment: &[f64]| match payment[0] {
                amount if amount < 0.0 => Err(ModelError::new("below zero")),
                amount if amount > 10.0 => Ok(amount + 1.0),
                amount => Ok(amount),
            }),
        )
        .fallback("v1")
        .source(source(server).events(patient(server)).dual_reads(dual_reads))
        .shadow(shadow)
        .compare(Tolerance::absolute(0.1))
        .sink(dual_reads.clone())
        .build()
        .unwrap();
    router.wait_ready(PATIENCE).unwrap();
    router
}

#[test]
fn comparisons_have_the_form_of_dual_reads() {
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    let dual_reads = DualReads::new("fraud-migration", "v1", "v2");
    let shadow = Shadow::always()
        .candidate("v1")
        .candidate("v2")
        .record_targeting_key()
        .budget(modelgate::shadow::Budget::unlimited());
    let router = router(&server, &dual_reads, shadow);
    let in_eu = Context::new("in-eu").with("region", "eu");
    router.predict(&user("agrees"), &[1.0]).unwrap();
    assert!(router.flush(PATIENCE));
    router.predict(&user("differs"), &[11.0]).unwrap();
    assert!(router.flush(PATIENCE));
    router.predict(&user("fails"), &[-1.0]).unwrap();
    assert!(router.flush(PATIENCE));
    router.predict(&in_eu, &[1.0]).unwrap();
    assert!(router.flush(PATIENCE));
    let counts = ComparisonSink::<f64>::counts(&dual_reads);
    assert_eq!((counts.recorded, counts.dropped), (4, 0));
    drop(router);
    eventually("all", || server.events("migration_op").len() == 4);
    let events = server.events("migration_op");
    let measured = |event: &Json, key: &str| {
        let measurements = event["measurements"].as_array().unwrap();
        measurements.iter().find(|measurement| measurement["key"] == key).cloned()
    };
    for (event, key) in events.iter().zip(["agrees", "differs", "fails", "in-eu"]) {
        assert_eq!(event["operation"], "read");
        assert_eq!(event["context"], json!({"kind": "user", "key": key}));
        assert!(event["creationDate"].as_u64().unwrap() > 1_600_000_000_000);
        let stage = if key == "in-eu" { "live" } else { "shadow" };
        assert_eq!(
            event["evaluation"],
            json!({"key": "fraud-migration", "value": stage, "default": "off"})
        );
        let invoked = json!({"key": "invoked", "values": {"old": true, "new": true}});
        assert_eq!(measured(event, "invoked"), Some(invoked));
        let latency = measured(event, "latency_ms").unwrap();
        for origin in ["old", "new"] {
            assert!(latency["values"][origin].as_f64().unwrap() >= 0.0, "{event}");
        }
    }
    let consistent = |event: &Json| measured(event, "consistent").map(|one| one["value"].clone());
    assert_eq!(consistent(&events[0]), Some(json!(true)));
    assert_eq!(consistent(&events[1]), Some(json!(false)));
    assert_eq!(consistent(&events[2]), None);
    assert_eq!(
        measured(&events[2], "error"),
        Some(json!({"key": "error", "values": {"new": true}}))
    );
    assert_eq!(measured(&events[0], "error"), None);
}

#[test]
fn without_its_key_a_comparison_is_told_by_a_hash() {
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    let dual_reads = DualReads::new("fraud-migration", "v1", "v2");
    let router = router(
        &server,
        &dual_reads,
        Shadow::always().candidate("v2").budget(modelgate::shadow::Budget::unlimited()),
    );
    router.predict(&user("secret-user"), &[1.0]).unwrap();
    router.predict(&Context::anonymous(), &[1.0]).unwrap();
    assert!(router.flush(PATIENCE));
    drop(router);
    eventually("it", || !server.events("migration_op").is_empty());
    let events = server.events("migration_op");
    assert_eq!(events.len(), 1, "a comparison of nobody is left out");
    assert_eq!(events[0]["context"]["anonymous"], true);
    assert!(!events[0].to_string().contains("secret-user"), "{}", events[0]);
}
