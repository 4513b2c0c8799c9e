//! What a router answers, without a router.

use std::time::Duration;

use smol_str::SmolStr;

use crate::{
    flag::Reason,
    model::ModelError,
    prediction_id::PredictionId,
    router::{Decision, FallbackCause, PredictError, PredictErrorKind, Prediction},
    version::Version,
};

/// An answer of `version`, chosen by a flag without rules.
///
/// ```
/// use modelgate::testing::prediction;
///
/// let answer = prediction("v2", 0.25_f32);
/// assert_eq!((answer.version().as_str(), *answer.output()), ("v2", 0.25));
/// ```
pub fn prediction<P>(version: impl Into<Version>, output: P) -> Prediction<P> {
    decision(version).prediction(output)
}

/// A decision for `version`, to be told more of.
///
/// ```
/// use modelgate::{FallbackCause, Reason, testing::decision};
///
/// let decision = decision("v1").fallback(FallbackCause::BreakerOpen).reason(Reason::Split);
/// assert!(decision.prediction("answer").fell_back());
/// ```
pub fn decision(version: impl Into<Version>) -> DecisionBuilder {
    DecisionBuilder {
        decision: Decision {
            version: version.into(),
            reason: Reason::Static,
            fallback: None,
            variant: None,
            revision: 1,
        },
        service_time: Duration::ZERO,
        first_error: None,
    }
}

/// A decision under construction; made by [`decision`].
#[derive(Debug)]
#[must_use = "it makes a decision when it is built"]
pub struct DecisionBuilder {
    decision: Decision,
    service_time: Duration,
    first_error: Option<ModelError>,
}

impl DecisionBuilder {
    /// Why the flags chose so. Default: [`Reason::Static`].
    pub fn reason(mut self, reason: Reason) -> DecisionBuilder {
        self.decision.reason = reason;
        self
    }

    /// The version is the fallback, for this cause.
    pub fn fallback(mut self, cause: FallbackCause) -> DecisionBuilder {
        self.decision.fallback = Some(cause);
        self
    }

    /// The variant the flag chose.
    pub fn variant(mut self, name: impl AsRef<str>) -> DecisionBuilder {
        self.decision.variant = Some(SmolStr::new(name));
        self
    }

    /// The revision of the flags. Default: 1.
    pub fn revision(mut self, revision: u64) -> DecisionBuilder {
        self.decision.revision = revision;
        self
    }

    /// How long the version took to answer. Default: no time.
    pub fn service_time(mut self, time: Duration) -> DecisionBuilder {
        self.service_time = time;
        self
    }

    /// What the version that the flags named said before the fallback answered.
    pub fn first_error(mut self, error: ModelError) -> DecisionBuilder {
        self.first_error = Some(error);
        self
    }

    /// The decision.
    pub fn build(self) -> Decision {
        self.decision
    }

    /// The version's answer, under a new id.
    pub fn prediction<P>(self, output: P) -> Prediction<P> {
        let DecisionBuilder { decision, service_time, first_error } = self;
        Prediction { output, decision, service_time, id: PredictionId::generate(), first_error }
    }
}

/// An error of this kind, as a router gives it.
///
/// ```
/// use modelgate::{model::ErrorKind, router::PredictErrorKind, testing::predict_error};
///
/// let error = predict_error(PredictErrorKind::Model(ErrorKind::Deadline));
/// assert!(error.is_deadline());
/// assert_eq!(error.kind(), PredictErrorKind::Model(ErrorKind::Deadline));
/// ```
pub fn predict_error(kind: PredictErrorKind) -> PredictError {
    match kind {
        PredictErrorKind::Model(kind) => {
            PredictError::model(Version::new("v1"), ModelError::of_kind(kind, "made by a test"))
        }
        PredictErrorKind::MissingKey => PredictError::missing_key(),
        PredictErrorKind::Overloaded => PredictError::overloaded(),
        PredictErrorKind::Stopped => PredictError::stopped(),
    }
}
