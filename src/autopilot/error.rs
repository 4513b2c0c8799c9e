//! Why an autopilot cannot be built.

use std::{error::Error as StdError, fmt, io};

/// An autopilot that cannot be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A setting is out of range.
    Setting {
        /// The setting.
        field: &'static str,
        /// Its value.
        found: String,
        /// The values that it can have.
        expected: &'static str,
    },
    /// No evidence to judge by was given: [`Builder::require`](super::Builder::require).
    NoEvidence,
    /// No store was given: [`Builder::store`](super::Builder::store).
    NoStore,
    /// The operating system refused a thread.
    Thread(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Setting { field, found, expected } => {
                write!(f, "{field}: found {found}, expected {expected}")
            }
            Error::NoEvidence => {
                f.write_str("require: found nothing, expected evidence to judge the candidate by")
            }
            Error::NoStore => {
                f.write_str("store: found none, expected where the fleet keeps its state")
            }
            Error::Thread(_) => f.write_str("a thread could not be started"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Error::Thread(source) => Some(source),
            _ => None,
        }
    }
}
