//! modelgate decides, request by request, which version of a machine-learning model answers.
//!
//! ```
//! use modelgate::{Context, ModelRouter, Rollout, model_fn};
//!
//! let router = ModelRouter::<[f32], f32>::builder("ml-model-version")
//!     .model("v1", model_fn(|features: &[f32]| Ok(features.iter().sum())))
//!     .model("v2", model_fn(|features: &[f32]| Ok(features.iter().product())))
//!     .fallback("v1")
//!     .source(Rollout::percent("v2", 25.0).or("v1").flag("ml-model-version")?)
//!     .build()?;
//!
//! let answer = router.predict(&Context::new("user-42"), &[1.0, 2.0, 3.0])?;
//! assert_eq!(*answer.output(), 6.0);
//! println!("{} answered, because {}", answer.version(), answer.reason());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A service that rolls a model out slowly needs more glue than it seems: a split that is sticky,
//! a shadow that costs the caller nothing, a comparison that is kept, a switch back that works at
//! once, and an answer when any of it fails. That glue is this crate, in-process.
//!
//! # How the pieces fit
//!
//! ```text
//! flag file, URL, code ──FlagSource──▶ dialect ──compile──▶ FlagSet ──swap──▶ snapshot
//!                                                                              │ one read a request
//! request ── context + features ────────────────────────────────────────▶ decide ─▶ version, shadows
//!                                                                              │
//!                      the version answers on the caller's thread ◀────────────┤
//!                      error, panic, late ⇒ the fallback, in the same request  │
//!                                                                              ▼
//!      shadows: bounded hand-over ▶ threads of their own ▶ Comparison ▶ ComparisonSinks
//! ```
//!
//! | to | see | guide |
//! |---|---|---|
//! | route requests | [`ModelRouter`], [`AsyncModelRouter`], [`Binding`], [`Context`] | [routing](guide::routing) |
//! | bring models | [`Model`], [`model_fn`], `OnnxModel`, [`LazyModel`], [`Schema`], [`Batched`] | [models](guide::models) |
//! | bring flags | [`FlagSource`], [`Flags`], [`Rollout`] | [sources](guide::sources) |
//! | use a vendor's flags | [`dialect::flagd`], [`launchdarkly`](dialect::launchdarkly), [`unleash`](dialect::unleash), [`flagsmith`](dialect::flagsmith) | [dialects](guide::dialects) |
//! | run candidates in shadow | [`Shadow`], [`Budget`] | [shadow](guide::shadow) |
//! | compare, and keep it | [`Comparator`], [`ComparisonSink`], [`JsonlSink`] | [comparison](guide::comparison) |
//! | operate | [`ModelRouter::pin`], [`ModelRouter::install`], [`ModelRouter::stats`] | [operations](guide::operations) |
//!
//! # What can be relied on
//!
//! - **The primary answer is sacred.** No shadow, sink, source or metric can delay it, fail it or
//!   change it. A chosen version that errors, panics or is late is replaced by the fallback version
//!   in the same request.
//! - **Deciding waits for nobody.** It takes no lock, and for the common rules allocates nothing.
//! - **An assignment never changes**, between releases, restarts, machines or targets.
//! - **Nothing is served in silence.** Not ready, stale and fallen back are states that every answer
//!   and every status shows.
//! - **No panic** reaches a caller, and there is no `unsafe` code in this crate.
//!
//! # What it does not do
//!
//! It trains nothing, serves no HTTP, and decides no experiment: it keeps the comparisons from which
//! somebody can. Of ONNX it runs what tract runs, and the operators of ONNX-ML that exported
//! scikit-learn, XGBoost, LightGBM and CatBoost models are made of; any other it refuses by name when
//! the file is loaded (feature `ort` runs what ONNX Runtime runs).
//!
//! # Features
//!
//! | feature | default | what it brings | crates it adds to the 59 of the core |
//! |---|---|---|---|
//! | `onnx` | yes | `OnnxModel`, run by tract in pure Rust | 69 |
//! | `rayon` | yes | joined shadows and batches in parallel | 5 |
//! | `async` | yes | [`AsyncModelRouter`], for any runtime | 10 |
//! | `file` | yes | `FileSource`: a watched flag file | 7 |
//! | `http` | | `HttpSource`: a polled URL, TLS by rustls | 82 |
//! | `launchdarkly` | | `LaunchDarklySource`: the vendor's stream, or polling; events | those of `http` |
//! | `flagsmith` | | `FlagsmithSource`: Flagsmith's cloud, a server of one's own, an Edge Proxy | those of `http` |
//! | `unleash` | | `UnleashSource`: Unleash or Unleash Edge, polled, streamed or by deltas; usage and impact metrics | those of `http` |
//! | `flagd` | | `FlagdSource`: a flagd server's gRPC sync stream | 98, those of `http` among them |
//! | `ort` | | `OnnxRuntime`: the same models, run by an ONNX Runtime library that is loaded at run time; Rust 1.92 | 10 |
//! | `remote` | | `RemoteModel`: a version on KServe, Triton, MLServer or Seldon, by REST | 85, those of `http` among them |
//! | `grpc` | | the same by gRPC | 100, those of `remote` among them |
//! | `metrics` | | `MetricsReporter`: counts for the `metrics` facade | 2 |
//!
//! All defaults together make 143 crates, everything 228, the crate itself not counted
//! (`cargo tree -e normal --prefix none --no-dedupe | sed 's/ (.*//' | sort -u | wc -l`, less one).
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![warn(missing_debug_implementations, unreachable_pub)]
// Here, not in Cargo.toml: tests, benches and examples may panic, the library may not.
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::dbg_macro,
    clippy::todo
)]

pub mod autopilot;
pub mod dialect;
pub mod guide;

mod clock;
mod compare;
mod contain;
mod context;
mod features;
mod flag;
mod hash;
mod latency;
#[cfg(feature = "metrics")]
mod metrics;
mod model;
mod parallel;
mod prediction_id;
mod rollout;
mod router;
mod shadow;
mod sharded;
mod source;
mod store;
#[cfg(feature = "async")]
mod timer;
mod value;
mod version;

#[cfg(any(feature = "onnx", feature = "ort"))]
pub use crate::model::{
    AxisSize, Batch, EngineError, LoadError, NonFinite, OnnxBuilder, OnnxColumns, OnnxGraph,
    OnnxModel, TensorDescription, UnsupportedOperator,
};
#[cfg(feature = "ort")]
pub use crate::model::{OnnxRuntime, OnnxRuntimeError};
pub use crate::{
    clock::{Clock, ManualClock, SystemClock},
    compare::{
        Agreement, ChannelSink, Classified, Comparator, Comparison, ComparisonSink, FanOut,
        JsonlBuilder, JsonlSink, KeyHash, KeyHasher, Labels, MemorySink, Probabilities,
        ProbabilityVector, Score, Side, SinkCounts, SinkError, Tolerance, TopK, TracingSink,
        WeakSecret,
    },
    context::{Context, EvaluationContext, INLINE_ATTRIBUTES, OwnedContext},
    features::{FeatureValue, Features, Schema, SchemaError, SchemaModel},
    flag::{
        DocumentError, ErrorCode, Evaluation, Exposure, Exposures, Flag, FlagProblem, FlagSet,
        Reason, Resolution, Severity, Trace, TraceStep, ValueType,
    },
    latency::Latency,
    model::{
        Admission, Batched, BatchedStats, Dtype, Finite, FnModel, Ineligible, Label, LazyLoadError,
        LazyModel, Model, ModelError, ModelErrorKind, Scores, Tensor, TensorData, TensorError,
        Tensors, model_fn,
    },
    prediction_id::{ParsePredictionIdError, PredictionId},
    rollout::{AttributeCondition, Condition, Rollout, RolloutError, Schedule, Shares},
    router::{
        Binding, BreakerPolicy, BuildError, Counts, Decision, ExplainedFlag, Explanation,
        FallbackCause, ImpactMetric, ImpactMetrics, ImpactValue, Input, MissingKey, ModelRouter,
        OperateError, Output, PredictError, Prediction, RouterBuilder, RouterStats, Switches,
        VersionState, VersionStats,
    },
    shadow::{Budget, LossCause, Priority, Shadow, ShadowCounts, ShadowError, ShadowStats},
    source::{Compile, EnvironmentSource, FlagSink, FlagSource, SourceError, Subscription},
    store::{
        ConnectionStatus, FlagDetail, FlagValue, Flags, FlagsBuilder, FlagsStatus, LastKnownGood,
        LastKnownGoodError, NotReady, Saved, Snapshot, SourceState, SourceStatus, StartError,
    },
    value::{AsValue, Map, Mapping, Sequence, Value, ValueRef},
    version::Version,
};

#[cfg(feature = "metrics")]
pub use crate::metrics::{MetricsReporter, publish_metrics, publish_source_metrics};
#[cfg(feature = "async")]
pub use crate::model::AsyncBatched;
#[cfg(feature = "remote")]
pub use crate::model::{
    RemoteBuilder, RemoteError, RemoteGraph, RemoteModel, RemoteStatus, RemoteTensor,
};
#[cfg(feature = "async")]
pub use crate::router::{AsyncFnModel, AsyncModel, AsyncModelRouter, ModelFuture, async_model_fn};
#[cfg(feature = "file")]
pub use crate::source::FileSource;
#[cfg(feature = "flagd")]
pub use crate::source::FlagdSource;
#[cfg(feature = "flagsmith")]
pub use crate::source::FlagsmithSource;
#[cfg(feature = "unleash")]
pub use crate::source::UnleashSource;
pub(crate) use crate::source::chain as error_chain;
#[cfg(feature = "launchdarkly")]
pub use crate::source::{
    BigSegmentCache, BigSegmentCacheBuilder, BigSegmentStore, DualReads, LaunchDarklyEvents,
    LaunchDarklySource, Preparing,
};
#[cfg(feature = "http")]
pub use crate::source::{HttpSettings, HttpSource};

/// The README's example is compiled as a test.
#[cfg(all(doctest, feature = "onnx", feature = "file"))]
#[doc = include_str!("../README.md")]
struct Readme;
