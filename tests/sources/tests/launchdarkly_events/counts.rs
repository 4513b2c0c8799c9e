//! Summaries: how often each flag answered what.

use std::thread;

use modelgate::launchdarkly as dialect;

use super::*;

#[test]
fn a_summary_has_the_vendors_form() {
    let server = LaunchDarkly::start(&data([
        flag("m", json!({})),
        flag("off", json!({"on": false, "offVariation": null, "version": 3})),
        flag("quiet", json!({"excludeFromSummaries": true})),
    ]));
    let flags = store(source(&server).events(patient(&server)));
    let organization = Context::new("acme");
    let in_eu = Context::new("u").with("region", "eu").with_kind("organization", &organization);
    for _ in 0..3 {
        flags.string("m", &user("u"), "v0");
    }
    flags.string("m", &in_eu, "other");
    flags.string("off", &user("u"), "mine");
    flags.string("quiet", &user("u"), "v0");
    flags.boolean("absent", &in_eu, true);
    flags.boolean("absent", &user("u"), true);
    // Whoever has no key is none that the vendor's clients would ask for.
    flags.string("m", &Context::anonymous(), "v0");
    let payload = last_payload(flags, &server);
    let summaries = payload.of_kind("summary");
    assert_eq!(summaries.len(), 1);
    let summary = &summaries[0];
    assert!(summary["startDate"].as_u64().unwrap() > 1_600_000_000_000);
    assert!(summary["startDate"].as_u64().unwrap() <= summary["endDate"].as_u64().unwrap());
    assert_eq!(
        summary["features"],
        json!({
            "m": {"default": "v0", "contextKinds": ["organization", "user"], "counters": [
                {"value": "v1", "version": 7, "variation": 0, "count": 3},
                {"value": "v2", "version": 7, "variation": 1, "count": 1}]},
            "off": {"default": "mine", "contextKinds": ["user"], "counters": [
                {"value": "mine", "version": 3, "count": 1}]},
            "absent": {"default": true, "contextKinds": ["organization", "user"], "counters": [
                {"value": true, "unknown": true, "count": 2}]},
        })
    );
}

#[test]
fn prerequisites_count_as_the_vendors_client_counts_them() {
    let on = json!({"prerequisites": [{"key": "base", "variation": 0}]});
    let failing = json!({"prerequisites": [{"key": "off", "variation": 0}]});
    let server = LaunchDarkly::start(&data([
        flag("m", on),
        flag("n", failing),
        flag("base", json!({"prerequisites": [{"key": "root", "variation": 0}]})),
        flag("root", json!({})),
        flag("off", json!({"on": false})),
    ]));
    let flags = store(source(&server).events(patient(&server)));
    for _ in 0..2 {
        flags.string("m", &user("u"), "v0");
    }
    flags.string("n", &user("u"), "v0");
    let payload = last_payload(flags, &server);
    let features = &payload.of_kind("summary")[0]["features"];
    let count = |key: &str| features[key]["counters"][0]["count"].as_u64();
    assert_eq!(["m", "n", "base", "root", "off"].map(count), [2, 1, 2, 2, 1].map(Some));
    assert_eq!(features["base"]["default"], Json::Null);
    assert_eq!(features["root"]["contextKinds"], json!(["user"]));
}

#[test]
fn nothing_is_lost_or_counted_twice_while_flags_change() {
    const THREADS: usize = 4;
    const EACH: u64 = 2_000;
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    let flags = store(source(&server));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let flags = &flags;
            scope.spawn(move || {
                let user = format!("user-{thread}");
                for _ in 0..EACH {
                    flags.string("m", &Context::new(&user), "v0");
                }
            });
        }
        for version in 8..30 {
            server.patch_flag("m", &flag("m", json!({"version": version})).to_string());
        }
    });
    drop(flags);
    let all = THREADS as u64 * EACH;
    eventually("all of them", || server.counted("m") == [(Some(0), all)]);
    let starts: Vec<_> = server.events("summary");
    for pair in starts.windows(2) {
        assert!(pair[0]["endDate"].as_u64() <= pair[1]["startDate"].as_u64(), "{pair:?}");
    }
}

#[test]
fn a_summary_that_was_refused_for_now_arrives_once() {
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    let busy = || Answer::Status(503);
    server.answer_payloads([busy(), busy(), busy(), Answer::Status(500)]);
    let flags = store(source(&server));
    flags.string("m", &user("u"), "v0");
    eventually("a few attempts", || server.payloads().len() >= 2);
    flags.string("m", &user("u"), "v0");
    eventually("all", || server.counted("m") == [(Some(0), 2)]);
    eventually("all attempts", || server.payloads().len() >= 6);
    let payloads = server.payloads();
    let ids: Vec<_> = payloads.iter().map(|payload| payload.id()).collect();
    assert!(ids[..5].iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_ne!(ids[0], ids[5]);
    assert_eq!(payloads[0].events, payloads[4].events);
}

#[test]
fn a_router_reports_the_flags_it_goes_by() {
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    let router = modelgate::ModelRouter::<[f64], f64>::builder("m")
        .model("v1", modelgate::model_fn(|_: &[f64]| Ok(1.0)))
        .model("v2", modelgate::model_fn(|_: &[f64]| Ok(2.0)))
        .fallback("v1")
        .source(source(&server))
        .build()
        .unwrap();
    router.wait_ready(PATIENCE).unwrap();
    for user in 0..10 {
        let key = format!("user-{user}");
        let region = if user < 4 { "eu" } else { "us" };
        router.predict(&Context::new(&key).with("region", region), &[]).unwrap();
    }
    drop(router);
    eventually("all", || server.counted("m") == [(Some(0), 6), (Some(1), 4)]);
    assert_eq!(server.events("summary")[0]["features"]["m"]["default"], Json::Null);
}

#[test]
fn a_dialect_of_the_callers_own_is_counted_as_well() {
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    let flags = store(source(&server).dialect(dialect::LaunchDarkly::new()));
    flags.string("m", &user("u"), "v0");
    eventually("it", || server.counted("m") == [(Some(0), 1)]);
}
