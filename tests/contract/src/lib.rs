//! The REST service that LaunchDarkly's SDK test harness asks of every SDK: see the README.

mod big_segments;
mod client;
mod hooks;
mod params;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value as Json, json};
use tokio::sync::Notify;

use self::{
    client::{Created, TestClient},
    params::{Command, NewClient},
};

/// What the harness may ask for: only what is true. The README says what is not here, and why.
pub const CAPABILITIES: [&str; 29] = [
    "server-side",
    "server-side-polling",
    "strongly-typed",
    "all-flags-with-reasons",
    "all-flags-client-side-only",
    "all-flags-details-only-for-tracked-flags",
    "context-type",
    "user-type",
    "big-segments",
    "secure-mode-hash",
    "service-endpoints",
    "tags",
    "wrapper",
    "instance-id",
    "filtering",
    "filtering-strict",
    "event-sampling",
    "event-gzip",
    "optional-event-gzip",
    "polling-gzip",
    "inline-context",
    "inline-context-all",
    "anonymous-redaction",
    "omit-anonymous-contexts",
    "evaluation-hooks",
    "track-hooks",
    "http-proxy",
    "tls:verify-peer",
    "tls:custom-ca",
];

/// The clients that there are.
#[derive(Default)]
struct Service {
    clients: Mutex<HashMap<u64, Arc<TestClient>>>,
    counter: AtomicU64,
    stop: Arc<Notify>,
}

/// The service, and what is notified when it is to end.
pub fn app() -> (Router, Arc<Notify>) {
    let service = Arc::new(Service::default());
    let stop = Arc::clone(&service.stop);
    let router = Router::new()
        .route("/", get(status).post(create).delete(quit))
        .route("/clients/{id}", post(command).delete(close))
        .with_state(service);
    (router, stop)
}

async fn status() -> Response {
    axum::Json(json!({
        "name": "modelgate",
        "clientVersion": modelgate_version(),
        "capabilities": CAPABILITIES,
    }))
    .into_response()
}

/// The version that a source gives in its `User-Agent`.
fn modelgate_version() -> &'static str {
    // Of one version with the crate: this package is published nowhere.
    include_str!("../../../Cargo.toml")
        .lines()
        .find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
        .unwrap_or_default()
}

async fn quit(State(service): State<Arc<Service>>) -> StatusCode {
    service.stop.notify_one();
    StatusCode::NO_CONTENT
}

async fn create(State(service): State<Arc<Service>>, headers: HeaderMap, body: Bytes) -> Response {
    let new: NewClient = match serde_json::from_slice(&body) {
        Ok(new) => new,
        Err(error) => return refused(error),
    };
    let created = tokio::task::spawn_blocking(move || TestClient::create(new.configuration)).await;
    let client = match created {
        Ok(Created::Ready(client)) => client,
        Ok(Created::Invalid(error)) => return refused(error),
        Ok(Created::Failed(error)) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, error).into_response();
        }
        Err(error) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response();
        }
    };
    let id = service.counter.fetch_add(1, Ordering::Relaxed) + 1;
    service.clients().insert(id, Arc::new(client));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let location = match host {
        Some(host) => format!("http://{host}/clients/{id}"),
        None => format!("/clients/{id}"),
    };
    (StatusCode::CREATED, [(header::LOCATION, location)]).into_response()
}

async fn command(
    State(service): State<Arc<Service>>,
    Path(id): Path<u64>,
    body: Bytes,
) -> Response {
    let command: Command = match serde_json::from_slice(&body) {
        Ok(command) => command,
        Err(error) => return refused(error),
    };
    let client = service.clients().get(&id).cloned();
    let Some(client) = client else { return StatusCode::NOT_FOUND.into_response() };
    match tokio::task::spawn_blocking(move || client.run(command)).await {
        Ok(Ok(Json::Null)) => StatusCode::ACCEPTED.into_response(),
        Ok(Ok(answer)) => axum::Json(answer).into_response(),
        Ok(Err(error)) => refused(error),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn close(State(service): State<Arc<Service>>, Path(id): Path<u64>) -> StatusCode {
    let client = service.clients().remove(&id);
    let Some(client) = client else { return StatusCode::NOT_FOUND };
    // Its threads are waited for.
    let _ = tokio::task::spawn_blocking(move || drop(client)).await;
    StatusCode::NO_CONTENT
}

fn refused(error: impl ToString) -> Response {
    (StatusCode::BAD_REQUEST, error.to_string()).into_response()
}

impl Service {
    fn clients(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<TestClient>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
