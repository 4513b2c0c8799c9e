//! The harness's side: a small client of the service, and the data that its flags come from.

use std::time::{Duration, Instant};

use axum::Router;
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

use crate::launchdarkly::LaunchDarkly;

/// Longer than anything takes where it works.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The service, running, and the harness's side of it.
pub struct Harness {
    pub url: String,
    pub runtime: Runtime,
}

/// One client of the service.
pub struct Client(String);

impl Harness {
    pub fn start() -> Harness {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let url = serve(&runtime, modelgate_contract_tests::app().0);
        Harness { url, runtime }
    }

    pub fn create(&self, configuration: Json) -> Result<Client, u16> {
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

    /// A client of this stand-in that sends events when it is asked to.
    pub fn client(&self, server: &LaunchDarkly, more: Json) -> Client {
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
    pub fn try_run(&self, command: &str, parameters: Json) -> Result<Json, u16> {
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

    pub fn run(&self, command: &str, parameters: Json) -> Json {
        self.try_run(command, parameters).unwrap()
    }

    pub fn evaluate(&self, flag: &str, value_type: &str, default: Json, detail: bool) -> Json {
        self.run(
            "evaluate",
            json!({"flagKey": flag, "context": user(), "valueType": value_type,
                "defaultValue": default, "detail": detail}),
        )
    }

    /// The events of the payload that a flush sends.
    pub fn flush(&self, server: &LaunchDarkly) -> Vec<Json> {
        let before = server.payloads().len();
        assert_eq!(self.run("flushEvents", Json::Null), Json::Null);
        eventually("a payload", || server.payloads().len() > before);
        server.payloads().pop().unwrap().events
    }

    pub fn close(self) {
        assert_eq!(ureq::delete(&self.0).call().unwrap().status(), 204);
        assert!(ureq::delete(&self.0).call().is_err(), "it is gone");
    }
}

pub fn serve(runtime: &Runtime, app: Router) -> String {
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

pub fn user() -> Json {
    json!({"kind": "user", "key": "ada", "secret": "hidden"})
}

pub fn data() -> String {
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
