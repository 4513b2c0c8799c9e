//! Every command of the service, through a small client, against a stand-in for LaunchDarkly.

#[allow(dead_code, reason = "the tests of the sources use the rest")]
#[path = "../../sources/src/launchdarkly.rs"]
mod launchdarkly;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, extract::State, routing::post};
use launchdarkly::LaunchDarkly;
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

/// Longer than anything takes where it works.
const PATIENCE: Duration = Duration::from_secs(30);

/// The service, running, and the harness's side of it.
struct Harness {
    url: String,
    runtime: Runtime,
}

/// One client of the service.
struct Client(String);

impl Harness {
    fn start() -> Harness {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let url = serve(&runtime, modelgate_contract_tests::app().0);
        Harness { url, runtime }
    }

    fn create(&self, configuration: Json) -> Result<Client, u16> {
        let body = json!({"tag": "test", "configuration": configuration}).to_string();
        match ureq::post(&self.url).send(body) {
            Ok(answer) => {
                let location = answer.headers()["location"].to_str().unwrap().to_owned();
                assert!(location.starts_with(&self.url), "{location}");
                Ok(Client(location))
            }
            Err(ureq::Error::StatusCode(status)) => Err(status),
            Err(error) => panic!("{error}"),
        }
    }

    /// A client of this stand-in that sends events when it is told to.
    fn client(&self, server: &LaunchDarkly, more: Json) -> Client {
        let mut configuration = json!({
            "credential": "sdk-key",
            "streaming": {"baseUri": server.url(), "initialRetryDelayMs": 1},
            "events": {"baseUri": server.url(), "flushIntervalMs": 1_000_000,
                "globalPrivateAttributes": ["secret"]},
        });
        for (name, value) in more.as_object().unwrap() {
            configuration[name] = value.clone();
        }
        self.create(configuration).unwrap()
    }
}

impl Client {
    fn try_run(&self, command: &str, parameters: Json) -> Result<Json, u16> {
        let body = json!({"command": command, command: parameters}).to_string();
        match ureq::post(&self.0).send(body) {
            Ok(mut answer) => {
                let text = answer.body_mut().read_to_string().unwrap();
                Ok(if text.is_empty() { Json::Null } else { serde_json::from_str(&text).unwrap() })
            }
            Err(ureq::Error::StatusCode(status)) => Err(status),
            Err(error) => panic!("{error}"),
        }
    }

    fn run(&self, command: &str, parameters: Json) -> Json {
        self.try_run(command, parameters).unwrap()
    }

    fn evaluate(&self, flag: &str, value_type: &str, default: Json, detail: bool) -> Json {
        self.run(
            "evaluate",
            json!({"flagKey": flag, "context": user(), "valueType": value_type,
                "defaultValue": default, "detail": detail}),
        )
    }

    /// The events of the payload that a flush sends.
    fn flush(&self, server: &LaunchDarkly) -> Vec<Json> {
        let before = server.payloads().len();
        assert_eq!(self.run("flushEvents", Json::Null), Json::Null);
        eventually("a payload", || server.payloads().len() > before);
        server.payloads().pop().unwrap().events
    }

    fn close(self) {
        assert_eq!(ureq::delete(&self.0).call().unwrap().status(), 204);
        assert!(ureq::delete(&self.0).call().is_err(), "it is gone");
    }
}

fn serve(runtime: &Runtime, app: Router) -> String {
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(async move { axum::serve(listener, app).await });
    url
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::yield_now();
    }
}

fn user() -> Json {
    json!({"kind": "user", "key": "ada", "secret": "hidden"})
}

fn data() -> String {
    let flag = |key: &str, variations: Json| {
        json!({"key": key, "version": 3, "on": true, "salt": "s", "trackEvents": true,
            "variations": variations, "fallthrough": {"variation": 1}})
    };
    json!({"flags": {
        "switch": flag("switch", json!([false, true])),
        "number": flag("number", json!([0, 2.5])),
        "text": flag("text", json!(["a", "b"])),
        "object": flag("object", json!([{}, {"x": [1]}])),
    }, "segments": {}})
    .to_string()
}

#[test]
fn the_service_says_what_it_can_and_refuses_what_it_cannot_read() {
    let harness = Harness::start();
    let text = ureq::get(&harness.url).call().unwrap().body_mut().read_to_string().unwrap();
    let status: Json = serde_json::from_str(&text).unwrap();
    assert_eq!(status["name"], "modelgate");
    assert!(status["clientVersion"].as_str().is_some_and(|version| version.contains('.')));
    let capabilities = status["capabilities"].as_array().unwrap();
    assert!(capabilities.contains(&json!("server-side")));
    assert_eq!(harness.create(json!({"credential": 3})).err(), Some(400));
    assert_eq!(harness.create(json!({"credential": "k", "dataSystem": {}})).err(), Some(400));
    let server = LaunchDarkly::start(&data());
    let client = harness.client(&server, json!({}));
    assert_eq!(client.try_run("migrationOperation", json!({})), Err(400));
    assert_eq!(client.try_run("evaluate", json!({"flagKey": 3})), Err(400));
    assert_eq!(client.try_run("evaluate", Json::Null), Err(400));
    client.close();
}

#[test]
fn flags_answer_in_every_type_with_and_without_detail() {
    let (harness, server) = (Harness::start(), LaunchDarkly::start(&data()));
    let client = harness.client(&server, json!({}));
    let reason = json!({"kind": "FALLTHROUGH"});
    for (flag, value_type, default, value) in [
        ("switch", "bool", json!(false), json!(true)),
        ("number", "int", json!(7), json!(2)),
        ("number", "double", json!(7), json!(2.5)),
        ("text", "string", json!("c"), json!("b")),
        ("object", "any", Json::Null, json!({"x": [1]})),
    ] {
        let plain = client.evaluate(flag, value_type, default.clone(), false);
        assert_eq!(plain, json!({"value": value}));
        let detail = client.evaluate(flag, value_type, default, true);
        assert_eq!(detail, json!({"value": value, "variationIndex": 1, "reason": reason}));
    }
    let wrong = client.evaluate("text", "bool", json!(true), true);
    assert_eq!(
        wrong,
        json!({"value": true, "variationIndex": null,
            "reason": {"kind": "ERROR", "errorKind": "WRONG_TYPE"}})
    );
    let asked = json!({"flagKey": "text", "user": {"key": "old"}, "valueType": "string",
        "defaultValue": "c", "detail": false});
    assert_eq!(client.run("evaluate", asked), json!({"value": "b"}));
    let nobody = json!({"flagKey": "text", "context": {"kind": "user", "key": ""},
        "valueType": "string", "defaultValue": "c", "detail": true});
    assert_eq!(client.run("evaluate", nobody)["reason"]["errorKind"], "USER_NOT_SPECIFIED");
    let state = client.run("evaluateAll", json!({"context": user(), "withReasons": true}));
    assert_eq!(state["state"]["text"], "b");
    assert_eq!(
        state["state"]["$flagsState"]["text"],
        json!({"variation": 1, "version": 3, "trackEvents": true, "reason": reason})
    );
    client.close();
}

#[test]
fn events_come_when_they_are_flushed() {
    let (harness, server) = (Harness::start(), LaunchDarkly::start(&data()));
    let client = harness.client(
        &server,
        json!({"tags": {"applicationId": "shop"},
        "wrapper": {"name": "wrapping", "version": "2"}}),
    );
    let shown = json!({"kind": "user", "key": "ada", "_meta": {"redactedAttributes": ["secret"]}});
    client.run("identifyEvent", json!({"context": user()}));
    let events = client.flush(&server);
    assert_eq!((&events[0]["kind"], &events[0]["context"]), (&json!("identify"), &shown));
    client.run(
        "customEvent",
        json!({"eventKey": "bought", "context": user(), "data": {"a": 1}, "metricValue": 2.5}),
    );
    let events = client.flush(&server);
    assert_eq!(events.len(), 1, "who was identified needs no index event");
    assert_eq!(events[0]["kind"], "custom");
    assert_eq!((&events[0]["key"], &events[0]["context"]), (&json!("bought"), &shown));
    assert_eq!((&events[0]["data"], &events[0]["metricValue"]), (&json!({"a": 1}), &json!(2.5)));
    client.evaluate("text", "string", json!("c"), true);
    let events = client.flush(&server);
    let feature = events.iter().find(|event| event["kind"] == "feature").unwrap();
    assert_eq!(feature["reason"], json!({"kind": "FALLTHROUGH"}));
    assert!(events.iter().any(|event| event["kind"] == "summary"));
    let headers = server.payloads().pop().unwrap().headers;
    assert_eq!(headers["x-launchdarkly-tags"], "application-id/shop");
    assert_eq!(headers["x-launchdarkly-wrapper"], "wrapping/2");
    client.close();
}

#[test]
fn contexts_are_built_converted_and_hashed() {
    let (harness, server) = (Harness::start(), LaunchDarkly::start(&data()));
    let client = harness.create(json!({"credential": "sdk-01234567-89ab-cdef-0123-456789abcdef",
        "streaming": {"baseUri": server.url()}}));
    let client = client.unwrap();
    let output = |answer: Json| -> Json {
        serde_json::from_str(answer["output"].as_str().unwrap_or_else(|| panic!("{answer}")))
            .unwrap()
    };
    let single = json!({"single": {"kind": "org", "key": "acme", "name": "Acme", "anonymous": true,
        "private": ["plan"], "custom": {"plan": "pro", "none": null}}});
    assert_eq!(
        output(client.run("contextBuild", single)),
        json!({"kind": "org", "key": "acme", "name": "Acme", "anonymous": true, "plan": "pro",
            "_meta": {"privateAttributes": ["plan"]}})
    );
    let multi = json!({"multi": [{"kind": "org", "key": "acme"}, {"key": "ada"}]});
    assert_eq!(
        output(client.run("contextBuild", multi)),
        json!({"kind": "multi", "org": {"key": "acme"}, "user": {"key": "ada"}})
    );
    assert!(client.run("contextBuild", json!({"single": {"key": ""}}))["error"].is_string());
    assert!(
        client.run("contextBuild", json!({"single": {"kind": "a b", "key": "x"}}))["error"]
            .is_string()
    );
    let old = json!({"input": r#"{"key": "a", "email": "e", "privateAttributeNames": ["email"]}"#});
    assert_eq!(
        output(client.run("contextConvert", old)),
        json!({"kind": "user", "key": "a", "email": "e",
            "_meta": {"privateAttributes": ["email"]}})
    );
    assert!(client.run("contextConvert", json!({"input": "{"}))["error"].is_string());
    let hash =
        client.run("secureModeHash", json!({"context": {"kind": "user", "key": "user-key-123"}}));
    assert_eq!(hash["result"], "73df666a13f2c474e50aa34ca5a761e89abb737fb139ff65fdde7fa85c9dcacd");
    let status = client.run("getBigSegmentStoreStatus", Json::Null);
    assert_eq!(status, json!({"available": false, "stale": false}));
    client.close();
}

#[test]
fn big_segments_are_asked_of_the_harness_in_the_midst_of_an_evaluation() {
    let data = json!({"flags": {"m": {"key": "m", "version": 1, "on": true, "salt": "s",
        "variations": ["out", "in"], "fallthrough": {"variation": 0}, "rules": [
            {"id": "r", "variation": 1, "clauses": [
                {"attribute": "", "op": "segmentMatch", "values": ["beta"]}]}]}},
        "segments": {"beta": {"key": "beta", "version": 1, "unbounded": true, "generation": 2}}});
    let (harness, server) = (Harness::start(), LaunchDarkly::start(&data.to_string()));
    let told: Arc<Mutex<Vec<Json>>> = Arc::default();
    let members = |State(told): State<Arc<Mutex<Vec<Json>>>>, body: String| async move {
        told.lock().unwrap().push(serde_json::from_str(&body).unwrap());
        json!({"values": {"beta.g2": true, "other.g1": null}}).to_string()
    };
    // In a year that is far away the store is never stale.
    let metadata = || async { json!({"lastUpToDate": 32_503_680_000_000_u64}).to_string() };
    let app = Router::new()
        .route("/store/getMembership", post(members))
        .route("/store/getMetadata", post(metadata))
        .with_state(Arc::clone(&told));
    let url = serve(&harness.runtime, app) + "/store";
    let client = harness.client(
        &server,
        json!({"bigSegments": {"callbackUri": url, "userCacheSize": 10, "userCacheTimeMs": 600_000,
            "statusPollIntervalMs": 600_000, "staleAfterMs": 600_000}}),
    );
    let status = client.run("getBigSegmentStoreStatus", Json::Null);
    assert_eq!(status, json!({"available": true, "stale": false}));
    for _ in 0..2 {
        let answer = client.evaluate("m", "string", json!("none"), true);
        assert_eq!(answer["value"], "in");
        assert_eq!(answer["reason"]["bigSegmentsStatus"], "HEALTHY");
    }
    // The base64 of the SHA-256 of `ada`, by Python's hashlib; asked for once.
    let hash = "/e5DDUC9V97qwYbNl5ADPQ8G+QmogG585ucXq3x9UCk=";
    assert_eq!(*told.lock().unwrap(), [json!({"contextHash": hash})]);
    client.close();
}

#[test]
fn a_store_of_big_segments_that_fails_is_told_of() {
    let (harness, server) = (Harness::start(), LaunchDarkly::start(&data()));
    let url = serve(&harness.runtime, Router::new());
    let client = harness.client(&server, json!({"bigSegments": {"callbackUri": url}}));
    let status = client.run("getBigSegmentStoreStatus", Json::Null);
    assert_eq!(status, json!({"available": false, "stale": false}));
    client.close();
}

#[test]
fn hooks_tell_of_their_stages_unless_they_fail() {
    let (harness, server) = (Harness::start(), LaunchDarkly::start(&data()));
    let told: Arc<Mutex<Vec<Json>>> = Arc::default();
    let receive = |State(told): State<Arc<Mutex<Vec<Json>>>>, body: String| async move {
        told.lock().unwrap().push(serde_json::from_str(&body).unwrap());
    };
    let app = Router::new().route("/", post(receive)).with_state(Arc::clone(&told));
    let url = serve(&harness.runtime, app);
    let hooks = json!({"hooks": {"hooks": [
        {"name": "one", "callbackUri": url, "data": {"beforeEvaluation": {"x": "y"}}},
        {"name": "two", "callbackUri": url, "errors": {"beforeEvaluation": "no", "afterTrack": "no"}},
    ]}});
    let client = harness.client(&server, hooks);
    let answer = client.evaluate("text", "string", json!("c"), true);
    let told = || std::mem::take(&mut *told.lock().unwrap());
    let calls = told();
    let stages: Vec<_> = calls.iter().map(|call| call["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["beforeEvaluation", "afterEvaluation", "afterEvaluation"]);
    let series = &calls[0]["evaluationSeriesContext"];
    assert_eq!((&series["flagKey"], &series["defaultValue"]), (&json!("text"), &json!("c")));
    assert_eq!(series["context"], user());
    assert_eq!(calls[1]["evaluationSeriesData"], json!({}), "its first stage failed");
    assert_eq!(calls[2]["evaluationSeriesData"], json!({"x": "y"}));
    assert_eq!(calls[2]["evaluationDetail"], answer);
    client.run(
        "customEvent",
        json!({"eventKey": "bought", "context": user(), "metricValue": 2,
        "omitNullData": true}),
    );
    let calls = told();
    assert_eq!(calls.len(), 1);
    assert_eq!(
        calls[0],
        json!({"stage": "afterTrack", "trackSeriesContext": {"key": "bought", "context": user(),
            "metricValue": 2.0}})
    );
    client.close();
}

#[test]
fn a_client_may_start_without_flags_where_that_is_allowed() {
    let (harness, server) = (Harness::start(), LaunchDarkly::start(&data()));
    server.set_status(401);
    let configuration = |can_fail: bool| {
        json!({"credential": "k", "initCanFail": can_fail, "startWaitTimeMs": 60_000,
            "streaming": {"baseUri": server.url()}})
    };
    assert_eq!(harness.create(configuration(false)).err(), Some(500));
    let client = harness.create(configuration(true)).unwrap();
    let answer = client.evaluate("text", "string", json!("c"), true);
    assert_eq!(answer["value"], "c");
    assert_eq!(answer["reason"], json!({"kind": "ERROR", "errorKind": "CLIENT_NOT_READY"}));
    let state = client.run("evaluateAll", json!({"context": user()}));
    assert_eq!(state["state"], json!({"$flagsState": {}, "$valid": false}));
    client.close();
}

#[test]
fn a_client_polls_where_it_is_told_to() {
    let (harness, server) = (Harness::start(), LaunchDarkly::start(&data()));
    let client = harness
        .create(json!({"credential": "k", "polling": {"pollIntervalMs": 1000, "filter": "models"},
            "serviceEndpoints": {"polling": server.url(), "events": server.url()}, "events": {
            "enableGzip": true}}))
        .unwrap();
    assert_eq!(client.evaluate("text", "string", json!("c"), false), json!({"value": "b"}));
    assert_eq!(server.polls()[0].0, "/sdk/latest-all?filter=models");
    assert!(server.streams().is_empty());
    client.flush(&server);
    assert_eq!(server.payloads()[0].headers["content-encoding"], "gzip");
    client.close();
}

#[test]
fn the_service_stops_when_it_is_told_to() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (app, stop) = modelgate_contract_tests::app();
    let harness = Harness::start();
    let url = serve(&harness.runtime, app);
    assert_eq!(ureq::delete(&url).call().unwrap().status(), 204);
    runtime.block_on(async { tokio::time::timeout(PATIENCE, stop.notified()).await }).unwrap();
}
