//! A stand-in for an OpenTelemetry collector: takes traces by OTLP over HTTP and keeps their events.

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value,
};
use prost::Message;

type Events = Arc<Mutex<Vec<String>>>;

/// A collector on a port of this machine.
pub struct Collector {
    address: std::net::SocketAddr,
    events: Events,
}

impl Collector {
    /// Listens on a thread of its own.
    pub fn start() -> Result<Collector, Box<dyn Error>> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let events = Events::default();
        let app = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&events));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        thread::Builder::new().name("collector".to_owned()).spawn(move || {
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                axum::serve(listener, app).await
            })
        })?;
        Ok(Collector { address, events })
    }

    /// Where traces are sent to.
    pub fn traces_url(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    /// The events that have arrived, a line each.
    pub fn arrived(&self) -> Vec<String> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn take(State(events): State<Events>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    let spans = request.resource_spans.iter().flat_map(|part| &part.scope_spans);
    for span in spans.flat_map(|part| &part.spans) {
        for event in &span.events {
            let attributes = event.attributes.iter().filter_map(|attribute| {
                let value = match attribute.value.as_ref()?.value.as_ref()? {
                    Value::StringValue(text) => text.clone(),
                    Value::IntValue(number) => number.to_string(),
                    Value::BoolValue(yes) => yes.to_string(),
                    Value::DoubleValue(number) => number.to_string(),
                    _ => return None,
                };
                attribute.key.contains('.').then(|| format!("{}={value}", attribute.key))
            });
            let attributes: Vec<_> = attributes.collect();
            let line = format!("{}: {} {}", span.name, event.name, attributes.join(" "));
            events.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }
    StatusCode::OK
}
