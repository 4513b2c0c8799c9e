//! A stand-in for Flagsmith: its API, and the real-time service beside it.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

use crate::server::{Server, anywhere};

/// A key that the server knows.
pub const SERVER_KEY: &str = "ser.hidden";

/// By which the environment is known to the public.
pub const CLIENT_KEY: &str = "public";

/// A second key that the server knows, and the environment that it belongs to.
pub const OTHER_SERVER_KEY: &str = "ser.other";
pub const OTHER_CLIENT_KEY: &str = "other-public";

/// A running server. Dropping it ends its streams and its port.
pub struct Flagsmith {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    #[expect(dead_code, reason = "held to keep it running")]
    server: Server,
}

/// What the server is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    Document,
    Stream,
    /// The analytics of the first version.
    First,
    /// Those of the second.
    Second,
}

/// How it answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// As it should.
    Well,
    Status(u16),
    /// With this status, and the wish to be left alone for so many seconds.
    RetryAfter(u16, u64),
    /// With this status, content type and body.
    Body(u16, &'static str, &'static str),
    /// Not at all.
    Hang,
}

/// A request: its path and query, its head, its body, and whether it was answered well.
#[derive(Clone, Debug)]
pub struct Asked {
    pub uri: String,
    pub headers: HeaderMap,
    pub body: Value,
    pub well: bool,
}

struct Shared {
    state: Mutex<Script>,
    events: broadcast::Sender<String>,
}

struct Script {
    document: String,
    /// When it is said to have changed last, in the header by which requests are conditional.
    modified: u64,
    /// Further pages of identity overrides.
    pages: Vec<Value>,
    answers: HashMap<Place, Answer>,
    asked: Vec<(Place, Asked)>,
}

/// An environment of these features, JSON arrays or objects as Flagsmith sends them.
pub fn document(updated_at: &str, features: &[Value]) -> Value {
    json!({
        "id": 1, "api_key": CLIENT_KEY, "name": "Production", "updated_at": updated_at,
        "project": {"id": 1, "name": "fraud", "hide_disabled_flags": false, "segments": [],
                    "organisation": {"id": 1, "name": "modelgate"}},
        "feature_states": features, "identity_overrides": [],
        "use_identity_composite_key_for_hashing": true,
    })
}

/// A feature that is on and has this value.
pub fn feature(id: u64, name: &str, value: &str) -> Value {
    json!({
        "feature": {"id": id, "name": name, "type": "STANDARD"}, "enabled": true,
        "django_id": id, "feature_state_value": value, "feature_segment": null,
        "multivariate_feature_state_values": [],
    })
}

/// What this identity has instead.
pub fn override_of(identifier: &str, feature: Value) -> Value {
    json!({
        "identifier": identifier, "composite_key": format!("{CLIENT_KEY}_{identifier}"),
        "environment_api_key": CLIENT_KEY, "identity_features": [feature], "identity_traits": [],
    })
}

/// What a real server sent, where the folder that `MODELGATE_PAYLOADS` names is there.
pub fn captured(name: &str) -> Option<String> {
    let Some(folder) = std::env::var_os("MODELGATE_PAYLOADS").map(PathBuf::from) else {
        println!("MODELGATE_PAYLOADS is not set: {name} was not read");
        return None;
    };
    Some(fs::read_to_string(folder.join(name)).unwrap())
}

impl Flagsmith {
    pub fn start(document: impl ToString) -> Flagsmith {
        Flagsmith::at(anywhere(), document)
    }

    pub fn at(address: SocketAddr, document: impl ToString) -> Flagsmith {
        let script = Script {
            document: document.to_string(),
            modified: 1,
            pages: Vec::new(),
            answers: HashMap::new(),
            asked: Vec::new(),
        };
        let (events, _) = broadcast::channel(1 << 12);
        let shared = Arc::new(Shared { state: Mutex::new(script), events });
        let app = Router::new()
            .route("/api/v1/environment-document/", get(environment))
            .route("/api/v1/analytics/flags/", post(first))
            .route("/api/v2/analytics/flags/", post(second))
            .route("/sse/environments/{key}/stream", get(stream))
            .with_state(Arc::clone(&shared));
        let server = Server::of(address, app);
        Flagsmith { address: server.address, shared, server }
    }

    pub fn url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    pub fn realtime_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What is answered from now on.
    pub fn set_document(&self, document: impl ToString) {
        let mut script = self.shared.state.lock().unwrap();
        script.document = document.to_string();
        script.modified += 1;
    }

    /// The identity overrides of each further page.
    pub fn set_pages(&self, pages: &[Value]) {
        self.shared.state.lock().unwrap().pages = pages.to_vec();
    }

    pub fn set(&self, place: Place, answer: Answer) {
        self.shared.state.lock().unwrap().answers.insert(place, answer);
    }

    /// Sends this event to whoever listens.
    pub fn send(&self, event: &str, data: &str) {
        let _ = self.shared.events.send(format!("event: {event}\ndata: {data}\n\n"));
    }

    /// Says that the environment has changed: seconds or milliseconds since 1970.
    pub fn announce(&self, updated_at: impl ToString) {
        let updated_at = updated_at.to_string();
        self.send("environment_updated", &format!(r#"{{"updated_at": {updated_at}}}"#));
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.shared.events.receiver_count()
    }

    /// Forgets what was asked.
    pub fn forget(&self) {
        self.shared.state.lock().unwrap().asked = Vec::new();
    }

    /// What was asked of this place.
    pub fn asked(&self, place: Place) -> Vec<Asked> {
        let script = self.shared.state.lock().unwrap();
        let asked = script.asked.iter().filter(|(at, _)| *at == place);
        asked.map(|(_, asked)| asked.clone()).collect()
    }

    /// How often this feature was reported on and off, in reports that were taken.
    pub fn usage(&self, feature: &str) -> BTreeMap<bool, u64> {
        let mut usage = BTreeMap::new();
        for asked in self.asked(Place::Second).iter().filter(|asked| asked.well) {
            for one in asked.body["evaluations"].as_array().unwrap() {
                if one["feature_name"] == feature {
                    let on = one["enabled_when_evaluated"].as_bool().unwrap();
                    *usage.entry(on).or_default() += one["count"].as_u64().unwrap();
                }
            }
        }
        usage
    }

    /// How often this feature was reported in the first version.
    pub fn first_usage(&self, feature: &str) -> u64 {
        let asked = self.asked(Place::First).into_iter().filter(|asked| asked.well);
        asked.filter_map(|asked| asked.body[feature].as_u64()).sum()
    }
}

impl Shared {
    /// Notes the request; the answer, where it is not the right one.
    async fn met(
        &self,
        place: Place,
        uri: &Uri,
        headers: &HeaderMap,
        body: &str,
    ) -> Option<Response> {
        let answer = {
            let mut script = self.state.lock().unwrap();
            let answer = script.answers.get(&place).cloned().unwrap_or(Answer::Well);
            let keys = [SERVER_KEY, OTHER_SERVER_KEY];
            let known = headers.get("x-environment-key");
            let known = known.is_some_and(|key| keys.iter().any(|known| key == known));
            let answer = match answer {
                Answer::Well if !known && place != Place::Stream => {
                    Answer::Body(403, "application/json", r#"{"detail": "Invalid key."}"#)
                }
                answer => answer,
            };
            let body = serde_json::from_str(body).unwrap_or(Value::Null);
            let (well, headers) = (answer == Answer::Well, headers.clone());
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
            Answer::Body(code, kind, body) => {
                Some((status(code), [(header::CONTENT_TYPE, kind)], body).into_response())
            }
            Answer::Hang => std::future::pending().await,
        }
    }
}

async fn environment(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Response {
    if let Some(answer) = shared.met(Place::Document, &uri, &headers, "").await {
        return answer;
    }
    let script = shared.state.lock().unwrap();
    let page: usize = match uri.query().and_then(|query| query.split_once("page%3A")) {
        Some((_, page)) => page.parse().unwrap(),
        None => 0,
    };
    let modified = format!("Sun, 22 Nov 2026 07:{:02}:00 GMT", script.modified);
    if headers.get(header::IF_MODIFIED_SINCE).is_some_and(|since| *since == modified) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let body = match page.checked_sub(1).and_then(|page| script.pages.get(page)) {
        Some(overrides) => json!({ "identity_overrides": overrides }).to_string(),
        None => script.document.clone(),
    };
    let kind = "application/json".to_owned();
    let mut response =
        ([(header::CONTENT_TYPE, kind), (header::LAST_MODIFIED, modified)], body).into_response();
    if page < script.pages.len() {
        let next = page + 1;
        let link = format!("</api/v1/environment-document/?page_id=page%3A{next}>; rel=\"next\"");
        response.headers_mut().insert(header::LINK, link.parse().unwrap());
    }
    response
}

async fn stream(
    State(shared): State<Arc<Shared>>,
    Path(key): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let events = BroadcastStream::new(shared.events.subscribe());
    if let Some(answer) = shared.met(Place::Stream, &uri, &headers, "").await {
        return answer;
    }
    if key != CLIENT_KEY && key != OTHER_CLIENT_KEY {
        return StatusCode::NOT_FOUND.into_response();
    }
    let alive = futures_util::stream::once(async { Ok(": connected\n\n".to_owned()) });
    let events = events.filter_map(|event| async { event.ok().map(Ok::<_, Infallible>) });
    let body = Body::from_stream(alive.chain(events));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

async fn first(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let answer = shared.met(Place::First, &uri, &headers, &body).await;
    answer.unwrap_or_else(|| StatusCode::OK.into_response())
}

async fn second(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let answer = shared.met(Place::Second, &uri, &headers, &body).await;
    answer.unwrap_or_else(|| StatusCode::NO_CONTENT.into_response())
}

/// Long enough that no test sees a second poll unless something asks for it.
pub const NEVER: Duration = Duration::from_secs(3600);
