//! Errors of stores.

use std::{error::Error as StdError, fmt};

/// A store did not do what was asked.
#[derive(Debug)]
pub struct Error {
    message: String,
    conflict: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// The store failed, with this cause.
    #[cold]
    pub fn new(
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Error {
        Error { message: message.into(), conflict: false, source: Some(source.into()) }
    }

    /// The document is not as expected: another replica was first.
    #[cold]
    pub fn conflict(name: &str) -> Error {
        Error {
            message: format!("{name} is not as it was expected: another replica was first"),
            conflict: true,
            source: None,
        }
    }

    /// A name that no document can have.
    #[cold]
    pub(super) fn bad_name(name: &str) -> Error {
        Error::plain(format!("name: found `{name}`, expected a-z, 0-9, -, . and / between them"))
    }

    #[cold]
    pub(crate) fn plain(message: impl Into<String>) -> Error {
        Error { message: message.into(), conflict: false, source: None }
    }

    /// Whether another replica was first, and nothing was changed.
    pub fn is_conflict(&self) -> bool {
        self.conflict
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
