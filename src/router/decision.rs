//! What was decided, and why.

use std::fmt;

use serde::{Serialize, Serializer};
use smol_str::SmolStr;

use super::clamp::ExplainedClamp;
use crate::{
    flag::{ErrorCode, EvaluationTrace, Reason},
    model::ErrorKind,
    version::Version,
};

/// Which version answers a request, and why; made without running a model.
///
/// Serializes as `{"version": "v2", "reason": "SPLIT", "fallback": null, "variant": "v2",
/// "revision": 7}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    pub(crate) version: Version,
    pub(crate) reason: Reason,
    pub(crate) fallback: Option<FallbackCause>,
    pub(crate) variant: Option<SmolStr>,
    pub(crate) revision: u64,
}

impl Decision {
    /// The version that is to answer.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Why, in OpenFeature's terms where they fit.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Why this is the fallback version rather than the one the flags named; `None` when it is the
    /// one they named.
    pub fn fallback(&self) -> Option<FallbackCause> {
        self.fallback
    }

    /// Whether the fallback version stands in for the one the flags named.
    pub fn fell_back(&self) -> bool {
        self.fallback.is_some()
    }

    /// The variant the flag chose, where there is one. A name of more than 23 bytes costs each
    /// decision an allocation.
    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }

    /// The revision of the flag snapshot that everything in this decision was read from.
    pub fn revision(&self) -> u64 {
        self.revision
    }
}

/// Why the fallback version answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FallbackCause {
    /// No flags have arrived yet.
    NotReady,
    /// No source has the flag.
    FlagNotFound,
    /// The flag is switched off: the kill switch.
    FlagDisabled,
    /// The flag could not be evaluated.
    FlagError(ErrorCode),
    /// The flag's value is not of a type that names a version.
    WrongType,
    /// The flag leaves the choice to its caller: it has no default variant.
    NoVariant,
    /// The flag names a version that is not registered.
    UnknownVersion,
    /// The split wanted a targeting key and the context had none.
    MissingKey,
    /// The version is registered but may not answer yet: not loaded, or it failed its checks.
    Ineligible,
    /// An operator blocked the version on this router.
    Blocked,
    /// The version failed too often and is being left alone for a while.
    BreakerOpen,
    /// An [autopilot](crate::autopilot) does not let this user reach the version yet. Ordinary, and
    /// no failure of the version: its flag named it, and would have been followed without an autopilot.
    HeldBack,
    /// The version was asked and did not answer.
    Failed(ErrorKind),
}

impl FallbackCause {
    /// How many causes there are in tables of counts.
    pub(crate) const COUNT: usize = 19;

    /// The cause's place in tables of counts.
    pub(crate) fn index(self) -> usize {
        match self {
            FallbackCause::NotReady => 0,
            FallbackCause::FlagNotFound => 1,
            FallbackCause::FlagDisabled => 2,
            FallbackCause::FlagError(_) => 3,
            FallbackCause::WrongType => 4,
            FallbackCause::NoVariant => 5,
            FallbackCause::UnknownVersion => 6,
            FallbackCause::MissingKey => 7,
            FallbackCause::Ineligible => 8,
            FallbackCause::Blocked => 9,
            FallbackCause::BreakerOpen => 10,
            FallbackCause::HeldBack => 18,
            FallbackCause::Failed(kind) => match kind {
                ErrorKind::InvalidInput => 11,
                ErrorKind::Failed => 12,
                ErrorKind::Panicked => 13,
                ErrorKind::NonFinite => 14,
                ErrorKind::Deadline => 15,
                ErrorKind::NotLoaded => 16,
                ErrorKind::Overloaded => 17,
            },
        }
    }

    /// The names by [`FallbackCause::index`].
    pub(crate) const NAMES: [&'static str; FallbackCause::COUNT] = [
        "not_ready",
        "flag_not_found",
        "flag_disabled",
        "flag_error",
        "wrong_type",
        "no_variant",
        "unknown_version",
        "missing_key",
        "ineligible",
        "blocked",
        "breaker_open",
        "invalid_input",
        "error",
        "panic",
        "non_finite",
        "deadline",
        "not_loaded",
        "overloaded",
        "held_back",
    ];

    /// A stable name for logs, metrics and responses.
    pub fn as_str(self) -> &'static str {
        FallbackCause::NAMES.get(self.index()).copied().unwrap_or("unknown")
    }

    /// Whether somebody should look at it. A kill switch, an operator's block, a caller without
    /// an identity and one whose features are wrong are ordinary.
    pub(crate) fn is_trouble(self) -> bool {
        !matches!(
            self,
            FallbackCause::FlagDisabled
                | FallbackCause::Blocked
                | FallbackCause::HeldBack
                | FallbackCause::MissingKey
                | FallbackCause::Failed(ErrorKind::InvalidInput)
        )
    }
}

/// As its [name](FallbackCause::as_str).
impl Serialize for FallbackCause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for FallbackCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FallbackCause::FlagError(code) => write!(f, "flag_error: {code}"),
            other => f.write_str(other.as_str()),
        }
    }
}

/// What a split does for a context without a targeting key.
///
/// Only splits ask: a flag without a percentage answers the same for everybody, key or not. Never
/// do callers without a key share one bucket, which would turn 25 % into none or all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MissingKey {
    /// The fallback version answers, with [`Reason::MissingKey`].
    #[default]
    Fallback,
    /// A key is drawn for this one request: the shares hold, the assignment does not last. The
    /// reason is [`Reason::MissingKey`].
    Random,
    /// [`PredictError::is_missing_key`](crate::PredictError::is_missing_key).
    Refuse,
}

/// A decision with everything that led to it; see [`ModelRouter::explain`](crate::ModelRouter::explain).
///
/// Serializes for whoever asks why a user got a version.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// Each flag that was asked, in order, with the steps of its evaluation.
    pub flags: Vec<ExplainedFlag>,
    /// What an [autopilot](crate::autopilot) made of the version that the flags named; `None` where
    /// none steers it, and where an operator pinned a version.
    pub autopilot: Option<ExplainedClamp>,
    /// The candidates that would run in shadow.
    pub shadows: Vec<Version>,
}

/// One flag's part in an [`Explanation`].
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ExplainedFlag {
    /// The flag's key.
    pub key: String,
    /// Whether any source has it.
    pub found: bool,
    /// The source whose definition counts.
    pub source: Option<String>,
    /// The steps of its evaluation.
    pub trace: EvaluationTrace,
}
