//! What HTTP alone costs: an axum handler that reads the same body as the service, in the ordinary
//! way, and answers a constant of the same size.
//!
//! With `MODELGATE_BARE` set it also asks v1 or, every fourth time, v2, and throws the answer away:
//! what HTTP and the models cost together, without a router.

use std::sync::{
    OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Json, Router, http::header, response::IntoResponse, routing::post, serve::ListenerExt};
use modelgate::{Model, onnx};
use serde::Deserialize;
use tokio::net::TcpListener;

#[derive(Deserialize)]
struct Question {
    features: Vec<f32>,
}

const ANSWER: &str = r#"{"label":1,"probabilities":[1.9877078e-7,0.99537843,3.867079e-8,7.87593e-7,0.003757074,1.476544e-6,0.000012008895,3.5367625e-6,0.00079921883,0.000047287387],"model_version":"v1","reason":"TARGETING_MATCH","flag_revision":1,"fell_back":false,"prediction_id":"000102030405060708090a0b0c0d0e0f"}"#;

static MODELS: OnceLock<[onnx::Classifier; 2]> = OnceLock::new();
static ASKED: AtomicUsize = AtomicUsize::new(0);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::var_os("MODELGATE_BARE").is_some() {
        let load = |name| onnx::Classifier::load(format!("examples/models/digits_{name}.onnx"));
        let _ = MODELS.set([load("v1")?, load("v2")?]);
    }
    let address = std::env::var("MODELGATE_ADDR").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(address).await?.tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
    axum::serve(listener, Router::new().route("/predict", post(predict))).await?;
    Ok(())
}

async fn predict(Json(question): Json<Question>) -> impl IntoResponse {
    assert_eq!(question.features.len(), 64);
    if let Some([v1, v2]) = MODELS.get() {
        let second = ASKED.fetch_add(1, Ordering::Relaxed).is_multiple_of(4);
        let model = if second { v2 } else { v1 };
        std::hint::black_box(model.predict(&question.features[..]).expect("a digit is readable"));
    }
    ([(header::CONTENT_TYPE, "application/json")], ANSWER)
}
