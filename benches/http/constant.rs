//! What HTTP alone costs: an axum handler that reads the same body as the service, in the ordinary
//! way, and answers a constant of the same size.

use axum::{Json, Router, http::header, response::IntoResponse, routing::post, serve::ListenerExt};
use serde::Deserialize;
use tokio::net::TcpListener;

#[derive(Deserialize)]
struct Question {
    features: Vec<f32>,
}

const ANSWER: &str = r#"{"label":1,"probabilities":[1.9877078e-7,0.99537843,3.867079e-8,7.87593e-7,0.003757074,1.476544e-6,0.000012008895,3.5367625e-6,0.00079921883,0.000047287387],"model_version":"v1","reason":"TARGETING_MATCH","flag_revision":1,"fell_back":false,"prediction_id":"000102030405060708090a0b0c0d0e0f"}"#;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::var("MODELGATE_ADDR").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(address).await?.tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
    axum::serve(listener, Router::new().route("/predict", post(predict))).await
}

async fn predict(Json(question): Json<Question>) -> impl IntoResponse {
    assert_eq!(question.features.len(), 64);
    ([(header::CONTENT_TYPE, "application/json")], ANSWER)
}
