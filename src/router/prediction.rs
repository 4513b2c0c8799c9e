//! The answer of a router, and why there may be none.

use std::{error::Error, fmt, time::Duration};

use super::{Decision, FallbackCause};
use crate::{
    flag::Reason,
    model::{ModelError, ModelErrorKind},
    prediction_id::PredictionId,
    version::Version,
};

/// An answer, and where it came from.
#[derive(Clone, Debug)]
pub struct Prediction<P> {
    pub(crate) output: P,
    pub(crate) decision: Decision,
    pub(crate) service_time: Duration,
    pub(crate) id: PredictionId,
}

impl<P> Prediction<P> {
    /// What the model answered.
    pub fn output(&self) -> &P {
        &self.output
    }

    /// What the model answered, by value.
    pub fn into_output(self) -> P {
        self.output
    }

    /// The version that answered. Never the name of another: a fallback's answer carries the
    /// fallback's name.
    pub fn version(&self) -> &Version {
        &self.decision.version
    }

    /// Why the flags chose as they did.
    pub fn reason(&self) -> Reason {
        self.decision.reason
    }

    /// Why the fallback version answered; `None` when the version that the flags named did.
    pub fn fallback(&self) -> Option<FallbackCause> {
        self.decision.fallback
    }

    /// Whether the fallback version stood in for the one the flags named.
    pub fn fell_back(&self) -> bool {
        self.decision.fell_back()
    }

    /// The variant the flag chose, where there is one.
    pub fn variant(&self) -> Option<&str> {
        self.decision.variant()
    }

    /// The revision of the flags that the version and its shadows were chosen from.
    pub fn revision(&self) -> u64 {
        self.decision.revision
    }

    /// How long the version that answered took.
    pub fn service_time(&self) -> Duration {
        self.service_time
    }

    /// Identifies this answer, to join it later with what turned out to be true.
    pub fn id(&self) -> PredictionId {
        self.id
    }

    /// The whole decision.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }
}

/// Nobody could answer: the chosen version failed and so did the fallback, or the request was
/// refused before a model was asked.
///
/// Opaque with predicates, so that a new kind of failure is no breaking change.
pub struct PredictError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    version: Version,
    first: Option<ModelError>,
    source: Option<ModelError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Model,
    MissingKey,
    Overloaded,
    Stopped,
}

impl PredictError {
    #[cold]
    pub(crate) fn model(version: Version, source: ModelError) -> PredictError {
        let inner = Inner { kind: Kind::Model, version, first: None, source: Some(source) };
        PredictError(Box::new(inner))
    }

    #[cold]
    pub(crate) fn both(first: ModelError, version: Version, source: ModelError) -> PredictError {
        let inner = Inner { kind: Kind::Model, version, first: Some(first), source: Some(source) };
        PredictError(Box::new(inner))
    }

    #[cold]
    pub(crate) fn missing_key() -> PredictError {
        PredictError::without_model(Kind::MissingKey)
    }

    #[cfg(feature = "async")]
    #[cold]
    pub(crate) fn overloaded() -> PredictError {
        PredictError::without_model(Kind::Overloaded)
    }

    #[cfg(feature = "async")]
    #[cold]
    pub(crate) fn stopped() -> PredictError {
        PredictError::without_model(Kind::Stopped)
    }

    #[cold]
    fn without_model(kind: Kind) -> PredictError {
        let version = Version::new("");
        PredictError(Box::new(Inner { kind, version, first: None, source: None }))
    }

    /// The version that was asked last, if a model was asked at all.
    pub fn version(&self) -> Option<&Version> {
        (self.0.kind == Kind::Model).then_some(&self.0.version)
    }

    /// What the last model asked said.
    pub fn model_error(&self) -> Option<&ModelError> {
        self.0.source.as_ref()
    }

    /// What the chosen version said before the fallback was asked and failed too.
    pub fn first_error(&self) -> Option<&ModelError> {
        self.0.first.as_ref()
    }

    /// Whether the caller's features are at fault: a 400 or 422, not a 500.
    pub fn is_invalid_input(&self) -> bool {
        self.0.source.as_ref().is_some_and(ModelError::is_invalid_input)
    }

    /// Whether a split wanted a targeting key, the context had none, and the policy is
    /// [`MissingKey::Refuse`](crate::router::MissingKey::Refuse).
    pub fn is_missing_key(&self) -> bool {
        self.0.kind == Kind::MissingKey
    }

    /// Whether every answer came too late.
    pub fn is_deadline(&self) -> bool {
        self.0.source.as_ref().is_some_and(|error| error.kind() == ModelErrorKind::Deadline)
    }

    /// Whether too many requests were waiting for the compute pool: a 503.
    pub fn is_overloaded(&self) -> bool {
        self.0.kind == Kind::Overloaded
    }

    /// Whether the router's compute pool had been stopped.
    pub fn is_stopped(&self) -> bool {
        self.0.kind == Kind::Stopped
    }
}

impl fmt::Display for PredictError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.kind, &self.0.first) {
            (Kind::Model, None) => write!(f, "model version `{}` gave no answer", self.0.version),
            (Kind::Model, Some(_)) => write!(
                f,
                "neither the chosen model version nor the fallback `{}` gave an answer",
                self.0.version
            ),
            (Kind::MissingKey, _) => {
                f.write_str("the context has no targeting key, and the flag splits by one")
            }
            (Kind::Overloaded, _) => f.write_str("too many requests wait for the compute pool"),
            (Kind::Stopped, _) => f.write_str("the compute pool has been stopped"),
        }
    }
}

impl fmt::Debug for PredictError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PredictError")
            .field("kind", &self.0.kind)
            .field("version", &self.0.version)
            .field("first", &self.0.first)
            .field("source", &self.0.source)
            .finish()
    }
}

impl Error for PredictError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_ref().map(|source| source as &(dyn Error + 'static))
    }
}
