//! A stand-in for an Unleash server, with the stream and the deltas that the open-source one has
//! not.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

use crate::server::{Server, anywhere};

/// A running server. Dropping it ends its streams and its port.
pub struct Unleash {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    #[expect(dead_code, reason = "held to keep it running")]
    server: Server,
}

/// What the server is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    Features,
    Delta,
    Stream,
    Register,
    Metrics,
}

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// As it should.
    Well,
    Status(u16),
    /// With this status, and the wish to be left alone for so many seconds.
    RetryAfter(u16, u64),
    /// With 400 if the report has a toggle or an impact metric of this name.
    Refuses(&'static str),
    /// Not at all.
    Hang,
    /// As a stream that brings signs of life and nothing else.
    Mute,
}

/// A request: its path and query, its head, its body, and whether it was answered well.
#[derive(Clone, Debug)]
pub struct Asked {
    pub uri: String,
    pub headers: HeaderMap,
    pub body: Value,
    pub well: bool,
}

/// How often a toggle was on, was off, and gave each variant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    pub yes: u64,
    pub no: u64,
    pub variants: BTreeMap<String, u64>,
}

struct Shared {
    state: Mutex<Script>,
    events: broadcast::Sender<String>,
}

struct Script {
    features: String,
    revision: u64,
    /// What has changed since, with its revision.
    changes: Vec<(u64, String)>,
    /// What a stream is, in place of what has happened.
    recorded: Option<String>,
    /// What deltas are, likewise.
    delta: Option<String>,
    fetch_mode: Option<&'static str>,
    answers: HashMap<Place, Answer>,
    asked: Vec<(Place, Asked)>,
}

impl Unleash {
    /// A server with these features, a JSON array, that has no stream.
    pub fn start(features: &str) -> Unleash {
        Unleash::at(anywhere(), features)
    }

    pub fn at(address: SocketAddr, features: &str) -> Unleash {
        let script = Script {
            features: features.to_owned(),
            revision: 1,
            changes: Vec::new(),
            recorded: None,
            delta: None,
            fetch_mode: None,
            answers: [Place::Stream, Place::Delta].map(|place| (place, Answer::Status(404))).into(),
            asked: Vec::new(),
        };
        let (events, _) = broadcast::channel(1 << 12);
        let shared = Arc::new(Shared { state: Mutex::new(script), events });
        let app = Router::new()
            .route("/api/client/features", get(poll))
            .route("/api/client/delta", get(delta))
            .route("/api/client/streaming", get(stream))
            .route("/api/client/register", post(register))
            .route("/api/client/metrics", post(metrics))
            .with_state(Arc::clone(&shared));
        let server = Server::of(address, app);
        Unleash { address: server.address, shared, server }
    }

    pub fn url(&self) -> String {
        format!("http://{}/api", self.address)
    }

    /// What polls answer, and streams begin with, from now on; the number of this state.
    pub fn set_features(&self, features: &str) -> u64 {
        let mut script = self.shared.state.lock().unwrap();
        script.features = features.to_owned();
        script.revision += 1;
        script.changes.clear();
        script.revision
    }

    /// Makes a change, an event without its number, that leads to these features. Deltas have it
    /// alone; those who ask from before the last [`set_features`](Unleash::set_features) get all.
    pub fn change(&self, event: &str, features: &str) {
        let mut script = self.shared.state.lock().unwrap();
        script.features = features.to_owned();
        script.revision += 1;
        let (number, event) = (script.revision, event.trim_start().strip_prefix('{').unwrap());
        script.changes.push((number, format!(r#"{{"eventId": {number}, {event}"#)));
    }

    /// Numbers changes from here, as another server would.
    pub fn set_revision(&self, revision: u64) {
        let mut script = self.shared.state.lock().unwrap();
        script.revision = revision;
        script.changes.clear();
    }

    /// Streams are this text from now on, and then silent.
    pub fn set_recorded(&self, stream: &str) {
        self.shared.state.lock().unwrap().recorded = Some(stream.to_owned());
    }

    /// Deltas are this body from now on, to whoever asks.
    pub fn set_delta(&self, body: &str) {
        self.shared.state.lock().unwrap().delta = Some(body.to_owned());
    }

    /// What polls say in the header `fetch-mode`.
    pub fn set_fetch_mode(&self, mode: Option<&'static str>) {
        self.shared.state.lock().unwrap().fetch_mode = mode;
    }

    pub fn set(&self, place: Place, answer: Answer) {
        self.shared.state.lock().unwrap().answers.insert(place, answer);
    }

    /// Sends this event to whoever listens.
    pub fn send(&self, event: &str, data: &str) {
        let _ = self.shared.events.send(format!("event: {event}\ndata: {data}\n\n"));
    }

    /// Streams changes: JSON objects without their numbers.
    pub fn update(&self, number: u64, change: &str) {
        let change = change.trim_start().strip_prefix('{').unwrap().replace('\n', " ");
        let data = format!(r#"{{"events": [{{"eventId": {number}, {change}]}}"#);
        self.send("unleash-updated", &data);
    }

    /// Forgets what it was asked.
    pub fn forget(&self) {
        self.shared.state.lock().unwrap().asked = Vec::new();
    }

    /// What was asked of this place.
    pub fn asked(&self, place: Place) -> Vec<Asked> {
        let script = self.shared.state.lock().unwrap();
        let asked = script.asked.iter().filter(|(at, _)| *at == place);
        asked.map(|(_, asked)| asked.clone()).collect()
    }

    /// What of this toggle was reported and taken.
    pub fn usage(&self, toggle: &str) -> Usage {
        let mut usage = Usage::default();
        for asked in self.asked(Place::Metrics).iter().filter(|asked| asked.well) {
            let counts = &asked.body["bucket"]["toggles"][toggle];
            usage.yes += counts["yes"].as_u64().unwrap_or_default();
            usage.no += counts["no"].as_u64().unwrap_or_default();
            for (name, count) in counts["variants"].as_object().into_iter().flatten() {
                *usage.variants.entry(name.clone()).or_default() += count.as_u64().unwrap();
            }
        }
        usage
    }
}

impl Script {
    fn hydration(&self) -> Value {
        let features: Value = serde_json::from_str(&self.features).unwrap();
        let number = self.revision;
        json!({"type": "hydration", "eventId": number, "features": features, "segments": []})
    }
}

impl Shared {
    /// Notes the request; the answer, where it is not the right one.
    async fn met(
        &self,
        place: Place,
        uri: &Uri,
        headers: HeaderMap,
        body: &str,
    ) -> Option<Response> {
        let answer = {
            let mut script = self.state.lock().unwrap();
            let answer = script.answers.get(&place).copied().unwrap_or(Answer::Well);
            let body: Value = serde_json::from_str(body).unwrap_or(Value::Null);
            let answer = match answer {
                Answer::Refuses(name) if reports(&body, name) => Answer::Status(400),
                Answer::Refuses(_) => Answer::Well,
                answer => answer,
            };
            let well = answer == Answer::Well;
            script.asked.push((place, Asked { uri: uri.to_string(), headers, body, well }));
            answer
        };
        let status = |status| StatusCode::from_u16(status).unwrap();
        match answer {
            Answer::Well => None,
            Answer::Status(code) => Some(status(code).into_response()),
            Answer::RetryAfter(code, seconds) => {
                Some((status(code), [(header::RETRY_AFTER, seconds.to_string())]).into_response())
            }
            Answer::Hang | Answer::Refuses(_) => std::future::pending().await,
            Answer::Mute => {
                let signs =
                    futures_util::stream::repeat_with(|| Ok::<_, Infallible>(": alive\n\n"));
                let signs = signs.then(|sign| async move {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    sign
                });
                let kind = [(header::CONTENT_TYPE, "text/event-stream")];
                Some((kind, Body::from_stream(signs)).into_response())
            }
        }
    }
}

async fn poll(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Response {
    let held = headers.get(header::IF_NONE_MATCH).cloned();
    if let Some(answer) = shared.met(Place::Features, &uri, headers, "").await {
        return answer;
    }
    let script = shared.state.lock().unwrap();
    let tag = format!("\"5f3a:{}:v1\"", script.revision);
    if held.is_some_and(|held| held == tag) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let features = &script.features;
    let body = format!(r#"{{"version": 2, "features": {features}, "segments": []}}"#);
    let mut response = ([(header::ETAG, tag)], body).into_response();
    if let Some(mode) = script.fetch_mode {
        response.headers_mut().insert("fetch-mode", mode.parse().unwrap());
    }
    response
}

async fn delta(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Response {
    let held = headers.get(header::IF_NONE_MATCH).and_then(|tag| tag.to_str().ok());
    let held = held.and_then(|tag| tag.trim_matches('"').parse::<u64>().ok());
    if let Some(answer) = shared.met(Place::Delta, &uri, headers, "").await {
        return answer;
    }
    let script = shared.state.lock().unwrap();
    if let Some(body) = &script.delta {
        return ([(header::ETAG, "\"9\"")], body.clone()).into_response();
    }
    if held == Some(script.revision) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let first = script.changes.first().map(|(number, _)| *number);
    let events: Vec<String> = match held {
        Some(held) if first.is_some_and(|first| first <= held + 1) && held < script.revision => {
            let newer = script.changes.iter().filter(|(number, _)| *number > held);
            newer.map(|(_, event)| event.clone()).collect()
        }
        _ => vec![script.hydration().to_string()],
    };
    let body = format!(r#"{{"events": [{}]}}"#, events.join(","));
    ([(header::ETAG, format!("\"{}\"", script.revision))], body).into_response()
}

async fn stream(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Response {
    // Listens before the features are read: a change in between comes twice rather than never.
    let changes = BroadcastStream::new(shared.events.subscribe());
    if let Some(answer) = shared.met(Place::Stream, &uri, headers, "").await {
        return answer;
    }
    let first = {
        let script = shared.state.lock().unwrap();
        let data = || json!({"events": [script.hydration()]});
        let hydrated = || format!("event: unleash-connected\ndata: {}\n\n", data());
        script.recorded.clone().unwrap_or_else(hydrated)
    };
    let first = futures_util::stream::once(async move { Ok(first) });
    let body = Body::from_stream(first.chain(changes));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

async fn register(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let answer = shared.met(Place::Register, &uri, headers, &body).await;
    answer.unwrap_or_else(|| StatusCode::ACCEPTED.into_response())
}

async fn metrics(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let answer = shared.met(Place::Metrics, &uri, headers, &body).await;
    answer.unwrap_or_else(|| StatusCode::ACCEPTED.into_response())
}

/// Whether a report has a toggle or an impact metric of this name.
fn reports(report: &Value, name: &str) -> bool {
    let metrics = report["impactMetrics"].as_array();
    report["bucket"]["toggles"][name].is_object()
        || metrics.is_some_and(|metrics| metrics.iter().any(|metric| metric["name"] == name))
}
