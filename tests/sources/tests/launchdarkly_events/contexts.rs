//! Events that have a context: `index`, `feature`, `debug`.

use super::*;

fn public(server: &LaunchDarkly) -> launchdarkly::Events {
    patient(server).all_attributes_private(false)
}

#[test]
fn a_context_is_reported_once_with_its_keys_and_without_its_attributes() {
    let server = LaunchDarkly::start(&data([flag("m", json!({})), flag("n", json!({}))]));
    let flags = store(source(&server).events(patient(&server)));
    let organization = Context::new("acme").with("plan", "pro");
    let both = Context::new("u").with("region", "eu").with_kind("organization", &organization);
    for _ in 0..3 {
        flags.string("m", &both, "v0");
        flags.string("n", &both, "v0");
        flags.string("n", &Context::new("u").with("anonymous", true), "v0");
        flags.string("absent", &user("only-missed"), "v0");
        flags.string("m", &Context::anonymous(), "v0");
    }
    let payload = last_payload(flags, &server);
    let index = payload.of_kind("index");
    assert_eq!(index.len(), 3, "{index:#?}");
    assert!(index[0]["creationDate"].as_u64().unwrap() > 1_600_000_000_000);
    assert_eq!(
        index[0]["context"],
        json!({"kind": "multi",
            "user": {"key": "u", "_meta": {"redactedAttributes": ["region"]}},
            "organization": {"key": "acme", "_meta": {"redactedAttributes": ["plan"]}}})
    );
    assert_eq!(index[1]["context"], json!({"kind": "user", "key": "u", "anonymous": true}));
    assert_eq!(index[2]["context"], json!({"kind": "user", "key": "only-missed"}));
}

#[test]
fn attributes_are_reported_when_that_is_asked_for_except_private_ones() {
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    let events = public(&server).private_attribute("email").private_attribute("/device/serial");
    let flags = store(source(&server).events(events));
    let device: modelgate::value::Map =
        [("os", "ios".into()), ("serial", modelgate::value::Value::from("x"))]
            .into_iter()
            .collect();
    let context = Context::new("u")
        .with("name", "Ada")
        .with("email", "ada@example.com")
        .with("age", 41)
        .with("device", &device);
    flags.string("m", &context, "v0");
    let payload = last_payload(flags, &server);
    assert_eq!(
        payload.of_kind("index")[0]["context"],
        json!({"kind": "user", "key": "u", "name": "Ada", "age": 41, "device": {"os": "ios"},
            "_meta": {"redactedAttributes": ["email", "/device/serial"]}})
    );
}

#[test]
fn what_a_context_keeps_private_is_in_no_event_whatever_carries_it() {
    let tracked = json!({"trackEvents": true, "debugEventsUntilDate": 4_000_000_000_000_u64});
    let server = LaunchDarkly::start(&data([flag("m", tracked)]));
    let flags = store(source(&server).events(public(&server)));
    let address: modelgate::value::Map =
        [("street", "hidden"), ("city", "Oz")].into_iter().collect();
    let private = ["plan", "/address/street"].map(modelgate::value::Value::from);
    let meta: modelgate::value::Map =
        [("privateAttributes", modelgate::value::Value::from(private.to_vec()))]
            .into_iter()
            .collect();
    let organization = Context::new("acme")
        .with("plan", "hidden")
        .with("email", "shown")
        .with("address", &address)
        .with("_meta", &meta);
    let both = Context::new("u")
        .with("email", "hidden")
        .with("plan", "shown")
        .with_private("email")
        .with_kind("organization", &organization);
    flags.string("m", &both, "v0");
    let payload = last_payload(flags, &server);
    let expected = json!({"kind": "multi",
        "user": {"key": "u", "plan": "shown", "_meta": {"redactedAttributes": ["email"]}},
        "organization": {"key": "acme", "email": "shown", "address": {"city": "Oz"},
            "_meta": {"redactedAttributes": ["plan", "/address/street"]}}});
    for kind in ["index", "feature", "debug"] {
        assert_eq!(payload.of_kind(kind)[0]["context"], expected, "{kind}");
    }
    assert!(!json!(payload.events).to_string().contains("hidden"));
}

#[test]
fn answers_are_reported_one_by_one_where_the_flag_asks_for_it() {
    let tracked_rule = json!([{"id": "eu", "variation": 1, "trackEvents": true, "clauses": [
        {"contextKind": "user", "attribute": "region", "op": "in", "values": ["eu"]}]}]);
    let experiment = json!({"rollout": {"kind": "experiment", "contextKind": "user", "variations": [
        {"variation": 1, "weight": 100_000, "untracked": false}]}});
    let server = LaunchDarkly::start(&data([
        flag("all", json!({"trackEvents": true, "excludeFromSummaries": true})),
        flag("rule", json!({"rules": tracked_rule})),
        flag("rest", json!({"trackEventsFallthrough": true})),
        flag("experiment", json!({"fallthrough": experiment})),
        flag("plain", json!({})),
        flag("never", json!({"trackEvents": true, "samplingRatio": 0})),
        flag("root", json!({"prerequisites": [{"key": "all", "variation": 0}]})),
    ]));
    let flags = store(source(&server).events(public(&server)));
    let in_eu = Context::new("in-eu").with("region", "eu");
    for key in ["all", "rule", "rest", "experiment", "plain", "never"] {
        flags.string(key, &in_eu, "v0");
        flags.string(key, &user("u"), "v0");
    }
    flags.string("root", &user("u"), "v0");
    let payload = last_payload(flags, &server);
    let features: Vec<_> = payload
        .of_kind("feature")
        .into_iter()
        .map(|mut event| {
            let members = event.as_object_mut().unwrap();
            assert!(members.remove("creationDate").unwrap().as_u64().unwrap() > 1_600_000_000_000);
            event
        })
        .collect();
    let event = |key: &str, user: &str, variation: u64, more: Json| {
        let mut context = json!({"kind": "user", "key": user});
        if user == "in-eu" {
            context["region"] = "eu".into();
        }
        let mut event = json!({"kind": "feature", "key": key, "context": context, "version": 7,
            "variation": variation, "value": format!("v{}", variation + 1), "default": "v0"});
        for (name, value) in more.as_object().unwrap() {
            event[name] = value.clone();
        }
        event
    };
    let excluded = json!({"excludeFromSummaries": true});
    let by_rule = json!({"reason": {"kind": "RULE_MATCH", "ruleIndex": 0, "ruleId": "eu"}});
    let taking_part = json!({"reason": {"kind": "FALLTHROUGH", "inExperiment": true}});
    assert_eq!(
        features,
        [
            event("all", "in-eu", 1, excluded.clone()),
            event("all", "u", 0, excluded),
            event("rule", "in-eu", 1, by_rule),
            event("rest", "u", 0, json!({"reason": {"kind": "FALLTHROUGH"}})),
            event("experiment", "u", 1, taking_part),
            event(
                "all",
                "u",
                0,
                json!({"excludeFromSummaries": true, "prereqOf": "root",
                "default": null})
            ),
        ]
    );
}

#[test]
fn answers_are_sampled_where_the_flag_asks_for_it() {
    let server =
        LaunchDarkly::start(&data([flag("m", json!({"trackEvents": true, "samplingRatio": 10}))]));
    let flags = store(source(&server).events(public(&server)));
    for _ in 0..2_000 {
        flags.string("m", &user("u"), "v0");
    }
    let payload = last_payload(flags, &server);
    let features = payload.of_kind("feature");
    assert!((120..280).contains(&features.len()), "{}", features.len());
    assert_eq!(features[0]["samplingRatio"], 10);
    assert_eq!(server.counted("m"), [(Some(0), 2_000)], "counts are not sampled");
}

#[test]
fn answers_are_debugged_until_then_by_the_servers_clock_too() {
    let tomorrow = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap()
        + Duration::from_secs(86_400);
    let until = |time: u64| json!({"debugEventsUntilDate": time});
    let server = LaunchDarkly::start(&data([
        flag("past", until(1_600_000_000_000)),
        flag("now", until(tomorrow.as_millis() as u64)),
        flag("plain", json!({})),
    ]));
    server.answer_payloads([Answer::At("Wed, 21 Oct 2099 07:28:00 GMT")]);
    let flags = store(source(&server).events(events(&server).all_attributes_private(false)));
    let ada = Context::new("ada").with("anonymous", true).with("name", "Ada");
    for key in ["past", "now", "plain"] {
        flags.string(key, &ada, "v0");
    }
    eventually("the summary", || server.counted("plain").len() == 1);
    let debug = server.events("debug");
    assert_eq!(debug.len(), 1, "{debug:?}");
    assert_eq!(debug[0]["key"], "now");
    assert_eq!(debug[0]["context"]["name"], "Ada");
    // The server's clock has been heard of once its answer to that payload has.
    eventually("no more of it", || {
        let before = server.events("debug").len();
        let summaries = server.events("summary").len();
        flags.string("now", &ada, "v0");
        eventually("the next", || server.events("summary").len() > summaries);
        server.events("debug").len() == before
    });
}

#[test]
fn nothing_with_a_context_is_sent_when_only_counts_are_wanted() {
    let server = LaunchDarkly::start(&data([flag("m", json!({"trackEvents": true}))]));
    let flags = store(source(&server).events(patient(&server).contexts(false)));
    flags.string("m", &user("u"), "v0");
    let payload = last_payload(flags, &server);
    assert_eq!(payload.events.len(), 1);
    assert_eq!(payload.events[0]["kind"], "summary");
}
