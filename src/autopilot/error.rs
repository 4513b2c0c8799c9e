//! Why an autopilot cannot be built.

use std::{error::Error, fmt, io};

/// An autopilot that cannot be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum AutopilotError {
    /// A setting is out of range.
    Setting {
        /// The setting.
        field: &'static str,
        /// Its value.
        found: String,
        /// The values that it can have.
        expected: &'static str,
    },
    /// No evidence to judge by was given: [`AutopilotBuilder::require`](super::AutopilotBuilder::require).
    NoEvidence,
    /// No store was given: [`AutopilotBuilder::store`](super::AutopilotBuilder::store).
    NoStore,
    /// The operating system refused a thread.
    Thread(io::Error),
}

impl fmt::Display for AutopilotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AutopilotError::Setting { field, found, expected } => {
                write!(f, "{field}: found {found}, expected {expected}")
            }
            AutopilotError::NoEvidence => {
                f.write_str("require: found nothing, expected evidence to judge the candidate by")
            }
            AutopilotError::NoStore => {
                f.write_str("store: found none, expected where the fleet keeps its state")
            }
            AutopilotError::Thread(_) => f.write_str("a thread could not be started"),
        }
    }
}

impl Error for AutopilotError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            AutopilotError::Thread(source) => Some(source),
            _ => None,
        }
    }
}
