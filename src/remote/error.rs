//! Why a version on another machine did not answer.

use std::{error::Error, fmt, time::Duration};

use crate::model::{ModelError, ModelErrorKind};

type Cause = Box<dyn Error + Send + Sync>;

/// Why a version on another machine could not be set up, or did not answer.
///
/// A [`ModelError`] of a remote model has one as its source:
///
/// ```
/// use std::error::Error;
/// use modelgate::{ModelError, RemoteError};
///
/// fn is_gone(error: &ModelError) -> bool {
///     let cause = error.source().and_then(|cause| cause.downcast_ref::<RemoteError>());
///     matches!(cause, Some(RemoteError::Gone { .. }))
/// }
/// # let _ = is_gone;
/// ```
///
/// What a server says is shown to at most 512 characters, and without the numbers that may be
/// features.
#[derive(Debug)]
#[non_exhaustive]
pub enum RemoteError {
    /// A setting that cannot work.
    Setting {
        /// The setting.
        setting: &'static str,
        /// What it was.
        found: Box<str>,
        /// What it may be.
        expected: Box<str>,
    },
    /// The client, or a thread for it, could not be made.
    Client {
        /// What went wrong.
        source: Cause,
    },
    /// No connection came about.
    Unreachable {
        /// What went wrong.
        source: Cause,
    },
    /// The connection broke before the answer was there as a whole.
    Broken {
        /// What went wrong.
        source: Cause,
    },
    /// The server answered with this HTTP status.
    Status {
        /// The status.
        status: u16,
        /// What the server says about it.
        message: Box<str>,
        /// When the server wants to be asked again, if it says so.
        retry_after: Option<Duration>,
    },
    /// The server answered with this gRPC status.
    Grpc {
        /// The status, as gRPC spells it: `INVALID_ARGUMENT`.
        code: &'static str,
        /// What the server says about it.
        message: Box<str>,
    },
    /// The server does not have this model, or not in this version.
    Gone {
        /// The model.
        model: Box<str>,
        /// The version, if one was asked for.
        version: Option<Box<str>>,
        /// What the server says about it.
        message: Box<str>,
    },
    /// The server has the model, and does not let it answer yet.
    NotReady {
        /// Why, as far as it is known.
        why: Box<str>,
    },
    /// Something in the metadata or in an answer is not what it should be.
    Mismatch {
        /// What: `inputs.amount: shape`.
        field: Box<str>,
        /// What it is.
        found: Box<str>,
        /// What it should be.
        expected: Box<str>,
    },
    /// An answer that cannot be read.
    Malformed {
        /// What was being read.
        what: &'static str,
        /// What is wrong with it.
        detail: Box<str>,
    },
    /// An answer that is larger than is allowed.
    TooLarge {
        /// How many bytes are allowed.
        limit: u64,
    },
    /// As many requests as may be are on their way, and as many as may wait are waiting.
    Overloaded {
        /// How many requests may be on their way.
        in_flight: usize,
        /// How many may wait.
        waiting: usize,
    },
    /// No answer came in time.
    Deadline {
        /// How long the request had.
        limit: Duration,
    },
}

impl RemoteError {
    #[cold]
    pub(super) fn setting(
        setting: &'static str,
        found: impl fmt::Display,
        expected: impl Into<Box<str>>,
    ) -> RemoteError {
        RemoteError::Setting { setting, found: found.to_string().into(), expected: expected.into() }
    }

    #[cold]
    pub(super) fn mismatch(
        field: impl fmt::Display,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> RemoteError {
        RemoteError::Mismatch {
            field: field.to_string().into(),
            found: found.to_string().into(),
            expected: expected.to_string().into(),
        }
    }

    #[cold]
    pub(super) fn malformed(what: &'static str, detail: impl fmt::Display) -> RemoteError {
        RemoteError::Malformed { what, detail: detail.to_string().into() }
    }

    /// The words of the server in it.
    pub(super) fn words(&mut self) -> Option<&mut Box<str>> {
        match self {
            RemoteError::Status { message, .. }
            | RemoteError::Grpc { message, .. }
            | RemoteError::Gone { message, .. } => Some(message),
            _ => None,
        }
    }

    fn kind(&self) -> ModelErrorKind {
        match self {
            RemoteError::NotReady { .. } => ModelErrorKind::NotLoaded,
            RemoteError::Overloaded { .. } => ModelErrorKind::Overloaded,
            RemoteError::Deadline { .. } | RemoteError::Grpc { code: "DEADLINE_EXCEEDED", .. } => {
                ModelErrorKind::Deadline
            }
            _ => ModelErrorKind::Failed,
        }
    }
}

impl From<RemoteError> for ModelError {
    fn from(error: RemoteError) -> ModelError {
        ModelError::with_source(error.kind(), "remote model did not answer", error)
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |f: &mut fmt::Formatter<'_>, message: &str| match message {
            "" => Ok(()),
            message => write!(f, ": {message}"),
        };
        match self {
            RemoteError::Setting { setting, found, expected } => {
                write!(f, "{setting}: found {found}, expected {expected}")
            }
            RemoteError::Client { .. } => f.write_str("client could not be made"),
            RemoteError::Unreachable { .. } => f.write_str("server could not be reached"),
            RemoteError::Broken { .. } => f.write_str("connection broke before the answer's end"),
            RemoteError::Status { status, message, .. } => {
                write!(f, "server answered {status}")?;
                said(f, message)
            }
            RemoteError::Grpc { code, message } => {
                write!(f, "server answered {code}")?;
                said(f, message)
            }
            RemoteError::Gone { model, version, message } => {
                write!(f, "server does not have model `{model}`")?;
                if let Some(version) = version {
                    write!(f, " in version `{version}`")?;
                }
                said(f, message)
            }
            RemoteError::NotReady { why } => write!(f, "model is not ready: {why}"),
            RemoteError::Mismatch { field, found, expected } => {
                write!(f, "{field}: found {found}, expected {expected}")
            }
            RemoteError::Malformed { what, detail } => write!(f, "{what} is malformed: {detail}"),
            RemoteError::TooLarge { limit } => {
                write!(f, "answer: found more than {limit} bytes")
            }
            RemoteError::Overloaded { in_flight, waiting } => write!(
                f,
                "requests: found {in_flight} on their way and {waiting} waiting, which is the limit"
            ),
            RemoteError::Deadline { limit } => write!(f, "no answer within {limit:?}"),
        }
    }
}

impl Error for RemoteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RemoteError::Client { source }
            | RemoteError::Unreachable { source }
            | RemoteError::Broken { source } => Some(&**source),
            _ => None,
        }
    }
}
