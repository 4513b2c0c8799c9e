//! The least that an axum service needs: state, a handler, errors as statuses.
//!
//! ```sh
//! cargo run --example axum_minimal
//! curl -s localhost:8080/predict -H 'x-user-id: user-42' --json '{"amount": 120, "age": 31}'
//! ```

use std::{error::Error, time::Duration};

use axum::{Json, Router, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use modelgate::{Context, ModelRouter, Rollout, Shadow, compare::Tolerance, model_fn};
use serde::{Deserialize, Serialize};

type Models = ModelRouter<Payment, f64>;

#[derive(Clone, Deserialize)]
struct Payment {
    amount: f64,
    age: f64,
}

#[derive(Serialize)]
struct Answer {
    risk: f64,
    version: String,
}

async fn predict(
    State(models): State<Models>,
    headers: HeaderMap,
    Json(payment): Json<Payment>,
) -> Result<Json<Answer>, StatusCode> {
    let user = headers.get("x-user-id").and_then(|id| id.to_str().ok());
    let context = user.map_or_else(Context::anonymous, Context::new);
    let answer =
        models.predict(&context, &payment).map_err(|refused| match refused.is_invalid_input() {
            true => StatusCode::UNPROCESSABLE_ENTITY,
            false => StatusCode::SERVICE_UNAVAILABLE,
        })?;
    Ok(Json(Answer { risk: *answer.output(), version: answer.version().to_string() }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let models = ModelRouter::builder("risk-model")
        .model("v1", model_fn(|payment: &Payment| Ok(payment.amount / 1_000.0)))
        .model("v2", model_fn(|payment: &Payment| Ok(payment.amount / (10.0 * payment.age))))
        .fallback("v1")
        .source(Rollout::percent("v2", 25.0).or("v1").flag("risk-model")?)
        .shadow(Shadow::always().candidate("v2"))
        .compare(Tolerance::absolute(0.1))
        .build()?;
    let app = Router::new().route("/predict", post(predict)).with_state(models.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    let told_to_stop = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, app).with_graceful_shutdown(told_to_stop).await?;
    models.shutdown(Duration::from_secs(5)); // Ends what still runs in shadow.
    Ok(())
}
