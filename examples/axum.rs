//! Two versions of a digits model behind axum: routed by a flag file, v2 shadowed, comparisons
//! written to a file.
//!
//! ```sh
//! cargo run --release --example axum
//! ```

pub mod service;

use std::{error::Error, panic::AssertUnwindSafe};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, FromRequest, Path, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{AppendHeaders, IntoResponse, Response},
    routing::{get, post},
    serve::ListenerExt,
};
use futures_util::FutureExt;
use service::{Caller, Config, LARGEST_BODY, Reply, SHUTDOWN, Service};
use tokio::{net::TcpListener, signal, time::sleep};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    service::log_to_stderr();
    let config = Config::from_environment()?;
    let service = Service::start(&config)?;
    let listener = TcpListener::bind(&config.address).await?;
    service::print_what_to_try(&config);
    serve(listener, service).await
}

/// Serves until it is told to stop, and then until the requests in flight are answered and their
/// comparisons written.
pub async fn serve(listener: TcpListener, service: Service) -> Result<(), Box<dyn Error>> {
    let listener = listener.tap_io(|connection| {
        // An answer is one small packet: it should not wait for a second one.
        let _ = connection.set_nodelay(true);
    });
    let server = axum::serve(listener, app(service.clone())).with_graceful_shutdown(told_to_stop());
    tokio::select! {
        result = server => result?,
        // A client that never ends its request does not keep the service from stopping.
        () = async { told_to_stop().await; sleep(SHUTDOWN).await } => {}
    }
    service.flush();
    Ok(())
}

/// The whole service; a test drives it without a network.
pub fn app(service: Service) -> Router {
    contain_panics(routes(service))
}

/// The paths and what answers them.
pub fn routes(service: Service) -> Router {
    Router::new()
        .route("/predict", post(predict))
        .route("/", get(async |State(service): State<Service>| service.page()))
        .route("/report.json", get(async |State(service): State<Service>| service.report()))
        .route("/healthz", get(async |State(service): State<Service>| service.health()))
        .route("/readyz", get(async |State(service): State<Service>| service.ready()))
        .route("/status", get(async |State(service): State<Service>| service.status()))
        .route("/metrics", get(async |State(service): State<Service>| service.metrics()))
        .route("/rollout", get(async |State(service): State<Service>| service.rollout()))
        .route("/rollout/{command}", post(command))
        .fallback(async |uri: Uri| Reply::not_found(uri.path()))
        .method_not_allowed_fallback(async |method: Method, uri: Uri| {
            Reply::method_not_allowed(method.as_str(), uri.path())
        })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(service)
}

async fn predict(State(service): State<Service>, mut request: Request) -> Reply {
    // Taken, not cloned: the body does not need them.
    let headers = std::mem::take(request.headers_mut());
    match Bytes::from_request(request, &()).await {
        Ok(body) => service.predict(caller(&headers), &body),
        Err(refused) => Service::body_refused(refused.status().as_u16(), &refused.body_text()),
    }
}

/// A command to the rollout, with its reason as the body.
async fn command(
    State(service): State<Service>,
    Path(command): Path<String>,
    headers: HeaderMap,
    reason: Bytes,
) -> Reply {
    // It may wait for the store: on a thread that is for waiting.
    let done = tokio::task::spawn_blocking(move || {
        let authorization = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        service.command(&command, authorization, &reason)
    });
    done.await.unwrap_or_else(|_| Reply::panicked())
}

fn caller(headers: &HeaderMap) -> Caller<'_> {
    Caller {
        content_type: headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes),
        user_id: headers.get("x-user-id").map(HeaderValue::as_bytes),
        region: headers.get("x-region").map(HeaderValue::as_bytes),
    }
}

/// Turns a panic in any handler into a 500; without this it would end the connection.
pub fn contain_panics(router: Router) -> Router {
    router.layer(axum::middleware::from_fn(
        async |request: Request, next: axum::middleware::Next| {
            let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
            answer.unwrap_or_else(|_| Reply::panicked().into_response())
        },
    ))
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or_default();
        let content_type = HeaderValue::from_static(self.content_type);
        let policy = self
            .policy
            .map(|policy| [(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy))]);
        let content_type = [(header::CONTENT_TYPE, content_type)];
        (status, content_type, policy.map(AppendHeaders), Body::from(self.body)).into_response()
    }
}

/// Waits for ctrl-c or, where there is such a thing, SIGTERM.
async fn told_to_stop() {
    let interrupted = async {
        // Without a handler there is nothing to wait for, and the service goes on.
        if signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match signal::unix::signal(signal::unix::SignalKind::terminate()) {
            Ok(mut terminate) => drop(terminate.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
}
