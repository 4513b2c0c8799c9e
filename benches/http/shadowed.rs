//! The axum example with a candidate that takes ten times as long as the version that answers.

#[path = "../../examples/axum.rs"]
#[allow(dead_code)]
mod example;

use std::error::Error;

use example::service::{Config, Digits, Service};
use modelgate::{
    Classification, Features, Model, ModelError, ModelRouter, Shadow,
    compare::{ProbabilityDistance, sink::JsonlSink},
    shadow::Budget,
    source::FileSource,
};
use tokio::net::TcpListener;

/// A model that takes ten times as long.
struct TenTimes<M>(M);

impl<M: Model<Features, Classification>> Model<Features, Classification> for TenTimes<M> {
    fn predict(&self, features: &Features) -> Result<Classification, ModelError> {
        for _ in 0..9 {
            std::hint::black_box(self.0.predict(features)?);
        }
        self.0.predict(features)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::from_environment()?;
    let digits = Digits::open(&config.models)?;
    let mut shadow = Shadow::flag("shadow-mode-v2").candidate("v2");
    if let Some(percent) = std::env::var("MODELGATE_BUDGET").ok().and_then(|it| it.parse().ok()) {
        shadow = shadow.budget(Budget::cpu_percent(percent));
    }
    let router = ModelRouter::builder("ml-model-version")
        .model("v1", digits.model("v1")?)
        .model("v2", TenTimes(digits.model("v1")?))
        .fallback("v1")
        .source(FileSource::watch(&config.flags))
        .shadow(shadow)
        .compare(ProbabilityDistance::argmax())
        .sink(JsonlSink::builder(&config.comparisons).rotate(64 << 20, 1).create()?)
        .build()?;
    let listener = TcpListener::bind(&config.address).await?;
    example::serve(listener, Service::new(router)).await
}
