//! The answer of a flag, and how it came about.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::value::{Map, Value};

/// What a flag answered, and how that came about: OpenFeature's evaluation details.
///
/// [`Flags::details`](crate::Flags::details) answers with one that owns what it holds and has the
/// type that was asked for. [`FlagSet::evaluate`](crate::FlagSet::evaluate) answers with one that
/// [borrows](BorrowedDetails) from the compiled flag, and allocates nothing; its value is what the
/// flag says, of whatever type, until one of its methods reads it as a type:
///
/// ```
/// use modelgate::{Context, FlagSet, Rollout};
///
/// let flags = FlagSet::new().with(Rollout::everyone("v1").flag("ml-model-version")?);
/// let user = Context::new("user-42");
/// let details = flags.evaluate("ml-model-version", &user).string("none");
/// assert_eq!((details.value, details.variant), ("v1", Some("v1")));
///
/// let owned = details.into_owned_details();
/// println!("{}", serde_json::to_string(&owned)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EvaluationDetails<T, S = String, M = Map> {
    /// The value: of the type that was asked for, the caller's default where the flag has none. As
    /// an evaluation gives it, before it is read as a type: `None` means the caller's own default.
    pub value: T,
    /// The variant's name, where the flag's dialect names one and no default was needed.
    pub variant: Option<S>,
    /// Why.
    pub reason: Reason,
    /// What went wrong, when `reason` is [`Reason::Error`].
    pub error: Option<ErrorCode>,
    /// The flag's metadata, that of its set included.
    pub metadata: M,
    /// Whether the flag is on, in the dialects that tell this apart from its value: there a value
    /// may stand beside a switch that is off.
    pub on: Option<bool>,
    /// Whether a percentage split wanted a targeting key and the context had none.
    pub missing_key: bool,
    /// Which of the flag's outcomes this is, in its dialect's order: what is counted.
    #[serde(skip)]
    pub(crate) outcome: u32,
    /// Whether a float that is read as an integer loses its fraction, as this dialect's vendor has
    /// it; a mismatch otherwise.
    #[serde(skip)]
    pub(crate) truncates: bool,
}

/// [`EvaluationDetails`] that borrow from a compiled flag.
pub type BorrowedDetails<'a, T = Option<&'a Value>> = EvaluationDetails<T, &'a str, &'a Map>;

/// What a dialect answers.
pub(crate) type Evaluation<'a> = BorrowedDetails<'a>;

impl<T, S, M> EvaluationDetails<T, S, M> {
    /// The same details of another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> EvaluationDetails<U, S, M> {
        EvaluationDetails {
            value: change(self.value),
            variant: self.variant,
            reason: self.reason,
            error: self.error,
            metadata: self.metadata,
            on: self.on,
            missing_key: self.missing_key,
            outcome: self.outcome,
            truncates: self.truncates,
        }
    }
}

impl<T> BorrowedDetails<'_, T> {
    /// The same details, with name and metadata of their own.
    pub fn into_owned_details(self) -> EvaluationDetails<T> {
        EvaluationDetails {
            value: self.value,
            variant: self.variant.map(str::to_owned),
            reason: self.reason,
            error: self.error,
            metadata: self.metadata.clone(),
            on: self.on,
            missing_key: self.missing_key,
            outcome: self.outcome,
            truncates: self.truncates,
        }
    }
}

/// Why a value, and so a version, was chosen. The names are OpenFeature's where they fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The flag has no rules: everybody gets this.
    Static,
    /// A targeting rule matched.
    TargetingMatch,
    /// A percentage split chose.
    Split,
    /// No rule matched, or the flag leaves the choice to its caller.
    Default,
    /// The flag is switched off.
    Disabled,
    /// The flag could not answer; an [`ErrorCode`] says why.
    Error,
    /// No flags have arrived yet.
    NotReady,
    /// A split wanted a targeting key and the context had none.
    MissingKey,
    /// An operator pinned this version on this router.
    Pinned,
}

impl Reason {
    /// How many reasons there are.
    pub(crate) const COUNT: usize = 9;

    /// The reason's place in tables of counts.
    pub(crate) fn index(self) -> usize {
        match self {
            Reason::Static => 0,
            Reason::TargetingMatch => 1,
            Reason::Split => 2,
            Reason::Default => 3,
            Reason::Disabled => 4,
            Reason::Error => 5,
            Reason::NotReady => 6,
            Reason::MissingKey => 7,
            Reason::Pinned => 8,
        }
    }

    /// Every reason, in the order of [`Reason::index`].
    pub(crate) const ALL: [Reason; Reason::COUNT] = [
        Reason::Static,
        Reason::TargetingMatch,
        Reason::Split,
        Reason::Default,
        Reason::Disabled,
        Reason::Error,
        Reason::NotReady,
        Reason::MissingKey,
        Reason::Pinned,
    ];

    /// OpenFeature's spelling: `TARGETING_MATCH`, `SPLIT`, and so on.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Static => "STATIC",
            Reason::TargetingMatch => "TARGETING_MATCH",
            Reason::Split => "SPLIT",
            Reason::Default => "DEFAULT",
            Reason::Disabled => "DISABLED",
            Reason::Error => "ERROR",
            Reason::NotReady => "NOT_READY",
            Reason::MissingKey => "MISSING_KEY",
            Reason::Pinned => "PINNED",
        }
    }
}

/// As its [name](Reason::as_str).
impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong in an evaluation, by OpenFeature's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// No source has this flag.
    FlagNotFound,
    /// The flag's rules could not be evaluated.
    ParseError,
    /// The value is not of the type that was asked for.
    TypeMismatch,
    /// The dialect cannot answer without a targeting key, and the context has none.
    TargetingKeyMissing,
    /// The context is none that the dialect can evaluate.
    InvalidContext,
    /// The flag asked for something it does not define: a variant that is not there.
    General,
}

impl ErrorCode {
    /// OpenFeature's spelling: `FLAG_NOT_FOUND`, `PARSE_ERROR`, and so on.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::FlagNotFound => "FLAG_NOT_FOUND",
            ErrorCode::ParseError => "PARSE_ERROR",
            ErrorCode::TypeMismatch => "TYPE_MISMATCH",
            ErrorCode::TargetingKeyMissing => "TARGETING_KEY_MISSING",
            ErrorCode::InvalidContext => "INVALID_CONTEXT",
            ErrorCode::General => "GENERAL",
        }
    }
}

/// As its [name](ErrorCode::as_str).
impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How an evaluation went, step by step: each rule met, each attribute read, the bucket of a split
/// and its bounds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct EvaluationTrace {
    /// The steps, in the order they happened.
    pub steps: Vec<TraceStep>,
}

/// One step of a [`EvaluationTrace`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
#[non_exhaustive]
pub enum TraceStep {
    /// An attribute of the context was read; `null` when absent.
    Read {
        /// The attribute's path.
        attribute: String,
        /// What it held.
        value: Value,
    },
    /// An operator was evaluated.
    Operator {
        /// Where it stands in the flag, as a JSON pointer.
        path: String,
        /// Its name.
        operator: String,
        /// What it answered.
        result: Value,
    },
    /// A split placed the key.
    Bucket {
        /// Where the split stands in the flag, as a JSON pointer.
        path: String,
        /// The key's bucket, in `0..total`.
        bucket: f64,
        /// The first bucket of the chosen share.
        from: f64,
        /// The bucket after the last one of the chosen share.
        to: f64,
        /// The sum of all shares.
        total: f64,
    },
    /// Something else worth knowing.
    Note {
        /// What.
        text: String,
    },
}
