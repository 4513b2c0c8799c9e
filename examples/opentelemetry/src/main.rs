//! Each prediction as an event on the trace of its request, by the names that OpenTelemetry has for
//! feature flags, sent by OTLP.
//!
//! ```sh
//! cargo run --manifest-path examples/opentelemetry/Cargo.toml
//! ```
//!
//! Without `OTEL_EXPORTER_OTLP_ENDPOINT` a stand-in collector in this process takes the traces and
//! prints what arrived.

mod collector;

use std::error::Error;

use collector::Collector;
use modelgate::{Context, ModelRouter, Rollout, model_fn};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing_subscriber::layer::SubscriberExt;

fn main() -> Result<(), Box<dyn Error>> {
    let elsewhere = std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").ok();
    let collector = match elsewhere {
        Some(_) => None,
        None => Some(Collector::start()?),
    };
    let exporter = opentelemetry_otlp::SpanExporter::builder().with_http();
    let exporter = match &collector {
        Some(collector) => exporter.with_endpoint(collector.traces_url()),
        None => exporter,
    };
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter.build()?)
        .with_resource(Resource::builder().with_service_name("payments").build())
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_location(false)
        .with_tracer(provider.tracer("payments"));
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))?;

    let router = ModelRouter::<[f32], f32>::builder("ml-model-version")
        .model("v1", model_fn(|features: &[f32]| Ok(features.iter().sum())))
        .model("v2", model_fn(|features: &[f32]| Ok(features.iter().product())))
        .fallback("v1")
        .source(Rollout::percent("v2", 50.0).or("v1").flag("ml-model-version")?)
        .trace_evaluations()
        .build()?;
    for user in ["user-1", "user-2", "user-3", "user-4"] {
        // What a web framework's middleware opens for a request.
        let _request = tracing::info_span!("POST /predict").entered();
        router.predict(&Context::new(user), &[2.0, 3.0])?;
    }
    provider.shutdown()?;

    if let Some(collector) = collector {
        let arrived = collector.arrived();
        println!("{} events arrived at the stand-in collector:\n", arrived.len());
        for event in &arrived {
            println!("{event}");
        }
        if arrived.len() != 4 {
            return Err(format!("found {} events, expected 4", arrived.len()).into());
        }
    }
    Ok(())
}
