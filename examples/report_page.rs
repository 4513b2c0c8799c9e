//! The page that shows where a rollout stands, behind basic authentication.
//!
//! ```sh
//! MODELGATE_PAGE_PASSWORD=secret cargo run --example report_page
//! curl -u operator:secret localhost:8080/
//! ```

use std::{error::Error, sync::Arc};

use axum::{
    Router,
    extract::Request,
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use modelgate::{
    Context, ModelRouter, Rollout, Shadow,
    compare::Tolerance,
    model_fn,
    report::{CONTENT_SECURITY_POLICY, LivePage, Report},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Ok(password) = std::env::var("MODELGATE_PAGE_PASSWORD") else {
        eprintln!("MODELGATE_PAGE_PASSWORD: found nothing, expected the page's password");
        std::process::exit(2);
    };
    let models = ModelRouter::<[f32], f32>::builder("risk-model")
        .model("v1", model_fn(|row: &[f32]| Ok(row.iter().sum())))
        .model("v2", model_fn(|row: &[f32]| Ok(row.iter().sum::<f32>() + 0.01)))
        .fallback("v1")
        .source(Rollout::percent("v2", 25.0).or("v1").flag("risk-model")?)
        .shadow(Shadow::always().candidate("v2"))
        .compare(Tolerance::absolute(0.1))
        .build()?;
    for user in 0..1_000 {
        models.predict(&Context::new(&format!("user-{user}")), &[0.25, 0.5])?;
    }

    let shown = models.clone();
    let page = LivePage::start(move || Report::builder("risk-model").router(&shown).build())?;
    println!("http://127.0.0.1:8080/, user operator");
    axum::serve(tokio::net::TcpListener::bind("127.0.0.1:8080").await?, app(page, &password))
        .await?;
    Ok(())
}

/// The page, for those who know the password.
fn app(page: LivePage, password: &str) -> Router {
    let expected = format!("Basic {}", BASE64_STANDARD.encode(format!("operator:{password}")));
    let expected: Arc<str> = expected.into();
    Router::new()
        .route(
            "/",
            get(async move || {
                (
                    [(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY)],
                    Html(page.html().to_string()),
                )
            }),
        )
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            let expected = Arc::clone(&expected);
            async move {
                match knows(request.headers().get(header::AUTHORIZATION), &expected) {
                    true => next.run(request).await,
                    false => refused(),
                }
            }
        }))
}

/// Compares in a time that does not tell how much of it was right.
fn knows(found: Option<&header::HeaderValue>, expected: &str) -> bool {
    let found = found.map(header::HeaderValue::as_bytes).unwrap_or_default();
    let differences = found.iter().zip(expected.as_bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    found.len() == expected.len() && differences == 0
}

fn refused() -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"rollout\", charset=\"UTF-8\"")];
    (StatusCode::UNAUTHORIZED, challenge).into_response()
}
