//! Why a remote model could not be set up, or did not answer.

use std::{error::Error as StdError, fmt, time::Duration};

use crate::model::{ErrorKind, ModelError};

type Cause = Box<dyn StdError + Send + Sync>;

/// Why a remote model could not be set up, or did not answer.
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
/// A server's message is cut to 512 characters, and numbers that may be features are removed from it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A setting is invalid.
    Setting {
        /// The setting.
        setting: &'static str,
        /// What it was.
        found: Box<str>,
        /// What it may be.
        expected: Box<str>,
    },
    /// The HTTP or gRPC client, or a thread for it, could not be created.
    Client {
        /// What went wrong.
        source: Cause,
    },
    /// No connection to the server could be established.
    Unreachable {
        /// What went wrong.
        source: Cause,
    },
    /// The connection broke before the whole answer had been received.
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
        /// How long to wait before the next attempt, if the server says so (`Retry-After`).
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
    /// The server is not ready to answer for the model.
    NotReady {
        /// Why, as far as it is known.
        why: Box<str>,
    },
    /// Something in the metadata or in an answer is not as expected.
    Mismatch {
        /// The field: `inputs.amount: shape`.
        field: Box<str>,
        /// What the server sent.
        found: Box<str>,
        /// What was expected.
        expected: Box<str>,
    },
    /// An answer cannot be parsed.
    Malformed {
        /// What was being read.
        what: &'static str,
        /// What is wrong with it.
        detail: Box<str>,
    },
    /// An answer is larger than allowed.
    TooLarge {
        /// How many bytes are allowed.
        limit: u64,
    },
    /// As many requests as allowed are in flight, and as many as allowed are waiting.
    Overloaded {
        /// How many requests may be in flight.
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

    /// The server's message, if there is one.
    pub(super) fn message_mut(&mut self) -> Option<&mut Box<str>> {
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
            Error::Client { .. } => f.write_str("client could not be created"),
            Error::Unreachable { .. } => f.write_str("server could not be reached"),
            Error::Broken { .. } => f.write_str("connection broke before the end of the answer"),
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
                "requests: found {in_flight} in flight and {waiting} waiting, which is the limit"
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
