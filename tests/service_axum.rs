//! The axum example, driven without a network.

#[path = "../examples/axum.rs"]
#[allow(dead_code)]
mod example;
#[macro_use]
mod service;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, header},
    routing::get,
};
use tower::ServiceExt;

use self::service::{Ask, Client, Got};

struct Axum(Router);

impl Client for Axum {
    async fn send(&self, ask: Ask) -> Got {
        let mut request = Request::builder().method(ask.method).uri(ask.path);
        for (name, value) in &ask.headers {
            request = request.header(*name, value.as_slice());
        }
        let request = request.body(Body::from(ask.body)).unwrap();
        let response = self.0.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let content_type = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec();
        Got { status, content_type, body }
    }
}

async fn client(service: example::service::Service) -> Axum {
    async fn panicking() -> &'static str {
        panic!("a secret")
    }
    let routes = example::routes(service).route("/panic", get(panicking));
    Axum(example::contain_panics(routes))
}

test_service!(tokio::test, client);
