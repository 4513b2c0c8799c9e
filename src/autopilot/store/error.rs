//! Errors of stores.

use std::{error::Error, fmt};

/// A store did not do what was asked.
#[derive(Debug)]
pub struct StoreError {
    message: String,
    conflict: bool,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// The store failed, with this cause.
    #[cold]
    pub fn new(
        message: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> StoreError {
        StoreError { message: message.into(), conflict: false, source: Some(source.into()) }
    }

    /// The document is not as expected: another replica was first.
    #[cold]
    pub fn conflict(name: &str) -> StoreError {
        StoreError {
            message: format!("{name} is not as it was expected: another replica was first"),
            conflict: true,
            source: None,
        }
    }

    /// A name that no document can have.
    #[cold]
    pub(super) fn bad_name(name: &str) -> StoreError {
        StoreError::plain(format!(
            "name: found `{name}`, expected a-z, 0-9, -, . and / between them"
        ))
    }

    #[cold]
    pub(crate) fn plain(message: impl Into<String>) -> StoreError {
        StoreError { message: message.into(), conflict: false, source: None }
    }

    /// Whether another replica was first, and nothing was changed.
    pub fn is_conflict(&self) -> bool {
        self.conflict
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
