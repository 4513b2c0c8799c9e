//! Why a version on another machine did not answer.

use std::{error::Error as StdError, fmt, time::Duration};

use crate::model::{ErrorKind, ModelError};

type Cause = Box<dyn StdError + Send + Sync>;

/// Why a version on another machine could not be set up, or did not answer.
///
/// A [`ModelError`] of a remote model has one as its source:
///
/// ```
/// use std::error::Error;
/// use modelgate::{ModelError, remote};
///
/// fn is_gone(error: &ModelError) -> bool {
///     let cause = error.source().and_then(|cause| cause.downcast_ref::<remote::Error>());
///     matches!(cause, Some(remote::Error::Gone { .. }))
/// }
/// # let _ = is_gone;
/// ```
///
/// What a server says is shown to at most 512 characters, and without the numbers that may be
/// features.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
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

impl Error {
    #[cold]
    pub(super) fn setting(
        setting: &'static str,
        found: impl fmt::Display,
        expected: impl Into<Box<str>>,
    ) -> Error {
        Error::Setting { setting, found: found.to_string().into(), expected: expected.into() }
    }

    #[cold]
    pub(super) fn mismatch(
        field: impl fmt::Display,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> Error {
        Error::Mismatch {
            field: field.to_string().into(),
            found: found.to_string().into(),
            expected: expected.to_string().into(),
        }
    }

    #[cold]
    pub(super) fn malformed(what: &'static str, detail: impl fmt::Display) -> Error {
        Error::Malformed { what, detail: detail.to_string().into() }
    }

    /// The words of the server in it.
    pub(super) fn words(&mut self) -> Option<&mut Box<str>> {
        match self {
            Error::Status { message, .. }
            | Error::Grpc { message, .. }
            | Error::Gone { message, .. } => Some(message),
            _ => None,
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Error::NotReady { .. } => ErrorKind::NotLoaded,
            Error::Overloaded { .. } => ErrorKind::Overloaded,
            Error::Deadline { .. } | Error::Grpc { code: "DEADLINE_EXCEEDED", .. } => {
                ErrorKind::Deadline
            }
            _ => ErrorKind::Failed,
        }
    }
}

impl From<Error> for ModelError {
    fn from(error: Error) -> ModelError {
        ModelError::with_source(error.kind(), "remote model did not answer", error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |f: &mut fmt::Formatter<'_>, message: &str| match message {
            "" => Ok(()),
            message => write!(f, ": {message}"),
        };
        match self {
            Error::Setting { setting, found, expected } => {
                write!(f, "{setting}: found {found}, expected {expected}")
            }
            Error::Client { .. } => f.write_str("client could not be made"),
            Error::Unreachable { .. } => f.write_str("server could not be reached"),
            Error::Broken { .. } => f.write_str("connection broke before the answer's end"),
            Error::Status { status, message, .. } => {
                write!(f, "server answered {status}")?;
                said(f, message)
            }
            Error::Grpc { code, message } => {
                write!(f, "server answered {code}")?;
                said(f, message)
            }
            Error::Gone { model, version, message } => {
                write!(f, "server does not have model `{model}`")?;
                if let Some(version) = version {
                    write!(f, " in version `{version}`")?;
                }
                said(f, message)
            }
            Error::NotReady { why } => write!(f, "model is not ready: {why}"),
            Error::Mismatch { field, found, expected } => {
                write!(f, "{field}: found {found}, expected {expected}")
            }
            Error::Malformed { what, detail } => write!(f, "{what} is malformed: {detail}"),
            Error::TooLarge { limit } => {
                write!(f, "answer: found more than {limit} bytes")
            }
            Error::Overloaded { in_flight, waiting } => write!(
                f,
                "requests: found {in_flight} on their way and {waiting} waiting, which is the limit"
            ),
            Error::Deadline { limit } => write!(f, "no answer within {limit:?}"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Error::Client { source } | Error::Unreachable { source } | Error::Broken { source } => {
                Some(&**source)
            }
            _ => None,
        }
    }
}
