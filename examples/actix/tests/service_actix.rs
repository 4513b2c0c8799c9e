//! The actix example, driven without a network.

#[path = "../src/main.rs"]
#[allow(dead_code)]
mod example;
#[macro_use]
#[path = "../../../tests/service/mod.rs"]
mod service;

use actix_web::{
    body::to_bytes,
    http::header,
    test::{TestRequest, init_service, try_call_service},
    web,
};

use self::service::{Ask, Client, Got};

/// A closure, because the type of an actix service has no name.
struct Actix<F>(F);

impl<F: AsyncFn(Ask) -> Got> Client for Actix<F> {
    async fn send(&self, ask: Ask) -> Got {
        (self.0)(ask).await
    }
}

async fn client(service: example::service::Service) -> impl Client {
    async fn panicking() -> &'static str {
        panic!("a secret")
    }
    let app = example::app(service).route("/panic", web::get().to(panicking));
    let app = init_service(app).await;
    Actix(async move |ask: Ask| {
        let mut request = TestRequest::with_uri(ask.path).method(ask.method.parse().unwrap());
        for (name, value) in &ask.headers {
            request = request.insert_header((*name, value.as_slice()));
        }
        let request = request.set_payload(ask.body).to_request();
        let response = match try_call_service(&app, request).await {
            Ok(response) => response.map_into_boxed_body().into_parts().1,
            // A server makes the response of an error just so.
            Err(error) => error.error_response(),
        };
        let status = response.status().as_u16();
        let content_type = response.headers().get(header::CONTENT_TYPE).unwrap();
        let content_type = content_type.to_str().unwrap().to_owned();
        let body = to_bytes(response.into_body()).await.unwrap().to_vec();
        Got { status, content_type, body }
    })
}

test_service!(actix_web::test, client);
