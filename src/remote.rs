//! Models on an inference server (Triton, KServe, MLServer, Seldon), asked by the
//! [Open Inference Protocol], version 2, over HTTP or gRPC.
//!
//! [`Classifier`] sends rows of numbers and [`Graph`] sends named tensors. Both are asynchronous models,
//! and stand beside models in this process in one router. The [guide](crate::guide::remote) has the
//! settings for each server.
//!
//! [Open Inference Protocol]: https://github.com/kserve/open-inference-protocol

/// What a handle on a [`Core`](core::Core) tells of its server and model, whatever the model's answer is.
macro_rules! described_by_server {
    ($type:ident) => {
        impl $type {
            /// Asks the server now whether it is ready and still has the model as it was.
            ///
            /// # Errors
            ///
            /// [`Error`]: why requests cannot be answered.
            pub async fn check(&self) -> Result<(), Error> {
                self.0.check().await
            }

            /// The model's inputs, as the server first described them; empty if it did not.
            pub fn inputs(&self) -> &[TensorInfo] {
                self.0.known().map_or(&[], |checked| &checked.inputs)
            }

            /// The model's outputs, used here or not, as the server first described them; empty if it
            /// did not.
            pub fn outputs(&self) -> &[TensorInfo] {
                self.0.known().map_or(&[], |checked| &checked.outputs)
            }

            /// Whether the server is ready, and how many requests are under way.
            pub fn status(&self) -> Status {
                Status::of(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type))
                    .field("options", &self.0.shared.options)
                    .field("ready", &self.0.is_ready())
                    .finish_non_exhaustive()
            }
        }
    };
}

mod builder;
mod checked;
mod core;
mod error;
mod graph;
#[cfg(feature = "grpc")]
mod grpc;
mod json;
mod limit;
mod redact;
mod rest;
mod rows;
mod transport;
mod wire;

use std::{fmt, sync::Arc, sync::atomic::Ordering, time::Duration};

use self::core::Core;
pub use self::{builder::Builder, error::Error, graph::Graph, wire::TensorInfo};
use crate::model::{Classification, ModelError};
use crate::{AsyncModel, model::PredictFuture};

/// A classifier on an inference server: one row of `f32` in, [`Classification`] out.
///
/// It is an [`AsyncModel`], which stands beside models in this process in an `AsyncModelRouter`. Its
/// requests run on a thread of its own, so that it works on any async runtime or without one. Clones
/// share that thread and the connections, which end with the last of them. Dropping a future cancels
/// its request.
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
/// Connections are reused, and HTTP/2 is used where a server offers it over TLS. Tensors are sent in
/// binary where the server lists the extension `binary_tensor_data`, and as JSON otherwise; either way
/// every `f32` arrives bit for bit. While the server is down, or no longer has the model, the model
/// counts as not loaded.
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

    /// Options for the model of this name on the server at this URL, which ends before `/v2`.
    pub fn builder(url: impl Into<String>, model: impl Into<Box<str>>) -> Builder {
        Builder::new(url.into(), model.into())
    }

    fn of(core: Core) -> Classifier {
        Classifier(Arc::new(core))
    }

    /// Classifies many rows, in one request if the server takes as many: one result for each row, in
    /// order. A row of the wrong length, or with NaN, fails alone. The deadline is for the whole batch.
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

described_by_server!(Classifier);

/// The state of a remote model and of the requests to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Whether the server is ready to answer for the model.
    pub ready: bool,
    /// If it is not ready, why.
    pub why: Option<String>,
    /// Requests that have been sent and not yet answered.
    pub in_flight: usize,
    /// Requests that wait for one of those to be answered.
    pub waiting: usize,
    /// How many requests have been refused because too many were waiting.
    pub refused: usize,
    /// How many times a request has been sent again.
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

/// An attempt at a request that failed.
struct FailedAttempt {
    error: Error,
    /// The shortest time to wait before the next attempt; `None` if there must be none.
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
