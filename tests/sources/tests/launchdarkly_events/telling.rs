//! What a service tells: custom events, contexts, and answers with their reasons.

use modelgate::{launchdarkly::CustomEvent, value::Value};

use super::*;

/// A store whose payloads are sent when that is asked for.
fn told(server: &LaunchDarkly, events: launchdarkly::Events) -> (Flags, launchdarkly::Client) {
    let source = source(server).events(events);
    let client = source.client();
    (store(source), client)
}

/// The events of the payload that a flush sends, without their times.
fn flushed(server: &LaunchDarkly, client: &launchdarkly::Client) -> Vec<Json> {
    assert!(client.flush_blocking(PATIENCE));
    let mut events = server.payloads().pop().unwrap().events;
    for event in &mut events {
        if let Some(time) = event.as_object_mut().unwrap().remove("creationDate") {
            assert!(time.as_u64().unwrap() > 1_600_000_000_000);
        }
    }
    events
}

#[test]
fn custom_events_carry_data_and_a_number_and_the_context_without_what_is_private() {
    let server = LaunchDarkly::start(&data([]));
    let (_flags, client) = told(&server, patient(&server).all_attributes_private(false));
    let ada = Context::new("ada").with("name", "Ada").with("email", "hidden").with_private("email");
    assert!(client.track(CustomEvent::new("plain"), &ada));
    let numbers = vec![Value::from(1), Value::from(2)];
    assert!(client.track(CustomEvent::new("full").data(numbers).metric(-1.5), &ada));
    assert!(client.track(CustomEvent::new("odd").metric(f64::NAN), &ada));
    assert!(!client.track(CustomEvent::new("nobody's"), &Context::anonymous()));
    let context = json!({"kind": "user", "key": "ada", "name": "Ada",
        "_meta": {"redactedAttributes": ["email"]}});
    assert_eq!(
        flushed(&server, &client),
        [
            json!({"kind": "index", "context": context}),
            json!({"kind": "custom", "key": "plain", "context": context}),
            json!({"kind": "custom", "key": "full", "context": context, "data": [1, 2],
                "metricValue": -1.5}),
            json!({"kind": "custom", "key": "odd", "context": context}),
        ]
    );
    let guest = Context::new("guest").with("anonymous", true).with("name", "hidden");
    assert!(client.track(CustomEvent::new("plain"), &guest));
    let events = flushed(&server, &client);
    assert_eq!(events[0]["context"]["name"], "hidden", "an index event tells of an anonymous one");
    assert_eq!(
        events[1]["context"],
        json!({"kind": "user", "key": "guest", "anonymous": true,
            "_meta": {"redactedAttributes": ["name"]}})
    );
}

#[test]
fn whoever_is_identified_needs_no_index_event() {
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    let (flags, client) = told(&server, patient(&server).all_attributes_private(false));
    let organization = Context::new("acme").with("plan", "hidden").with_private("plan");
    let ada = Context::new("ada").with("name", "Ada").with_kind("organization", &organization);
    assert!(client.identify(&ada));
    assert!(!client.identify(&Context::anonymous()));
    flags.string("m", &ada, "v0");
    let events = flushed(&server, &client);
    assert_eq!(
        events[0],
        json!({"kind": "identify", "context": {"kind": "multi",
            "user": {"key": "ada", "name": "Ada"},
            "organization": {"key": "acme", "_meta": {"redactedAttributes": ["plan"]}}}})
    );
    assert_eq!(events[1]["kind"], "summary");
    assert_eq!(events.len(), 2);
}

#[test]
fn anonymous_contexts_are_left_out_where_that_is_asked_for() {
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    let (flags, client) = told(&server, patient(&server).omit_anonymous(true));
    let guest = Context::new("guest").with("anonymous", true);
    let organization = Context::new("acme");
    let both =
        Context::new("other").with("anonymous", true).with_kind("organization", &organization);
    client.identify(&guest);
    flags.string("m", &Context::new("third").with("anonymous", true), "v0");
    client.identify(&both);
    client.track(CustomEvent::new("plain"), &guest);
    let events = flushed(&server, &client);
    let of_kind = |kind: &str| events.iter().filter(|event| event["kind"] == kind).count();
    assert_eq!((of_kind("index"), of_kind("identify"), of_kind("custom")), (0, 1, 1));
    assert_eq!(events[0]["context"], json!({"kind": "organization", "key": "acme"}));
}

#[test]
fn events_say_why_where_the_caller_asked() {
    let server = LaunchDarkly::start(&data([
        flag(
            "root",
            json!({"trackEvents": true,
            "prerequisites": [{"key": "base", "variation": 0}]}),
        ),
        flag("base", json!({"trackEvents": true, "debugEventsUntilDate": 4_000_000_000_000_u64})),
        flag("bad", json!({"trackEvents": true, "on": false, "offVariation": 9})),
    ]));
    let (flags, client) = told(&server, patient(&server));
    let snapshot = flags.snapshot();
    let ada = Context::new("ada");
    assert_eq!(client.string(&snapshot, "root", &ada, "v0").value, "v1");
    let reason = |event: &Json| event.get("reason").cloned();
    let events = flushed(&server, &client);
    assert!(events.iter().all(|event| reason(event).is_none()), "{events:#?}");
    let explained = client.with_reasons();
    assert_eq!(explained.string(&snapshot, "root", &ada, "v0").value, "v1");
    assert_eq!(explained.string(&snapshot, "bad", &ada, "v0").value, "v0");
    let events = flushed(&server, &client);
    let told: Vec<_> = events
        .iter()
        .filter(|event| event["kind"] != "summary")
        .map(|event| {
            let (kind, key) = (event["kind"].as_str().unwrap(), event["key"].as_str().unwrap());
            (kind, key, event["reason"]["kind"].as_str().unwrap(), event["default"].clone())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("debug", "base", "FALLTHROUGH", Json::Null),
            ("feature", "base", "FALLTHROUGH", Json::Null),
            ("feature", "root", "FALLTHROUGH", json!("v0")),
            ("feature", "bad", "ERROR", json!("v0")),
        ]
    );
    let bad = events.iter().find(|event| event["key"] == "bad").unwrap();
    assert_eq!((&bad["value"], &bad["variation"]), (&json!("v0"), &Json::Null));
}

#[test]
fn a_client_answers_in_every_type_and_says_what_it_cannot() {
    let server = LaunchDarkly::start(&data([
        flag("text", json!({})),
        flag("number", json!({"variations": [2.75, 3]})),
        flag("switch", json!({"variations": [true, false]})),
    ]));
    let source = source(&server).events(patient(&server));
    let client = source.client();
    let flags = Flags::builder().source(source).build().unwrap();
    flags.wait_ready(PATIENCE).unwrap();
    let (snapshot, ada) = (flags.snapshot(), Context::new("ada"));
    assert_eq!(client.string(&snapshot, "text", &ada, "x").value, "v1");
    assert_eq!(client.integer(&snapshot, "number", &ada, 7).value, 2);
    assert_eq!(client.double(&snapshot, "number", &ada, 7.0).value, 2.75);
    assert!(client.boolean(&snapshot, "switch", &ada, false).value);
    let default = Value::from("x");
    assert_eq!(client.json(&snapshot, "text", &ada, &default).value, &"v1".into());
    let error = |variation: launchdarkly::Variation<'_, bool>| {
        assert!(variation.value && variation.variation_index.is_none());
        variation.reason.error_kind.unwrap().as_str()
    };
    assert_eq!(error(client.boolean(&snapshot, "text", &ada, true)), "WRONG_TYPE");
    assert_eq!(error(client.boolean(&snapshot, "absent", &ada, true)), "FLAG_NOT_FOUND");
    let nobody = Context::anonymous();
    assert_eq!(error(client.boolean(&snapshot, "switch", &nobody, true)), "USER_NOT_SPECIFIED");
    assert_eq!(error(client.boolean(&snapshot, "absent", &nobody, true)), "USER_NOT_SPECIFIED");
    let empty = Flags::builder()
        .source(launchdarkly::Source::new("sdk").relay("http://127.0.0.1:9").events(None))
        .build()
        .unwrap();
    assert_eq!(error(client.boolean(&empty.snapshot(), "text", &ada, true)), "CLIENT_NOT_READY");
}

#[test]
fn a_flush_says_whether_everything_was_taken_and_waits_no_longer_than_it_may() {
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    let (flags, client) = told(&server, patient(&server));
    assert!(client.flush_blocking(PATIENCE), "there is nothing");
    assert!(server.payloads().is_empty());
    server.answer_payloads([Answer::Status(503), Answer::Status(503)]);
    client.identify(&user("a"));
    assert!(!client.flush_blocking(PATIENCE));
    let ids = || server.payloads().iter().map(|one| one.id().to_owned()).collect::<Vec<_>>();
    assert_eq!((ids().len(), &ids()[0]), (2, &ids()[1]));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    client.identify(&user("b"));
    assert!(runtime.block_on(client.flush_async()), "with what was not taken before");
    assert_eq!(server.events("identify").len(), 2);
    server.answer_payloads([Answer::Hang]);
    client.identify(&user("c"));
    assert!(!client.flush_blocking(Duration::from_millis(20)));
    drop(flags);
    let silent = launchdarkly::Source::new(KEY).events(None);
    assert!(!silent.client().track(CustomEvent::new("plain"), &user("a")));
    assert!(silent.client().flush_blocking(Duration::ZERO), "nothing is reported");
}

#[test]
fn a_flush_says_that_a_payload_was_given_up() {
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    let (_flags, client) = told(&server, patient(&server));
    for refusal in [vec![Answer::Status(413)], vec![Answer::Status(400), Answer::Status(400)]] {
        server.answer_payloads(refusal.clone());
        client.identify(&user("a"));
        assert!(!client.flush_blocking(PATIENCE), "{refusal:?}");
        assert!(client.flush_blocking(PATIENCE), "there is nothing any more");
    }
}
