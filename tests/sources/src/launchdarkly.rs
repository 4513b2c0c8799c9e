//! A stand-in for LaunchDarkly's streaming and polling services.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::StreamExt;
use tokio::{runtime::Runtime, sync::broadcast};
use tokio_stream::wrappers::BroadcastStream;

/// A running service. Dropping it ends its streams and its port.
pub struct LaunchDarkly {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
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
}

/// The path with its query, and the head of a request.
pub type Asked = (String, HeaderMap);

impl LaunchDarkly {
    pub fn start(data: &str) -> LaunchDarkly {
        LaunchDarkly::at("127.0.0.1:0".parse().unwrap(), data)
    }

    pub fn at(address: SocketAddr, data: &str) -> LaunchDarkly {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let script = Script {
            data: data.to_owned(),
            status: StatusCode::OK,
            streams: Vec::new(),
            polls: Vec::new(),
        };
        let (events, _) = broadcast::channel(1 << 12);
        let shared = Arc::new(Shared { state: Mutex::new(script), events });
        let app = Router::new()
            .route("/all", get(stream))
            .route("/sdk/latest-all", get(poll))
            .with_state(Arc::clone(&shared));
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, app).await });
        LaunchDarkly { address, shared, runtime: Some(runtime) }
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
    }

    pub fn streams(&self) -> Vec<Asked> {
        self.shared.state.lock().unwrap().streams.clone()
    }

    pub fn polls(&self) -> Vec<Asked> {
        self.shared.state.lock().unwrap().polls.clone()
    }
}

impl Drop for LaunchDarkly {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
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
