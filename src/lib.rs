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
//! | route requests | [`ModelRouter`], [`AsyncModelRouter`], [`Binding`], [`Context`] | [routing](guide::routing), [axum](guide::axum), [from Python](guide::from_python) |
//! | bring models | [`Model`], [`model_fn`], `onnx::Classifier`, [`LazyModel`](model::LazyModel), [`Schema`](features::Schema), [`Batched`](model::Batched) | [models](guide::models) |
//! | bring flags | [`FlagSource`], [`Flags`], [`Rollout`] | [sources](guide::sources), [writing one](guide::writing_a_source) |
//! | use a vendor's flags | [`flagd`], [`launchdarkly`], [`unleash`], [`flagsmith`] | [LaunchDarkly](guide::launchdarkly), [Unleash](guide::unleash), [Flagsmith](guide::flagsmith), [flagd](guide::flagd), [side by side](guide::dialects) |
//! | run candidates in shadow | [`Shadow`], [`Budget`](shadow::Budget) | [shadow](guide::shadow) |
//! | compare, and keep it | [`Comparator`](compare::Comparator), [`ComparisonSink`](compare::sink::ComparisonSink), [`JsonlSink`](compare::sink::JsonlSink) | [comparison](guide::comparison) |
//! | know whether v2 is better | [`Verdict`](verdict::Verdict), [`Metric`](verdict::Metric), [`Judgement`](verdict::Judgement) | [verdict](guide::verdict) |
//! | let a candidate grow by itself, and roll back | [`Autopilot`](autopilot::Autopilot) | [autopilot](guide::autopilot) |
//! | show it to people | [`Report`](report::Report) | |
//! | operate | [`ModelRouter::pin`], [`ModelRouter::install`], [`ModelRouter::stats`] | [operations](guide::operations) |
//!
//! # What can be relied on
//!
//! - **The primary answer is sacred.** No shadow, sink, source or metric can delay it, fail it or
//!   change it. A chosen version that errors, panics or is late is replaced by the fallback version
//!   in the same request.
//! - **Deciding waits for nobody.** It takes no lock, and for the common rules allocates nothing.
//! - **An assignment never changes**, between releases, restarts, machines or targets.
//! - **Nothing is served in silence.** Every answer says which version gave it, and whether and why it
//!   stands in for another; [`ModelRouter::status`] says which source is not ready, or stale.
//! - **No panic** reaches a caller, and there is no `unsafe` code in this crate.
//!
//! # What it does not do
//!
//! It trains nothing and serves no HTTP. Of ONNX it runs what tract runs, and the operators of ONNX-ML that exported
//! scikit-learn, XGBoost, LightGBM and CatBoost models are made of; any other it refuses by name when
//! the file is loaded (feature `ort` runs what ONNX Runtime runs).
//!
//! # Features
//!
#![doc = include_str!("guide/features.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
// What a feature brings cannot be linked to where it is left out; with all of them every link holds.
#![cfg_attr(
    not(all(
        feature = "async",
        feature = "file",
        feature = "flagd",
        feature = "flagsmith",
        feature = "grpc",
        feature = "launchdarkly",
        feature = "metrics",
        feature = "onnx",
        feature = "test-util",
        feature = "unleash"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]
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
pub mod clock;
pub mod compare;
pub mod dialect;
pub mod features;
pub mod flag;
pub mod flagd;
#[cfg(feature = "flagsmith-dialect")]
pub mod flagsmith;
pub mod guide;
#[cfg(feature = "launchdarkly-dialect")]
pub mod launchdarkly;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod model;
#[cfg(any(feature = "onnx", feature = "ort"))]
pub mod onnx;
#[cfg(feature = "remote")]
pub mod remote;
pub mod report;
pub mod rollout;
pub mod router;
pub mod shadow;
pub mod source;
pub mod tensor;
#[cfg(feature = "test-util")]
pub mod testing;
#[cfg(feature = "unleash-dialect")]
pub mod unleash;
pub mod value;
pub mod verdict;

#[cfg(feature = "async")]
mod blocking;
mod contain;
mod context;
mod cpu_time;
mod hash;
mod latency;
mod mismatch;
mod parallel;
mod prediction_id;
mod process;
mod reaper;
mod sharded;
#[cfg(feature = "async")]
mod timer;
mod version;

#[cfg(feature = "async")]
pub use crate::router::future::{
    AsyncModelRouter,
    model::{AsyncModel, async_model_fn},
};
pub(crate) use crate::source::chain as error_chain;
pub use crate::{
    context::{Context, EvaluationContext, OwnedContext},
    features::row::Features,
    flag::{evaluation::Reason, set::FlagSet, store::flags::Flags},
    model::{
        classification::Classification, error::ModelError, function::model_fn, interface::Model,
    },
    prediction_id::PredictionId,
    rollout::definition::Rollout,
    router::{
        binding::Binding,
        builder::RouterBuilder,
        decision::{Decision, FallbackCause},
        error::BuildError,
        model_router::ModelRouter,
        prediction::{PredictError, Prediction},
    },
    shadow::policy::Shadow,
    source::flag_source::FlagSource,
    version::Version,
};

/// The README's example is compiled as a test.
#[cfg(all(doctest, feature = "onnx", feature = "file"))]
#[doc = include_str!("../README.md")]
struct Readme;
