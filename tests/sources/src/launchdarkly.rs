//! A stand-in for LaunchDarkly's services: streaming, polling, and those that take events.

use std::{
    collections::VecDeque,
    io::Read,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use flate2::read::GzDecoder;
use futures_util::StreamExt;
use serde_json::Value as Json;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

use crate::server::{Server, anywhere};

/// A running service. Dropping it ends its streams and its port.
pub struct LaunchDarkly {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    #[expect(dead_code, reason = "held to keep it running")]
    server: Server,
}

struct Shared {
    state: Mutex<Script>,
    events: broadcast::Sender<String>,
}

struct Script {
    /// The data of a `put`, and what polling answers.
    data: String,
    /// What streams and polls answer instead of 200.
    status: StatusCode,
    streams: Vec<Asked>,
    polls: Vec<Asked>,
    /// What the next payloads are answered; 202 when there is nothing more.
    answers: VecDeque<Answer>,
    payloads: Vec<Payload>,
    diagnostics: Vec<Json>,
}

/// What a payload of events is answered.
#[derive(Clone, Debug)]
pub enum Answer {
    Status(u16),
    /// 429 with `Retry-After`.
    Later(u64),
    /// 202, by a server whose clock shows this.
    At(&'static str),
    /// Taken, and never answered.
    Hang,
}

/// A payload of events that has arrived.
#[derive(Clone, Debug)]
pub struct Payload {
    pub headers: HeaderMap,
    pub events: Vec<Json>,
}

impl Payload {
    pub fn id(&self) -> &str {
        self.headers["x-launchdarkly-payload-id"].to_str().unwrap()
    }

    pub fn of_kind(&self, kind: &str) -> Vec<Json> {
        self.events.iter().filter(|event| event["kind"] == kind).cloned().collect()
    }
}

/// The path with its query, and the head of a request.
pub type Asked = (String, HeaderMap);

impl LaunchDarkly {
    pub fn start(data: &str) -> LaunchDarkly {
        LaunchDarkly::at(anywhere(), data)
    }

    pub fn at(address: SocketAddr, data: &str) -> LaunchDarkly {
        let script = Script {
            data: data.to_owned(),
            status: StatusCode::OK,
            streams: Vec::new(),
            polls: Vec::new(),
            answers: VecDeque::new(),
            payloads: Vec::new(),
            diagnostics: Vec::new(),
        };
        let (events, _) = broadcast::channel(1 << 12);
        let shared = Arc::new(Shared { state: Mutex::new(script), events });
        let app = Router::new()
            .route("/all", get(stream))
            .route("/sdk/latest-all", get(poll))
            .route("/bulk", post(bulk))
            .route("/diagnostic", post(diagnostic))
            .with_state(Arc::clone(&shared));
        let server = Server::of(address, app);
        LaunchDarkly { address: server.address, shared, server }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What streams begin with, and polls answer, from now on.
    pub fn set_data(&self, data: &str) {
        self.shared.state.lock().unwrap().data = data.to_owned();
    }

    pub fn set_status(&self, status: u16) {
        self.shared.state.lock().unwrap().status = StatusCode::from_u16(status).unwrap();
    }

    /// Sends this event to whoever listens.
    pub fn send(&self, event: &str, data: &str) {
        let _ = self.shared.events.send(format!("event: {event}\ndata: {data}\n\n"));
    }

    /// Sends bytes as they are.
    pub fn send_raw(&self, text: &str) {
        let _ = self.shared.events.send(text.to_owned());
    }

    pub fn patch_flag(&self, key: &str, flag: &str) {
        self.send("patch", &format!(r#"{{"path": "/flags/{key}", "data": {flag}}}"#));
    }

    /// Forgets what it was asked.
    pub fn forget(&self) {
        let mut script = self.shared.state.lock().unwrap();
        (script.streams, script.polls) = (Vec::new(), Vec::new());
        (script.payloads, script.diagnostics) = (Vec::new(), Vec::new());
    }

    pub fn streams(&self) -> Vec<Asked> {
        self.shared.state.lock().unwrap().streams.clone()
    }

    /// Answers the next payloads so.
    pub fn answer_payloads(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.state.lock().unwrap().answers.extend(answers);
    }

    /// Every payload that arrived, whatever it was answered.
    pub fn payloads(&self) -> Vec<Payload> {
        self.shared.state.lock().unwrap().payloads.clone()
    }

    /// Every event of this kind, of each payload once.
    pub fn events(&self, kind: &str) -> Vec<Json> {
        let mut known = Vec::new();
        let mut events = Vec::new();
        for payload in self.payloads() {
            if !known.contains(&payload.id().to_owned()) {
                known.push(payload.id().to_owned());
                events.extend(payload.of_kind(kind));
            }
        }
        events
    }

    /// How often this flag answered with each variation, or without one, by all summaries.
    pub fn counted(&self, flag: &str) -> Vec<(Option<u64>, u64)> {
        let mut counts = std::collections::BTreeMap::new();
        for summary in self.events("summary") {
            let counters = summary["features"][flag]["counters"].as_array().cloned();
            for counter in counters.unwrap_or_default() {
                *counts.entry(counter["variation"].as_u64()).or_insert(0) +=
                    counter["count"].as_u64().unwrap();
            }
        }
        counts.into_iter().collect()
    }

    pub fn diagnostics(&self) -> Vec<Json> {
        self.shared.state.lock().unwrap().diagnostics.clone()
    }

    pub fn polls(&self) -> Vec<Asked> {
        self.shared.state.lock().unwrap().polls.clone()
    }
}

async fn stream(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Response {
    // Listens before the data is read: a change in between comes twice rather than never.
    let changes = BroadcastStream::new(shared.events.subscribe());
    let mut script = shared.state.lock().unwrap();
    script.streams.push((uri.to_string(), headers));
    if script.status != StatusCode::OK {
        return script.status.into_response();
    }
    let data = script.data.replace('\n', " ");
    let put = format!("event: put\ndata: {{\"path\": \"/\", \"data\": {data}}}\n\n");
    let first = futures_util::stream::once(async move { Ok(put) });
    let body = Body::from_stream(first.chain(changes));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

async fn poll(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Response {
    let mut script = shared.state.lock().unwrap();
    let tag = format!("\"{}\"", script.data.len());
    let same = headers.get(header::IF_NONE_MATCH).is_some_and(|held| *held == *tag);
    script.polls.push((uri.to_string(), headers));
    if script.status != StatusCode::OK {
        return script.status.into_response();
    }
    if same {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    ([(header::ETAG, tag)], script.data.clone()).into_response()
}

async fn bulk(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let body = if headers.get(header::CONTENT_ENCODING).is_some_and(|value| value == "gzip") {
        let mut text = Vec::new();
        GzDecoder::new(&body[..]).read_to_end(&mut text).unwrap();
        text
    } else {
        body.to_vec()
    };
    let events = serde_json::from_slice(&body).unwrap();
    let answer = {
        let mut script = shared.state.lock().unwrap();
        script.payloads.push(Payload { headers, events });
        script.answers.pop_front().unwrap_or(Answer::Status(202))
    };
    match answer {
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Later(seconds) => {
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds)]).into_response()
        }
        Answer::At(date) => (StatusCode::ACCEPTED, [(header::DATE, date)]).into_response(),
        Answer::Hang => std::future::pending().await,
    }
}

async fn diagnostic(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    let event = serde_json::from_slice(&body).unwrap();
    shared.state.lock().unwrap().diagnostics.push(event);
    StatusCode::ACCEPTED
}
