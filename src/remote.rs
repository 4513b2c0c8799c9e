//! Versions on another machine, by the Open Inference Protocol (v2): KServe, Triton, MLServer,
//! Seldon.

mod builder;
mod checked;
mod core;
mod error;
mod graph;
#[cfg(feature = "grpc")]
mod grpc;
mod json;
mod limit;
mod rest;
mod rows;
mod transport;
mod wire;
mod words;

use std::{fmt, sync::Arc, sync::atomic::Ordering, time::Duration};

use self::core::Core;
pub use self::{builder::Builder, error::Error, graph::Graph, wire::TensorInfo};
use crate::model::{Classification, ModelError};
use crate::{AsyncModel, model::PredictFuture};

/// A classifier on another machine, by the Open Inference Protocol (v2): one row of `f32` in,
/// [`Classification`] out.
///
/// It is an [`AsyncModel`], which sits beside models in this process in an `AsyncModelRouter`. Its
/// requests run on a thread of its own, so that it works on any async runtime, and on none; a clone
/// shares thread and connections, and the last one to go ends both. Dropping a future that has not
/// answered ends its request.
///
/// ```no_run
/// use modelgate::{AsyncModelRouter, Classification, ModelRouter, onnx, remote};
///
/// # #[cfg(feature = "onnx")]
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let v2 = remote::Classifier::connect("http://triton.internal:8000", "fraud").await?;
/// let router: AsyncModelRouter<[f32], Classification> = ModelRouter::builder("ml-model-version")
///     .model("v1", onnx::Classifier::load("fraud-v1.onnx")?)
///     .async_model("v2", v2)
///     .fallback("v1")
///     .build_async()?;
/// # Ok(())
/// # }
/// ```
///
/// Connections are kept, and HTTP/2 is used where a server offers it behind TLS. Tensors travel as
/// bytes where the server lists `binary_tensor_data` among its extensions, and as JSON otherwise;
/// either way an `f32` arrives as it was. A model that lost its server, or that the server no
/// longer has, counts as not loaded until the server has it again.
#[derive(Clone)]
pub struct Classifier(Arc<Core>);

impl Classifier {
    /// The model of this name on the server at this URL, with every option at its default.
    ///
    /// # Errors
    ///
    /// As [`Builder::connect`].
    pub async fn connect(
        url: impl Into<String>,
        model: impl Into<Box<str>>,
    ) -> Result<Classifier, Error> {
        Classifier::builder(url, model).connect().await
    }

    /// Options for the model of this name on the server at this URL: what stands before `/v2`.
    pub fn builder(url: impl Into<String>, model: impl Into<Box<str>>) -> Builder {
        Builder::new(url.into(), model.into())
    }

    fn of(core: Core) -> Classifier {
        Classifier(Arc::new(core))
    }

    /// Looks at the server now: whether it is ready, and still has the model that was expected.
    ///
    /// # Errors
    ///
    /// Why it may not answer.
    pub async fn check(&self) -> Result<(), Error> {
        self.0.check().await
    }

    /// What the model takes, as the server stated it at the start. Empty when it did not.
    pub fn inputs(&self) -> &[TensorInfo] {
        self.0.known().map_or(&[], |checked| &checked.inputs)
    }

    /// What the model gives, used here or not; likewise.
    pub fn outputs(&self) -> &[TensorInfo] {
        self.0.known().map_or(&[], |checked| &checked.outputs)
    }

    /// How it stands with the server, and with the requests to it.
    pub fn status(&self) -> Status {
        Status::of(&self.0)
    }

    /// Scores many rows at once, in one request where the server takes it: one result a row, in
    /// order. A row of a wrong length, or with NaN in it, fails alone. The deadline is that of all.
    pub async fn predict_batch(&self, rows: &[&[f32]]) -> Vec<Result<Classification, ModelError>> {
        rows::many(&self.0, rows).await
    }
}

impl AsyncModel<[f32], Classification> for Classifier {
    fn predict<'a>(&'a self, row: &'a [f32]) -> PredictFuture<'a, Classification> {
        Box::pin(rows::one(&self.0, row))
    }

    fn is_loaded(&self) -> bool {
        self.0.is_ready()
    }

    fn load(&self) -> PredictFuture<'_, ()> {
        Box::pin(async { Ok(self.check().await?) })
    }
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Classifier")
            .field("options", &self.0.shared.options)
            .field("ready", &self.0.is_ready())
            .finish_non_exhaustive()
    }
}

/// How it stands with a version on another machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Whether it may be asked.
    pub ready: bool,
    /// Why not, if not.
    pub why: Option<String>,
    /// Requests on their way.
    pub in_flight: usize,
    /// Requests that wait until one of those is answered.
    pub waiting: usize,
    /// Requests that were refused because too many waited, since the start.
    pub refused: usize,
    /// How often a request was sent again, since the start.
    pub retried: usize,
}

impl Status {
    fn of(core: &Core) -> Status {
        let ready = core.is_ready();
        let shared = &core.shared;
        Status {
            ready,
            why: (!ready).then(|| core.why()),
            in_flight: shared.limit.in_flight(),
            waiting: shared.limit.waiting(),
            refused: shared.limit.refused(),
            retried: shared.retried.load(Ordering::Relaxed),
        }
    }
}

/// A try that failed.
struct FailedAttempt {
    error: Error,
    /// If it may be tried again: after how long at the earliest.
    again: Option<Duration>,
}

impl From<Error> for FailedAttempt {
    fn from(error: Error) -> FailedAttempt {
        FailedAttempt { error, again: None }
    }
}

impl From<FailedAttempt> for Error {
    fn from(failed: FailedAttempt) -> Error {
        failed.error
    }
}
