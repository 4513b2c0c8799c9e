//! `launchdarkly::Source` beside the vendor's own client, on the stream of one stand-in: the same
//! answers, and the same reported of them.

use std::{collections::BTreeMap, time::Duration};

use launchdarkly_sdk_transport::HyperTransport;
use launchdarkly_server_sdk::{
    AttributeValue, Client, ConfigBuilder, Context as TheirContext, ContextBuilder,
    EventProcessorBuilder, FlagDetailConfig, MultiContextBuilder, ServiceEndpointsBuilder,
    StreamingDataSourceBuilder,
};
use modelgate::{
    Context, Flags, launchdarkly,
    source::HttpSettings,
    value::{Map, Value},
};
use modelgate_source_tests::{PATIENCE, eventually, launchdarkly::LaunchDarkly};
use serde_json::{Value as Json, json};

const USERS: usize = 300;
const FLAGS: [&str; 9] =
    ["rollout", "rule", "off", "empty", "base", "root", "experiment", "quiet", "absent"];

fn flag(key: &str, version: u64, members: Json) -> Json {
    let mut flag = json!({"key": key, "version": version, "on": true, "salt": "salty",
        "variations": ["v1", "v2", "v3"], "offVariation": 2, "fallthrough": {"variation": 0},
        "targets": [], "prerequisites": [], "rules": []});
    for (name, value) in members.as_object().unwrap() {
        flag[name] = value.clone();
    }
    flag
}

fn rule(members: Json) -> Json {
    let mut rule = json!({"id": "in-eu", "variation": 1, "trackEvents": false, "clauses": [
        {"contextKind": "user", "attribute": "region", "op": "in", "values": ["eu"],
         "negate": false}]});
    for (name, value) in members.as_object().unwrap() {
        rule[name] = value.clone();
    }
    json!([rule])
}

fn rollout(kind: &str) -> Json {
    json!({"rollout": {"kind": kind, "contextKind": "user", "seed": 61, "variations": [
        {"variation": 0, "weight": 60_000, "untracked": false},
        {"variation": 1, "weight": 40_000, "untracked": true}]}})
}

fn data() -> String {
    let flags = [
        flag("rollout", 7, json!({"fallthrough": rollout("rollout")})),
        flag("rule", 3, json!({"rules": rule(json!({"trackEvents": true}))})),
        flag("off", 4, json!({"on": false})),
        flag("empty", 5, json!({"on": false, "offVariation": null})),
        flag(
            "base",
            6,
            json!({"rules": rule(json!({})), "trackEvents": true,
            "prerequisites": [{"key": "rollout", "variation": 0}]}),
        ),
        flag(
            "root",
            8,
            json!({"prerequisites": [
            {"key": "rollout", "variation": 0}, {"key": "base", "variation": 0}]}),
        ),
        flag("experiment", 9, json!({"fallthrough": rollout("experiment")})),
        flag("quiet", 2, json!({"excludeFromSummaries": true, "trackEventsFallthrough": true})),
    ];
    let flags: serde_json::Map<_, _> =
        flags.into_iter().map(|flag| (flag["key"].as_str().unwrap().to_owned(), flag)).collect();
    json!({"flags": flags, "segments": {}}).to_string()
}

fn theirs(server: &LaunchDarkly) -> Client {
    let transport = || HyperTransport::new().unwrap();
    let config = ConfigBuilder::new("sdk-theirs")
        .service_endpoints(ServiceEndpointsBuilder::new().relay_proxy(&server.url()))
        .data_source(StreamingDataSourceBuilder::<HyperTransport>::new().transport(transport()))
        .event_processor(
            EventProcessorBuilder::<HyperTransport>::new()
                .capacity(100_000)
                .flush_interval(Duration::from_millis(20))
                .transport(transport()),
        )
        .build()
        .unwrap();
    let client = Client::build(config).unwrap();
    client.start_with_default_executor();
    client
}

fn ours(server: &LaunchDarkly) -> Flags {
    let events = launchdarkly::Events::new()
        .flush_interval(Duration::from_millis(20))
        .all_attributes_private(false)
        .diagnostics(None);
    let source = launchdarkly::Source::new("sdk-ours")
        .relay(server.url())
        .settings(HttpSettings::new().timeout(PATIENCE))
        .events(events);
    let flags = Flags::builder().source(source).build().unwrap();
    flags.wait_ready(PATIENCE).unwrap();
    flags
}

/// One user in both forms: some are anonymous, some belong to an organization.
fn with_user(number: usize, ask: impl FnOnce(&Context<'_>, &TheirContext)) {
    let organization = Context::new("acme").with("plan", "pro");
    let key = format!("user-{number}");
    let region = ["eu", "us"][number % 2];
    let device: Map =
        [("os", Value::from("ios")), ("model", Value::from("7"))].into_iter().collect();
    let mut our = Context::new(&key).with("region", region).with("device", &device);
    let mut builder = ContextBuilder::new(&key);
    builder.set_string("region", region);
    let members = [("os", "ios"), ("model", "7")];
    let members = members.map(|(name, value)| (name.to_owned(), AttributeValue::from(value)));
    builder.set_value("device", AttributeValue::Object(members.into_iter().collect()));
    if number.is_multiple_of(5) {
        our = our.with("anonymous", true);
        builder.anonymous(true);
    }
    let their = builder.build().unwrap();
    if !number.is_multiple_of(3) {
        return ask(&our, &their);
    }
    let mut their_organization = ContextBuilder::new("acme");
    their_organization.kind("organization").set_string("plan", "pro");
    let mut both = MultiContextBuilder::new();
    both.add_context(their).add_context(their_organization.build().unwrap());
    ask(&our.with_kind("organization", &organization), &both.build().unwrap());
}

/// How often each flag answered what, by all summaries that one client has sent.
fn summed(
    server: &LaunchDarkly,
    key: &str,
) -> BTreeMap<String, (Json, Json, BTreeMap<String, u64>)> {
    let mut features = BTreeMap::new();
    for payload in server.payloads() {
        if payload.headers["authorization"] != key {
            continue;
        }
        for summary in payload.of_kind("summary") {
            for (flag, feature) in summary["features"].as_object().unwrap() {
                let mut kinds: Vec<_> = feature["contextKinds"].as_array().unwrap().clone();
                kinds.sort_by_key(Json::to_string);
                let (default, all_kinds, counts) = features.entry(flag.clone()).or_insert((
                    Json::Null,
                    json!([]),
                    BTreeMap::new(),
                ));
                // That of a prerequisite may have been the first.
                if default.is_null() {
                    *default = feature["default"].clone();
                }
                if kinds.len() > all_kinds.as_array().unwrap().len() {
                    *all_kinds = kinds.into();
                }
                for counter in feature["counters"].as_array().unwrap() {
                    let mut which = counter.clone();
                    let count = which.as_object_mut().unwrap().remove("count").unwrap();
                    let members: BTreeMap<_, _> = which.as_object().unwrap().iter().collect();
                    let which = serde_json::to_string(&members).unwrap();
                    *counts.entry(which).or_insert(0) += count.as_u64().unwrap();
                }
            }
        }
    }
    features
}

/// The single events of one client, without their times, in one order.
fn single(server: &LaunchDarkly, key: &str, kind: &str) -> Vec<String> {
    let mut events = Vec::new();
    for payload in server.payloads() {
        if payload.headers["authorization"] == key {
            events.extend(payload.of_kind(kind).into_iter().map(|mut event| {
                event.as_object_mut().unwrap().remove("creationDate").unwrap();
                sorted(event).to_string()
            }));
        }
    }
    events.sort();
    events
}

/// The same with the members of every object, and of every list, in one order.
fn sorted(value: Json) -> Json {
    match value {
        Json::Object(members) => {
            let members: BTreeMap<_, _> =
                members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.into_iter().collect()
        }
        // Theirs lists private attributes in the order of a hash map.
        Json::Array(mut items) => {
            items.sort_by_key(Json::to_string);
            items.into_iter().map(sorted).collect()
        }
        other => other,
    }
}

#[test]
fn the_official_client_answers_and_reports_the_same() {
    let server = LaunchDarkly::start(&data());
    // Their client works within a runtime only.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _within = runtime.enter();
    let (theirs, ours) = (theirs(&server), ours(&server));
    eventually("their client is initialized", || theirs.initialized());
    let mut asked = 0;
    let mut ask_everything = || {
        for number in 0..USERS {
            with_user(number, |our, their| {
                for key in FLAGS {
                    let answer = ours.string(key, our, "mine");
                    let wanted = theirs.str_variation(their, key, "mine".to_owned());
                    assert_eq!(answer, wanted, "{key} for user {number}");
                    asked += 1;
                }
            });
        }
    };
    ask_everything();
    let changed = flag("rollout", 8, json!({"fallthrough": {"variation": 2}}));
    server.patch_flag("rollout", &changed.to_string());
    server.send("delete", r#"{"path": "/flags/off", "version": 5}"#);
    // Asking for all flags reports nothing.
    let nobody = ContextBuilder::new("nobody").build().unwrap();
    let their_flags =
        || serde_json::to_value(theirs.all_flags_detail(&nobody, FlagDetailConfig::new())).unwrap();
    eventually("both know of the change", || {
        their_flags().get("off").is_none() && ours.snapshot().flag("off").is_none()
    });
    ask_everything();

    let all = |key: &str| {
        let features = summed(&server, key);
        features.get("absent").map_or(0, |(_, _, counts)| counts.values().sum::<u64>())
    };
    for key in ["sdk-theirs", "sdk-ours"] {
        eventually(key, || all(key) == 2 * USERS as u64);
    }
    assert_eq!(asked, 2 * USERS * FLAGS.len());
    assert_eq!(summed(&server, "sdk-ours"), summed(&server, "sdk-theirs"));
    for kind in ["index", "feature"] {
        let (ours, theirs) =
            (single(&server, "sdk-ours", kind), single(&server, "sdk-theirs", kind));
        assert!(ours.len() > 100, "{kind}: {}", ours.len());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(ours.len(), theirs.len(), "{kind}");
    }
    let kind_of = |key: &str| {
        server
            .payloads()
            .into_iter()
            .filter(|payload| payload.headers["authorization"] == key)
            .flat_map(|payload| payload.events)
            .map(|event| event["kind"].to_string())
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(kind_of("sdk-ours"), kind_of("sdk-theirs"));
}
