//! Two versions of a digits model behind actix-web: routed by a flag file, v2 shadowed,
//! comparisons written to a file. The same service as `examples/axum.rs`, to the byte.
//!
//! ```sh
//! cargo run --release --manifest-path examples/actix/Cargo.toml
//! ```

#[path = "../../service/mod.rs"]
pub mod service;

use std::{error::Error, panic::AssertUnwindSafe};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer, Responder,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{StatusCode, header},
    middleware::{self, Next},
    web,
};
use futures_util::FutureExt;
use service::{Caller, Config, LARGEST_BODY, Reply, SHUTDOWN, Service};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    service::log_to_stderr();
    let config = Config::from_environment()?;
    let service = Service::start(&config)?;
    let shared = service.clone();
    let server = HttpServer::new(move || app(shared.clone()))
        .bind(&config.address)?
        .shutdown_timeout(SHUTDOWN.as_secs());
    service::print_what_to_try(&config);
    // Ends after the requests in flight at SIGTERM, and at once at ctrl-c.
    server.run().await?;
    service.flush();
    Ok(())
}

/// The whole service; a test drives it without a network.
pub fn app(
    service: Service,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(web::Data::new(service))
        .app_data(web::PayloadConfig::new(LARGEST_BODY))
        .wrap(middleware::from_fn(contain_panics))
        .service(
            web::resource("/predict").post(predict).default_service(web::to(method_not_allowed)),
        )
        .service(looked_at("/", Service::page))
        .service(looked_at("/report.json", Service::report))
        .service(looked_at("/healthz", Service::health))
        .service(looked_at("/readyz", Service::ready))
        .service(looked_at("/status", Service::status))
        .service(looked_at("/metrics", Service::metrics))
        .service(looked_at("/rollout", Service::rollout))
        .service(
            web::resource("/rollout/{command}")
                .post(command)
                .default_service(web::to(method_not_allowed)),
        )
        .default_service(web::to(async |request: HttpRequest| Reply::not_found(request.path())))
}

/// A command to the rollout, with its reason as the body.
async fn command(
    service: web::Data<Service>,
    path: web::Path<String>,
    request: HttpRequest,
    reason: web::Bytes,
) -> Reply {
    let authorization = request.headers().get("authorization").map(|it| it.as_bytes().to_vec());
    // It may wait for the store: on a thread that is for waiting.
    let done = web::block(move || service.command(&path, authorization.as_deref(), &reason));
    done.await.unwrap_or_else(|_| Reply::panicked())
}

/// A path that is only looked at.
fn looked_at(path: &str, answer: fn(&Service) -> Reply) -> actix_web::Resource {
    web::resource(path)
        .get(move |service: web::Data<Service>| async move { answer(&service) })
        .default_service(web::to(method_not_allowed))
}

async fn predict(
    service: web::Data<Service>,
    request: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
) -> Reply {
    match body {
        Ok(body) => service.predict(caller(&request), &body),
        Err(refused) => {
            let status = refused.as_response_error().status_code();
            Service::body_refused(status.as_u16(), &refused.to_string())
        }
    }
}

fn caller(request: &HttpRequest) -> Caller<'_> {
    let header = |name| request.headers().get(name).map(header::HeaderValue::as_bytes);
    Caller {
        content_type: header("content-type"),
        user_id: header("x-user-id"),
        region: header("x-region"),
    }
}

async fn method_not_allowed(request: HttpRequest) -> Reply {
    Reply::method_not_allowed(request.method().as_str(), request.path())
}

/// Turns a panic in any handler into a 500; without this it would end the connection.
async fn contain_panics(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    match AssertUnwindSafe(next.call(request)).catch_unwind().await {
        Ok(answer) => answer,
        Err(_) => {
            let answer = response(Reply::panicked());
            Err(InternalError::from_response("the handler panicked", answer).into())
        }
    }
}

impl Responder for Reply {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        response(self)
    }
}

fn response(reply: Reply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or_default();
    let mut answer = HttpResponse::build(status);
    if let Some(policy) = reply.policy {
        answer.insert_header((header::CONTENT_SECURITY_POLICY, policy));
    }
    answer.content_type(reply.content_type).body(reply.body)
}
