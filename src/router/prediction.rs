//! The answer of a router, and why there may be none.

use std::{error::Error, fmt, time::Duration};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{Decision, FallbackCause};
use crate::{
    flag::Reason,
    model::{ErrorKind, ModelError, error::LazyText},
    prediction_id::PredictionId,
    version::Version,
};

/// An answer, and where it came from.
///
/// Serializes flat, under the names that comparisons have in a log: `prediction_id`, `output`,
/// `version`, `reason`, `fallback`, `variant`, `revision` and `service_us`.
#[derive(Clone, Debug)]
pub struct Prediction<P> {
    pub(crate) output: P,
    pub(crate) decision: Decision,
    pub(crate) service_time: Duration,
    pub(crate) id: PredictionId,
    pub(crate) first_error: Option<ModelError>,
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

    /// What the version that the flags named said, where it failed and the fallback answered.
    pub fn first_error(&self) -> Option<&ModelError> {
        self.first_error.as_ref()
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

impl<P: Serialize> Serialize for Prediction<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let micros = u64::try_from(self.service_time.as_micros()).unwrap_or(u64::MAX);
        let mut answer = serializer.serialize_struct("Prediction", 8)?;
        answer.serialize_field("prediction_id", &self.id)?;
        answer.serialize_field("output", &self.output)?;
        answer.serialize_field("version", self.version())?;
        answer.serialize_field("reason", &self.reason())?;
        answer.serialize_field("fallback", &self.fallback())?;
        answer.serialize_field("variant", &self.variant())?;
        answer.serialize_field("revision", &self.revision())?;
        answer.serialize_field("service_us", &micros)?;
        answer.end()
    }
}

/// Nobody could answer: the chosen version failed and so did the fallback, or the request was
/// refused before a model was asked.
///
/// [`kind`](PredictError::kind) says which, for a service that turns it into a status:
///
/// ```
/// use modelgate::{PredictError, model::ErrorKind, router::PredictErrorKind};
///
/// fn status(error: &PredictError) -> u16 {
///     match error.kind() {
///         PredictErrorKind::MissingKey => 400,
///         PredictErrorKind::Model(ErrorKind::InvalidInput) => 422,
///         PredictErrorKind::Model(ErrorKind::Deadline) => 504,
///         PredictErrorKind::Overloaded | PredictErrorKind::Stopped => 503,
///         PredictErrorKind::Model(ErrorKind::Overloaded | ErrorKind::NotLoaded) => 503,
///         _ => 500,
///     }
/// }
/// # let _ = status;
/// ```
pub struct PredictError(Box<ErrorParts>);

#[derive(Debug)]
struct ErrorParts {
    kind: ErrorCause,
    version: Version,
    first: Option<ModelError>,
    source: Option<ModelError>,
}

/// What kept a [`PredictError`]'s request from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PredictErrorKind {
    /// The version asked last did not answer, for this reason.
    Model(ErrorKind),
    /// A split wanted a targeting key, the context had none, and the policy is to
    /// [refuse](crate::router::MissingKey::Refuse).
    MissingKey,
    /// Too many requests were waiting for the compute pool.
    Overloaded,
    /// The router's compute pool had been stopped.
    Stopped,
}

impl PredictErrorKind {
    /// A stable name for logs, metrics and responses: a model's is that of its own
    /// [kind](ErrorKind::as_str).
    pub fn as_str(self) -> &'static str {
        match self {
            PredictErrorKind::Model(kind) => kind.as_str(),
            PredictErrorKind::MissingKey => "missing_key",
            PredictErrorKind::Overloaded => "pool_overloaded",
            PredictErrorKind::Stopped => "pool_stopped",
        }
    }
}

impl fmt::Display for PredictErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ErrorCause {
    Model,
    MissingKey,
    Overloaded,
    Stopped,
}

impl PredictError {
    #[cold]
    pub(crate) fn model(version: Version, source: ModelError) -> PredictError {
        let inner =
            ErrorParts { kind: ErrorCause::Model, version, first: None, source: Some(source) };
        PredictError(Box::new(inner))
    }

    #[cold]
    pub(crate) fn both(first: ModelError, version: Version, source: ModelError) -> PredictError {
        let inner = ErrorParts {
            kind: ErrorCause::Model,
            version,
            first: Some(first),
            source: Some(source),
        };
        PredictError(Box::new(inner))
    }

    #[cold]
    pub(crate) fn missing_key() -> PredictError {
        PredictError::without_model(ErrorCause::MissingKey)
    }

    #[cfg(any(feature = "async", feature = "test-util"))]
    #[cold]
    pub(crate) fn overloaded() -> PredictError {
        PredictError::without_model(ErrorCause::Overloaded)
    }

    #[cfg(any(feature = "async", feature = "test-util"))]
    #[cold]
    pub(crate) fn stopped() -> PredictError {
        PredictError::without_model(ErrorCause::Stopped)
    }

    #[cold]
    fn without_model(kind: ErrorCause) -> PredictError {
        let version = Version::new("");
        PredictError(Box::new(ErrorParts { kind, version, first: None, source: None }))
    }

    /// What kept the request from an answer.
    pub fn kind(&self) -> PredictErrorKind {
        match self.0.kind {
            ErrorCause::Model => PredictErrorKind::Model(
                self.0.source.as_ref().map_or(ErrorKind::Failed, ModelError::kind),
            ),
            ErrorCause::MissingKey => PredictErrorKind::MissingKey,
            ErrorCause::Overloaded => PredictErrorKind::Overloaded,
            ErrorCause::Stopped => PredictErrorKind::Stopped,
        }
    }

    /// The version that was asked last, if a model was asked at all.
    pub fn version(&self) -> Option<&Version> {
        (self.0.kind == ErrorCause::Model).then_some(&self.0.version)
    }

    /// What the last model asked said.
    pub fn model_error(&self) -> Option<&ModelError> {
        self.0.source.as_ref()
    }

    /// What the chosen version said before the fallback was asked and failed too.
    pub fn first_error(&self) -> Option<&ModelError> {
        self.0.first.as_ref()
    }

    /// The error, what each model said and why, in one line, for whoever sent the features.
    pub fn detailed(&self) -> impl fmt::Display + '_ {
        self.with_errors(|error, f| write!(f, "{}", error.detailed()))
    }

    /// The same without what may hold features: for logs. See [`ModelError::redacted`].
    pub fn redacted(&self) -> impl fmt::Display + '_ {
        self.with_errors(|error, f| write!(f, "{}", error.redacted()))
    }

    fn with_errors<'e>(
        &'e self,
        show: impl Fn(&ModelError, &mut fmt::Formatter<'_>) -> fmt::Result + 'e,
    ) -> impl fmt::Display + 'e {
        LazyText(move |f: &mut fmt::Formatter<'_>| {
            write!(f, "{self}")?;
            let mut separator = ": ";
            for error in [self.first_error(), self.model_error()].into_iter().flatten() {
                f.write_str(separator)?;
                separator = "; ";
                show(error, f)?;
            }
            Ok(())
        })
    }

    /// Whether the caller's features are at fault: a 400 or 422, not a 500.
    pub fn is_invalid_input(&self) -> bool {
        self.0.source.as_ref().is_some_and(ModelError::is_invalid_input)
    }

    /// Whether a split wanted a targeting key, the context had none, and the policy is
    /// [`MissingKey::Refuse`](crate::router::MissingKey::Refuse).
    pub fn is_missing_key(&self) -> bool {
        self.0.kind == ErrorCause::MissingKey
    }

    /// Whether every answer came too late.
    pub fn is_deadline(&self) -> bool {
        self.0.source.as_ref().is_some_and(|error| error.kind() == ErrorKind::Deadline)
    }

    /// Whether too many requests were waiting for the compute pool: a 503.
    pub fn is_overloaded(&self) -> bool {
        self.0.kind == ErrorCause::Overloaded
    }

    /// Whether the router's compute pool had been stopped.
    pub fn is_stopped(&self) -> bool {
        self.0.kind == ErrorCause::Stopped
    }
}

impl fmt::Display for PredictError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.kind, &self.0.first) {
            (ErrorCause::Model, None) => {
                write!(f, "model version `{}` gave no answer", self.0.version)
            }
            (ErrorCause::Model, Some(_)) => write!(
                f,
                "neither the chosen model version nor the fallback `{}` gave an answer",
                self.0.version
            ),
            (ErrorCause::MissingKey, _) => {
                f.write_str("the context has no targeting key, and the flag splits by one")
            }
            (ErrorCause::Overloaded, _) => {
                f.write_str("too many requests wait for the compute pool")
            }
            (ErrorCause::Stopped, _) => f.write_str("the compute pool has been stopped"),
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
