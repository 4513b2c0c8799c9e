//! A service whose model computes for 20 ms: on the router's pool, or, with
//! `MODELGATE_IN_PLACE=1`, in the handler, as it is usually written.

use std::{
    error::Error,
    hint::black_box,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use modelgate::{AsyncModelRouter, Context, ModelRouter, Rollout, model_fn};
use tokio::net::TcpListener;

type Slow = AsyncModelRouter<[f32], f32>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::var("MODELGATE_ADDR").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let in_place = std::env::var_os("MODELGATE_IN_PLACE").is_some();
    let router: Slow = ModelRouter::builder("ml-model-version")
        .model("v1", model_fn(|row: &[f32]| Ok(compute(row))))
        .fallback("v1")
        .source(Rollout::everyone("v1").flag("ml-model-version")?)
        .build_async()?;
    let predict = match in_place {
        true => post(async || compute(&[1.0]).to_string()),
        false => post(predict),
    };
    let app = Router::new()
        .route("/predict", predict)
        .route("/healthz", get(async || "ok"))
        .with_state(router);
    Ok(axum::serve(TcpListener::bind(address).await?, app).await?)
}

async fn predict(State(router): State<Slow>) -> Result<String, StatusCode> {
    let answer = router.predict(&Context::new("user-1"), vec![1.0]).await;
    answer.map(|it| it.output().to_string()).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

/// 20 ms of computing.
fn compute(row: &[f32]) -> f32 {
    let started = Instant::now();
    let mut value = row.iter().sum::<f32>().sin().abs();
    while started.elapsed() < Duration::from_millis(20) {
        for _ in 0..1_000 {
            value = black_box(3.9 * value * (1.0 - value));
        }
    }
    value
}
